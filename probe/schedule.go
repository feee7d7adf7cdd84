package probe

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	dto "github.com/prometheus/client_model/go"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// defaultTimeout is for modules without a timeout, if the interval is not shorter.
const defaultTimeout = 10 * time.Second

// firstWithin is the maximum delay of the first probe of a target with a long interval.
const firstWithin = 5 * time.Second

// A target is probed on its own clock.
type target struct {
	probe   string // the name of the schedule
	masked  string
	service *Service
	started bool // guarded by the service's lock
	turn    turn // guarded by the timetable's

	mu       sync.Mutex // guards what follows
	asked    asked
	at       string // host:port of the address
	module   *prepared
	pairs    []*dto.LabelPair // the labels on all its metrics: ours, and the user's; replaced, and never changed
	node     string
	every    time.Duration
	counts   counts
	last     *kept // nil before the first has ended
	measured measured
	since    time.Time // when it began to succeed, or to fail
	history  history
	hour     hour
	begun    time.Time       // of the probe under way; zero without
	limit    time.Duration   // of the probe under way
	silent   map[string]bool // metrics that are known to be missing; nil without
}

func newTarget(schedule Schedule, address string, s *Service) *target {
	t := &target{
		probe: schedule.Name, masked: mask.Target(address), service: s, counts: newCounts(),
		turn: turn{index: -1},
	}
	return t
}

// key identifies targets. The series of a target have no userinfo: one whose password has changed stays the same.
func (t *target) key() string { return t.probe + "\x00" + t.masked }

// update applies a config to the target.
func (t *target) update(schedule Schedule, module *prepared, node, address string, labels map[string]string) {
	if t.started {
		defer t.service.timetable.changed(t, schedule.Interval)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if schedule.Hostname != "" {
		own := *module
		own.hostname = schedule.Hostname
		module = &own
	}
	t.pairs = t.allLabels(schedule.Labels, labels, node)
	t.asked, t.at = module.ask(address), Address(address)
	t.every, t.module, t.node = schedule.Interval, module, node
	for _, metric := range module.HTTP.Metrics {
		t.counts.count(metric.Name, 0)
	}
}

// allLabels are those on all metrics of the target: ours and the user's. Labels of a file override those of the
// schedule.
func (t *target) allLabels(schedule, file map[string]string, node string) []*dto.LabelPair {
	all := map[string]string{}
	maps.Copy(all, schedule)
	maps.Copy(all, file)
	own := []Label{{"probe", t.probe}, {"target", t.masked}, {"node", node}}
	for name, value := range all {
		own = append(own, Label{name, value})
	}
	return labelPairs(own)
}

func (t *target) interval() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.every
}

func (t *target) probeOnce(ctx context.Context) {
	t.mu.Lock()
	module, limit := t.module, t.timeout()
	target := t.asked
	t.begun, t.limit = time.Now(), limit
	t.mu.Unlock()
	r := once(ctx, module, target, limit)
	if ctx.Err() != nil {
		return // interrupted by a reload or the end; no evidence about the target
	}
	r.ID = t.service.lastID.Add(1)
	t.record(r)
	module.buffers.put(r.Samples)
}

// timeout is called with t locked.
func (t *target) timeout() time.Duration {
	if t.module.Timeout > 0 {
		return t.module.Timeout
	}
	return min(defaultTimeout, t.every)
}

func (t *target) record(r Result) {
	t.mu.Lock()
	before := t.last
	t.begun = time.Time{}
	t.counts.add(r)
	t.hour.add(r.When, r.Success)
	if before == nil || before.success() != r.Success {
		t.since = r.When
	}
	t.last = t.history.add(&r)
	t.measured.set(r.Samples, t.module.shapes)
	missing := t.newlyMissing(r)
	t.mu.Unlock()
	switch {
	case !r.Success && (before == nil || before.success() || before.reason != r.Reason):
		level.Warn(t.logger()).Log("msg", "probe failed", "reason", r.Reason, "why", r.Sentence)
	case r.Success && before != nil && !before.success():
		level.Info(t.logger()).Log("msg", "probe succeeds again")
	}
	for _, metric := range missing {
		level.Warn(t.logger()).Log("msg", "a metric is missing in the answer or is not a number", "metric", metric)
	}
}

func (t *target) logger() log.Logger {
	return log.With(t.service.logger, "probe", t.probe, "target", t.masked)
}

// newlyMissing gives the metrics that were there, or not yet asked for, and are missing now: each is logged once.
func (t *target) newlyMissing(r Result) []string {
	if !r.Success || len(t.counts.metricErrors) == 0 {
		return nil
	}
	if t.silent == nil {
		t.silent = map[string]bool{}
	}
	var fresh []string
	for name := range t.counts.metricErrors {
		missing := slices.Contains(r.missing, name)
		if missing && !t.silent[name] {
			fresh = append(fresh, name)
		}
		t.silent[name] = missing
	}
	slices.Sort(fresh)
	return fresh
}

// stuck reports whether a probe did not end within twice its timeout.
func (t *target) stuck() bool {
	return !t.begun.IsZero() && time.Since(t.begun) > 2*t.limit+time.Second
}
