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
		{"redirect to another group is not a retry", "200", a + " : " + c, "404 : 200", "-", "ok",
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
			b.Lines(fmt.Appendf(nil, "\"GET / HTTP/1.1\" %s \"%s\" \"%s\" %s\n", test.status, test.addresses,
				test.statuses, test.limit))
			lines := has(t, b,
				`fremisn_exporter_log_lines_total{log="access",result="parsed"} 1`,
				`nginx_access_requests_total{code="`+test.status+`",log="access",method="GET",`+
					`outcome="`+test.outcome+`",route=""} 1`)
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
				t.Errorf("attempts %q, retries %d, no_live %d; want %q, %d, %d", attempts, retries, noLive, want,
					test.retries, test.noLive)
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

// TestFormatsWithFewVariables has the contract's rules for what a format lacks.
func TestFormatsWithFewVariables(t *testing.T) {
	tests := []struct {
		name, format, line string
		change             func(*Config)
		want               []string
	}{
		{
			"no statuses of attempts", `$status $upstream_addr`, `200 127.0.0.231:4005, 127.0.0.18:4008`, nil, []string{
				`nginx_upstream_attempts_total{code="unknown",log="access",node="master",outcome="error",` +
					`server="127.0.0.231:4005",upstream="fremisn_backend"} 1`,
				`nginx_upstream_attempts_total{code="200",log="access",node="",outcome="ok",` +
					`server="127.0.0.18:4008",upstream="fremisn_backend"} 1`,
				`nginx_upstream_retries_total{log="access",node="master",server="127.0.0.231:4005",` +
					`upstream="fremisn_backend"} 1`,
			},
		}, {
			"the last attempt before a group's name takes the status", `$status $upstream_addr`,
			`502 127.0.0.231:4005, fremisn_backend`, nil, []string{
				`nginx_upstream_attempts_total{code="502",log="access",node="master",outcome="error",` +
					`server="127.0.0.231:4005",upstream="fremisn_backend"} 1`,
				`nginx_upstream_no_live_total{log="access",upstream="fremisn_backend"} 1`,
			},
		}, {
			"times without addresses", `$status "$upstream_response_time"`, `200 "0.500, 0.050"`, nil, []string{
				`nginx_upstream_attempts_total{code="unknown",log="access",node="",outcome="error",server="unknown",` +
					`upstream=""} 1`,
				`nginx_upstream_attempts_total{code="200",log="access",node="",outcome="ok",server="unknown",` +
					`upstream=""} 1`,
				`nginx_upstream_retries_total{log="access",node="",server="unknown",upstream=""} 1`,
				`nginx_upstream_response_duration_seconds_bucket{log="access",node="",outcome="ok",server="unknown",` +
					`upstream="",le="0.1"} 1`,
				`nginx_upstream_response_duration_seconds_sum{log="access",node="",outcome="error",server="unknown",` +
					`upstream=""} 0.5`,
			},
		}, {
			"limited by the default status", `$status $upstream_addr`, `503 -`, nil,
			[]string{`nginx_access_requests_total{code="503",log="access",method="OTHER",outcome="limited",` +
				`route=""} 1`},
		}, {
			"limited by a status of its own", `$status $upstream_addr`, `429 -`,
			func(c *Config) { c.LimitReqStatus = 429 },
			[]string{`nginx_access_requests_total{code="429",log="access",method="OTHER",outcome="limited",` +
				`route=""} 1`},
		}, {
			"limited by limit_conn's status", `$status $upstream_addr`, `444 -`,
			func(c *Config) { c.LimitConnStatus = 444 },
			[]string{`nginx_access_requests_total{code="444",log="access",method="OTHER",outcome="limited",` +
				`route=""} 1`},
		}, {
			"an upstream's 503 is not a limit", `$status $upstream_addr`, `503 127.0.0.231:4005`, nil,
			[]string{`nginx_access_requests_total{code="503",log="access",method="OTHER",outcome="error",route=""} 1`},
		}, {
			"combined has no variable of limits", nginxconf.CombinedFormat,
			`1.2.3.4 - - [24/Nov/2026:12:27:30 +0000] "GET / HTTP/1.1" 503 12 "-" "curl"`, nil,
			[]string{
				`nginx_access_requests_total{code="503",log="access",method="GET",outcome="error",route=""} 1`,
				`nginx_access_sent_bytes_total{log="access",route=""} 12`,
			},
		}, {
			"response length for received bytes", `$status $upstream_addr $upstream_response_length`,
			`200 127.0.0.1:80 512`, nil,
			[]string{`nginx_upstream_received_bytes_total{log="access",node="",server="127.0.0.1:80",upstream=""} 512`},
		}, {
			"method and route without $request", `$request_method $scheme://$host$request_uri $status`,
			`PATCH http://a.b/v1/x?q=/v2 204`,
			func(c *Config) { c.Routes = []source.Route{{Name: "one", Match: regexp.MustCompile("^/v1/x$")}} },
			[]string{`nginx_access_requests_total{code="204",log="access",method="PATCH",outcome="ok",route="one"} 1`},
		}, {
			"cache and limit_conn", `$status $upstream_cache_status $limit_conn_status`, `200 HIT REJECTED_DRY_RUN`,
			nil,
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
	format := `"$request" $status $body_bytes_sent $request_time ua="$upstream_addr" us="$upstream_status" ` +
		`urt="$upstream_response_time"`
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

// TestMaxSeries floods a counter with servers: the first stay, the rest are "other", and the number of series is
// bounded.
func TestMaxSeries(t *testing.T) {
	const limit = 200
	b := counterOf(t, `$status $request_time $upstream_addr $upstream_status $upstream_response_time`, "default",
		func(c *Config) { c.MaxSeries = limit })
	const servers = 20_000
	for i := range servers {
		b.Lines(fmt.Appendf(nil, "200 0.001 10.0.%d.%d:80 200 0.001\n", i/256, i%256))
	}
	lines := has(t, b,
		fmt.Sprintf(`nginx_access_requests_total{code="200",log="access",method="OTHER",outcome="ok",route=""} %d`,
			servers),
		`nginx_upstream_attempts_total{code="200",log="access",node="",outcome="ok",server="10.0.0.0:80",`+
			`upstream=""} 1`)
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
		if strings.HasPrefix(line,
			`nginx_upstream_attempts_total{code="other",log="access",node="other",outcome="other",server="other",`+
				`upstream="other"}`) && value < servers-limit {
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
		t.Errorf("%d label sets are reported as dropped, of %d servers", dropped, servers)
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
	program, err := logformat.Compile(format, escape, logformat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	parser, record := logformat.NewParser(program), logformat.NewRecord()
	return func(line []byte) error { return parser.ParseLine(line, record) }
}

// TestSeriesThatStartAtZero: the first failure of any route, server and group is a rise.
func TestSeriesThatStartAtZero(t *testing.T) {
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
		t.Errorf("%d series that the format does not have", n)
	}
}

// TestUpgradedConnection: the times of a WebSocket are the life of a connection; how long it took to connect and to
// upgrade is latency.
func TestUpgradedConnection(t *testing.T) {
	c := counterOf(t, `$status $request_time $upstream_addr $upstream_status $upstream_response_time `+
		`$upstream_header_time $upstream_connect_time`, "default", nil)
	c.Lines([]byte("101 3600.000 127.0.0.231:4005 101 3599.990 0.010 0.001\n"))
	for _, line := range has(t, c,
		`nginx_access_requests_total{code="101",log="access",method="OTHER",outcome="ok",route=""} 1`,
		`nginx_upstream_attempts_total{code="101",log="access",node="master",outcome="ok",server="127.0.0.231:4005",`+
			`upstream="fremisn_backend"} 1`,
		`nginx_upstream_header_duration_seconds_count{log="access",node="master",outcome="ok",`+
			`server="127.0.0.231:4005",upstream="fremisn_backend"} 1`,
		`nginx_upstream_connect_duration_seconds_count{log="access",node="master",outcome="ok",`+
			`server="127.0.0.231:4005",upstream="fremisn_backend"} 1`) {
		if strings.HasPrefix(line, "nginx_access_request_duration") ||
			strings.HasPrefix(line, "nginx_upstream_response_duration") {
			t.Errorf("observed: %s", line)
		}
	}
}
