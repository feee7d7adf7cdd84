package collector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
)

// pipelineConfig says what a pipeline reads, who counts it, and where that is kept.
type pipelineConfig struct {
	Log       string // the label log, and the name of the record on disk
	Path      string // a file or a glob; "" with Syslog
	Syslog    string
	FromStart bool
	Book      book
	State     *statefile.Dir // nil: in memory alone
	Logger    log.Logger
}

// A source gives a pipeline the lines of a log.
type source interface {
	// Read hands out what there is now.
	Read() error
	Close()
}

// A pipeline is the goroutine that owns one log: it reads, counts, commits what it counted with the position that
// goes with it, and only then publishes. What a scrape shows has been committed.
type pipeline struct {
	pipelineConfig
	source   source
	follower *tail.Follower // nil for syslog
	requests chan *readRequest
	books    chan bookChange
	commits  *committer
	now      func() time.Time

	// Of the goroutine that runs Run.
	totals  totals
	dirty   bool // there is something that has not been committed
	readErr error

	mu        sync.Mutex // guards what follows
	published *logView
	problem   string
}

// A readRequest is a scrape that waits for everything that was written before it.
type readRequest struct{ done chan error }

type bookChange struct {
	book book
	done chan error
}

// totals are counts of the log itself, kept beside those of its lines.
type totals struct {
	ReadBytes uint64            `json:"read_bytes"`
	Renamed   uint64            `json:"renamed"`
	Truncated uint64            `json:"truncated"`
	Gaps      map[string]uint64 `json:"gaps"`
	LastLine  time.Time         `json:"last_line"` // when it was read
}

// savedPosition is the first part of a record.
type savedPosition struct {
	tail.Position
	Source string    `json:"source,omitempty"` // the path, glob or address that was read
	Seen   time.Time `json:"seen"`
	Totals totals    `json:"totals"`
}

// Reasons of gaps that are not the follower's.
const (
	gapCorrupt = "state_corrupt"
	gapLost    = "state_lost"
	gapDropped = "dropped"
)

// gapReasons are given from zero on, so that the first gap is a rise.
var gapReasons = []string{gapCorrupt, gapLost, tail.GapDeleted, tail.GapTruncated, tail.GapUnreadable, gapDropped}

const (
	// tickInterval is how often a log is read while nobody scrapes, so that no rotation is missed.
	tickInterval = time.Second
	// commitInterval is how often what was read is committed while nobody scrapes.
	commitInterval = 15 * time.Second
)

// newPipeline opens nothing: what is wrong with a log is told at a scrape.
func newPipeline(cfg pipelineConfig) (*pipeline, error) {
	p := &pipeline{
		pipelineConfig: cfg,
		requests:       make(chan *readRequest),
		books:          make(chan bookChange),
		commits:        newCommitter(cfg.State, cfg.Log, cfg.Logger),
		now:            time.Now,
		totals:         totals{Gaps: map[string]uint64{}},
	}
	if cfg.Syslog != "" {
		listener, err := newSyslogSource(cfg.Syslog, p)
		if err != nil {
			return nil, err
		}
		p.source = listener
		return p, nil
	}
	p.follower = tail.New(cfg.Path, cfg.FromStart, p, func() time.Time { return p.now() })
	p.source = p.follower
	return p, nil
}

// Run reads until ctx ends, then once more, commits and returns.
func (p *pipeline) Run(ctx context.Context) error {
	defer p.source.Close()
	committing := make(chan struct{})
	go func() { defer close(committing); p.commits.run() }()
	p.restore()
	p.read()
	p.commitAndPublish(ctx)
	tick := time.NewTicker(tickInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			p.read()
			last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			err := p.commitAndPublish(last)
			p.commits.stop()
			if err == nil {
				<-committing
			}
			return err
		case request := <-p.requests:
			p.serve(ctx, request)
		case change := <-p.books:
			change.done <- p.changeBook(change.book)
		case <-tick.C:
			p.read()
			if p.commits.isDue(p.now(), p.dirty) {
				p.commitAndPublish(ctx)
			}
		}
	}
}

