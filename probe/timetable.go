package probe

import (
	"container/heap"
	"context"
	"hash/fnv"
	"sync"
	"time"
)

// grain is how long at least the timetable waits for the next target: of thousands, several are due by then, and waking
// up costs as much as half a probe.
const grain = 5 * time.Millisecond

// A timetable starts the probes of all targets, each at its own times. One goroutine waits for the next that is due: a
// waiting target costs no goroutine.
type timetable struct {
	wake chan struct{} // holds a token when another target may be the next

	mu  sync.Mutex
	due waiting
}

// A turn is the time of a target's next probe. The timetable's lock guards it.
type turn struct {
	at    time.Time
	every time.Duration // the interval from which at was computed
	first bool          // the first turn
	// index among the waiting; -1 during a probe, and for a target outside the timetable
	index   int
	stopped bool
	cancel  context.CancelFunc // of the probe that runs
}

func newTimetable() *timetable {
	return &timetable{wake: make(chan struct{}, 1)}
}

// add schedules a target, for the first time soon.
func (tt *timetable) add(t *target) {
	every := t.interval()
	tt.mu.Lock()
	defer tt.mu.Unlock()
	t.turn = turn{at: time.Now().Add(t.share(min(every, firstWithin))), every: every, first: true}
	heap.Push(&tt.due, t)
	tt.hurry()
}

// changed applies a new interval of a target. The first probe still comes soon.
func (tt *timetable) changed(t *target, every time.Duration) {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	if t.turn.index < 0 || t.turn.first {
		return // examined after the probe
	}
	t.turn.at, t.turn.every = t.place(time.Now(), every), every
	heap.Fix(&tt.due, t.turn.index)
	tt.hurry()
}

// remove ends the probes of a target.
func (tt *timetable) remove(t *target) {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	t.turn.stopped = true
	if t.turn.index >= 0 {
		heap.Remove(&tt.due, t.turn.index)
	}
	if t.turn.cancel != nil {
		t.turn.cancel()
	}
}

// hurry makes run look for the next target. The lock is held.
func (tt *timetable) hurry() {
	select {
	case tt.wake <- struct{}{}:
	default:
	}
}

// run starts probes until ctx ends, and then waits for the running ones.
func (tt *timetable) run(ctx context.Context) {
	var probes sync.WaitGroup
	defer probes.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		t, wait := tt.next()
		if t != nil {
			probes.Go(func() { tt.probe(ctx, t) })
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-tt.wake:
		}
	}
}

// next removes and returns a target that is due, or returns the time until one is.
func (tt *timetable) next() (*target, time.Duration) {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	if len(tt.due) == 0 {
		return nil, time.Hour
	}
	if wait := time.Until(tt.due[0].turn.at); wait > 0 {
		return nil, max(wait, grain)
	}
	return heap.Pop(&tt.due).(*target), 0
}

// probe runs one probe of a target, and works out its next turn. Probes of a target never overlap: one that takes
// longer than the interval lets the next ones fall out. From the second on they keep to the target's own place in the
// interval.
func (tt *timetable) probe(ctx context.Context, t *target) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tt.mu.Lock()
	t.turn.cancel = cancel
	if t.turn.stopped {
		cancel()
	}
	tt.mu.Unlock()
	t.probeOnce(ctx)
	every, now := t.interval(), time.Now()
	tt.mu.Lock()
	defer tt.mu.Unlock()
	t.turn.cancel = nil
	switch {
	case t.turn.stopped:
		return
	case t.turn.first:
		// At least half an interval, since the first may have come just before the target's offset.
		t.turn.at = t.place(now.Add(every/2), every)
	case every != t.turn.every:
		t.turn.at = t.place(now, every)
	}
	for !t.turn.at.After(now) {
		t.turn.at = t.turn.at.Add(every)
	}
	t.turn.first, t.turn.every = false, every
	heap.Push(&tt.due, t)
	if t.turn.index == 0 {
		tt.hurry()
	}
}

// share returns a part of a duration: always the same for one target, different for others.
func (t *target) share(of time.Duration) time.Duration {
	sum := fnv.New64a()
	sum.Write([]byte(t.key()))
	return time.Duration(sum.Sum64() % uint64(of))
}

// place returns the first time after the given one at which the target is due. It does not depend on the program's
// start: restarts do not bunch the targets of a fleet.
func (t *target) place(after time.Time, interval time.Duration) time.Time {
	since := (after.UnixNano() - int64(t.share(interval))) % int64(interval)
	if since < 0 {
		since += int64(interval)
	}
	return after.Add(interval - time.Duration(since))
}

// waiting is a heap of targets, the next one first.
type waiting []*target

func (w waiting) Len() int           { return len(w) }
func (w waiting) Less(i, j int) bool { return w[i].turn.at.Before(w[j].turn.at) }

func (w waiting) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].turn.index, w[j].turn.index = i, j
}

// Push implements heap.Interface.
func (w *waiting) Push(t any) {
	t.(*target).turn.index = len(*w)
	*w = append(*w, t.(*target))
}

// Pop implements heap.Interface.
func (w *waiting) Pop() any {
	last := len(*w) - 1
	t := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	t.turn.index = -1
	return t
}
