package accesslog

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// TestIgnoredRoute: its requests are read and not counted.
func TestIgnoredRoute(t *testing.T) {
	c := counterOf(t, `"$request" $status $upstream_addr`, "default", func(c *Config) {
		c.Routes = []source.Route{{Name: "monitor", Match: regexp.MustCompile("^/nginx_status"), Ignore: true},
			{Name: "face", Match: regexp.MustCompile("^/v1/")}}
	})
	c.Lines([]byte("\"GET /nginx_status HTTP/1.1\" 200 127.0.0.231:4005\n\"GET /v1/x HTTP/1.1\" 200 -\n\"GET /x " +
		"HTTP/1.1\" 200 -\n"))
	if c.lines != (ledger.Lines{Parsed: 2, Ignored: 1}) {
		t.Errorf("%+v", c.lines)
	}
	want := []string{
		`access_requests_total{code=200,method=GET,outcome=ok,route=face} 1`,
		`access_requests_total{code=200,method=GET,outcome=ok,route=other} 1`,
	}
	if diff := cmp.Diff(want, seriesOf(t, c)); diff != "" {
		t.Error(diff)
	}
	for _, counter := range c.ledger.Counters(int(metric.AccessOutcomes)) {
		if counter.Labels[0] == "monitor" {
			t.Errorf("a series at 0 that never moves: %q", counter.Labels)
		}
	}
}

