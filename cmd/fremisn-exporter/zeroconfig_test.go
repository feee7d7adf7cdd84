package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/check"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// What an operator adds to Debian's NGINX: a load balancer, and a status page.
const (
	additionalFormats = `
log_format_of_check
limit_req_zone  $uri zone=strict:1m rate=1r/m;
limit_conn_zone $uri zone=conns:1m;
proxy_cache_path DIR/cache keys_zone=pages:1m;
` + testenv.TempPaths
	additionalSite = `
upstream fremisn_backend {
    zone fremisn_backend 64k;
    server ADDRESS1 max_conns=7 weight=2;
    server REFUSES max_fails=0;
    server ADDRESS2 backup;
    server 127.0.0.250:9 down;
    keepalive 4;
}
upstream dead { server 127.0.0.251:9 down; }
server {
    listen BALANCER;
    access_log DIR/log/fremisn.log fremisn;
    location / { proxy_pass http://fremisn_backend; }
    location /cached { proxy_pass http://ADDRESS1; proxy_cache pages; proxy_cache_valid 1m; }
    location /limited { limit_req zone=strict burst=2 nodelay; limit_conn conns 5; proxy_pass http://fremisn_backend; }
    location /dead { proxy_pass http://dead; }
}
server {
    listen STATUS;
    access_log off;
    location = /nginx_status { stub_status; allow 127.0.0.1; deny all; }
}
`
)

