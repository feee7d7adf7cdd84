package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// nothingToFind is a configuration that no finding has a word on.
const nothingToFind = `worker_processes 2; events {}
error_log LOGS/error.log warn;
http {
  log_format main '$status $request_time';
  access_log LOGS/access.log main;
  limit_req_zone $host zone=api:1m rate=10r/s;
  limit_conn_zone $host zone=conns:1m;
  limit_req_status 429;
  limit_conn_status 429;
  upstream nodes {
    zone nodes 64k;
    server 127.0.0.231:4005 max_conns=10 max_fails=3;
    server 127.0.0.18:4008 max_conns=10 max_fails=3;
    keepalive 8;
  }
  server {
    listen 8080;
    location / {
      limit_req zone=api burst=20 nodelay;
      limit_conn conns 10;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_next_upstream error timeout non_idempotent;
      proxy_pass http://nodes;
    }
    location = /nginx_status { stub_status; access_log off; }
  }
}
`

func findingsIn(t *testing.T, text string) []finding {
	t.Helper()
	dir := t.TempDir()
	if err := os.Symlink("/dev/stdout", filepath.Join(dir, "linked.log")); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(strings.ReplaceAll(text, "LOGS", dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := nginxconf.Load(conf)
	if err != nil {
		t.Fatal(err)
	}
	return nginxFindings(c)
}

func TestFindingsAreSilent(t *testing.T) {
	for _, l := range findingsIn(t, nothingToFind) {
		t.Errorf("finds %s: %s", l.Subject, l.Text)
	}
}

func TestFindings(t *testing.T) {
	for name, test := range map[string]struct {
		replace, by string
		subject     string
		at          string // file:line without the folder
		says        string
	}{
		"max_conns without zone": {"zone nodes 64k;", "", "max_conns", "nginx.conf:12",
			"each worker counts max_conns on its own"},
		"max_fails": {" max_fails=3", "", "max_fails", "nginx.conf:10",
			"one bad request can take out both for 10s"},
		"burst": {"burst=20 nodelay", "burst=21 nodelay", "limit burst", "nginx.conf:19",
			"a burst of 21 on 20 slots (max_conns) gives 502s"},
		"burst with delay": {"burst=20 nodelay", "burst=30 delay=25", "limit burst", "nginx.conf:19",
			"burst of 30"},
		"limit_req_status": {"limit_req_status 429;", "", "status 503", "nginx.conf:19",
			"looks like an outage to clients"},
		"limit_conn_status": {"limit_conn_status 429;", "", "status 503", "nginx.conf:20",
			"looks like an outage to clients"},
		"error_log": {"error.log warn", "error.log error", "error_log", "nginx.conf:2",
			"level error hides when a server is taken out"},
		"error_log without level": {"error.log warn", "error.log", "error_log", "nginx.conf:2",
			"level error hides"},
		"POSTs": {" non_idempotent", "", "retries", "nginx.conf:24",
			"a failed POST is tried on no other server"},
		"buffered": {"access.log main", "access.log main buffer=32k flush=10s", "access_log",
			"nginx.conf:5", "is buffered"},
		"conditional": {"access.log main", "access.log main if=$arg_a", "access_log", "nginx.conf:5",
			"has only requests for which $arg_a is neither empty nor 0"},
		"off": {"limit_conn conns 10;", "limit_conn conns 10; access_log off;", "access_log",
			"nginx.conf:20", "it is off where requests go to nodes (line 24)"},
		"keepalive on HTTP/1.0": {"proxy_http_version 1.1;", "", "keepalive", "nginx.conf:24",
			"unused: each connection is closed"},
		"keepalive with the header": {`proxy_set_header Connection "";`, "", "keepalive", "nginx.conf:24",
			"unused: each connection is closed"},
		"keepalive, headers set anew": {`proxy_set_header Connection "";`, "proxy_set_header Host x;", "keepalive",
			"nginx.conf:24", "unused: each connection is closed"},
		"error_log twice": {"error_log LOGS/error.log warn;",
			"error_log LOGS/error.log warn; error_log LOGS/error.log error;", "error_log", "nginx.conf:2",
			"NGINX writes entries twice"},
		"a parameter of others": {"max_fails=3;\n    keepalive", "max_fails=3 srun_id=a;\n    keepalive",
			"nginx.conf", "nginx.conf:13", "does not know"},
		"access log to stdout": {"access.log main", "linked.log main", "to stdout", "nginx.conf:5",
			"is /dev/stdout"},
	} {
		t.Run(name, func(t *testing.T) {
			found := findingsIn(t, strings.ReplaceAll(nothingToFind, test.replace, test.by))
			if len(found) != 1 {
				t.Fatalf("%d findings, want 1: %v", len(found), found)
			}
			l := found[0]
			if l.Subject != test.subject || !strings.HasSuffix(l.From, "/"+test.at) ||
				!strings.Contains(l.Text, test.says) {
				t.Errorf("%s at %s: %s", l.Subject, l.From, l.Text)
			}
			if l.Status != statusWarn || l.Section != sectionNginx || l.Remedy == "" ||
				!strings.HasPrefix(l.Source, "https://") && l.Subject != "nginx.conf" {
				t.Errorf("without remedy, source or verdict: %+v", l)
			}
		})
	}
}

func r12() nginxconf.Pos { return nginxconf.Pos{File: "/etc/nginx/nginx.conf", Line: 12} }

// Findings that would hold for a group of several servers, or for a proxy that retries, and do not hold here.
func TestFindingsThatWouldBeFalse(t *testing.T) {
	for name, test := range map[string]struct{ replace, by, not string }{
		"retries in a group of one":       {"    server 127.0.0.18:4008 max_conns=10 max_fails=3;\n", "", "retries"},
		"retries where they are off":      {"non_idempotent", "off", "retries"},
		"max_fails where nothing retries": {" max_fails=3", "", "max_fails"},
		"max_conns of one worker":         {"worker_processes 2;", "", "max_conns"},
		"keepalive by a map of upgrades": {`proxy_set_header Connection "";`, "proxy_set_header Connection $kept;",
			"keepalive"},
		"keepalive of gRPC": {"proxy_pass http://nodes;", "grpc_pass grpc://nodes;", "keepalive"},
		"a burst that is only tried": {"burst=20 nodelay;", "burst=99 nodelay; limit_req_dry_run on;",
			"limit burst"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.ReplaceAll(nothingToFind, test.replace, test.by)
			if text == nothingToFind {
				t.Fatal("nothing was replaced")
			}
			if strings.HasPrefix(name, "retries in") {
				text = strings.Replace(text, " non_idempotent", "", 1)
			}
			if strings.HasPrefix(name, "max_fails where") {
				text = strings.Replace(text, "error timeout non_idempotent", "off", 1)
			}
			text = strings.Replace(text, "upstream nodes",
				"map $http_upgrade $kept { default upgrade; '' ''; } upstream nodes", 1)
			for _, f := range findingsIn(t, text) {
				if f.Subject == test.not {
					t.Errorf("says %s: %s", f.Subject, f.Text)
				}
			}
		})
	}
}
