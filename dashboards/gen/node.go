package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// One node: its servers, and the probes whose target is on its address.
const (
	chosen  = server + `,server=~"$server"`
	probes  = balancer + `,node=~"$node",target=~"(|.*/|.*@)$server(|/.*)"`
	byProbe = "cluster, job, instance, node, probe, target"

	theNode  = "{{node}}" + atBalancer
	theProbe = "{{node}} {{probe}} {{target}}" + atBalancer
)

// node answers for one node, or for some beside each other: is it fine, what do probes see, what do real requests see,
// and why.
func node(p promise) *board {
	b := newBoard(
		"fremisn-node",
		"Fremisn / Node",
		"One node, or several side by side: what the probes see (active), what real requests see (passive), and "+
			"why they differ.",
		variableServer(),
	)
	b.row("Is this node fine?")
	b.line(4, nodeVerdict(p)...)
	b.line(7, nodeTimeline())
	b.row("Probes against real requests")
	b.line(9, successBoth(), latencyBoth(p))
	b.row("Active: what probes see")
	b.line(9, probePhases(), probeHeat(), probeFailures())
	b.row("Passive: what real requests see")
	b.line(9, codes(), attemptOutcomes(), retriesCaused())
	for i, what := range []struct{ name, metric, shows, do string }{
		{"Response", "nginx_upstream_response_duration_seconds", "from connecting to the last byte of the answer",
			"Compare with header: if header is fast, the answer is large or the network slow."},
		{"Header", "nginx_upstream_header_duration_seconds", "from connecting to the answer's header, which is most " +
			"of the node's own work", "The node works slowly: look at its load, and at what clients send."},
		{"Connect", "nginx_upstream_connect_duration_seconds", "to connect; 0 on a connection that was kept alive",
			"The network, or a node that does not accept: look at its listen queue and at the route to it."},
	} {
		selector := chosen
		b.line(9, heat(12, about{
			id: uint32(60 + 2*i), title: what.name + " time heatmap", unit: units.Seconds, empty: "no attempts",
			shows: "How long attempts took, " + what.shows + ". Darker means more of them.",
			bad:   "A second band above the first: some requests take another path. A band that rises: all get slower.",
			do:    what.do,
		}, buckets(what.metric, selector)), nodeQuantiles(uint32(61+2*i), p, what.name, what.metric, what.shows,
			what.do))
	}
	b.row("Why?")
	b.line(9, nodeEvents(), nodeBusy())
	b.line(9, probeStatus(), nodeBytes())
	b.row("Licence of this node")
	b.line(7, nodeQuota(), nodeQuotaOverTime())
	return b
}

// variableServer chooses servers by address, for those that have no name in the exporter's config.
func variableServer() dashboard.VariableModel {
	return choice("server", "Address", `label_values(nginx_upstream_server_info{`+server+`}, server)`, ".*")
}

func nodeVerdict(p promise) []panel {
	return []panel{
		oneStat(4, about{
			id: 1, title: "State", unit: units.Number, empty: "not in nginx.conf",
			shows: "What probes and real requests together show.",
			bad: "DOWN: a probe fails. “taken out by NGINX”: NGINX passes it over after failures. “fails " +
				"requests”: probes succeed and at least 5 % of the attempts fail.",
			do: "DOWN: see why the probes fail. “fails requests”: see codes and error-log events, then the node's " +
				"own log.",
		}, now(theServer, nodeState(chosen)), words(nodeWords...)),
		oneStat(4, about{
			id: 2, title: "Failed probes in a row", unit: units.Short, empty: "not probed",
			shows: "How many probes have failed since the last success, of the worst probe.",
			bad:   "2 or more: not a coincidence.",
			do:    "`fremisn-exporter probe MODULE TARGET` on the exporter's machine says why.",
		}, now(theNode, `max by (cluster, job, instance, node) (probe_consecutive_failures{`+probes+`})`), decimals(0),
			from(good, step{1, poor}, step{2, bad})),
		oneStat(4, about{
			id: 3, title: "Attempts", unit: units.RequestsPerSecond, empty: "no attempts",
			shows: "Attempts a second on this node.",
			bad:   "0 while other nodes work: NGINX has disabled it, or it is taken out.",
			do:    "See server_disabled in the error-log events below.",
		}, over(theServer, zero(byServer, chosen, sum(byServer, "fremisn:node_attempts:rate5m", chosen))),
			decimals(2), from(idle)),
		oneStat(4, about{
			id: 4, title: "Failed, last 5 min", unit: units.PercentUnit, empty: "no attempts",
			shows: "The share of attempts that failed (5xx, timeout), in 5 minutes.",
			bad:   "From 5 % on, take the node out of service.",
			do:    "See the codes: 502 means no answer, 504 a timeout, 500 the node's own error.",
		}, over(theServer, sum(byServer, "fremisn:node_errors:ratio_rate5m", chosen)), decimals(2),
			from(good, step{1 - p.availability, look}, step{failing, bad})),
		oneStat(4, about{
			id: 5, title: "p95, last 5 min", unit: units.Seconds, empty: "no attempts",
			shows: "95 % of its answers took at most this long, in 5 minutes.",
			bad:   fmt.Sprintf("Above %g s, the bound of the objective.", p.bound),
			do:    "Compare response, header and connect times below.",
		}, over(theServer, sum(byServer, "fremisn:node_response_seconds:p95_5m", chosen)), decimals(2),
			from(good, step{p.bound / 2, look}, step{p.bound, bad})),
		oneStat(4, about{
			id: 6, title: "Utilisation", unit: units.PercentUnit, empty: "no max_conns",
			shows: "The mean of its busy slots against max_conns, in 5 minutes.",
			bad: "Above 80 %: bursts find no free slot. Without zone in the upstream, each worker has slots of its " +
				"own.",
			do: "Send fewer requests, or add nodes. Saturation and limits shows all nodes.",
		}, over(theServer, utilised(chosen)), decimals(1),
			from(good, step{nearlyFull, poor}, step{1, bad}), leadsTo("Slots and limits", saturationURL)),
	}
}

