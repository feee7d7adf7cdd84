package collector

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// viewCollector gives a view to a registry.
type viewCollector struct{ view view }

func (c viewCollector) Describe(chan<- *prometheus.Desc) {}
func (c viewCollector) Collect(ch chan<- prometheus.Metric) {
	c.view.Emit(func(m prometheus.Metric) { ch <- m })
}

// exposed is what a scrape of the book would show, without help and types.
func exposed(t testing.TB, b *accessBook) []string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(viewCollector{b.View()})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for line := range strings.Lines(text.String()) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// has fails the test unless every wanted line is exposed, and returns all that is.
func has(t *testing.T, b *accessBook, want ...string) []string {
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

func bookOf(t testing.TB, format, escape string, change func(*accessBookConfig)) *accessBook {
	t.Helper()
	cfg := accessBookConfig{Log: "access", Format: format, Escape: escape, Buckets: []float64{0.1, 1}, MaxSeries: 10000, Topology: testTopology()}
	if change != nil {
		change(&cfg)
	}
	b, err := newAccessBook(cfg)
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
		{"redirect to another group is no retry", "200", a + " : " + c, "404 : 200", "-", "ok", []string{"master 404 ok", " 200 ok"}, 0, 0},
		{"trailing separator", "502", a + " : ", "502 : ", "-", "error", []string{"master 502 error"}, 0, 0},
		{"empty element", "200", a + " :  : " + c, "404 : - : 200", "-", "ok", []string{"master 404 ok", " 200 ok"}, 0, 0},
		{"no server", "502", group, "502", "-", "no_live", nil, 0, 1},
		{"no server after attempts", "502", a + ", " + c + ", " + group, "502, 504, 502", "-", "no_live", []string{"master 502 error", " 504 timeout"}, 1, 1},
		{"no server, then an error page's group", "200", group + " : " + a, "502 : 200", "-", "ok", []string{"master 200 ok"}, 0, 1},
		{"rejected", "503", "-", "-", "REJECTED", "limited", nil, 0, 0},
		{"dry run", "200", a, "200", "REJECTED_DRY_RUN", "ok", []string{"master 200 ok"}, 0, 0},
		{"503 of another kind", "503", "-", "-", "PASSED", "error", nil, 0, 0},
	}
	format := `"$request" $status "$upstream_addr" "$upstream_status" $limit_req_status`
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := bookOf(t, format, "default", nil)
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
		change             func(*accessBookConfig)
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
			"limited by a status of its own", `$status $upstream_addr`, `429 -`, func(c *accessBookConfig) { c.LimitReqStatus = 429 },
			[]string{`nginx_access_requests_total{code="429",log="access",method="OTHER",outcome="limited",route=""} 1`},
		}, {
			"limited by limit_conn's status", `$status $upstream_addr`, `444 -`, func(c *accessBookConfig) { c.LimitConnStatus = 444 },
			[]string{`nginx_access_requests_total{code="444",log="access",method="OTHER",outcome="limited",route=""} 1`},
		}, {
			"an upstream's 503 is no limit", `$status $upstream_addr`, `503 127.0.0.231:4005`, nil,
			[]string{`nginx_access_requests_total{code="503",log="access",method="OTHER",outcome="error",route=""} 1`},
		}, {
			"combined cannot tell a limit", CombinedFormat, `1.2.3.4 - - [24/Nov/2026:12:27:30 +0000] "GET / HTTP/1.1" 503 12 "-" "curl"`, nil,
			[]string{
				`nginx_access_requests_total{code="503",log="access",method="GET",outcome="error",route=""} 1`,
				`nginx_access_sent_bytes_total{log="access",route=""} 12`,
			},
		}, {
			"response length for received bytes", `$status $upstream_addr $upstream_response_length`, `200 127.0.0.1:80 512`, nil,
			[]string{`nginx_upstream_received_bytes_total{log="access",node="",server="127.0.0.1:80",upstream=""} 512`},
		}, {
			"method and route without $request", `$request_method $scheme://$host$request_uri $status`, `PATCH http://a.b/v1/x?q=/v2 204`,
			func(c *accessBookConfig) { c.Routes = []route{{"one", regexp.MustCompile("^/v1/x$")}} },
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
			b := bookOf(t, test.format, "default", test.change)
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
	check, err := NewFormatCheck(format, "default")
	if err != nil {
		t.Fatal(err)
	}
	if err := check.Line([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, line := range tests {
		t.Run(name, func(t *testing.T) {
			b := bookOf(t, format, "default", nil)
			b.Lines([]byte(good + "\n" + line + "\n" + good + "\n"))
			lines := has(t, b, `fremisn_exporter_log_lines_total{log="access",result="malformed"} 1`)
			want := bookOf(t, format, "default", nil)
			want.Lines([]byte(good + "\n" + good + "\n"))
			want.malformed = 1
			if diff := cmp.Diff(exposed(t, want), lines); diff != "" {
				t.Errorf("the line moved more than its counter:\n%s", diff)
			}
			var wrong *LineError
			if err := check.Line([]byte(line)); !errors.As(err, &wrong) || wrong.Expected == "" || wrong.Offset > len(line) {
				t.Errorf("the check says %v", err)
			}
		})
	}
}

// TestMaxSeries floods a book with servers: the first stay, the rest are "other", and the number of series is bounded.
func TestMaxSeries(t *testing.T) {
	const limit = 200
	b := bookOf(t, `$status $request_time $upstream_addr $upstream_status $upstream_response_time`, "default", func(c *accessBookConfig) { c.MaxSeries = limit })
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
			b := testBook(t, f, route{"face", regexp.MustCompile("^/v1/face/")}, route{"short", regexp.MustCompile("^/.{0,3}$")})
			block, _ := benchBlock(f)
			b.Lines(block)
			if n := testing.AllocsPerRun(10, func() { b.Lines(block) }); n > 0 {
				t.Errorf("%v allocations for a block", n)
			}
		})
	}
}