// TestSubrequests: where log_subrequest is on, a line without a length is not a client's request; its attempts are
// real.
func TestSubrequests(t *testing.T) {
	lines := []byte("\"GET / HTTP/1.1\" 200 80 -\n\"GET /auth HTTP/1.1\" 401 0 127.0.0.231:4005\n\"GET /mirror " +
		"HTTP/1.1\" 502 0 127.0.0.231:4005\n")
	for on, want := range map[bool][]string{
		true: {`access_requests_total{code=200,method=GET,outcome=ok,route=} 1`, `access_subrequests_total{} 2`},
		false: {`access_requests_total{code=200,method=GET,outcome=ok,route=} 1`,
			`access_requests_total{code=401,method=GET,outcome=client_error,route=} 1`,
			`access_requests_total{code=502,method=GET,outcome=error,route=} 1`},
	} {
		c := counterOf(t, `"$request" $status $request_length $upstream_addr`, "default",
			func(c *Config) { c.Source.Subrequests = on })
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

// TestRefusedUnread: what NGINX refuses before it has a whole request line has length 0 as well, and is a request; a
// subrequest of that status has come to a server, or the format does not show that it came to none.
func TestRefusedUnread(t *testing.T) {
	for format, want := range map[string]int{
		`"$request" $status $request_length $upstream_addr`:   4,
		`"$request" $status $request_length $upstream_status`: 4,
		`"$request" $status $request_length -$http_x`:         0,
	} {
		c := counterOf(t, format, "default", func(c *Config) { c.Source.Subrequests = true })
		for _, code := range []int{400, 408, 414, 505, 401, 204, 500} {
			c.Lines(fmt.Appendf(nil, "\"GET / HTTP/1.1\" %d 0 -\n", code))
		}
		got := 0
		for _, line := range seriesOf(t, c) {
			if strings.HasPrefix(line, "access_requests_total") {
				got++
			}
		}
		if got != want || c.subrequests.Value != uint64(7-want) || c.lines.Parsed != 7 {
			t.Errorf("%s: %d requests, %d subrequests of %d lines", format, got, c.subrequests.Value, c.lines.Parsed)
		}
	}
}

// TestSeveralFormats: each line counts by the variables of the format that it fits.
func TestSeveralFormats(t *testing.T) {
	c := counterOf(t, "", "", func(c *Config) {
		c.Source.Formats = []source.Format{{Text: `$status $request_time $upstream_addr`},
			{Text: `old "$request" $status`}, {Text: `bytes $body_bytes_sent`}}
	})
	c.Lines([]byte("200 0.010 127.0.0.231:4005\nold \"GET / HTTP/1.1\" 404\nbytes 12\n200 0.020 -\nneither\n"))
	want := []string{
		`access_request_duration_seconds_count{outcome=ok,route=} 2`,
		`access_request_duration_seconds_sum{outcome=ok,route=} 0.03`,
		`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 2`,
		`access_requests_total{code=404,method=GET,outcome=client_error,route=} 1`,
		`access_sent_bytes_total{route=} 12`,
		`upstream_attempts_total{code=200,node=master,outcome=ok,server=231:4005,upstream=b} 1`,
	}
	got := seriesOf(t, c)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || c.lines != (ledger.Lines{Parsed: 4, Malformed: 1}) {
		t.Errorf("%+v (want -, got +)\n%s", c.lines, diff)
	}
}

// TestOwnLabelsOfOneVariable: two labels of one variable have each its values.
func TestOwnLabelsOfOneVariable(t *testing.T) {
	settings, err := source.New("p.yml", source.Config{AccessLogs: []source.AccessLogConfig{{
		Path: "/a.log", Name: "access", Format: source.FormatNames{`$status $country $host`},
		Labels: []source.LabelConfig{
			{Name: "host", From: "$host", Values: source.LabelValues{List: []string{"a.example"}}},
			{Name: "first", From: "$host", Values: source.LabelValues{Max: 1}},
			{Name: "country", From: "$country", Values: source.LabelValues{Max: 1}},
		},
	}}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := counterOf(t, "", "", func(c *Config) { c.Source = settings.AccessLogs[0] })
	c.Lines([]byte("200 SE b.example\n200 ID a.example\n"))
	want := []string{
		`access_requests_total{code=200,country=SE,first=b.example,host=other,method=OTHER,outcome=ok,route=} 1`,
		`access_requests_total{code=200,country=other,first=other,host=a.example,method=OTHER,outcome=ok,route=} 1`,
	}
	got := seriesOf(t, c)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestOwnLabels: listed values, those of server_name, and the first that come; the others are other. A restart changes
// none of it.
func TestOwnLabels(t *testing.T) {
	settings, err := source.New("p.yml", source.Config{AccessLogs: []source.AccessLogConfig{{
		Path: "/a.log", Name: "access",
		Format: source.FormatNames{`"$request" $status $bytes_sent $limit_req_status $host $country`},
		Labels: []source.LabelConfig{
			{Name: "host", From: "$host", Values: source.LabelValues{ServerNames: true}}, {Name: "country",
				From: "$country", Values: source.LabelValues{Max: 2}},
		},
	}}}, nil, &nginxconf.Config{ServerNames: []nginxconf.ServerName{{Name: "a.example"}, {Name: "*.b.example"},
		{Name: "~^c"}, {Name: "_"}}})
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
		t.Errorf("%d series are at 0", zeros)
	}
}

// TestStream has a session of stream{}, as NGINX logs it.
func TestStream(t *testing.T) {
	c := counterOf(t, "", "", func(c *Config) {
		c.Source.Kind = source.Stream
		c.Source.Formats = []source.Format{{Text: `$remote_addr [$time_local] $protocol $status $bytes_sent ` +
			`$bytes_received $session_time "$upstream_addr" "$upstream_bytes_sent" "$upstream_bytes_received" ` +
			`"$upstream_connect_time"`}}
	})
	c.Lines([]byte(`127.0.0.1 [25/Nov/2026:10:00:00 +0000] TCP 200 512 80 1.250 "127.0.0.18:4008, 127.0.0.231:4005" ` +
		`"0, 80" "0, 512" "-, 0.001"` + "\n"))
	want := []string{
		`stream_received_bytes_total{} 80`,
		`stream_sent_bytes_total{} 512`,
		`stream_session_duration_seconds_count{protocol=TCP} 1`,
		`stream_session_duration_seconds_sum{protocol=TCP} 1.25`,
		`stream_sessions_total{protocol=TCP,status=200} 1`,
		`upstream_attempts_total{code=200,node=master,outcome=ok,server=231:4005,upstream=b} 1`,
		`upstream_attempts_total{code=unknown,node=,outcome=error,server=18:4008,upstream=b} 1`,
		`upstream_connect_duration_seconds_count{node=master,outcome=ok,server=231:4005,upstream=b} 1`,
		`upstream_connect_duration_seconds_sum{node=master,outcome=ok,server=231:4005,upstream=b} 0.001`,
		`upstream_received_bytes_total{node=,server=18:4008,upstream=b} 0`,
		`upstream_received_bytes_total{node=master,server=231:4005,upstream=b} 512`,
		`upstream_retries_total{node=,server=18:4008,upstream=b} 1`,
		`upstream_sent_bytes_total{node=,server=18:4008,upstream=b} 0`,
		`upstream_sent_bytes_total{node=master,server=231:4005,upstream=b} 80`,
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
