package probe

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	gokit "github.com/go-kit/log"
)

func TestGuard(t *testing.T) {
	configured := `
modules:
  alive: {prober: http}
  stays: {prober: http, http: {follow_redirects: false}}
  tcp: {prober: tcp}
  icmp: {prober: icmp}
probes:
  - {name: a, module: alive, interval: 5s, targets: ["http://Node.Example", "10.0.0.1:4005",
	"https://[2001:DB8::1]/x?y=1", "http://user:pw@secret.example/"]}
  - {name: b, module: tcp, interval: 5s, targets: ["Node.example:22", "[::1]:22"]}
  - {name: c, module: icmp, interval: 5s, targets: [node.example]}
  - {name: d, module: stays, interval: 5s, targets: ["http://stays.example"]}
`
	patterns := configured + "on_demand: {allow: ['http://10\\.0\\.0\\.1(:.*)?', 'https://nodes\\.example/.*', " +
		"'10\\.0\\.0\\.2:4005', 'node\\.example:22']}\n"
	anybody := configured + "on_demand: {allow: any}\n"
	for _, c := range []struct {
		config, prober, target string
		want                   bool
	}{
		{configured, "http", "http://node.example/", true},
		{configured, "http", "HTTP://NODE.EXAMPLE:80", true},
		{configured, "http", "node.example", true},
		{configured, "http", "http://node.example:8080/", false},
		{configured, "http", "https://node.example/", false},
		{configured, "http", "http://node.example/other", false},
		{configured, "http", "http://node.example/?a=b", false},
		{configured, "http", "http://node.example.", false},
		{configured, "http", "http://10.0.0.1:4005/", true},
		{configured, "http", "http://10.0.0.1:4005@evil.example/", false},
		{configured, "http", "http://x@10.0.0.1:4005/", false},
		{configured, "http", "http://10.0.0.1:4005#@evil.example/", true}, // a fragment stays here
		{configured, "http", "http://[::ffff:10.0.0.1]:4005/", false},
		{configured, "http", "http://0x0a000001:4005/", false},
		{configured, "http", "http://167772161:4005/", false},
		{configured, "http", "https://[2001:db8:0:0::1]:443/x?y=1", true},
		{configured, "http", "https://[2001:db8::1%25eth0]/x?y=1", false},
		{configured, "http", "http://user:pw@secret.example/", true},
		{configured, "http", "http://secret.example/", false},
		{configured, "http", "http://localhost:9113/", false},
		{configured, "http", "http://ｎode.example/", true}, // the same name to IDNA
		{configured, "http", "http://node\u3002example/", true},
		{configured, "http", "http://nodé.example/", false},
		{configured, "http", "", false},
		{configured, "http", "http://", false},
		{configured, "http", "http://%zz/", false},
		{configured, "http", "gopher://node.example/", false},
		{configured, "tcp", "node.example:22", true},
		{configured, "tcp", "node.example:80", false},
		{configured, "tcp", "[0:0:0:0:0:0:0:1]:22", true},
		{configured, "icmp", "NODE.example", true},
		{configured, "icmp", "10.0.0.1", false},
		{configured, "dns", "node.example", false},
		{configured, "unix", "/run/x", false},
		{patterns, "http", "http://10.0.0.1:8080/x", true},
		{patterns, "http", "http://10.0.0.1", true},
		{patterns, "http", "http://10.0.0.1@evil.example/", false},
		{patterns, "http", "http://10.0.0.1:x@evil.example/", false},
		{patterns, "http", "http://evil.example/http://10.0.0.1", false},
		{patterns, "http", "xhttp://10.0.0.1:80/", false},
		{patterns, "http", "http://10.0.0.1.evil.example/", false},
		{patterns, "http", "https://nodes.example", true},
		{patterns, "http", "https://nodes.example:443/x", true},
		{patterns, "http", "https://nodes.example:8443/x", false},
		{patterns, "http", "https://NODES.example/y", true},
		{patterns, "http", "10.0.0.2:4005", true},
		{patterns, "http", "https://10.0.0.2:4005", false},
		{patterns, "http", "http://node.example/", false}, // configured, and not in the list
		{patterns, "tcp", "node.example:22", true},
		{patterns, "tcp", "node.example:23", false},
		{anybody, "http", "http://evil.example/", true},
	} {
		t.Run(c.prober+" "+c.target, func(t *testing.T) {
			config := parse(t, c.config)
			s, err := New(Options{Config: config, Logger: gokit.NewNopLogger()})
			if err != nil {
				t.Fatal(err)
			}
			if _, refused := s.guard.check("", c.prober, c.target, ""); (refused == "") != c.want {
				t.Errorf("refused: %q, allowed is right: %v", refused, c.want)
			}
		})
	}
}