// serve reads for a scrape, and for all others that have come meanwhile.
func (p *pipeline) serve(ctx context.Context, first *readRequest) {
	waiting := []*readRequest{first}
	for more := true; more; {
		select {
		case next := <-p.requests:
			waiting = append(waiting, next)
		default:
			more = false
		}
	}
	p.read()
	p.commitAndPublish(ctx)
	for _, request := range waiting {
		request.done <- p.readErr
	}
}

func (p *pipeline) read() {
	p.readErr = p.source.Read()
	problem := ""
	if p.readErr != nil {
		problem = p.readErr.Error()
	}
	p.mu.Lock()
	p.problem = problem
	p.mu.Unlock()
}

// Scrape asks for all that was written before it. When ctx ends first, the last that was published is the answer,
// with an error.
func (p *pipeline) Scrape(ctx context.Context) (*logView, error) {
	request := &readRequest{done: make(chan error, 1)}
	select {
	case p.requests <- request:
	case <-ctx.Done():
		return p.last(), errors.New("still reading, the numbers are those of an earlier moment")
	}
	select {
	case err := <-request.done:
		return p.last(), err
	case <-ctx.Done():
		return p.last(), errors.New("still reading, the numbers are those of an earlier moment")
	}
}

func (p *pipeline) last() *logView {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.published
}

