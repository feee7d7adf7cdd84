package main

import "github.com/grafana/grafana-foundation-sdk/go/units"

// bySite is the sum of all load balancers of a site.
const bySite = "cluster"

// fleet answers: which of all load balancers is not fine, and where.
func fleet(p promise) *board {
	b := newBoard("fremisn-fleet", "Fremisn / Fleet",
		"All load balancers of all sites, the worst first. Click one for its Overview.")
	b.row("Is every site fine?")
	b.line(4, fleetVerdict(p)...)
	b.row("Which load balancer is not fine?")
	b.line(14, fleetTable(p))
	b.row("Since when?")
	b.line(9, fleetErrors(p), fleetLatency(), fleetRequests())
	return b
}

// fleetVerdict has one value for each site.
func fleetVerdict(p promise) []panel {
	return []panel{
		oneStat(6, about{
			id: 1, title: "Load balancers up", unit: units.PercentUnit, empty: "no exporter",
			shows: "The share of load balancers whose status page answers and whose exporter is scraped, for " +
				"each site.",
			bad: "Less than 100 %.",
			do:  "The first rows of the table show which.",
		}, now("{{cluster}}", "avg by ("+bySite+") (min by ("+byBalancer+") (nginx_up{"+balancer+"} or up{"+
			balancer+"}))"),
			decimals(0), from(bad, step{0.5, poor}, step{1, good})),
		oneStat(6, about{
			id: 2, title: "Success rate, last 5 min", unit: units.PercentUnit, empty: "no requests",
			shows: "The share of all requests of each site that were served in the last 5 minutes, counted as the " +
				"objective does.",
			bad: "Below " + percent(p.availability) + ".",
			do:  "Sort the table by the error ratio.",
		}, over("{{cluster}}", "1 - sum by ("+bySite+") (fremisn:requests_bad:rate5m{"+allRoutes+
			"}) / (sum by ("+bySite+") (fremisn:requests_valid:rate5m{"+allRoutes+"}) > 0)"),
			decimals(2), from(bad, step{2*p.availability - 1, poor}, step{p.availability, good})),
		oneStat(6, about{
			id: 3, title: "Requests, last 5 min", unit: units.RequestsPerSecond, empty: "no access log is read",
			shows: "Requests a second of each site.",
			bad:   "A site at zero in the daytime: its clients do not reach it.",
			do:    "Check the network between the clients and the load balancers of that site.",
		}, over("{{cluster}}", "sum by ("+bySite+") (fremisn:requests:rate5m{"+balancer+"})"), decimals(1), from(idle)),
		oneStat(6, about{
			id: 4, title: "Alerts", unit: units.Number, empty: "no exporter",
			shows: "How many Fremisn alerts fire at each site, without Watchdog.",
			bad:   "Any. 0 is good news only while Prometheus evaluates the rules: Watchdog must fire.",
			do:    "The table shows which load balancer.",
		}, now("{{cluster}}", "count by ("+bySite+") ("+firingAlerts+")\nor\nmax by ("+bySite+") (up{"+balancer+
			"}) * 0"), decimals(0), from(good, step{1, bad})),
	}
}

// trouble is the sort key of the table: first a load balancer or exporter that is down, then alerts that page a
// person, then others, then the ratio of failed requests.
const trouble = `1000 * (1 - min by (` + byBalancer + `) (nginx_up{` + balancer + `} or up{` + balancer + `}))
  + on (` + byBalancer + `) (100 * count by (` + byBalancer + `) (` + firingPages + `) or max by ` +
	`(` + byBalancer + `) (up{` + balancer + `}) * 0)
  + on (` + byBalancer + `) (count by (` + byBalancer + `) (` + firingAlerts + `) or max by ` +
	`(` + byBalancer + `) (up{` + balancer + `}) * 0)
  + on (` + byBalancer + `) (sum by (` + byBalancer + `) (fremisn:request_errors:ratio_rate5m{` + allRoutes + `}) ` +
	`or max by (` + byBalancer + `) (up{` + balancer + `}) * 0)`

// withChoice gives a row the label choice: the value of the variable cluster that selects only this site. Grafana does
// not replace an absent column in a link, so the site alone would not do: a load balancer without one is among all.
func withChoice(expr string) string {
	return `label_replace(label_replace(` + expr + `, "choice", "$1", "cluster", "(.+)"), "choice", "$$__all", ` +
		`"cluster", "")`
}

