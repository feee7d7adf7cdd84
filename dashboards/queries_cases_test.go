package dashboards

// lb is the load balancer of the tests, and another one.
const (
	lb    = `job="j",instance="lb"`
	other = `job="j",instance="other"`

	jakarta = `cluster="jakarta",job="j",instance="lb"`
	bandung = `cluster="bandung",job="j",instance="lb"`
)

// onServer are the labels of a server.
func onServer(at, server, node string) string {
	if node != "" {
		at += `,node="` + node + `"`
	}
	return at + `,server="` + server + `",upstream="u"`
}

var queryTests = []queryTest{
	{
		name: "the state of a node: out before down before failing before up before not probed",
		file: "overview.json", panel: "Nodes", target: 0, at: "5m",
		series: map[string]string{
			`nginx_upstream_server_info{` + onServer(lb, "1:1", "up") + `,state="active"}`:                "1x20",
			`nginx_upstream_server_info{` + onServer(lb, "2:2", "down") + `,state="active"}`:              "1x20",
			`nginx_upstream_server_info{` + onServer(lb, "3:3", "gray") + `,state="backup"}`:              "1x20",
			`nginx_upstream_server_info{` + onServer(lb, "4:4", "out") + `,state="down"}`:                 "1x20",
			`nginx_upstream_server_info{` + onServer(lb, "5:5", "unwatched") + `,state="active"}`:         "1x20",
			`nginx_upstream_server_info{` + onServer(lb, "6:6", "") + `,state="active"}`:                  "1x20",
			`nginx_upstream_server_info{` + onServer(other, "1:1", "up") + `,state="active"}`:             "1x20",
			`probe_success{` + lb + `,node="up",target="http://1:1/"}`:                                    "1x20",
			`probe_success{` + lb + `,node="down",target="http://2:2/",probe="a"}`:                        "1x20",
			`probe_success{` + lb + `,node="down",target="http://2:2/",probe="b"}`:                        "0x20",
			`probe_success{` + lb + `,node="gray",target="http://3:3/"}`:                                  "1x20",
			`probe_success{` + lb + `,node="out",target="http://4:4/"}`:                                   "0x20",
			`probe_success{` + lb + `,node="",target="https://6:6/x"}`:                                    "0x20",
			`probe_success{` + other + `,node="up",target="http://1:1/"}`:                                 "0x20",
			`nginx_upstream_outcomes_total{` + onServer(lb, "2:2", "down") + `,outcome="error"}`:          "0+1x20",
			`nginx_upstream_outcomes_total{` + onServer(lb, "3:3", "gray") + `,outcome="error"}`:          "0+1x20",
			`nginx_upstream_outcomes_total{` + onServer(lb, "3:3", "gray") + `,outcome="ok"}`:             "0+2x20",
			`nginx_upstream_outcomes_total{` + onServer(lb, "1:1", "up") + `,outcome="error"}`:            "0+1x20",
			`nginx_upstream_outcomes_total{` + onServer(lb, "1:1", "up") + `,outcome="ok"}`:               "0+99x20",
			`nginx_upstream_outcomes_total{` + onServer(lb, "5:5", "unwatched") + `,outcome="ok"}`:        "0+9x20",
			`nginx_upstream_outcomes_total{` + onServer(other, "1:1", "up") + `,outcome="timeout"}`:       "0+9x20",
			`nginx_upstream_outcomes_total{` + onServer(lb, "4:4", "out") + `,outcome="error"}`:           "0+1x20",
			`probe_success{job="j",instance="a third, without this node",node="up",target="http://1:1/"}`: "0x20",
		},
		want: map[string]float64{
			`{` + onServer(lb, "1:1", "up") + `}`: 1, `{` + onServer(lb, "2:2", "down") + `}`: 0, `{` + onServer(lb,
				"3:3", "gray") + `}`: 2,
			`{` + onServer(lb, "4:4", "out") + `}`: 3, `{` + onServer(lb, "5:5", "unwatched") + `}`: 4, `{` +
				onServer(lb, "6:6", "") + `}`: 0,
			`{` + onServer(other, "1:1", "up") + `}`: 0,
		},
	},
	{
		name: "nodes up: n of m, without those taken out, each load balancer by itself",
		file: "overview.json", panel: "Nodes up", at: "5m",
		series: map[string]string{
			`nginx_upstream_server_info{` + onServer(lb, "1:1", "a") + `,state="active"}`:    "1x20",
			`nginx_upstream_server_info{` + onServer(lb, "2:2", "b") + `,state="active"}`:    "1x20",
			`nginx_upstream_server_info{` + onServer(lb, "3:3", "c") + `,state="down"}`:      "1x20",
			`probe_success{` + lb + `,node="a",target="http://1:1/"}`:                        "1x20",
			`probe_success{` + lb + `,node="b",target="http://2:2/"}`:                        "0x20",
			`probe_success{` + lb + `,node="c",target="http://3:3/"}`:                        "0x20",
			`probe_success{` + lb + `,node="",target="https://elsewhere/"}`:                  "0x20",
			`nginx_upstream_server_info{` + onServer(other, "1:1", "") + `,state="active"}`:  "1x20",
			`probe_success{` + other + `,node="",target="http://1:1/"}`:                      "1x20",
			`probe_success{job="j",instance="no nginx.conf",node="a",target="http://1:1/"}`:  "1x20",
			`probe_success{job="j",instance="no nginx.conf",node="",target="https://else/"}`: "0x20",
		},
		want: map[string]float64{
			`{` + lb + `,up="1",all="2"}`: 0.5, `{` + other +
				`,up="1",all="1"}`: 1, `{job="j",instance="no nginx.conf",up="1",all="1"}`: 1,
		},
	},
	{
		name: "load balancer: up, down, not watched, exporter down",
		file: "overview.json", panel: "Load balancer", at: "1m",
		series: map[string]string{
			`up{job="j",instance="a"}`: "1x20", `nginx_up{job="j",instance="a",addr="x"}`: "1x20",
			`up{job="j",instance="b"}`: "1x20", `nginx_up{job="j",instance="b",addr="x"}`: "1x20",
			`nginx_up{job="j",instance="b",addr="y"}`: "0x20",
			`up{job="j",instance="c"}`:                "1x20",
			`up{job="j",instance="d"}`:                "0x20", `nginx_up{job="j",instance="d"}`: "stale",
		},
		want: map[string]float64{
			`{job="j",instance="a"}`: 1,
			`{job="j",instance="b"}`: 0,
			`{job="j",instance="c"}`: 2,
			`{job="j",instance="d"}`: -1,
		},
	},
	{
		name: "error budget: half of 1 % in 30 days leaves half of it",
		file: "overview.json", panel: "Error budget, 30 days", at: "4h",
		series: map[string]string{
			`nginx_access_outcomes_total{` + lb + `,outcome="ok"}`:         "0+1990x960",
			`nginx_access_outcomes_total{` + lb + `,outcome="no_live"}`:    "0+10x960",
			`nginx_access_outcomes_total{` + lb + `,outcome="limited"}`:    "0+5000x960",
			`nginx_access_outcomes_total{` + other + `,outcome="limited"}`: "0+5000x960",
		},
		want: map[string]float64{`{` + lb + `}`: 0.5},
	},
	{
		name: "failed requests: the very first one counts, and a load balancer without any has an explicit zero",
		file: "overview.json", panel: "Failed requests by outcome", target: 2, at: "2m",
		series: map[string]string{
			`up{` + lb + `}`: "1x20", `up{` + other + `}`: "1x20",
			`fremisn_exporter_log_lines_total{` + lb + `,log="l",result="parsed"}`:      "0+1x20",
			`fremisn_exporter_log_lines_total{` + other + `,log="l",result="parsed"}`:   "0+1x20",
			`nginx_access_outcomes_total{` + lb + `,outcome="no_live",code="502"}`:      "_x8 18 18",
			`nginx_access_outcomes_total{` + lb + `,outcome="error",code="500"}`:        "_x8 3 3",
			`nginx_access_outcomes_total{` + other + `,outcome="ok",code="200"}`:        "0+1x20",
			`nginx_access_outcomes_total{job="j",instance="gone",outcome="no_live"}`:    "4x4 stale",
			`fremisn_exporter_log_lines_total{job="j",instance="gone",result="parsed"}`: "4x4 stale",
		},
		want: map[string]float64{`{` + lb + `}`: 18, `{` + other + `}`: 0},
	},
	{
		name: "failed requests: what an exporter has counted before its first scrape, or while it was away, did not " +
			"happen now",
		file: "overview.json", panel: "Failed requests by outcome", target: 2, at: "2m",
		series: map[string]string{
			`up{` + lb + `}`: "_x7 1x20", `up{` + other + `}`: "0x7 1x20",
			`fremisn_exporter_log_lines_total{` + lb + `,log="l",result="parsed"}`:    "_x7 1x20",
			`fremisn_exporter_log_lines_total{` + other + `,log="l",result="parsed"}`: "_x7 1x20",
			`nginx_access_outcomes_total{` + lb + `,outcome="no_live"}`:               "_x7 500x20",
			`nginx_access_outcomes_total{` + other + `,outcome="no_live"}`:            "_x7 500x20",
		},
		want: map[string]float64{`{` + lb + `}`: 0, `{` + other + `}`: 0},
	},
	{
		name: "failed requests: what an exporter has counted while it was restarted counts when it is back",
		file: "overview.json", panel: "Failed requests by outcome", target: 2, at: "2m",
		series: map[string]string{
			`up{` + lb + `}`: "1x5 0 0 1x10",
			`fremisn_exporter_log_lines_total{` + lb + `,log="l",result="parsed"}`: "1x5 stale _ 1x10",
			`nginx_access_outcomes_total{` + lb + `,outcome="no_live",code="502"}`: "7x5 stale _ 9x10",
			`nginx_access_outcomes_total{` + lb + `,outcome="no_live",code="500"}`: "_x8 4x10",
		},
		want: map[string]float64{`{` + lb + `}`: 6},
	},
	{
		name: "failed requests: a counter reset is not an event",
		file: "overview.json", panel: "Failed requests by outcome", target: 0, at: "2m",
		series: map[string]string{
			`up{` + lb + `}`: "1x20",
			`fremisn_exporter_log_lines_total{` + lb + `,log="l",result="parsed"}`: "1x20",
			`nginx_access_outcomes_total{` + lb + `,outcome="error"}`:              "90x7 2x10",
		},
		want: map[string]float64{`{` + lb + `}`: 0},
	},
	{
		name: "latency: none without requests, not NaN",
		file: "overview.json", panel: "Response time of served requests", target: 1, at: "2m",
		series: map[string]string{
			`nginx_access_request_duration_seconds_bucket{` + lb + `,outcome="ok",le="1"}`:       "0+9x20",
			`nginx_access_request_duration_seconds_bucket{` + lb + `,outcome="ok",le="+Inf"}`:    "0+9x20",
			`nginx_access_request_duration_seconds_bucket{` + other + `,outcome="ok",le="1"}`:    "9x20",
			`nginx_access_request_duration_seconds_bucket{` + other + `,outcome="ok",le="+Inf"}`: "9x20",
		},
		want: map[string]float64{`{` + lb + `}`: 0.95},
	},
	{
		name: "retries: zero for each server that is known, by nginx.conf or by its attempts",
		file: "node.json", panel: "Retries caused", at: "2m",
		series: map[string]string{
			`up{` + lb + `}`: "1x20",
			`nginx_upstream_server_info{` + onServer(lb, "1:1", "a") + `,state="active"}`:     "1x20",
			`nginx_upstream_server_info{` + onServer(lb, "2:2", "b") + `,state="active"}`:     "1x20",
			`nginx_upstream_outcomes_total{` + onServer(lb, "3:3", "") + `,outcome="ok"}`:     "0+1x20",
			`nginx_upstream_retries_total{` + onServer(lb, "2:2", "b") + `,log="x"}`:          "_x8 1 1",
			`nginx_upstream_retries_total{` + onServer(lb, "2:2", "b") + `,log="y"}`:          "0x7 2 2",
			`nginx_upstream_retries_total{` + onServer(other, "2:2", "b") + `,log="unknown"}`: "_",
		},
		want: map[string]float64{
			`{` + onServer(lb, "1:1", "a") + `}`: 0,
			`{` + onServer(lb, "2:2", "b") + `}`: 3,
			`{` + onServer(lb, "3:3", "") + `}`:  0,
		},
	},
	{
		name: "fair share: by weight, of the servers in use",
		file: "saturation.json", panel: "Share by node", target: 1, at: "1m",
		series: map[string]string{
			`nginx_upstream_server_weight{` + onServer(lb, "1:1", "a") + `}`:                  "3x20",
			`nginx_upstream_server_weight{` + onServer(lb, "2:2", "b") + `}`:                  "1x20",
			`nginx_upstream_server_weight{` + onServer(lb, "3:3", "c") + `}`:                  "4x20",
			`nginx_upstream_server_weight{` + onServer(other, "1:1", "a") + `}`:               "7x20",
			`nginx_upstream_server_info{` + onServer(lb, "1:1", "a") + `,state="active"}`:     "1x20",
			`nginx_upstream_server_info{` + onServer(lb, "2:2", "b") + `,state="active"}`:     "1x20",
			`nginx_upstream_server_info{` + onServer(lb, "3:3", "c") + `,state="down"}`:       "1x20",
			`nginx_upstream_server_info{` + onServer(other, "1:1", "a") + `,state="active"}`:  "1x20",
			`nginx_upstream_server_info{` + onServer(other, "2:2", "b") + `,state="backup"}`:  "1x20",
			`nginx_upstream_server_weight{` + onServer(other, "2:2", "b") + `,state="other"}`: "1x20",
		},
		want: map[string]float64{
			`{` + onServer(lb, "1:1", "a") + `}`:    0.75,
			`{` + onServer(lb, "2:2", "b") + `}`:    0.25,
			`{` + onServer(other, "1:1", "a") + `}`: 1,
		},
	},
	{
		name: "slots: without backups and those taken out, and without servers that have no limit",
		file: "saturation.json", panel: "Slots", at: "1m",
		series: map[string]string{
			`nginx_upstream_server_max_conns{` + onServer(lb, "1:1", "a") + `}`:              "1x20",
			`nginx_upstream_server_max_conns{` + onServer(lb, "2:2", "b") + `}`:              "1x20",
			`nginx_upstream_server_max_conns{` + onServer(lb, "3:3", "c") + `}`:              "1x20",
			`nginx_upstream_server_max_conns{` + onServer(other, "1:1", "a") + `}`:           "0x20",
			`nginx_upstream_server_info{` + onServer(lb, "1:1", "a") + `,state="active"}`:    "1x20",
			`nginx_upstream_server_info{` + onServer(lb, "2:2", "b") + `,state="active"}`:    "1x20",
			`nginx_upstream_server_info{` + onServer(lb, "3:3", "c") + `,state="backup"}`:    "1x20",
			`nginx_upstream_server_info{` + onServer(other, "1:1", "a") + `,state="active"}`: "1x20",
		},
		want: map[string]float64{`{` + lb + `,upstream="u"}`: 2},
	},
	{
		name: "dropped connections: what handled lags behind, and nothing at a restart of NGINX",
		file: "saturation.json", panel: "Dropped connections", at: "2m",
		series: map[string]string{
			`nginx_connections_accepted{` + lb + `}`: "10x6 10 18", `nginx_connections_handled{` + lb + `}`: "9x6 9 15",
			`nginx_connections_accepted{` + other + `}`: "90x7 1", `nginx_connections_handled{` + other + `}`: "80x7 1",
		},
		want: map[string]float64{`{` + lb + `}`: 2, `{` + other + `}`: 0},
	},
	{
		name: "requests and lines: zero lines of a log that is not read",
		file: "exporter.json", panel: "Requests counted and lines read", target: 1, at: "2m",
		series: map[string]string{
			`nginx_http_requests_total{` + lb + `}`:                                     "0+10x20",
			`fremisn_exporter_log_lines_total{` + lb + `,log="access",result="parsed"}`: "0x20",
		},
		want: map[string]float64{`{` + lb + `}`: 0},
	},
	{
		name: "collectors: the failing ones, or one word for all",
		file: "exporter.json", panel: "Collectors", at: "1m",
		series: map[string]string{
			`fremisn_exporter_collector_success{` + lb +
				`,collector="a"}`: "1x20", `fremisn_exporter_collector_success{` + lb + `,collector="b"}`: "0x20",
			`fremisn_exporter_collector_success{` + other +
				`,collector="a"}`: "1x20", `fremisn_exporter_collector_success{` + other + `,collector="b"}`: "1x20",
		},
		want: map[string]float64{`{` + lb + `,collector="b"}`: 0, `{` + other + `}`: 1},
	},
	{
		name: "last failure: the moment of a first failed attempt, in milliseconds",
		file: "overview.json", panel: "Nodes", target: 6, at: "4m",
		series: map[string]string{
			`up{` + lb + `}`: "1x20",
			`nginx_upstream_server_info{` + onServer(lb, "1:1", "a") + `,state="active"}`:              "1x20",
			`nginx_upstream_outcomes_total{` + onServer(lb, "1:1", "a") + `,outcome="ok"}`:             "0+1x20",
			`nginx_upstream_outcomes_total{` + onServer(lb, "1:1", "a") + `,outcome="error",code="1"}`: "_x7 1x20",
			`nginx_upstream_outcomes_total{` + onServer(lb, "2:2", "b") + `,outcome="error",code="1"}`: "5x20",
		},
		want: map[string]float64{`{` + onServer(lb, "1:1", "a") + `}`: 105_000},
	},
	{
		name: "a mark where NGINX restarted, on that load balancer",
		file: "overview.json", mark: "NGINX restarted", at: "2m",
		series: map[string]string{
			`nginx_connections_accepted{` + lb + `,addr="x"}`: "90x6 3x10", `nginx_connections_accepted{` + lb +
				`,addr="y"}`: "0+1x20",
			`nginx_connections_accepted{` + other + `}`: "0+1x20",
		},
		want: map[string]float64{`{` + lb + `}`: 1},
	},
	{
		name: "a mark where the exporter was restarted",
		file: "node.json", mark: "Exporter restarted", at: "2m",
		series: map[string]string{
			`process_start_time_seconds{` + lb + `}`:    "100x5 190x10",
			`process_start_time_seconds{` + other + `}`: "100x20",
		},
		want: map[string]float64{`{` + lb + `}`: 1},
	},
	{
		name: "a mark for each firing Fremisn alert, also for one that names no load balancer",
		file: "exporter.json", mark: "Alerts", at: "2m",
		series: map[string]string{
			`ALERTS{alertname="FremisnNodeDown",alertstate="firing",` + lb + `,node="a"}`:  "1x20",
			`ALERTS{alertname="FremisnNodeDown",alertstate="pending",` + lb + `,node="b"}`: "1x20",
			`ALERTS{alertname="FremisnExporterDown",alertstate="firing",job="j"}`:          "1x20",
			`ALERTS{alertname="FremisnWatchdog",alertstate="firing"}`:                      "1x20",
			`ALERTS{alertname="Another",alertstate="firing",` + lb + `}`:                   "1x20",
		},
		want: map[string]float64{
			`{alertname="FremisnNodeDown",alertstate="firing",` + lb + `,node="a"}`: 1,
			`{alertname="FremisnExporterDown",alertstate="firing",job="j"}`:         1,
		},
	},
	{
		name: "error budget: not enough data yet in the first three hours",
		file: "overview.json", panel: "Error budget, 30 days", at: "2h50m",
		series: map[string]string{
			`nginx_access_outcomes_total{` + lb + `,outcome="ok"}`: "0+1990x960", `nginx_access_outcomes_total{` + lb +
				`,outcome="error"}`: "0+10x960",
		},
		want: map[string]float64{},
	},
	{
		name: "two sites with a load balancer of one name: a success rate for each, not their sum",
		file: "overview.json", panel: "Success rate, last 5 min", at: "5m",
		series: map[string]string{
			`nginx_access_outcomes_total{` + jakarta + `,outcome="ok"}`: "0+9x20", `nginx_access_outcomes_total{` +
				jakarta + `,outcome="error"}`: "0+1x20",
			`nginx_access_outcomes_total{` + bandung + `,outcome="ok"}`: "0+2x20", `nginx_access_outcomes_total{` +
				bandung + `,outcome="error"}`: "0+8x20",
		},
		want: map[string]float64{`{` + jakarta + `}`: 0.9, `{` + bandung + `}`: 0.2},
	},
	{
		name: "the fleet's success rate: one value for each site, each load balancer by its weight",
		file: "fleet.json", panel: "Success rate, last 5 min", at: "5m",
		series: map[string]string{
			`nginx_access_outcomes_total{` + jakarta + `,outcome="ok"}`: "0+9x20", `nginx_access_outcomes_total{` +
				jakarta + `,outcome="error"}`: "0+1x20",
			`nginx_access_outcomes_total{cluster="jakarta",` + other + `,outcome="ok"}`: "0+90x20",
			`nginx_access_outcomes_total{` + bandung +
				`,outcome="ok"}`: "0+2x20", `nginx_access_outcomes_total{` + bandung +
				`,outcome="error"}`: "0+8x20",
			`nginx_access_outcomes_total{` + lb + `,outcome="ok"}`: "0+2x20",
		},
		want: map[string]float64{`{cluster="jakarta"}`: 0.99, `{cluster="bandung"}`: 0.2, `{}`: 1},
	},
	{
		name: "trouble: what is down before what calls a person before what warns before what fails requests",
		file: "fleet.json", panel: "Load balancers, the worst first", target: 0, at: "5m",
		series: map[string]string{
			`up{` + jakarta + `}`: "1x20", `nginx_up{` + jakarta + `,addr="x"}`: "0x20",
			`up{` + bandung + `}`: "1x20", `nginx_up{` + bandung + `}`: "1x20",
			`ALERTS{alertname="FremisnNoLiveUpstreams",alertstate="firing",severity="critical",` + bandung +
				`}`: "1x20",
			`ALERTS{alertname="FremisnNodeDown",alertstate="firing",severity="warning",` + bandung +
				`}`: "1x20",
			`ALERTS{alertname="FremisnNodeDown",alertstate="firing",severity="warning",` + lb +
				`}`: "1x20",
			`up{` + lb + `}`: "1x20", `up{` + other + `}`: "1x20",
			`nginx_access_outcomes_total{` + other + `,outcome="ok"}`: "0+3x20", `nginx_access_outcomes_total{` +
				other + `,outcome="error"}`: "0+1x20",
		},
		want: map[string]float64{
			`{` + jakarta + `,choice="jakarta"}`: 1000, `{` + bandung + `,choice="bandung"}`: 102,
			`{` + lb + `,choice="$__all"}`: 1, `{` + other + `,choice="$__all"}`: 0.25,
		},
	},
	{
		name: "first quota full: the pace of the day goes on",
		file: "licence-tls.json", panel: "First quota full in", at: "1h",
		series: map[string]string{
			`fremisn_license_used{` + lb + `,node="a",target="x",quota="q"}`: "0+1x240", `fremisn_license_limit{` + lb +
				`,node="a",target="x",quota="q"}`: "340x240",
			`fremisn_license_used{` + lb + `,node="b",target="y",quota="q"}`: "0+1x240", `fremisn_license_limit{` + lb +
				`,node="b",target="y",quota="q"}`: "640x240",
			`fremisn_license_used{` + lb + `,node="c",target="z",quota="q"}`: "9x240", `fremisn_license_limit{` + lb +
				`,node="c",target="z",quota="q"}`: "10x240",
		},
		want: map[string]float64{`{` + lb + `,node="a",target="x",quota="q"}`: 1500},
	},
}
