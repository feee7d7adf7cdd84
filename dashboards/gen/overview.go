package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// overview answers for one load balancer: is it fine, which node is not, and how much of the error budget is left.
func overview(p promise) *board {
	b := newBoard(
		"fremisn-overview",
		"Fremisn / Overview",
		"One load balancer: is it fine, which node is not, and how much error budget is left? Node shows one node, "+
			"Saturation and limits the slots and the limiter, Fleet all load balancers.",
	)
	b.row("Is it fine?")
	b.line(4, verdict(p)...)
	b.row("What do clients get?")
	b.line(9, requests(), failedRequests(), requestLatency(p))
	b.line(9, routes(), routeLatency(), clientCodes())
	b.row("Which node is not fine?")
	b.line(7, nodeTable(p))
	b.line(6, nodeStates())
	b.line(9, nodeErrors(), nodeLatency(), nodeAttempts())
	b.row("How much error budget is left?")
	b.line(9, budgetOverTime(), budgetBurn(), slowRequests())
	b.line(7, objectiveTable())
	b.ofOneBalancer()
	return b
}

func verdict(p promise) []panel {
	return []panel{
		oneStat(
			4,
			about{
				id: 1, title: "Load balancer", unit: units.Number, empty: "no exporter",
				shows: "Whether NGINX's status page answers the exporter: one value for each load balancer.",
				bad: "DOWN: clients most likely get no answer at all. “exporter down”: the state of this " +
					"load balancer is unknown.",
				do: "DOWN: look at NGINX on that machine (`systemctl status nginx`, its error log). “exporter " +
					"down”: start the exporter; until then, all other panels show no new data.",
			},
			now(theSite, `min by (cluster, job, instance) (nginx_up{`+balancer+`})
or
min by (cluster, job, instance) (up{`+balancer+`}) * 3 - 1`),
			words(
				word{1, "up", good},
				word{0, "DOWN", bad},
				word{-1, "exporter down", unsure},
				word{2, "not watched", idle},
			),
			leadsTo("The exporter", exporterURL),
		),
		oneStat(4, about{
			id: 2, title: "Nodes up", unit: units.PercentUnit, empty: "no node is probed",
			shows: "The share of probed nodes whose probes all succeed now.",
			bad:   "Fewer than all: that much capacity is gone. None: no request can be served.",
			do:    "Find the node in the table below and follow its link.",
		}, now("{{up}} of {{all}} · "+theSite, nodesUp()), valueAndName, decimals(0), someWords(word{1, "all",
			good}, word{0, "NONE", bad}), from(bad, step{0.001, poor}, step{1, good})),
		oneStat(4, about{
			id: 3, title: "Alerts", unit: units.Number, empty: "no exporter",
			shows: "How many Fremisn alerts fire for these load balancers, not counting Watchdog, which always fires.",
			bad:   "Any. 0 is good news only while Prometheus evaluates the rules: Watchdog must fire.",
			do:    "Open the runbook that the alert links to. The red marks in the graphs show when it began.",
		}, now(theSite, `count by (cluster, job, instance) (`+firingAlerts+`)
or
max by (cluster, job, instance) (up{`+balancer+`}) * 0`), decimals(0), from(good, step{1, bad})),
		oneStat(4, about{
			id: 4, title: "Error budget, 30 days", unit: units.PercentUnit, empty: "not enough data yet",
			shows: "What is left of the failures that the objective allows: " + percent(
				p.availability,
			) + " of the requests in 30 days are served, or what `objectives:` in the exporter's config says. " +
				"Requests that the limiter rejected and clients that left do not count; requests that found no free " +
				"node do. The first three hours show nothing.",
			bad: "Below a quarter. Below zero the objective is missed.",
			do: "Put off risky changes. See below which outcome and which node used it up. It goes back only as far " +
				"as Prometheus keeps data.",
		}, now(theSite, budgetLeft("fremisn:error_budget:remaining_ratio")), decimals(1),
			from(bad, step{0, poor}, step{0.25, look}, step{0.5, good})),
		oneStat(
			4,
			about{
				id: 5, title: "Success rate, last 5 min", unit: units.PercentUnit, empty: "no requests",
				shows: "The share of requests that were served in the last 5 minutes, counted as the objective does.",
				bad:   "Below the objective of " + percent(p.availability) + ".",
				do: "See “Failed requests by outcome”: no_live is a lack of slots, error and timeout are a " +
					"node's fault.",
			},
			over(theSite, "1 - "+sum(byBalancer, "fremisn:request_errors:ratio_rate5m", allRoutes)),
			decimals(2),
			from(
				bad,
				step{2*p.availability - 1, poor},
				step{p.availability, good},
			),
			leadsTo("Slots and limits", saturationURL),
		),
		oneStat(4, about{
			id: 6, title: "p95, last 5 min", unit: units.Seconds, empty: "no requests",
			shows: "95 % of the requests that were served took at most this long, as the client sees it.",
			bad:   fmt.Sprintf("Above %g s, the bound of the objective.", p.bound),
			do:    "Compare the nodes' p95 below: one slow node, or all of them.",
		}, over(theSite, sum(byBalancer, "fremisn:request_seconds:p95_5m", balancer)), decimals(2),
			from(good, step{p.bound / 2, look}, step{p.bound, bad})),
	}
}

