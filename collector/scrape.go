package collector

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fremisn/fremisn-exporter/collector/internal/follow"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// Gatherer returns what is available within ctx. In OpenMetrics two counters of the status page are of unknown type,
// as their names, which are a promise, are not those of counters there.
func (c *Collector) Gatherer(ctx context.Context, openMetrics bool) prometheus.Gatherer {
	return prometheus.GathererFunc(func() (families []*dto.MetricFamily, err error) {
		defer func() {
			if fault := recover(); fault != nil { // as a registry does: it costs this scrape, and not the program
				err = fmt.Errorf("%v\n%s", fault, debug.Stack())
			}
		}()
		now := c.observed()
		still := c.askStill(ctx)
		g := &gathering{descs: now.descs}
		c.reports.run(ctx, c.collections(now, still), emitter{g}, openMetrics)
		c.emitState(now, emitter{g})
		return g.families()
	})
}

// A collection is one collector's work at a scrape. It waits for slow things at most until ctx ends.
type collection struct {
	name    string
	collect func(ctx context.Context) (emission, error)
}

// An emission emits what a collection has found; nil for nothing.
type emission func(e emitter, openMetrics bool)

func (c *Collector) collections(now *observed, still stillLogs) []collection {
	var all []collection
	for _, o := range c.others {
		all = append(all, collection{o.name, o.collect})
	}
	if len(now.status.pages) > 0 {
		all = append(all, collection{"stub_status", now.status.collect})
	}
	unreadable := now.settings.Unreadable()
	for _, of := range []struct {
		name       string
		kind       source.Kind
		topology   *source.Topology
		unreadable error
	}{{"access_log", source.Access, now.topology, unreadable}, {"stream_log", source.Stream, now.streams, nil}} {
		if logs := now.logsOf(of.kind); len(logs) > 0 || of.unreadable != nil {
			all = append(all, collection{of.name, func(ctx context.Context) (emission, error) {
				found, err := collectLogs(ctx, logs, still, of.topology)
				return found, errors.Join(err, of.unreadable)
			}})
		}
	}
	if logs := now.logsOf(source.Error); len(logs) > 0 {
		all = append(all, collection{"error_log", func(ctx context.Context) (emission, error) {
			return collectErrorLogs(ctx, logs, still, now.topology)
		}})
	}
	if now.settings.Conf != nil {
		all = append(all, collection{"nginx_conf", func(context.Context) (emission,
			error) {
			return c.collectConf(now)
		}})
	}
	return all
}

func (c *Collector) collectConf(now *observed) (emission, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return func(e emitter, _ bool) {
		emitNginxConf(now.settings.Conf, now.topology, e)
		emitRunning(now.settings.Conf, &c.nginx, e)
	}, c.confErr
}

func (o *observed) logsOf(kind source.Kind) []*followed {
	var logs []*followed
	for _, f := range o.logs {
		if f.source.Kind == kind {
			logs = append(logs, f)
		}
	}
	return logs
}

// collectLogs asks all logs at once to read to their ends; what one gives does not depend on the others. One that does
// not answer gives what it has committed so far.
func collectLogs(ctx context.Context, logs []*followed, still stillLogs, t *source.Topology) (emission, error) {
	snapshots, err := snapshotsOf(ctx, logs, still)
	return exposeLogs(logs, snapshots, t), err
}

func exposeLogs(logs []*followed, snapshots []*follow.Snapshot, t *source.Topology) emission {
	return func(e emitter, _ bool) {
		for i, f := range logs {
			if snapshots[i] != nil {
				f.exposer.expose(snapshots[i], f.pipeline.Stats().Lag, t, e)
			}
		}
	}
}