// TestExemplars wants the request's id with the latest observation of each bucket, and OpenMetrics to take it.
func TestExemplars(t *testing.T) {
	b := bookOf(t, `$status $request_time $request_id`, "default", nil)
	b.clock = func() time.Time { return time.Unix(1700000000, 0) }
	b.Lines([]byte("200 0.010 first\n200 0.020 0123456789abcdef0123456789abcdef\n200 5.000 \xff\n200 0.500 " + strings.Repeat("x", 119) + "\n"))
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(viewCollector{b.View()})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToOpenMetrics(&text, family); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		`le="0.1"} 2 # {request_id="0123456789abcdef0123456789abcdef"} 0.02 1.7e+09`,
		`le="1.0"} 3` + "\n",
		`le="+Inf"} 4 # {request_id="` + "\uFFFD" + `"} 5.0 1.7e+09`,
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("missing %q in\n%s", want, &text)
		}
	}
}

// TestMissing names what a format cannot give.
func TestMissing(t *testing.T) {
	full := bookOf(t, FullLogFormat, "default", nil)
	if missing := full.Missing(); len(missing) > 0 {
		t.Errorf("the full format lacks %v", missing)
	}
	combined := bookOf(t, CombinedFormat, "default", nil)
	missing := combined.Missing()
	for _, want := range []MissingMetric{
		{"nginx_access_request_duration_seconds", "$request_time"},
		{"nginx_upstream_attempts_total", "$upstream_addr"},
		{"nginx_upstream_response_duration_seconds", "$upstream_response_time"},
		{"nginx_access_limit_req_total", "$limit_req_status"},
		{"exemplars", "$request_id"},
	} {
		if !slices.Contains(missing, want) {
			t.Errorf("%v is not among %v", want, missing)
		}
	}
	for _, m := range accessMetrics() {
		if !strings.Contains(m.desc.String(), strconv.Quote(m.name)) {
			t.Errorf("%s is named %s", m.desc, m.name)
		}
	}
}
