package accesslog

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/internal/exposetest"
	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/logtest"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// exposed is what a scrape of the counter would show, without help and types.
func exposed(t testing.TB, b *Counter) []string {
	t.Helper()
	return exposetest.Lines("access", b, testTopology())
}

// has fails the test unless every wanted line is exposed, and returns all that is.
func has(t *testing.T, b *Counter, want ...string) []string {
	t.Helper()
	lines := exposed(t, b)
	for _, line := range want {
		if !slices.Contains(lines, line) {
			t.Errorf("missing: %s", line)
		}
	}
	if t.Failed() {
		t.Logf("exposed:\n%s", strings.Join(lines, "\n"))
	}
	return lines
}

func counterOf(t testing.TB, format, escape string, change func(*Config)) *Counter {
	t.Helper()
	cfg := Config{
		Source:  source.LogSource{Name: "access", Formats: []source.Format{{Text: format, Escape: escape}}},
		Buckets: []float64{0.1, 1}, MaxSeries: 10000,
	}
	if change != nil {
		change(&cfg)
	}
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOutcomes has one line for each rule of the contract; every line ends in " status addresses statuses limit".
func TestOutcomes(t *testing.T) {
	const a, c, group = "127.0.0.231:4005", "127.0.0.18:4008", "fremisn_backend"
	tests := []struct {
		name, status, addresses, statuses, limit string
		outcome                                  string
		attempts                                 []string // node, code, outcome
		retries, noLive                          int
	}{
		{"ok", "200", a, "200", "PASSED", "ok", []string{"master 200 ok"}, 0, 0},
		{"redirect", "302", a, "302", "-", "ok", []string{"master 302 ok"}, 0, 0},
		{"client error", "404", a, "404", "-", "client_error", []string{"master 404 ok"}, 0, 0},
		{"error", "500", a, "500", "-", "error", []string{"master 500 error"}, 0, 0},
		{"timeout", "504", a, "504", "-", "timeout", []string{"master 504 timeout"}, 0, 0},
		{"aborted", "499", a, "-", "-", "aborted", []string{"master none aborted"}, 0, 0},
		{"aborted by the server's 499", "499", a, "499", "-", "aborted", []string{"master 499 aborted"}, 0, 0},
		{"no status at all", "000", "-", "-", "-", "aborted", nil, 0, 0},
		{"retry", "200", a + ", " + c, "502, 200", "-", "ok", []string{"master 502 error", " 200 ok"}, 1, 0},
		{"redirect to another group is no retry", "200", a + " : " + c, "404 : 200", "-", "ok",
			[]string{"master 404 ok", " 200 ok"}, 0, 0},
		{"trailing separator", "502", a + " : ", "502 : ", "-", "error", []string{"master 502 error"}, 0, 0},
		{"empty element", "200", a + " :  : " + c, "404 : - : 200", "-", "ok", []string{"master 404 ok", " 200 ok"},
			0, 0},
		{"no server", "502", group, "502", "-", "no_live", nil, 0, 1},
		{"no server after attempts", "502", a + ", " + c + ", " + group, "502, 504, 502", "-", "no_live",
			[]string{"master 502 error", " 504 timeout"}, 1, 1},
		{"no server, then an error page's group", "200", group + " : " + a, "502 : 200", "-", "ok",
			[]string{"master 200 ok"}, 0, 1},
		{"rejected", "503", "-", "-", "REJECTED", "limited", nil, 0, 0},
		{"dry run", "200", a, "200", "REJECTED_DRY_RUN", "ok", []string{"master 200 ok"}, 0, 0},
		{"503 of another kind", "503", "-", "-", "PASSED", "error", nil, 0, 0},
	}
	format := `"$request" $status "$upstream_addr" "$upstream_status" $limit_req_status`
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := counterOf(t, format, "default", nil)
			b.Lines([]byte(`"GET / HTTP/1.1" ` + test.status + ` "` + test.addresses + `" "` + test.statuses + `" ` + test.limit + "\n"))
			lines := has(t, b,
				`fremisn_exporter_log_lines_total{log="access",result="parsed"} 1`,
				`nginx_access_requests_total{code="`+test.status+`",log="access",method="GET",outcome="`+test.outcome+`",route=""} 1`)
			var attempts []string
			retries, noLive := 0, 0
			for _, line := range lines {
				switch {
				case strings.HasPrefix(line, "nginx_upstream_attempts_total"):
					attempts = append(attempts, label(line, "node")+" "+label(line, "code")+" "+label(line, "outcome"))
				case strings.HasPrefix(line, "nginx_upstream_retries_total"):
					retries++
				case strings.HasPrefix(line, "nginx_upstream_no_live_total"):
					noLive++
				}
			}
			slices.Sort(attempts)
			want := slices.Sorted(slices.Values(test.attempts))
			if !slices.Equal(attempts, want) || retries != test.retries || noLive != test.noLive {
				t.Errorf("attempts %q, retries %d, no_live %d; want %q, %d, %d", attempts, retries, noLive, want, test.retries, test.noLive)
			}
		})
	}
}

