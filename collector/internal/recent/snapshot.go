package recent

import (
	"slices"
	"time"
)

// A Snapshot is a Window at one moment. It is immutable.
type Snapshot struct {
	At       time.Time
	Servers  []Hour
	Routes   []Hour
	Requests [][Outcomes]uint32 // of all routes, the latest slot first; absent ones had none
	Failures []Failure          // the latest that are kept, in no order
	Rescued  []Failure          // failed on one server, and were answered by another
}

// An Hour is the last hour of one server or route.
type Hour struct {
	Name    string
	Minutes [Minutes]*Tally // the last minute first; nil if nothing happened
}

// A Tally counts what happened in some time. The zero Tally is empty.
type Tally struct {
	Counts    [Outcomes]uint64
	SumMillis uint64
	times     [buckets]uint64
}

// Snapshot copies the window as it is at a moment, Unix milliseconds.
//
// The minute that ends now is the present slot and the five before it: between 50 and 60 seconds.
func (w *Window) Snapshot(millis int64) *Snapshot {
	s := &Snapshot{At: time.UnixMilli(millis).UTC()}
	newest := millis / slotMillis
	s.Servers = w.servers.snapshot(newest)
	s.Routes = w.routes.snapshot(newest)
	for _, route := range w.routes.series {
		for i := range Slots {
			if slot := route.at(newest - int64(i)); slot != nil {
				s.addRequests(i, &slot.counts)
			}
		}
	}
	s.Failures = w.failures.since(newest - int64(Slots))
	s.Rescued = w.rescued.since(newest - int64(Slots))
	return s
}

// IsEmpty reports whether nothing has happened in the hour.
func (s *Snapshot) IsEmpty() bool {
	for _, hours := range [][]Hour{s.Servers, s.Routes} {
		for i := range hours {
			if hours[i].Minutes != [Minutes]*Tally{} {
				return false
			}
		}
	}
	return len(s.Failures) == 0 && len(s.Rescued) == 0
}

// addRequests adds requests to a slot.
func (s *Snapshot) addRequests(slot int, counts *[Outcomes]uint32) {
	if missing := slot + 1 - len(s.Requests); missing > 0 {
		s.Requests = append(s.Requests, make([][Outcomes]uint32, missing)...)
	}
	for outcome, n := range counts {
		s.Requests[slot][outcome] += n
	}
}

func (t *table) snapshot(newest int64) []Hour {
	hours := make([]Hour, 0, len(t.series))
	for _, s := range t.series {
		hours = append(hours, s.hour(newest))
	}
	return hours
}

func (s *Series) hour(newest int64) Hour {
	h := Hour{Name: s.name}
	for i := range Slots {
		slot := s.at(newest - int64(i))
		if slot == nil {
			continue
		}
		minute := &h.Minutes[i/SlotsPerMinute]
		if *minute == nil {
			*minute = &Tally{}
		}
		(*minute).addSlot(slot)
	}
	return h
}

func (t *Tally) addSlot(s *slot) {
	t.SumMillis += s.sumMillis
	for i, n := range s.counts {
		t.Counts[i] += uint64(n)
	}
	for i, n := range s.times {
		t.times[i] += uint64(n)
	}
}

// Add adds the counts of another hour, which ends at the same moment.
func (h *Hour) Add(other *Hour) {
	for i, minute := range other.Minutes {
		if minute == nil {
			continue
		}
		sum := &Tally{}
		if h.Minutes[i] != nil {
			*sum = *h.Minutes[i]
		}
		sum.Add(minute)
		h.Minutes[i] = sum
	}
}

// Merge combines the snapshots of several logs of the same moment.
func Merge(snapshots []*Snapshot) *Snapshot {
	sum := &Snapshot{}
	for _, s := range snapshots {
		sum.At = s.At
		sum.Servers = mergeHours(sum.Servers, s.Servers)
		sum.Routes = mergeHours(sum.Routes, s.Routes)
		sum.Failures = append(sum.Failures, s.Failures...)
		sum.Rescued = append(sum.Rescued, s.Rescued...)
		for i := range s.Requests {
			sum.addRequests(i, &s.Requests[i])
		}
	}
	return sum
}

func mergeHours(sum, more []Hour) []Hour {
	for i := range more {
		at := slices.IndexFunc(sum, func(h Hour) bool { return h.Name == more[i].Name })
		if at < 0 {
			sum = append(sum, more[i])
			continue
		}
		sum[at].Add(&more[i])
	}
	return sum
}

// RequestsSince returns the requests by outcome from a time on, rounded down to a slot.
func (s *Snapshot) RequestsSince(moment time.Time) (counts [Outcomes]uint64) {
	newest := s.At.UnixMilli() / slotMillis
	for i := range s.Requests {
		if newest-int64(i) < moment.UnixMilli()/slotMillis {
			break
		}
		for outcome, n := range s.Requests[i] {
			counts[outcome] += uint64(n)
		}
	}
	return counts
}

// Last returns the tally of the last so many minutes.
func (h *Hour) Last(minutes int) Tally { return h.Between(0, minutes) }

// Between returns the tally of the minutes from one to another, exclusive, counted back from now.
func (h *Hour) Between(from, to int) Tally {
	var t Tally
	for _, minute := range h.Minutes[min(from, Minutes):min(to, Minutes)] {
		if minute != nil {
			t.Add(minute)
		}
	}
	return t
}

// Add adds the counts of another tally.
func (t *Tally) Add(other *Tally) {
	t.SumMillis += other.SumMillis
	for i, n := range other.Counts {
		t.Counts[i] += n
	}
	for i, n := range other.times {
		t.times[i] += n
	}
}

// Sub subtracts the counts of another tally, which is a part of this one.
func (t *Tally) Sub(part *Tally) {
	t.SumMillis -= min(t.SumMillis, part.SumMillis)
	for i, n := range part.Counts {
		t.Counts[i] -= min(t.Counts[i], n)
	}
	for i, n := range part.times {
		t.times[i] -= min(t.times[i], n)
	}
}

// Total returns the sum of all outcomes.
func (t *Tally) Total() uint64 {
	var sum uint64
	for _, n := range t.Counts {
		sum += n
	}
	return sum
}

// Timed returns how many of them had a duration.
func (t *Tally) Timed() uint64 {
	var sum uint64
	for _, n := range t.times {
		sum += n
	}
	return sum
}

// Quantile returns the q-quantile of the durations, and whether there were any. Its error is at most an eighth;
// durations above 65.5 s count as 65.5 s.
func (t *Tally) Quantile(q float64) (time.Duration, bool) {
	total := t.Timed()
	if total == 0 {
		return 0, false
	}
	rank := q * float64(total)
	below := 0.0
	for i, n := range t.times {
		if n > 0 && below+float64(n) >= rank {
			lower, width := float64(lowerBound(i)), float64(lowerBound(i+1)-lowerBound(i))
			if width <= 1 || i == buckets-1 {
				return time.Duration(lower) * time.Millisecond, true
			}
			within := lower + (width-1)*(rank-below)/float64(n)
			return time.Duration(within * float64(time.Millisecond)), true
		}
		below += float64(n)
	}
	return time.Duration(lowerBound(buckets-1)) * time.Millisecond, true
}
