// Package accesslog counts the lines of an access log: each line becomes a record (logformat), and each record adds to
// the series of a ledger. It decides routes, methods, codes and outcomes; labels that follow from nginx.conf are left to
// whoever exposes the series.
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

// Config is all that an access log's counting depends on.
type Config struct {
	Source          source.LogSource
	Routes          []source.Route // none: the label route is empty
	Buckets         []float64      // upper bounds of the classic histograms, seconds, rising
	MaxSeries       int            // as Prometheus counts them
	Groups          []string       // names of upstreams, whose series stand at 0 from the start
	Servers         []string       // addresses, likewise
	LimitReqStatus  int            // what NGINX answers where limit_req rejects, 0 for its default
	LimitConnStatus int
	Answers         *takenout.Answers // takes the seconds in which servers answered; may be nil
}

// A Counter counts the lines of one access log. It belongs to one goroutine.
type Counter struct {
	parser    *logformat.Parser
	record    *logformat.Record
	families  []ledger.Family
	ledger    *ledger.Ledger
	layout    *ledger.Layout
	maxSeries int
	format    formatFields
	routes    routeTable
	groups    []string
	known     []string // addresses of servers
	limited   [2]int64 // statuses that mean limited where the format has no $limit_…_status

	requests requestCache
	servers  serverCache
	words    [3]wordCounters // limit_req, limit_conn, cache

	hour    *recent.Window
	answers *takenout.Answers
	paths   *logformat.Parser // finds paths where parser does not; nil where it does
	again   *logformat.Record // of paths
	current lineBounds

	lines ledger.Lines
	clock func() time.Time
}

// lineBounds is where the line that is counted stands.
type lineBounds struct {
	block      []byte
	start, end int
}

// formatFields is what a format tells.
type formatFields struct {
	path, status, limits, upstream, addresses, upstreamStatus bool

	received    logformat.Field // of an upstream, if either of the two variables is there
	hasReceived bool
}

const defaultLimitStatus = 503

// New returns a Counter that has counted nothing. The error says why the log_format cannot be read.
func New(cfg Config) (*Counter, error) {
	parser, err := newParser(cfg.Source, len(cfg.Routes) > 0)
	if err != nil {
		return nil, err
	}
	c := &Counter{
		parser:    parser,
		record:    logformat.NewRecord(),
		families:  families(parser),
		layout:    ledger.NewLayout(cfg.Buckets),
		maxSeries: cfg.MaxSeries,
		format:    fieldsOf(parser),
		routes:    newRouteTable(cfg.Routes),
		groups:    cfg.Groups,
		known:     cfg.Servers,
		limited:   [2]int64{int64(cfg.LimitReqStatus), int64(cfg.LimitConnStatus)},
		hour:      recent.New(),
		answers:   cfg.Answers,
		clock:     time.Now,
	}
	if len(cfg.Routes) == 0 {
		c.again = logformat.NewRecord()
		if c.paths, err = newParser(cfg.Source, true); err != nil {
			return nil, err
		}
	}
	for i, status := range c.limited {
		if status == 0 {
			c.limited[i] = defaultLimitStatus
		}
	}
	c.begin(c.newLedger())
	return c, nil
}

func newParser(s source.LogSource, paths bool) (*logformat.Parser, error) {
	var programs []*logformat.Program
	for _, f := range s.Formats {
		program, err := logformat.Compile(f.Text, f.Escape, logformat.Options{Paths: paths})
		if err != nil {
			return nil, fmt.Errorf("log %s: %w", s.Name, err)
		}
		programs = append(programs, program)
	}
	return logformat.NewParser(programs[0], programs[1:]...), nil
}

func (c *Counter) newLedger() *ledger.Ledger { return ledger.New(c.families, c.layout, c.maxSeries) }

// families are a ledger's, by their ID in the table of metrics. What the format cannot give takes no room.
func families(p metric.Format) []ledger.Family {
	var families []ledger.Family
	for i := range metric.Table() {
		m := metric.Get(metric.ID(i))
		f := ledger.Family{Unused: true}
		if m.Of == metric.AccessLog {
			f = ledger.Family{
				Name: m.Name, Labels: m.Kept(), Histogram: m.Type == metric.Histogram, Unused: !m.GivenBy(p),
			}
		}
		families = append(families, f)
	}
	return families
}