// label is the value of a label in a line of the text format.
func label(line, name string) string {
	_, after, _ := strings.Cut(line, name+`="`)
	value, _, _ := strings.Cut(after, `"`)
	return value
}

// TestFormatsThatTellLess has the contract's rules for what a format lacks.
func TestFormatsThatTellLess(t *testing.T) {
	tests := []struct {
		name, format, line string
		change             func(*Config)
		want               []string
	}{
		{
			"no statuses of attempts", `$status $upstream_addr`, `200 127.0.0.231:4005, 127.0.0.18:4008`, nil, []string{
				`nginx_upstream_attempts_total{code="unknown",log="access",node="master",outcome="error",server="127.0.0.231:4005",upstream="fremisn_backend"} 1`,
				`nginx_upstream_attempts_total{code="200",log="access",node="",outcome="ok",server="127.0.0.18:4008",upstream="fremisn_backend"} 1`,
				`nginx_upstream_retries_total{log="access",node="master",server="127.0.0.231:4005",upstream="fremisn_backend"} 1`,
			},
		}, {
			"the last attempt before a group's name takes the status", `$status $upstream_addr`, `502 127.0.0.231:4005, fremisn_backend`, nil, []string{
				`nginx_upstream_attempts_total{code="502",log="access",node="master",outcome="error",server="127.0.0.231:4005",upstream="fremisn_backend"} 1`,
				`nginx_upstream_no_live_total{log="access",upstream="fremisn_backend"} 1`,
			},
		}, {
			"times without addresses", `$status "$upstream_response_time"`, `200 "0.500, 0.050"`, nil, []string{
				`nginx_upstream_attempts_total{code="unknown",log="access",node="",outcome="error",server="unknown",upstream=""} 1`,
				`nginx_upstream_attempts_total{code="200",log="access",node="",outcome="ok",server="unknown",upstream=""} 1`,
				`nginx_upstream_retries_total{log="access",node="",server="unknown",upstream=""} 1`,
				`nginx_upstream_response_duration_seconds_bucket{log="access",node="",outcome="ok",server="unknown",upstream="",le="0.1"} 1`,
				`nginx_upstream_response_duration_seconds_sum{log="access",node="",outcome="error",server="unknown",upstream=""} 0.5`,
			},
		}, {
			"limited by the default status", `$status $upstream_addr`, `503 -`, nil,
			[]string{`nginx_access_requests_total{code="503",log="access",method="OTHER",outcome="limited",route=""} 1`},
		}, {
			"limited by a status of its own", `$status $upstream_addr`, `429 -`, func(c *Config) { c.LimitReqStatus = 429 },
			[]string{`nginx_access_requests_total{code="429",log="access",method="OTHER",outcome="limited",route=""} 1`},
		}, {
			"limited by limit_conn's status", `$status $upstream_addr`, `444 -`, func(c *Config) { c.LimitConnStatus = 444 },
			[]string{`nginx_access_requests_total{code="444",log="access",method="OTHER",outcome="limited",route=""} 1`},
		}, {
			"an upstream's 503 is no limit", `$status $upstream_addr`, `503 127.0.0.231:4005`, nil,
			[]string{`nginx_access_requests_total{code="503",log="access",method="OTHER",outcome="error",route=""} 1`},
		}, {
			"combined cannot tell a limit", nginxconf.CombinedFormat, `1.2.3.4 - - [24/Nov/2026:12:27:30 +0000] "GET / HTTP/1.1" 503 12 "-" "curl"`, nil,
			[]string{
				`nginx_access_requests_total{code="503",log="access",method="GET",outcome="error",route=""} 1`,
				`nginx_access_sent_bytes_total{log="access",route=""} 12`,
			},
		}, {
			"response length for received bytes", `$status $upstream_addr $upstream_response_length`, `200 127.0.0.1:80 512`, nil,
			[]string{`nginx_upstream_received_bytes_total{log="access",node="",server="127.0.0.1:80",upstream=""} 512`},
		}, {
			"method and route without $request", `$request_method $scheme://$host$request_uri $status`, `PATCH http://a.b/v1/x?q=/v2 204`,
			func(c *Config) { c.Routes = []source.Route{{Name: "one", Match: regexp.MustCompile("^/v1/x$")}} },
			[]string{`nginx_access_requests_total{code="204",log="access",method="PATCH",outcome="ok",route="one"} 1`},
		}, {
			"cache and limit_conn", `$status $upstream_cache_status $limit_conn_status`, `200 HIT REJECTED_DRY_RUN`, nil,
			[]string{
				`nginx_access_cache_total{log="access",status="hit"} 1`,
				`nginx_access_limit_conn_total{log="access",status="rejected_dry_run"} 1`,
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := counterOf(t, test.format, "default", test.change)
			b.Lines([]byte(test.line + "\n"))
			has(t, b, append(test.want, `fremisn_exporter_log_lines_total{log="access",result="parsed"} 1`)...)
		})
	}
}