// nodesUp is the ratio of nodes that are up; labels have the numbers, since a stat shows only one. If nginx.conf is
// not read, it is of all nodes with a name and a probe.
func nodesUp() string {
	of := func(how string) string {
		return fmt.Sprintf(
			`(%[1]s by (cluster, job, instance) (fremisn:server_up:min{%[2]s}) or %[1]s by (cluster, job, instance) `+
				`(fremisn:node_up:min{%[3]s,node=~"$node",node!=""}))`,
			how,
			server,
			balancer,
		)
	}
	return of("sum") + "\n  / " + of("count") + `
  * on (cluster, job, instance) group_left (up) count_values by (cluster, job, instance) ("up", ` + of("sum") + `)
  * on (cluster, job, instance) group_left (all) count_values by (cluster, job, instance) ("all", ` + of("count") + `)`
}

// outcomes of requests that were not served, with a colour each; the first three are failures for the objective.
var outcomes = []struct{ name, colour string }{
	{
		"error",
		bad,
	}, {"timeout", poor}, {"no_live", unsure}, {"limited", idle}, {"aborted", "#808080"}, {"client_error", look},
}

func requests() panel {
	return stacked(
		8,
		about{
			id: 10, title: "Requests by outcome", unit: units.RequestsPerSecond, empty: "no requests",
			shows: "Requests a second over 5 minutes, by outcome: ok, client_error (4xx), limited (rejected by the " +
				"limiter), aborted (the client left), and failures: no_live (no free node), " +
				"timeout, error.",
			bad: "Any share of error, timeout or no_live. A sudden fall of all: clients no longer reach NGINX.",
			do:  "no_live or limited: go on to Saturation and limits. error or timeout: see which node, below.",
		},
		[]query{
			over("{{outcome}}"+atBalancer, sum("cluster, job, instance, outcome", "fremisn:requests:rate5m", balancer)),
		},
		coloured(
			"ok",
			good,
			"client_error",
			look,
			"limited",
			idle,
			"aborted",
			"#808080",
			"no_live",
			unsure,
			"timeout",
			poor,
			"error",
			bad,
		),
	)
}

func failedRequests() panel {
	var queries []query
	var colours []string
	for _, o := range outcomes {
		queries = append(queries, over(
			o.name+atBalancer,
			zero(
				byBalancer,
				balancer,
				events(byBalancer, "nginx_access_outcomes_total", balancer+`,outcome="`+o.name+`"`),
			),
		))
		colours = append(colours, o.name, o.colour)
	}
	return bars(8, about{
		id: 11, title: "Failed requests by outcome", unit: units.Short, empty: "no access log is read",
		shows: "How many requests were not served, by outcome; the legend has the totals of the time range. error: " +
			"5xx from a node. timeout: 504. no_live: NGINX had no free node, most often because all slots were " +
			"busy. limited: the limiter rejected them. aborted: the client left. client_error: 4xx, the " +
			"client's mistake.",
		bad: "Bars of error, timeout or no_live: each uses up error budget. The others do not.",
		do:  "no_live: Saturation and limits. error, timeout: the node table, then that node's page, then its log.",
	}, queries, coloured(colours...), leadsTo("Slots and limits", saturationURL))
}

