package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/sim"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// What the dashboards and alerts of the old exporters ask for: the official dashboard of nginx-prometheus-exporter,
// the usual ones of blackbox_exporter (Grafana 7587, 13659), and what people write themselves. None names a job, so
// that a series that comes twice is seen.
var (
	// The values of these are the same before and after.
	swapValues = []string{
		`nginx_up`, `nginx_connections_reading`, `nginx_connections_writing`, `nginx_connections_waiting`,
		`nginx_connections_active`, `sum(nginx_connections_active)`, `count(nginx_up == 1)`,
		`nginx_connections_accepted - nginx_connections_handled`,
		`resets(nginx_http_requests_total[10m])`, `resets(nginx_connections_accepted[10m])`,
		`probe_success`, `probe_http_status_code`, `probe_http_version`, `probe_http_ssl`, `probe_http_redirects`,
		`probe_http_content_length`, `probe_http_uncompressed_body_length`, `probe_ip_protocol`,
		`probe_ssl_earliest_cert_expiry`, `probe_ssl_last_chain_expiry_timestamp_seconds`, `probe_tls_version_info`,
		`floor((probe_ssl_earliest_cert_expiry - time()) / 86400)`, `count(probe_success == 0)`,
		`sum by (instance) (avg_over_time(probe_success[5s]))`,
		// Until v0.27 a tcp probe that could not connect had probe_failed_due_to_regex as well.
		`count by (__name__) ({__name__=~"nginx_.+|probe_.+",__name__!="probe_failed_due_to_regex"})`,
		`probe_failed_due_to_regex{job="blackbox-http_2xx"}`,
		`ALERTS{alertstate="firing"}`, `up`,
	}
	// Of these only the labels are.
	swapLabels = []string{
		`nginx_http_requests_total`, `nginx_connections_accepted`, `nginx_connections_handled`,
		`irate(nginx_http_requests_total[1m])`, `irate(nginx_connections_accepted[1m])`,
		`irate(nginx_connections_handled[1m])`, `probe_duration_seconds`, `probe_dns_lookup_time_seconds`,
		`probe_http_duration_seconds`, `sum by (instance) (probe_http_duration_seconds)`,
		`avg by (phase) (probe_http_duration_seconds{phase!="resolve"})`, `probe_http_last_modified_timestamp_seconds`,
	}
)

// since028 are the series that v0.28 of blackbox_exporter or its master gives, and Debian's does not.
const since028 = `probe_tls_cipher_info|probe_failed_due_to_bytes|probe_timeout_seconds|` +
	`probe_ssl_latest_cert_not_before_timestamp_seconds`

// A swap is a load balancer with nodes, a Prometheus with the jobs of the old exporters, and the addresses of these.
type swap struct {
	t                  *testing.T
	dir                string
	page, config       string // stub_status; blackbox.yml
	site               string // of NGINX, for traffic
	npe, bbe           string // addresses
	prometheus         *testenv.Prometheus
	npeFlags, bbeFlags []string
}

func newSwap(t *testing.T) *swap {
	s := &swap{t: t, dir: t.TempDir(), npe: freeAddress(t), bbe: freeAddress(t)}
	well, err := sim.Start("well", "127.0.0.231:0", sim.Latency{})
	s.must(err)
	t.Cleanup(well.Close)
	ill, err := sim.Start("ill", "127.0.0.18:0", sim.Latency{})
	s.must(err)
	t.Cleanup(ill.Close)
	ill.Set(sim.Fault{Kind: "fail", Code: http.StatusServiceUnavailable})
	secure := httptest.NewTLSServer(well)
	t.Cleanup(secure.Close)
	elsewhere := httptest.NewServer(http.RedirectHandler("http://"+well.Address+"/v1/healthcheck", http.StatusFound))
	t.Cleanup(elsewhere.Close)
	s.startNginx(well.Address)

	s.config = filepath.Join(s.dir, "blackbox.yml")
	// What blackbox_exporter does not know is one line, which README names: who may be asked for.
	writeFile(t, s.config, "modules:\n"+
		"  http_2xx: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4, "+
		"tls_config: {insecure_skip_verify: true}}}\n"+
		"  tcp_connect: {prober: tcp, timeout: 5s, tcp: {preferred_ip_protocol: ip4}}\n")
	s.npeFlags = []string{"-nginx.scrape-uri=" + s.page, "-web.listen-address=" + s.npe}
	s.bbeFlags = []string{"--config.file=" + s.config, "--web.listen-address=" + s.bbe, "--timeout-offset=0.5"}
	s.startPrometheus(map[string][]string{
		"http_2xx": {"http://" + well.Address + "/v1/healthcheck", "http://" + ill.Address + "/",
			secure.URL + "/v1/healthcheck", elsewhere.URL, "http://" + freeAddress(t) + "/"},
		"tcp_connect": {well.Address, freeAddress(t)},
	})
	return s
}

func (s *swap) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *swap) startNginx(node string) {
	address := freeAddress(s.t)
	s.site, s.page = "http://"+address+"/", "http://"+address+"/stub_status"
	nginx, err := testenv.StartNginx(context.Background(), s.dir, testenv.Preamble()+"http {"+testenv.TempPaths+
		"access_log off; server { listen "+address+"; location / { proxy_pass http://"+node+"; }\n"+
		"location = /stub_status { stub_status; } }\n}\n", address)
	s.must(err)
	s.t.Cleanup(func() { nginx.Stop() })
}

