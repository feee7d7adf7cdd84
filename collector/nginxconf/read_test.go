package nginxconf

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func loadTree(t *testing.T, tree string) (c *Config, dir string) {
	t.Helper()
	conf := copyTree(t, filepath.Join("testdata", tree))
	c, err := Load(conf)
	if err != nil {
		t.Fatal(err)
	}
	return c, filepath.Dir(conf)
}

func TestLogFormats(t *testing.T) {
	for tree, formats := range map[string]map[string]string{
		"good/quotes": {
			"single":    `a "quoted" $status`,
			"double":    `a 'quoted' "twice" $status`,
			"bare":      `$status`,
			"braces":    `{ $status; } # no comment`,
			"two words": `$status;{}`,
			"combined":  CombinedFormat,
		},
		"good/escapes": {
			"tabs":   "$status\t$request_time\t\"$request\"\\x\r\n",
			"keep":   `a\.b\d\;c $status it's`,
			"bare":   `$status\ $request_time\;"x\#`,
			"dollar": `${status}ms ${request_time}s`,
			"hash":   `$status#not-a-comment`,
		},
		"good/multiline-quotes": {
			"json": `{"time":"$time_iso8601","status":"$status","ua":"$upstream_addr"}`,
			"long": "first\nsecond $status",
		},
		"good/crlf":               {"main": "a\r\nb $status"},
		"good/variables-in-words": {"v": `${status}_${request_time}`},
	} {
		t.Run(tree, func(t *testing.T) {
			c, _ := loadTree(t, tree)
			for name, want := range formats {
				if got := c.LogFormats[name].Format; got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
	c, _ := loadTree(t, "good/multiline-quotes")
	if got := c.LogFormats["json"].Escape + c.LogFormats["long"].Escape; got != "jsondefault" {
		t.Errorf("escapes %q", got)
	}
}

// summary is the parts of a Config that a tree is about, a line each.
func summary(c *Config, dir string) string {
	var b strings.Builder
	for _, u := range c.Upstreams {
		fmt.Fprintf(&b, "upstream %s %q %q keepalive %d line %d\n", u.Name, u.Zone, u.Method, u.Keepalive, u.Line)
		for _, s := range u.Servers {
			fmt.Fprintf(&b, " %s weight %d max_conns %d max_fails %d %s backup %t down %t\n", s.Address, s.Weight,
				s.MaxConns, s.MaxFails, s.FailTimeout, s.Backup, s.Down)
		}
	}
	for _, l := range c.LimitReqs {
		fmt.Fprintf(&b, "limit_req %s %g burst %d delay %d status %d line %d\n", l.Zone, l.Rate, l.Burst, l.Delay,
			l.Status, l.Line)
	}
	for _, l := range c.LimitConns {
		fmt.Fprintf(&b, "limit_conn %s %d status %d\n", l.Zone, l.Limit, l.Status)
	}
	for _, l := range c.AccessLogs {
		fmt.Fprintf(&b, "access_log %s%s %s buffered %t gzip %t if %q line %d\n", l.Path, l.Syslog, l.Format,
			l.Buffered, l.Gzip, l.Condition, l.Line)
	}
	for _, l := range c.ErrorLogs {
		fmt.Fprintf(&b, "error_log %s%s %s line %d\n", l.Path, l.Syslog, l.Level, l.Line)
	}
	for _, p := range c.StatusPages {
		fmt.Fprintf(&b, "status %s host %q line %d", p.URL, p.Host, p.Line)
		if p.Denied != "" {
			fmt.Fprintf(&b, " but %s", p.Denied)
		}
		b.WriteByte('\n')
	}
	for _, p := range c.Proxies {
		fmt.Fprintf(&b, "proxy %q %s %q %v limits %d logged %t line %d\n", p.Upstream, p.HTTPVersion, p.Connection,
			p.NextUpstream, len(p.LimitReqs), p.LogOff.Line == 0, p.Line)
	}
	return strings.ReplaceAll(b.String(), dir, "DIR")
}

func TestReading(t *testing.T) {
	for tree, want := range map[string]string{
		"good/mission": `upstream fremisn_backend "" "round_robin" keepalive 32 line 31
 192.168.100.231:4005 weight 1 max_conns 1 max_fails 1 10s backup false down false
 192.168.100.18:4008 weight 1 max_conns 1 max_fails 1 10s backup false down false
 192.168.100.17:4009 weight 1 max_conns 1 max_fails 1 10s backup false down false
limit_req api 10 burst 20 delay -1 status 503 line 71
access_log DIR/logs/access.log main buffered false gzip false if "" line 28
error_log DIR/logs/error.log warn line 29
status http://127.0.0.1:8080/nginx_status host "" line 98
proxy "fremisn_backend" 1.1 "" [] limits 1 logged true line 73
`,
		"good/ingress": `upstream upstream_balancer "" "round_robin" keepalive 320 line 12
 0.0.0.1:1234 weight 1 max_conns 0 max_fails 1 10s backup false down false
access_log DIR/logs/access.log upstreaminfo buffered false gzip false if "$loggable" line 10
error_log DIR/logs/error.log notice line 11
status http://127.0.0.1:10246/nginx_status host "" line 26
proxy "upstream_balancer"  "close" [] limits 0 logged true line 19
`,
		"good/upstreams": `upstream all "shared" "least_conn" keepalive 16 line 3
 127.0.0.231:80 weight 5 max_conns 0 max_fails 1 10s backup false down false
 127.0.0.18:4008 weight 1 max_conns 3 max_fails 2 1m30s backup false down false
 127.0.0.17:4009 weight 1 max_conns 0 max_fails 0 10s backup true down false
 127.0.0.16:4010 weight 1 max_conns 0 max_fails 1 10s backup false down true
 [::1]:4011 weight 1 max_conns 0 max_fails 1 5s backup false down false
 [::1]:80 weight 1 max_conns 0 max_fails 1 10s backup false down false
 unix:/run/node.sock weight 1 max_conns 0 max_fails 1 1h0m0s backup false down false
upstream hashed "" "hash" keepalive 0 line 15
 127.0.0.1:1 weight 1 max_conns 0 max_fails 1 10s backup false down false
upstream sticky "" "ip_hash" keepalive 0 line 16
 127.0.0.1:1 weight 1 max_conns 0 max_fails 1 10s backup false down false
 127.0.0.1:2 weight 1 max_conns 0 max_fails 1 10s backup false down false
upstream lucky "" "random" keepalive 0 line 17
 127.0.0.1:1 weight 1 max_conns 0 max_fails 1 10s backup false down false
 127.0.0.1:2 weight 1 max_conns 0 max_fails 1 10s backup false down false
error_log DIR/logs/error.log error line 0
`,
		"good/limits": `limit_req second 10 burst 5 delay 0 status 429 line 3
limit_req second 10 burst 20 delay -1 status 429 line 10
limit_req minute 0.5 burst 0 delay 0 status 444 line 12
limit_req second 10 burst 12 delay 8 status 444 line 12
limit_conn conns 10 status 503
limit_conn conns 2 status 430
error_log DIR/logs/error.log error line 0
`,
		"good/access-logs": `access_log DIR/logs/plain.log combined buffered false gzip false if "" line 4
access_log DIR/logs/main.log main buffered false gzip false if "" line 9
access_log server=127.0.0.1:5514,tag=web,nohostname main buffered false gzip false if "" line 6
access_log DIR/logs/on.log main buffered false gzip false if "$host" line 7
access_log DIR/logs/gz.log main buffered true gzip true if "" line 8
error_log DIR/logs/error.log error line 0
`,
		"good/error-logs": `error_log stderr error line 1
error_log DIR/logs/debug.log debug line 2
error_log DIR/logs/http.log warn line 5
error_log server=127.0.0.1:5515 crit line 6
error_log DIR/logs/location.log info line 6
`,
		"other/default-logs": `access_log DIR/logs/access.log combined buffered false gzip false if "" line 0
error_log DIR/logs/error.log error line 0
`,
		"good/inherited-logs": `access_log DIR/logs/http.log one buffered false gzip false if "" line 6
access_log DIR/logs/both.log two buffered false gzip false if "" line 7
access_log DIR/logs/server.log two buffered false gzip false if "$arg_a" line 11
access_log DIR/logs/location.log combined buffered false gzip false if "" line 15
access_log DIR/logs/http.log two buffered false gzip false if "" line 15
access_log DIR/logs/if.log one buffered false gzip false if "" line 16
access_log DIR/logs/except.log one buffered false gzip false if "" line 17
error_log DIR/logs/main.log notice line 1
error_log DIR/logs/server-error.log error line 12
`,
		"good/relative-paths": `access_log DIR/logs/relative.log combined buffered false gzip false if "" line 4
access_log DIR/logs/dots.log combined buffered false gzip false if "" line 5
error_log DIR/logs/relative-error.log warn line 1
`,
		"good/proxied-hosts": `upstream Nodes "nodes" "round_robin" keepalive 2 line 4
 127.0.0.1:80 weight 1 max_conns 0 max_fails 1 10s backup false down false
 127.0.0.1:80 weight 1 max_conns 0 max_fails 1 10s backup false down false
 unix:/run/node.sock: weight 1 max_conns 0 max_fails 1 10s backup false down false
 localhost:4005 weight 2 max_conns 0 max_fails 1 10s backup false down false
upstream 127.0.0.1:9000 "" "round_robin" keepalive 0 line 8
 127.0.0.1:9000 weight 1 max_conns 0 max_fails 1 10s backup false down false
upstream unix:/run/other.sock "" "round_robin" keepalive 0 line 11
 unix:/run/other.sock weight 1 max_conns 0 max_fails 1 10s backup false down false
error_log DIR/logs/error.log error line 0
proxy "127.0.0.1:9000"  "close" [] limits 0 logged false line 8
proxy "Nodes"  "close" [] limits 0 logged false line 9
proxy ""  "close" [] limits 0 logged false line 10
proxy "unix:/run/other.sock"  "close" [] limits 0 logged false line 11
proxy "Nodes"  "close" [] limits 0 logged false line 12
proxy "Nodes"  "close" [] limits 0 logged false line 13
proxy "Nodes"  "close" [] limits 0 logged false line 13
`,
		"good/one-line": `upstream u "" "round_robin" keepalive 0 line 1
 127.0.0.1:1 weight 1 max_conns 0 max_fails 1 10s backup false down false
error_log DIR/logs/error.log error line 0
status http://127.0.0.1:8080/s host "" line 1
proxy "u"  "close" [] limits 0 logged false line 1
`,
		"good/split-and-geo": `limit_req z 0.5 burst 3 delay 1 status 503 line 8
error_log DIR/logs/error.log error line 0
`,
		"good/snippets": `error_log DIR/logs/error.log error line 0
`,
		"good/status-ipv6": `error_log DIR/logs/error.log error line 0
status http://[::1]:8080/basic_status host "" line 4
`,
		"good/status-unix": `error_log DIR/logs/error.log error line 0
status unix:/tmp/fremisn-nginx-status.sock:/status host "" line 4
`,
		"good/status-denied": `error_log DIR/logs/error.log error line 0
status http://127.0.0.1:8081/c host "" line 5
status http://127.0.0.1:8082/d host "" line 6
status http://127.0.0.1:8080/a host "" line 4 but does not let this host in; add allow 127.0.0.1;
status http://127.0.0.1:8080/b host "" line 4 but does not let this host in; add allow 127.0.0.1;
`,
		"good/nested-locations": `upstream nodes "" "round_robin" keepalive 4 line 4
 127.0.0.1:1 weight 1 max_conns 0 max_fails 1 10s backup false down false
upstream 127.0.0.1:99 "" "round_robin" keepalive 0 line 10
 127.0.0.1:99 weight 1 max_conns 0 max_fails 1 10s backup false down false
error_log DIR/logs/error.log error line 0
proxy "nodes" 1.1 "close" [error timeout non_idempotent] limits 0 logged false line 9
proxy "nodes" 1.1 "" [] limits 0 logged false line 10
proxy "127.0.0.1:99" 1.1 "" [] limits 0 logged false line 10
proxy "nodes" 1.1 "" [] limits 0 logged false line 11
`,
		"other/stream-ignored": `upstream web "" "round_robin" keepalive 0 line 8
 127.0.0.1:81 weight 1 max_conns 0 max_fails 1 10s backup false down false
access_log DIR/logs/access.log combined buffered false gzip false if "" line 0
error_log DIR/logs/error.log error line 0
proxy "web"  "close" [] limits 0 logged true line 8
`,
	} {
		t.Run(tree, func(t *testing.T) {
			c, dir := loadTree(t, tree)
			if got := summary(c, dir); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestChanged(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(dir, "nginx.conf")
	write("nginx.conf", "http { include *.inc; }")
	write("a.inc", "access_log off;")
	load := func() *Config {
		t.Helper()
		c, err := Load(conf)
		if err != nil {
			t.Fatal(err)
		}
		if c.Changed() {
			t.Error("changed when it has just been read")
		}
		return c
	}
	c := load()
	if err := os.Chtimes(filepath.Join(dir, "a.inc"), time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if !c.Changed() {
		t.Error("a newer time stamp of an included file is not noticed")
	}
	c = load()
	write("b.inc", "")
	if !c.Changed() {
		t.Error("a file that a pattern now matches is not noticed")
	}
	c = load()
	if err := os.Remove(filepath.Join(dir, "b.inc")); err != nil {
		t.Fatal(err)
	}
	if !c.Changed() {
		t.Error("a file that is gone is not noticed")
	}
}
