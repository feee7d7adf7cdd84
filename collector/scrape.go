package collector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fremisn/fremisn-exporter/collector/internal/follow"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// Gatherer gives what can be told within ctx. In OpenMetrics two counters of the status page are of unknown type,
// as their names, which are a promise, are not those of counters there.
func (c *Collector) Gatherer(ctx context.Context, openMetrics bool) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		registry := prometheus.NewRegistry()
		if err := registry.Register(&scrape{c, ctx, openMetrics}); err != nil {
			return nil, err
		}
		return registry.Gather()
	})
}

// A scrape is the Collector at one scrape, with its deadline.
type scrape struct {
	c           *Collector
	ctx         context.Context
	openMetrics bool
}

// Describe describes nothing: which metrics there are depends on nginx.conf and on the log_format.
func (s *scrape) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s *scrape) Collect(metrics chan<- prometheus.Metric) {
	now := s.c.observed()
	e := emitter{now.descs, func(m prometheus.Metric) { metrics <- m }}
	s.c.runner.run(s.ctx, s.c.tasks(now, s.openMetrics), e)
	s.c.emitState(now, e)
}

func (c *Collector) tasks(now *observed, openMetrics bool) []task {
	c.mu.Lock()
	confErr := c.confErr
	c.mu.Unlock()
	var tasks []task
	add := func(name string, collect func(ctx context.Context, e emitter) error) {
		tasks = append(tasks, task{name, func(ctx context.Context, emit func(prometheus.Metric)) error {
			return collect(ctx, emitter{now.descs, emit})
		}})
	}
	for _, other := range c.others {
		tasks = append(tasks, task{other.Name, other.Collect})
	}
	if len(now.status.pages) > 0 {
		add("stub_status", func(ctx context.Context, e emitter) error { return now.status.collect(ctx, openMetrics, e) })
	}
	for name, kind := range map[string]source.Kind{"access_log": source.Access, "stream_log": source.Stream, "error_log": source.Error} {
		var unreadable error
		if kind == source.Access {
			unreadable = now.settings.Unreadable()
		}
		if logs := now.logsOf(kind); len(logs) > 0 || unreadable != nil {
			add(name, func(ctx context.Context, e emitter) error {
				err := errors.Join(collectLogs(ctx, logs, now.topology, e), unreadable)
				if kind == source.Error {
					emitTakenOut(ctx, logs, now.topology, e)
				}
				return err
			})
		}
	}
	if conf := now.settings.Conf; conf != nil {
		add("nginx_conf", func(_ context.Context, e emitter) error {
			emitNginxConf(conf, now.topology, e)
			emitRunning(conf, &c.nginx, e)
			return confErr
		})
	}
	return tasks
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

// collectLogs asks all logs at once to read to their ends; what one gives does not depend on the others.
func collectLogs(ctx context.Context, logs []*followed, t *source.Topology, e emitter) error {
	snapshots := make([]*follow.Snapshot, len(logs))
	errs := make([]error, len(logs))
	var reading sync.WaitGroup
	for i, f := range logs {
		reading.Go(func() { snapshots[i], errs[i] = f.pipeline.Scrape(ctx) })
	}
	reading.Wait()
	for i, f := range logs {
		if snapshots[i] != nil {
			f.exposer.expose(snapshots[i], f.pipeline.Stats().Lag, t, e)
		}
		switch {
		case f.source.IsLost() && f.hasEnded():
			errs[i] = nil // its last counts stay
		case errs[i] != nil:
			errs[i] = fmt.Errorf("log %s: %w", f.source.Name, errs[i])
		}
	}
	return errors.Join(errs...)
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
