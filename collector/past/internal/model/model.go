// Package model is NGINX as a discrete-event model: what a group of upstream servers and a limit make of requests that
// come at given times. It follows ngx_http_upstream_round_robin.c, ngx_http_upstream_least_conn_module.c,
// ngx_http_upstream.c and ngx_http_limit_req_module.c of NGINX 1.22 in their arithmetic: whole seconds for
// fail_timeout, thousandths of a request for the limit, milliseconds for everything else.
//
// It opens no sockets: the caller decides whether an attempt fails, and how long it takes.
package model

import "container/heap"

// A Server is one server of the group.
type Server struct {
	Name         string // the address
	Weight       int    // at least 1
	MaxConns     int    // 0: unlimited
	MaxFails     int    // 0: never passed over
	FailTimeout  int64  // seconds
	Backup, Down bool
}

// A Group is an upstream with what is in force where it is used.
type Group struct {
	Servers   []Server
	LeastConn bool
	Shared    bool // it has a zone: all workers see the same connections and failures
	Workers   int
	Next      Next
	Limit     *Limit // nil without limit_req
}

// Next is proxy_next_upstream.
type Next struct {
	On            map[Failure]bool
	NonIdempotent bool
	Tries         int   // 0: as many as there are servers
	Timeout       int64 // milliseconds, 0: none
}

// A Failure is how an attempt ends: as in proxy_next_upstream, "" for an answer that NGINX does not examine.
type Failure string

// Failures without an answer. Those with one are http_500, http_502 and so on.
const (
	Answered      Failure = ""
	ConnectError  Failure = "error" // a refused connection, a reset or an early close
	TimedOut      Failure = "timeout"
	InvalidHeader Failure = "invalid_header"
)

// An Attempt is the result of a request on a server.
type Attempt struct {
	Millis  int64 // until it ends
	Code    int
	Failure Failure
	Unsent  bool // it fails before the request has been sent, as a refused connection does
}

// An Answerer returns the result of request i on a server at a time; attempt counts from 0.
type Answerer func(i, server, attempt int, now int64) Attempt

// A Request is one arrival. Times are milliseconds.
type Request struct {
	At            int64
	Before, After int64  // from the limit to the first attempt, and from the last attempt to the end
	Key           uint32 // of the limit
	Worker        int    // which takes it; modulo the number of workers
	Limited       bool   // the limit applies to it
	Upstream      bool   // it goes to the group
	NonIdempotent bool   // POST, LOCK or PATCH: not sent twice
	Code          int    // of one that does not
}

// A Verdict is the result of a request.
type Verdict uint8

const (
	Done Verdict = iota // with its Code
	NoLive
	Rejected
)

// A Result is a request's end.
type Result struct {
	Verdict  Verdict
	Code     int
	Millis   int64 // from its arrival
	Attempts int
}

// Run passes requests, in the order of their arrival, through the group. Busy is the milliseconds that each server's
// slots were in use, summed over slots.
func Run(g Group, requests []Request, answer Answerer) (results []Result, busy []int64) {
	s := &simulation{
		group: &g, requests: requests, answer: answer,
		results: make([]Result, len(requests)), busy: make([]int64, len(g.Servers)),
	}
	for range max(1, g.Workers) {
		if len(s.workers) > 0 && g.Shared {
			s.workers = append(s.workers, s.workers[0])
			continue
		}
		s.workers = append(s.workers, newBalancer(&g))
	}
	if g.Limit != nil {
		s.limit = newLimiter(*g.Limit)
	}
	s.run()
	return s.results, s.busy
}

// A simulation is one run.
type simulation struct {
	group    *Group
	requests []Request
	answer   Answerer
	workers  []*balancer
	limit    *limiter
	events   events
	order    int
	results  []Result
	busy     []int64
}

// run takes arrivals and events in the order of time. What ends at a time ends before what begins at it.
func (s *simulation) run() {
	for i := range s.requests {
		for len(s.events) > 0 && s.events[0].at <= s.requests[i].At {
			s.next()
		}
		s.arrive(i)
	}
	for len(s.events) > 0 {
		s.next()
	}
}

func (s *simulation) next() {
	e := heap.Pop(&s.events).(*event)
	if e.peer != nil {
		s.ended(e)
		return
	}
	s.connect(e.flight, e.at)
}