// TestMalformed has lines that do not fit: they move nothing but their own counter.
func TestMalformed(t *testing.T) {
	good := `"GET / HTTP/1.1" 200 5 0.100 ua="1.2.3.4:5, 1.2.3.4:6" us="502, 200" urt="0.001, 0.002"`
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	tests := map[string]string{
		"empty":                 "",
		"status of two digits":  replace("200", "20"),
		"status of letters":     replace("200", "2OO"),
		"status missing":        replace("200", "-"),
		"negative size":         replace(" 5 ", " -5 "),
		"enormous size":         replace(" 5 ", " 9223372036854775808 "),
		"time that is NaN":      replace("0.100", "NaN"),
		"time with an exponent": replace("0.100", "1e3"),
		"enormous time":         replace("0.100", "1234567890.000"),
		"negative time":         replace("0.100", "-0.100"),
		"lists disagree":        replace("502, 200", "200"),
		"a list too long":       replace("0.001, 0.002", "0.001, 0.002, 0.003"),
		"list against nothing":  replace("502, 200", "-"),
		"number in a list":      replace("0.002", "0.0x2"),
		"a long name":           replace("1.2.3.4:5", strings.Repeat("a", 300)+":80"),
		"more than the format":  good + " and more",
		"less than the format":  good[:len(good)-1],
		"cut in the middle":     good[:40],
		"NULs":                  strings.Repeat("\x00", 100),
		"a raw quote":           replace("GET /", `GET /"`),
	}
	format := `"$request" $status $body_bytes_sent $request_time ua="$upstream_addr" us="$upstream_status" urt="$upstream_response_time"`
	check := lineCheck(t, format, "default")
	if err := check([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, line := range tests {
		t.Run(name, func(t *testing.T) {
			b := counterOf(t, format, "default", nil)
			b.Lines([]byte(good + "\n" + line + "\n" + good + "\n"))
			lines := has(t, b, `fremisn_exporter_log_lines_total{log="access",result="malformed"} 1`)
			want := counterOf(t, format, "default", nil)
			want.Lines([]byte(good + "\n" + good + "\n"))
			want.lines.Malformed = 1
			if diff := cmp.Diff(exposed(t, want), lines); diff != "" {
				t.Errorf("the line moved more than its counter:\n%s", diff)
			}
			var wrong *logformat.LineError
			if err := check([]byte(line)); !errors.As(err, &wrong) || wrong.Expected == "" || wrong.Offset > len(line) {
				t.Errorf("the check says %v", err)
			}
		})
	}
}

// TestMaxSeries floods a book with servers: the first stay, the rest are "other", and the number of series is bounded.
func TestMaxSeries(t *testing.T) {
	const limit = 200
	b := counterOf(t, `$status $request_time $upstream_addr $upstream_status $upstream_response_time`, "default", func(c *Config) { c.MaxSeries = limit })
	const servers = 20_000
	for i := range servers {
		b.Lines(fmt.Appendf(nil, "200 0.001 10.0.%d.%d:80 200 0.001\n", i/256, i%256))
	}
	lines := has(t, b,
		fmt.Sprintf(`nginx_access_requests_total{code="200",log="access",method="OTHER",outcome="ok",route=""} %d`, servers),
		`nginx_upstream_attempts_total{code="200",log="access",node="",outcome="ok",server="10.0.0.0:80",upstream=""} 1`)
	attempts, timed, series := 0, 0, 0
	for _, line := range lines {
		value, _ := strconv.Atoi(line[strings.LastIndexByte(line, ' ')+1:])
		if strings.HasPrefix(line, "nginx_") {
			series++
		}
		if strings.HasPrefix(line, "nginx_upstream_attempts_total") {
			attempts += value
		}
		if strings.HasPrefix(line, "nginx_upstream_response_duration_seconds_count") {
			timed += value
		}
		if strings.HasPrefix(line, `nginx_upstream_attempts_total{code="other",log="access",node="other",outcome="other",server="other",upstream="other"}`) && value < servers-limit {
			t.Errorf("%s", line)
		}
	}
	if attempts != servers || timed != servers {
		t.Errorf("%d attempts and %d times, want %d", attempts, timed, servers)
	}
	if series > limit || series < limit/2 {
		t.Errorf("%d series, want at most %d and not far from it", series, limit)
	}
	if dropped := b.ledger.Dropped(); dropped < servers {
		t.Errorf("%d label sets are told as dropped, of %d servers", dropped, servers)
	}
	before := b.ledger.Dropped()
	b.Lines([]byte("200 0.001 10.0.78.0:80 200 0.001\n"))
	if after := b.ledger.Dropped(); after != before {
		t.Errorf("a label set that was dropped before counts again: %d, then %d", before, after)
	}
}

// TestNoAllocation is the steady state: nothing is allocated for a line.
func TestNoAllocation(t *testing.T) {
	for _, f := range logtest.Formats() {
		t.Run(f.Name, func(t *testing.T) {
			b := testCounter(t, f, source.Route{Name: "face", Match: regexp.MustCompile("^/v1/face/")},
				source.Route{Name: "short", Match: regexp.MustCompile("^/.{0,3}$")})
			block, _ := benchBlock(f)
			b.Lines(block)
			if n := testing.AllocsPerRun(10, func() { b.Lines(block) }); n > 0 {
				t.Errorf("%v allocations for a block", n)
			}
		})
	}
}

// lineCheck reads lines as the check of a format does.
func lineCheck(t *testing.T, format, escape string) func(line []byte) error {
	t.Helper()
	program, err := logformat.Compile(format, escape, logformat.Options{Paths: true})
	if err != nil {
		t.Fatal(err)
	}
	parser, record := logformat.NewParser(program), logformat.NewRecord()
	return func(line []byte) error { return parser.ParseLine(line, record) }
}

// TestSeriesThatStandAtZero: the first failure of any route, server and group is a rise.
func TestSeriesThatStandAtZero(t *testing.T) {
	values := func(c *Counter, id metric.ID) map[string]uint64 {
		all := map[string]uint64{}
		_, series := c.Snapshot()
		for _, counter := range series.Counters(int(id)) {
			all[strings.Join(counter.Labels, " ")] = counter.Value
		}
		return all
	}
	c := counterOf(t, `"$request" $status $upstream_addr $upstream_status`, "default", func(c *Config) {
		c.Routes = []source.Route{{Name: "face", Match: regexp.MustCompile("^/v1/face/")}}
		c.Groups, c.Servers = []string{"fremisn_backend"}, []string{"127.0.0.231:4005"}
	})
	c.Lines([]byte(`"GET /v1/face/match HTTP/1.1" 200 127.0.0.231:4005 200` + "\n"))
	want := map[string]uint64{}
	for _, outcome := range strings.Fields("ok error timeout aborted client_error no_live limited") {
		want["face "+outcome], want["other "+outcome] = 0, 0
	}
	want["face ok"] = 1
	if diff := cmp.Diff(want, values(c, metric.AccessOutcomes)); diff != "" {
		t.Error(diff)
	}
	want = map[string]uint64{"127.0.0.231:4005 ok": 1, "127.0.0.231:4005 error": 0, "127.0.0.231:4005 timeout": 0,
		"127.0.0.231:4005 aborted": 0}
	if diff := cmp.Diff(want, values(c, metric.UpstreamOutcomes)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]uint64{"fremisn_backend": 0}, values(c, metric.NoLive)); diff != "" {
		t.Error(diff)
	}
	// A server that is gone from nginx.conf and never failed does not come back from the state.
	after := counterOf(t, `"$request" $status $upstream_addr $upstream_status`, "default", nil)
	if err := after.RestoreState(c.AppendState(nil)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]uint64{"127.0.0.231:4005 ok": 1},
		values(after, metric.UpstreamOutcomes)); diff != "" {
		t.Error(diff)
	}
	combined := counterOf(t, nginxconf.CombinedFormat, "default",
		func(c *Config) { c.Groups = []string{"fremisn_backend"} })
	if n := len(values(combined, metric.NoLive)); n > 0 {
		t.Errorf("%d series of what the format cannot tell", n)
	}
}

