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
	"google.golang.org/protobuf/proto"
)

// reasons of failures, each given from zero on so that the first is a rise.
var reasons = []string{"dns", "connect", "tls", "timeout", "status", "body", "header", "license", "other"}

var ownLabels = []string{"probe", "target", "node"}

var (
	descAttempts     = prometheus.NewDesc("probe_attempts_total", "Probes that have ended.", ownLabels, nil)
	descFailures     = prometheus.NewDesc("probe_failures_total", "Probes that failed, by reason.", append(ownLabels[:3:3], "reason"), nil)
	descMetricErrors = prometheus.NewDesc("probe_metric_errors_total", "Numbers that a body should have held and did not.", append(ownLabels[:3:3], "metric"), nil)
	descConsecutive  = prometheus.NewDesc("probe_consecutive_failures", "Probes that failed since the last success.", ownLabels, nil)
	descLastSuccess  = prometheus.NewDesc("probe_last_success_timestamp_seconds", "Unix time of the last success.", ownLabels, nil)
	descInterval     = prometheus.NewDesc("probe_interval_seconds", "How often the target is probed.", ownLabels, nil)
	descLatency      = prometheus.NewDesc("probe_latency_seconds", "How long the probes that succeed take.", ownLabels, nil)
)

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
			Name: "probe_latency_seconds", Help: "How long the probes that succeed take.",
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
	own := []string{t.probe, t.masked, t.node}
	count := func(d *prometheus.Desc, n uint64, more ...string) {
		m, err := prometheus.NewConstMetricWithCreatedTimestamp(d, prometheus.CounterValue, float64(n), t.counts.born, append(own[:3:3], more...)...)
		c.give(m, err)
	}
	count(descAttempts, t.counts.attempts)
	for reason, n := range t.counts.failures {
		count(descFailures, n, reason)
	}
	for name, n := range t.counts.metricErrors {
		count(descMetricErrors, n, name)
	}
	c.give(prometheus.NewConstMetric(descInterval, prometheus.GaugeValue, t.every.Seconds(), own...))
	c.give(prometheus.NewConstMetric(descConsecutive, prometheus.GaugeValue, float64(t.counts.consecutive), own...))
	if !t.counts.lastSuccess.IsZero() {
		c.give(prometheus.NewConstMetric(descLastSuccess, prometheus.GaugeValue, float64(t.counts.lastSuccess.UnixMilli())/1000, own...))
	}
	c.emit(&labelled{t.counts.latency, own})
	if t.last == nil {
		return
	}
	for _, sample := range t.last.Samples {
		c.sample(sample, own)
	}
}

func (c *collection) give(m prometheus.Metric, err error) {
	if err != nil {
		c.errs = append(c.errs, err)
		return
	}
	c.emit(m)
}

// sample gives a gauge of the last probe. A label of probe_expect_info may have the name of one of ours: it gives way,
// as a scraped label does in Prometheus.
func (c *collection) sample(s Sample, own []string) {
	names, values := append([]string{}, ownLabels...), append([]string{}, own...)
	for _, l := range s.Labels {
		name := l.Name
		for slices.Contains(names, name) {
			name = "exported_" + name
		}
		names, values = append(names, name), append(values, l.Value)
	}
	key := s.Name + " " + strings.Join(names, " ")
	if c.descs[key] == nil {
		c.descs[key] = prometheus.NewDesc(s.Name, s.Help, names, nil)
	}
	c.give(prometheus.NewConstMetric(c.descs[key], prometheus.GaugeValue, s.Value, values...))
}

// A labelled is a histogram with the labels of its target, which it was not born with: the node may change.
type labelled struct {
	of  prometheus.Histogram
	own []string
}

func (l *labelled) Desc() *prometheus.Desc { return descLatency }

func (l *labelled) Write(out *dto.Metric) error {
	if err := l.of.Write(out); err != nil {
		return err
	}
	out.Label = []*dto.LabelPair{
		{Name: proto.String("node"), Value: proto.String(l.own[2])},
		{Name: proto.String("probe"), Value: proto.String(l.own[0])},
		{Name: proto.String("target"), Value: proto.String(l.own[1])},
	}
	return nil
}
