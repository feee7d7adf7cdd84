// Package takenout works out which servers NGINX passes over after failures. NGINX itself does not report it.
//
// It replays what ngx_http_upstream_round_robin.c does, worker by worker, or once for all workers where the group
// has a shared zone. Each failure of a server adds to its fails and sets its checked time. At max_fails the server is
// passed over while now - checked <= fail_timeout, in whole seconds. Then requests try it again. An answer that came
// after such a try sets fails to 0; a failure takes the server out once more.
//
// Failures come from the error log. At the level warn NGINX also says "upstream server temporarily disabled": where
// the log holds such entries, they alone decide. Answers come from the access log, which does not say which worker
// a request was served by: an answer after fail_timeout counts for every worker.
//
// What the replay cannot see: failures that the error log does not hold (the 5xx of proxy_next_upstream http_500),
// and answers to requests that no followed access log holds.
//
// A Tracker belongs to the goroutine that reads the error log. Answers may be used by any goroutine.
package takenout

import (
	"slices"
	"time"
)

// A Server is a server of a group as nginx.conf has it.
type Server struct {
	Upstream    string
	Address     string // as in the logs
	MaxFails    int
	FailTimeout time.Duration // whole seconds
	Shared      bool          // the group has a zone: its workers share each other's failures
}

// Options say what a Tracker replays.
type Options struct {
	// Servers are those that NGINX may pass over: not the only one of a group, and not with max_fails=0.
	Servers []Server
	Workers int  // worker_processes, 0 if unknown
	Logged  bool // the error log has "temporarily disabled": its level is warn or lower
	Answers *Answers
	// Gone reports whether a worker is known to have ended, or to be shutting down. It may be nil.
	Gone func(pid int) bool
}

// A Failure is an entry of the error log about a server's failure.
type Failure struct {
	At         time.Time // in whole seconds, as NGINX writes it
	PID        int       // of the worker
	Connection int64     // the client's connection, by the number in the log
	Server     string    // address
	Event      string    // such as read_timeout; "server_disabled" for "temporarily disabled"
	Request    string    // its method and path, without the query
}

// Disabled is the event of "upstream server temporarily disabled".
const Disabled = "server_disabled"

// Evidence says how a server is known to be taken out.
type Evidence int

// NGINX logged it, or its failures were replayed.
const (
	Logged Evidence = iota
	Replayed
	evidences
)

// String returns the evidence as the label of that name has it.
func (e Evidence) String() string { return [evidences]string{"logged", "replayed"}[e] }

// An Outage is a time in which at least one worker passed a server over.
type Outage struct {
	Upstream, Server string
	From             time.Time
	Until            time.Time // the end of fail_timeout after the latest failure
	Ended            time.Time // when the server was back; zero before
	Takes            int       // how many times it was taken out, including failed tries
	Evidence         Evidence
	Cause            Failure // of the first time
}

// IsLogged reports whether NGINX itself logged it.
func (o *Outage) IsLogged() bool { return o.Evidence == Logged }

// A State describes a server at one moment.
type State struct {
	Server      Server
	Unavailable bool
	Workers     int     // how many workers pass it over
	Seconds     float64 // in which at least one did, since counting began
	Taken       [evidences]uint64
}

// keepOutages is how many outages are remembered.
const keepOutages = 64

// keepWorkers limits the remembered workers of one server. Each reload of NGINX brings new ones.
const keepWorkers = 256

// A Tracker replays the failures of one error log.
type Tracker struct {
	options Options
	servers []*server
	outages []Outage  // the latest last
	causes  []Failure // the latest failures, if NGINX itself logs when it takes a server out
}

type server struct {
	Server
	workers []*worker
	open    time.Time // since when at least one worker passes it over; zero if none does
	shown   time.Time // the time of the last State
	seconds float64   // of the outages that have ended
	taken   [evidences]uint64
}

// A worker is the knowledge of one of NGINX's workers, or of a shared zone, about a server.
type worker struct {
	PID     int // of a zone the one that saw the latest failure
	Fails   int
	Checked time.Time
	Out     bool
}

// New returns a Tracker without failures.
func New(o Options) *Tracker {
	t := &Tracker{options: o}
	for _, s := range o.Servers {
		t.servers = append(t.servers, &server{Server: s})
	}
	return t
}

// Failed replays an entry of the error log. Now is the clock's time; the entries of a backlog are older.
func (t *Tracker) Failed(f Failure, now time.Time) {
	i := slices.IndexFunc(t.servers, func(s *server) bool { return s.Address == f.Server })
	if i < 0 {
		return
	}
	s := t.servers[i]
	w := s.worker(f.PID)
	t.resolve(s, w, f.At)
	// A request that was in progress when the server was taken out may fail as well. That extends the outage but does
	// not add one.
	inFlight := w.Out && !f.At.After(s.end(w))
	evidence := Replayed
	switch {
	case f.Event == Disabled:
		evidence = Logged
		w.Fails = max(w.Fails, s.MaxFails)
		f = t.causeOf(f)
	case t.options.Logged:
		t.causes = append(t.causes, f)
		t.causes = t.causes[max(0, len(t.causes)-keepOutages):]
		return
	default:
		w.Fails++
	}
	w.Checked, w.PID = f.At, f.PID
	if w.Fails < s.MaxFails {
		return
	}
	t.takeOut(s, w, f, evidence, !inFlight)
	if now.Sub(s.end(w)) > answersKept {
		t.bringBack(s, w, s.end(w)) // a backlog: it is unknown whether a request tried it since
	}
}