// SetBook counts the lines that follow in another book, which takes over the counts of the one before.
func (p *pipeline) SetBook(ctx context.Context, b book) error {
	change := bookChange{b, make(chan error, 1)}
	select {
	case p.books <- change:
		return <-change.done
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pipeline) changeBook(b book) error {
	p.read()
	if err := b.RestoreState(p.Book.AppendState(nil)); err != nil {
		return err
	}
	p.Book = b
	return nil
}

// Lines, TooLong, Rotated and Gap make the pipeline the sink of its source.
func (p *pipeline) Lines(block []byte) {
	p.Book.Lines(block)
	p.totals.ReadBytes += uint64(len(block))
	p.totals.LastLine = p.now()
	p.dirty = true
}

func (p *pipeline) TooLong() {
	p.Book.TooLong()
	p.dirty = true
}

// Checkpoint commits on the way through a long log, so that it shows progress and is not read again after a crash.
func (p *pipeline) Checkpoint() { p.commitAndPublish(context.Background()) }

func (p *pipeline) Rotated(kind string) {
	level.Info(p.Logger).Log("msg", "the log was rotated", "kind", kind, "path", p.Path)
	if kind == "truncated" {
		p.totals.Truncated++
	} else {
		p.totals.Renamed++
	}
	p.dirty = true
}

func (p *pipeline) Gap(reason, file string, from, to int64, cause string) {
	fields := []any{"msg", "lines are lost, or may be", "reason", reason, "file", file, "from", from}
	if to >= 0 {
		fields = append(fields, "to", to)
	}
	level.Warn(p.Logger).Log(append(fields, "cause", cause)...)
	p.totals.Gaps[reason]++
	p.dirty = true
}

// restore takes up what was committed.
func (p *pipeline) restore() {
	if p.State == nil {
		return
	}
	record, err := p.State.Load(p.Log)
	switch {
	case errors.Is(err, statefile.ErrNone):
		return
	case errors.Is(err, statefile.ErrLost):
		p.lostState(gapLost, err)
		return
	case err != nil:
		p.lostState(gapCorrupt, err)
		return
	}
	var saved savedPosition
	err = json.Unmarshal(record.Position, &saved)
	if err == nil {
		err = p.Book.RestoreState(record.Counts)
	}
	if err != nil {
		p.lostState(gapCorrupt, p.State.Aside(p.Log, err))
		return
	}
	if saved.Totals.Gaps == nil {
		saved.Totals.Gaps = map[string]uint64{}
	}
	p.totals = saved.Totals
	switch {
	case p.follower == nil:
	case saved.Source != "" && saved.Source != p.where():
		level.Info(p.Logger).Log("msg", "the log is another one than before: its counters go on, from the place that start: says", "path", p.Path, "before", saved.Source)
	default:
		p.follower.Resume(saved.Position, saved.Seen)
	}
}

// where is what is read, by a name that does not depend on the folder that the program was started in.
func (p *pipeline) where() string {
	if p.Syslog != "" {
		return p.Syslog
	}
	path, err := filepath.Abs(p.Path)
	if err != nil {
		return p.Path
	}
	return path
}

func (p *pipeline) lostState(reason string, err error) {
	p.Gap(reason, p.Path, 0, -1, err.Error()+"; counting begins at zero, and at the place that start: says")
}

// commitAndPublish commits what is counted, waits for that no longer than ctx, and publishes it either way: when
// the disk is full or hangs, fresh numbers are worth more than none.
func (p *pipeline) commitAndPublish(ctx context.Context) error {
	view := p.view()
	var err error
	if p.State != nil && (p.dirty || !p.commits.hasCommitted()) {
		var record statefile.Record
		if record, err = p.record(); err == nil {
			err = p.commits.commit(ctx, record)
		}
	}
	p.dirty = p.dirty && err != nil
	p.mu.Lock()
	p.published = view
	p.mu.Unlock()
	return err
}

func (p *pipeline) record() (statefile.Record, error) {
	saved := savedPosition{Totals: p.totals, Source: p.where()}
	if p.follower != nil {
		saved.Position, saved.Seen = p.follower.Position(), p.follower.Seen()
	}
	position, err := json.Marshal(saved)
	if err != nil {
		return statefile.Record{}, fmt.Errorf("saving state: %w", err)
	}
	return statefile.Record{Position: position, Counts: p.Book.AppendState(nil)}, nil
}

func (p *pipeline) view() *logView {
	v := &logView{log: p.Log, lines: p.Book.View(), totals: p.totals}
	v.totals.Gaps = map[string]uint64{}
	for reason, n := range p.totals.Gaps {
		v.totals.Gaps[reason] = n
	}
	if p.follower != nil {
		v.lag = p.follower.Lag()
	}
	return v
}

// A logView is what is counted of a log at one moment. It is immutable.
type logView struct {
	log    string
	lines  view
	totals totals
	lag    int64
}

// Emit gives the metrics of the lines and of the log itself.
func (v *logView) Emit(emit func(prometheus.Metric)) {
	v.lines.Emit(emit)
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		emit(prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append([]string{v.log}, labels...)...))
	}
	counter(descLogReadBytes, v.totals.ReadBytes)
	counter(descLogRotations, v.totals.Renamed, "renamed")
	counter(descLogRotations, v.totals.Truncated, "truncated")
	for _, reason := range gapReasons {
		counter(descLogGaps, v.totals.Gaps[reason], reason)
	}
	emit(prometheus.MustNewConstMetric(descLogLag, prometheus.GaugeValue, float64(v.lag), v.log))
	if !v.totals.LastLine.IsZero() {
		emit(prometheus.MustNewConstMetric(descLogLastLine, prometheus.GaugeValue, float64(v.totals.LastLine.UnixMilli())/1000, v.log))
	}
}

// pipelineStats is what is told of a pipeline beside its metrics.
type pipelineStats struct {
	CommitsOK, CommitsFailed uint64
	LastCommit               time.Time
	Lag                      int64
	Problem                  string
}

// Stats may be asked for by any goroutine.
func (p *pipeline) Stats() pipelineStats {
	s := p.commits.stats()
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Problem = p.problem
	if p.published != nil {
		s.Lag = p.published.lag
	}
	return s
}
