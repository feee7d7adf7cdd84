package nginxconf

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// load reads a configuration of one file.
func load(t *testing.T, text string) (*Config, error) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "nginx.conf")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Load(conf)
}

// facts is what good/facts is about, a line each: what it is and the line of the directive that says so.
func facts(c *Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d workers %s, %d connections %d\n", c.WorkersAt.Line, c.Workers, c.ConnectionsAt.Line,
		c.WorkerConnections)
	for _, z := range c.LimitZones {
		fmt.Fprintf(&b, "%d zone %s of %s: %g a second\n", z.Line, z.Name, z.Key, z.Rate)
	}
	for _, l := range c.LimitReqs {
		fmt.Fprintf(&b, "%d limit %s burst %d delay %d dry %t\n", l.Line, l.Zone, l.Burst, l.Delay, l.DryRun)
	}
	for _, u := range c.Upstreams {
		fmt.Fprintf(&b, "%d %s %s %q zone %q %d, method %s %d, keepalive %d %d\n", u.Line, u.Name, u.Protocol,
			address(u), u.Zone, u.ZoneAt.Line,
			u.Method, u.MethodAt.Line, u.Keepalive, u.KeepaliveAt.Line)
	}
	for _, p := range c.Proxies {
		fmt.Fprintf(&b, "%d %s %s %q next %v %d, tries %d %d, %s; %s %s %s, keep %t, logs", p.Line, p.Directive,
			p.Protocol, p.Upstream, p.NextUpstream, p.NextAt.Line,
			p.NextTries, p.NextTriesAt.Line, p.NextTimeout, p.ConnectTimeout, p.SendTimeout, p.ReadTimeout, p.KeepConn)
		for _, l := range p.ErrorLogs {
			fmt.Fprintf(&b, " %d", l.Line)
		}
		b.WriteByte('\n')
	}
	for _, n := range c.ServerNames {
		fmt.Fprintf(&b, "%d name %s\n", n.Line, n.Name)
	}
	for _, l := range c.AccessLogs {
		fmt.Fprintf(&b, "%d log of %s %s %s unwritten %t subrequests %t\n", l.Line, l.Level, filepath.Base(l.Path),
			l.Format, l.Unwritten, l.Subrequests)
	}
	for _, set := range c.LogSets {
		fmt.Fprintf(&b, "set of %s:", set.Level)
		for _, l := range set.Logs {
			fmt.Fprintf(&b, " %d", l.Line)
		}
		b.WriteByte('\n')
	}
	for _, l := range c.ErrorLogs {
		fmt.Fprintf(&b, "%d error log %s, twice %d\n", l.Line, l.Level, l.Twice.Line)
	}
	return b.String()
}

func address(u Upstream) string {
	if u.Implicit {
		return u.Servers[0].Address
	}
	return "block"
}

func TestFacts(t *testing.T) {
	c, _ := loadTree(t, "good/facts")
	want := `1 workers auto, 5 connections 2048
10 zone api of $binary_remote_addr: 0.5 a second
39 limit api burst 5 delay 3 dry true
13 app https "block" zone "app" 14, method least_conn 15, keepalive 8 20
40 127.0.0.1:3000 http "127.0.0.1:3000" zone "" 0, method round_robin 0, keepalive 0 0
52 unix:/run/php.sock fastcgi "unix:/run/php.sock" zone "" 0, method round_robin 0, keepalive 0 0
53 127.0.0.1:50051 grpcs "127.0.0.1:50051" zone "" 0, method round_robin 0, keepalive 0 0
54 127.0.0.1:3031 uwsgi "127.0.0.1:3031" zone "" 0, method round_robin 0, keepalive 0 0
55 127.0.0.1:4000 scgi "127.0.0.1:4000" zone "" 0, method round_robin 0, keepalive 0 0
56 127.0.0.1:11211 memcached "127.0.0.1:11211" zone "" 0, method round_robin 0, keepalive 0 0
57 [::1]:443 https "[::1]:443" zone "" 0, method round_robin 0, keepalive 0 0
35 proxy_pass https "app" next [error timeout http_502] 22, tries 2 23, 5s; 2s 1m0s 500ms, keep false, logs 31
40 proxy_pass http "127.0.0.1:3000" next [error timeout http_502] 22, tries 2 23, 0s; 1m0s 1m0s 500ms, keep false, ` +
		`logs 31
52 fastcgi_pass fastcgi "unix:/run/php.sock" next [off] 52, tries 0 0, 0s; 1m0s 1m0s 1m0s, keep true, logs 2 3
53 grpc_pass grpcs "127.0.0.1:50051" next [] 0, tries 0 0, 0s; 1m0s 1m0s 1m0s, keep false, logs 2 3
54 uwsgi_pass uwsgi "127.0.0.1:3031" next [] 0, tries 0 0, 0s; 1m0s 1m0s 1m0s, keep false, logs 2 3
55 scgi_pass scgi "127.0.0.1:4000" next [] 0, tries 0 0, 0s; 1m0s 1m0s 1m0s, keep false, logs 2 3
56 memcached_pass memcached "127.0.0.1:11211" next [] 0, tries 0 0, 0s; 1m0s 1m0s 1m0s, keep false, logs 2 3
57 proxy_pass https "[::1]:443" next [error timeout http_502] 22, tries 2 23, 0s; 1m0s 1m0s 500ms, keep false, logs 2 3
58 proxy_pass http "" next [error timeout http_502] 22, tries 2 23, 0s; 1m0s 1m0s 500ms, keep false, logs 2 3
28 name example.com
28 name *.example.com
49 name other.example.com
11 log of http outer.log main unwritten true subrequests true
29 log of server a.log main unwritten false subrequests true
30 log of server b.log combined unwritten false subrequests true
set of server: 29 30
set of server: 51
2 error log notice, twice 3
31 error log error, twice 0
`
	if diff := cmp.Diff(want, facts(c)); diff != "" {
		t.Error(diff)
	}
	servers := []Server{
		{Address: "127.0.0.1:4005", Weight: 2, MaxConns: 4, MaxFails: 3, FailTimeout: 90 * time.Second},
		{Address: "127.0.0.1:4008", Weight: 1, MaxFails: 1, FailTimeout: 36 * time.Hour, Backup: true},
		{Address: "127.0.0.1:4009", Weight: 1, MaxFails: 1, FailTimeout: 7 * 24 * time.Hour, Down: true},
	}
	for i, line := range []int{16, 18, 19} {
		servers[i].Pos = Pos{c.Path, line}
	}
	if diff := cmp.Diff(servers, c.Upstreams[0].Servers); diff != "" {
		t.Error(diff)
	}
	if !c.Proxies[0].RetriesOn("http_502") || c.Proxies[2].RetriesOn("error") || !c.Proxies[3].RetriesOn("error") ||
		c.Proxies[3].RetriesOn("http_502") {
		t.Error("RetriesOn does not say what proxy_next_upstream says")
	}
}