// arrive is the phase before the content: the limit.
func (s *simulation) arrive(i int) {
	r := &s.requests[i]
	wait := int64(0)
	if s.limit != nil && r.Limited {
		var ok bool
		if wait, ok = s.limit.admit(r.Key, r.At); !ok {
			s.results[i] = Result{Verdict: Rejected}
			return
		}
	}
	if !r.Upstream || len(s.group.Servers) == 0 {
		s.results[i] = Result{Code: r.Code, Millis: wait + r.Before + r.After}
		return
	}
	b := s.workers[r.Worker%len(s.workers)]
	f := &flight{request: i, balancer: b, tries: b.tries(), began: r.At + wait + r.Before}
	if n := s.group.Next.Tries; n > 0 {
		f.tries = min(f.tries, n)
	}
	if f.began <= r.At {
		s.connect(f, r.At)
		return
	}
	s.push(&event{at: f.began, flight: f})
}

// connect is ngx_http_upstream_connect: an attempt on the server that the balancer picks.
func (s *simulation) connect(f *flight, now int64) {
	p := f.balancer.pick(&f.tried, now/1000)
	if p == nil {
		s.finish(f, NoLive, 502, now)
		return
	}
	server := s.index(p)
	a := s.answer(f.request, server, f.attempts, now)
	f.attempts++
	s.busy[server] += a.Millis
	s.push(&event{at: now + max(0, a.Millis), flight: f, peer: p, attempt: a})
}

// ended is the end of an attempt: an answer, or ngx_http_upstream_next.
func (s *simulation) ended(e *event) {
	f, a := e.flight, e.attempt
	again := s.again(f, a, e.at)
	// An answer is a failure only if it makes NGINX try the next server; a missing answer always is.
	failed := !a.Failure.isAnswer() || again
	f.balancer.free(e.peer, failed && !a.Failure.passes(), e.at/1000)
	f.tries = max(0, f.tries-1)
	if again {
		s.connect(f, e.at)
		return
	}
	s.finish(f, Done, a.Code, e.at)
}

// isAnswer reports whether the server has answered with a status.
func (f Failure) isAnswer() bool {
	return f != ConnectError && f != TimedOut && f != InvalidHeader
}

// passes reports whether the next server is tried without counting a failure against this one.
func (f Failure) passes() bool { return f == "http_403" || f == "http_404" }

// again reports whether NGINX tries the next server.
func (s *simulation) again(f *flight, a Attempt, now int64) bool {
	next := &s.group.Next
	left := f.tries - 1
	if f.balancer.single() {
		left = 0
	}
	switch {
	case a.Failure == Answered || left <= 0 || !next.On[a.Failure]:
		return false
	case s.requests[f.request].NonIdempotent && !a.Unsent && !next.NonIdempotent:
		return false
	}
	return next.Timeout == 0 || now-f.began < next.Timeout
}

func (s *simulation) finish(f *flight, v Verdict, code int, now int64) {
	r := &s.requests[f.request]
	s.results[f.request] = Result{Verdict: v, Code: code, Millis: now - r.At + r.After, Attempts: f.attempts}
}

func (s *simulation) index(p *peer) int {
	for i := range s.group.Servers {
		if p.Server == &s.group.Servers[i] {
			return i
		}
	}
	return -1
}

func (s *simulation) push(e *event) {
	e.order = s.order
	s.order++
	heap.Push(&s.events, e)
}

// A flight is a request in progress.
type flight struct {
	request  int
	balancer *balancer
	tried    tried
	tries    int // attempts left
	attempts int
	began    int64
}

// An event is the end of an attempt, or, if peer is nil, of a wait before the first.
type event struct {
	at      int64
	order   int
	flight  *flight
	peer    *peer
	attempt Attempt
}

// events is a heap by time; at one time attempts end before others begin.
type events []*event

func (h events) Len() int { return len(h) }
func (h events) Less(i, j int) bool {
	switch a, b := h[i], h[j]; {
	case a.at != b.at:
		return a.at < b.at
	case (a.peer == nil) != (b.peer == nil):
		return a.peer != nil
	default:
		return a.order < b.order
	}
}
func (h events) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *events) Push(x any)   { *h = append(*h, x.(*event)) }
func (h *events) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
