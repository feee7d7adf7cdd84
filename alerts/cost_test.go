package alerts

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// mostSamples is what one evaluation of all rules may read, with one host of 8 routes that is scraped and evaluated
// every 15 seconds, 30 days long.
const mostSamples = 1_500_000

// TestCostOfRules evaluates every rule once on the data of a host that has run for 30 days, each route with
// objectives of its own, and has Prometheus count the samples that it read. The data is a sample every 15 seconds as
// far back as a rule looks at it; of what rules look at over days by a point every 5 minutes, it is such a point:
// more between them would not be read.
func TestCostOfRules(t *testing.T) {
	t.Parallel()
	for _, r := range rules(t) {
		for _, m := range regexp.MustCompile(`\[(\d+d)(:\w+)?\]`).FindAllStringSubmatch(r.Expr, -1) {
			if m[2] != ":5m" && !strings.Contains(r.Expr, "fremisn_exporter_build_info[1d]") {
				t.Errorf("%s%s looks at every sample of %s", r.Alert, r.Record, m[1])
			}
		}
	}
	dir := t.TempDir()
	end := time.Now().Add(-time.Minute).Truncate(time.Minute)
	file := filepath.Join(dir, "host.om")
	writeHost(t, file, end)
	command(t, "promtool", "tsdb", "create-blocks-from", "--max-block-duration=1000h",
		"openmetrics", "--quiet", file, filepath.Join(dir, "tsdb"))
	prometheus, err := testenv.StartPrometheus(
		t.Context(),
		dir,
		"global: {}\n",
		"",
		"--storage.tsdb.retention.time=60d",
	)
	if err != nil {
		t.Fatal(err)
	}
	defer prometheus.Stop()
	total := 0
	read := map[string]int{}
	for _, r := range rules(t) {
		var answer struct {
			Status, Error string
			Data          struct {
				Result []any
				Stats  struct {
					Samples struct {
						Total int `json:"totalQueryableSamples"`
					}
				}
			}
		}
		path := fmt.Sprintf("/api/v1/query?stats=all&time=%d&query=%s", end.Unix(), url.QueryEscape(r.Expr))
		if err := prometheus.Get(path, &answer); err != nil || answer.Status != "success" {
			t.Fatalf("%s%s: %v %s", r.Alert, r.Record, err, answer.Error)
		}
		read[r.Alert+r.Record] += answer.Data.Stats.Samples.Total
		total += answer.Data.Stats.Samples.Total
	}
	for _, name := range []string{"fremisn:request_errors:ratio_rate30d", "fremisn:request_slow:ratio_rate30d"} {
		if read[name] < 2*9*30*24*12 {
			t.Errorf("%s reads %d samples: the data is not that of 30 days and 9 objectives", name, read[name])
		}
	}
	t.Logf("one evaluation of all rules reads %d samples", total)
	if total > mostSamples {
		t.Errorf("one evaluation of all rules reads %d samples, more than %d: %v", total, mostSamples, read)
	}
}

// writeHost writes what Prometheus knows of one host at end, as OpenMetrics.
func writeHost(t *testing.T, name string, end time.Time) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := bufio.NewWriter(file)
	h := host{w: w, end: end, at: `job="fremisn-exporter",instance="lb1:9113"`}
	h.write()
	fmt.Fprintln(w, "# EOF")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}

type host struct {
	w   io.Writer
	end time.Time
	at  string
}

// family writes series of a metric: a sample every step in the time before the end, rising where it is a counter.
func (h host) family(name, kind string, before, step time.Duration, labels ...string) {
	fmt.Fprintf(h.w, "# TYPE %s %s\n", strings.TrimSuffix(name, "_total"), kind)
	for _, l := range labels {
		h.series(name, before, step, l)
	}
}

func (h host) series(name string, before, step time.Duration, labels string) {
	if labels != "" {
		labels = "," + labels
	}
	value := 1
	for at := h.end.Add(-before); !at.After(h.end); at = at.Add(step) {
		fmt.Fprintf(h.w, "%s{%s%s} %d %d\n", name, h.at, labels, value, at.Unix())
		if rises.MatchString(name) {
			value += 3
		}
	}
}

var rises = regexp.MustCompile(`_(total|bucket|count|sum)$`)

var (
	hostRoutes   = strings.Fields("enrollment recognition match keyspace delete search verify other")
	hostOutcomes = strings.Fields("ok client_error limited aborted no_live timeout error")
	hostBuckets  = strings.Fields("0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30 60 +Inf")
)