func requestLatency(p promise) panel {
	var queries []query
	for _, q := range []string{"0.50", "0.95", "0.99"} {
		asked := over(
			"p"+q[2:]+atBalancer,
			quantile(q, byBalancer, "nginx_access_request_duration_seconds", balancer+`,outcome="ok"`),
		)
		if q == "0.99" {
			asked = asked.withExemplars()
		}
		queries = append(queries, asked)
	}
	queries = append(queries, over("bound"+atBalancer, theBound))
	return lines(8, about{
		id: 12, title: "Response time of served requests", unit: units.Seconds, empty: "no requests",
		shows: "How long served requests took, from the first byte of the request to the last of the answer: half, " +
			"95 % and 99 % of them at most this long in 5 minutes. The dashed line is the bound of the objective." +
			objectiveIs(
				p,
			),
		bad: "p95 above the line. p99 far above p95: a few requests wait for something.",
		do:  "Compare with the nodes' latency below. If the nodes are fast, clients are slow to send or to read.",
	}, queries, dashed("bound", bad), coloured("p50", good, "p95", poor, "p99", bad))
}

func routes() panel {
	return stacked(8, about{
		id: 13, title: "Requests by route", unit: units.RequestsPerSecond, empty: "no requests",
		shows: "Requests a second by route, as the exporter's config names them (routes:); “other” are paths that " +
			"match none of them, and a line without a name means that the config has no routes.",
		bad: "One route that grows alone: a batch job, or a client in a loop. Much “other”: someone is scanning you.",
		do:  "Find the client: the access log has its address.",
	}, []query{over("{{route}}"+atBalancer, sum("cluster, job, instance, route",
		"fremisn:route_requests:rate5m", balancer))})
}

func routeLatency() panel {
	return lines(8, about{
		id: 14, title: "p95 response time by route", unit: units.Seconds, empty: "no requests",
		shows: "95 % of the requests that were served on each route took at most this long, in 5 minutes. Dashed: " +
			"the bounds of the objectives, of all requests and of routes with one of their own.",
		bad: "A route above the line: its requests are too much work, or its photographs are too large.",
		do: "Compare the routes: enrolment always takes longer than recognition. If all of them are slow, it is the " +
			"nodes.",
	}, []query{over("{{route}}"+atBalancer, quantile("0.95", "cluster, job, instance, route",
		"nginx_access_request_duration_seconds", balancer+`,outcome="ok"`)),
		over(
			"bound {{route}}"+atBalancer,
			sum("cluster, job, instance, route", "fremisn:latency_bound:seconds", balancer),
		)},
		dashed("bound", bad))
}

func clientCodes() panel {
	return stacked(8, about{
		id: 15, title: "Status codes to clients", unit: units.RequestsPerSecond, empty: "no requests",
		shows: "Requests a second by the status that clients got; 499: the client left before its answer.",
		bad:   "5xx. Many 4xx: a client uses the API wrongly. Many 499: clients lose patience.",
		do:    "502 and 504: the nodes, below. 503: the limiter. 413: photographs above client_max_body_size.",
	}, []query{over("{{code}}"+atBalancer, rate("cluster, job, instance, code", "nginx_access_requests_total",
		balancer))},
		coloured("2..", good, "3..", idle, "499", "#808080", "4..", look, "5..", bad))
}

