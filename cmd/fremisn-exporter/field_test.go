package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// fieldConf has what was found in public nginx.conf files and stopped, or misled, this program. Each server is a log of
// the field.
const fieldConf = `
  log_format newline '$remote_addr $status [END]\n';
  log_format bytes '$body_bytes_sent';
  log_format bare '$remote_addr [$time_local] $request $status $request_time';
  log_format odd '$remote_addr, $status, $upstream_addr, $request_time';
  log_format nested '$remote_addr $status $request_length "$upstream_addr" "$upstream_status" $uri';
  log_format socket '$status $request_time "$upstream_addr" "$upstream_status" "$upstream_response_time"';
  access_log DIR/outer.log odd; # every server has its own: nobody writes it
  include sites/*;
  upstream app { server NODE fail_timeout=1d12h max_fails=2; keepalive 8; }
  server { listen A0; access_log DIR/newline.log newline; location / { return 200; } location /bad { return 502; } }
  server { listen A1; access_log DIR/shop.log; access_log DIR/shop.bytes bytes; location / { return 200 "0123456789"; }
           location /bad { return 502; } }
  server { listen A2; access_log DIR/bare.log bare; location / { return 200; } location /bad { return 502; } }
  server { listen A3; access_log DIR/odd.log odd; location / { return 200; } }
  server { listen A4; access_log DIR/nested.log nested; log_subrequest on;
           location / { auth_request /auth; mirror /copy; proxy_pass http://app; }
           location = /auth { internal; proxy_pass http://app; }
           location = /copy { internal; proxy_pass http://127.0.0.1:1; } }
  server { listen A5; access_log DIR/socket.log socket; location / { proxy_pass http://app; proxy_http_version 1.1;
           proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } }
`

// node answers requests, and upgrades those that ask for it; an upgraded connection ends at once.
func fieldNode(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			go func() {
				defer conn.Close()
				request, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				answer := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
				if request.Header.Get("Upgrade") != "" {
					answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
				}
				io.WriteString(conn, answer)
			}()
		}
	}()
	return listener.Addr().String()
}

// The program gets nothing but the path of nginx.conf. Every request that real NGINX logs is counted once.
func TestLogsOfTheField(t *testing.T) {
	dir := t.TempDir()
	var addresses []string
	conf := strings.ReplaceAll(fieldConf, "NODE", fieldNode(t))
	for i := range 6 {
		addresses = append(addresses, freeAddress(t))
		conf = strings.ReplaceAll(conf, fmt.Sprintf("A%d", i), addresses[i])
	}
	if err := os.Mkdir(filepath.Join(dir, "sites"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "sites", "live"), "# a site\n")
	writeFile(t, filepath.Join(dir, "sites", ".live.swp"), "\x00 vim's }")
	nginx, err := testenv.StartNginx(context.Background(), dir,
		testenv.Preamble()+"http {"+testenv.TempPaths+conf+"}\n",
		addresses...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	p := startProgramWith(t, "--nginx.config", nginx.Conf)
	familiesOf(t, p) // from here on the logs are followed

	get := func(server int, path string, headers ...string) {
		t.Helper()
		request, err := http.NewRequest(http.MethodGet, "http://"+addresses[server]+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
		}
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusSwitchingProtocols {
			io.Copy(io.Discard, response.Body)
		}
		response.Body.Close()
	}
	for server := range 6 {
		get(server, "/a?x=[1")
		get(server, "/b")
	}
	for _, server := range []int{0, 1, 2} {
		get(server, "/bad")
	}
	get(1, "/", "Authorization", "Basic eCBbMTp5") // -u 'x [1:y': nobody asked for it
	get(5, "/ws", "Upgrade", "websocket", "Connection", "upgrade")

	for _, want := range []struct {
		log           string
		requests, bad int
	}{{"newline", 3, 1}, {"shop", 4, 1}, {"bare", 3, 1}, {"nested", 2, 0}, {"socket", 3, 0}} {
		total := 0
		until(t, fmt.Sprintf("%d requests of %s", want.requests, want.log), func() bool {
			total = sum(counts(familiesOf(t, p), "nginx_access_requests_total", want.log))
			return total >= want.requests
		})
		families := familiesOf(t, p)
		bad := gauge(families, "nginx_access_outcomes_total", "log", want.log, "outcome", "error")
		malformed := gauge(families, "fremisn_exporter_log_lines_total", "log", want.log, "result", "malformed")
		if total != want.requests || int(bad) != want.bad || malformed != 0 {
			t.Errorf("%s: %d requests, %g bad, %g malformed; want %d and %d", want.log, total, bad, malformed,
				want.requests, want.bad)
		}
	}
	families := familiesOf(t, p)
	for _, log := range []string{"outer", "odd", "shop-2"} {
		if n := gauge(families, "fremisn_exporter_log_lines_total", "log", log, "result", "parsed"); n != -1 {
			t.Errorf("log %s is followed", log)
		}
	}
	if n := gauge(families, "fremisn_exporter_collector_success", "collector", "access_log"); n != 0 {
		t.Errorf("a log that cannot be followed is not reported: success %g", n)
	}
	if n := gauge(families, "nginx_access_subrequests_total", "log", "nested"); n < 2 {
		t.Errorf("%g subrequests", n)
	}
	// The life of an upgraded connection is not a latency.
	if n := sum(counts(families, "nginx_access_request_duration_seconds", "socket")); n != 2 {
		t.Errorf("%d durations of 3 requests, one of them a WebSocket", n)
	}
}
