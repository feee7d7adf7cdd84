package errorlog

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
	"github.com/fremisn/fremisn-exporter/collector/internal/exposetest"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

var captureErrors = flag.Bool("capture-errors", false,
	"write testdata/nginx/error.log anew, from what NGINX logs in TestErrorLogOfRealNginx")

func freeAddress(t *testing.T) string { t.Helper(); return testenv.LoopbackAddress(t) }

// A badServer does one bad thing to every connection.
func badServer(t *testing.T, treat func(*net.TCPConn)) string {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); treat(conn) }()
		}
	}()
	return listener.Addr().String()
}

// readRequestHeader reads up to the end of a request's header.
func readRequestHeader(conn net.Conn) {
	reader := bufio.NewReader(conn)
	for {
		if line, err := reader.ReadString('\n'); err != nil || strings.TrimSpace(line) == "" {
			return
		}
	}
}

// answerAll answers every request on a connection with the same bytes.
func answerAll(text string) func(*net.TCPConn) {
	return func(conn *net.TCPConn) {
		readRequestHeader(conn)
		io.WriteString(conn, text)
	}
}

// TestErrorLogOfRealNginx has NGINX log what goes wrong with upstreams and clients, once each and by what really
// happens, and wants each event with the server that it happened on.
func TestErrorLogOfRealNginx(t *testing.T) {
	dir := t.TempDir()
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	hang := badServer(t, func(conn *net.TCPConn) { readRequestHeader(conn); <-hold })
	deaf := badServer(t, func(conn *net.TCPConn) { conn.SetReadBuffer(4096); <-hold })
	reset := badServer(t, func(conn *net.TCPConn) { readRequestHeader(conn); conn.SetLinger(0) })
	closes := badServer(t, func(conn *net.TCPConn) { readRequestHeader(conn) })
	garbled := badServer(t, answerAll("HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"))
	large := badServer(t, answerAll("HTTP/1.1 200 OK\r\nX-Large: "+strings.Repeat("x", 64<<10)+"\r\n\r\n"))
	plenty := badServer(t, func(conn *net.TCPConn) {
		readRequestHeader(conn)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\nConnection: close\r\n\r\n")
		conn.Write(make([]byte, 32<<20))
	})
	full := testenv.FullAddress(t)
	refuses, dead1, dead2 := freeAddress(t), freeAddress(t), freeAddress(t)
	balancer, impatient := freeAddress(t), freeAddress(t)
	conf := strings.Replace(testenv.Preamble(), "error_log DIR/error.log warn", "error_log DIR/error.log info",
		1) + "http {" + testenv.TempPaths + `
    access_log off;
    client_max_body_size 64m;
    proxy_connect_timeout 2s; proxy_read_timeout 2s; proxy_send_timeout 2s;
    proxy_next_upstream off;
    limit_req_zone $server_name zone=strict:1m rate=1r/m;
    limit_req_zone $server_name zone=slow:1m rate=50r/s;
    limit_conn_zone $server_name zone=one:1m;
    upstream disabled { server ` + dead1 + ` max_fails=1; server ` + dead2 + ` max_fails=1; }
    upstream refuses { server ` + refuses + `; }
    server {
        listen ` + balancer + `;
        server_name fremisn;
        root DIR;
        location /refuses { proxy_pass http://refuses; }
        location /disabled { proxy_next_upstream error; proxy_pass http://disabled; }
        location /full { proxy_pass http://` + full + `; }
        location /socket { proxy_pass http://unix:DIR/none.sock:/; }
        location /hang { proxy_pass http://` + hang + `; }
        location /patient { proxy_read_timeout 60s; proxy_pass http://` + hang + `; }
        location /deaf { proxy_pass http://` + deaf + `; }
        location /reset { proxy_pass http://` + reset + `; }
        location /closes { proxy_pass http://` + closes + `; }
        location /garbled { proxy_pass http://` + garbled + `; }
        location /large { proxy_pass http://` + large + `; }
        location /plenty { proxy_pass http://` + plenty + `; }
        location /tls { proxy_pass https://` + garbled + `; }
        location /limited { limit_req zone=strict; proxy_pass http://` + garbled + `; }
        location /delayed { limit_req zone=slow burst=5; try_files /none =204; }
        location /dry { limit_req zone=strict; limit_req_dry_run on; try_files /none =204; }
        location /single { limit_conn one 1; proxy_read_timeout 60s; proxy_pass http://` + hang + `; }
    }
    server { listen ` + impatient + `; client_header_timeout 200ms; }
}
`
	nginx, err := testenv.StartNginx(context.Background(), dir, conf, balancer, impatient)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(path string, body []byte) {
		t.Helper()
		request, err := http.NewRequest("POST", "http://"+balancer+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatalf("%s: %s", path, err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	for _, path := range []string{"/refuses", "/full", "/socket", "/hang", "/reset", "/closes", "/garbled", "/large",
		"/tls", "/limiting requests"} {
		ask(strings.ReplaceAll(path, " ", "%20"), nil)
	}
	for range 2 {
		ask("/disabled", nil)
	}
	for _, path := range []string{"/limited", "/limited", "/delayed", "/delayed", "/delayed", "/dry"} {
		ask(path, nil)
	}
	ask("/deaf", make([]byte, 16<<20)) // more than sockets take in; also buffered in a file
	raw := func(address, text string) *net.TCPConn {
		t.Helper()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		io.WriteString(conn, text)
		return conn.(*net.TCPConn)
	}
	first := raw(balancer, "GET /single HTTP/1.1\r\nHost: h\r\n\r\n")
	logged := func(text string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			log, err := os.ReadFile(filepath.Join(dir, "error.log"))
			if err == nil && strings.Contains(string(log), text) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("NGINX does not log %q:\n%s", text, log)
			}
		}
	}
	// The second is turned away once the first is with its upstream.
	for deadline := time.Now().Add(20 * time.Second); ; {
		ask2 := raw(balancer, "GET /single HTTP/1.0\r\n\r\n")
		ask2.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		answer, _ := io.ReadAll(ask2)
		ask2.Close()
		if bytes.Contains(answer, []byte(" 503 ")) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("limit_conn turns nobody away")
		}
	}
	first.Close()
	logged("client prematurely closed connection")
	slow := raw(balancer, "GET /plenty HTTP/1.0\r\n\r\n") // never reads
	logged("an upstream response is buffered")
	slow.Close()
	late := raw(impatient, "GET / HTTP/1.1\r\nHos")
	io.Copy(io.Discard, late)
	logged("client timed out")
	// What clients say is NGINX's to repeat, and nobody's to believe.
	io.Copy(io.Discard, raw(balancer,
		"GET /limited HTTP/1.0\r\nHost: h\", upstream: \"6.6.6.6:66\r\nReferer: x\", upstream: "+
			"\"http://6.6.6.6:66/\r\n\r\n"))
	io.Copy(io.Discard, raw(balancer, "GET /refuses HTTP/1.0\r\nHost: h\", upstream: \"6.6.6.6:66\r\n\r\n"))
	io.Copy(io.Discard, raw(balancer, "GET /x\", upstream: \"http://6.6.6.6:66/ HTTP/1.0\r\n\r\n"))
	if code := nginx.Stop(); code != 0 {
		t.Fatalf("nginx ends with %d", code)
	}

	log, err := os.ReadFile(filepath.Join(dir, "error.log"))
	if err != nil {
		t.Fatal(err)
	}
	if *captureErrors {
		if err := os.WriteFile(filepath.Join("testdata", "nginx", "error.log"),
			bytes.ReplaceAll(log, []byte(dir), []byte("/var/lib/nginx")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	upstream := nginxconf.Upstream{Name: "refuses", Servers: []nginxconf.Server{{Address: refuses}}}
	topology := source.NewTopology([]nginxconf.Upstream{upstream}, []source.Node{{Name: "slave-9", Address: reset}},
		nil)
	counter := counterOf(1000)
	counter.Lines(log)
	lines := exposetest.Lines("error", counter, topology)
	event := func(n int, event, upstream, server, node string) {
		t.Helper()
		want := fmt.Sprintf(`nginx_error_log_events_total{event=%q,log="error",node=%q,server=%q,upstream=%q} %d`,
			event, node, server, upstream, n)
		if !slices.Contains(lines, want) {
			t.Errorf("missing: %s", want)
		}
	}
	event(1, "connect_refused", "refuses", refuses, "")
	event(1, "connect_timeout", "", full, "")
	event(1, "connect_error", "", "unix:"+dir+"/none.sock", "")
	event(1, "read_timeout", "", hang, "")
	event(1, "send_timeout", "", deaf, "")
	event(1, "connection_reset", "", reset, "slave-9")
	event(1, "premature_close", "", closes, "")
	event(2, "invalid_header", "", garbled, "")
	event(1, "invalid_header", "", large, "")
	event(1, "no_live_upstreams", "disabled", "", "")
	event(1, "server_disabled", "", dead1, "")
	event(1, "server_disabled", "", dead2, "")
	event(1, "ssl", "", garbled, "")
	event(1, "response_buffered", "", plenty, "")
	event(1, "body_buffered", "", "", "")
	event(1, "client_timeout", "", "", "")
	for _, line := range lines {
		if strings.Contains(line, "6.6.6.6") {
			t.Errorf("what a client sent decides: %s", line)
		}
	}
	for _, begin := range []string{`nginx_error_log_events_total{event="limit_req"`,
		`nginx_error_log_events_total{event="limit_conn"`, `nginx_error_log_events_total{event="client_closed"`,
		`fremisn_exporter_log_lines_total{log="error",result="malformed"} 0`} {
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, begin) }) {
			t.Errorf("missing: %s…", begin)
		}
	}
	if t.Failed() {
		t.Logf("exposed:\n%s\nlog:\n%s", strings.Join(lines, "\n"), log)
	}
}

// TestCapturedErrorLog counts the events of a log that NGINX 1.22 wrote in the test above.
func TestCapturedErrorLog(t *testing.T) {
	log, err := os.ReadFile(filepath.Join("testdata", "nginx", "error.log"))
	if err != nil {
		t.Fatal(err)
	}
	counter := counterOf(1000)
	counter.Lines(log)
	got := map[string]uint64{}
	lines, series := counter.Snapshot()
	for _, c := range series.Counters(int(metric.ErrorEvents)) {
		got[c.Labels[0]] += c.Value
	}
	want := map[string]uint64{
		"connect_refused": 3, "connect_timeout": 1, "connect_error": 1, "read_timeout": 1, "send_timeout": 1,
		"connection_reset": 1,
		"premature_close":  1, "invalid_header": 3, "no_live_upstreams": 1, "server_disabled": 2, "limit_req": 4,
		"limit_conn":    1,
		"body_buffered": 1, "response_buffered": 1, "client_closed": 4, "client_timeout": 1, "ssl": 1, "other": 16,
	}
	if diff := cmp.Diff(want, got); diff != "" || lines.Malformed > 0 {
		t.Errorf("%d malformed; events (want -, got +)\n%s", lines.Malformed, diff)
	}
}
