package follow

import (
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/watch"
)

const (
	// tickInterval is how often a log is read while nobody scrapes, so that no rotation is missed.
	tickInterval = time.Second
	// slowInterval is how often one is read to which nothing comes.
	slowInterval = 15 * time.Second
	// A log whose changes are told is read slowly after so many ticks without any, another by and by.
	idleWatched, idleAfter, idleLong = 10, 60, 180
	// idleEvery is how many ticks pass between two readings by and by.
	idleEvery = 5
)

// A pace says when a log is read while nobody asks: each second while something comes, seldom while nothing does, and
// at once when something is said to have happened. A scrape reads it anyway.
type pace struct {
	tick     *time.Ticker
	interval time.Duration
	idle     int        // looks since something came
	watched  *watch.Log // nil where nobody tells of changes
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

// hint returns what tells that something has happened, nil while the log is read each second anyway.
func (p *pace) hint() <-chan struct{} {
	if p.interval == tickInterval || p.watched == nil {
		return nil
	}
	return p.watched.C
}

// looked sets when the log is read next.
func (p *pace) looked(something bool) {
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