func nodeTimeline() panel {
	return timeline(24, about{
		id: 7, title: "Probes", unit: units.Number, empty: "not probed",
		shows: "Whether each of its probes succeeded, at each scrape.",
		bad: "Red. Red and green alternating: it comes and goes. One probe red and another green: it answers, but " +
			"not all of it works.",
		do: "See the reason in “Failed probes by reason”.",
	}, []query{over(theProbe, `min by (`+byProbe+`) (probe_success{`+probes+`})`)}, words(word{1, "success", good},
		word{0, "FAILURE", bad}))
}

func successBoth() panel {
	return lines(12, about{
		id: 10, title: "Success: probes against requests", unit: units.PercentUnit,
		empty: "neither probes nor attempts",
		shows: "The share of probes that succeed (broken), and the share of real attempts that do.",
		bad: "Probes at 100 % and requests well below: the health check does not see what is broken. The " +
			"reverse: the probe's module is too strict, or its path is another.",
		do: "Trust the requests. Probe with what they send: `fremisn-exporter probe` with a module that posts.",
	}, []query{
		over("probes "+theNode, `clamp_min(1 - `+rate("cluster, job, instance, node", "probe_failures_total", probes)+`
  / (`+rate("cluster, job, instance, node", "probe_attempts_total", probes)+` > 0), 0)`),
		over("requests "+theServer, "1 - "+sum(byServer, "fremisn:node_errors:ratio_rate5m", chosen)),
	}, colouredByNode, broken("probes"), bound(1-failing), upTo(1))
}

func latencyBoth(p promise) panel {
	return lines(12, about{
		id: 11, title: "p95 response time: probes against requests", unit: units.Seconds,
		empty: "neither probes nor attempts",
		shows: "95 % of the probes (broken), and of the answers to real requests, took at most this long. A health " +
			"check does little, so it should be far below.",
		bad: "Probes as slow as requests: the node, or the network to it, is slow with everything.",
		do:  "Slow probes: look at the machine. Only slow requests: look at what they ask for.",
	}, []query{
		over("probes "+theNode, quantile("0.95", "cluster, job, instance, node", "probe_latency_seconds", probes)),
		over("requests "+theServer, sum(byServer, "fremisn:node_response_seconds:p95_5m", chosen)),
	}, colouredByNode, broken("probes"), bound(p.bound))
}

func probePhases() panel {
	return stacked(8, about{
		id: 20, title: "Phases of the probes", unit: units.Seconds, empty: "no http probe",
		shows: "Where the time of an http probe goes: resolve, connect, tls, processing (waiting for the first " +
			"byte), transfer. The mean of the selected nodes and probes.",
		bad: "processing that grows: the node is slow. connect: the network. resolve: DNS.",
		do:  "`/probes` of the exporter keeps the log of failed probes.",
	}, []query{over("{{phase}}"+atBalancer,
		`avg by (cluster, job, instance, phase) (probe_http_duration_seconds{`+probes+`})`)},
		coloured("resolve", "#808080", "connect", idle, "tls", unsure, "processing", poor, "transfer", good))
}

