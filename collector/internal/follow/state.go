package follow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-kit/log/level"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/takenout"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// Totals are counts of the log itself, kept beside those of its lines.
type Totals struct {
	ReadBytes uint64            `json:"read_bytes"`
	Renamed   uint64            `json:"renamed"`
	Truncated uint64            `json:"truncated"`
	Gaps      map[string]uint64 `json:"gaps"`
	LastLine  time.Time         `json:"last_line"` // when it was read
}

// A Snapshot is the counts of a log at one moment. It is immutable.
type Snapshot struct {
	Lines  ledger.Lines
	Series *ledger.Snapshot
	Totals Totals
	Out    []takenout.State // of an error log: which servers are taken out
}

// restore loads what was committed and publishes that: to find the files again may take a while, and what is read on
// the way is not committed yet. Of a log that has nothing on disk it publishes nothing: after a crash, reading would
// begin behind the lines that follow the zeros shown.
//
// It reports whether it could before ctx ended: otherwise the log has not begun, and nothing of it is lost.
func (p *Pipeline) restore(ctx context.Context) (ok bool) {
	resume, ok := p.restoreCounts(ctx)
	if !ok {
		return false
	}
	if p.commits.dir == nil || p.isOnDisk {
		p.publishRestored()
	}
	if resume != nil {
		resume()
	}
	return true
}

func (p *Pipeline) publishRestored() {
	var out []takenout.State
	if c, ok := p.counter.(outages); ok {
		out = c.ShownTakenOut() // before the snapshot, which has those of now
	}
	committed := p.snapshot()
	committed.Out = out
	p.publish(committed)
}

// restoreCounts takes up the counts, and returns what goes on with the position, or nil without one. It reports whether
// it could before ctx ended.
func (p *Pipeline) restoreCounts(ctx context.Context) (resume func(), ok bool) {
	if p.commits.dir == nil {
		return p.goOn(), true
	}
	found, ok := p.claim(ctx)
	if !ok {
		return nil, false
	}
	return p.take(found), true
}

func (p *Pipeline) hasEnded() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// take takes up the counts that the log gets, and returns what goes on with the position, or nil without one.
func (p *Pipeline) take(found claim) (resume func()) {
	p.records, p.peers = nil, nil
	p.left = found.left
	saved, err := p.load(found)
	switch {
	case err == nil:
		p.isOnDisk = true
	case errors.Is(err, statefile.ErrNone):
	case errors.Is(err, statefile.ErrLost):
		p.lostState(gapLost, err)
		return nil
	case err != nil:
		p.lostState(gapCorrupt, err)
		return nil
	}
	if saved.Totals.Gaps == nil {
		saved.Totals.Gaps = map[string]uint64{}
	}
	p.totals = saved.Totals
	if p.follower == nil {
		return nil
	}
	if err == nil && found.isOfFile {
		p.restored = &saved
	}
	switch {
	case found.isAt:
		return func() { p.follower.Resume(found.position, saved.Seen) }
	case found.position.IsEmpty():
		return nil
	}
	return func() { p.follower.ResumeSome(found.position) }
}

// claim gets what the log continues, and reserves its record. It reports whether it could before ctx ended.
func (p *Pipeline) claim(ctx context.Context) (found claim, ok bool) {
	records := p.records
	if p.peers == nil {
		p.peers = []source.LogSource{p.source}
	}
	if records == nil {
		records = NewRecords(p.commits.dir, p.peers)
	}
	found, ok = records.of(ctx, p.source.Name, p.owners, p.reportSlowLog)
	if !ok {
		return found, false
	}
	name := found.record
	for i := 2; !p.commits.dir.Claim(name, p.source.Name); i++ { // a log that has not ended in time still writes it
		found.isOfFile, found.left = false, nil
		name = statefile.NameOf(fmt.Sprintf("%s-%d", p.source.Name, i))
	}
	found.record, p.commits.log = name, name
	return found, true
}

