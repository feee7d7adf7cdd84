// Package follow is the pipeline of one log: a goroutine that reads it, counts its lines, commits what it counted with
// the position that goes with it, and only then publishes.
//
// Who owns what. The goroutine of Run owns the reader (a follower of files, or a syslog socket) and the counter;
// nothing in them is locked. Each record is written in its own goroutine, so that a hanging disk does not hold up
// reading; it publishes a snapshot once the record that goes with it is on disk. Scrapes and reloads send requests and
// wait for answers at most until their contexts end.
//
// What a snapshot shows has been committed: after a crash at any moment no counter is lower than it was shown. Without
// a disk, snapshots are published at once.
package follow

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/internal/watch"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A Counter keeps the counts of one log. One goroutine owns it: nothing in it is locked.
type Counter interface {
	// Lines counts the lines of block, which is whole lines, each ended by "\n". It keeps no part of block.
	Lines(block []byte)
	// TooLong counts a line that is too long for any block.
	TooLong()
	// AppendState appends an encoding of all counts to dst and returns it.
	AppendState(dst []byte) []byte
	// RestoreState replaces the counts with those of an AppendState of this or an earlier version. After an error the
	// counts are unchanged.
	RestoreState(state []byte) error
	// Snapshot returns the present counts, for any goroutine to read.
	Snapshot() (ledger.Lines, *ledger.Snapshot)
}

// Config says what a Pipeline reads, what counts it, and where the state is kept.
type Config struct {
	Source   source.LogSource
	Counter  Counter
	New      func() (Counter, error) // makes the Counter when needed, where that is nil; must not fail
	State    *statefile.Dir          // nil: in memory only
	Former   *Pipeline               // without State: the one of this name that ends, with which it goes on
	IsShared bool                    // another log may have had the files of Former since
	Records  *Records                // of State, shared by logs that begin together; nil: no others do
	Peers    []source.LogSource      // all logs that are followed, in their order: a glob leaves their files out
	Watcher  *watch.Watcher          // of changes of the files; nil: none
	Buffers  *tail.Buffers           // lends blocks to all logs; nil: the log has its own
	Names    *tail.Names             // of folders, for all logs; nil: the log lists each time
	Owners   *tail.Owners            // of files, for all logs; nil: no other log has any
	Logger   log.Logger

	// Renew returns what makes such a Counter again, nil while it must stay. It may be nil.
	Renew func(Counter) func() (Counter, error)
}

// A reader passes the lines of a log to a pipeline.
type reader interface {
	// Read reads everything there is now.
	Read() error
	Close()
}

// A Pipeline follows one log.
type Pipeline struct {
	source      source.LogSource
	records     *Records // nil once the log's own has been found
	former      *Pipeline
	isShared    bool
	peers       []source.LogSource
	owners      *tail.Owners
	watcher     *watch.Watcher
	counter     Counter  // nil while it sleeps
	asleep      *sleeper // nil while it does not
	renew       func(Counter) func() (Counter, error)
	logger      log.Logger
	reader      reader
	follower    *tail.Follower // nil for syslog
	requests    chan *readRequest
	changes     chan counterChange
	inspections chan inspection
	commits     *committer
	now         func() time.Time
	done        chan struct{}
	endBy       atomic.Int64 // when reading must end, Unix nanoseconds; 0 before the end has begun

	// Of the goroutine that runs Run.
	totals    Totals
	pace      pace
	lastBytes uint64         // that were read at the last poll
	left      []leftShares   // see savedPosition
	restored  *savedPosition // until the first read
	isOnDisk  bool           // there was a record, or a position, when it began
	hasRecord bool           // of its own, on disk: not only a position
	end       end            // without a disk
	dirty     bool           // something has not been committed
	moved     bool           // the position has, without lines; it is committed at once
	passing   bool           // counts grow without lines: a server is taken out
	readErr   error
	lastErr   error // of the last commit; valid when done is closed

	mu        sync.Mutex // guards the fields below
	published *Snapshot
	problem   string
	lag       int64       // bytes that were written and not read when last looked at
	readBytes uint64      // counted, committed or not
	sight     *tail.Sight // of all that is counted and committed; nil while there is more
}

// A readRequest is a scrape that waits for everything written before it.
type readRequest struct{ done chan error }

type counterChange struct {
	counter Counter
	done    chan error
}

const (
	// commitInterval is how often what was read is committed while nobody scrapes.
	commitInterval = 15 * time.Second
	// lastReadWait is how long is read at the end: what is left then is for the next start.
	lastReadWait = time.Second
	// lastCommitWait is how long the last commit may take.
	lastCommitWait = 3 * time.Second
)

