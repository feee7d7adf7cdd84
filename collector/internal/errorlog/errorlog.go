package errorlog

import (
	"bytes"
	"slices"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/internal/takenout"
)

// Config says how to count an error log.
type Config struct {
	MaxSeries int
	TakenOut  takenout.Options // of the servers whose failures are in the log
}

// A Counter counts the entries of one error log. It belongs to one goroutine.
//
// An entry may have several lines: a line that does not begin as one belongs to the entry before. So an entry is
// counted when the next begins, or when its log is committed, whichever comes first: NGINX writes each at once.
type Counter struct {
	tracker   *takenout.Tracker
	entry     []byte // the one that may continue
	size      int    // bytes of the last entry so far, counted or not
	families  []ledger.Family
	layout    *ledger.Layout
	maxSeries int
	ledger    *ledger.Ledger
	cfg       Config
	lines     ledger.Lines
	clock     func() time.Time
}

// New returns an empty Counter.
func New(cfg Config) *Counter {
	c := &Counter{cfg: cfg, families: families(), layout: ledger.NewLayout(nil), maxSeries: cfg.MaxSeries,
		tracker: takenout.New(cfg.TakenOut), clock: time.Now}
	c.ledger = c.newLedger()
	return c
}

func (c *Counter) newLedger() *ledger.Ledger { return ledger.New(c.families, c.layout, c.maxSeries) }

// families returns a ledger's families, by their ID in the table of metrics.
func families() []ledger.Family {
	var families []ledger.Family
	for i := range metric.Table() {
		m := metric.Get(metric.ID(i))
		f := ledger.Family{Unused: true}
		if m.Of == metric.ErrorLog {
			f = ledger.Family{Name: m.Name, Labels: m.Kept()}
		}
		families = append(families, f)
	}
	return families
}

// Lines counts a block of whole lines.
func (c *Counter) Lines(block []byte) {
	c.ledger.Now = c.clock().UnixMilli()
	for len(block) > 0 {
		end := bytes.IndexByte(block, '\n')
		if end < 0 {
			end = len(block)
		}
		c.line(block[:end])
		block = block[min(end+1, len(block)):]
	}
}

// maxEntry is more than NGINX writes as one entry, bytes: later lines are not part of it.
const maxEntry = 4096

func (c *Counter) line(line []byte) {
	switch {
	case Begins(line):
		c.finish()
		c.entry, c.size = append(c.entry[:0], line...), len(line)
	case !c.goesOn(line):
		c.lines.Malformed++
		return
	case len(c.entry) > 0:
		c.entry = append(append(c.entry, '\n'), line...)
	}
	c.lines.Parsed++
}

// goesOn reports whether a line belongs to the previous entry, and counts its bytes.
func (c *Counter) goesOn(line []byte) bool {
	c.size += 1 + len(line)
	return c.lines.Parsed > 0 && c.size <= maxEntry
}

// finish counts the entry that has been read.
func (c *Counter) finish() {
	if len(c.entry) == 0 {
		return
	}
	entry, _ := Parse(c.entry)
	c.ledger.Counter(int(metric.ErrorEntries), entry.Level).Value++
	c.ledger.Counter(int(metric.ErrorEvents), entry.Event, ledger.LabelText(entry.Upstream)).Value++
	c.track(&entry)
	c.entry = c.entry[:0]
}

// TooLong counts a line that is too long for any block.
func (c *Counter) TooLong() { c.lines.TooLong++ }

// Snapshot returns the present counts. The label server of an event may be the name of a group.
func (c *Counter) Snapshot() (ledger.Lines, *ledger.Snapshot) {
	c.finish()
	return c.lines, c.ledger.Snapshot()
}

// AppendState appends an encoding of all counts to dst and returns it.
func (c *Counter) AppendState(dst []byte) []byte {
	c.finish()
	dst = ledger.AppendBeside(dst, c.tracker.AppendState(nil))
	return ledger.AppendCounts(dst, c.lines, c.ledger)
}

// RestoreState replaces the counts with those of an AppendState of this or an earlier version. After an error the
// counts are unchanged.
func (c *Counter) RestoreState(state []byte) error {
	taken, state, err := ledger.CutBeside(state)
	if err != nil {
		return err
	}
	l := c.newLedger()
	l.Now = c.clock().UnixMilli()
	restore := ledger.RestoreCounts
	if ledger.IsFirstVersion(state) {
		restore = restoreFirstVersion
	}
	lines, err := restore(state, l)
	if err != nil {
		return err
	}
	if taken != nil {
		if err := c.tracker.Restore(taken); err != nil {
			return err
		}
	}
	c.lines, c.ledger = lines, l
	return nil
}

// Adopt goes on with what a state does not have of the last snapshot.
func (c *Counter) Adopt(s *ledger.Snapshot) { c.ledger.Adopt(s) }

// Renew returns what makes such a Counter again, nil while a server is taken out: that changes with time.
func (c *Counter) Renew(now time.Time) func() *Counter {
	if slices.ContainsFunc(c.TakenOut(now), func(s takenout.State) bool { return s.Unavailable }) {
		return nil
	}
	cfg := c.cfg
	return func() *Counter { return New(cfg) }
}