func fieldsOf(p *logformat.Parser) formatFields {
	s := formatFields{
		path:           p.Has(logformat.Request) || p.Has(logformat.RequestURI),
		status:         p.Has(logformat.Status),
		limits:         p.Has(logformat.LimitReqStatus) || p.Has(logformat.LimitConnStatus),
		upstream:       p.HasUpstream(),
		addresses:      p.Has(logformat.UpstreamAddr),
		upstreamStatus: p.Has(logformat.UpstreamStatus),
	}
	for _, f := range []logformat.Field{logformat.UpstreamResponseLength, logformat.UpstreamBytesReceived} {
		if p.Has(f) {
			s.received, s.hasReceived = f, true
		}
	}
	return s
}

// begin makes the Counter count into l.
func (c *Counter) begin(l *ledger.Ledger) {
	c.ledger = l
	c.clearCaches()
	c.words = [3]wordCounters{}
	c.seed()
}

// seed makes the series that stand at 0 from the start, so that the first failure is a rise.
func (c *Counter) seed() {
	c.ledger.Now = c.clock().UnixMilli()
	for _, route := range c.routes.names {
		for o := range outcomeCount {
			c.ledger.Seed(int(metric.AccessOutcomes), route, o.String())
		}
	}
	if c.format.upstream {
		for _, server := range c.seededServers() {
			for o := range attemptOutcomeCount {
				c.ledger.Seed(int(metric.UpstreamOutcomes), server, o.String())
			}
		}
	}
	if c.format.addresses {
		for _, group := range c.groups {
			c.ledger.Seed(int(metric.NoLive), group)
		}
	}
}

// seededServers are the servers that NGINX may log.
func (c *Counter) seededServers() []string {
	if !c.format.addresses {
		return []string{unknownServer}
	}
	return c.known
}

// clearCaches drops the series caches; every series is looked up anew.
func (c *Counter) clearCaches() {
	c.requests = newRequestCache()
	c.servers = newServerCache(c.hour, c.parser.Generation())
}

// Lines counts the lines of block, which is whole lines, each ended by "\n". It keeps no part of block.
func (c *Counter) Lines(block []byte) {
	c.ledger.Now = c.clock().UnixMilli()
	c.hour.Now(c.ledger.Now)
	for start := 0; start < len(block); {
		n := bytes.IndexByte(block[start:], '\n')
		if n < 0 {
			n = len(block) - start // not whole lines: the caller's fault, and still no crash
		}
		end := start + n
		if end+logformat.Pad < len(block) {
			c.line(block, start, end)
		} else {
			// The parser reads beyond the line: one at the block's end is read from a copy with room after it.
			c.ledger.Settle(block)
			padded := c.parser.Padded(block[start:end])
			c.line(padded, 0, n)
			c.ledger.Settle(padded)
		}
		start = end + 1
	}
}

// line counts the line of block from start to end.
func (c *Counter) line(block []byte, start, end int) {
	switch {
	case c.parser.Parse(block, start, end, c.record):
		c.lines.Parsed++
		c.current = lineBounds{block, start, end}
		c.count(c.record)
	case !c.parser.Beside(block, start, end):
		c.lines.Malformed++
	}
}

// TooLong counts a line that no block can hold.
func (c *Counter) TooLong() { c.lines.TooLong++ }

// Snapshot returns the counts as they are now.
func (c *Counter) Snapshot() (ledger.Lines, *ledger.Snapshot) { return c.lines, c.ledger.Snapshot() }

// AppendState appends an encoding of all counts and of the last hour to dst and returns it.
func (c *Counter) AppendState(dst []byte) []byte {
	dst = ledger.AppendBeside(dst, c.hour.AppendState(nil))
	return ledger.AppendCounts(dst, c.lines, c.ledger)
}

// RestoreState replaces the counts by those of an AppendState of this or an earlier version. After an error the counts
// are as before.
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
