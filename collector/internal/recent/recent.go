// Package recent keeps the last hour of one access log in slots of ten seconds: how many requests of each route and
// attempts on each server had which outcome, and how long they took.
//
// A Window belongs to the goroutine that counts its log; nothing in it is locked. Adding to it costs a few
// nanoseconds: the caller keeps the Series of a route or server, and a Series keeps the slot that it counted in last.
// Others get a Snapshot, which never changes.
//
// The time of a line decides which slot it counts in, so that a backlog or a replayed log is not taken for what happens
// now. A line without a time happened when it was read. A line that claims to come from the future did so, too.
//
// Memory is bounded: at most maxSeries servers and as many routes, the later ones together as Other, and for each of
// them Slots slots, made when something is counted in them.
package recent

import (
	"math/bits"
	"time"
)

const (
	// SlotLength is how much time is counted in one slot.
	SlotLength = 10 * time.Second
	// Slots make an hour.
	Slots = int(time.Hour / SlotLength)
	// SlotsPerMinute is how many slots a minute takes.
	SlotsPerMinute = int(time.Minute / SlotLength)
	// Minutes are the minutes of the hour.
	Minutes = Slots / SlotsPerMinute
	// Outcomes is the number of outcomes. Their meaning is the caller's.
	Outcomes = 7
	// Other is the name of the series that counts what came when there was no room for another series.
	Other = "other"

	maxSeries  = 64
	slotMillis = int64(SlotLength / time.Millisecond)
)

// A Window is the last hour of one log.
type Window struct {
	now      int64 // the clock, Unix milliseconds
	newest   int64 // its slot: nothing is later
	slot     int64 // the slot that counts: Unix time / SlotLength
	second   uint  // of that slot, 0 to 9
	position int   // of that slot in a ring
	millis   int64 // the time that counts, Unix milliseconds

	servers, routes   table
	failures, rescued failures
}

// New returns an empty Window.
func New() *Window {
	w := &Window{}
	w.servers.window, w.routes.window = w, w
	return w
}

// Now sets the clock, Unix milliseconds. It is called before the lines of a block are counted.
func (w *Window) Now(millis int64) {
	w.now = millis
	w.newest = millis / slotMillis
	w.set(millis)
}

// At sets the time of the line whose counts follow, Unix milliseconds; 0 if the line has none.
func (w *Window) At(millis int64) {
	if millis <= 0 || millis > w.now {
		millis = w.now
	}
	if millis != w.millis {
		w.set(millis)
	}
}

// Second returns the present line's time, Unix seconds.
func (w *Window) Second() int64 { return w.millis / 1000 }

func (w *Window) set(millis int64) {
	w.millis = millis
	w.slot = millis / slotMillis
	w.second = uint(millis % slotMillis / 1000)
	w.position = int(w.slot % int64(Slots))
}

// Server returns the series of a server.
func (w *Window) Server(name string) *Series { return w.servers.get(name) }

// EachAnswer calls f for each second of the hour in which a server answered, Unix time.
func (w *Window) EachAnswer(f func(server string, second int64)) {
	for _, s := range w.servers.series {
		for _, slot := range s.ring {
			for second := range int64(SlotLength / time.Second) {
				if slot != nil && slot.answered&(1<<second) != 0 {
					f(s.name, slot.number*slotMillis/1000+second)
				}
			}
		}
	}
}

// Route returns the series of a route.
func (w *Window) Route(name string) *Series { return w.routes.get(name) }

// A table finds series by name.
type table struct {
	window *Window
	series []*Series
	byName map[string]*Series
}

func (t *table) get(name string) *Series {
	if s := t.byName[name]; s != nil {
		return s
	}
	if t.byName == nil {
		t.byName = map[string]*Series{}
	}
	if len(t.series) >= maxSeries && name != Other {
		return t.get(Other)
	}
	s := &Series{name: name, window: t.window}
	t.series = append(t.series, s)
	t.byName[name] = s
	return s
}

// A Series is the hour of one server or route.
type Series struct {
	name   string
	window *Window
	ring   [Slots]*slot
	last   *slot // that counted last
}

// A slot is ten seconds of a series.
type slot struct {
	number    int64 // Unix time / SlotLength
	sumMillis uint64
	counts    [Outcomes]uint32
	answered  uint16 // a bit for each second in which an attempt was answered
	times     histogram
}

// Add counts a request or an attempt with its outcome and its duration; a negative one is unknown.
func (s *Series) Add(outcome int, millis int64) {
	slot := s.last
	if slot == nil || slot.number != s.window.slot {
		if slot = s.slot(); slot == nil {
			return
		}
	}
	slot.add(outcome, millis)
}

// AddAttempt is Add for an attempt on a server. Answered says that NGINX considered it successful.
func (s *Series) AddAttempt(outcome int, millis int64, answered bool) {
	slot := s.last
	if slot == nil || slot.number != s.window.slot {
		if slot = s.slot(); slot == nil {
			return
		}
	}
	slot.add(outcome, millis)
	if answered {
		slot.answered |= 1 << s.window.second
	}
}

func (s *slot) add(outcome int, millis int64) {
	s.counts[outcome]++
	if millis >= 0 {
		s.times[bucketOf(millis)]++
		s.sumMillis += uint64(millis)
	}
}

// slot returns the slot of the window's time, nil if that is more than an hour ago.
func (s *Series) slot() *slot {
	w := s.window
	if slot := s.ring[w.position]; slot != nil && slot.number == w.slot {
		s.last = slot
		return slot
	}
	s.last = s.renew()
	return s.last
}

func (s *Series) renew() *slot {
	w := s.window
	if w.slot <= w.newest-int64(Slots) {
		return nil
	}
	old := s.ring[w.position]
	switch {
	case old == nil:
		old = &slot{}
		s.ring[w.position] = old
	case old.number > w.slot:
		return nil // the clock was set back; this slot is later
	}
	*old = slot{number: w.slot}
	return old
}

// at returns the slot of a number, nil if nothing happened in it.
func (s *Series) at(number int64) *slot {
	if slot := s.ring[number%int64(Slots)]; slot != nil && slot.number == number {
		return slot
	}
	return nil
}

// A histogram counts durations in whole milliseconds: exactly below 16 ms, then in eight buckets for each doubling, so
// that a bucket is at most an eighth as wide as its lower bound. The last has no limit, from 65 s on. A slot with it
// fills a size class of Go's allocator.
type histogram [buckets]uint32

const (
	perDoubling = 8
	doublings   = 13 // 8 ms times 2^13 are 65.5 s
	buckets     = perDoubling*(doublings+1) + 1
)

func bucketOf(millis int64) int {
	if millis < perDoubling {
		return int(millis)
	}
	length := bits.Len64(uint64(millis)) // at least 4
	bucket := (length-3)*perDoubling + int(millis>>(length-4))&(perDoubling-1)
	return min(bucket, buckets-1)
}

// lowerBound returns the smallest number of milliseconds in a bucket.
func lowerBound(bucket int) int64 {
	if bucket < 2*perDoubling {
		return int64(bucket)
	}
	return int64(perDoubling+bucket%perDoubling) << (bucket/perDoubling - 1)
}
