package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// probeTargets are probed once a second each.
const probeTargets = 1000

// probes makes the exporter, on one core, probe a thousand targets at one second, half of them failing, until every
// history is full; then blackbox_exporter probes the same targets on request, as for Prometheus.
func (b *bench) probes() error {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/bad") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		io.WriteString(w, "{}")
	}))
	defer node.Close()
	const modules = "modules: {alive: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}}\n"
	targets := make([]string, probeTargets)
	for i := range targets {
		targets[i] = fmt.Sprintf("%s/%s/%d", node.URL, []string{"good", "bad"}[i%2], i)
	}
	b.cores = 1
	ours, err := b.start(modules + "probes: [{name: p, module: alive, interval: 1s, targets: ['" + strings.Join(targets,
		"', '") + "']}]\n")
	b.cores = 0
	if err != nil {
		return err
	}
	defer ours.Kill()
	time.Sleep(10 * time.Second)
	count := func() (float64, time.Duration, error) {
		n, err := ours.sum("probe_attempts_total{")
		return n, ours.cpu(), err
	}
	attempts, cpu, err := count()
	if err != nil {
		return err
	}
	begun := time.Now()
	time.Sleep(30 * time.Second)
	spent, took := ours.cpu()-cpu, time.Since(begun)
	after, _, err := count()
	if err != nil {
		return err
	}
	each := spent.Seconds() / (after - attempts)
	b.row("1,000 targets at 1 s, GOMAXPROCS=1", fmt.Sprintf("%.0f %% of one core", 100*spent.Seconds()/took.Seconds()),
		"",
		fmt.Sprintf("%.0f probes a second; %s resident, histories full", (after-attempts)/took.Seconds(),
			mib(ours.resident())))

	config := filepath.Join(b.dir, "blackbox.yml")
	if err := os.WriteFile(config, []byte(modules), 0o644); err != nil {
		return err
	}
	theirs, err := launch("/probe?module=alive&target="+url.QueryEscape(targets[0]), "prometheus-blackbox-exporter",
		"--web.listen-address=%s", "--config.file="+config)
	if err != nil {
		return err
	}
	defer theirs.Kill()
	ask := func() error {
		for range probeTargets {
			if _, err := theirs.scrape(); err != nil {
				return err
			}
		}
		return nil
	}
	if err := ask(); err != nil {
		return err
	}
	before := theirs.cpu()
	for range 5 {
		if err := ask(); err != nil {
			return err
		}
	}
	their := (theirs.cpu() - before).Seconds() / (5 * probeTargets)
	b.row("CPU of a probe ÷ blackbox_exporter's", fmt.Sprintf("%.2f ×", each/their), "",
		fmt.Sprintf("%.0f µs, blackbox_exporter %.0f µs", each*1e6, their*1e6))
	return nil
}
