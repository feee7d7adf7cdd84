package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/rig"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/sim"
)

// The formats that one NGINX writes at once.
var e2eFormats = []rig.Format{
	{Name: "full", Format: rig.FullFormat},
	{Name: "incumbent", Format: rig.IncumbentFormat},
	{Name: "json", Escape: "json", Format: rig.JSONFormat},
}

// A stack is NGINX with three nodes behind it, as the tests drive it. NGINX tells its clients which servers were
// tried and what they answered, in headers: that is the truth which the metrics must equal.
type stack struct {
	dir      string
	nodes    []*sim.Node
	nginx    *rig.Nginx
	balancer string
	status   string

	mu   sync.Mutex
	seen seen
}

// seen is what the clients saw.
type seen struct {
	requests map[string]int // "method code outcome"
	attempts map[string]int // "server code"
	coarse   map[string]int // the same as a log tells them that has no status for each
	retries  map[string]int // server
	noLive   int
}

func startStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{dir: t.TempDir(), seen: seen{map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}, 0}}
	var servers, formats strings.Builder
	for i, ip := range []string{"127.0.0.231", "127.0.0.18", "127.0.0.17"} {
		node, err := sim.Start([]string{"master", "slave-1", "slave-2"}[i], ip+":0", sim.Latency{Base: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(node.Close)
		s.nodes = append(s.nodes, node)
		fmt.Fprintf(&servers, "server %s max_conns=1 max_fails=0; ", node.Address)
	}
	for _, f := range e2eFormats {
		escape := ""
		if f.Escape != "" {
			escape = "escape=" + f.Escape
		}
		fmt.Fprintf(&formats, "log_format %s %s '%s';\naccess_log DIR/%s.log %s;\n", f.Name, escape, f.Format, f.Name, f.Name)
	}
	s.balancer, s.status = freeAddress(t), freeAddress(t)
	conf := rig.Preamble() + "http {" + rig.TempPaths + formats.String() + `
    limit_req_zone $server_name zone=strict:1m rate=1r/m;
    upstream fremisn_backend { ` + servers.String() + ` keepalive 32; }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_connect_timeout 2s;
    proxy_read_timeout 700ms;
    add_header X-Upstream-Addr $upstream_addr always;
    add_header X-Upstream-Status $upstream_status always;
    server {
        listen ` + s.balancer + `;
        location / { proxy_pass http://fremisn_backend; }
        location /patient { proxy_read_timeout 60s; proxy_pass http://fremisn_backend; }
        location /limited { limit_req zone=strict; proxy_pass http://fremisn_backend; }
    }
    server { listen ` + s.status + `; access_log off; location = /nginx_status { stub_status; } }
}
`
	var err error
	if s.nginx, err = rig.StartNginx(context.Background(), s.dir, conf, s.balancer, s.status); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.nginx.Stop() })
	return s
}

// config names the logs by their formats in nginx.conf, and gives the nodes their names.
func (s *stack) config() string {
	var b strings.Builder
	fmt.Fprintf(&b, "nginx:\n  config: %s\n  access_logs:\n", s.nginx.Conf)
	for _, f := range e2eFormats {
		fmt.Fprintf(&b, "    - {path: %s/%s.log, format: %s, start: beginning}\n", s.dir, f.Name, f.Name)
	}
	b.WriteString("probes: []\nnodes:\n")
	for _, n := range s.nodes {
		fmt.Fprintf(&b, "  - {name: %s, address: \"%s\"}\n", n.Name, n.Address)
	}
	return b.String()
}

// ask sends a request and notes what came of it.
func (s *stack) ask(t *testing.T, ctx context.Context, method, path string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+s.balancer+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if errors.Is(err, context.Canceled) {
		return 0
	}
	if err != nil {
		t.Error(err)
		return 0
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
	s.note(t, method, response)
	return response.StatusCode
}

func (s *stack) note(t *testing.T, method string, response *http.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var addresses, statuses []string
	if text := response.Header.Get("X-Upstream-Addr"); text != "" {
		addresses = strings.Split(text, ", ")
		statuses = strings.Split(response.Header.Get("X-Upstream-Status"), ", ")
	}
	if len(addresses) != len(statuses) {
		t.Errorf("NGINX tells %q and %q", addresses, statuses)
		return
	}
	outcome := map[int]string{404: "client_error", 400: "client_error", 502: "error", 504: "timeout", 503: "limited"}[response.StatusCode]
	if outcome == "" {
		outcome = "ok"
	}
	last := len(addresses) - 1
	for last >= 0 && addresses[last] == "fremisn_backend" {
		last--
	}
	for i, address := range addresses {
		if address == "fremisn_backend" {
			s.seen.noLive++
			outcome = "no_live"
			continue
		}
		s.seen.attempts[address+" "+statuses[i]]++
		if i == last {
			s.seen.coarse[fmt.Sprintf("%s %d", address, response.StatusCode)]++
		} else {
			s.seen.coarse[address+" unknown"]++
		}
		if i+1 < len(addresses) && addresses[i+1] != "fremisn_backend" {
			s.seen.retries[address]++
		}
	}
	s.seen.requests[fmt.Sprintf("%s %d %s", method, response.StatusCode, outcome)]++
}

// raw sends bytes that are no request, and waits for the answer.
func (s *stack) raw(t *testing.T, text string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.balancer)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Fatal(err)
	}
	s.seen.requests["OTHER 400 client_error"]++
}

