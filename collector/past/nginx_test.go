package past_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// timed is a log_format with everything that whatif can use.
const timed = `$msec $remote_addr $pid "$request" $status rt=$request_time lr=$limit_req_status id=$request_id ` +
	`ua="$upstream_addr" us="$upstream_status" uct="$upstream_connect_time" uht="$upstream_header_time" ` +
	`urt="$upstream_response_time"`

// A worker node answers after as many milliseconds as a request's header Work says.
type workNode struct {
	address string
	mu      sync.Mutex
	answer  func(w http.ResponseWriter, r *http.Request) bool // true where it has answered
	server  *http.Server
}

func startNode(t *testing.T) *workNode {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &workNode{address: listener.Addr().String()}
	n.server = &http.Server{Handler: n}
	go n.server.Serve(listener)
	t.Cleanup(func() { n.server.Close() })
	return n
}

func (n *workNode) set(answer func(w http.ResponseWriter, r *http.Request) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer = answer
}

func (n *workNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	n.mu.Lock()
	answer := n.answer
	n.mu.Unlock()
	if answer != nil && answer(w, r) {
		return
	}
	work(r, 1)
	io.WriteString(w, "{}")
}

// work waits as long as a request wants, times a factor.
func work(r *http.Request, factor int) {
	ms, _ := strconv.Atoi(r.Header.Get("Work"))
	timer := time.NewTimer(time.Duration(ms*factor) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// reset drops a connection without an answer.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// A balancer is a real NGINX before nodes.
type balancer struct {
	dir, address string
	nodes        []*workNode
	nginx        *testenv.Nginx
}

// A topology is what of its nginx.conf a test chooses.
type topology struct {
	nodes    int
	server   string // parameters of each server
	upstream string // directives of the upstream
	zone     string // of limit_req_zone, "rate=…"
	location string // directives of the location
	workers  int
	format   string
}

func startBalancer(t *testing.T, top topology) *balancer {
	t.Helper()
	b := &balancer{dir: t.TempDir()}
	var servers strings.Builder
	for range top.nodes {
		n := startNode(t)
		b.nodes = append(b.nodes, n)
		fmt.Fprintf(&servers, "        server %s %s;\n", n.address, top.server)
	}
	var err error
	if b.address, err = testenv.FreeAddress("127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	format, zone := top.format, top.zone
	if format == "" {
		format = timed
	}
	if zone == "" {
		zone = "rate=10000r/s"
	}
	preamble := strings.Replace(testenv.Preamble(), "worker_processes 1", fmt.Sprintf("worker_processes %d", max(1,
		top.workers)), 1)
	conf := preamble + "http {" + testenv.TempPaths + fmt.Sprintf(`
    log_format timed '%s';
    access_log DIR/access.log timed;
    limit_req_zone $binary_remote_addr zone=clients:1m %s;
    limit_req_status 429;
    upstream nodes {
%s        %s
    }
    server {
        listen %s reuseport;
        location / {
            %s
            proxy_pass http://nodes;
        }
    }
}
`, format, zone, servers.String(), top.upstream, b.address, top.location)
	if b.nginx, err = testenv.StartNginx(t.Context(), b.dir, conf, b.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.nginx.Stop() })
	return b
}

// settings are what the exporter knows of the balancer.
func (b *balancer) settings(t *testing.T) *source.Settings {
	t.Helper()
	conf, err := nginxconf.Load(b.nginx.Conf)
	if err != nil {
		t.Fatal(err)
	}
	f := conf.LogFormats["timed"]
	return &source.Settings{Conf: conf, AccessLogs: []source.LogSource{{
		Name: "access", Path: b.log(), Formats: []source.Format{{Name: "timed", Text: f.Format, Escape: f.Escape}},
	}}}
}

func (b *balancer) log() string { return filepath.Join(b.dir, "access.log") }

// An arrival is a request of a schedule.
type arrival struct {
	at     time.Duration // from the beginning
	work   int           // milliseconds
	client int           // 127.0.0.x
	method string
	path   string
}

// send sends a schedule, and waits for the last answer.
func (b *balancer) send(t *testing.T, schedule []arrival) {
	t.Helper()
	var clients [8]*http.Client
	for i := range clients {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(i+1))}}
		clients[i] = &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64}}
		defer clients[i].CloseIdleConnections()
	}
	began := time.Now()
	var running sync.WaitGroup
	for _, a := range schedule {
		timer := time.NewTimer(time.Until(began.Add(a.at)))
		select {
		case <-timer.C:
		case <-t.Context().Done():
			return
		}
		running.Go(func() { ask(t.Context(), clients[a.client], b.address, a) })
	}
	running.Wait()
}

// ask sends one request. NGINX's log has its result.
func ask(ctx context.Context, client *http.Client, address string, a arrival) {
	method, path := a.method, a.path
	if method == "" {
		method, path = "POST", "/v1/face/recognition"
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, nil)
	if err != nil {
		return
	}
	r.Header.Set("Work", strconv.Itoa(a.work))
	answer, err := client.Do(r)
	if err != nil {
		return
	}
	io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
}

// poisson is a schedule of n requests at a rate, of work of 10 ms to twice the mean.
func poisson(seed uint64, n int, rate, meanWork float64, clients int) []arrival {
	random := rand.New(rand.NewPCG(seed, 7))
	at := 0.0
	var schedule []arrival
	for range n {
		at += random.ExpFloat64() / rate
		work := 10 + int(random.Float64()*2*(meanWork-10))
		schedule = append(schedule, arrival{at: time.Duration(at * float64(time.Second)), work: work,
			client: random.IntN(clients)})
	}
	return schedule
}
