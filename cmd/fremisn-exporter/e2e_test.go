package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/sim"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// TestEndToEnd drives real NGINX through what it does to upstreams, in three formats at once, and holds every count
// against what clients and nodes saw.
func TestEndToEnd(t *testing.T) {
	s := startStack(t)
	ctx := context.Background()
	for range 9 {
		s.ask(t, ctx, "GET", "/v1/healthcheck")
	}
	for range 3 {
		s.ask(t, ctx, "POST", "/v1/face/enrollment?key=a")
		s.ask(t, ctx, "GET", "/")
	}
	s.raw(t, "GARBAGE\r\n\r\n")
	s.raw(t, "\x16\x03\x01\x02\x00\x01\r\n\r\n")

	s.nodes[0].Refuse() // retried on another
	for range 6 {
		s.ask(t, ctx, "GET", "/v1/healthcheck")
	}
	release := s.busy(t, 2) // one node refuses, the others have no slot: attempts, then the group's name
	s.ask(t, ctx, "GET", "/v1/healthcheck")
	release()
	if err := s.nodes[0].Listen(); err != nil {
		t.Fatal(err)
	}
	release = s.busy(t, 3) // no server can be picked at all
	for range 4 {
		s.ask(t, ctx, "GET", "/v1/healthcheck")
	}
	release()
	for _, node := range s.nodes {
		node.Set(sim.Fault{Kind: "reset", Path: "/v1/face"}) // a POST that was sent is not sent again
	}
	s.ask(t, ctx, "POST", "/v1/face/match")
	for _, node := range s.nodes {
		node.Set(sim.Fault{Kind: "hang"}) // three read timeouts
	}
	s.ask(t, ctx, "GET", "/v1/healthcheck")
	for _, node := range s.nodes {
		node.Clear()
	}
	for range 3 {
		s.ask(t, ctx, "GET", "/limited") // the limiter lets one through and turns two away
	}
	s.ask(t, ctx, "GET", "/redirected") // an internal redirect: two groups of attempts
	s.poison(t)
	s.leave(t)
	s.awaitLogged(t)

	dir := t.TempDir()
	binary := buildExporter(t)
	e, err := testenv.StartExporter(ctx, binary, dir, s.config(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Stop() })
	families := scrapeFamilies(t, e)
	for _, f := range e2eFormats {
		t.Run(f.Name, func(t *testing.T) { s.compare(t, families, f.Name) })
	}
	s.compareNodes(t, families)
	requests := families["nginx_http_requests_total"].GetMetric()
	// The exporter asks on a clock, too, and so may have asked more than once.
	least := float64(sum(s.seen.requests) + 1)
	if len(requests) != 1 || requests[0].GetCounter().GetValue() < least ||
		requests[0].GetCounter().GetValue() > least+20 {
		t.Errorf("the status page counts %v, want %v with the question for it, or a few more", requests, least)
	}

	// The counts are kept over the end of the exporter, whichever way it ends; what is logged meanwhile is added.
	e.Kill()
	s.ask(t, ctx, "GET", "/v1/healthcheck")
	s.awaitLogged(t)
	if e, err = testenv.StartExporter(ctx, binary, dir, s.config(), ""); err != nil {
		t.Fatal(err)
	}
	for _, f := range e2eFormats {
		s.compare(t, scrapeFamilies(t, e), f.Name)
	}
	if code := e.Stop(); code != exitOK {
		t.Errorf("SIGTERM: exit code %d\n%s", code, e.Output())
	}
}

