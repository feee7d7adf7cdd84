package main

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// A server that proxy_pass names by its address is a group of its own, and its server as well.
func TestServerByAddressUnderNGINX(t *testing.T) {
	node := strings.TrimPrefix(answering(t, "{}").URL, "http://")
	site, dir := freeAddress(t), t.TempDir()
	conf := testenv.Preamble() + "http {" + testenv.TempPaths + `
  log_format site '$status "$upstream_addr" "$upstream_status"';
  access_log DIR/site.log site;
  server { listen ` + site + `; location / { proxy_pass http://` + node + `; } }
}
`
	nginx, err := testenv.StartNginx(context.Background(), dir, conf, site)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	p := startProgramWith(t, "--nginx.config", nginx.Conf)
	familiesOf(t, p) // from here on the log is followed
	response, err := http.Get("http://" + site + "/")
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
	until(t, "an attempt", func() bool {
		return gauge(familiesOf(t, p), "nginx_upstream_outcomes_total", "log", "site", "upstream", node, "server", node,
			"outcome", "ok") >= 1
	})
}

// The log of stream{} is found in nginx.conf. One server is given by name, another by its address alone: both have
// their group's name. The lines are those that NGINX 1.22 wrote for the two.
func TestStreamIsFound(t *testing.T) {
	dir := t.TempDir()
	conf, log := filepath.Join(dir, "nginx.conf"), filepath.Join(dir, "stream.log")
	writeFile(t, log, "")
	writeFile(t, conf, `events {}
stream {
  log_format proxy '$protocol $status $session_time $bytes_sent $bytes_received '
                   '"$upstream_addr" "$upstream_connect_time"';
  access_log `+log+` proxy;
  upstream db { server localhost:43395; }
  server { listen 5432; proxy_pass db; }
  server { listen 5433; proxy_pass 127.0.0.99:43395; }
}
`)
	p := startProgramWith(t, "--nginx.config", conf)
	familiesOf(t, p) // from here on the log is followed
	writeFile(t, log, `TCP 200 0.001 137 115 "127.0.0.1:43395" "0.000"
TCP 502 0.000 0 0 "127.0.0.99:43395" "-"
`)
	families := familiesOf(t, p)
	for _, want := range [][]string{
		{"nginx_stream_sessions_total", "log", "stream", "protocol", "TCP", "status", "200"},
		{"nginx_stream_received_bytes_total", "log", "stream"},
		{"nginx_upstream_outcomes_total", "upstream", "db", "server", "127.0.0.1:43395", "outcome", "ok"},
		{"nginx_upstream_outcomes_total", "upstream", "127.0.0.99:43395", "server", "127.0.0.99:43395", "outcome",
			"error"},
	} {
		if got := gauge(families, want[0], want[1:]...); got < 1 {
			t.Errorf("%s: %g", strings.Join(want, " "), got)
		}
	}
}
