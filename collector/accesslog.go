package collector

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
)

// accessBookConfig is all that an access log's counting depends on.
type accessBookConfig struct {
	Log             string    // the label log
	Format          string    // a literal log_format
	Escape          string    // default, json or none
	Routes          []route   // none: the label route is empty
	Buckets         []float64 // upper bounds of the classic histograms, seconds, rising
	MaxSeries       int       // as Prometheus counts them
	Topology        *topology
	LimitReqStatus  int // what nginx.conf answers where limit_req rejects, 0 for NGINX's default
	LimitConnStatus int
}

// A route names the requests whose path matches.
type route struct {
	Name  string
	Match *regexp.Regexp
}

// An accessBook counts the lines of an access log.
type accessBook struct {
	log       string
	topology  *topology
	parser    *logformat.Parser
	record    *logformat.Record
	ledger    *ledger.Ledger
	layout    *ledger.Layout
	maxSeries int
	shape     accessShape
	routes    routeTable
	limited   [2]int64 // statuses that mean limited where the format has no $limit_…_status

	requests requestCells
	servers  serverCells
	words    [3]wordCounters // limit_req, limit_conn, cache

	parsed, malformed, tooLong uint64
	clock                      func() time.Time
	printed                    printer
}

// accessShape is what a format can tell.
type accessShape struct {
	path, status, limits, upstream, addresses, upstreamStatus bool
	received                                                  logformat.Field // of an upstream, if any of the two variables is there
	hasReceived                                               bool
}

const defaultLimitStatus = 503

// newAccessBook makes a book without counts. The error says why the log_format cannot be read.
func newAccessBook(cfg accessBookConfig) (*accessBook, error) {
	program, err := logformat.Compile(cfg.Format, cfg.Escape, logformat.Options{Paths: len(cfg.Routes) > 0})
	if err != nil {
		return nil, fmt.Errorf("log %s: %w", cfg.Log, err)
	}
	if cfg.Topology == nil {
		cfg.Topology = &topology{}
	}
	b := &accessBook{
		log:       cfg.Log,
		topology:  cfg.Topology,
		parser:    logformat.NewParser(program),
		record:    logformat.NewRecord(),
		layout:    ledger.NewLayout(cfg.Buckets),
		maxSeries: cfg.MaxSeries,
		shape:     shapeOf(program),
		routes:    newRouteTable(cfg.Routes),
		limited:   [2]int64{int64(cfg.LimitReqStatus), int64(cfg.LimitConnStatus)},
		clock:     time.Now,
	}
	for i, status := range b.limited {
		if status == 0 {
			b.limited[i] = defaultLimitStatus
		}
	}
	b.printed = newPrinter(cfg.Log, b.layout)
	b.begin(ledger.New(accessFamilies(program), b.layout, cfg.MaxSeries))
	return b, nil
}

func shapeOf(p *logformat.Program) accessShape {
	s := accessShape{
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

// begin makes the book count into l.
func (b *accessBook) begin(l *ledger.Ledger) {
	b.ledger = l
	b.forget()
	b.words = [3]wordCounters{}
	b.printed.reset()
}

// forget drops what is remembered of where to count what; it is looked up anew.
func (b *accessBook) forget() {
	b.requests = newRequestCells()
	b.servers = newServerCells(b.parser.Generation())
}

// Lines implements book.
func (b *accessBook) Lines(block []byte) {
	b.ledger.Now = b.clock().UnixMilli()
	for start := 0; start < len(block); {
		n := bytes.IndexByte(block[start:], '\n')
		if n < 0 {
			n = len(block) - start // not whole lines: the caller's fault, and still no crash
		}
		end := start + n
		if end+logformat.Pad < len(block) {
			b.line(block, start, end)
		} else {
			// There is no room behind it for the parser to look into: it is read in a place of its own.
			b.ledger.Settle(block)
			padded := b.parser.Padded(block[start:end])
			b.line(padded, 0, n)
			b.ledger.Settle(padded)
		}
		start = end + 1
	}
}

// line counts the line of block from start to end.
func (b *accessBook) line(block []byte, start, end int) {
	if start < end && b.parser.Parse(block, start, end, b.record) {
		b.parsed++
		b.count(b.record)
	} else {
		b.malformed++
	}
}

// TooLong implements book.
func (b *accessBook) TooLong() { b.tooLong++ }

// AppendState implements book: the book's own counts, then the ledger's state.
func (b *accessBook) AppendState(dst []byte) []byte {
	for _, n := range []uint64{b.parsed, b.malformed, b.tooLong} {
		dst = binary.AppendUvarint(dst, n)
	}
	return b.ledger.AppendState(dst)
}

var errShortState = errors.New("the state of an access log is cut short")

// RestoreState implements book.
func (b *accessBook) RestoreState(state []byte) error {
	var numbers [3]uint64
	for i := range numbers {
		number, length := binary.Uvarint(state)
		if length <= 0 {
			return errShortState
		}
		numbers[i], state = number, state[length:]
	}
	l := ledger.New(accessFamilies(b.parser.Program), b.layout, b.maxSeries)
	if err := l.Restore(state); err != nil {
		return fmt.Errorf("restoring the counts of an access log: %w", err)
	}
	b.parsed, b.malformed, b.tooLong = numbers[0], numbers[1], numbers[2]
	b.begin(l)
	return nil
}
