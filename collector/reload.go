package collector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log/level"

	"github.com/fremisn/fremisn-exporter/collector/internal/follow"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// reloadWait is how long a reload waits for logs to be read up to the change.
const reloadWait = 2 * time.Second

var errEnded = errors.New("the collector has stopped")

// Reload switches to other settings. Logs that stay keep their counters and their position; a changed format or
// changed routes apply from the next line. After an error everything is unchanged. It may be called at any time, even
// before Run, and waits at most until ctx or Run's context ends.
func (c *Collector) Reload(ctx context.Context, s *source.Settings) error {
	ctx, cancel := c.withRun(ctx)
	defer cancel()
	select {
	case <-c.reloading:
	case <-ctx.Done():
		return errEnded
	}
	defer func() { c.reloading <- struct{}{} }()
	if ctx.Err() != nil {
		return errEnded
	}
	before := c.observed()
	s = s.After(before.settings)
	next, makers, err := c.prepare(s)
	if err != nil {
		return err
	}
	c.remember(s) // before a new log is read: its format must survive a crash
	if next.logs, err = c.changeLogs(ctx, before.logs, s.Logs(), makers); err != nil {
		return err
	}
	c.mu.Lock()
	c.current = next
	if s.Conf == nil || s.Conf != before.settings.Conf {
		c.confErr = nil
	}
	c.mu.Unlock()
	before.status.close()
	if s.Conf == nil || s.Conf != before.settings.Conf {
		c.logSettings(s)
	}
	for _, l := range s.Logs() {
		if l.IsLost() && !isLostIn(before.settings, l) {
			level.Info(c.logger).Log("msg", "nginx.conf no longer names the log: it is read until NGINX's old "+
				"workers are gone", "log", l.Name, "path", l.Path)
		}
	}
	return nil
}

// isLostIn reports whether settings have a log as lost already.
func isLostIn(s *source.Settings, l source.LogSource) bool {
	return slices.ContainsFunc(s.Logs(), func(b source.LogSource) bool { return b.IsLost() && b.Same(l) })
}

// withRun returns ctx, ended by Run's, too.
func (c *Collector) withRun(ctx context.Context) (context.Context, context.CancelFunc) {
	c.mu.Lock()
	run := c.run
	c.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	if run == nil {
		return ctx, cancel
	}
	if run.Err() != nil {
		cancel()
	}
	stop := context.AfterFunc(run, cancel)
	return ctx, func() { stop(); cancel() }
}

// changeLogs ends the logs that are gone before it starts new ones: a log that moved keeps its name, and that is the
// name of its record on disk.
func (c *Collector) changeLogs(ctx context.Context, before []*followed, logs []source.LogSource,
	makers []maker) ([]*followed, error) {
	ctx, cancel := context.WithTimeout(ctx, reloadWait)
	defer cancel()
	kept, err := c.replaceCounters(ctx, before, logs, makers)
	if err != nil {
		return nil, err
	}
	ending := c.endLogs(ctx, before, kept)
	c.shareFormer(logs)
	peers := c.newPeers(logs)
	var next []*followed
	for i, l := range logs {
		f := kept[i]
		if f == nil {
			f = c.begin(c.follow(l, makers[i], peers, c.formerOf(l)), endsBefore(ending, l))
		}
		next = append(next, f)
	}
	return next, nil
}

