package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// nearlyFull is the utilisation from which on bursts find no free slot; FremisnSlotsSaturated has the same threshold.
const nearlyFull = 0.8

// unfair is the maximum deviation of a node's share from a fair one; FremisnTrafficImbalance has the same threshold.
const unfair = 0.2

// saturation answers: is there room, what runs full first (slots, the limiter, connections), and is the work shared
// fairly.
func saturation() *board {
	b := newBoard(
		"fremisn-saturation",
		"Fremisn / Saturation and limits",
		"Is there capacity left? The nodes' slots (max_conns), the limiter, NGINX's own connections, and each "+
			"node's share of the traffic.",
	)
	b.row("Is there capacity left?")
	b.line(4, roomVerdict()...)
	b.row("Slots: how full are the nodes?")
	b.line(9, busySlots(), utilisation())
	b.line(9, noLive(), fullOrDisabled())
	b.row("The limiter")
	b.line(9, limiterByStatus(), rejectedShare(), limiterZones())
	b.row("Connections of NGINX")
	b.line(9, connections(), acceptedHandled(), droppedConnections())
	b.row("Does each node get its share?")
	b.line(9, share(), shareOff())
	return b
}

// groupUtilisation is the ratio of used slots of all slots in use, as in FremisnSlotsSaturated.
var groupUtilisation = sum(byGroup, "fremisn:upstream_utilisation:ratio5m", group)

// slots are those of the servers in use, or, if there are none, of all: then only the backups work.
const slots = `sum by (` + byGroup + `) (
    fremisn:server_slots:sum{` + group + `} and on (cluster, job, instance, upstream, server) ` +
	`nginx_upstream_server_info{` + group + `,state="active"}
    or on (` + byGroup + `) fremisn:server_slots:sum{` + group + `})`

func roomVerdict() []panel {
	return []panel{
		oneStat(5, about{
			id: 1, title: "Busy slots, last 5 min", unit: units.PercentUnit, empty: "no max_conns",
			shows: "The mean share of busy slots in 5 minutes, of all slots of the group (max_conns of its servers).",
			bad:   "Above 80 %: a burst finds no free slot, and its clients get 502 at once: NGINX has no queue.",
			do:    "Send less, or add nodes. Check that the upstream has a `zone` if NGINX has several workers.",
		}, over(theGroup, groupUtilisation), decimals(1), from(good, step{nearlyFull / 2, look},
			step{nearlyFull, bad})),
		oneStat(5, about{
			id: 2, title: "Slots", unit: units.Short, empty: "no max_conns",
			shows: "How many requests the group's servers take at once (the sum of max_conns; without `zone`, each " +
				"worker has its own), without backups and servers that are taken out.",
			bad: "Fewer than your clients' concurrent requests.",
			do:  "While max_conns is 1, each further node adds one slot.",
		}, now(theGroup, slots),
			decimals(0), from(idle)),
		oneStat(5, about{
			id: 3, title: "Requests without a free node", unit: units.Short, empty: "no server found in nginx.conf",
			shows: "How many times in the time range NGINX found no free server.",
			bad:   "Any: each is a 502.",
			do:    "See “No free server, and servers taken out” below.",
		}, over(theGroup, zero(byGroup, group, events(byGroup, "nginx_upstream_no_live_total", group))), added,
			decimals(0), from(good, step{1, bad})),
		oneStat(5, about{
			id: 4, title: "Rejected, last 5 min", unit: units.PercentUnit,
			empty: "not in the log format",
			shows: "The share of requests that limit_req or limit_conn rejected, in 5 minutes.",
			bad:   "Above 10 %, if the clients are yours.",
			do:    "Slow the clients down, or raise the rate in nginx.conf, but not above what the slots allow.",
		}, over(theSite, limitedShare), decimals(1), from(good, step{0.01, look}, step{0.1, bad})),
		oneStat(4, about{
			id: 5, title: "Dropped connections", unit: units.Short, empty: "no status page",
			shows: "Connections that NGINX accepted and did not handle, in the time range.",
			bad:   "Any.",
			do:    "Raise worker_connections, and the limit of open files.",
		}, over(theSite, droppedInterval), added, decimals(0), from(good, step{1, bad})),
	}
}

const limitedShare = `(sum by (cluster, job, instance) ` +
	`(fremisn:requests:rate5m{` + balancer + `,outcome="limited"}) or sum by (cluster, job, instance) ` +
	`(fremisn:requests:rate5m{` + balancer + `}) * 0)
  / (sum by (cluster, job, instance) (fremisn:requests:rate5m{` + balancer + `}) > 0)`

// droppedInterval is how much more accepted has grown than handled since the previous point. Both are reset together.
const droppedInterval = `clamp_min(
  sum by (cluster, job, instance) (nginx_connections_accepted{` + balancer + `} - ` +
	`nginx_connections_handled{` + balancer + `})
    - sum by (cluster, job, instance) (nginx_connections_accepted{` + balancer + `} offset $__interval - ` +
	`nginx_connections_handled{` + balancer + `} offset $__interval), 0)`

