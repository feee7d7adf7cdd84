package check

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// Only the path of nginx.conf is given: the status page, the logs, their format and the nodes are found in it.
func TestCheckOnRealNGINX(t *testing.T) {
	h := newHost(t)
	topology := testenv.Topology{
		Listen: freeAddress(t), Status: freeAddress(t), Nodes: []string{strings.TrimPrefix(h.node.URL, "http://")},
		Formats: []testenv.Format{{Name: "access", Format: testenv.IncumbentFormat}},
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	nginx, err := testenv.StartNginx(ctx, t.TempDir(), topology.Conf(), topology.Listen, topology.Status)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	for range 5 {
		response, err := http.Get("http://" + topology.Listen + "/v1/face/recognition")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	log := filepath.Join(nginx.Dir, "access.log")
	until(t, "NGINX writes five lines", func() bool {
		text, err := os.ReadFile(log)
		return err == nil && strings.Count(string(text), "\n") == 5
	})
	h.write(t, h.config, "nginx: {config: "+nginx.Conf+"}\n")
	c := h.check(t)
	if !c.ok {
		t.Errorf("ok %t\n%s", c.ok, c.text)
	}
	if l := c.find(t, sectionStatus, statusOK, topology.Status); !strings.HasPrefix(l.From, nginx.Conf+":") {
		t.Errorf("status page from %s", l.From)
	}
	c.find(t, sectionLogs, statusOK, log+": all of the last 5 lines fit log_format access")
	if l := c.find(t, sectionLogs, statusWarn,
		"metrics need"); l.Missing["nginx_upstream_attempts_total{code}"] != "$upstream_status" {
		t.Errorf("missing are %v", l.Missing)
	}
	c.find(t, sectionNodes, statusOK, h.node.URL)
	c.find(t, sectionNginx, statusWarn, "slots (max_conns)")
}

// The report of a healthy system is one screen: 40 rows of 80 columns, the verdict last.
func TestReportIsOneScreen(t *testing.T) {
	h := newHost(t)
	topology := testenv.Topology{
		Listen: freeAddress(t), Status: freeAddress(t), Formats: []testenv.Format{{Name: "access",
			Format: testenv.FullFormat}},
	}
	for range 3 {
		topology.Nodes = append(topology.Nodes, strings.TrimPrefix(answering(t, "{}").URL, "http://"))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	nginx, err := testenv.StartNginx(ctx, t.TempDir(), topology.Conf(), topology.Listen, topology.Status)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	h.write(t, h.config, "nginx: {config: "+nginx.Conf+"}\n")
	c := h.check(t)
	rows := strings.Split(strings.TrimSuffix(c.text, "\n"), "\n")
	if !c.ok || len(rows) > 40 || !strings.HasPrefix(rows[len(rows)-1], "All works: ") {
		t.Errorf("ok %t, %d rows\n%s", c.ok, len(rows), c.text)
	}
}

// The usual host, an application behind NGINX as its package comes, has a report of 40 rows, though it lacks a status
// page, upstream variables in its log, and retries that are thought of.
func TestReportOfTheUsualHost(t *testing.T) {
	dir, err := os.MkdirTemp("", "web")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	first, second := answering(t, "{}"), answering(t, "{}")
	text := strings.NewReplacer("DIR", dir, "FIRST", strings.TrimPrefix(first.URL, "http://"), "SECOND",
		strings.TrimPrefix(second.URL, "http://")).Replace(`worker_processes auto;
error_log DIR/error.log;
events { worker_connections 768; }
http {
  access_log DIR/access.log;
  upstream app { server FIRST; server SECOND; }
  server { listen 8080; location / { proxy_pass http://app; } }
}
`)
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	line := `127.0.0.1 - - [25/Nov/2026:02:00:00 +0000] "GET / HTTP/1.1" 200 2 "-" "-"` + "\n"
	for name, text := range map[string]string{"access.log": line, "error.log": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	app := kingpin.New("check", "")
	flags := kingpinflag.AddFlags(app, freeAddress(t))
	if _, err := app.Parse(nil); err != nil {
		t.Fatal(err)
	}
	report := Run(t.Context(), Options{
		Source: settings.Source{NginxConf: conf}, StoragePath: filepath.Join(dir, "data"), Web: flags,
	})
	var b strings.Builder
	report.text(&b, 80, false)
	rows := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if !report.OK() || len(rows) > 40 {
		t.Errorf("ok %t, %d rows\n%s", report.OK(), len(rows), &b)
	}
}

// The load balancer that this program was made for, before anything is changed: all of what is to be done is on one
// screen.
func TestReportOfTheTopology(t *testing.T) {
	h := newHost(t)
	text := `worker_processes auto;
error_log LOGS/error.log warn;
events { worker_connections 1024; }
http {
  log_format main '` + testenv.IncumbentFormat + `';
  access_log LOGS/access.log main;
  limit_req_zone $binary_remote_addr zone=api:10m rate=100r/s;
  upstream fremisn_backend {
    server NODE max_conns=1;
    server NODE max_conns=1;
    server NODE max_conns=1;
    keepalive 16;
  }
  server {
    listen 8080;
    location /v1/ { limit_req zone=api burst=20 nodelay; proxy_pass http://fremisn_backend; proxy_read_timeout 60s; }
    location /nginx_status { stub_status; allow 127.0.0.1; deny all; access_log off; }
  }
}
`
	for range 3 {
		text = strings.Replace(text, "NODE", strings.TrimPrefix(answering(t, "{}").URL, "http://"), 1)
	}
	h.write(t, filepath.Join(h.dir, "nginx.conf"), strings.ReplaceAll(text, "LOGS", h.dir))
	h.write(t, h.access, "")
	h.write(t, h.config, "nginx: {config: nginx.conf, status: [{url: "+h.status.URL+"}]}\n")
	c := h.check(t)
	rows := strings.Split(strings.TrimSuffix(c.text, "\n"), "\n")
	if !c.ok || len(rows) > 40 {
		t.Errorf("ok %t, %d rows\n%s", c.ok, len(rows), c.text)
	}
	for _, want := range []string{"upstream (3)", "! max_conns", "! limit burst", "! keepalive", "log_format fremisn"} {
		if !strings.Contains(c.text, want) {
			t.Errorf("%q is not in\n%s", want, c.text)
		}
	}
}

// NGINX passes over no server that is alone or has max_fails=0; at the level crit none can be seen. check says
// so.
func TestWhyNothingIsTakenOut(t *testing.T) {
	conf := func(servers, level string) string {
		return "error_log LOGS/error.log " + level + "; events {}\nhttp { upstream app { " + servers +
			" } server { location / { proxy_pass http://app; } } }\n"
	}
	for text, want := range map[string]string{
		conf("server a:1;", "error"): "NGINX never takes out the only server " +
			"of app",
		conf("server a:1 max_fails=0; server b:1 max_fails=0;", "warn"): "NGINX never takes out a server of app: " +
			"max_fails=0",
		conf("server a:1 max_fails=2; server b:1 max_fails=2;", "crit"): "level crit hides failures of servers",
		conf("server a:1 max_fails=2; server b:1 max_fails=2;", "error"): "level error hides when a server is " +
			"taken out",
		conf("server a:1 max_fails=2; server b:1 max_fails=2;", "notice"): "",
	} {
		said := ""
		for _, f := range findingsIn(t, text) {
			if f.Subject == "taken out" || f.Subject == "error_log" {
				said += f.Text
			}
		}
		if said != want {
			t.Errorf("%s\nsays %q, want %q", text, said, want)
		}
	}
}