// TestUpgradedConnection: the times of a WebSocket are the life of a connection; how long it took to connect and to
// upgrade is latency.
func TestUpgradedConnection(t *testing.T) {
	c := counterOf(t, `$status $request_time $upstream_addr $upstream_status $upstream_response_time $upstream_header_time $upstream_connect_time`, "default", nil)
	c.Lines([]byte("101 3600.000 127.0.0.231:4005 101 3599.990 0.010 0.001\n"))
	for _, line := range has(t, c,
		`nginx_access_requests_total{code="101",log="access",method="OTHER",outcome="ok",route=""} 1`,
		`nginx_upstream_attempts_total{code="101",log="access",node="master",outcome="ok",server="127.0.0.231:4005",upstream="fremisn_backend"} 1`,
		`nginx_upstream_header_duration_seconds_count{log="access",node="master",outcome="ok",server="127.0.0.231:4005",upstream="fremisn_backend"} 1`,
		`nginx_upstream_connect_duration_seconds_count{log="access",node="master",outcome="ok",server="127.0.0.231:4005",upstream="fremisn_backend"} 1`) {
		if strings.HasPrefix(line, "nginx_access_request_duration") ||
			strings.HasPrefix(line, "nginx_upstream_response_duration") {
			t.Errorf("observed: %s", line)
		}
	}
}

