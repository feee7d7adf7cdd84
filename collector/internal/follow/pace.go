package follow

import (
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/internal/watch"
)

const (
	// tickInterval is how often a log is read without scrapes, so that no rotation is missed.
	tickInterval = time.Second
	// slowInterval is how often an idle log is read.
	slowInterval = 15 * time.Second
	// A log without hints is read slowly after so many ticks without a change, one with hints after idleWatched.
	idleAfter, idleLong = 60, 180
	// idleEvery is the number of ticks between two reads of an idle log without hints.
	idleEvery = 5
)

// A pace says when a log is read without scrapes: each second while lines come, seldom while none do, and at once
// after a hint. A scrape reads it anyway.
type pace struct {
	tick     *time.Ticker
	interval time.Duration
	idle     int        // polls since something came
	watched  *watch.Log // nil without hints
}

// begin watches a path, "" for none.
func (p *pace) begin(w *watch.Watcher, path string) {
	p.interval = tickInterval
	p.tick = time.NewTicker(p.interval)
	if path != "" {
		p.watched = w.Log(path)
	}
}

func (p *pace) end() {
	p.tick.Stop()
	p.watched.Close()
}

// hint returns the channel of hints, nil while the log is read each second anyway.
func (p *pace) hint() <-chan struct{} {
	if p.interval == tickInterval || p.watched == nil {
		return nil
	}
	return p.watched.C
}

// polled sets when the log is read next.
func (p *pace) polled(something bool) {
	p.idle++
	if something {
		p.idle = 0
	}
	next := tickInterval
	switch {
	case p.idle >= idleWatched && p.watched.Works(), p.idle >= idleLong:
		next = slowInterval
	case p.idle >= idleAfter:
		next = idleEvery * tickInterval
	}
	if next != p.interval {
		p.interval = next
		p.tick.Reset(next)
	}
}

// isSlow reports whether nothing has come for a while.
func (p *pace) isSlow() bool { return p.interval != tickInterval }

// watchedPath returns the file whose changes may be hinted, "" for none.
func (p *Pipeline) watchedPath() string {
	if p.follower == nil || p.source.Path == "" || isGlob(p.where()) {
		return ""
	}
	path, _ := tail.Plain(p.where())
	return path
}