// startDebian runs NGINX on a copy of the configuration that Debian's package has installed, with the additions. Only
// paths, ports and the user are others: /etc/nginx and port 80 are the machine's.
func startDebian(t *testing.T, fill *strings.Replacer, listens ...string) *testenv.Nginx {
	t.Helper()
	dir := t.TempDir()
	user := "# "
	if os.Geteuid() == 0 {
		user = "user root; # "
	}
	move := strings.NewReplacer("/etc/nginx", dir, "/var/log/nginx", dir+"/log", "/run/nginx.pid", dir+"/pid",
		"user www-data", user,
		"listen 80 ", "listen "+freeAddress(t)+" ", "listen [::]:80 ", "listen unix:"+dir+"/in-place-of-IPv6 ")
	copyConfiguration(t, "/etc/nginx", dir, move)
	// The packages of modules name them relative to the prefix.
	if err := os.Symlink("/usr/lib/nginx/modules", filepath.Join(dir, "modules")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "log"), 0o755); err != nil {
		t.Fatal(err)
	}
	formats := strings.Replace(additionalFormats, "log_format_of_check", check.ReadyFormat(), 1)
	for name, text := range map[string]string{"conf.d/fremisn.conf": formats, "sites-enabled/fremisn": additionalSite} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(fill.Replace(strings.ReplaceAll(text, "DIR", dir))),
			0o644); err != nil {
			t.Fatal(err)
		}
	}
	conf, err := os.ReadFile(filepath.Join(dir, "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	nginx, err := testenv.StartNginx(context.Background(), dir, string(conf), listens...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	return nginx
}

// copyConfiguration copies a tree, links as links, with what they and the files name moved.
func copyConfiguration(t *testing.T, from, to string, move *strings.Replacer) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case entry.Type()&os.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(move.Replace(link), target)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, []byte(move.Replace(string(text))), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// contract is every metric of the contract that NGINX, three nodes and the default probes give: its type and labels.
// The metrics of the Go runtime and promhttp replace theirs.
const contract = `
nginx_up gauge
nginx_connections_active gauge
nginx_connections_reading gauge
nginx_connections_writing gauge
nginx_connections_waiting gauge
nginx_connections_accepted counter
nginx_connections_handled counter
nginx_http_requests_total counter

probe_success gauge probe target node
probe_duration_seconds gauge probe target node
probe_dns_lookup_time_seconds gauge probe target node
probe_ip_protocol gauge probe target node
probe_ip_addr_hash gauge probe target node
probe_failed_due_to_regex gauge probe target node
probe_http_status_code gauge probe target node
probe_http_duration_seconds gauge probe target node phase
probe_http_content_length gauge probe target node
probe_http_uncompressed_body_length gauge probe target node
probe_http_redirects gauge probe target node
probe_http_ssl gauge probe target node
probe_http_version gauge probe target node
probe_attempts_total counter probe target node
probe_failures_total counter probe target node reason
probe_latency_seconds histogram probe target node
probe_consecutive_failures gauge probe target node
probe_last_success_timestamp_seconds gauge probe target node

nginx_access_requests_total counter log route method code outcome
nginx_access_request_duration_seconds histogram log route outcome
nginx_access_sent_bytes_total counter log route
nginx_access_received_bytes_total counter log route
nginx_access_limit_req_total counter log status
nginx_access_limit_conn_total counter log status
nginx_access_cache_total counter log status
nginx_upstream_attempts_total counter log upstream server node code outcome
nginx_upstream_response_duration_seconds histogram log upstream server node outcome
nginx_upstream_header_duration_seconds histogram log upstream server node outcome
nginx_upstream_connect_duration_seconds histogram log upstream server node outcome
nginx_upstream_retries_total counter log upstream server node
nginx_upstream_no_live_total counter log upstream
nginx_upstream_sent_bytes_total counter log upstream server node
nginx_upstream_received_bytes_total counter log upstream server node

nginx_error_log_entries_total counter log level
nginx_error_log_events_total counter log event upstream server node

nginx_upstream_server_info gauge upstream server node state
nginx_upstream_server_max_conns gauge upstream server node
nginx_upstream_server_weight gauge upstream server node
nginx_upstream_keepalive gauge upstream
nginx_limit_req_rate gauge zone
nginx_limit_req_burst gauge zone
nginx_upstream_info gauge upstream method zone
nginx_worker_processes gauge
nginx_worker_connections gauge
nginx_config_loaded gauge
nginx_workers gauge state

fremisn_exporter_build_info gauge branch goarch goos goversion revision tags version
fremisn_exporter_collector_success gauge collector
fremisn_exporter_collector_duration_seconds gauge collector
fremisn_exporter_config_last_reload_successful gauge
fremisn_exporter_config_last_reload_success_timestamp_seconds gauge
fremisn_exporter_log_lines_total counter log result
fremisn_exporter_log_read_bytes_total counter log
fremisn_exporter_log_lag_bytes gauge log
fremisn_exporter_log_last_line_timestamp_seconds gauge log
fremisn_exporter_log_rotations_total counter log kind
fremisn_exporter_log_gaps_total counter log reason
fremisn_exporter_log_series_dropped_total counter log
fremisn_exporter_state_commits_total counter result
fremisn_exporter_state_last_commit_timestamp_seconds gauge
go_goroutines gauge
process_start_time_seconds gauge
promhttp_metric_handler_requests_total counter code
`

// TestNothingIsConfigured runs Debian's NGINX and the exporter without a config file, given only the path of
// nginx.conf is, and finds every metric of the contract with its labels.
func TestNothingIsConfigured(t *testing.T) {
	one, two, refuses := answering(t, "{}"), answering(t, "{}"), freeAddress(t)
	address1, address2 := strings.TrimPrefix(one.URL, "http://"), strings.TrimPrefix(two.URL, "http://")
	balancer, status := freeAddress(t), freeAddress(t)
	nginx := startDebian(t, strings.NewReplacer("ADDRESS1", address1, "ADDRESS2", address2, "REFUSES", refuses,
		"BALANCER", balancer, "STATUS", status), balancer, status)
	p := startProgramWith(t, "--nginx.config", nginx.Conf)
	familiesOf(t, p) // from here on the log is followed: it is read from where it ended

	requests := 0
	get := func(path string, codes ...int) {
		t.Helper()
		for _, code := range codes {
			response, err := http.Get("http://" + balancer + path)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if response.StatusCode != code {
				t.Fatalf("%s: %s, want %d", path, response.Status, code)
			}
			requests++
		}
	}
	get("/v1/healthcheck", 200, 200, 200, 200, 200, 200)
	get("/cached", 200, 200)
	get("/limited", 200, 200, 200, 503, 503)
	get("/dead", 502)

	var families map[string]*dto.MetricFamily
	until(t, "every request is logged, and every node was probed", func() bool {
		families = familiesOf(t, p)
		return sum(counts(families, "nginx_access_requests_total", "fremisn")) == requests &&
			len(probed(families)) == 3
	})
	for _, row := range strings.Split(strings.TrimSpace(contract), "\n") {
		if row == "" {
			continue
		}
		fields := strings.Fields(row)
		expect(t, families, fields[0], fields[1], fields[2:])
	}
	for _, told := range []string{`msg="reading the status page" url=http://` + status + "/nginx_status",
		`msg="probing an upstream server" target=http://` + address1 + "/", "msg=following log=fremisn "} {
		if !strings.Contains(p.stderr.String(), told) {
			t.Errorf("it does not log at start that it has found %s:\n%s", told, p.stderr)
		}
	}
	for collector, m := range map[string]float64{"stub_status": 1, "access_log": 1, "error_log": 1, "nginx_conf": 1,
		"probe": 1} {
		if got := gauge(families, "fremisn_exporter_collector_success", "collector", collector); got != m {
			t.Errorf("collector %s: success %g", collector, got)
		}
	}
	expectCounts(t, families, refuses)
	if got, want := strings.Join(probed(families), " "), strings.Join(sorted("http://"+address1+"/",
		"http://"+address2+"/", "http://"+refuses+"/"), " "); got != want {
		t.Errorf("probed are %s, want %s: a backup is, what is down is not", got, want)
	}
	for server, state := range map[string]string{address1: "active", refuses: "active", address2: "backup",
		"127.0.0.250:9": "down", "127.0.0.251:9": "down"} {
		if gauge(families, "nginx_upstream_server_info", "server", server, "state", state) != 1 {
			t.Errorf("%s is not shown as %s", server, state)
		}
	}
	if got := gauge(families, "nginx_upstream_server_max_conns", "upstream", "fremisn_backend", "server",
		address1); got != 7 {
		t.Errorf("max_conns %g", got)
	}
}

// expectCounts holds what the requests must have caused against the metrics.
func expectCounts(t *testing.T, families map[string]*dto.MetricFamily, refuses string) {
	t.Helper()
	for _, c := range []struct {
		family, label string
		want          map[string]int
	}{
		{"nginx_access_requests_total", "code", map[string]int{"200": 11, "502": 1, "503": 2}},
		{"nginx_access_limit_req_total", "status", map[string]int{"passed": 3, "rejected": 2}},
		{"nginx_access_cache_total", "status", map[string]int{"miss": 1, "hit": 1}},
		{"nginx_upstream_no_live_total", "upstream", map[string]int{"dead": 1}},
		{"nginx_upstream_attempts_total", "outcome", map[string]int{"ok": 10}}, // the second of /cached asks nobody
	} {
		got := counts(families, c.family, "fremisn", c.label)
		for value, n := range c.want {
			if got[value] != n {
				t.Errorf("%s of %s %s is %d, want %d", c.family, c.label, value, got[value], n)
			}
		}
	}
	retries := counts(families, "nginx_upstream_retries_total", "fremisn", "server")[refuses]
	failed := counts(families, "nginx_upstream_attempts_total", "fremisn", "code")["502"]
	refused := counts(families, "nginx_error_log_events_total", "error", "event")["connect_refused"]
	if retries == 0 || retries != failed || retries != refused {
		t.Errorf("the node that refuses: %d retries, %d failed attempts, %d entries in the error log", retries, failed,
			refused)
	}
}

// expect looks for a family of that type whose every series has those labels and no others.
func expect(t *testing.T, families map[string]*dto.MetricFamily, name, kind string, labels []string) {
	t.Helper()
	family := families[name]
	if family == nil || len(family.Metric) == 0 {
		t.Errorf("%s is missing", name)
		return
	}
	if got := strings.ToLower(family.GetType().String()); got != kind {
		t.Errorf("%s is a %s, not a %s", name, got, kind)
	}
	for _, m := range family.Metric {
		var got []string
		for _, pair := range m.Label {
			got = append(got, pair.GetName())
		}
		if !slices.Equal(sorted(got...), sorted(labels...)) {
			t.Errorf("%s has the labels %v, want %v", name, got, labels)
			return
		}
	}
}

func sorted(words ...string) []string { return slices.Sorted(slices.Values(words)) }

// probed are the targets of which there is a result.
func probed(families map[string]*dto.MetricFamily) []string {
	var targets []string
	for _, m := range families["probe_success"].GetMetric() {
		targets = append(targets, label(m, "target"))
	}
	return sorted(targets...)
}

// gauge is the value of the only series with those labels, -1 where there is none.
func gauge(families map[string]*dto.MetricFamily, name string, pairs ...string) float64 {
	for _, m := range families[name].GetMetric() {
		fits := true
		for i := 0; i+1 < len(pairs); i += 2 {
			fits = fits && label(m, pairs[i]) == pairs[i+1]
		}
		if fits {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return -1
}

func familiesOf(t *testing.T, p *program) map[string]*dto.MetricFamily {
	t.Helper()
	status, text, _ := p.get(t, "/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics answers %d", status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return families
}