// TestIgnoredRoute: its requests are read and not counted.
func TestIgnoredRoute(t *testing.T) {
	c := counterOf(t, `"$request" $status $upstream_addr`, "default", func(c *Config) {
		c.Routes = []source.Route{{Name: "monitor", Match: regexp.MustCompile("^/nginx_status"), Ignore: true},
			{Name: "face", Match: regexp.MustCompile("^/v1/")}}
	})
	c.Lines([]byte("\"GET /nginx_status HTTP/1.1\" 200 127.0.0.231:4005\n\"GET /v1/x HTTP/1.1\" 200 -\n\"GET /x HTTP/1.1\" 200 -\n"))
	if c.lines != (ledger.Lines{Parsed: 2, Ignored: 1}) {
		t.Errorf("%+v", c.lines)
	}
	want := []string{
		`access_requests_total{code=200,method=GET,outcome=ok,route=face} 1`, `access_requests_total{code=200,method=GET,outcome=ok,route=other} 1`,
	}
	if diff := cmp.Diff(want, seriesOf(t, c)); diff != "" {
		t.Error(diff)
	}
	for _, counter := range c.ledger.Counters(int(metric.AccessOutcomes)) {
		if counter.Labels[0] == "monitor" {
			t.Errorf("a series stands at 0 that never moves: %q", counter.Labels)
		}
	}
}

