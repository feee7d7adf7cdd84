package collector_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-kit/log"
	"github.com/prometheus/common/expfmt"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/strictyaml"
	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A host is a folder with an NGINX's logs and its nginx.conf, and the state of who observes it. The tests here know
// of the collector what its users know: a config, files, and what a scrape shows.
type host struct {
	t    *testing.T
	dir  string
	data string
}

func newHost(t *testing.T) *host {
	return &host{t: t, dir: t.TempDir(), data: filepath.Join(t.TempDir(), "data")}
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

func (h *host) append(name, text string) {
	h.t.Helper()
	file, err := os.OpenFile(h.path(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		h.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		h.t.Fatal(err)
	}
}

// settings are those of a config's section nginx, and of nginx.conf where there is one.
func (h *host) settings(config string) *source.Settings {
	h.t.Helper()
	file := h.path("probes.yml")
	var c struct {
		Nginx source.Config `yaml:"nginx"`
		Nodes []source.Node `yaml:"nodes"`
	}
	if _, err := strictyaml.Decode(file, []byte(config), &c); err != nil {
		h.t.Fatal(err)
	}
	var conf *nginxconf.Config
	if _, err := os.Stat(h.path("nginx.conf")); err == nil {
		if conf, err = nginxconf.Load(h.path("nginx.conf")); err != nil {
			h.t.Fatal(err)
		}
	}
	s, err := source.New(file, c.Nginx, c.Nodes, conf)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// An observer is a collector that runs.
type observer struct {
	*collector.Collector
	t   *testing.T
	end func() error // ends it, and returns what Run does
}

func (h *host) observe(config string) *observer {
	h.t.Helper()
	c, err := collector.New(collector.Options{
		Settings: h.settings(config), StoragePath: h.data, Mask: func(s string) string { return s },
		Logger: log.NewNopLogger(),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	o := &observer{Collector: c, t: h.t, end: sync.OnceValue(func() error { stop(); return <-ended })}
	h.t.Cleanup(func() { o.end() })
	return o
}

// scrape is the samples of a scrape, one a line.
func (o *observer) scrape() []string {
	o.t.Helper()
	families, err := o.Gatherer(o.t.Context(), false).Gather()
	if err != nil {
		o.t.Fatal(err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			o.t.Fatal(err)
		}
	}
	return slices.DeleteFunc(strings.Split(strings.TrimSpace(text.String()), "\n"),
		func(line string) bool { return strings.HasPrefix(line, "#") })
}

// shows fails the test unless a scrape shows all of these samples, and none that begins with one of absent.
func (o *observer) shows(want []string, absent ...string) {
	o.t.Helper()
	got := o.scrape()
	for _, line := range want {
		if !slices.Contains(got, line) {
			o.t.Errorf("missing: %s", line)
		}
	}
	for _, line := range got {
		for _, begin := range absent {
			if strings.HasPrefix(line, begin) {
				o.t.Errorf("there should be no %s", line)
			}
		}
	}
	if o.t.Failed() {
		o.t.Logf("shown:\n%s", strings.Join(got, "\n"))
	}
}

// TestWhatAConfigAsksFor: labels of one's own, routes that are not counted, several formats, logs of stream{} and of
// containers.
func TestWhatAConfigAsksFor(t *testing.T) {
	h := newHost(t)
	h.append("nginx.conf", `events {}
http {
    log_format old '$status "$request"';
    log_format hosts '$host $status "$request" $upstream_addr';
    upstream app { server 127.0.0.1:4005; server 127.0.0.2:4005; }
    server { server_name a.example *.b.example; location / { proxy_pass http://app; } }
}
stream {
    upstream db { server 127.0.0.9:5432; }
    log_format proxy '$protocol $status $bytes_sent $session_time "$upstream_addr"';
}
`)
	h.append("access.log", "a.example 200 \"GET /x HTTP/1.1\" 127.0.0.1:4005\n404 \"GET /old HTTP/1.1\"\n"+
		"www.b.example 502 \"GET /x HTTP/1.1\" app\nc.example 200 \"GET /status HTTP/1.1\" -\n")
	h.append("stream.log", "TCP 200 512 1.500 \"127.0.0.9:5432\"\n")
	container := filepath.Join("containers", strings.Repeat("a", 64))
	if err := os.MkdirAll(h.path(container), 0o755); err != nil {
		t.Fatal(err)
	}
	h.append(filepath.Join(container, "config.v2.json"), `{"Name":"/lb","LogPath":"/x/`+strings.Repeat("a",
		64)+`-json.log"}`)
	for _, line := range []struct{ stream, text string }{{"stdout", "200 \"GE"}, {"stdout", "T / HTTP/1.1\"\n"},
		{"stderr", "2026/11/24 10:00:00 [warn] 1#1: x\n"}} {
		text, err := json.Marshal(map[string]string{"log": line.text, "stream": line.stream,
			"time": "2026-11-25T10:00:00Z"})
		if err != nil {
			t.Fatal(err)
		}
		h.append(filepath.Join(container, strings.Repeat("a", 64)+"-json.log"), string(text)+"\n")
	}
	o := h.observe(`nginx:
  config: nginx.conf
  status: []
  access_logs:
    - path: access.log
      format: [hosts, old]
      start: beginning
      labels: [{name: host, from: $host, values: server_names}]
    - {docker: lb, docker_root: ` + h.dir + `, format: old, start: beginning}
  stream_logs:
    - {path: stream.log, format: proxy, start: beginning}
  error_logs:
    - {docker: lb, docker_root: ` + h.dir + `, start: beginning}
  routes:
    - {name: monitor, match: "^/status", ignore: true}
    - {name: x, match: "^/x"}
nodes: [{name: master, address: 127.0.0.1:4005}]
`)
	o.shows([]string{
		`fremisn_exporter_log_lines_total{log="access",result="parsed"} 3`,
		`fremisn_exporter_log_lines_total{log="access",result="ignored"} 1`,
		`fremisn_exporter_log_lines_total{log="access",result="malformed"} 0`,
		`nginx_access_requests_total{code="200",host="a.example",log="access",method="GET",outcome="ok",route="x"} 1`,
		`nginx_access_requests_total{code="502",host="*.b.example",log="access",method="GET",outcome="no_live",` +
			`route="x"} 1`,
		`nginx_access_requests_total{code="404",host="other",log="access",method="GET",outcome="client_error",` +
			`route="other"} 1`,
		`nginx_access_outcomes_total{host="",log="access",outcome="timeout",route="x"} 0`,
		`nginx_upstream_outcomes_total{log="access",node="master",outcome="error",server="127.0.0.1:4005",` +
			`upstream="app"} 0`,
		`nginx_upstream_no_live_total{log="access",upstream="app"} 1`,
		`nginx_stream_sessions_total{log="stream",protocol="TCP",status="200"} 1`,
		`nginx_stream_sent_bytes_total{log="stream"} 512`,
		`nginx_upstream_attempts_total{code="200",log="stream",node="",outcome="ok",server="127.0.0.9:5432",` +
			`upstream="db"} 1`,
		`nginx_upstream_outcomes_total{log="stream",node="",outcome="error",server="127.0.0.9:5432",upstream="db"} 0`,
		`nginx_upstream_no_live_total{log="stream",upstream="db"} 0`,
		`nginx_access_requests_total{code="200",log="lb",method="GET",outcome="ok",route="other"} 1`,
		`nginx_error_log_entries_total{level="warn",log="lb-error"} 1`,
		`fremisn_exporter_log_lines_total{log="lb-error",result="malformed"} 0`,
		`fremisn_exporter_collector_success{collector="access_log"} 1`,
		`fremisn_exporter_collector_success{collector="stream_log"} 1`,
	}, `nginx_access_outcomes_total{host="",log="access",outcome="ok",route="monitor"}`,
		`nginx_access_requests_total{code="200",host="other"`,
		`nginx_upstream_no_live_total{log="stream",upstream="app"}`)
	if err := o.end(); err != nil {
		t.Error(err)
	}
}

// TestStateThatCannotBeSaved: what is shown stays at what was committed, the end says what is lost, and after it
// nothing has gone down and every line counts once.
func TestStateThatCannotBeSaved(t *testing.T) {
	const config = "nginx: {status: [], access_logs: [{path: access.log, format: $status, start: beginning}]}\n"
	h := newHost(t)
	h.append("access.log", "200\n200\n")
	o := h.observe(config)
	o.shows([]string{`fremisn_exporter_log_lines_total{log="access",result="parsed"} 2`})
	obstacle := filepath.Join(h.data, "access.state.new") // no file can be written there
	if err := os.MkdirAll(obstacle, 0o755); err != nil {
		t.Fatal(err)
	}
	h.append("access.log", "200\n200\n200\n")
	o.shows([]string{
		`fremisn_exporter_log_lines_total{log="access",result="parsed"} 2`,
		`fremisn_exporter_log_lag_bytes{log="access"} 12`,
		`fremisn_exporter_collector_success{collector="access_log"} 0`,
	}, `fremisn_exporter_state_commits_total{result="failed"} 0`)
	if err := o.end(); err == nil || !strings.Contains(err.Error(), "log access: saving state") {
		t.Errorf("the end says %v", err)
	}
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	o = h.observe(config)
	o.shows([]string{
		`fremisn_exporter_log_lines_total{log="access",result="parsed"} 5`,
		`fremisn_exporter_collector_success{collector="access_log"} 1`,
	})
	if err := o.end(); err != nil {
		t.Error(err)
	}
}

// TestManyScrapesAtOnce all see what was written before them.
func TestManyScrapesAtOnce(t *testing.T) {
	h := newHost(t)
	o := h.observe("nginx: {status: [], access_logs: [{path: access.log, format: $status, start: beginning}]}\n")
	for range 10 {
		h.append("access.log", "200\n")
		var scraping sync.WaitGroup
		lines := make([][]string, 20)
		for i := range lines {
			scraping.Go(func() { lines[i] = o.scrape() })
		}
		scraping.Wait()
		text, err := os.ReadFile(h.path("access.log"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range lines {
			want := `nginx_access_requests_total{code="200",log="access",method="OTHER",outcome="ok",route=""} ` +
				strconv.Itoa(len(text)/4)
			if !slices.Contains(lines[i], want) {
				t.Fatalf("scrape %d does not show %s", i, want)
			}
		}
	}
}