// keepRecord leaves the record on disk as it is if a new one would have the same position: each of a thousand idle logs
// would write one at a start otherwise. Without new lines, what is shown follows from that record.
func (p *Pipeline) keepRecord() {
	restored := p.restored
	p.restored = nil
	if restored == nil {
		return
	}
	if c, ok := p.counter.(outages); ok && !slices.Equal(p.Last().Out, c.TakenOut(p.now())) {
		return // time has passed
	}
	now := p.saved()
	now.Seen, now.Round = restored.Seen, restored.Round
	before, err := json.Marshal(restored)
	after, errAfter := json.Marshal(now)
	if err == nil && errAfter == nil && bytes.Equal(before, after) {
		p.commits.isUnchanged()
	}
}

// load restores the counts of the record that was found, and returns the rest of it.
func (p *Pipeline) load(found claim) (saved savedPosition, err error) {
	record, err := p.commits.dir.Load(found.record)
	if err != nil {
		return saved, err
	}
	err = json.Unmarshal(record.Position, &saved)
	p.hasRecord = record.Counts != nil
	if err == nil && p.hasRecord {
		err = p.awake().RestoreState(record.Counts)
	}
	if err != nil {
		return savedPosition{}, p.commits.dir.Aside(found.record, err)
	}
	if !found.isOfFile && saved.Source != "" {
		level.Info(p.logger).Log("msg", "this is a different log than before; its counters continue, and reading "+
			"begins where start: says",
			"path", p.source.Path, "before", saved.Source)
	}
	return saved, nil
}

func (p *Pipeline) where() string { return where(p.source) }

func (p *Pipeline) lostState(reason string, err error) {
	p.Gap(reason, p.source.Path, 0, -1, err.Error()+"; counting begins at zero, and reading begins where start: says")
}

// commit writes the counts with their position, and publishes them when they are on disk. It waits for that at most
// until ctx ends.
func (p *Pipeline) commit(ctx context.Context) error {
	if p.commits.dir == nil {
		p.publish(p.snapshot())
		p.dirty = false
		return nil
	}
	if !p.dirty && p.commits.awaitFirst(ctx) {
		return nil
	}
	snapshot := p.snapshot() // before the record, which holds what is shown of time that passes
	record, err := p.record()
	if err == nil {
		isStart := !p.dirty && !p.hasRecord
		err = p.commits.commit(ctx, commitWork{record: record, isStart: isStart, snapshot: snapshot})
	}
	p.dirty, p.moved = p.dirty && err != nil, p.moved && err != nil
	return err
}

func (p *Pipeline) record() (statefile.Record, error) {
	position, err := json.Marshal(p.saved())
	if err != nil {
		return statefile.Record{}, fmt.Errorf("saving state: %w", err)
	}
	return statefile.Record{Position: position, Counts: p.appendState(nil)}, nil
}

func (p *Pipeline) saved() savedPosition {
	saved := savedPosition{Totals: p.totals, Source: p.where(), Kind: kindOf(p.source), Left: p.left}
	if p.commits.dir != nil {
		saved.Round = p.commits.dir.Round()
	}
	if p.follower != nil {
		saved.Position, saved.Seen = p.follower.Position(), p.follower.Seen()
	}
	return saved
}

// outages is a Counter that knows which servers are taken out at a moment, and what it said last.
type outages interface {
	TakenOut(now time.Time) []takenout.State
	ShownTakenOut() []takenout.State
}

func (p *Pipeline) snapshot() *Snapshot {
	s := &Snapshot{Totals: p.totals}
	if p.asleep != nil && p.asleep.last != nil {
		last := p.asleep.last
		s.Lines, s.Series, s.Out = last.Lines, last.Series, last.Out
	} else {
		s.Lines, s.Series = p.awake().Snapshot()
	}
	if c, ok := p.counter.(outages); ok {
		s.Out = c.TakenOut(p.now())
	}
	p.passing = slices.ContainsFunc(s.Out, func(s takenout.State) bool { return s.Unavailable })
	s.Totals.Gaps = maps.Clone(p.totals.Gaps)
	return s
}
