package probe

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

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
	latency      *latency // shared, and locked by itself
}

func newCounts() counts {
	return counts{
		born:    timestamppb.Now(),
		latency: newLatency(),
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
		c.latency.observe(r.Duration.Seconds())
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
func (s *Service) CheckClock(context.Context) error {
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

// Families returns what the probes give now: the gauges of each target's last probe, and what adds up. The families
// come sorted by name, as often as they are gone through. They share their memory: each may be used until the next
// alone.
func (s *Service) Families() iter.Seq[*dto.MetricFamily] {
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	states := make([]targetSnapshot, len(targets))
	for i, t := range targets {
		states[i] = t.snapshot()
	}
	return snapshot{states, s.refused.family()}.families()
}

// A targetSnapshot is what a target exposes at one scrape.
type targetSnapshot struct {
	own    []*dto.LabelPair
	counts counts
	every  time.Duration
	last   measured
}

func (t *target) snapshot() targetSnapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	return targetSnapshot{t.pairs, t.counts, t.every, t.measured}
}

// ownFamilies are those that are not the last gauges of a target, and how each is written. One that has no metrics is
// left out.
var ownFamilies = []struct {
	name, help string
	kind       dto.MetricType
	metrics    func(w *familyWriter, t *targetSnapshot)
}{
	{"probe_attempts_total", "Finished probes.", dto.MetricType_COUNTER,
		func(w *familyWriter, t *targetSnapshot) { w.counter(t, t.counts.attempts) }},
	{"probe_failures_total", "Probes that failed, by reason.", dto.MetricType_COUNTER,
		func(w *familyWriter, t *targetSnapshot) {
			for i := range reasons {
				w.counter(t, t.counts.failures[i], reasonLabels[i]...)
			}
		}},
	{"probe_metric_errors_total", "Numbers missing in a body, or not numeric.", dto.MetricType_COUNTER,
		func(w *familyWriter, t *targetSnapshot) {
			for _, metric := range sortedKeys(t.counts.metricErrors) {
				w.counter(t, t.counts.metricErrors[metric], Label{"metric", metric})
			}
		}},
	{"probe_interval_seconds", "Interval at which the target is probed.", dto.MetricType_GAUGE,
		func(w *familyWriter, t *targetSnapshot) { w.gauge(t, t.every.Seconds()) }},
	{"probe_consecutive_failures", "Probes that failed since the last success.", dto.MetricType_GAUGE,
		func(w *familyWriter, t *targetSnapshot) { w.gauge(t, float64(t.counts.consecutive)) }},
	{"probe_last_success_timestamp_seconds", "Unix time of the last success.", dto.MetricType_GAUGE,
		func(w *familyWriter, t *targetSnapshot) {
			if last := t.counts.lastSuccess; !last.IsZero() {
				w.gauge(t, float64(last.UnixMilli())/1000)
			}
		}},
	{"probe_latency_seconds", helpLatency, dto.MetricType_HISTOGRAM,
		func(w *familyWriter, t *targetSnapshot) { w.latency(t) }},
}

// reasonLabels are the labels of probe_failures_total, for each reason.
var reasonLabels = func() (all [len(reasons)][]Label) {
	for i, reason := range reasons {
		all[i] = []Label{{"reason", reason}}
	}
	return all
}()
