// Package accesslog counts the lines of an access log: each line becomes a record (logformat), and each record adds to
// the series of a ledger. It decides routes, methods, codes and outcomes; the labels that follow from nginx.conf are
// added when the series are exposed.
package accesslog

import (
	"bytes"
	"fmt"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/internal/recent"
	"github.com/fremisn/fremisn-exporter/collector/internal/takenout"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// Config is everything that an access log's counting depends on.
type Config struct {
	Source          source.LogSource
	Routes          []source.Route             // none: the label route is empty
	Buckets         []float64                  // upper bounds of the classic histograms, seconds, rising
	MaxSeries       int                        // as Prometheus counts them
	Groups          []string                   // names of upstreams, whose series start at 0
	GroupName       func(logged string) string // … by the name that is logged if no server is live; nil for the same
	Servers         []string                   // addresses, likewise
	LimitReqStatus  int                        // NGINX's status when limit_req rejects, 0 for its default
	LimitConnStatus int
	Answers         *takenout.Answers // receives the seconds in which servers answered; may be nil
	Watcher         Watcher           // may be nil
	Shared          *Shared           // of all logs; nil: nothing is shared

	// Reformat returns the log's present formats in nginx.conf, or nil if it has not changed. It may be nil.
	Reformat func() []source.Format
}

// A Counter counts the lines of one access log, or of one log of stream{}. It belongs to one goroutine.
type Counter struct {
	cfg      Config
	isStream bool
	parser   *logformat.Parser
	record   *logformat.Record
	families []ledger.Family
	ledger   *ledger.Ledger
	layout   *ledger.Layout
	rules    *Rules
	routes   routeTable
	own      *ownLabels

	requests    requestCache
	servers     serverCache
	words       []*wordCounters // by the number of the user's own labels
	subrequests *ledger.Counter
	noLive      map[string]*ledger.Counter // by the names of groups as logged; nil before the first

	hour    *recent.Window
	whole   bool // complete logs are read: nobody asks for their last hour
	answers *takenout.Answers
	asked   bool   // whether nginx.conf has changed, in this block
	block   []byte // that is being counted

	lines ledger.Lines
	clock func() time.Time
}

// New returns an empty Counter. Its error says why the log_format cannot be read.
func New(cfg Config) (*Counter, error) {
	if cfg.Shared == nil {
		cfg.Shared = &Shared{}
	}
	parser, err := newParser(cfg.Source)
	if err != nil {
		return nil, err
	}
	c := &Counter{
		cfg:      cfg,
		isStream: cfg.Source.Kind == source.Stream,
		parser:   parser,
		record:   logformat.NewRecord(),
		layout:   cfg.Shared.layout(cfg.Buckets),
		routes:   newRouteTable(cfg.Routes),
		hour:     recent.New(),
		whole:    cfg.Watcher != nil,
		answers:  cfg.Answers,
		clock:    time.Now,
	}
	givers := parser
	if counted := cfg.Source.Counted(); len(counted.Formats) < len(cfg.Source.Formats) {
		if givers, err = newParser(counted); err != nil {
			return nil, err
		}
	}
	key := formatsKey(&cfg)
	c.rules = cfg.Shared.rules.must(key, func() *Rules {
		return NewRules(parser, cfg.LimitReqStatus, cfg.LimitConnStatus)
	})
	c.families = cfg.Shared.families.must(key, func() []ledger.Family {
		return families(givers, c.isStream, cfg.Source.Labels, cfg.Shared)
	})
	c.begin(c.newLedger())
	return c, nil
}

func newParser(s source.LogSource) (*logformat.Parser, error) {
	var programs []*logformat.Program
	for _, f := range s.Formats {
		program, err := s.Program(f)
		if err != nil {
			return nil, fmt.Errorf("log %s: %w", s.Name, err)
		}
		programs = append(programs, program)
	}
	return logformat.NewParser(programs[0], programs[1:]...), nil
}

func (c *Counter) newLedger() *ledger.Ledger {
	return ledger.New(c.families, c.layout, c.cfg.MaxSeries)
}

// families returns a ledger's families, by their ID in the table of metrics. Those that the formats lack take no room.
func families(p *logformat.Parser, isStream bool, labels []source.Label, shared *Shared) []ledger.Family {
	var families []ledger.Family
	for i := range metric.Table() {
		m := metric.Get(metric.ID(i))
		f := ledger.Family{Unused: true}
		if m.IsOf(isStream) {
			f = ledger.Family{Name: m.Name, Labels: m.Kept(), Histogram: m.Type == metric.Histogram}
			if m.Buckets != nil {
				f.Layout = shared.layout(m.Buckets)
			}
			f.Unused = !m.GivenBy(p) || m.Of == metric.StreamLog && !streamGives(metric.ID(i), p)
		}
		if m.Of == metric.AccessLog {
			for _, l := range labels {
				f.Labels = append(f.Labels, l.Name)
			}
		}
		families = append(families, f)
	}
	return families
}

// begin makes the Counter count into l.
func (c *Counter) begin(l *ledger.Ledger) {
	c.ledger = l
	c.own = newOwnLabels(c.cfg.Source.Labels)
	for _, counter := range l.Counters(int(metric.AccessOutcomes)) {
		c.own.restore(counter.Labels[len(counter.Labels)-len(c.own.labels):])
	}
	c.clearCaches()
	c.words, c.subrequests, c.noLive = nil, nil, nil
	c.seed()
}

// clearCaches drops the series caches; every series is looked up again.
func (c *Counter) clearCaches() {
	c.requests = newRequestCache()
	c.servers = newServerCache(c.hour, c.parser.Generation())
}

// Lines counts the lines of block, which is whole lines, each ended by "\n". It keeps no part of block.
func (c *Counter) Lines(block []byte) {
	c.ledger.Now = c.clock().UnixMilli()
	c.hour.Now(c.ledger.Now)
	c.asked = false
	// The parser reads beyond a line: the lines at the block's end are read from a copy with room after it.
	inPlace := bytes.LastIndexByte(block[:max(0, len(block)-logformat.Pad)], '\n') + 1
	c.countLines(block, inPlace)
	if rest := bytes.TrimSuffix(block[inPlace:], []byte{'\n'}); inPlace < len(block) {
		c.countLines(c.parser.Padded(rest), len(rest)+1)
	}
	c.block = nil
}

// keepExemplars copies the ids of exemplars out of a block. Complete logs do not need them.
func (c *Counter) keepExemplars(block []byte) {
	if !c.whole {
		c.ledger.KeepExemplars(block)
	}
}

// countLines counts the lines of block[:size], which has room after it.
func (c *Counter) countLines(block []byte, size int) {
	c.block = block
	for start := 0; start < size; {
		start = c.line(block, start, size-1) + 1
	}
	c.keepExemplars(block)
}

// line counts the line of block that begins at start, and returns the position of its newline. The block's last
// newline is at last.
func (c *Counter) line(block []byte, start, last int) (end int) {
	end, ok := c.parser.Next(block, start, last, c.record)
	if !ok {
		c.misfit(block, start, end, last)
		return end
	}
	if c.cfg.Source.Formats[c.record.Format].Repeats {
		c.lines.Ignored++
		return end
	}
	if w := c.cfg.Watcher; w == nil || w.Accept(c.record) {
		c.count(c.record)
	}
	return end
}

// misfit counts a line that the parser has rejected.
func (c *Counter) misfit(block []byte, start, end, last int) {
	switch {
	case c.parser.Beside(block, start, end):
	case c.reformat(block):
		c.block = block
		c.line(block, start, last)
	default:
		c.lines.Malformed++
		if w := c.cfg.Watcher; w != nil {
			w.Refuse(block[start:end])
		}
	}
}

// TooLong counts a line that is too long for any block.
func (c *Counter) TooLong() { c.lines.TooLong++ }

// Snapshot returns the present counts.
func (c *Counter) Snapshot() (ledger.Lines, *ledger.Snapshot) { return c.lines, c.ledger.Snapshot() }

// AppendState appends an encoding of all counts and of the last hour to dst and returns it.
func (c *Counter) AppendState(dst []byte) []byte {
	dst = ledger.AppendBeside(dst, c.hour.AppendState(nil))
	return ledger.AppendCounts(dst, c.lines, c.ledger)
}

// RestoreState replaces the counts with those of an AppendState of this or an earlier version. After an error the
// counts are unchanged.
func (c *Counter) RestoreState(state []byte) error {
	hour, state, err := ledger.CutBeside(state)
	if err != nil {
		return err
	}
	l := c.newLedger()
	lines, err := ledger.RestoreCounts(state, l)
	if err != nil {
		return err
	}
	if hour != nil {
		if err := c.hour.Restore(hour); err != nil {
			return err
		}
		c.hour.EachAnswer(c.answers.Mark)
	}
	c.lines = lines
	c.begin(l)
	return nil
}

// Adopt goes on with what a state does not have of the last snapshot.
func (c *Counter) Adopt(s *ledger.Snapshot) { c.ledger.Adopt(s) }

// Renew returns what makes such a Counter again, nil while something has happened in the last hour at a moment, Unix
// milliseconds: those who ask for that ask often.
func (c *Counter) Renew(millis int64) func() (*Counter, error) {
	if !c.hour.Snapshot(millis).IsEmpty() {
		return nil
	}
	cfg := c.cfg
	return func() (*Counter, error) { return New(cfg) }
}