// What only newer or other builds of NGINX have: Plus, Angie, Tengine, OpenResty. It is read where it is known, and
// passed over with a note where it is not.
func TestOtherBuilds(t *testing.T) {
	c, err := load(t, `events {}
http {
  upstream plus { zone plus 64k; least_time header; state /var/lib/nginx/plus.conf; queue 100; }
  upstream drained { sticky cookie srv_id; least_conn; server 10.0.0.1 drain; `+
		`server 10.0.0.2 route=b slow_start=30s resolve; }
  upstream angie { server 10.0.0.3 sid=a upstream_probe_weight=2; keepalive 16 local; }
  upstream tengine { server 10.0.0.4 id=1 srun_id=x; check interval=3000; keepalive 0; }
  upstream lua { server 0.0.0.1; balancer_by_lua_block { local b = require "ngx.balancer"; } }
  upstream plain { server 10.0.0.5; keepalive 4 remote; }
}
`)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, u := range c.Upstreams {
		fmt.Fprintf(&got, "%s %s keepalive %d %t, %d servers\n", u.Name, u.Method, u.Keepalive, u.Local, len(u.Servers))
	}
	for _, n := range c.Notes {
		fmt.Fprintf(&got, "%d %s\n", n.Line, n.Text)
	}
	if s := c.Upstreams[1].Servers; !s[0].Drain || s[1].Drain || !s[1].Resolve {
		t.Errorf("servers %+v", s)
	}
	want := `plus least_time keepalive 0 false, 0 servers
drained sticky keepalive 0 false, 2 servers
angie round_robin keepalive 16 true, 1 servers
tengine round_robin keepalive 0 false, 1 servers
lua lua keepalive 0 false, 1 servers
plain round_robin keepalive 4 false, 1 servers
3 the group plus has no servers
5 this program does not know the server parameter upstream_probe_weight=2; ignored
6 this program does not know the server parameter srun_id=x; ignored
6 this program does not know the directive check in an upstream group; ignored
8 this program does not know the keepalive parameter remote; ignored
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

func TestStream(t *testing.T) {
	c, err := load(t, `events {}
stream {
  log_format proxy "$remote_addr $protocol $status";
  access_log /var/log/nginx/stream.log proxy;
  upstream db { zone db 64k; server 10.0.0.1:5432 max_fails=2; }
  map $ssl_preread_server_name $name { default db; }
  server { listen 5432; proxy_pass db; proxy_connect_timeout 1s; proxy_timeout 10m;
    access_log /var/log/nginx/db.log proxy buffer=32k; }
  server { listen 5433; return $time_iso8601; }
  server { listen 53 udp; proxy_pass 10.0.0.9:53; }
  server { listen 54 udp; proxy_pass $name; }
}
`)
	if err != nil {
		t.Fatal(err)
	}
	s := c.Stream
	if len(s.AccessLogs) != 2 || s.AccessLogs[0].Path != "/var/log/nginx/db.log" || s.AccessLogs[0].Line != 8 ||
		!s.AccessLogs[0].Buffered || s.AccessLogs[1].Unwritten || len(s.LogSets) != 2 ||
		s.LogFormats["proxy"].Format != "$remote_addr $protocol $status" ||
		len(s.Upstreams) != 2 || s.Upstreams[1].Name != "10.0.0.9:53" || !s.Upstreams[1].Implicit ||
		s.Upstreams[0].Servers[0].MaxFails != 2 || len(c.Upstreams) != 0 ||
		len(c.AccessLogs) != 0 {
		t.Errorf("%+v, http's %+v %+v", s, c.Upstreams, c.AccessLogs)
	}
}

// A log of stream{} that every server overrides is written by nobody.
func TestStreamLogThatNobodyInherits(t *testing.T) {
	c, err := load(t, `events {}
stream {
  log_format proxy "$status";
  access_log /var/log/nginx/stream.log proxy;
  server { listen 5432; return a; access_log /var/log/nginx/db.log proxy; }
}
`)
	if err != nil {
		t.Fatal(err)
	}
	if l := c.Stream.AccessLogs; len(l) != 2 || l[0].Unwritten || !l[1].Unwritten || len(c.Stream.LogSets) != 1 {
		t.Errorf("%+v", c.Stream)
	}
}