func probeHeat() panel {
	return heat(8, about{
		id: 21, title: "Probe time heatmap", unit: units.Seconds, empty: "no successful probes",
		shows: "How long successful probes took: all of them, not only the last one before a scrape.",
		bad:   "A second band far above the first, or one that rises.",
		do:    "Compare with the phases.",
	}, buckets("probe_latency_seconds", probes))
}

func probeFailures() panel {
	return bars(8, about{
		id: 22, title: "Failed probes by reason", unit: units.Short, empty: "not probed",
		shows: "How many probes failed, by reason. An outage between two scrapes shows, too.",
		bad: "connect: nothing listens. timeout: it hangs. status, body, header: the answer is wrong. tls, dns: " +
			"the connection. license: FREMIS-N's licence.",
		do: "connect, timeout: start or restart the node. license: see Licence and TLS.",
	}, []query{over("{{reason}}"+atBalancer, events("cluster, job, instance, reason", "probe_failures_total", probes))},
		leadsTo("Licence", licenceURL))
}

func codes() panel {
	return stacked(8, about{
		id: 30, title: "Status codes", unit: units.RequestsPerSecond, empty: "no attempts",
		shows: "Attempts a second by the node's status; none: it sent none.",
		bad:   "5xx, or none.",
		do:    "502: it refused or dropped the connection. 504: it did not answer in time. 500: its own log says why.",
	}, []query{over("{{code}} {{node}} {{server}}"+atBalancer, rate(byServer+", code",
		"nginx_upstream_attempts_total", chosen))},
		coloured("2..", good, "3..", idle, "4..", look, "5..", bad, "none", "#808080"))
}

func attemptOutcomes() panel {
	var queries []query
	for _, outcome := range []string{"error", "timeout", "aborted"} {
		queries = append(
			queries,
			over(
				outcome+" "+theServer,
				zero(
					byServer,
					chosen,
					events(byServer, "nginx_upstream_outcomes_total", chosen+`,outcome="`+outcome+`"`),
				),
			),
		)
	}
	return bars(8, about{
		id: 31, title: "Failed attempts by outcome", unit: units.Short, empty: "no server found in nginx.conf",
		shows: "How many attempts ended in an error (5xx), a timeout (504), or were aborted because the client left.",
		bad:   "error and timeout. Many aborted: clients lose patience.",
		do:    "See the error-log events below for the reason as NGINX saw it.",
	}, queries, coloured("error", bad, "timeout", poor, "aborted", "#808080"))
}

func retriesCaused() panel {
	return bars(8, about{
		id: 32, title: "Retries caused", unit: units.Short, empty: "no server found in nginx.conf",
		shows: "How many attempts on this node NGINX followed with one on another: the extra work that its failures " +
			"cause.",
		bad: "Any for long. POST is not retried: those failures reach the client.",
		do:  "Take out a node that keeps causing retries (`down` in nginx.conf).",
	}, []query{over(theServer, zero(byServer, chosen, events(byServer, "nginx_upstream_retries_total", chosen)))},
		colouredByNode)
}

func nodeQuantiles(id uint32, p promise, name, metric, shows, do string) panel {
	queries := []query{over("mean "+theServer, mean(byServer, metric, chosen))}
	for _, q := range []string{"0.50", "0.95", "0.99"} {
		asked := over("p"+q[2:]+" "+theServer, quantile(q, byServer, metric, chosen))
		if q == "0.99" {
			asked = asked.withExemplars()
		}
		queries = append(queries, asked)
	}
	return lines(12, about{
		id: id, title: name + " time, quantiles", unit: units.Seconds, empty: "no attempts",
		shows: "Half (dotted), 95 % and 99 % (broken) of the attempts took at most this long, " + shows +
			"; in short dashes the mean, which is exact where the quantiles go by classic buckets (the first ends at " +
			"5 ms).",
		bad: fmt.Sprintf("p95 above %g s, the bound of the promise; one node far from the others.", p.bound),
		do:  do,
	}, queries, colouredByNode, lineOf("mean", 4, 8), dotted("p50"), broken("p99"), bound(p.bound))
}

