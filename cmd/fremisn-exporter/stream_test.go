package main

import (
	"context"
	"io"

	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// The log of stream{} is found in nginx.conf. Its server is given by name, another by its address alone, as one of http
// is: all have their group's name.
func TestStreamUnderNGINX(t *testing.T) {
	node := freeAddress(t)
	listener, err := net.Listen("tcp", node)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "{}")
	})}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	_, port, err := net.SplitHostPort(node)
	if err != nil {
		t.Fatal(err)
	}
	byName, byAddress, site := freeAddress(t), freeAddress(t), freeAddress(t)
	dir := t.TempDir()
	conf := testenv.StreamModule + testenv.Preamble() + `stream {
  log_format proxy '$protocol $status $session_time $bytes_sent $bytes_received "$upstream_addr" "$upstream_connect_time"';
  access_log DIR/stream.log proxy;
  upstream db { server localhost:` + port + `; }
  server { listen ` + byName + `; proxy_pass db; }
  server { listen ` + byAddress + `; proxy_pass 127.0.0.99:` + port + `; }
}
http {` + testenv.TempPaths + `
  log_format site '$status "$upstream_addr" "$upstream_status"';
  access_log DIR/site.log site;
  server { listen ` + site + `; location / { proxy_pass http://` + node + `; } }
}
`
	nginx, err := testenv.StartNginx(context.Background(), dir, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	exporter, err := testenv.StartExporter(context.Background(), buildExporter(t), dir,
		"nginx: {config: "+nginx.Conf+"}\nprobes: []\n", freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exporter.Stop() })
	if _, err := exporter.Metrics(); err != nil { // from here on the log is followed
		t.Fatal(err)
	}
	connect := func(address string) (ok bool) {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Get("http://" + address + "/")
		if err != nil {
			return false
		}
		response.Body.Close()
		return true
	}
	until(t, "NGINX passes connections on", func() bool { return connect(byName) })
	connect(byAddress) // nothing listens there
	connect(site)
	refused := "127.0.0.99:" + port
	for _, want := range [][]string{
		{"log", "stream", "upstream", "db", "server", node, "outcome", "ok"},
		{"log", "stream", "upstream", refused, "server", refused, "outcome", "error"},
		{"log", "site", "upstream", node, "server", node, "outcome", "ok"},
	} {
		until(t, "an attempt: "+strings.Join(want, " "), func() bool {
			return gauge(scrapeFamilies(t, exporter), "nginx_upstream_outcomes_total", want...) >= 1
		})
	}
	families := scrapeFamilies(t, exporter)
	if n := gauge(families, "nginx_stream_sessions_total", "log", "stream", "protocol", "TCP", "status", "200"); n < 1 {
		t.Errorf("%g sessions", n)
	}
}
