package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// startBeside starts NGINX, which listens on the address, and the program. Its logs are followed from here on.
func startBeside(t *testing.T, conf, address string) (*testenv.Nginx, *program) {
	t.Helper()
	nginx, err := testenv.StartNginx(context.Background(), t.TempDir(), conf, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	p := startProgramWith(t, "--nginx.config", nginx.Conf)
	familiesOf(t, p)
	return nginx, p
}

// visit requests a server's first page.
func visit(t *testing.T, address string) {
	t.Helper()
	response, err := http.Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
}

// A server that proxy_pass names by its address is a group of its own, and its server as well.
func TestServerByAddressUnderNGINX(t *testing.T) {
	node := strings.TrimPrefix(answering(t, "{}").URL, "http://")
	site := freeAddress(t)
	conf := testenv.Preamble() + "http {" + testenv.TempPaths + `
  log_format site '$status "$upstream_addr" "$upstream_status"';
  access_log DIR/site.log site;
  server { listen ` + site + `; location / { proxy_pass http://` + node + `; } }
}
`
	_, p := startBeside(t, conf, site)
	visit(t, site)
	until(t, "an attempt", func() bool {
		return gauge(familiesOf(t, p), "nginx_upstream_outcomes_total", "log", "site", "upstream", node, "server", node,
			"outcome", "ok") >= 1
	})
}

// The log of stream{} is found in nginx.conf, and NGINX's own stream module writes it. One server is given by name,
// another by its address alone: both have their group's name. A client that is denied comes to no server; one whose
// first server refuses comes to the second.
func TestStreamUnderNGINX(t *testing.T) {
	node, spare := echoing(t), echoing(t)
	_, port, err := net.SplitHostPort(node)
	if err != nil {
		t.Fatal(err)
	}
	refused, first := "127.0.0.99:"+port, "127.0.0.98:"+port
	byName, byAddress, twice, denied := freeAddress(t), freeAddress(t), freeAddress(t), freeAddress(t)
	datagrams, unlogged := freeAddress(t), freeAddress(t)
	_, p := startBeside(t, testenv.StreamModule+testenv.Preamble()+`stream {
  log_format proxy '$protocol $status $session_time $bytes_sent $bytes_received '
                   '"$upstream_addr" "$upstream_connect_time" "$upstream_bytes_sent" "$upstream_bytes_received"';
  access_log DIR/stream.log proxy;
  upstream db { server localhost:`+port+`; }
  upstream two { server `+first+`; server `+spare+` backup; }
  server { listen `+byName+`; proxy_pass db; }
  server { listen `+byAddress+`; proxy_pass `+refused+`; }
  server { listen `+twice+`; proxy_pass two; }
  server { listen `+denied+`; deny all; proxy_pass db; }
  server { listen `+datagrams+` udp; return answer; }
  server { listen `+unlogged+`; return ready; access_log off; }
}
`, unlogged)
	for address, bytes := range map[string]int{byName: 7, byAddress: 1, twice: 50, denied: 300} {
		exchange(t, "tcp", address, bytes, bytes)
	}
	exchange(t, "udp", datagrams, 2, len("answer"))
	for _, want := range []struct {
		name   string
		value  float64
		labels []string
	}{
		{"nginx_stream_sessions_total", 2, []string{"protocol", "TCP", "status", "200"}},
		{"nginx_stream_sessions_total", 1, []string{"protocol", "TCP", "status", "502"}},
		{"nginx_stream_sessions_total", 1, []string{"protocol", "TCP", "status", "403"}},
		{"nginx_stream_sessions_total", 1, []string{"protocol", "UDP", "status", "200"}},
		{"nginx_stream_sent_bytes_total", 7 + 50 + 6, nil},
		{"nginx_stream_received_bytes_total", 7 + 50 + 2, nil},
		{"nginx_upstream_outcomes_total", 1, []string{"upstream", "db", "server", node, "outcome", "ok"}},
		{"nginx_upstream_outcomes_total", 1, []string{"upstream", refused, "server", refused, "outcome", "error"}},
		{"nginx_upstream_outcomes_total", 0, []string{"upstream", refused, "server", refused, "outcome", "ok"}},
		{"nginx_upstream_sent_bytes_total", 7, []string{"upstream", "db", "server", node}},
		{"nginx_upstream_received_bytes_total", 50, []string{"upstream", "two", "server", spare}},
		{"nginx_upstream_retries_total", 1, []string{"upstream", "two", "server", first}},
		{"fremisn_exporter_log_lines_total", 0, []string{"log", "stream", "result", "malformed"}},
	} {
		until(t, fmt.Sprint(want), func() bool {
			return gauge(familiesOf(t, p), want.name, want.labels...) == want.value
		})
	}
}

// echoing is a server that gives back what it gets.
func echoing(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// exchange sends so many bytes, and waits for so many, or the end.
func exchange(t *testing.T, network, address string, send, receive int) {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	conn.Write(make([]byte, send))
	if _, err := io.ReadFull(conn, make([]byte, receive)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
}