func busySlots() panel {
	return lines(12, about{
		id: 10, title: "Busy slots by node", unit: units.Short, empty: "no attempts",
		shows: "How many requests each node worked on at once, on average over 5 minutes (by Little's law the rate " +
			"of the sum of response times); dashed, its max_conns.",
		bad: "A line near its dashed one. A mean of 0.8 of one slot means that most new requests find it " +
			"busy.",
		do: "Spread the load over time, or add a node.",
	}, []query{
		over(theServer, zero(byServer, server, sum(byServer, "fremisn:node_busy_slots:mean5m", server))),
		over("max_conns "+theServer, sum(byServer, "fremisn:server_slots:sum", server)),
	}, colouredByNode, dashed("max_conns", neutral), leadsTo("Open this node", otherNode))
}

func utilisation() panel {
	return lines(12, about{
		id: 11, title: "Utilisation by node", unit: units.PercentUnit, empty: "no max_conns",
		shows: "Busy slots of each node against its max_conns; dashed, where bursts begin to fail.",
		bad:   "Above 80 %. One node alone near 100 %: it is slower than the others.",
		do:    "All of them: less load or more nodes. One: see its page.",
	}, []query{over(theServer, utilised(server))},
		colouredByNode, bound(nearlyFull), leadsTo("Open this node", otherNode))
}

func noLive() panel {
	return bars(12, about{
		id: 12, title: "Requests without a free node", unit: units.Short, empty: "no server found in nginx.conf",
		shows: "How many times NGINX found no free server in the group; each is a 502 for a client. The legend has " +
			"the total.",
		bad: "Any bar.",
		do:  "See the next panel: were the servers full, or disabled?",
	}, []query{over(theGroup, zero(byGroup, group, events(byGroup, "nginx_upstream_no_live_total",
		group)))}, coloured(".*", bad))
}

func fullOrDisabled() panel {
	event := func(name, legend string) query {
		return over(
			legend+" "+theGroup,
			zero(byGroup, group, events(byGroup, "nginx_error_log_events_total", group+`,event="`+name+`"`)),
		)
	}
	out := over("out "+theServer, "max by ("+byServer+") (nginx_upstream_server_unavailable{"+group+"})")
	return bars(12, about{
		id: 13, title: "No free server, and servers taken out", unit: units.Short, empty: "no error log is read",
		shows: "Events of the error log: no_live (no server was free) beside disabled (NGINX leaves a server " +
			"alone for fail_timeout after max_fails failures), and out: the servers that NGINX passes over at " +
			"that moment.",
		bad: "no_live alone: all slots were busy. no_live with disabled while the probes are green: failures of " +
			"single requests have disabled one node after another.",
		do: "no_live alone: too much load, see above. With disabled: find the request that fails on every node in " +
			"the access log; max_fails=0 keeps it from disabling all of them. NGINX logs disabled at level warn.",
	}, []query{event("no_live_upstreams", "no_live"), event("server_disabled", "disabled"), out},
		coloured("no_live", bad, "disabled", unsure, "out", poor))
}

func limiterByStatus() panel {
	return stacked(8, about{
		id: 20, title: "Limiter by status", unit: units.RequestsPerSecond,
		empty: "the log format has no $limit_req_status",
		shows: "Requests a second by what limit_req did with them: passed, delayed, rejected (and what it would " +
			"have done in a dry run). Dashed: the rate of the zone, which holds for each of its keys (most often a " +
			"client address), not for the sum.",
		bad: "rejected, if the clients are yours.",
		do:  "See rate and burst in “Zones of the limiter”. A client that is rejected should wait and try again.",
	}, []query{
		over("{{status}}"+atBalancer, rate("cluster, job, instance, status", "nginx_access_limit_req_total", balancer)),
		over(
			"rate of {{zone}}"+atBalancer,
			`max by (cluster, job, instance, zone) (nginx_limit_req_rate{`+balancer+`})`,
		),
	}, coloured("passed", good, "delayed", look, "rejected", bad, "delayed_dry_run", look, "rejected_dry_run",
		poor), dashed("rate of", neutral))
}

func rejectedShare() panel {
	return bars(8, about{
		id: 21, title: "Rejected requests", unit: units.Short, empty: "no access log is read",
		shows: "How many requests limit_req and limit_conn rejected; they do not count against the objective.",
		bad:   "Bars at the same time each day: a job that sends all at once.",
		do:    "Spread the job, or raise burst.",
	}, []query{
		over(
			"limit_req"+atBalancer,
			zero(
				byBalancer,
				balancer,
				events(byBalancer, "nginx_access_limit_req_total", balancer+`,status="rejected"`),
			),
		),
		over(
			"limit_conn"+atBalancer,
			zero(
				byBalancer,
				balancer,
				events(byBalancer, "nginx_access_limit_conn_total", balancer+`,status="rejected"`),
			),
		),
	}, coloured("limit_req", poor, "limit_conn", unsure))
}