func fleetTable(p promise) panel {
	return rows(24, about{
		id: 10, title: "Load balancers, the worst first", unit: units.Number, empty: "no exporter",
		shows: "A row for each site and load balancer, over 5 minutes. Trouble sorts them: 1000 for one that is " +
			"down, 100 for each alert that pages a person, 1 for every alert, and the error ratio. Click a load " +
			"balancer for its Overview.",
		bad: "Anything red, and a budget that is nearly used up.",
		do:  "Begin with the first row.",
	}, []query{
		column("trouble", withChoice(trouble)),
		column("requests", "sum by ("+byBalancer+") (fremisn:requests:rate5m{"+balancer+"})"),
		column("errors", sum(byBalancer, "fremisn:request_errors:ratio_rate5m", allRoutes)),
		column("p95", sum(byBalancer, "fremisn:request_seconds:p95_5m", balancer)),
		column("up", "sum by ("+byBalancer+") (fremisn:node_in_service:up{"+balancer+"})"),
		column("nodes", "count by ("+byBalancer+") (fremisn:node_in_service:up{"+balancer+"})"),
		column("slots", "max by ("+byBalancer+") (fremisn:upstream_utilisation:ratio5m{"+balancer+"})"),
		column("budget", lately(byBalancer, "fremisn:error_budget:remaining_ratio", allRoutes)),
	}, []field{
		{"cluster", "Site", width(120)},
		{"instance", "Load balancer", linked("Open its Overview", overviewOfRow)},
		{"job", "Job", hidden()},
		{"choice", "Choice", hidden()},
		{
			"trouble",
			"Trouble",
			width(100, unit(units.Short, 2), inColour(good, step{0.01, look}, step{1, poor}, step{100, bad})),
		},
		{"requests", "Requests", width(110, withEmpty("none", unit(units.RequestsPerSecond, 1)))},
		{
			"errors",
			"Error ratio",
			width(
				110,
				withEmpty(
					"no requests",
					unit(units.PercentUnit, 2),
					inColour(good, step{1 - p.availability, look}, step{2 * (1 - p.availability), bad}),
				),
			),
		},
		{
			"p95",
			"p95",
			width(
				100,
				withEmpty(
					"no requests",
					unit(units.Seconds, 2),
					inColour(good, step{p.bound / 2, look}, step{p.bound, bad}),
				),
			),
		},
		{"up", "Nodes up", width(100, withEmpty("not probed", unit(units.Short, 0), inColour(bad, step{1, good})))},
		{"nodes", "Nodes", width(90, withEmpty("not probed", unit(units.Short, 0)))},
		{
			"slots",
			"Busy slots",
			width(
				110,
				withEmpty(
					"no max_conns",
					unit(units.PercentUnit, 1),
					inColour(good, step{nearlyFull / 2, look}, step{nearlyFull, bad}),
				),
			),
		},
		budgetField("budget", "Error budget left"),
	}, sortedBy("Trouble"))
}

func fleetErrors(p promise) panel {
	return lines(8, about{
		id: 20, title: "Error ratio", unit: units.PercentUnit, empty: "no requests",
		shows: "The share of requests of each load balancer that failed, over 5 minutes. The dashed line is the " +
			"default objective.",
		bad: "One line above the others: that load balancer or its nodes. All of them: something they share.",
		do:  "Click a load balancer in the table.",
	}, []query{over(theSite, sum(byBalancer, "fremisn:request_errors:ratio_rate5m", allRoutes))},
		bound(1-p.availability))
}

func fleetLatency() panel {
	return lines(8, about{
		id: 21, title: "p95 response time", unit: units.Seconds, empty: "no requests",
		shows: "95 % of the requests that each load balancer served took at most this long, over 5 minutes.",
		bad:   "One line far above the others.",
		do:    "Click a load balancer in the table.",
	}, []query{over(theSite, sum(byBalancer, "fremisn:request_seconds:p95_5m", balancer))})
}

func fleetRequests() panel {
	return stacked(8, about{
		id: 22, title: "Requests", unit: units.RequestsPerSecond, empty: "no requests",
		shows: "Requests a second of each load balancer, over 5 minutes.",
		bad:   "A band that vanishes: clients do not reach that load balancer.",
		do:    "Check what distributes the clients over the load balancers (DNS, a virtual IP).",
	}, []query{over(theSite, "sum by ("+byBalancer+") (fremisn:requests:rate5m{"+balancer+"})")})
}
