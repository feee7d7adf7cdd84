package follow

import (
	"context"
	"errors"
	"time"

	"github.com/go-kit/log/level"
)

// What keeps a log from beginning.

// endingAfter returns a context that ends some time after ctx.
func endingAfter(ctx context.Context, wait time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(wait, cancel) })
	return later, func() { stop(); cancel() }
}

// reportSlowState says what hangs: without its saved state a log must not be read. For logs that begin together it is
// logged once.
func (p *Pipeline) reportSlowState(records *Records) {
	if p.commits.dir == nil {
		return
	}
	if p.Stats().Problem != "" {
		return // it is the log's own disk
	}
	problem := "the saved state cannot be loaded: the disk of the storage path does not answer"
	report := func() { level.Error(p.logger).Log("msg", problem, "path", p.commits.dir.Path()) }
	if records == nil {
		report()
	} else {
		records.slow.Do(report)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problem = problem + " (" + p.commits.dir.Path() + ")"
}

// reportSlowLog says what hangs: the log's own disk. The first read clears it.
func (p *Pipeline) reportSlowLog() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problem = p.source.Where() + " does not answer"
}

// whyNotBegun returns what kept the log from beginning, nil if it only had no time for that.
func (p *Pipeline) whyNotBegun() error {
	if problem := p.Stats().Problem; problem != "" {
		return errors.New(problem)
	}
	return nil
}

// whyLate returns ErrStillReading, or what keeps the reading from beginning.
func (p *Pipeline) whyLate() error {
	if problem := p.Stats().Problem; problem != "" {
		return errors.New(problem)
	}
	return ErrStillReading
}
