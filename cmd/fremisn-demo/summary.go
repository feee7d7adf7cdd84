package main

import (
	"fmt"
	"math"
	"text/tabwriter"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// summary waits for the last scrape and prints a line for each node.
func (d *demo) summary() error {
	if err := d.lastScrape(); err != nil {
		return err
	}
	fmt.Fprintln(d.out)
	w := tabwriter.NewWriter(d.out, 0, 8, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "  node\taddress\trequests\tp50\tp95\terrors\tretries\tprobe\t")
	for _, node := range d.nodes {
		row := row{d.prometheus, node.Name, nil}
		requests := row.value(`sum(nginx_upstream_attempts_total{node=%q})`)
		p50 := row.value(`histogram_quantile(0.5, sum by (le) ` +
			`(nginx_upstream_response_duration_seconds_bucket{node=%q}))`)
		p95 := row.value(`histogram_quantile(0.95, sum by (le) ` +
			`(nginx_upstream_response_duration_seconds_bucket{node=%q}))`)
		errors := row.value(`sum(nginx_upstream_attempts_total{node=%q,outcome!="ok"}) or vector(0)`)
		retries := row.value(`sum(nginx_upstream_retries_total{node=%q}) or vector(0)`)
		up := row.value(`probe_success{node=%q,probe="health"}`)
		if row.err != nil {
			return row.err
		}
		state := "down"
		if up == 1 {
			state = "up"
		}
		fmt.Fprintf(w, "  %s\t%s\t%.0f\t%s\t%s\t%.0f\t%.0f\t%s\t\n", node.Name, node.Address, requests, inMs(p50),
			inMs(p95), errors, retries, state)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return d.clients()
}

// clients returns the clients' view, in one line.
func (d *demo) clients() error {
	row := row{prometheus: d.prometheus}
	count := func(outcome string) float64 {
		row.node = outcome
		return row.value(`sum(nginx_access_requests_total{outcome=%q}) or vector(0)`)
	}
	fmt.Fprintf(d.out, "\n  clients: %.0f ok, %.0f rejected by the limiter, %.0f without a free node, %.0f "+
		"errors, %.0f timeouts\n",
		count("ok"), count("limited"), count("no_live"), count("error"), count("timeout"))
	return row.err
}

// A row queries Prometheus about one node; it keeps the first error.
type row struct {
	prometheus *testenv.Prometheus
	node       string
	err        error
}

func (r *row) value(expression string) float64 {
	samples, err := r.prometheus.Query(fmt.Sprintf(expression, r.node))
	if err != nil {
		r.err = err
	}
	if len(samples) == 0 {
		return math.NaN()
	}
	return samples[0].Value
}

func inMs(seconds float64) string {
	if math.IsNaN(seconds) {
		return "–"
	}
	return fmt.Sprintf("%.0f ms", seconds*1000)
}

// lastScrape waits until Prometheus has scraped once more.
func (d *demo) lastScrape() error {
	now := float64(time.Now().UnixMilli()) / 1000
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		samples, err := d.prometheus.Query("min(timestamp(up))")
		if err != nil {
			return err
		}
		if len(samples) == 1 && samples[0].Value > now {
			return nil
		}
	}
	return fmt.Errorf("prometheus has not scraped the exporter:\n%s", d.prometheus.Output())
}