func nodeEvents() panel {
	return bars(12, about{
		id: 40, title: "Error-log events", unit: units.Short, empty: "none in the error log",
		shows: "What NGINX wrote into its error log about this server, by what happened.",
		bad: "connect_refused: nothing listens. connect_timeout: the network is blocked. read_timeout: it " +
			"takes too long. premature_close, connection_reset: it crashed. server_disabled: NGINX leaves it " +
			"alone for fail_timeout.",
		do: "connect_refused: start it. read_timeout: look at its load. server_disabled with green probes: one " +
			"request that crashes it disables one node after another; find it in the access log.",
	}, []query{over("{{event}} {{node}} {{server}}"+atBalancer, events(byServer+", event",
		"nginx_error_log_events_total", chosen+`,server!=""`))})
}

func probeStatus() panel {
	return rows(16, about{
		id: 41, title: "Last probes", unit: units.Number, empty: "not probed",
		shows: "What each probe last saw: success, status code, duration, and when it last succeeded.",
		bad:   "FAILURE, or a last success that is long ago.",
		do:    "Open `/probes` of the exporter for the log of a failed probe.",
	}, []query{
		column("success", `min by (`+byProbe+`) (probe_success{`+probes+`})`),
		column("status", `max by (`+byProbe+`) (probe_http_status_code{`+probes+`})`),
		column("duration", `max by (`+byProbe+`) (probe_duration_seconds{`+probes+`})`),
		column("last success", `max by (`+byProbe+`) (probe_last_success_timestamp_seconds{`+probes+`}) * 1000`),
	}, []field{
		{
			"node",
			"Node",
			width(90),
		}, {"probe", "Probe", width(90)}, {"target", "Target", nil}, {"instance", "Instance", width(150)},
		{"success", "Result", width(110, inWords(word{1, "success", good}, word{0, "FAILURE", bad}))},
		{"status", "Status", width(80, unit(units.Number, 0))},
		{"duration", "Duration", width(90, unit(units.Seconds, 1))},
		{"last success", "Last success", width(150, withEmpty("never", unit(units.DateTimeFromNow, 0)))},
	})
}

func nodeBusy() panel {
	return lines(12, about{
		id: 42, title: "Busy slots against max_conns", unit: units.Short, empty: "no attempts",
		shows: "How many requests it worked on at once, on average over 5 minutes; dashed, its max_conns.",
		bad:   "Near the dashed line: the next request finds no free slot.",
		do:    "See Saturation and limits for all nodes together.",
	}, []query{
		over(theServer, sum(byServer, "fremisn:node_busy_slots:mean5m", chosen)),
		over("max_conns "+theServer, sum(byServer, "nginx_upstream_server_max_conns", chosen)+" > 0"),
	}, colouredByNode, dashed("max_conns", neutral), leadsTo("Slots and limits", saturationURL))
}

func nodeBytes() panel {
	return lines(8, about{
		id: 43, title: "Bytes to and from the node", unit: units.BytesPerSecondIEC,
		empty: "not in the log format",
		shows: "Bytes a second that NGINX sent to it (requests, photographs) and received from it (answers).",
		bad:   "Much more sent than usual at the same request rate: larger photographs, and slower answers.",
		do:    "Compare with the response time.",
	}, []query{
		over("sent "+theServer, rate(byServer, "nginx_upstream_sent_bytes_total", chosen)),
		over("received "+theServer, rate(byServer, "nginx_upstream_received_bytes_total", chosen)),
	}, colouredByNode, broken("received"))
}

func nodeQuota() panel {
	return oneStat(8, about{
		id: 50, title: "Licence used", unit: units.PercentUnit, empty: "no licence data",
		shows: "How much of each quota of this node's licence is used.",
		bad:   "Above 90 %. At 100 % enrolments fail.",
		do:    "Licence and TLS shows when it will be full.",
	}, now("{{quota}} {{node}}"+atBalancer, quotaUsed(probes)), decimals(1), quotaColours,
		leadsTo("Licence", licenceURL))
}

func nodeQuotaOverTime() panel {
	return lines(16, about{
		id: 51, title: "Licence: used against allowed", unit: units.Short, empty: "no licence data",
		shows: "What is used of each quota; dashed, what the licence allows.",
		bad:   "A line that meets its dashed one.",
		do:    "Order more, or delete what is not needed, before they meet.",
	}, []query{
		over("{{quota}} {{node}}"+atBalancer, `max by (`+byQuota+`) (fremisn_license_used{`+probes+`})`),
		over("allowed {{quota}} {{node}}"+atBalancer, `max by (`+byQuota+`) (fremisn_license_limit{`+probes+`})`),
	}, dashed("allowed", neutral))
}
