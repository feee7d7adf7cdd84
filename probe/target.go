package probe

import (
	"context"
	"hash/fnv"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
)

// defaultTimeout is for modules that have none, where the interval is not shorter.
const defaultTimeout = 10 * time.Second

// reasons of failures, each given from zero on so that the first is a rise.
var reasons = []string{"dns", "connect", "tls", "timeout", "status", "body", "header", "license", "other"}

// A target is probed on its own clock.
type target struct {
	schedule Schedule
	address  string
	masked   string
	node     string
	module   *prepared
	service  *Service
	logger   log.Logger
	stop     context.CancelFunc

	mu     sync.Mutex // guards what follows
	counts counts
	last   *Result
	recent []Result // latest last
	failed []Result // latest last, kept longer
	begun  time.Time
}

// counts are what adds up over all probes of a target.
type counts struct {
	attempts     uint64
	failures     map[string]uint64
	metricErrors map[string]uint64
	consecutive  uint64
	lastSuccess  time.Time
	latency      prometheus.Histogram
}

// How many results are kept of each target.
const (
	keepRecent = 20
	keepFailed = 20
)

func newTarget(schedule Schedule, address string, module *prepared, node string, s *Service) *target {
	t := &target{schedule: schedule, address: address, masked: MaskURL(address), node: node, service: s, stop: func() {}}
	t.logger = log.With(s.logger, "probe", schedule.Name, "target", t.masked)
	own := *module
	own.metricError = t.metricError
	t.module = &own
	t.counts = counts{
		failures:     map[string]uint64{},
		metricErrors: map[string]uint64{},
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "probe_latency_seconds", Help: helpLatency,
			Buckets:                     []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		}),
	}
	for _, reason := range reasons {
		t.counts.failures[reason] = 0
	}
	for _, metric := range module.HTTP.Metrics {
		t.counts.metricErrors[metric.Name] = 0
	}
	return t
}

func (t *target) key() string { return t.schedule.Name + "\x00" + t.address }

// takeOver goes on where the target of an earlier config was.
func (t *target) takeOver(before *target) {
	before.mu.Lock()
	defer before.mu.Unlock()
	errors := t.counts.metricErrors
	t.counts = before.counts
	for name := range errors {
		errors[name] = before.counts.metricErrors[name]
	}
	t.counts.metricErrors = errors
	t.last, t.recent, t.failed = before.last, before.recent, before.failed
}

// run probes until ctx ends. Probes of a target never overlap: one that takes longer than the interval lets the
// next ones fall out.
func (t *target) run(ctx context.Context) {
	timer := time.NewTimer(t.phaseShift())
	defer timer.Stop()
	next := time.Now().Add(t.phaseShift())
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		t.probe(ctx)
		now := time.Now()
		for !next.After(now) {
			next = next.Add(t.schedule.Interval)
		}
		timer.Reset(next.Sub(now))
	}
}

// phaseShift spreads targets over the interval: always the same for one target, another for each.
func (t *target) phaseShift() time.Duration {
	sum := fnv.New64a()
	sum.Write([]byte(t.key()))
	return time.Duration(sum.Sum64() % uint64(t.schedule.Interval))
}

func (t *target) timeout() time.Duration {
	if t.module.Timeout > 0 {
		return t.module.Timeout
	}
	return min(defaultTimeout, t.schedule.Interval)
}

func (t *target) probe(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, t.timeout())
	defer cancel()
	t.mu.Lock()
	t.begun = time.Now()
	t.mu.Unlock()
	r := once(limited, t.module, t.address)
	if ctx.Err() != nil {
		return // cut short by a reload or the end; says nothing about the target
	}
	r.ID = t.service.nextID()
	t.record(r)
}

func (t *target) record(r Result) {
	t.mu.Lock()
	before := t.last
	t.begun = time.Time{}
	c := &t.counts
	c.attempts++
	if r.Success {
		c.consecutive = 0
		c.lastSuccess = r.When.Add(r.Duration)
		c.latency.Observe(r.Duration.Seconds())
	} else {
		c.consecutive++
		c.failures[r.Reason]++
		t.failed = keep(t.failed, r, keepFailed)
	}
	t.recent = keep(t.recent, r, keepRecent)
	t.last = &r
	t.mu.Unlock()
	switch {
	case !r.Success && (before == nil || before.Success || before.Reason != r.Reason):
		level.Warn(t.logger).Log("msg", "probe failed", "reason", r.Reason, "why", r.Sentence)
	case r.Success && before != nil && !before.Success:
		level.Info(t.logger).Log("msg", "probe succeeds again")
	}
}

func keep(results []Result, r Result, most int) []Result {
	if len(results) == most {
		results = append(results[:0:0], results[1:]...)
	}
	return append(results, r)
}

func (t *target) metricError(name string) {
	t.mu.Lock()
	first := t.counts.metricErrors[name] == 0 || t.last != nil && t.has(name)
	t.counts.metricErrors[name]++
	t.mu.Unlock()
	if first {
		level.Warn(t.logger).Log("msg", "a metric is missing in the answer, or no number", "metric", name)
	}
}

// has tells whether the last result gave the metric.
func (t *target) has(name string) bool {
	for _, s := range t.last.Samples {
		if s.Name == name {
			return true
		}
	}
	return false
}

// History is what is kept of a target's results.
type History struct {
	Probe, Target, Node, Module string
	Interval                    time.Duration
	Results                     []Result // latest first; failures go further back than successes
}

// History gives every target with its results.
func (s *Service) History() []History {
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	var all []History
	for _, t := range targets {
		h := History{Probe: t.schedule.Name, Target: t.masked, Node: t.node, Module: t.module.name, Interval: t.schedule.Interval}
		t.mu.Lock()
		for i := len(t.recent) - 1; i >= 0; i-- {
			h.Results = append(h.Results, t.recent[i])
		}
		for i := len(t.failed) - 1; i >= 0; i-- {
			if len(t.recent) > 0 && t.failed[i].ID < t.recent[0].ID {
				h.Results = append(h.Results, t.failed[i])
			}
		}
		t.mu.Unlock()
		all = append(all, h)
	}
	return all
}