func limiterZones() panel {
	return rows(8, about{
		id: 22, title: "Zones of the limiter", unit: units.Number, empty: "no limit_req in nginx.conf",
		shows: "What nginx.conf allows: the rate of each zone for each of its keys, and the largest burst on top.",
		bad:   "A burst far above the number of slots: it lets requests through that find no free node.",
		do:    "burst and slots belong together; nodelay sends the whole burst at once.",
	}, []query{
		column("rate", `max by (cluster, job, instance, zone) (nginx_limit_req_rate{`+balancer+`})`),
		column("burst", `max by (cluster, job, instance, zone) (nginx_limit_req_burst{`+balancer+`})`),
	}, []field{
		{"zone", "Zone", nil}, {"instance", "Instance", nil},
		{"rate", "Rate", width(100, unit(units.RequestsPerSecond, 1))},
		{"burst", "Burst", width(80, unit(units.Short, 0))},
	})
}

func connections() panel {
	var queries []query
	for _, state := range []string{"reading", "writing", "waiting"} {
		queries = append(queries, over(state+atBalancer, sum(byBalancer, "nginx_connections_"+state, balancer)))
	}
	queries = append(
		queries,
		over(
			"limit"+atBalancer,
			"max by ("+byBalancer+") (nginx_worker_connections{"+balancer+"}) * on ("+byBalancer+") max by ("+
				byBalancer+") (nginx_worker_processes{"+balancer+"})",
		),
	)
	return stacked(8, about{
		id: 30, title: "Connections", unit: units.Short, empty: "no status page",
		shows: "Open client connections on which NGINX reads a request, waits for or writes an answer, or waits for " +
			"the next request (keep-alive). Dashed: worker_connections of all workers, which connections to " +
			"nodes share.",
		bad: "writing that grows: requests wait for nodes. reading that grows: slow clients, or large photographs " +
			"over slow links.",
		do: "writing: see the slots above. All near worker_connections: raise it.",
	}, queries, coloured("reading", look, "writing", poor, "waiting", idle), dashed("limit", bad))
}

func acceptedHandled() panel {
	return lines(8, about{
		id: 31, title: "New connections and requests", unit: units.CountsPerSecond, empty: "no status page",
		shows: "Connections accepted and handled, and requests, a second, as the status page counts them (the " +
			"exporter's own included).",
		bad: "handled below accepted. As few requests as connections: clients do not keep connections alive.",
		do:  "Let clients reuse their connections.",
	}, []query{
		over("accepted"+atBalancer, rate(byBalancer, "nginx_connections_accepted", balancer)),
		over("handled"+atBalancer, rate(byBalancer, "nginx_connections_handled", balancer)),
		over("requests"+atBalancer, rate(byBalancer, "nginx_http_requests_total", balancer)),
	}, coloured("accepted", idle, "handled", good, "requests", poor))
}

func droppedConnections() panel {
	return bars(8, about{
		id: 32, title: "Dropped connections", unit: units.Short, empty: "no status page",
		shows: "How many connections NGINX accepted and could not handle.",
		bad:   "Any bar: clients are cut off before NGINX reads what they want.",
		do:    "Raise worker_connections, and the limit of open files (LimitNOFILE, worker_rlimit_nofile).",
	}, []query{over("dropped"+atBalancer, droppedInterval)}, coloured("dropped", bad))
}

// fairShare is a server's part of the weights in use.
var fairShare = sum(byServer, "fremisn:node_fair_share:ratio", server)

func share() panel {
	return lines(12, about{
		id: 40, title: "Share by node", unit: units.PercentUnit, empty: "no attempts",
		shows: "The share of attempts that each node gets, in 5 minutes; dashed, the fair one by its weight.",
		bad: "A node far below its dashed line: it is slow, or NGINX keeps disabling it. Far above: the " +
			"others are gone.",
		do: "Click the node. Little traffic makes shares jump: look at them under load.",
	}, []query{
		over(theServer, sum(byServer, "fremisn:node_share:ratio5m", server)),
		over("fair "+theServer, fairShare),
	}, colouredByNode, dashed("fair", neutral), upTo(1), leadsTo("Open this node", otherNode))
}

func shareOff() panel {
	return lines(12, about{
		id: 41, title: "Share of traffic against the fair share", unit: units.PercentUnit, empty: "no attempts",
		shows: "How far each node's share is from its fair one: above zero it gets too much, below too little.",
		bad:   fmt.Sprintf("Beyond %g %% for long, under load.", 100*unfair),
		do:    "Compare with “Utilisation by node” and with the nodes' latency: NGINX skips a node that is full.",
	}, []query{over(theServer, sum(byServer, "fremisn:node_share:ratio5m", server)+"\n  - on ("+byServer+") "+
		fairShare)},
		colouredByNode, bounds(step{-unfair, bad}, step{unfair, bad}), leadsTo("Open this node", otherNode))
}