// causeOf returns the failure that made NGINX log that a server is disabled.
func (t *Tracker) causeOf(disabled Failure) Failure {
	for _, f := range slices.Backward(t.causes) {
		if f.PID == disabled.PID && f.Connection == disabled.Connection && f.Server == disabled.Server {
			return f
		}
	}
	return disabled
}

// worker returns the knowledge of a failure's worker about the server.
func (s *server) worker(pid int) *worker {
	i := slices.IndexFunc(s.workers, func(w *worker) bool { return s.Shared || w.PID == pid })
	if i >= 0 {
		return s.workers[i]
	}
	if len(s.workers) == keepWorkers {
		s.workers = slices.Delete(s.workers, 0, 1)
	}
	w := &worker{PID: pid}
	s.workers = append(s.workers, w)
	return w
}

// end returns when fail_timeout is over after the latest failure that the worker saw. Later requests try the server.
func (s *server) end(w *worker) time.Time { return w.Checked.Add(s.FailTimeout) }

// takeOut makes a worker pass a server over until the end of fail_timeout.
func (t *Tracker) takeOut(s *server, w *worker, cause Failure, evidence Evidence, counts bool) {
	w.Out = true
	if s.open.IsZero() {
		s.open = cause.At
		t.outages = append(t.outages, Outage{
			Upstream: s.Upstream, Server: s.Address, From: cause.At, Evidence: evidence, Cause: cause,
		})
		t.outages = t.outages[max(0, len(t.outages)-keepOutages):]
	}
	outage := t.outage(s)
	if outage != nil && s.end(w).After(outage.Until) {
		outage.Until = s.end(w)
	}
	if !counts {
		return
	}
	s.taken[evidence]++
	if outage != nil {
		outage.Takes++
	}
}

// outage returns the present outage of a server, or nil.
func (t *Tracker) outage(s *server) *Outage {
	for i := range slices.Backward(t.outages) {
		o := &t.outages[i]
		if o.Server == s.Address && o.Upstream == s.Upstream && o.Ended.IsZero() {
			return o
		}
	}
	return nil
}

// resolve applies the answers of the server until a time to a worker: they come from another log.
func (t *Tracker) resolve(s *server, w *worker, until time.Time) {
	if w.Fails == 0 {
		return
	}
	at, answered := t.options.Answers.After(s.Address, s.end(w))
	if !answered || at.After(until) {
		return
	}
	w.Fails = 0
	if w.Out {
		t.bringBack(s, w, at)
	}
}

// bringBack ends the time in which a worker passes a server over.
func (t *Tracker) bringBack(s *server, w *worker, at time.Time) {
	w.Out, w.Fails = false, 0
	if slices.ContainsFunc(s.workers, func(w *worker) bool { return w.Out }) {
		return
	}
	// What was exposed as unavailable remains so: the seconds never go down.
	if at.Before(s.shown) {
		at = s.shown
	}
	s.seconds += max(0, at.Sub(s.open).Seconds())
	s.open = time.Time{}
	if outage := t.outage(s); outage != nil {
		outage.Ended = at
	}
}

// States returns the state of every server at a time, after the answers until then.
func (t *Tracker) States(now time.Time) []State {
	var states []State
	for _, s := range t.servers {
		t.catchUp(s, now)
		states = append(states, t.state(s, now))
	}
	return states
}

// Shown returns what States returned last, which may have been before a restart.
func (t *Tracker) Shown() []State {
	var states []State
	for _, s := range t.servers {
		states = append(states, t.state(s, s.shown))
	}
	return states
}

// catchUp applies the answers, and the ends of workers: the new ones after a reload know of no failure.
func (t *Tracker) catchUp(s *server, now time.Time) {
	for _, w := range s.workers {
		t.resolve(s, w, now)
		if w.Out && t.options.Gone != nil && t.options.Gone(w.PID) {
			t.bringBack(s, w, now)
		}
	}
}

func (t *Tracker) state(s *server, now time.Time) State {
	state := State{Server: s.Server, Seconds: s.seconds, Taken: s.taken}
	if s.open.IsZero() {
		return state
	}
	state.Unavailable = true
	for _, w := range s.workers {
		if w.Out {
			state.Workers++
		}
	}
	if s.Shared {
		state.Workers = max(1, t.options.Workers)
	}
	state.Seconds += max(0, now.Sub(s.open).Seconds())
	s.shown = now
	return state
}

// Outages returns the latest outages, the latest last.
func (t *Tracker) Outages() []Outage { return slices.Clone(t.outages) }

// Change applies another reading of nginx.conf. Servers that stay keep their counts.
func (t *Tracker) Change(o Options) {
	old := t.servers
	t.options, t.servers = o, nil
	for _, changed := range o.Servers {
		s := &server{Server: changed}
		for _, before := range old {
			if before.Upstream == s.Upstream && before.Address == s.Address {
				before.Server = changed
				s = before
			}
		}
		t.servers = append(t.servers, s)
	}
}