// TestSubrequests: where log_subrequest is on, a line without a length is no request of a client; its attempts are
// real.
func TestSubrequests(t *testing.T) {
	lines := []byte("\"GET / HTTP/1.1\" 200 80 -\n\"GET /auth HTTP/1.1\" 401 0 127.0.0.231:4005\n\"GET /mirror HTTP/1.1\" 502 0 127.0.0.231:4005\n")
	for on, want := range map[bool][]string{
		true:  {`access_requests_total{code=200,method=GET,outcome=ok,route=} 1`, `access_subrequests_total{} 2`},
		false: {`access_requests_total{code=200,method=GET,outcome=ok,route=} 1`, `access_requests_total{code=401,method=GET,outcome=client_error,route=} 1`, `access_requests_total{code=502,method=GET,outcome=error,route=} 1`},
	} {
		c := counterOf(t, `"$request" $status $request_length $upstream_addr`, "default", func(c *Config) { c.Source.Subrequests = on })
		c.Lines(lines)
		var got []string
		attempts := 0
		for _, line := range seriesOf(t, c) {
			switch {
			case strings.HasPrefix(line, "access_requests_total"), strings.HasPrefix(line, "access_subrequests_total"):
				got = append(got, line)
			case strings.HasPrefix(line, "upstream_attempts_total"):
				attempts++
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || attempts != 2 {
			t.Errorf("log_subrequest %v: %d series of attempts; (want -, got +)\n%s", on, attempts, diff)
		}
	}
}

// TestSeveralFormats: each line counts by what the format that it fits tells.
func TestSeveralFormats(t *testing.T) {
	c := counterOf(t, "", "", func(c *Config) {
		c.Source.Formats = []source.Format{{Text: `$status $request_time $upstream_addr`}, {Text: `old "$request" $status`}, {Text: `bytes $body_bytes_sent`}}
	})
	c.Lines([]byte("200 0.010 127.0.0.231:4005\nold \"GET / HTTP/1.1\" 404\nbytes 12\n200 0.020 -\nneither\n"))
	want := []string{
		`access_request_duration_seconds_count{outcome=ok,route=} 2`,
		`access_request_duration_seconds_sum{outcome=ok,route=} 0.03`,
		`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 2`,
		`access_requests_total{code=404,method=GET,outcome=client_error,route=} 1`,
		`access_sent_bytes_total{route=} 12`,
		`upstream_attempts_total{code=200,node=master,outcome=ok,server=127.0.0.231:4005,upstream=fremisn_backend} 1`,
	}
	got := seriesOf(t, c)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || c.lines != (ledger.Lines{Parsed: 4, Malformed: 1}) {
		t.Errorf("%+v (want -, got +)\n%s", c.lines, diff)
	}
}

// TestOwnLabels: listed values, those of server_name, and the first that come; the others are other. A restart changes
// none of it.
func TestOwnLabels(t *testing.T) {
	settings, err := source.New("p.yml", source.Config{AccessLogs: []source.AccessLogConfig{{
		Path: "/a.log", Name: "access", Format: source.FormatNames{`"$request" $status $bytes_sent $limit_req_status $host $country`},
		Labels: []source.LabelConfig{
			{Name: "host", From: "$host", Values: source.LabelValues{ServerNames: true}}, {Name: "country",
				From: "$country", Values: source.LabelValues{Max: 2}},
		},
	}}}, nil, &nginxconf.Config{ServerNames: []nginxconf.ServerName{{Name: "a.example"}, {Name: "*.b.example"}, {Name: "~^c"}, {Name: "_"}}})
	if err != nil {
		t.Fatal(err)
	}
	newCounter := func() *Counter {
		return counterOf(t, "", "", func(c *Config) { c.Source = settings.AccessLogs[0] })
	}
	c := newCounter()
	line := func(host, country string) string {
		return `"GET / HTTP/1.1" 200 10 PASSED ` + host + " " + country + "\n"
	}
	c.Lines([]byte(line("a.example", "SE") + line("www.b.example", "ID") + line("x.example", "FR") +
		line("c.example", "SE")))
	restarted := newCounter()
	if err := restarted.RestoreState(c.AppendState(nil)); err != nil {
		t.Fatal(err)
	}
	restarted.Lines([]byte(line("a.example", "DE") + line("a.example", "ID")))
	want := []string{
		`access_limit_req_total{country=ID,host=*.b.example,status=passed} 1`,
		`access_limit_req_total{country=ID,host=a.example,status=passed} 1`,
		`access_limit_req_total{country=SE,host=a.example,status=passed} 1`,
		`access_limit_req_total{country=SE,host=other,status=passed} 1`,
		`access_limit_req_total{country=other,host=a.example,status=passed} 1`,
		`access_limit_req_total{country=other,host=other,status=passed} 1`,
		`access_requests_total{code=200,country=ID,host=*.b.example,method=GET,outcome=ok,route=} 1`,
		`access_requests_total{code=200,country=ID,host=a.example,method=GET,outcome=ok,route=} 1`,
		`access_requests_total{code=200,country=SE,host=a.example,method=GET,outcome=ok,route=} 1`,
		`access_requests_total{code=200,country=SE,host=other,method=GET,outcome=ok,route=} 1`,
		`access_requests_total{code=200,country=other,host=a.example,method=GET,outcome=ok,route=} 1`,
		`access_requests_total{code=200,country=other,host=other,method=GET,outcome=ok,route=} 1`,
		`access_sent_bytes_total{country=ID,host=*.b.example,route=} 10`,
		`access_sent_bytes_total{country=ID,host=a.example,route=} 10`,
		`access_sent_bytes_total{country=SE,host=a.example,route=} 10`,
		`access_sent_bytes_total{country=SE,host=other,route=} 10`,
		`access_sent_bytes_total{country=other,host=a.example,route=} 10`,
		`access_sent_bytes_total{country=other,host=other,route=} 10`,
	}
	got := seriesOf(t, restarted)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	zeros := 0
	for _, counter := range restarted.ledger.Counters(int(metric.AccessOutcomes)) {
		if counter.Value == 0 && (counter.Labels[2] != "" || counter.Labels[3] != "") {
			t.Errorf("a zero is split: %q", counter.Labels)
		} else if counter.Value == 0 {
			zeros++
		}
	}
	if zeros != int(outcomeCount) {
		t.Errorf("%d series stand at 0", zeros)
	}
}

// TestStream has a session of stream{}, as NGINX logs it.
func TestStream(t *testing.T) {
	c := counterOf(t, "", "", func(c *Config) {
		c.Source.Kind = source.Stream
		c.Source.Formats = []source.Format{{Text: `$remote_addr [$time_local] $protocol $status $bytes_sent $bytes_received $session_time "$upstream_addr" "$upstream_bytes_sent" "$upstream_bytes_received" "$upstream_connect_time"`}}
	})
	c.Lines([]byte(`127.0.0.1 [25/Nov/2026:10:00:00 +0000] TCP 200 512 80 1.250 "127.0.0.18:4008, 127.0.0.231:4005" "0, 80" "0, 512" "-, 0.001"` + "\n"))
	want := []string{
		`stream_received_bytes_total{} 80`,
		`stream_sent_bytes_total{} 512`,
		`stream_session_duration_seconds_count{protocol=TCP} 1`,
		`stream_session_duration_seconds_sum{protocol=TCP} 1.25`,
		`stream_sessions_total{protocol=TCP,status=200} 1`,
		`upstream_attempts_total{code=200,node=master,outcome=ok,server=127.0.0.231:4005,upstream=fremisn_backend} 1`,
		`upstream_attempts_total{code=unknown,node=,outcome=error,server=127.0.0.18:4008,upstream=fremisn_backend} 1`,
		`upstream_connect_duration_seconds_count{node=master,outcome=ok,server=127.0.0.231:4005,upstream=fremisn_backend} 1`,
		`upstream_connect_duration_seconds_sum{node=master,outcome=ok,server=127.0.0.231:4005,upstream=fremisn_backend} 0.001`,
		`upstream_received_bytes_total{node=,server=127.0.0.18:4008,upstream=fremisn_backend} 0`,
		`upstream_received_bytes_total{node=master,server=127.0.0.231:4005,upstream=fremisn_backend} 512`,
		`upstream_retries_total{node=,server=127.0.0.18:4008,upstream=fremisn_backend} 1`,
		`upstream_sent_bytes_total{node=,server=127.0.0.18:4008,upstream=fremisn_backend} 0`,
		`upstream_sent_bytes_total{node=master,server=127.0.0.231:4005,upstream=fremisn_backend} 80`,
	}
	got := seriesOf(t, c)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	restored := counterOf(t, "", "", func(cfg *Config) { *cfg = c.cfg })
	if err := restored.RestoreState(c.AppendState(nil)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(exposed(t, c), exposed(t, restored)); diff != "" {
		t.Error(diff)
	}
}
