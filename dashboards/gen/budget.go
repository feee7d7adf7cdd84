package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// allRoutes leaves out the routes with objectives of their own: those of the load balancer have none.
const allRoutes = balancer + `,route=""`

// theBound is the time within which requests are promised.
var theBound = sum(byBalancer, "fremisn:latency_bound:seconds", allRoutes)

func objectiveIs(p promise) string {
	return fmt.Sprintf(
		" %s within %g s, or what `objectives:` in the exporter's config says.",
		percent(p.fast),
		p.bound,
	)
}

// budgetLeft ends at -100 %: a value below that means nothing more.
func budgetLeft(metric string) string {
	return "clamp_min(" + lately(byBalancer, metric, allRoutes) + ", -1)"
}

// budgetField is the column of a budget: what is left of it.
func budgetField(name, title string) field {
	return field{name, title, width(180, withEmpty("not enough data yet", unit(units.PercentUnit, 1),
		inColour(bad, step{0, poor}, step{0.25, look}, step{0.5, good})))}
}

func budgetOverTime() panel {
	return lines(8, about{
		id: 30, title: "Error and latency budget left, 30 days", unit: units.PercentUnit, empty: "not enough data yet",
		shows: "What is left of the budgets of 30 days, at each moment. served: of the requests that may fail. fast: " +
			"of the served requests that may exceed the bound. The first three hours show nothing.",
		bad: "A steep fall: an outage. A steady fall that reaches zero: the objective does not fit the system.",
		do:  "Compare the fall with the marks of alerts and restarts, and with “Failed requests by outcome”.",
	}, []query{
		over("served"+atBalancer, budgetLeft("fremisn:error_budget:remaining_ratio")),
		over("fast"+atBalancer, budgetLeft("fremisn:latency_budget:remaining_ratio")),
	}, coloured("served", idle, "fast", unsure), bound(0), upTo(1))
}

// The paces at which FremisnAvailabilityBudgetBurn fires: over an hour, over six, and over three days.
const (
	fastBurn   = 14.4
	slowBurn   = 6
	steadyBurn = 1
)

func budgetBurn() panel {
	burn := func(window, failed string) query {
		return over(
			window+atBalancer,
			failed+"\n  / on ("+byBalancer+") (1 - "+sum(byBalancer, "fremisn:availability:objective", allRoutes)+")",
		)
	}
	recorded := func(window string) query {
		return burn(window, sum(byBalancer, "fremisn:request_errors:ratio_rate"+window, allRoutes))
	}
	return lines(
		8,
		about{
			id: 31, title: "Error budget burn rate", unit: units.Number, empty: "no requests",
			shows: "How many times faster than allowed requests fail, over 5 minutes, an hour, six hours and three " +
				"days. At 1 the budget lasts exactly 30 days.",
			bad: fmt.Sprintf(
				"Above %g over an hour, or above %d over six: an alert fires: the budget is gone in days. Above %d "+
					"over three days: it will not last.",
				fastBurn,
				slowBurn,
				steadyBurn,
			),
			do: "Act now if 5m is high, too; otherwise the trouble is over and the budget stops falling.",
		},
		[]query{
			recorded("5m"),
			recorded("1h"),
			recorded("6h"),
			burn("3d", lately(byBalancer, "fremisn:request_errors:ratio_rate3d", allRoutes)),
		},
		bounds(
			step{steadyBurn, look},
			step{slowBurn, poor},
			step{fastBurn, bad},
		),
		coloured("5m", look, "1h", poor, "6h", bad, "3d", unsure),
	)
}

func slowRequests() panel {
	slow := func(window string) query {
		return over(window+atBalancer, sum(byBalancer, "fremisn:request_slow:ratio_rate"+window, allRoutes))
	}
	return lines(8, about{
		id: 32, title: "Slow requests", unit: units.PercentUnit, empty: "no served requests",
		shows: "The share of served requests that took longer than the bound of the objective, over 5 minutes, an " +
			"hour and six hours. The dashed line is what is allowed.",
		bad: "Above the line for long.",
		do:  "See “p95 response time by node”: one slow node, or too much work for all nodes.",
	}, []query{slow("5m"), slow("1h"), slow("6h"), over("allowed"+atBalancer, "1 - "+sum(byBalancer,
		"fremisn:latency:objective", allRoutes))},
		dashed("allowed", bad), coloured("5m", look, "1h", poor, "6h", bad))
}

func objectiveTable() panel {
	const byRoute = byBalancer + ", route"
	return rows(24, about{
		id: 33, title: "Objectives", unit: units.Number, empty: "no exporter",
		shows: "The objectives in the exporter's config, for all requests (the row without a route) and for routes " +
			"with their own, and what was reached. Colours of the other panels change at the default objective.",
		bad: "A budget below a quarter; below zero the objective is missed.",
		do: "Change an objective that is always missed, or never in danger, in the exporter's config. Rules and " +
			"dashboards follow.",
	}, []query{
		column("served", sum(byRoute, "fremisn:availability:objective", balancer)),
		column("success", "1 - "+sum(byRoute, "fremisn:request_errors:ratio_rate1h", balancer)),
		column("error budget", lately(byRoute, "fremisn:error_budget:remaining_ratio", balancer)),
		column("fast", sum(byRoute, "fremisn:latency:objective", balancer)),
		column("within", sum(byRoute, "fremisn:latency_bound:seconds", balancer)),
		column("in time", "1 - "+sum(byRoute, "fremisn:request_slow:ratio_rate1h", balancer)),
		column("latency budget", lately(byRoute, "fremisn:latency_budget:remaining_ratio", balancer)),
	}, []field{
		{"route", "Route", nil},
		{"served", "Served: objective", width(140, unit(units.PercentUnit, 2))},
		{"success", "Served, last hour", width(140, withEmpty("no requests", unit(units.PercentUnit, 2)))},
		budgetField("error budget", "Error budget left"),
		{"fast", "In time: objective", width(140, unit(units.PercentUnit, 2))},
		{"within", "Within", width(90, unit(units.Seconds, 2))},
		{"in time", "In time, last hour", width(140, withEmpty("no requests", unit(units.PercentUnit, 2)))},
		budgetField("latency budget", "Latency budget left"),
	})
}
