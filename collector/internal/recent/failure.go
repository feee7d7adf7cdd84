package recent

import (
	"cmp"
	"slices"
)

// A Failure is a request that failed, or one that failed on one server and was rescued by another, for people to
// examine.
type Failure struct {
	Millis    int64 // when it ended, Unix milliseconds
	Outcome   int
	RequestID string
	Method    string
	Path      string // without the query
	Code      int    // 0 if unknown
	Duration  int64  // milliseconds, negative if unknown
	Attempts  []Attempt
}

// An Attempt is one server's part in a Failure.
type Attempt struct {
	Server   string
	Code     int   // 0 for none
	Duration int64 // milliseconds, negative if unknown
}

const (
	// worstPerSlot is how many failures are kept of ten seconds: the longest.
	worstPerSlot = 8
	// failureSlots is how many slots with failures are kept: six minutes of a flood, an hour of a few.
	failureSlots = 36
)

// failures keeps the worst of each slot, in the order of the slots.
type failures []failureSlot

type failureSlot struct {
	number int64
	worst  []Failure // the longest first
}

// WouldFail reports whether a failure of this duration is one of the worst of its slot, so that the caller need not
// build one that is not kept.
func (w *Window) WouldFail(duration int64) bool { return w.wouldKeep(w.failures, duration) }

// WouldRescue is WouldFail for a request that was rescued.
func (w *Window) WouldRescue(duration int64) bool { return w.wouldKeep(w.rescued, duration) }

func (w *Window) wouldKeep(kept failures, duration int64) bool {
	if w.slot <= w.newest-int64(Slots) {
		return false
	}
	i, found := kept.search(w.slot)
	if !found {
		return i > 0 || len(kept) < failureSlots
	}
	worst := kept[i].worst
	return len(worst) < worstPerSlot || duration > worst[len(worst)-1].Duration
}

// Fail keeps a request that failed if it is one of the worst of its slot.
func (w *Window) Fail(f Failure) {
	if w.WouldFail(f.Duration) {
		w.failures.insert(w.slot, f)
	}
}

// Rescue keeps a request that failed on one server and that another answered, if it is one of the worst of its slot.
func (w *Window) Rescue(f Failure) {
	if w.WouldRescue(f.Duration) {
		w.rescued.insert(w.slot, f)
	}
}

func (s failures) search(number int64) (int, bool) {
	if last := len(s) - 1; last >= 0 && s[last].number == number {
		return last, true // almost always
	}
	return slices.BinarySearchFunc(s, number, func(f failureSlot, n int64) int { return cmp.Compare(f.number, n) })
}

func (s *failures) insert(number int64, f Failure) {
	i, found := s.search(number)
	if !found {
		*s = slices.Insert(*s, i, failureSlot{number: number})
		if over := len(*s) - failureSlots; over > 0 {
			*s = slices.Delete(*s, 0, over)
			i -= over
		}
	}
	worst := (*s)[i].worst
	at := slices.IndexFunc(worst, func(kept Failure) bool { return kept.Duration < f.Duration })
	if at < 0 {
		at = len(worst)
	}
	worst = slices.Insert(worst, at, f)
	(*s)[i].worst = worst[:min(len(worst), worstPerSlot)]
}

// since returns the failures of the slots after a number.
func (s failures) since(number int64) []Failure {
	var all []Failure
	for _, slot := range s {
		if slot.number > number {
			all = append(all, slot.worst...)
		}
	}
	return all
}
