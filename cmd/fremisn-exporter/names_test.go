package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// withHosts is a script that runs the exporter where /etc/hosts is another file.
func withHosts(t *testing.T, binary, hosts string) string {
	t.Helper()
	asRoot := ""
	if os.Getuid() != 0 {
		asRoot = "--map-root-user "
	}
	script := filepath.Join(t.TempDir(), "exporter")
	text := "#!/bin/sh\nexec unshare --mount " + asRoot + `sh -c 'mount --bind ` + hosts + ` /etc/hosts && exec ` +
		binary + ` "$@"' exporter "$@"` + "\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return script
}

// nodesOnOnePort are two nodes on one port of two addresses: a container that comes back has the port that it had.
func nodesOnOnePort(t *testing.T, first, second string) (port string) {
	t.Helper()
	for range 100 {
		one, err := net.Listen("tcp", first+":0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ = net.SplitHostPort(one.Addr().String())
		two, err := net.Listen("tcp", second+":"+port)
		if err != nil {
			one.Close()
			continue
		}
		for _, l := range []net.Listener{one, two} {
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, "{}")
			})}
			go server.Serve(l)
			t.Cleanup(func() { server.Close() })
		}
		return port
	}
	t.Fatal("no port is free on both addresses")
	return ""
}

// A container comes back with another address. The exporter, which finds it by the name in nginx.conf, has its group
// within a minute; the address that it had keeps group, node and counts: through the look-up, SIGHUP and a restart.
func TestServerThatComesBackElsewhere(t *testing.T) {
	const first, second = "127.0.0.11", "127.0.0.12"
	port := nodesOnOnePort(t, first, second)
	dir, site := t.TempDir(), freeAddress(t)
	hosts, conf := filepath.Join(dir, "hosts"), filepath.Join(dir, "exporters.conf")
	writeFile(t, hosts, first+" node.test\n")
	const format = `log_format up '$status "$upstream_addr" "$upstream_status"'; access_log DIR/access.log up;`
	running := func(address string) string {
		return testenv.Preamble() + "http {" + testenv.TempPaths + format + "upstream app { server " + address + ":" +
			port + "; } server { listen " + site + "; location / { proxy_pass http://app; } } }\n"
	}
	// NGINX looked the name up when it started: this is the address that it found.
	writeFile(t, conf, strings.ReplaceAll(running("node.test"), "DIR", dir))
	nginx, err := testenv.StartNginx(context.Background(), dir, running(first), site)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	config := "nginx: {config: " + conf + "}\nnodes: [{name: db, address: 'node.test:" + port + "'}]\nprobes: []\n"
	start := func() *testenv.Exporter {
		binary := withHosts(t, buildExporter(t), hosts)
		e, err := testenv.StartExporter(context.Background(), binary, dir, config, freeAddress(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Stop() })
		if _, err := e.Metrics(); err != nil { // from here on the log is followed
			t.Fatal(err)
		}
		return e
	}
	exporter := start()
	attempts := func(address string) float64 {
		return gauge(scrapeFamilies(t, exporter), "nginx_upstream_outcomes_total", "upstream", "app", "node", "db",
			"server", address+":"+port, "outcome", "ok")
	}
	get := func() {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		response, err := client.Get("http://" + site + "/")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	for range 3 {
		get()
	}
	until(t, "three attempts on the first address", func() bool { return attempts(first) == 3 })

	if err := nginx.Write(running(second)); err != nil {
		t.Fatal(err)
	}
	if err := nginx.Reload(); err != nil {
		t.Fatal(err)
	}
	until(t, "NGINX passes requests to the second address", func() bool {
		get()
		text, err := os.ReadFile(filepath.Join(dir, "access.log"))
		return err == nil && strings.Contains(string(text), second+":")
	})
	writeFile(t, hosts, second+" node.test\n")
	patience := time.Now().Add(lookupInterval + 2*watchInterval + 10*time.Second)
	for attempts(second) < 1 {
		if time.Now().After(patience) {
			t.Fatal("the name is not looked up again within a minute")
		}
		time.Sleep(time.Second)
	}
	expect := func(when string) {
		t.Helper()
		until(t, when+": all attempts are in the group", func() bool {
			text, err := os.ReadFile(filepath.Join(dir, "access.log"))
			logged := func(address string) float64 { return float64(strings.Count(string(text), address+":")) }
			return err == nil && attempts(first) == logged(first) && attempts(second) == logged(second)
		})
		for _, m := range scrapeFamilies(t, exporter)["nginx_upstream_outcomes_total"].GetMetric() {
			if label(m, "upstream") != "app" || label(m, "node") != "db" {
				t.Errorf("%s: a series %v", when, m)
			}
		}
	}
	get()
	expect("after the look-up")
	if err := exporter.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "the reload", func() bool {
		return gauge(scrapeFamilies(t, exporter), "fremisn_exporter_config_reloads_total", "trigger", "signal",
			"result", "ok") == 1
	})
	get()
	expect("after SIGHUP")
	exporter.Stop()
	exporter = start()
	get()
	expect("after a restart")
}
