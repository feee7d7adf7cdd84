package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// Servers, nodes and targets may be spelled in any way that NGINX understands: the labels are those of the address that
// it logs.
func TestAddressesAsNGINXLogsThem(t *testing.T) {
	listener, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	answer := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	six := &httptest.Server{Listener: listener, Config: &http.Server{Handler: answer}}
	six.Start()
	t.Cleanup(six.Close)
	four := httptest.NewServer(answer)
	t.Cleanup(four.Close)
	_, port6, _ := net.SplitHostPort(listener.Addr().String())
	_, port4, _ := net.SplitHostPort(four.Listener.Addr().String())
	fill := strings.NewReplacer("PORT6", port6, "PORT4", port4).Replace

	dir, address := t.TempDir(), freeAddress(t)
	conf := testenv.Preamble() + "http {" + testenv.TempPaths + fill(`
		log_format main '$status "$request" ua="$upstream_addr" us="$upstream_status"';
		access_log DIR/access.log main;
		upstream six { server [0:0:0:0:0:0:0:1]:PORT6; }
		upstream four { server 127.000.000.001:PORT4; server 127.1:PORT4; }
		server {
			listen `+address+`;
			location /six { proxy_pass http://six; }
			location /four { proxy_pass http://four; }
		}
	}`)
	nginx, err := testenv.StartNginx(context.Background(), dir, conf, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	exporterAddress := freeAddress(t)
	exporter, err := testenv.StartExporter(context.Background(), buildExporter(t), dir, fill(`
nginx: {config: `+nginx.Conf+`}
nodes:
  - {name: six, address: "[::0:1]:PORT6"}
  - {name: four, address: "127.1:PORT4"}
modules: {alive: {prober: http}}
probes:
  - {name: alive, module: alive, interval: 1h, targets: ["http://[0:0::1]:PORT6", "http://127.0.0.1:PORT4"]}
`), exporterAddress)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { exporter.Stop() })
	if _, err := exporter.Metrics(); err != nil { // from here on the log is followed
		t.Fatal(err)
	}
	for _, path := range []string{"/six", "/four", "/four"} {
		response, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	for _, want := range []string{
		fill(`nginx_upstream_attempts_total{code="200",log="access",node="six",outcome="ok",server="[::1]:PORT6",` +
			`upstream="six"} 1`),
		fill(`nginx_upstream_attempts_total{code="200",log="access",node="four",outcome="ok",` +
			`server="127.0.0.1:PORT4",upstream="four"} 2`),
		fill(`nginx_upstream_server_info{node="six",server="[::1]:PORT6",state="active",upstream="six"} 1`),
		fill(`probe_success{node="six",probe="alive",target="http://[0:0::1]:PORT6"} 1`),
	} {
		until(t, want, func() bool {
			metrics, err := exporter.Metrics()
			return err == nil && strings.Contains(metrics, want+"\n")
		})
	}
	metrics, err := exporter.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	for _, spelling := range []string{`server="[0:`, `server="127.1:`, `server="127.000`} {
		if strings.Contains(metrics, spelling) {
			t.Errorf("a series has %s", spelling)
		}
	}
}