// New returns a Pipeline. It opens nothing: a scrape reports what is wrong with a log.
func New(cfg Config) *Pipeline {
	p := &Pipeline{
		source:      cfg.Source,
		records:     cfg.Records,
		former:      cfg.Former,
		isShared:    cfg.IsShared,
		peers:       cfg.Peers,
		owners:      cfg.Owners,
		watcher:     cfg.Watcher,
		counter:     cfg.Counter,
		renew:       cfg.Renew,
		logger:      cfg.Logger,
		requests:    make(chan *readRequest),
		changes:     make(chan counterChange),
		inspections: make(chan inspection),
		now:         time.Now,
		done:        make(chan struct{}),
		totals:      Totals{Gaps: map[string]uint64{}},
	}
	if cfg.Counter == nil {
		p.asleep = &sleeper{make: cfg.New}
	}
	p.commits = newCommitter(cfg.State, cfg.Source.Name, cfg.Logger, p.publish)
	if cfg.Source.Syslog != "" {
		p.reader = newSyslogReader(cfg.Source.Syslog, p)
		return p
	}
	p.follower = newFollower(cfg.Source, p)
	if cfg.Source.IsGlob() && len(cfg.Peers) > 1 {
		p.follower.LeaveOut(leavesOut(cfg.Source, cfg.Peers))
	}
	p.follower.StopWhen(p.isOver)
	p.follower.Share(cfg.Names)
	if cfg.Owners != nil {
		p.follower.Own(cfg.Owners, cfg.Source.Name, kindOf(cfg.Source))
	}
	if cfg.Buffers != nil {
		p.follower.Borrow(cfg.Buffers)
	}
	p.reader = p.follower
	return p
}

// isOver reports whether no more is to be read.
func (p *Pipeline) isOver() bool {
	by := p.endBy.Load()
	return by != 0 && time.Now().UnixNano() >= by
}

// Source returns the followed log.
func (p *Pipeline) Source() source.LogSource { return p.source }

// Done is closed when Run has returned.
func (p *Pipeline) Done() <-chan struct{} { return p.done }

// Err returns the result of Run, once Done is closed.
func (p *Pipeline) Err() error { return p.lastErr }

// Run reads until ctx ends, then once more, commits and returns. A backlog that takes longer than that is left, between
// two blocks, for the next start. Run's error says what could not be committed.
//
// Many goroutines wait in Run and serve, so their frames are small: the runtime halves a stack only while less than a
// quarter of it is used.
func (p *Pipeline) Run(ctx context.Context) error {
	defer close(p.done)
	defer p.reader.Close()
	defer context.AfterFunc(ctx, func() { p.endBy.Store(time.Now().Add(lastReadWait).UnixNano()) })()
	if !p.begin(ctx) {
		p.lastErr = p.whyNotBegun()
		return p.lastErr
	}
	defer p.commits.stop()
	p.serve(ctx)
	p.lastErr = p.finish()
	return p.lastErr
}

// begin goes on where the log was, reads and commits. It reports whether it could.
func (p *Pipeline) begin(ctx context.Context) bool {
	records := p.records
	starting, cancelStart := endingAfter(ctx, maxAnswer)
	defer cancelStart()
	begun := records.begin(starting)
	slow := time.AfterFunc(maxCommitWait, func() { p.reportSlowState(records) })
	isRestored := p.restore(starting)
	slow.Stop()
	if !isRestored {
		return false
	}
	p.lastBytes = p.totals.ReadBytes
	p.read()
	if !p.dirty { // restore may have read something, too
		p.keepRecord()
		p.sleep() // before the disk is waited for: there may be many others
	}
	begun()
	p.commit(ctx)
	return true
}

// finish reads once more, commits, and leaves its files to others.
func (p *Pipeline) finish() error {
	p.read()
	p.end = p.endOf()
	last, cancel := context.WithTimeout(context.Background(), lastCommitWait)
	defer cancel()
	p.commits.await(last) // one begun before, and no longer awaited
	err := p.commit(last)
	if err == nil && p.follower != nil {
		p.follower.HandOver()
	}
	return err
}

// serve reads, commits and answers until ctx ends.
func (p *Pipeline) serve(ctx context.Context) {
	p.pace.begin(p.watcher, p.watchedPath())
	defer p.pace.end()
	for {
		select {
		case <-ctx.Done():
			return
		case request := <-p.requests:
			p.answer(ctx, request)
		case change := <-p.changes:
			change.done <- p.changeCounter(change.counter)
		case i := <-p.inspections:
			p.read()
			i.f(p.awake())
			close(i.done)
		case <-p.pace.hint():
			p.poll(ctx)
		case <-p.pace.tick.C:
			p.poll(ctx)
		}
	}
}

