package nginxconf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Shapes of the field, each with what it must be read as. Real NGINX judges whether it takes them: what it refuses must
// be refused, but for what only other builds know.
func TestShapesOfTheField(t *testing.T) {
	for name, test := range map[string]struct {
		http  string // within http{}
		want  string // what shape says of it
		other bool   // only another build of NGINX takes it
	}{
		"nothing": {"", "", false},
		"a site": {"server { listen 8080; location / { proxy_pass http://127.0.0.1:3000; } }",
			"DEFAULT 127.0.0.1:3000=http", false},
		"a site with a path": {"server { listen 8080; location / { proxy_pass http://127.0.0.1:3000/app/; } }",
			"DEFAULT 127.0.0.1:3000=http", false},
		"no port": {"server { listen 8080; location / { proxy_pass http://127.0.0.1; } }",
			"DEFAULT 127.0.0.1:80=http", false},
		"no port, secure": {"server { listen 8080; location / { proxy_pass https://127.0.0.1; } }",
			"DEFAULT 127.0.0.1:443=https", false},
		"IPv6": {"server { listen 8080; location / { proxy_pass http://[::1]:8081/; } }",
			"DEFAULT [::1]:8081=http", false},
		"scheme in capitals": {"server { listen 8080; location / { proxy_pass HTTP://127.0.0.1:1; } }",
			"DEFAULT 127.0.0.1:1=http", false},
		"one address twice": {"server { listen 8080; location / { proxy_pass http://127.0.0.1:1; } " +
			"location /b { proxy_pass http://127.0.0.1:1/c; } }", "DEFAULT 127.0.0.1:1=http", false},
		"both schemes": {"server { listen 8080; location / { proxy_pass http://127.0.0.1; } location " +
			"/b { proxy_pass https://127.0.0.1; } }", "DEFAULT 127.0.0.1:80=http 127.0.0.1:443=https", false},
		"a group in other letters": {"upstream App { server 127.0.0.1:1; } server { listen 8080; location / { " +
			"proxy_pass http://aPP; } }", "DEFAULT App=http", false},
		"a group with a port": {"upstream app { server 127.0.0.1:1; } server { listen 8080; location / { " +
			"proxy_pass http://app/; } }", "DEFAULT app=http", false},
		"a socket": {"server { listen 8080; location / { proxy_pass " +
			"http://unix:/run/app.sock:/uri/; } }", "DEFAULT unix:/run/app.sock=http", false},
		"PHP by a socket": {"server { listen 8080; location ~ \\.php$ { fastcgi_pass " +
			"unix:/run/php/php8.2-fpm.sock; } }", "DEFAULT unix:/run/php/php8.2-fpm.sock=fastcgi", false},
		"PHP by a group": {"upstream php { server unix:/run/php.sock; } server { listen 8080; location " +
			"~ \\.php$ { fastcgi_pass php; } }", "DEFAULT php=fastcgi", false},
		"gRPC without a scheme": {"server { listen 8080; location / { grpc_pass 127.0.0.1:9000; } }",
			"DEFAULT 127.0.0.1:9000=grpc", false},
		"gRPC to a group": {"upstream rpc { server 127.0.0.1:1; } server { listen 8080; location / { " +
			"grpc_pass grpcs://rpc; } }", "DEFAULT rpc=grpcs", false},
		"uwsgi": {"server { listen 8080; location / { uwsgi_pass uwsgi://127.0.0.1:3031; } " +
			"location /s { uwsgi_pass suwsgi://127.0.0.1:3032; } }", "DEFAULT 127.0.0.1:3031=uwsgi " +
			"127.0.0.1:3032=suwsgi", false},
		"a variable alone": {"server { listen 8080; set $to http://127.0.0.1:1; location / { " +
			"proxy_pass $to; } }", "DEFAULT", false},
		"a variable for the host": {"server { listen 8080; resolver 127.0.0.1; location / { proxy_pass " +
			"http://$host:81$request_uri; } }", "DEFAULT", false},
		"a variable for the path": {"server { listen 8080; location / { proxy_pass " +
			"http://127.0.0.1:5$request_uri; } }", "DEFAULT", false},
		"a variable for the scheme": {"upstream app { server 127.0.0.1:1; } server { listen 8080; location / { " +
			"proxy_pass $scheme://app; } }", "DEFAULT app=", false},
		"a pass within if": {"server { listen 8080; location / { if ($arg_a) { proxy_pass " +
			"http://127.0.0.1:1; } return 204; } }", "DEFAULT 127.0.0.1:1=http", false},
		"a pass within limit_except": {"server { listen 8080; location / { limit_except GET { proxy_pass " +
			"http://127.0.0.1:1; } } }", "DEFAULT 127.0.0.1:1=http", false},
		"a group after its use": {"server { listen 8080; location / { proxy_pass http://app; } } upstream app " +
			"{ server 127.0.0.1:1; }", "DEFAULT app=http", false},
		"a group that nobody uses": {"upstream app { server 127.0.0.1:1; }", "app=", false},
		"groups of one server": {"upstream a { server 127.0.0.1:1; } upstream b { server 127.0.0.1:1; }", "a= b=",
			false},
		"all down":          {"upstream a { server 127.0.0.1 down; }", "a=", false},
		"no servers at all": {"upstream a { zone a 64k; }", "a= note", true},
		"log of http":       {"access_log /dev/null; server { listen 8080; }", "/dev/null", false},
		"log of http overridden": {"access_log /dev/null; server { listen 8080; access_log off; }", "(/dev/null)",
			false},
		"log of one server": {"access_log /dev/null; server { listen 8080; } server { listen 8081; " +
			"access_log off; }", "/dev/null", false},
		"log off in a location": {"access_log /dev/null; server { listen 8080; location / { access_log off; } }",
			"/dev/null", false},
		"log by a location alone": {"access_log off; server { listen 8080; location / { access_log /dev/null; } }",
			"/dev/null", false},
		"two logs": {"log_format a $status; server { listen 8080; access_log /dev/null; " +
			"access_log /dev/null a; }", "/dev/null+/dev/null", false},
		"log to syslog": {"server { listen 8080; access_log syslog:server=127.0.0.1 combined; }", "syslog",
			false},
		"log with a condition": {"map $status $loggable { ~^[23] 0; default 1; } server { listen 8080; " +
			"access_log /dev/null combined if=$loggable; }", "/dev/null", false},
		"log with a variable path": {"server { listen 8080; access_log /tmp/$host.log; }", "/tmp/$host.log", false},
		"a format of many lines": {"log_format main '$remote_addr'\n' - $status';\nserver { listen 8080; " +
			"access_log /dev/null main; }", "/dev/null", false},
		"format in JSON": {"log_format j escape=json '{\"s\":$status}';\nserver { listen 8080; access_log " +
			"/dev/null j; }", "/dev/null",
			false},
		"format that ends in \\n": {`log_format n "$status\n"; server { listen 8080; access_log /dev/null n; }`,
			"/dev/null", false},
		"format redefined": {"log_format combined $status;", "REFUSED", false},
		"unknown format":   {"server { listen 8080; access_log /dev/null nope; }", "REFUSED", false},
		"log parameter forgotten": {"server { listen 8080; access_log /dev/null combined combined; }", "REFUSED",
			false},
		"error log to syslog": {"error_log syslog:server=127.0.0.1 warn; server { listen 8080; }", "DEFAULT",
			false},
		"limit without burst": {"limit_req_zone $remote_addr zone=a:1m rate=1r/s; server { listen 8080; " +
			"limit_req zone=a; }", "DEFAULT a:0/0", false},
		"limit with delay": {"limit_req_zone $remote_addr zone=a:1m rate=1r/s; server { listen 8080; " +
			"limit_req zone=a burst=9 delay=3; }", "DEFAULT a:9/3", false},
		"limit with nodelay": {"limit_req_zone $remote_addr zone=a:1m rate=1r/s; server { listen 8080; " +
			"limit_req zone=a burst=9 nodelay; }", "DEFAULT a:9/-1", false},
		"limit before its zone": {"limit_req zone=a; limit_req_zone $remote_addr zone=a:1m rate=1r/s; server " +
			"{ listen 8080; }", "DEFAULT a:0/0", false},
		"limit of an unknown zone": {"server { listen 8080; limit_req zone=a; }", "REFUSED", false},
		"limit of Tengine": {"limit_req_zone $remote_addr $host zone=a:1m rate=1r/s; server { listen " +
			"8080; limit_req zone=a burst=5 nodelay forbid_action=@test; }", "DEFAULT a:5/-1", true},
		"weight 0":                {"upstream a { server 127.0.0.1 weight=0; }", "REFUSED", false},
		"weight of +1":            {"upstream a { server 127.0.0.1 weight=+1; }", "REFUSED", false},
		"max_conns -1":            {"upstream a { server 127.0.0.1 max_conns=-1; }", "REFUSED", false},
		"fail_timeout of 500ms":   {"upstream a { server 127.0.0.1 fail_timeout=500ms; }", "REFUSED", false},
		"fail_timeout of nothing": {"upstream a { server 127.0.0.1 fail_timeout=; }", "REFUSED", false},
		"keepalive":               {"upstream a { server 127.0.0.1; keepalive 32; }", "a=", false},
		"keepalive of 1.29.7": {"upstream a { server 127.0.0.1; keepalive 32 local; } upstream b { server " +
			"127.0.0.1; keepalive 0; }", "a= b=", true},
		"keepalive many":      {"upstream a { server 127.0.0.1; keepalive many; }", "REFUSED", false},
		"timeout of nonsense": {"proxy_read_timeout soon;", "REFUSED", false},
		"tries of nonsense":   {"proxy_next_upstream_tries many;", "REFUSED", false},
		"a group twice": {"upstream a { server 127.0.0.1; } upstream A { server 127.0.0.1; }", "REFUSED",
			false},
		"a zone of two groups": {"upstream a { zone one 64k; server 127.0.0.1:1; } upstream b { zone one; " +
			"server 127.0.0.1:2; }", "a= b=", false},
		"hash consistent": {"upstream a { hash $remote_addr consistent; server 127.0.0.1; }", "a=", false},
		"random two":      {"upstream a { random two least_conn; server 127.0.0.1; }", "a=", false},
		"locations in locations": {"server { listen 8080; location / { location /a { location /a/b { " +
			"proxy_pass http://127.0.0.1:1; } } } }", "DEFAULT 127.0.0.1:1=http", false},
		"a named location": {"server { listen 8080; location / { try_files $uri @app; } location @app { " +
			"proxy_pass http://127.0.0.1:1; } }", "DEFAULT 127.0.0.1:1=http", false},
		"a location of 5xx pages": {"server { listen 8080; error_page 502 /502.html; location = /502.html { " +
			"internal; root /tmp; } }", "DEFAULT", false},
		"names": {"server { listen 8080; server_name _ a.test *.b.test ~^(?<n>.+)\\.c$; }",
			"DEFAULT", false},
		"names with quotes": {"server { listen 8080; server_name \"~^\\d{1,3}$\"; }", "DEFAULT", false},
		"listen of many kinds": {"server { listen 127.0.0.1:8080 default_server backlog=5; listen " +
			"[::1]:8080; listen unix:/tmp/x.sock; }", "DEFAULT", false},
		"a block of a foreign module": {"vts { a b { c; } } server { listen 8080; }", "DEFAULT", true},
		"brotli":                      {"brotli on; brotli_types text/css; server { listen 8080; }", "DEFAULT", true},
		"ModSecurity": {"server { listen 8080; modsecurity on; modsecurity_rules '\n " +
			"SecRuleEngine On\n'; }", "DEFAULT", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			conf := filepath.Join(dir, "nginx.conf")
			text := "error_log stderr;\nevents {}\nhttp {\n" + test.http + "\n}\n"
			if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, said, err := askNGINX(t, conf, "-t"); err == nil == (test.want == "REFUSED" || test.other) {
				t.Fatalf("NGINX: %v %s", err, said)
			}
			c, err := Load(conf)
			if err != nil {
				var fault *Error
				if test.want != "REFUSED" || !errors.As(err, &fault) || fault.Line == 0 {
					t.Error(err)
				}
				return
			}
			if got := shape(c, dir); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// shape is the logs of a reading, those that are never written in brackets, its groups with their protocols, its
// limits.
func shape(c *Config, dir string) string {
	var all []string
	for _, set := range c.LogSets {
		var paths []string
		for _, log := range set.Logs {
			switch {
			case log.Syslog != "":
				paths = append(paths, "syslog")
			case log.Line == 0:
				paths = append(paths, "DEFAULT")
			default:
				paths = append(paths, log.Path)
			}
		}
		all = append(all, strings.Join(paths, "+"))
	}
	for _, log := range c.AccessLogs {
		if log.Unwritten {
			all = append(all, "("+log.Path+")")
		}
	}
	for _, u := range c.Upstreams {
		all = append(all, u.Name+"="+u.Protocol)
	}
	for _, l := range c.LimitReqs {
		all = append(all, fmt.Sprintf("%s:%d/%d", l.Zone, l.Burst, l.Delay))
	}
	for range c.Notes {
		all = append(all, "note")
	}
	return strings.ReplaceAll(strings.Join(all, " "), dir, "DIR")
}