// TestStrangers sees to it that nobody who asks /probe makes the exporter connect anywhere new.
func TestStrangers(t *testing.T) {
	var strangerSeen atomic.Int64
	stranger := serveConns(t, listen(t), func(conn net.Conn) {
		strangerSeen.Add(1)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	_, strangerPort, _ := net.SplitHostPort(stranger)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/to":
			http.Redirect(w, r, r.URL.RawQuery, http.StatusFound)
		case "/host": // as many sites do: to the name that was asked for
			http.Redirect(w, r, "http://"+r.Host+"/landed", http.StatusFound)
		case "/own":
			http.Redirect(w, r, "/landed", http.StatusFound)
		}
	}))
	t.Cleanup(web.Close)
	_, port, _ := net.SplitHostPort(web.Listener.Addr().String())
	away := web.URL + "/to?http://" + stranger + "/"
	modules := `
modules:
  follows: {prober: http, timeout: 30s, http: {preferred_ip_protocol: ip4}}
  stays: {prober: http, timeout: 30s, http: {follow_redirects: false, valid_status_codes: [200, 302]}}
  tcp: {prober: tcp, timeout: 30s}
`
	configured := modules + fmt.Sprintf(`
probes:
  - {name: a, module: follows, interval: 1h, targets: ["%s/", "%s/host", "%s/own", "%s/to?http://localhost:%s/landed"]}
  - {name: b, module: stays, interval: 1h, targets: ["%s"]}
`, web.URL, web.URL, web.URL, web.URL, port, away)
	listed := modules + "on_demand: {allow: ['http://127\\.0\\.0\\.1:" + port + ".*']}\n"
	for _, c := range []struct {
		name, config, module, target, hostname string
		code                                   int
		success                                string
	}{
		{"configured", configured, "follows", web.URL, "", 200, "1"},
		{"stranger", configured, "follows", "http://" + stranger, "", 403, ""},
		{"stranger over tcp", configured, "tcp", stranger, "", 403, ""},
		{"name that resolves to loopback", configured, "follows", "http://localhost:" + strangerPort, "", 403, ""},
		{"mapped address", configured, "follows", "http://[::ffff:127.0.0.1]:" + strangerPort + "/", "", 403, ""},
		{"mapped address of a configured one", configured, "follows", "http://[::ffff:127.0.0.1]:" + port + "/", "",
			403, ""},
		{"userinfo", configured, "follows", web.URL + "@" + stranger, "", 403, ""},
		{"another path", configured, "follows", web.URL + "/to?http://" + stranger, "", 403, ""},
		{"redirect that the schedule does not follow", configured, "follows", away, "", 200, "0"},
		{"redirect that the schedule follows", configured, "follows",
			web.URL + "/to?http://localhost:" + port + "/landed", "", 200, "1"},
		{"hostname", configured, "follows", web.URL, "other.example", 200, "1"},
		{"hostname and a redirect to it", configured, "follows", web.URL + "/host", stranger, 200, "0"},
		{"hostname and a redirect at home", configured, "follows", web.URL + "/own", stranger, 200, "1"},
		{"listed", listed, "follows", web.URL + "/x", "", 200, "1"},
		{"not listed", listed, "follows", "http://" + stranger, "", 403, ""},
		{"not listed, another way to write a listed one", listed, "follows", "http://localhost:" + port + "/", "", 403,
			""},
		{"listed as userinfo", listed, "follows", web.URL + "@" + stranger + "/", "", 403, ""},
		{"listed, redirect away", listed, "follows", away, "", 200, "0"},
		{"listed, redirect to a name of the same host", listed, "follows", web.URL + "/to?http://localhost:" + port +
			"/",
			"", 200, "0"},
		{"listed, redirect at home", listed, "follows", web.URL + "/own", "", 200, "1"},
		{"listed, redirect to one listed", listed, "follows", web.URL + "/to?" + web.URL + "/own", "", 200, "1"},
		{"listed, redirect by hostname", listed, "follows", web.URL + "/host", stranger, 200, "0"},
		{"listed, redirect without a scheme", listed, "follows", web.URL + "/to?//" + stranger + "/", "", 200, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(newService(t, c.config))
			defer server.Close()
			ask := server.URL + "/probe?module=" + c.module + "&target=" + url.QueryEscape(c.target) + "&hostname=" +
				url.QueryEscape(c.hostname)
			response, err := http.Get(ask)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != c.code {
				t.Errorf("status %d, want %d: %s", response.StatusCode, c.code, body)
			}
			if c.success != "" && !strings.Contains(string(body), "\nprobe_success "+c.success+"\n") {
				t.Errorf("want success %s:\n%s", c.success, get(t, ask+"&debug=true"))
			}
			if n := strangerSeen.Swap(0); n != 0 {
				t.Errorf("the stranger was connected to %d times", n)
			}
		})
	}
}