// snapshotsOf returns what each log has committed, up to what was written before; nil before its first commit.
func snapshotsOf(ctx context.Context, logs []*followed, still stillLogs) ([]*follow.Snapshot, error) {
	snapshots := make([]*follow.Snapshot, len(logs))
	errs := make([]error, len(logs))
	var reading sync.WaitGroup
	for i, f := range logs {
		if still[f.pipeline] {
			snapshots[i] = f.pipeline.Last()
			continue
		}
		reading.Go(func() {
			snapshots[i], errs[i] = f.scrape(ctx)
		})
	}
	reading.Wait()
	return snapshots, joinFew(errs)
}

// joinFew joins the first errors of logs, and counts the others: if a disk hangs, each of a thousand has one.
func joinFew(errs []error) error {
	const most = 10
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if more := len(errs) - most; more > 0 {
		errs = append(errs[:most], fmt.Errorf("and %d more", more))
	}
	return errors.Join(errs...)
}

// scrape returns the counts of a log, up to what was written before. With an error they are older.
func (f *followed) scrape(ctx context.Context) (*follow.Snapshot, error) {
	if f.source.IsLost() && f.hasEnded() {
		return f.pipeline.Last(), nil // its last counts stay
	}
	snapshot, err := f.read.ask(ctx)
	if err != nil {
		return f.pipeline.Last(), fmt.Errorf("log %s: %w", f.source.Name, err)
	}
	return snapshot, nil
}

// reports runs collections side by side, times them, and says whether they succeeded.
type reports struct {
	logger log.Logger

	mu     sync.Mutex
	errors map[string]string // the last error logged, so that each is logged once and not at every scrape
}

func newReports(logger log.Logger) *reports {
	return &reports{logger: logger, errors: map[string]string{}}
}

// A result is what one collection found.
type result struct {
	name     string
	found    emission
	err      error
	duration time.Duration
}

// run emits what the collections find, each when it has finished.
func (r *reports) run(ctx context.Context, collections []collection, e emitter, openMetrics bool) {
	results := make(chan result, len(collections))
	for _, c := range collections {
		go func() {
			begin := time.Now()
			found, err := c.collect(ctx)
			results <- result{c.name, found, err, time.Since(begin)}
		}()
	}
	for range collections {
		got := <-results
		r.log(got)
		if got.found != nil {
			got.found(e, openMetrics)
		}
		success := 0.0
		if got.err == nil {
			success = 1
		}
		e.gauge(metric.CollectorSuccess, success, got.name)
		e.gauge(metric.CollectorDuration, got.duration.Seconds(), got.name)
	}
}

// log logs a new error, and its end.
func (r *reports) log(got result) {
	now := ""
	if got.err != nil {
		now = got.err.Error()
	}
	r.mu.Lock()
	before := r.errors[got.name]
	r.errors[got.name] = now
	r.mu.Unlock()
	switch {
	case now == before:
	case now == "":
		level.Info(r.logger).Log("msg", "collector works again", "collector", got.name)
	default:
		level.Warn(r.logger).Log("msg", "collector failed", "collector", got.name, "err", now)
	}
}

// commits counts writes of positions and counters.
type commits struct {
	ok, failed uint64
	oldest     time.Time // the oldest of the logs' last successful writes
}

func (s *commits) add(p follow.Stats) {
	s.ok += p.CommitsOK
	s.failed += p.CommitsFailed
}

func (c *Collector) emitState(now *observed, e emitter) {
	if c.state == nil {
		return
	}
	c.mu.Lock()
	sum := c.retired
	c.mu.Unlock()
	for _, f := range now.logs {
		stats := f.pipeline.Stats()
		sum.add(stats)
		if sum.oldest.IsZero() || stats.LastCommit.Before(sum.oldest) {
			sum.oldest = stats.LastCommit
		}
	}
	e.counter(metric.StateCommits, float64(sum.ok), "ok")
	e.counter(metric.StateCommits, float64(sum.failed), "failed")
	if !sum.oldest.IsZero() {
		e.gauge(metric.StateLastCommit, float64(sum.oldest.UnixMilli())/1000)
	}
}
