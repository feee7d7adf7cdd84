package web

import (
	"container/list"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

const (
	// fairTurn is how long one gathering delays the next. One that takes longer waits for something that hangs, and
	// uses no memory meanwhile.
	fairTurn = 300 * time.Millisecond
	// maxGatherings limits the concurrent gatherings.
	maxGatherings = 8
	// maxHeld limits the bytes of answers that are being written: if readers are too slow, further ones are rejected.
	maxHeld = 24 << 20
	// slowReader is how long a reader may take while others wait for room.
	slowReader = time.Second
)

// errBusy is the answer to a client that cannot be served now.
var errBusy = errors.New("too many scrapes are under way; try again")

// snapshots gathers metrics for requests, and lets identical ones share one gathering and one encoding of it. A
// request joins a gathering that begins after it: so it shows everything written before it. Memory is bounded:
// gatherings run one after another, and answers are rejected while too many bytes of them are being written.
type snapshots struct {
	gather  gatherFunc
	created bool // _created lines
	encoded func(error)

	turn    chan struct{} // holds a token while the next gathering may begin
	running chan struct{} // a token for each gathering that runs
	pieces  sync.Pool     // of *piece, of bodies
	writers sync.Pool     // of *encoder

	mu      sync.Mutex
	waiting map[snapshotKey]*snapshot // those that have not begun
	held    int                       // bytes of bodies that are, or will be, written
	freed   chan struct{}             // has a token when held has fallen
	readers *list.List                // of *reader: those that an answer is written to, the oldest first
}

// A gatherFunc returns the families of all metrics, sorted by name, which may be gone through several times. Each may
// be used until the next alone. With nothing to show the sequence is nil.
type gatherFunc func(ctx context.Context, openMetrics bool) (iter.Seq[*dto.MetricFamily], error)

// A reader is a request that an answer is written to.
type reader struct {
	of    *answer
	since time.Time
	cut   func() // ends the writing; nil when that has been done
}

// A snapshotKey is what requests must have in common to share a gathering.
type snapshotKey struct {
	openMetrics bool
	timeout     time.Duration
}

// An answerKey is what requests must have in common to share an encoding.
type answerKey struct {
	format expfmt.Format
	gzip   bool
	names  string // of the requested families, "" for all
}

// A snapshot is one gathering, with the answers that are requested from it.
type snapshot struct {
	deadline time.Time
	answers  map[answerKey]*answer
}

// An answer is shared by the requests that wait for it. It is immutable once ready is closed.
type answer struct {
	names []string
	refs  int // guarded by snapshots.mu
	ready chan struct{}
	body  *body // nil where there is none
	err   error
}

func newSnapshots(gather gatherFunc, created bool, encoded func(error)) *snapshots {
	s := &snapshots{
		gather: gather, created: created, encoded: encoded,
		turn: make(chan struct{}, 1), running: make(chan struct{}, maxGatherings), freed: make(chan struct{}, 1),
		pieces:  sync.Pool{New: func() any { return new(piece) }},
		writers: sync.Pool{New: func() any { return newEncoder() }},
		waiting: map[snapshotKey]*snapshot{}, readers: list.New(),
	}
	s.turn <- struct{}{}
	return s
}

// get returns an answer, which the caller must release. It waits at most until ctx ends.
func (s *snapshots) get(ctx context.Context, of snapshotKey, as answerKey, names []string) (*answer, error) {
	a := s.join(of, as, names)
	select {
	case <-a.ready:
		return a, a.err
	case <-ctx.Done():
		return a, errBusy
	}
}

// join joins the next gathering.
func (s *snapshots) join(of snapshotKey, as answerKey, names []string) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := s.waiting[of]
	if snap == nil {
		snap = &snapshot{deadline: time.Now().Add(AnswerLimit), answers: map[answerKey]*answer{}}
		s.waiting[of] = snap
		go s.run(of, snap)
	}
	a := snap.answers[as]
	if a == nil {
		a = &answer{names: names, ready: make(chan struct{})}
		snap.answers[as] = a
	}
	a.refs++
	return a
}

// release ends a request's use of its answer.
func (s *snapshots) release(a *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.refs--; a.refs == 0 && a.body != nil {
		s.drop(a)
	}
}

// drop returns an answer's body. s.mu is held.
func (s *snapshots) drop(a *answer) {
	s.held -= a.body.held()
	a.body.free()
	a.body = nil
	select {
	case s.freed <- struct{}{}:
	default:
	}
}

