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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/sim"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// The formats that one NGINX writes at once.
var e2eFormats = []testenv.Format{
	{Name: "full", Format: testenv.FullFormat},
	{Name: "incumbent", Format: testenv.IncumbentFormat},
	{Name: "json", Escape: "json", Format: testenv.JSONFormat},
}

// A stack is NGINX with three nodes behind it, as the tests drive it. NGINX's answers name which servers were tried
// and what they answered, in headers: that is the truth which the metrics must equal.
type stack struct {
	dir      string
	nodes    []*sim.Node
	nginx    *testenv.Nginx
	balancer string
	status   string
	client   *http.Transport

	mu   sync.Mutex
	seen seen
}

// seen is what the clients saw.
type seen struct {
	requests map[string]int // "method code outcome"
	attempts map[string]int // "server code"
	coarse   map[string]int // the same from a log without a status for each
	connects map[string]int // server: attempts that got a connection
	headers  map[string]int // server: attempts that were answered
	retries  map[string]int // server
	noLive   map[string]int // group
	limits   map[string]int // limit_req's verdicts
	sent     atomic.Int64   // bytes to NGINX
	received atomic.Int64   // bytes from NGINX
}

func startStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{dir: t.TempDir()}
	for _, counts := range []*map[string]int{&s.seen.requests, &s.seen.attempts, &s.seen.coarse, &s.seen.connects,
		&s.seen.headers,
		&s.seen.retries, &s.seen.noLive, &s.seen.limits} {
		*counts = map[string]int{}
	}
	s.client = &http.Transport{DialContext: s.dial}
	t.Cleanup(s.client.CloseIdleConnections)
	var fragile strings.Builder
	var servers, formats strings.Builder
	for i, ip := range []string{"127.0.0.231", "127.0.0.18", "127.0.0.17"} {
		node, err := sim.Start([]string{"master", "slave-1", "slave-2"}[i], freeAddressOn(t, ip),
			sim.Latency{Base: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(node.Close)
		s.nodes = append(s.nodes, node)
		fmt.Fprintf(&servers, "server %s max_conns=1 max_fails=0; ", node.Address)
		fmt.Fprintf(&fragile, "server %s; ", node.Address)
	}
	for _, f := range e2eFormats {
		escape := ""
		if f.Escape != "" {
			escape = "escape=" + f.Escape
		}
		fmt.Fprintf(&formats, "log_format %s %s '%s';\naccess_log DIR/%s.log %s;\n", f.Name, escape, f.Format, f.Name,
			f.Name)
	}
	s.balancer, s.status = freeAddress(t), freeAddress(t)
	conf := testenv.Preamble() + "http {" + testenv.TempPaths + formats.String() + `
    limit_req_zone $server_name zone=strict:1m rate=1r/m;
    upstream fremisn_backend { ` + servers.String() + ` keepalive 32; }
    upstream fragile { ` + fragile.String() + ` }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_connect_timeout 2s;
    proxy_read_timeout 2s;
    add_header X-Upstream-Addr $upstream_addr always;
    add_header X-Upstream-Status $upstream_status always;
    add_header X-Upstream-Connect-Time $upstream_connect_time always;
    add_header X-Upstream-Header-Time $upstream_header_time always;
    add_header X-Limit-Req $limit_req_status always;
    server {
        listen ` + s.balancer + `;
        location / { proxy_pass http://fremisn_backend; }
        location /patient { proxy_read_timeout 60s; proxy_pass http://fremisn_backend; }
        location /redirected { proxy_intercept_errors on; error_page 404 = @again; proxy_pass http://fremisn_backend; }
        location @again { rewrite ^ /v1/healthcheck break; proxy_pass http://fremisn_backend; }
        location /fragile { proxy_pass http://fragile; }
        location /limited { limit_req zone=strict; proxy_pass http://fremisn_backend; }
    }
    server { listen ` + s.status + `; access_log off; location = /nginx_status { stub_status; } }
}
`
	var err error
	if s.nginx, err = testenv.StartNginx(context.Background(), s.dir, conf, s.balancer, s.status); err != nil {
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

// ask sends a request and records its result.
func (s *stack) ask(t *testing.T, ctx context.Context, method, path string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+s.balancer+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := s.client.RoundTrip(request)
	if errors.Is(err, context.Canceled) {
		return 0
	}
	if err != nil {
		t.Error(err)
		return 0
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
	s.record(t, method, response)
	return response.StatusCode
}

// groups are the names that NGINX logs where no server can be picked.
var groups = []string{"fremisn_backend", "fragile"}

// record counts what NGINX says of a request in its answer's headers.
func (s *stack) record(t *testing.T, method string, response *http.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	outcome := map[int]string{404: "client_error", 400: "client_error", 502: "error", 504: "timeout",
		503: "limited"}[response.StatusCode]
	if outcome == "" {
		outcome = "ok"
	}
	lists := map[string][]string{}
	for _, name := range []string{"Addr", "Status", "Connect-Time", "Header-Time"} {
		if text := response.Header.Get("X-Upstream-" + name); text != "" {
			lists[name] = strings.Split(strings.ReplaceAll(text, " : ", ", : "), ", ")
		}
		if len(lists[name]) != len(lists["Addr"]) {
			t.Errorf("NGINX's lists differ in length: %q", lists)
			return
		}
	}
	addresses := lists["Addr"]
	isGroup := func(i int) bool { return slices.Contains(groups, strings.TrimPrefix(addresses[i], ": ")) }
	last := len(addresses) - 1
	for last >= 0 && isGroup(last) {
		last--
	}
	for i, address := range addresses {
		address = strings.TrimPrefix(address, ": ")
		if isGroup(i) {
			s.seen.noLive[address]++
			outcome = "no_live"
			continue
		}
		s.seen.attempts[address+" "+strings.TrimPrefix(lists["Status"][i], ": ")]++
		for name, counts := range map[string]map[string]int{"Connect-Time": s.seen.connects,
			"Header-Time": s.seen.headers} {
			if strings.TrimPrefix(lists[name][i], ": ") != "-" {
				counts[address]++
			}
		}
		if i == last {
			s.seen.coarse[fmt.Sprintf("%s %d", address, response.StatusCode)]++
		} else {
			s.seen.coarse[address+" unknown"]++
		}
		if i+1 < len(addresses) && !isGroup(i+1) && !strings.HasPrefix(addresses[i+1], ": ") {
			s.seen.retries[address]++
		}
	}
	if verdict := response.Header.Get("X-Limit-Req"); verdict != "" {
		s.seen.limits[strings.ToLower(verdict)]++
	}
	s.seen.requests[fmt.Sprintf("%s %d %s", method, response.StatusCode, outcome)]++
}

// dial connects to NGINX and counts the bytes.
func (s *stack) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	return countedConn{conn, &s.seen}, err
}

type countedConn struct {
	net.Conn
	seen *seen
}

func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.seen.received.Add(int64(n))
	return n, err
}

func (c countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.seen.sent.Add(int64(n))
	return n, err
}

// raw sends bytes that are not a request, and waits for the answer.
func (s *stack) raw(t *testing.T, text string) {
	t.Helper()
	conn, err := s.dial(context.Background(), "tcp", s.balancer)
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
	s.seen.sent.Add(-int64(len(text))) // to NGINX, the length of what it cannot read is 0
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
	s.seen.connects[server]++
}

// awaitLogged waits until every request is in every log: NGINX logs it when the client has its answer.
func (s *stack) awaitLogged(t *testing.T) {
	t.Helper()
	want := sum(s.seen.requests)
	for _, f := range e2eFormats {
		until(t, fmt.Sprintf("%d requests in the log %s", want, f.Name), func() bool {
			text, err := os.ReadFile(filepath.Join(s.dir, f.Name+".log"))
			return err == nil && strings.Count(string(text), "\n") >= want
		})
	}
}

// poison is one request that makes each node drop the connection: NGINX, with its default max_fails, disables them
// all for fail_timeout, and the next request finds none, though every node is well.
func (s *stack) poison(t *testing.T) {
	for _, node := range s.nodes {
		node.Set(sim.Fault{Kind: "reset", Path: "/fragile"})
	}
	s.ask(t, context.Background(), "GET", "/fragile")
	for _, node := range s.nodes {
		node.Clear()
	}
	before := s.seen.noLive["fragile"]
	s.ask(t, context.Background(), "GET", "/fragile")
	if s.seen.noLive["fragile"] != before+1 {
		t.Error("a poison request has disabled nothing: the test shows nothing")
	}
}
