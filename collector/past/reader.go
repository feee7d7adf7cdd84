package past

import (
	"bytes"

	"github.com/fremisn/fremisn-exporter/collector/internal/accesslog"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
)

// A reader reads the lines of one worker that have the same formats, and passes each record on.
type reader struct {
	*reading
	formats *formats
	parser  *logformat.Parser
	current *logformat.Record
	rules   *accesslog.Rules
	take    func(r *logformat.Record, block []byte) // block is what the record was read from

	lines    LineCounts
	misfit   *misfit
	from, to int64 // the times of the first and the last line; 0 if none has one
}

func (r *reading) newReader(f *formats, take func(r *logformat.Record, block []byte)) *reader {
	rd := &reader{
		reading: r, formats: f, parser: logformat.NewParser(f.programs[0], f.programs[1:]...),
		current: logformat.NewRecord(), take: take,
	}
	limitReq, limitConn := r.Settings.LimitStatuses()
	rd.rules = accesslog.NewRules(rd.parser, limitReq, limitConn)
	return rd
}

// Lines implements visitor.
func (r *reader) Lines(block []byte) {
	for start := 0; start < len(block); {
		n := bytes.IndexByte(block[start:], '\n')
		if n < 0 {
			n = len(block) - start
		}
		if start+n+logformat.Pad < len(block) {
			r.line(block, start, start+n)
		} else {
			r.line(r.parser.Padded(block[start:start+n]), 0, n)
		}
		start += n + 1
	}
}

func (r *reader) line(block []byte, start, end int) {
	if !r.parser.Parse(block, start, end, r.current) {
		r.refused(block, start, end)
		return
	}
	if r.formats.list[r.current.Format].Repeats {
		return
	}
	at := r.current.Time
	if r.bounded() {
		if at == 0 {
			r.lines.WithoutTime++
			return
		}
		if !r.within(at) {
			r.lines.outside++
			return
		}
	}
	if len(r.Settings.Routes) > 0 && r.ignored(r.current.Path()) {
		return
	}
	r.lines.Parsed++
	if at != 0 {
		if r.from == 0 || at < r.from {
			r.from = at
		}
		r.to = max(r.to, at)
	}
	r.take(r.current, block)
}

// ignored reports whether the config ignores requests of a path.
func (r *reader) ignored(path []byte) bool {
	for _, route := range r.Settings.Routes {
		if route.Match.Match(path) {
			return route.Ignore
		}
	}
	return false
}

func (r *reader) refused(block []byte, start, end int) {
	if r.parser.Beside(block, start, end) {
		return
	}
	r.lines.Malformed++
	if r.misfit == nil {
		r.misfit = newMisfit(r.formats, block[start:end])
	}
}

// TooLong implements visitor.
func (r *reader) TooLong() { r.lines.TooLong++ }

func (n *LineCounts) add(m LineCounts) {
	n.Parsed += m.Parsed
	n.Malformed += m.Malformed
	n.TooLong += m.TooLong
	n.WithoutTime += m.WithoutTime
	n.outside += m.outside
}

// allOutside reports whether lines fit, and none of them is in the time that was asked for.
func (n *LineCounts) allOutside() bool { return n.Parsed == 0 && n.outside > 0 }
