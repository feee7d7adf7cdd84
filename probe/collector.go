package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// reasons of failures, each given from zero on so that the first is a rise.
var reasons = []string{"dns", "connect", "tls", "timeout", "status", "body", "header", "license", "other"}

var ownLabels = []string{"probe", "target", "node"}

const helpLatency = "How long the probes that succeed take."

// counts are what adds up over all probes of a target.
type counts struct {
	born         time.Time
	attempts     uint64
	failures     map[string]uint64 // by reason
	metricErrors map[string]uint64 // by metric
	consecutive  uint64
	lastSuccess  time.Time
	latency      prometheus.Histogram
}

func newCounts() counts {
	c := counts{
		born:         time.Now(),
		failures:     map[string]uint64{},
		metricErrors: map[string]uint64{},
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "probe_latency_seconds", Help: helpLatency,
			Buckets:                     []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		}),
	}
	for _, reason := range reasons {
		c.failures[reason] = 0
	}
	return c
}

func (c *counts) add(r Result) {
	c.attempts++
	for _, metric := range r.missing {
		c.metricErrors[metric]++
	}
	if r.Success {
		c.consecutive = 0
		c.lastSuccess = r.When.Add(r.Duration)
		c.latency.Observe(r.Duration.Seconds())
		return
	}
	c.consecutive++
	c.failures[r.Reason]++
}

// CollectTo gives the gauges of each target's last probe, and what adds up. Its error says that the clock stands
// still somewhere, or that a sample cannot be given.
func (s *Service) CollectTo(_ context.Context, emit func(prometheus.Metric)) error {
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	s.refused.collect(emit)
	c := collection{descs: map[string]*prometheus.Desc{}, emit: emit}
	for _, t := range targets {
		c.target(t)
	}
	return errors.Join(c.errs...)
}

// A collection is one scrape of the probes.
type collection struct {
	descs map[string]*prometheus.Desc // by name and label names: many targets share them
	emit  func(prometheus.Metric)
	errs  []error
}

func (c *collection) target(t *target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stuck() {
		c.errs = append(c.errs, fmt.Errorf("%s %s: %w", t.probe, t.masked, errStuck))
	}
	count := func(name, help string, n uint64, more ...Label) {
		names, values := withLabels(t.names, t.values, more)
		m, err := prometheus.NewConstMetricWithCreatedTimestamp(c.desc(name, help, names), prometheus.CounterValue, float64(n), t.counts.born, values...)
		c.give(m, err)
	}
	gauge := func(name, help string, value float64) { c.sample(Sample{name, help, nil, value}, t) }
	count("probe_attempts_total", "Probes that have ended.", t.counts.attempts)
	for reason, n := range t.counts.failures {
		count("probe_failures_total", "Probes that failed, by reason.", n, Label{"reason", reason})
	}
	for name, n := range t.counts.metricErrors {
		count("probe_metric_errors_total", "Numbers that a body should have held and did not.", n, Label{"metric", name})
	}
	gauge("probe_interval_seconds", "How often the target is probed.", t.every.Seconds())
	gauge("probe_consecutive_failures", "Probes that failed since the last success.", float64(t.counts.consecutive))
	if !t.counts.lastSuccess.IsZero() {
		gauge("probe_last_success_timestamp_seconds", "Unix time of the last success.", float64(t.counts.lastSuccess.UnixMilli())/1000)
	}
	c.emit(&labelled{t.counts.latency, c.desc("probe_latency_seconds", helpLatency, t.names), t.names, t.values})
	if t.last == nil {
		return
	}
	for _, sample := range t.last.Samples {
		c.sample(sample, t)
	}
}

func (c *collection) give(m prometheus.Metric, err error) {
	if err != nil {
		c.errs = append(c.errs, err)
		return
	}
	c.emit(m)
}

// sample gives a gauge.
func (c *collection) sample(s Sample, t *target) {
	names, values := withLabels(t.names, t.values, s.Labels)
	c.give(prometheus.NewConstMetric(c.desc(s.Name, s.Help, names), prometheus.GaugeValue, s.Value, values...))
}

func (c *collection) desc(name, help string, labels []string) *prometheus.Desc {
	key := name + " " + strings.Join(labels, " ")
	if c.descs[key] == nil {
		c.descs[key] = prometheus.NewDesc(name, help, labels, nil)
	}
	return c.descs[key]
}

// withLabels adds the labels of a sample to those of its target. One may have the name of one of these: it gives way,
// as a scraped label does in Prometheus.
func withLabels(names, values []string, labels []Label) ([]string, []string) {
	if len(labels) == 0 {
		return names, values
	}
	names, values = slices.Clone(names), slices.Clone(values)
	for _, l := range labels {
		name := l.Name
		for slices.Contains(names, name) {
			name = "exported_" + name
		}
		names, values = append(names, name), append(values, l.Value)
	}
	return names, values
}

// A labelled is a histogram with the labels of its target, which it was not born with: they may change.
type labelled struct {
	of            prometheus.Histogram
	desc          *prometheus.Desc
	names, values []string
}

func (l *labelled) Desc() *prometheus.Desc { return l.desc }

func (l *labelled) Write(out *dto.Metric) error {
	if err := l.of.Write(out); err != nil {
		return err
	}
	out.Label = prometheus.MakeLabelPairs(l.desc, l.values)
	return nil
}
