package past

import (
	"cmp"
	"slices"
)

// An event is a request that did not go as it should: it failed, was rejected or given up, or one of its attempts
// failed.
type event struct {
	at       int64 // when it ended, Unix milliseconds
	millis   int64 // how long it took, -1 where that is not known
	outcome  string
	code     string
	method   string
	path     string // without its query
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

// failedEverywhere reports whether the request was on servers, and failed on all of them.
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

// events keeps the events of a log. Where there are too many, it keeps each second, fourth and so on: then each stands
// for so many.
type events struct {
	list  []*event
	every int
	seen  int
}

const maxEvents = 200_000

// wanted reports whether the next event is one that is kept.
func (l *events) wanted() bool {
	if l.every == 0 {
		l.every = 1
	}
	l.seen++
	return l.seen%l.every == 0
}

func (l *events) add(e *event) {
	l.list = append(l.list, e)
	if len(l.list) >= maxEvents {
		l.thin()
	}
}

func (l *events) thin() {
	kept := l.list[:0]
	for i, e := range l.list {
		if i%2 == 0 {
			kept = append(kept, e)
		}
	}
	clear(l.list[len(kept):])
	l.list = kept
	l.every *= 2
}

func (l *events) merge(other *events) {
	l.every, other.every = max(1, l.every), max(1, other.every)
	for l.every < other.every {
		l.thin()
	}
	for other.every < l.every {
		other.thin()
	}
	l.list = append(l.list, other.list...)
	for len(l.list) >= maxEvents {
		l.thin()
	}
}

func (l *events) sort() {
	slices.SortStableFunc(l.list, func(a, b *event) int { return cmp.Compare(a.at, b.at) })
}