// run gathers, and encodes the formats requested by then.
func (s *snapshots) run(of snapshotKey, snap *snapshot) {
	ctx, cancel := context.WithDeadline(context.Background(), snap.deadline)
	defer cancel()
	done, ok := s.begin(ctx)
	s.mu.Lock()
	delete(s.waiting, of) // later requests join the next
	s.mu.Unlock()
	if !ok {
		for _, a := range snap.answers {
			a.err = errBusy
			close(a.ready)
		}
		return
	}
	defer done()
	gathering, cancelGathering := context.WithTimeout(ctx, of.timeout)
	defer cancelGathering()
	families, err := s.gather(gathering, of.openMetrics)
	for _, all := range []bool{true, false} { // requests for a part wait if there is little room
		for as, a := range snap.answers {
			if all == (as.names == "") {
				s.encode(ctx, as, a, families, err)
			}
		}
	}
}

// begin waits for a turn, and until there is room for another body. done ends it.
func (s *snapshots) begin(ctx context.Context) (done func(), ok bool) {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return nil, false
	}
	var pass sync.Once
	next := func() { pass.Do(func() { s.turn <- struct{}{} }) }
	if !s.waitForRoom(ctx) {
		next()
		return nil, false
	}
	select {
	case s.running <- struct{}{}:
	case <-ctx.Done():
		next()
		return nil, false
	}
	timer := time.AfterFunc(fairTurn, next)
	return func() { timer.Stop(); next(); <-s.running }, true
}

// waitForRoom reports whether there is room for another body before ctx ends. Slow readers give way.
func (s *snapshots) waitForRoom(ctx context.Context) bool {
	for s.isFull() {
		s.cutSlowest()
		select {
		case <-s.freed:
		case <-time.After(slowReader / 4):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// reading adds a request that its answer is written to from now on. cut ends that when others need the room.
// done takes the request out.
func (s *snapshots) reading(a *answer, cut func()) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	element := s.readers.PushBack(&reader{a, time.Now(), cut})
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.readers.Remove(element)
	}
}

// cutSlowest ends the writing of the answer that has been read for the longest, if that is too long.
func (s *snapshots) cutSlowest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var slowest *answer
	for e := s.readers.Front(); e != nil; e = e.Next() {
		r := e.Value.(*reader)
		if time.Since(r.since) < slowReader {
			return // so are all after it
		}
		if slowest == nil && r.cut != nil {
			slowest = r.of
		}
		if r.of == slowest && r.cut != nil {
			r.cut()
			r.cut = nil
		}
	}
}

func (s *snapshots) isFull() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held > maxHeld
}

// encode makes an answer ready.
func (s *snapshots) encode(ctx context.Context, as answerKey, a *answer, families iter.Seq[*dto.MetricFamily],
	err error) {
	defer close(a.ready)
	switch {
	case families == nil:
		a.err = err
		return
	case !s.waitForRoom(ctx):
		a.err = errBusy
		return
	}
	body, encodeErr := s.body(as, only(families, a.names))
	s.encoded(encodeErr)
	s.mu.Lock()
	defer s.mu.Unlock()
	a.body = body
	s.held += body.held()
	if a.refs == 0 { // nobody is waiting
		s.drop(a)
	}
}

// body writes families in the requested form. After an error, it has what could be written.
func (s *snapshots) body(as answerKey, families iter.Seq[*dto.MetricFamily]) (*body, error) {
	w := s.writers.Get().(*encoder)
	defer s.writers.Put(w)
	b := &body{pool: &s.pieces}
	if !as.gzip {
		w.text.reset(b, as.format, s.created)
		return b, w.text.write(families)
	}
	w.gzip.Reset(b)
	w.text.reset(w.gzip, as.format, s.created)
	err := w.text.write(families)
	w.gzip.Close() // a body takes all
	return b, err
}

// An encoder is what one encoding at a time needs.
type encoder struct {
	text exposition
	gzip *gzip.Writer
}

func newEncoder() *encoder {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return &encoder{gzip: w}
}

// only keeps the families that have one of the names, or all of them without names.
func only(families iter.Seq[*dto.MetricFamily], names []string) iter.Seq[*dto.MetricFamily] {
	if len(names) == 0 {
		return families
	}
	return func(yield func(*dto.MetricFamily) bool) {
		for f := range families {
			if slices.Contains(names, f.GetName()) && !yield(f) {
				return
			}
		}
	}
}

// merged goes through both of two sequences of families that are sorted by name and have none in common.
func merged(some []*dto.MetricFamily, more iter.Seq[*dto.MetricFamily]) iter.Seq[*dto.MetricFamily] {
	return func(yield func(*dto.MetricFamily) bool) {
		left := some
		for f := range more {
			for len(left) > 0 && left[0].GetName() < f.GetName() {
				if !yield(left[0]) {
					return
				}
				left = left[1:]
			}
			if !yield(f) {
				return
			}
		}
		for _, f := range left {
			if !yield(f) {
				return
			}
		}
	}
}