// busy makes n nodes hang on a request each, and gives what lets them go.
func (s *stack) busy(t *testing.T, n int) (release func()) {
	t.Helper()
	var running sync.WaitGroup
	for _, node := range s.nodes {
		node.Set(sim.Fault{Kind: "slow", Delay: time.Minute, Path: "/patient"})
	}
	for range n {
		running.Go(func() { s.ask(t, context.Background(), "GET", "/patient") })
	}
	until(t, "the nodes are busy", func() bool {
		hanging := 0
		for _, node := range s.nodes {
			hanging += node.Waiting()
		}
		return hanging == n
	})
	return func() {
		for _, node := range s.nodes {
			node.Clear()
		}
		running.Wait()
	}
}

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
	s.leave(t)

	dir := t.TempDir()
	binary := buildExporter(t)
	e, err := rig.StartExporter(ctx, binary, dir, s.config(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Stop() })
	families := scrapeFamilies(t, e)
	for _, f := range e2eFormats {
		t.Run(f.Name, func(t *testing.T) { s.compare(t, families, f.Name) })
	}
	s.compareNodes(t, families)

	// The counts are kept over the end of the exporter, whichever way it ends; what is logged meanwhile is added.
	e.Kill()
	s.ask(t, ctx, "GET", "/v1/healthcheck")
	if e, err = rig.StartExporter(ctx, binary, dir, s.config(), ""); err != nil {
		t.Fatal(err)
	}
	for _, f := range e2eFormats {
		s.compare(t, scrapeFamilies(t, e), f.Name)
	}
	if code := e.Stop(); code != exitOK {
		t.Errorf("SIGTERM: exit code %d\n%s", code, e.Output())
	}
}

// leave is a client that goes before it is answered.
func (s *stack) leave(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	for _, node := range s.nodes {
		node.Set(sim.Fault{Kind: "slow", Delay: time.Minute, Path: "/patient"})
	}
	gone := make(chan struct{})
	go func() { defer close(gone); s.ask(t, ctx, "GET", "/patient") }()
	server := ""
	until(t, "the request is at a node", func() bool {
		for _, node := range s.nodes {
			if node.Waiting() == 1 {
				server = node.Address
			}
		}
		return server != ""
	})
	cancel()
	<-gone
	until(t, "the node sees it go", func() bool {
		return s.nodes[0].Waiting()+s.nodes[1].Waiting()+s.nodes[2].Waiting() == 0
	})
	for _, node := range s.nodes {
		node.Clear()
	}
	s.seen.requests["GET 499 aborted"]++
	s.seen.attempts[server+" none"]++
	s.seen.coarse[server+" 499"]++
	until(t, "NGINX logs the client that went", func() bool {
		text, err := os.ReadFile(filepath.Join(s.dir, "full.log"))
		return err == nil && strings.Contains(string(text), " 499 ")
	})
}

// compare holds the metrics of one log against what was seen.
func (s *stack) compare(t *testing.T, families map[string]*dto.MetricFamily, log string) {
	t.Helper()
	if got := counts(families, "fremisn_exporter_log_lines_total", log, "result"); got["malformed"]+got["too_long"] > 0 {
		t.Errorf("lines: %v", got)
	}
	if diff := cmp.Diff(s.seen.requests, counts(families, "nginx_access_requests_total", log, "method", "code", "outcome")); diff != "" {
		t.Errorf("requests (seen -, exported +)\n%s", diff)
	}
	attempts := s.seen.attempts
	if log == "incumbent" {
		attempts = s.seen.coarse
	}
	if diff := cmp.Diff(attempts, counts(families, "nginx_upstream_attempts_total", log, "server", "code")); diff != "" {
		t.Errorf("attempts\n%s", diff)
	}
	if diff := cmp.Diff(s.seen.retries, counts(families, "nginx_upstream_retries_total", log, "server")); diff != "" {
		t.Errorf("retries\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"fremisn_backend": s.seen.noLive}, counts(families, "nginx_upstream_no_live_total", log, "upstream")); diff != "" {
		t.Errorf("no live\n%s", diff)
	}
	total := 0
	for _, n := range s.seen.requests {
		total += n
	}
	if got := sum(counts(families, "nginx_access_request_duration_seconds", log, "outcome")); got != total {
		t.Errorf("%d request durations of %d requests", got, total)
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
				t.Errorf("%s answered %s %d times, exported are %d", node.Name, code, served[code], got[node.Name+" "+code])
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

func scrapeFamilies(t *testing.T, e *rig.Exporter) map[string]*dto.MetricFamily {
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
		buildOnce.binary, buildOnce.err = rig.BuildExporter(dir)
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