// startPrometheus runs it with the jobs that the documentation of both old exporters has.
func (s *swap) startPrometheus(targets map[string][]string) {
	config := "global: {scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s}\n" +
		"rule_files: [old.rules.yml]\nscrape_configs:\n" +
		"  - {job_name: nginx, static_configs: [{targets: ['" + s.npe + "']}]}\n"
	for module, targets := range targets {
		config += fmt.Sprintf(`  - job_name: blackbox-%s
    metrics_path: /probe
    params: {module: [%s]}
    static_configs: [{targets: ['%s']}]
    relabel_configs:
      - {source_labels: [__address__], target_label: __param_target}
      - {source_labels: [__param_target], target_label: instance}
      - {target_label: __address__, replacement: %s}
`, module, module, strings.Join(targets, "', '"), s.bbe)
	}
	writeFile(s.t, filepath.Join(s.dir, "old.rules.yml"), "groups: [{name: old, rules: [{alert: Down, expr: "+
		"probe_success == 0}, {alert: NginxDown, expr: nginx_up == 0}, {alert: NoNginx, expr: absent(nginx_up)}]}]\n")
	var err error
	s.prometheus, err = testenv.StartPrometheus(context.Background(), s.dir, config, "")
	s.must(err)
	s.t.Cleanup(func() { s.prometheus.Stop() })
}

// start runs a program on an address, until end.
func (s *swap) start(address, binary string, flags ...string) (end func()) {
	s.t.Helper()
	path, err := testenv.Find(binary)
	if err != nil {
		path = binary
	}
	command := exec.Command(path, flags...)
	command.Dir = s.dir
	command.Env = append(os.Environ(), "STATE_DIRECTORY="+filepath.Join(s.dir, "state")) // root's would be /var/lib's
	process, err := testenv.Start(context.Background(), address, command)
	s.must(err)
	return func() { process.Stop() }
}

// answers are what Prometheus says to every query once it has scraped both some times, and the traffic of NGINX was
// counted. Each is "labels value", the labels alone where the value is of the moment.
func (s *swap) answers() map[string][]string {
	s.t.Helper()
	from, err := s.prometheus.Query("nginx_http_requests_total")
	s.must(err)
	for range 100 {
		response, err := http.Get(s.site)
		s.must(err)
		response.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	scraped := 0.0
	samples := func() float64 {
		got, err := s.prometheus.Query(`sum(count_over_time(up[10m]))`)
		s.must(err)
		if len(got) == 0 {
			return 0
		}
		return got[0].Value
	}
	before := samples()
	until(s.t, "all is scraped five times, and the traffic counted", func() bool {
		scraped = samples() - before
		now, err := s.prometheus.Query("nginx_http_requests_total")
		s.must(err)
		return scraped >= 5*8 && len(now) == 1 && (len(from) == 0 || now[0].Value >= from[0].Value+100)
	})
	all := map[string][]string{}
	for i, query := range append(append([]string{}, swapValues...), swapLabels...) {
		got, err := s.prometheus.Query(query)
		s.must(err)
		for _, sample := range got {
			if strings.Contains("|"+since028+"|", "|"+sample.Labels["__name__"]+"|") {
				continue
			}
			text := fmt.Sprint(sample.Labels)
			if i < len(swapValues) {
				text += fmt.Sprint(" ", sample.Value)
			}
			all[query] = append(all[query], text)
		}
		sort.Strings(all[query])
	}
	return all
}

// TestSwap rehearses the move: Debian's two exporters run with an old prometheus.yml on a real NGINX, and the queries
// of old dashboards are recorded; then this program takes their places, with their command lines, their configuration
// and their ports, first each alone, then one for both. The same queries give the same answers.
func TestSwap(t *testing.T) {
	s := newSwap(t)
	endNPE := s.start(s.npe, "prometheus-nginx-exporter", s.npeFlags...)
	endBBE := s.start(s.bbe, "prometheus-blackbox-exporter", s.bbeFlags...)
	want := s.answers()
	for _, query := range []string{"nginx_up", "probe_success", "probe_ssl_earliest_cert_expiry",
		"irate(nginx_http_requests_total[1m])"} {
		if len(want[query]) == 0 {
			t.Errorf("the old exporters do not answer %s", query)
		}
	}
	compare := func(what string) {
		t.Helper()
		if d := cmp.Diff(want, s.answers()); d != "" {
			t.Errorf("%s (old exporters -, ours +):\n%s", what, d)
		}
	}

	endNPE()
	endOurs := s.start(s.npe, buildExporter(t), s.npeFlags...)
	compare("in place of nginx-prometheus-exporter")

	endBBE()
	text, err := os.ReadFile(s.config)
	s.must(err)
	writeFile(t, s.config, string(text)+"on_demand: {allow: any}\n")
	endProbes := s.start(s.bbe, buildExporter(t), s.bbeFlags...)
	compare("in place of both")

	endOurs()
	endProbes()
	writeFile(t, s.config, string(text)+"on_demand: {allow: any}\nnginx: {status: [{url: '"+s.page+"'}]}\n")
	end := s.start(s.npe, buildExporter(t), append(s.bbeFlags, "--web.listen-address="+s.npe)...)
	defer end()
	compare("one for both")
}
