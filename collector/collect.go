package collector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
)

// A task is one collector's work at one scrape: it emits metrics and returns an error, nothing more.
type task struct {
	name    string
	collect func(ctx context.Context, emit func(prometheus.Metric)) error
}

// A runner runs tasks side by side, each in its own time, and knows which of them were late.
type runner struct {
	logger log.Logger

	mu     sync.Mutex
	late   map[string]bool   // has overrun its time and not finished in time since
	stuck  map[string]int    // scrapes that gave up on the task while it still runs
	errors map[string]string // the last error told, so that each is logged once and not at every scrape
}

func newRunner(logger log.Logger) *runner {
	return &runner{logger: logger, late: map[string]bool{}, stuck: map[string]int{}, errors: map[string]string{}}
}

// A result is what one task gave in its time.
type result struct {
	name     string
	metrics  []prometheus.Metric
	err      error
	duration time.Duration
}

var errStillRunning = errors.New("still busy with an earlier scrape")

// run collects all tasks and emits what they gave. One that hangs costs a scrape its whole time once; from then on
// it is waited for a tenth of that time, until it is quick again, so that it does not delay the others.
func (r *runner) run(ctx context.Context, tasks []task, e emitter) {
	results := make(chan result, len(tasks))
	for _, t := range tasks {
		go func() { results <- r.one(ctx, t) }()
	}
	for range tasks {
		got := <-results
		r.tell(got)
		for _, m := range got.metrics {
			e.emit(m)
		}
		success := 0.0
		if got.err == nil {
			success = 1
		}
		e.gauge(metric.CollectorSuccess, success, got.name)
		e.gauge(metric.CollectorDuration, got.duration.Seconds(), got.name)
	}
}

// one runs a task until it ends or its time is over. What it emits after that goes nowhere.
func (r *runner) one(ctx context.Context, t task) result {
	begin := time.Now()
	if r.isStuck(t.name) {
		return result{name: t.name, err: errStillRunning}
	}
	ctx, cancel := r.patience(ctx, t.name)
	defer cancel()
	done := make(chan result, 1)
	go func() {
		got := result{name: t.name}
		got.err = t.collect(ctx, func(m prometheus.Metric) { got.metrics = append(got.metrics, m) })
		done <- got
	}()
	var got result
	select {
	case got = <-done:
	case <-overdue(ctx):
		got = result{name: t.name, err: fmt.Errorf("not done in time: %w", ctx.Err())}
		r.abandon(t.name, done)
	}
	got.duration = time.Since(begin)
	r.mu.Lock()
	r.late[t.name] = ctx.Err() != nil
	r.mu.Unlock()
	return got
}

// abandon keeps further scrapes from starting the task again until it has ended: a task that hangs for hours must
// not hang once for every scrape.
func (r *runner) abandon(name string, done <-chan result) {
	r.mu.Lock()
	r.stuck[name]++
	r.mu.Unlock()
	go func() {
		<-done
		r.mu.Lock()
		r.stuck[name]--
		r.mu.Unlock()
	}()
}

func (r *runner) isStuck(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stuck[name] > 0
}

// grace is what a task has, after its time is over, to give what it has by then.
const grace = 100 * time.Millisecond

func overdue(ctx context.Context) <-chan struct{} {
	over := make(chan struct{})
	context.AfterFunc(ctx, func() { time.AfterFunc(grace, func() { close(over) }) })
	return over
}

// patience is ctx for a task that is usually quick, and a tenth of its time for one that was late.
func (r *runner) patience(ctx context.Context, name string) (context.Context, context.CancelFunc) {
	r.mu.Lock()
	late := r.late[name]
	r.mu.Unlock()
	deadline, limited := ctx.Deadline()
	if !late || !limited {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/10)
}

// tell logs an error when it is new, and its end.
func (r *runner) tell(got result) {
	r.mu.Lock()
	before := r.errors[got.name]
	now := ""
	if got.err != nil {
		now = got.err.Error()
	}
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