func nodeTable(p promise) panel {
	return rows(24, about{
		id: 20, title: "Nodes", unit: units.Number, empty: "no server found in nginx.conf",
		shows: "Every server in nginx.conf: its state, its share of the attempts, and how it answered in the last 5 " +
			"minutes. Last failure: the last time in the time range that a probe or an attempt failed. Click a " +
			"node, or the address of one without a name, for its page.",
		bad: "DOWN: its probes fail. “taken out by NGINX”: failed requests made NGINX pass it over. “fails " +
			"requests”: its probes succeed and at least 5 % of the attempts on it fail. A share far from the " +
			"others', a p95 above theirs, a utilisation above 80 %.",
		do: "Click the node. DOWN: start it. “fails requests”: look at its own log; its health check does not " +
			"show it.",
	}, []query{
		column("state", nodeState(server)),
		column("share", sum(byServer, "fremisn:node_share:ratio5m", server)),
		column("p95", sum(byServer, "fremisn:node_response_seconds:p95_5m", server)),
		column("errors", sum(byServer, "fremisn:node_errors:ratio_rate5m", server)),
		column("retries", zero(byServer, server, rate(byServer, "nginx_upstream_retries_total", server))),
		column("utilisation", utilised(server)),
		column("last failure", lastFailure(server)),
	}, []field{
		{"node", "Node", linked("Open this node", nodeOfRow)},
		{"server", "Address", width(180, linked("Open this server", serverOfRow))},
		{"upstream", "Upstream", nil},
		{"instance", "Instance", hidden()},
		{"job", "Job", hidden()},
		{"state", "State", width(170, inWords(nodeWords...))},
		{"share", "Share", width(100, withEmpty("no traffic", unit(units.PercentUnit, 1)))},
		{
			"p95",
			"p95",
			width(
				110,
				withEmpty(
					"no traffic",
					unit(units.Seconds, 2),
					inColour(good, step{p.bound / 2, look}, step{p.bound, bad}),
				),
			),
		},
		{
			"errors",
			"Error rate",
			width(
				100,
				withEmpty(
					"no traffic",
					unit(units.PercentUnit, 2),
					inColour(good, step{1 - p.availability, look}, step{failing, bad}),
				),
			),
		},
		{"retries", "Retries", width(110, unit(units.RequestsPerSecond, 2), inColour(good, step{0.001, look}))},
		{
			"utilisation",
			"Utilisation",
			width(
				110,
				withEmpty("no limit", unit(units.PercentUnit, 1), inColour(good, step{nearlyFull, poor}, step{1, bad})),
			),
		},
		{"last failure", "Last failure", width(160, withEmpty("none in this range", unit(units.DateTimeFromNow, 0)))},
	})
}

func nodeStates() panel {
	return timeline(24, about{
		id: 21, title: "States of the nodes over time", unit: units.Number, empty: "no server found in nginx.conf",
		shows: "The state of every server over time, as in the table.",
		bad: "Red, or orange. Two nodes that change at the same moment point to the network or to the load " +
			"balancer, not to the nodes.",
		do: "Click a node for its page, and compare with the marks of restarts and alerts.",
	}, []query{over(theServer, nodeState(server))}, words(nodeWords...), leadsTo("Open this node", otherNode))
}

func nodeErrors() panel {
	return lines(8, about{
		id: 22, title: "Failed attempts by node", unit: units.PercentUnit, empty: "no attempts",
		shows: "The share of attempts on each node that failed (5xx, timeout), in 5 minutes. NGINX may have tried " +
			"another node after that: the client may not have noticed.",
		bad: "From 5 % on while the node's probes succeed: it looks healthy and fails real work.",
		do:  "Click the node. Take it out (`down` in nginx.conf, reload) if it does not recover.",
	}, []query{over(theServer, sum(byServer, "fremisn:node_errors:ratio_rate5m", server))},
		colouredByNode, bounds(step{failing, bad}), upTo(1), leadsTo("Open this node", otherNode))
}

func nodeLatency() panel {
	return lines(8, about{
		id: 23, title: "p95 response time by node", unit: units.Seconds, empty: "no attempts",
		shows: "95 % of each node's answers took at most this long, in 5 minutes, measured by NGINX. The dashed " +
			"line is the bound of the objective.",
		bad: "One node at twice the others' or more. All of them above the line.",
		do: "One: click it and see whether its own work or connecting is slow. All: look at the load, in " +
			"Saturation and limits.",
	}, []query{over(theServer, sum(byServer, "fremisn:node_response_seconds:p95_5m", server)), over("bound"+
		atBalancer, theBound)},
		colouredByNode, dashed("bound", bad), leadsTo("Open this node", otherNode))
}

func nodeAttempts() panel {
	return stacked(8, about{
		id: 24, title: "Attempts by node", unit: units.RequestsPerSecond, empty: "no attempts",
		shows: "Attempts a second on each node; a request that is retried is several attempts.",
		bad:   "A node whose band gets thin while others' grow: NGINX avoids it, after failures or for lack of slots.",
		do:    "Click the node; compare its share with a fair one in Saturation and limits.",
	}, []query{over(theServer, zero(byServer, server, sum(byServer, "fremisn:node_attempts:rate5m", server)))},
		colouredByNode, leadsTo("Open this node", otherNode))
}
