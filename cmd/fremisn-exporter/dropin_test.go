package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// sinceDebians are the series that v0.28 of blackbox_exporter gives and Debian's does not, and one that is ours.
var sinceDebians = []string{"probe_tls_cipher_info", "probe_failed_due_to_bytes", "probe_timeout_seconds"}

// TestOldScrapeJobsGoOn points the scrape job of a blackbox_exporter, and an alert on it, at Debian's and at ours: a
// real Prometheus stores the same series with the same labels, and the same alerts fire.
func TestOldScrapeJobsGoOn(t *testing.T) {
	dir := t.TempDir()
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(node.Close)
	host := node.Listener.Addr().String()
	const modules = "modules:\n  fremisn_check: {prober: http, timeout: 5s, http: {valid_status_codes: [200, 404], " +
		"preferred_ip_protocol: ip4}}\n  port: {prober: tcp, timeout: 5s}\n"
	refused := freeAddress(t)
	targets := map[string][]string{
		"fremisn_check": {node.URL, node.URL + "/down", strings.Replace(host, "127.0.0.1", "localhost", 1),
			"http://" + freeAddress(t) + "/"},
		"port": {host, refused},
	}
	old := freeAddress(t)
	blackboxConfig := filepath.Join(dir, "blackbox.yml")
	if err := os.WriteFile(blackboxConfig, []byte(modules), 0o644); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("prometheus-blackbox-exporter", "--config.file="+blackboxConfig,
		"--web.listen-address="+old)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatalf("%s; Debian's package prometheus-blackbox-exporter has it", err)
	}
	t.Cleanup(func() { command.Process.Kill(); command.Wait() })
	config := modules + "probes:\n"
	for _, module := range []string{"fremisn_check", "port"} {
		config += fmt.Sprintf("  - {name: %s, module: %s, interval: 1h, targets: ['%s']}\n", module, module,
			strings.Join(targets[module], "', '"))
	}
	ours := startProgram(t, config)

	prometheusConfig := "global: {scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s}\nrule_files: " +
		"[old.rules.yml]\nscrape_configs:\n"
	for exporter, address := range map[string]string{"old": old, "new": strings.TrimPrefix(ours.url, "http://")} {
		for module, targets := range targets {
			prometheusConfig += fmt.Sprintf(`  - job_name: %s-%s
    metrics_path: /probe
    params: {module: [%s]}
    static_configs: [{targets: ['%s'], labels: {exporter: %s}}]
    relabel_configs:
      - {source_labels: [__address__], target_label: __param_target}
      - {source_labels: [__param_target], target_label: instance}
      - {target_label: job, replacement: blackbox}
      - {target_label: __address__, replacement: %s}
`, exporter, module, module, strings.Join(targets, "', '"), exporter, address)
		}
	}
	rules := "groups:\n  - name: old\n    rules:\n      - {alert: NodeDown, expr: probe_success == 0, labels: " +
		"{severity: critical}}\n" +
		"      - {alert: NodeSlow, expr: 'avg_over_time(probe_duration_seconds[1m]) > 60'}\n"
	if err := os.WriteFile(filepath.Join(dir, "old.rules.yml"), []byte(rules), 0o644); err != nil {
		t.Fatal(err)
	}
	prometheus, err := testenv.StartPrometheus(context.Background(), dir, prometheusConfig, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { prometheus.Stop() })
	series := func(query string) (all []string) {
		t.Helper()
		samples, err := prometheus.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range samples {
			name := s.Labels["__name__"]
			// The last: until v0.27 tcp probes gave it without a connection too.
			if slices.Contains(sinceDebians, name) || name == "probe_failed_due_to_regex" &&
				s.Labels["instance"] == refused {
				continue
			}
			var labels []string
			for label, value := range s.Labels {
				if label != "exporter" && label != "__name__" {
					labels = append(labels, label+"="+value)
				}
			}
			sort.Strings(labels)
			text := name + "{" + strings.Join(labels, ",") + "}"
			if !strings.Contains(name, "duration_seconds") && !strings.Contains(name, "lookup_time") &&
				!strings.HasPrefix(name, "scrape_") {
				text += fmt.Sprint(" ", s.Value)
			}
			all = append(all, text)
		}
		sort.Strings(all)
		return all
	}
	until(t, "both are scraped, and the alerts fire", func() bool {
		return len(series(`probe_success{exporter="old"}`)) == 6 && len(series(`probe_success{exporter="new"}`)) == 6 &&
			len(series(`ALERTS{exporter="old",alertstate="firing"}`)) == 3 &&
			len(series(`ALERTS{exporter="new",alertstate="firing"}`)) == 3
	})
	for _, query := range []string{`{exporter=%q,__name__=~"probe_.*"}`, `up{exporter=%q}`, `ALERTS{exporter=%q}`} {
		want, got := series(fmt.Sprintf(query, "old")), series(fmt.Sprintf(query, "new"))
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (old exporter -, ours +):\n%s", query, d)
		}
	}
}
