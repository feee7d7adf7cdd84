package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"
)

// scale makes the exporter, on one core, probe as many targets as large sites have, half of them failing, and scrapes
// it once their histories are full.
func (b *bench) scale() error {
	for _, s := range []struct {
		targets          int
		interval         time.Duration
		fill, watch      time.Duration
		cpu, rss, scrape string
	}{
		{2_000, time.Second, 25 * time.Second, 20 * time.Second, "≤ 25 % of one core", "≤ 160 MiB", ""},
		{10_000, 15 * time.Second, 100 * time.Second, 30 * time.Second, "", "≤ 400 MB", "≤ 0.5 s"},
	} {
		name := fmt.Sprintf("%d targets at %s", s.targets, s.interval)
		if err := b.manyTargets(name, s.targets, s.interval, s.fill, s.watch, s.cpu, s.rss, s.scrape); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (b *bench) manyTargets(name string, n int, interval, fill, watch time.Duration, cpu, rss, scrape string) error {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/bad") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		io.WriteString(w, "{}")
	}))
	defer node.Close()
	targets := make([]string, n)
	for i := range targets {
		targets[i] = fmt.Sprintf("%s/%s/%d", node.URL, []string{"good", "bad"}[i%2], i)
	}
	b.cores = 1
	defer func() { b.cores = 0 }()
	ours, err := b.start("modules: {alive: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}}\n" +
		"probes: [{name: p, module: alive, interval: " + interval.String() + ", targets: ['" + strings.Join(targets,
		"', '") + "']}]\n")
	if err != nil {
		return err
	}
	defer ours.Kill()
	time.Sleep(fill)
	before, begun := ours.cpu(), time.Now()
	time.Sleep(watch)
	spent, took := ours.cpu()-before, time.Since(begun)
	b.row(name+", GOMAXPROCS=1", fmt.Sprintf("%.0f %% of one core", 100*spent.Seconds()/took.Seconds()), cpu,
		fmt.Sprintf("%.0f µs a probe", spent.Seconds()*1e6/(took.Seconds()*float64(n)/interval.Seconds())))
	return b.scrapes(ours, spent.Seconds()/took.Seconds(), rss, scrape)
}

// scrapes measures five of them, beside the probes, which use load of one core.
func (b *bench) scrapes(ours *server, load float64, rss, target string) error {
	var walls, cpus []time.Duration
	size, refused := 0, 0
	for len(walls) < 5 {
		before, begun := ours.cpu(), time.Now()
		body, err := ours.scrape()
		wall := time.Since(begun)
		if err != nil {
			if refused++; refused > 20 { // a machine that is busy with other work does not finish within 3 s
				return err
			}
			continue
		}
		walls, size = append(walls, wall), len(body)
		cpus = append(cpus, ours.cpu()-before-time.Duration(load*float64(wall)))
		time.Sleep(2 * time.Second)
	}
	slices.Sort(walls)
	slices.Sort(cpus)
	b.row("  a scrape", fmt.Sprintf("%.2f s", walls[2].Seconds()), target,
		fmt.Sprintf("%.2f s of CPU; %.1f MB of text; %d refused", cpus[2].Seconds(), float64(size)/1e6, refused))
	b.row("  resident after five scrapes", mib(ours.resident()), rss, "histories full")
	return nil
}