func (h host) write() {
	const scrape, hours = 15 * time.Second, 20 * time.Minute // as far as rules look at what is scraped
	const day, month = 24*time.Hour + 10*time.Minute, 30*24*time.Hour + 10*time.Minute
	var servers, attempts, times, probes, quotas []string
	for i, node := range []string{"master", "slave-1", "slave-2"} {
		server := fmt.Sprintf(`upstream="fremisn_backend",server="10.0.0.%d:4005",node="%s"`, i+1, node)
		servers = append(servers, server)
		for _, outcome := range []string{"ok", "error", "timeout", "aborted"} {
			attempts = append(attempts, server+`,log="access",outcome="`+outcome+`"`)
		}
		times = append(times, server+`,log="access",outcome="ok"`, server+`,log="access",outcome="error"`)
		for _, probe := range []string{"health", "licence"} {
			probes = append(
				probes,
				fmt.Sprintf(`probe="%s",target="http://10.0.0.%d:4005/",node="%s"`, probe, i+1, node),
			)
		}
		for _, quota := range []string{"enrollment", "keyspace", "anonymous"} {
			const of = `probe="licence",target="http://10.0.0.%d:4005/",node="%s",quota="%s"`
			quotas = append(quotas, fmt.Sprintf(of, i+1, node, quota))
		}
	}
	objectives := []string{`route=""`}
	var outcomes, served []string
	for _, route := range hostRoutes {
		objectives = append(objectives, `route="`+route+`"`)
		served = append(served, `log="access",route="`+route+`",outcome="ok"`)
		for _, outcome := range hostOutcomes {
			outcomes = append(outcomes, `log="access",route="`+route+`",outcome="`+outcome+`"`)
		}
	}
	buckets := func(of []string) []string {
		var all []string
		for _, labels := range of {
			for _, le := range hostBuckets {
				all = append(all, labels+`,le="`+le+`"`)
			}
		}
		return all
	}
	h.family("up", "gauge", hours, scrape, "")
	h.family("fremisn_exporter_build_info", "gauge", day, scrape, `version="1"`)
	for _, name := range strings.Fields(`nginx_up nginx_connections_accepted nginx_connections_handled
		nginx_connections_active nginx_connections_writing nginx_http_requests_total
		promhttp_metric_handler_requests_total process_start_time_seconds nginx_config_loaded
		fremisn_exporter_config_last_reload_successful fremisn_exporter_state_last_commit_timestamp_seconds
		nginx_worker_connections nginx_worker_processes`) {
		h.family(name, "unknown", hours, scrape, "")
	}
	h.family("nginx_access_outcomes_total", "unknown", hours, scrape, outcomes...)
	h.family("nginx_access_request_duration_seconds_bucket", "unknown", hours, scrape, buckets(served)...)
	h.family("nginx_access_request_duration_seconds_count", "unknown", hours, scrape, served...)
	h.family("nginx_upstream_outcomes_total", "unknown", hours, scrape, attempts...)
	h.family("nginx_upstream_attempts_total", "unknown", hours, scrape, attempts...)
	h.family("nginx_upstream_response_duration_seconds_bucket", "unknown", hours, scrape, buckets(times)...)
	h.family("nginx_upstream_response_duration_seconds_sum", "unknown", hours, scrape, times...)
	for _, name := range strings.Fields(`nginx_upstream_server_max_conns nginx_upstream_server_weight
		nginx_upstream_retries_total nginx_upstream_server_unavailable
		nginx_upstream_server_unavailable_seconds_total`) {
		h.family(name, "unknown", hours, scrape, servers...)
	}
	var info []string
	for _, server := range servers {
		info = append(info, server+`,state="active"`)
	}
	h.family("nginx_upstream_server_info", "unknown", hours, scrape, info...)
	h.family("nginx_upstream_info", "unknown", hours, scrape, `upstream="fremisn_backend",method="round_robin",zone=""`)
	h.family("nginx_upstream_no_live_total", "unknown", hours, scrape, `log="access",upstream="fremisn_backend"`)
	h.family("fremisn_exporter_log_lines_total", "unknown", hours, scrape,
		`log="access",result="parsed"`, `log="access",result="malformed"`, `log="error",result="parsed"`)
	h.family("fremisn_exporter_log_gaps_total", "unknown", hours, scrape, `log="access",reason="deleted"`)
	h.family("fremisn_exporter_collector_success", "unknown", hours, scrape,
		`collector="access_log"`, `collector="error_log"`, `collector="stub_status"`, `collector="nginx_conf"`)
	h.family("fremisn_exporter_state_commits_total", "unknown", hours, scrape, `result="ok"`, `result="failed"`)
	h.family("nginx_error_log_entries_total", "unknown", hours, scrape, `log="error",level="error"`)
	h.family("probe_success", "unknown", hours, scrape, probes...)
	h.family("probe_ssl_earliest_cert_expiry", "unknown", hours, scrape, probes...)
	h.family("probe_interval_seconds", "unknown", hours, scrape, probes...)
	h.family("probe_failures_total", "unknown", hours, scrape, probes...)
	h.family("probe_attempts_total", "unknown", day, scrape, probes...)
	h.family("probe_metric_errors_total", "unknown", hours, scrape, quotas...)
	h.family("fremisn_license_used", "unknown", day, scrape, quotas...)
	h.family("fremisn_license_limit", "unknown", hours, scrape, quotas...)
	for _, name := range strings.Fields(`fremisn_objective_availability fremisn_objective_latency_seconds
		fremisn_objective_latency_ratio fremisn:availability:objective fremisn:latency:objective
		fremisn:latency_bound:seconds`) {
		h.family(name, "unknown", hours, scrape, objectives...)
	}
	h.family("fremisn:route_requests:rate5m", "unknown", hours, scrape, outcomes...)
	h.family("fremisn:node_up:min", "unknown", hours, scrape, probes...)
	for _, name := range strings.Fields(`fremisn:requests_bad:rate5m fremisn:requests_valid:rate5m
		fremisn:requests_slow:rate5m fremisn:requests_served:rate5m`) {
		h.family(name, "unknown", month, 5*time.Minute, objectives...)
	}
}