// compare holds the metrics of one log against what was seen.
func (s *stack) compare(t *testing.T, families map[string]*dto.MetricFamily, log string) {
	t.Helper()
	if got := counts(families, "fremisn_exporter_log_lines_total", log, "result"); got["malformed"]+
		got["too_long"] > 0 {
		t.Errorf("lines: %v", got)
	}
	if diff := cmp.Diff(s.seen.requests, counts(families, "nginx_access_requests_total", log, "method", "code",
		"outcome")); diff != "" {
		t.Errorf("requests (seen -, exported +)\n%s", diff)
	}
	attempts := s.seen.attempts
	if log == "incumbent" {
		attempts = s.seen.coarse
	}
	if diff := cmp.Diff(attempts, counts(families, "nginx_upstream_attempts_total", log, "server",
		"code")); diff != "" {
		t.Errorf("attempts\n%s", diff)
	}
	if diff := cmp.Diff(s.seen.retries, counts(families, "nginx_upstream_retries_total", log, "server")); diff != "" {
		t.Errorf("retries\n%s", diff)
	}
	if diff := cmp.Diff(s.seen.noLive, counts(families, "nginx_upstream_no_live_total", log, "upstream")); diff != "" {
		t.Errorf("no live\n%s", diff)
	}
	total := sum(s.seen.requests)
	if got := sum(counts(families, "nginx_access_request_duration_seconds", log, "outcome")); got != total {
		t.Errorf("%d request durations of %d requests", got, total)
	}
	perServer := map[string]int{}
	for key, n := range s.seen.attempts {
		server, _, _ := strings.Cut(key, " ")
		perServer[server] += n
	}
	if diff := cmp.Diff(perServer, counts(families, "nginx_upstream_response_duration_seconds", log,
		"server")); diff != "" {
		t.Errorf("response durations\n%s", diff)
	}
	if log == "incumbent" {
		return // it says nothing about what follows
	}
	for name, want := range map[string]map[string]int{
		"nginx_upstream_connect_duration_seconds": s.seen.connects,
		"nginx_upstream_header_duration_seconds":  s.seen.headers,
	} {
		if diff := cmp.Diff(want, counts(families, name, log, "server")); diff != "" {
			t.Errorf("%s\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(s.seen.limits, counts(families, "nginx_access_limit_req_total", log, "status")); diff != "" {
		t.Errorf("limit_req\n%s", diff)
	}
	for name, want := range map[string]*atomic.Int64{
		"nginx_access_sent_bytes_total": &s.seen.received, "nginx_access_received_bytes_total": &s.seen.sent,
	} {
		if got := sum(counts(families, name, log, "route")); int64(got) != want.Load() {
			t.Errorf("%s: %d, on the wire were %d", name, got, want.Load())
		}
	}
}

// compareNodes holds the attempts that were answered against what the nodes say they answered.
func (s *stack) compareNodes(t *testing.T, families map[string]*dto.MetricFamily) {
	t.Helper()
	got := counts(families, "nginx_upstream_attempts_total", "full", "node", "code")
	for _, node := range s.nodes {
		served := map[string]int{}
		for key, n := range node.Served() {
			served[key[len(key)-3:]] += n
		}
		for _, code := range []string{"200", "404"} {
			if got[node.Name+" "+code] != served[code] {
				t.Errorf("%s answered %s %d times, exported are %d", node.Name, code, served[code],
					got[node.Name+" "+code])
			}
		}
	}
}

func sum(counts map[string]int) int {
	total := 0
	for _, n := range counts {
		total += n
	}
	return total
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// counts are a family's values by labels; of a histogram, the numbers of observations.
func counts(families map[string]*dto.MetricFamily, name, log string, labels ...string) map[string]int {
	values := map[string]int{}
	for _, m := range families[name].GetMetric() {
		if label(m, "log") != log {
			continue
		}
		var key []string
		for _, l := range labels {
			key = append(key, label(m, l))
		}
		n := m.GetCounter().GetValue()
		if m.Histogram != nil {
			n = float64(m.GetHistogram().GetSampleCount())
		}
		if n != 0 {
			values[strings.Join(key, " ")] += int(n)
		}
	}
	return values
}

func scrapeFamilies(t *testing.T, e *testenv.Exporter) map[string]*dto.MetricFamily {
	t.Helper()
	text, err := e.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return families
}

var buildOnce struct {
	sync.Once
	binary string
	err    error
}

// buildExporter builds the program once for all tests.
func buildExporter(t *testing.T) string {
	t.Helper()
	buildOnce.Do(func() {
		dir, err := os.MkdirTemp("", "fremisn-exporter-test-")
		if err != nil {
			buildOnce.err = err
			return
		}
		buildOnce.binary, buildOnce.err = testenv.BuildExporter(dir)
	})
	if buildOnce.err != nil {
		t.Fatal(buildOnce.err)
	}
	return buildOnce.binary
}

func TestMain(m *testing.M) {
	code := m.Run()
	if buildOnce.binary != "" {
		os.RemoveAll(filepath.Dir(buildOnce.binary))
	}
	os.Exit(code)
}