// poll reads without a request.
func (p *Pipeline) poll(ctx context.Context) {
	p.read()
	if p.moved || p.commits.isDue(p.now(), p.dirty) {
		p.commit(ctx)
	}
	p.pace.polled(p.totals.ReadBytes != p.lastBytes || p.dirty)
	p.lastBytes = p.totals.ReadBytes
	if p.pace.isSlow() && p.follower != nil && p.follower.Sight() != nil && !p.dirty {
		p.sleep()
	}
}

// answer reads for a scrape, and for all others that have come meanwhile.
func (p *Pipeline) answer(ctx context.Context, first *readRequest) {
	waiting := []*readRequest{first}
	for more := true; more; {
		select {
		case next := <-p.requests:
			waiting = append(waiting, next)
		default:
			more = false
		}
	}
	p.dirty = p.dirty || p.passing
	p.read()
	err := errors.Join(p.readErr, p.commit(ctx))
	for _, request := range waiting {
		request.done <- err
	}
}

func (p *Pipeline) read() {
	p.readErr = p.reader.Read()
	problem := ""
	if p.readErr != nil {
		problem = p.readErr.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problem, p.readBytes, p.sight = problem, p.totals.ReadBytes, nil
	if p.follower != nil {
		p.lag = p.follower.Lag()
		if problem == "" && !p.dirty && !p.passing {
			p.sight = p.follower.Sight()
		}
	}
}

// IsStill reports whether nothing has been written that the last snapshot does not show. It asks only the log's disk:
// with many idle logs, that is all that a scrape has to do. False means nothing.
func (p *Pipeline) IsStill() bool {
	p.mu.Lock()
	sight := p.sight
	p.mu.Unlock()
	return sight != nil && p.commits.isSaved() && sight.Holds()
}

var (
	// ErrStillReading says that a log was not read to its end in time.
	ErrStillReading = errors.New("still reading; the numbers are older")
	errEnded        = errors.New("it is no longer followed")
)

// Scrape requests everything written before it, and returns the last committed snapshot. Its error says why that is an
// older one: the log cannot be read, the commit failed, or ctx ended first.
func (p *Pipeline) Scrape(ctx context.Context) (*Snapshot, error) {
	request := &readRequest{done: make(chan error, 1)}
	select {
	case p.requests <- request:
	case <-ctx.Done():
		return p.Last(), p.whyLate()
	case <-p.done:
		return p.Last(), errEnded
	}
	select {
	case err := <-request.done:
		return p.Last(), err
	case <-ctx.Done():
		return p.Last(), ErrStillReading
	}
}

// Last returns the last committed snapshot, nil before the first.
func (p *Pipeline) Last() *Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.published
}

func (p *Pipeline) publish(s *Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.published = s
}

// Replace counts further lines with another Counter, which takes over the counts of the present one. It waits, at most
// until ctx ends, until everything written before is counted.
func (p *Pipeline) Replace(ctx context.Context, c Counter) error {
	change := counterChange{c, make(chan error, 1)}
	select {
	case p.changes <- change:
	case <-ctx.Done():
		return ErrStillReading
	case <-p.done:
		return errEnded
	}
	select {
	case err := <-change.done:
		return err
	case <-ctx.Done():
		return ErrStillReading // it takes effect when the log can be read again
	}
}

func (p *Pipeline) changeCounter(c Counter) error {
	p.dirty = true // it may have other series at 0
	p.read()
	if err := c.RestoreState(p.appendState(nil)); err != nil {
		return err
	}
	p.counter, p.asleep = c, nil
	return nil
}

// An inspection is a function that reads the counter.
type inspection struct {
	f    func(Counter)
	done chan struct{}
}

// Inspect calls f with the counter, in the goroutine that owns it, once everything written before is counted. What f
// sees may be uncommitted. It waits at most until ctx ends; after an error f may be called later, or never.
func (p *Pipeline) Inspect(ctx context.Context, f func(Counter)) error {
	i := inspection{f, make(chan struct{})}
	select {
	case p.inspections <- i:
	case <-ctx.Done():
		return ErrStillReading
	case <-p.done:
		return errEnded
	}
	select {
	case <-i.done:
		return nil
	case <-ctx.Done():
		return ErrStillReading
	}
}

// Stats describes a pipeline beside its counts. It is current, committed or not.
type Stats struct {
	CommitsOK, CommitsFailed uint64
	LastCommit               time.Time
	Unsaved                  string // why the last commit failed; "" if it succeeded
	Lag                      int64  // bytes that were written and are not in the published counts
	Problem                  string // why the log cannot be read; "" if it can
}

// Any goroutine may call Stats.
func (p *Pipeline) Stats() Stats {
	s := p.commits.stats()
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Problem, s.Lag = p.problem, p.lag
	if p.published != nil {
		s.Lag += int64(p.readBytes - min(p.readBytes, p.published.Totals.ReadBytes))
	}
	return s
}
