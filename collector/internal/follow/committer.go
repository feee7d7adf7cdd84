package follow

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
)

// A committer writes a log's records, each in a goroutine of its own: a disk that hangs must not hold up the reading.
type committer struct {
	dir     *statefile.Dir
	log     string // the record's name
	logger  log.Logger
	publish func(*Snapshot)
	free    chan struct{} // holds a token while no commit is under way

	mu      sync.Mutex
	counts  Stats
	saved   bool // there is a record on disk, of this run or unchanged since the last one
	failing bool // the last commit failed; logged once
	lastTry time.Time
	begun   time.Time // the last write
}

// commitWork is a record with the snapshot to publish once it is on disk.
type commitWork struct {
	record   statefile.Record
	isStart  bool // nothing has been counted, and no record exists
	snapshot *Snapshot
	done     chan error
}

// maxCommitWait is how long a scrape waits for a disk.
const maxCommitWait = 2 * time.Second

var errCommitHangs = errors.New("saving state: the disk does not answer")

func newCommitter(dir *statefile.Dir, name string, logger log.Logger, publish func(*Snapshot)) *committer {
	c := &committer{dir: dir, log: name, logger: logger, publish: publish, free: make(chan struct{}, 1)}
	c.free <- struct{}{}
	return c
}

func (c *committer) write(w commitWork) {
	var err error
	if w.isStart {
		err = c.dir.Begin(c.log, w.record.Position)
	} else {
		err = c.dir.Commit(c.log, w.record)
	}
	if err == nil {
		c.publish(w.snapshot)
	}
	c.count(err)
	c.free <- struct{}{} // before the answer: who gets that may commit again at once
	w.done <- err
}

// stop leaves the record to the next follower of the log, once no commit is under way.
func (c *committer) stop() {
	select {
	case <-c.free:
		c.release()
	default:
		go func() { <-c.free; c.release() }()
	}
}

func (c *committer) release() {
	if c.dir != nil {
		c.dir.Release(c.log)
	}
}

// commit writes a record and waits for that, but not for a hanging disk: while it hangs, further commits fail at once.
func (c *committer) commit(ctx context.Context, w commitWork) error {
	c.mu.Lock()
	c.lastTry = time.Now()
	c.mu.Unlock()
	if !c.isFree(ctx) {
		c.count(errCommitHangs)
		return errCommitHangs
	}
	c.mu.Lock()
	c.begun = time.Now()
	c.mu.Unlock()
	w.done = make(chan error, 1)
	go c.write(w)
	patience := time.NewTimer(maxCommitWait)
	defer patience.Stop()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
	case <-patience.C:
	}
	return errCommitHangs
}

// isFree waits for the token as long as the write under way may take.
func (c *committer) isFree(ctx context.Context) bool {
	select {
	case <-c.free:
		return true
	default:
	}
	patience := time.NewTimer(maxCommitWait - c.sinceBegun())
	defer patience.Stop()
	select {
	case <-c.free:
		return true
	case <-ctx.Done():
	case <-patience.C:
	}
	return false
}

// sinceBegun returns how long ago the last write began.
func (c *committer) sinceBegun() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.begun)
}

// await waits until no commit is in progress, at most until ctx ends.
func (c *committer) await(ctx context.Context) {
	select {
	case <-c.free:
		c.free <- struct{}{}
	case <-ctx.Done():
	}
}

func (c *committer) count(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.saved = true
		c.counts.CommitsOK++
		c.counts.LastCommit = time.Now()
		if c.failing {
			level.Info(c.logger).Log("msg", "saving state works again")
		}
		c.failing = false
		c.counts.Unsaved = ""
		return
	}
	c.counts.CommitsFailed++
	c.counts.Unsaved = err.Error()
	if !c.failing {
		level.Error(c.logger).Log("msg", "saving state failed; the metrics of this log stay at the last saved values",
			"err", err)
	}
	c.failing = true
}

func (c *committer) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// isUnchanged says that the record on disk is still right.
func (c *committer) isUnchanged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saved = true
	c.counts.LastCommit = time.Now()
}

// isSaved reports whether the snapshot shown last is on disk, if there is one.
func (c *committer) isSaved() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.saved || c.dir == nil
}

// awaitFirst is isSaved once the write under way has ended, if it does in time.
func (c *committer) awaitFirst(ctx context.Context) bool {
	if !c.isSaved() && c.isFree(ctx) {
		c.free <- struct{}{}
	}
	return c.isSaved()
}

// isDue reports whether it is time to commit without a scrape.
func (c *committer) isDue(now time.Time, dirty bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return (dirty || !c.saved && c.dir != nil) && now.Sub(c.lastTry) >= commitInterval
}
