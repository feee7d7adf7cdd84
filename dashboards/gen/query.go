package main

import "fmt"

// The selection at the top of a dashboard, as matchers. Every selector has one of them: a Prometheus may have many
// load balancers, and other people's NGINX metrics too.
const (
	balancer = `cluster=~"$cluster",job=~"$job",instance=~"$instance"`
	group    = balancer + `,upstream=~"$upstream"`
	server   = group + `,node=~"$node"`
)

// Labels to keep.
const (
	byBalancer = "cluster, job, instance"
	byGroup    = "cluster, job, instance, upstream"
	byServer   = "cluster, job, instance, upstream, server, node"
)

// Names in legends. The instance distinguishes load balancers; the address distinguishes servers without a name.
const (
	atBalancer = " · {{instance}}"
	theSite    = "{{cluster}} {{instance}}"
	theGroup   = "{{upstream}}" + atBalancer
	theServer  = "{{node}} {{server}}" + atBalancer
)

// A query is one expression of a panel.
type query struct {
	expr      string
	legend    string
	instant   bool // the present value, or nothing; not the last of the time range
	table     bool // rows with labels
	heatmap   bool // the buckets of a classic histogram
	exemplars bool
}

func over(legend, expr string) query { return query{expr: expr, legend: legend} }

func now(legend, expr string) query { return query{expr: expr, legend: legend, instant: true} }

// column is a column of a table; labels become columns too.
func column(name, expr string) query {
	return query{expr: expr, legend: name, instant: true, table: true}
}

// buckets of a histogram over time: the classic ones, or the native histogram if Prometheus keeps no classic ones.
func buckets(metric, selector string) query {
	return query{
		expr: fmt.Sprintf(`sum by (le) (increase(%[1]s_bucket{%[2]s}[`+window+`]))
or
(sum(increase(%[1]s{%[2]s}[`+window+`])) unless on () count(%[1]s_bucket{%[2]s}))`, metric, selector),
		legend: "{{le}}", heatmap: true,
	}
}

func (q query) withExemplars() query {
	q.exemplars = true
	return q
}

// window is that of every rate on every panel, and of the recorded rates, so that neighbouring panels agree.
const window = "5m"

// quantile of a histogram: the native one, which is exact to a few percent, or the classic one if Prometheus keeps no
// native ones. Without an observation there is none: the comparison drops NaN, which a panel would show.
func quantile(q, by, metric, selector string) string {
	return fmt.Sprintf(`histogram_quantile(%[1]s, sum by (%[2]s) (rate(%[3]s{%[4]s}[`+window+`]))) >= 0
or
histogram_quantile(%[1]s, sum by (%[2]s, le) (rate(%[3]s_bucket{%[4]s}[`+window+`]))) >= 0`, q, by, metric, selector)
}

// mean of what a histogram has observed, native or classic; none without an observation.
func mean(by, metric, selector string) string {
	return fmt.Sprintf(`sum by (%[1]s) (rate(%[2]s_sum{%[3]s}[`+window+`]))
  / (sum by (%[1]s) (rate(%[2]s_count{%[3]s}[`+window+`])) > 0)
or
histogram_sum(sum by (%[1]s) (rate(%[2]s{%[3]s}[`+window+`])))
  / (histogram_count(sum by (%[1]s) (rate(%[2]s{%[3]s}[`+window+`]))) > 0)`, by, metric, selector)
}

func rate(by, metric, selector string) string {
	return fmt.Sprintf(`sum by (%s) (rate(%s{%s}[`+window+`]))`, by, metric, selector)
}

// sum adds the results of a selector; it also removes a recorded series' name, which would keep table rows apart.
func sum(by, metric, selector string) string {
	return fmt.Sprintf(`sum by (%s) (%s{%s})`, by, metric, selector)
}