// replaceCounters makes the logs that stay count with their new counters. It returns them by their index in logs. A
// log that cannot be read at the moment changes when it can.
func (c *Collector) replaceCounters(ctx context.Context, before []*followed, logs []source.LogSource,
	makers []maker) (map[int]*followed, error) {
	kept := map[int]*followed{}
	if !c.isRunning() {
		return kept, nil
	}
	errs := make([]error, len(logs))
	var changing sync.WaitGroup
	for i, l := range logs {
		at := slices.IndexFunc(before, func(f *followed) bool {
			return f.source.Same(l) && (l.IsLost() ||
				!f.hasEnded()) && hasSamePeers(f.source, before, logs)
		})
		if at < 0 {
			continue
		}
		f := before[at]
		kept[i] = &followed{source: l, logTasks: f.logTasks, stop: f.stop}
		if l.IsLost() && f.hasEnded() {
			continue // it only shows what it has counted
		}
		changing.Go(func() {
			counter, err := makers[i]()
			if err == nil {
				err = f.pipeline.Replace(ctx, counter)
			}
			errs[i] = err
		})
	}
	changing.Wait()
	for i, err := range errs {
		if errors.Is(err, follow.ErrStillReading) {
			level.Warn(c.logger).Log("msg", "the log cannot be read now; the reload's changes apply once it can",
				"log", logs[i].Name)
			errs[i] = nil
		} else if err != nil && logs[i].IsLost() {
			errs[i] = nil // it has ended meanwhile
		} else if err != nil {
			errs[i] = fmt.Errorf("log %s: %w", logs[i].Name, err)
		}
	}
	return kept, errors.Join(errs...)
}

// hasSamePeers reports whether the logs to which a log may leave files are the same. A glob that is to leave out others
// ends, and begins anew: what it has read by then is saved for the log that has the file next.
func hasSamePeers(l source.LogSource, before []*followed, logs []source.LogSource) bool {
	if !l.IsGlob() {
		return true
	}
	var sources []source.LogSource
	for _, f := range before {
		sources = append(sources, f.source)
	}
	peers := func(logs []source.LogSource) (peers []string) {
		for _, other := range logs {
			if other.Name != l.Name && follow.MayShare(l, other) {
				peers = append(peers, other.Pattern()+other.Docker)
			} else if other.Name == l.Name {
				peers = append(peers, "")
			}
		}
		return peers
	}
	return slices.Equal(peers(sources), peers(logs))
}

// endsBefore returns what is closed when those logs have ended that may have had a log's files, or its name.
func endsBefore(ending []*followed, l source.LogSource) (ends []<-chan struct{}) {
	for _, f := range ending {
		if f.source.Name == l.Name || follow.MayShare(f.source, l) {
			ends = append(ends, f.pipeline.Done())
		}
	}
	return ends
}

// A former is a log that has ended, whose counts and position are only in memory.
type former struct {
	pipeline *follow.Pipeline
	isShared bool // another log has been followed since that may have had its files
}

// shareFormer says which of the logs that have ended may have left their files to others.
func (c *Collector) shareFormer(logs []source.LogSource) {
	for name, f := range c.former {
		f.isShared = f.isShared || slices.ContainsFunc(logs, func(l source.LogSource) bool {
			return l.Name != name && follow.MayShare(l, f.pipeline.Source())
		})
		c.former[name] = f
	}
}

// formerOf returns the log that had a log's name, the zero former if that is missing, or if its counts are on disk. It
// is called once of each: by the holder of c.reloading.
func (c *Collector) formerOf(l source.LogSource) former {
	former := c.former[l.Name]
	delete(c.former, l.Name)
	return former
}

// endLogs ends the logs that are not kept, and returns them.
func (c *Collector) endLogs(ctx context.Context, before []*followed, kept map[int]*followed) (ending []*followed) {
	stays := map[*follow.Pipeline]bool{}
	for _, f := range kept {
		stays[f.pipeline] = true
	}
	for _, f := range before {
		if !stays[f.pipeline] && f.stop != nil {
			f.stop()
			ending = append(ending, f)
			if c.state == nil {
				c.former[f.source.Name] = former{pipeline: f.pipeline}
			}
		}
	}
	for _, f := range before {
		if stays[f.pipeline] || f.stop == nil {
			continue
		}
		select {
		case <-f.pipeline.Done():
			c.retire(f)
		case <-ctx.Done():
			c.mu.Lock()
			c.stopping = append(c.stopping, f.pipeline)
			c.mu.Unlock()
		}
	}
	return ending
}

func (c *Collector) retire(f *followed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired.add(f.pipeline.Stats())
}

func (c *Collector) isRunning() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.run != nil
}

// begin starts a log if Run has begun; otherwise Run starts it.
func (c *Collector) begin(f *followed, after []<-chan struct{}) *followed {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run == nil {
		return f
	}
	return c.start(f, after)
}
