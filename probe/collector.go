package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// reasons of failures. Each is exposed from zero on, so that the first failure is an increase.
var reasons = [...]string{"dns", "connect", "tls", "timeout", "status", "body", "header", "license", "other"}

var ownLabels = []string{"probe", "target", "node"}

const helpLatency = "Duration of successful probes."

// counts are the totals over all probes of a target.
type counts struct {
	born         *timestamppb.Timestamp
	attempts     uint64
	failures     [len(reasons)]uint64
	metricErrors map[string]uint64 // by metric; replaced, never changed
	consecutive  uint64
	lastSuccess  time.Time
	latency      prometheus.Histogram
}

func newCounts() counts {
	return counts{
		born: timestamppb.Now(),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "probe_latency_seconds", Help: helpLatency,
			Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
				10},
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		}),
	}
}

func (c *counts) add(r Result) {
	c.attempts++
	for _, metric := range r.missing {
		c.count(metric, 1)
	}
	if r.Success {
		c.consecutive = 0
		c.lastSuccess = r.When.Add(r.Duration)
		c.latency.Observe(r.Duration.Seconds())
		return
	}
	c.consecutive++
	at := slices.Index(reasons[:], r.Reason)
	if at < 0 {
		at = len(reasons) - 1 // other
	}
	c.failures[at]++
}

// count adds to the errors of a body metric.
func (c *counts) count(metric string, n uint64) {
	changed := maps.Clone(c.metricErrors)
	if changed == nil {
		changed = map[string]uint64{}
	}
	changed[metric] += n
	c.metricErrors = changed
}

// CheckClock reports a probe that did not end within twice its timeout.
func (s *Service) CheckClock(context.Context, func(prometheus.Metric)) error {
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	var stuck []error
	for _, t := range targets {
		t.mu.Lock()
		if t.stuck() {
			stuck = append(stuck, fmt.Errorf("%s %s: %w", t.probe, t.masked, errStuck))
		}
		t.mu.Unlock()
	}
	return errors.Join(stuck...)
}

// Gather returns the gauges of each target's last probe, and the totals, sorted by name. It is a prometheus.Gatherer
// that builds its families itself: a registry would visit each of half a million series several times.
func (s *Service) Gather() ([]*dto.MetricFamily, error) {
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	g := gathering{families: map[string]*family{}, pairs: map[Label]*dto.LabelPair{}, counting: true}
	states := make([]targetSnapshot, len(targets))
	for i, t := range targets {
		states[i] = t.snapshot()
		g.target(&states[i])
	}
	g.allocate()
	for i := range states {
		g.target(&states[i])
	}
	families := append(g.build(), s.refused.family())
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return families, nil
}

// A targetSnapshot is what a target exposes at one scrape.
type targetSnapshot struct {
	own    []*dto.LabelPair
	counts counts
	every  time.Duration
	last   *Result // nil before the first probe has ended
}

func (t *target) snapshot() targetSnapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	return targetSnapshot{t.pairs, t.counts, t.every, t.last}
}

// target counts or writes a target's metrics.
func (g *gathering) target(t *targetSnapshot) {
	own, counts, last := t.own, &t.counts, t.last
	g.counter("probe_attempts_total", "Finished probes.", own, counts.attempts, counts.born)
	for i := range reasons {
		g.counter("probe_failures_total", "Probes that failed, by reason.", own, counts.failures[i], counts.born,
			reasonLabels[i]...)
	}
	for _, metric := range sortedKeys(counts.metricErrors) {
		g.counter("probe_metric_errors_total", "Numbers missing in a body, or not numeric.", own,
			counts.metricErrors[metric], counts.born, Label{"metric", metric})
	}
	g.gauge("probe_interval_seconds", "Interval at which the target is probed.", own, t.every.Seconds())
	g.gauge("probe_consecutive_failures", "Probes that failed since the last success.", own,
		float64(counts.consecutive))
	if !counts.lastSuccess.IsZero() {
		g.gauge("probe_last_success_timestamp_seconds", "Unix time of the last success.", own,
			float64(counts.lastSuccess.UnixMilli())/1000)
	}
	g.histogram("probe_latency_seconds", helpLatency, own, counts.latency)
	if last == nil {
		return
	}
	for i := range last.Samples {
		s := &last.Samples[i]
		g.gauge(s.Name, s.Help, own, s.Value, s.Labels...)
	}
}

// reasonLabels are the labels of probe_failures_total, for each reason.
var reasonLabels = func() (all [len(reasons)][]Label) {
	for i, reason := range reasons {
		all[i] = []Label{{"reason", reason}}
	}
	return all
}()