// events counts what has happened since the previous point, so that the bars of a panel add up exactly. increase()
// would miss the first event of a counter that is created with it, such as the first 502 ever: here it counts, unless
// the exporter was not scraped before. What was counted over a short break of scraping counts at its end.
func events(by, metric, selector string) string {
	return fmt.Sprintf(`clamp_min(
  sum by (%[1]s) (%[2]s{%[3]s})
    - (sum by (%[1]s) (last_over_time(%[2]s{%[3]s}[$__rate_interval] offset $__interval)) `+
		`or sum by (%[1]s) (%[2]s{%[3]s}) * 0),
  0) and on (cluster, job, instance) max_over_time(up{%[4]s}[$__rate_interval] offset $__interval) == 1`, by, metric,
		selector, balancer)
}

// zero is 0 if expr has no result: for each load balancer whose log is read, each group or each known server.
func zero(by, selector, expr string) string {
	switch by {
	case byBalancer:
		return expr + "\nor " + sum(by, "fremisn_exporter_log_lines_total", selector) + " * 0"
	case byGroup:
		return expr + "\nor " + servers(by, selector) + " * 0"
	default:
		return expr + "\nor " + servers(
			by,
			selector,
		) + " * 0\nor " + sum(
			by,
			"fremisn:node_attempts:rate5m",
			selector,
		) + " * 0"
	}
}

// lately is a series that is recorded once in 5 minutes, and would look stale in between.
func lately(by, metric, selector string) string {
	return fmt.Sprintf(`sum by (%s) (last_over_time(%s{%s}[10m]))`, by, metric, selector)
}

// servers are those in nginx.conf.
func servers(by, selector string) string {
	return sum(by, "nginx_upstream_server_info", selector)
}

// probed is 1 for a server whose probes all succeed and 0 for one with a probe that fails.
func probed(selector string) string {
	return sum(byServer, "fremisn:server_up:min", selector)
}

// failing is the ratio of failed attempts from which on a node counts as failing real requests; FremisnNodeGrayFailing
// and the exporter's verdict have the same threshold.
const failing = 0.05

// The states of a node.
const (
	stateDown    = 0 // a probe fails
	stateUp      = 1
	stateFailing = 2 // probes succeed, and real requests fail
	stateOut     = 3 // down in nginx.conf
	stateUnknown = 4 // in nginx.conf, and not probed
	statePassed  = 5 // NGINX passes it over, after failures
)

// nodeState is the first state that fits.
func nodeState(selector string) string {
	return fmt.Sprintf(`%s * 0 + %d
or
%s == %d
or
(max by (`+byServer+`) (nginx_upstream_server_unavailable{%s}) == 1) * 0 + %d
or
(%s >= %g) * 0 + %d
or
%s
or
%s * 0 + %d`,
		servers(byServer, selector+`,state="down"`), stateOut,
		probed(selector), stateDown,
		selector, statePassed,
		sum(byServer, "fremisn:node_errors:ratio_rate5m", selector), failing, stateFailing,
		probed(selector),
		servers(byServer, selector), stateUnknown)
}

// utilised is the ratio of used slots of a server, without servers that have no attempts.
func utilised(selector string) string {
	return sum(
		byServer,
		"fremisn:node_utilisation:ratio5m",
		selector,
	) + "\nor (" + sum(
		byServer,
		"nginx_upstream_server_max_conns",
		selector,
	) + " > 0) * 0"
}

// lastFailure is when a probe or an attempt on a server last failed, within the time range, in milliseconds.
func lastFailure(selector string) string {
	failed := "nginx_upstream_outcomes_total{" + selector + `,outcome=~"error|timeout"}`
	return fmt.Sprintf(`max_over_time((time() + 0 * (
  sum by (%[1]s) (%[2]s) > (sum by (%[1]s) (%[2]s offset $__interval) or sum by (%[1]s) (%[2]s) * 0)
    and on (cluster, job, instance) up{%[3]s} offset $__interval == 1
  or
  %[4]s == 0
))[$__range:$__interval]) * 1000`, byServer, failed, balancer, probed(selector))
}
