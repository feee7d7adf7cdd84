package past

import (
	"cmp"
	"slices"
)

// An event is a request that went wrong: it failed, was rejected or cancelled, or one of its attempts failed.
type event struct {
	at       int64 // when it ended, Unix milliseconds
	millis   int64 // its duration, -1 if unknown
	outcome  string
	code     string
	method   string
	path     string // without its query
	pattern  string // of the path, with {id} for its numbers; the path itself where it has none
	route    string
	id       string
	group    string // that had no live server
	attempts []eventAttempt
}

// An eventAttempt is an attempt of such a request.
type eventAttempt struct {
	server  string
	code    string
	outcome string
	at      int64 // when it ended
	millis  int64
}

func (a *eventAttempt) failed() bool { return a.outcome == "error" || a.outcome == "timeout" }

// lost reports whether the client got no answer because of NGINX or a server.
func (e *event) lost() bool {
	return e.outcome == "error" || e.outcome == "timeout" || e.outcome == "no_live"
}

// failedEverywhere reports whether the request reached servers, and failed on all of them.
func (e *event) failedEverywhere() bool {
	for i := range e.attempts {
		if !e.attempts[i].failed() {
			return false
		}
	}
	return len(e.attempts) > 0
}

// failedOn reports whether an attempt on the server failed.
func (e *event) failedOn(server string) bool {
	return slices.ContainsFunc(e.attempts, func(a eventAttempt) bool { return a.server == server && a.failed() })
}

// firstFailed is the server of the first failed attempt.
func (e *event) firstFailed() string {
	for i := range e.attempts {
		if e.attempts[i].failed() {
			return e.attempts[i].server
		}
	}
	return ""
}

// Outcomes by their place in outcomes().
const (
	outcomeAborted = 4
	outcomeNoLive  = 5
	outcomeLimited = 6
)

// events keeps the events of a log. If there are too many, it keeps every second, fourth and so on: each then
// represents so many.
type events struct {
	budget *budget
	list   []*event
	level  int64 // one of 2^level is kept
	seen   int
}

// maxEvents bounds the events of all workers.
const maxEvents = 200_000

// wanted reports whether the next event is one to keep.
func (l *events) wanted() bool {
	l.thinTo(l.budget.raise(l.level))
	l.seen++
	return l.seen%l.every() == 0
}

// every is how many events each one represents.
func (l *events) every() int { return 1 << l.level }

func (l *events) add(e *event) {
	l.list = append(l.list, e)
	l.budget.use(1)
}

func (l *events) thinTo(level int64) {
	for ; l.level < level; l.level++ {
		kept := l.list[:0]
		for i, e := range l.list {
			if i%2 == 0 {
				kept = append(kept, e)
			}
		}
		l.budget.use(int64(len(kept) - len(l.list)))
		clear(l.list[len(kept):])
		l.list = kept
	}
}

// merge adds the events of another worker, which is not used after that.
func (l *events) merge(other *events) {
	other.thinTo(l.level)
	l.thinTo(other.level)
	l.list = append(l.list, other.list...)
}

func (l *events) sort() {
	slices.SortStableFunc(l.list, func(a, b *event) int { return cmp.Compare(a.at, b.at) })
}
