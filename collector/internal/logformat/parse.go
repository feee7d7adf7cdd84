package logformat

import (
	"bytes"
	"fmt"
	"slices"
	"unsafe"
)

// A Parser reads the lines of one log, each in the first of its formats that the line fits. It remembers the upstream
// servers it has seen, and must not be shared between goroutines.
type Parser struct {
	*Program      // the first of the formats
	formats       []*Program
	addressCache  addressCache
	local, iso    clock
	padded        []byte // a copy of a line without room after it
	shapes        shape  // of the lists of the line that is being read
	before        shape  // … without the last of them
	elements      int    // of its lists of several elements
	second        search // the second reading
	failure       failure
	firstFailure  failure // of the first format
	blank, beside bool    // a format writes lines that are not requests
}

// A failure is the position at which a line stops to fit.
type failure struct {
	offset int
	step   *step
	lists  bool // the lists differ in length
}

// NewParser returns a parser for one log that is, or was, written in these formats. They must have the same Options.
func NewParser(first *Program, former ...*Program) *Parser {
	p := &Parser{Program: first, formats: append([]*Program{first}, former...)}
	for _, f := range p.formats {
		p.blank = p.blank || f.blank
		p.beside = p.beside || len(f.beside) > 0
	}
	return p
}

// Formats returns the parser's formats, by Record.Format.
func (p *Parser) Formats() []*Program { return p.formats }

// Has reports whether any of the formats has a variable.
func (p *Parser) Has(f Field) bool {
	return slices.ContainsFunc(p.formats, func(each *Program) bool { return each.Has(f) })
}

// HasUpstream reports whether any of the formats shows whether an upstream was tried.
func (p *Parser) HasUpstream() bool {
	return slices.ContainsFunc(p.formats, func(each *Program) bool { return each.HasUpstream() })
}

// Generation changes when the parser renumbers its Upstreams.
func (p *Parser) Generation() int { return p.addressCache.generation }

// A LineError says where a line does not fit its log_format.
type LineError struct {
	Offset   int    // bytes
	Expected string // what the format has there
}

func (e *LineError) Error() string {
	return fmt.Sprintf("at byte %d: expected %s", e.Offset, e.Expected)
}

// ParseLine reads a line, with or without its newline. An error is a *LineError of the first format. A line that a
// format writes beside that of the request is not an error, and leaves r empty. ParseLine copies; Parse is for the hot
// path.
func (p *Parser) ParseLine(line []byte, r *Record) error {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		return &LineError{Offset: i, Expected: "one line"}
	}
	b := p.Padded(line)
	if p.Parse(b, 0, len(line), r) {
		return nil
	}
	f := p.firstFailure
	if p.Beside(b, 0, len(line)) {
		r.clear()
		return nil
	}
	if len(line) == 0 {
		return &LineError{Expected: "a line that is not empty"}
	}
	if f.lists {
		return &LineError{Offset: len(line), Expected: "lists of $upstream_… with as many elements as each other"}
	}
	return &LineError{Offset: f.offset, Expected: f.step.want()}
}

// Padded returns a copy of a line with a newline and room after it, valid until the next call. Parse can read it from
// 0 on.
func (p *Parser) Padded(line []byte) []byte {
	var room [Pad]byte
	p.padded = append(append(append(p.padded[:0], line...), '\n'), room[:]...)
	b := p.padded
	if cap(p.padded) > 64<<10 {
		p.padded = nil
	}
	return b
}

// Parse reads the line b[start:end] into r. b[end] is its newline, the first after start, and b continues for at least
// Pad bytes after it. If the line does not fit completely, Parse returns false, and the content of r is undefined.
func (p *Parser) Parse(b []byte, start, end int, r *Record) bool {
	_, ok := p.Next(b, start, end, r)
	return ok
}

// Next reads the line that begins at b[start] into r, and returns the position of its newline. ok is as Parse returns
// it. b[last] is a newline at or after start, and b continues for at least Pad bytes after it.
func (p *Parser) Next(b []byte, start, last int, r *Record) (end int, ok bool) {
	_ = b[last+Pad]
	if b[start] == '\n' || b[last] != '\n' {
		return start, false // empty; or the caller's fault
	}
	if len(r.Captured) != len(p.options.Capture) || r.Format != 0 {
		p.prepare(r)
	}
	t := text{unsafe.Pointer(unsafe.SliceData(b))}
	s, pos := p.begin(p.Program, t, start, r)
	if s.kind == kindEnd && p.shapes&^(oneElement|dash) == 0 {
		r.Elements = int(p.shapes & oneElement)
		return pos - 1, true
	}
	end = pos - 1
	if s.kind != kindEnd {
		end = pos + bytes.IndexByte(b[pos:last+1], '\n')
	}
	return end, p.finish(p.Program, s, pos, t, end, r) || p.fail(start) || p.again(p.Program, t, start, end, r) ||
		p.tryOthers(t, start, end, r)
}

// prepare makes r one of the first format, with room for what is captured.
func (p *Parser) prepare(r *Record) {
	r.clear()
	if n := len(p.options.Capture); len(r.Captured) != n {
		r.Captured = make([][]byte, n)
	}
}

// tryOthers reads a line that does not fit the first format. A record has nothing of the format before.
func (p *Parser) tryOthers(t text, start, end int, r *Record) bool {
	for i, f := range p.formats[1:] {
		r.clear()
		r.Format = i + 1
		if p.read(f, t, start, end, r) || p.again(f, t, start, end, r) {
			return true
		}
	}
	return false
}

// again reads a line that read has rejected.
func (p *Parser) again(f *Program, t text, start, end int, r *Record) bool {
	if p.readAgain(f, t, start, end, r) {
		return true
	}
	if f.loose == nil {
		return false
	}
	r.URI = nil
	return p.read(f.loose, t, start, end, r) || p.readAgain(f.loose, t, start, end, r)
}

// Beside reports whether a line that Parse has rejected is one that the log_format writes beside that of the request:
// an empty line, if the format ends in a line break, or another line of the same entry.
func (p *Parser) Beside(b []byte, start, end int) bool {
	if start == end {
		return p.blank
	}
	if !p.beside {
		return false
	}
	t, scratch := text{unsafe.Pointer(unsafe.SliceData(b))}, NewRecord()
	scratch.Captured = make([][]byte, len(p.options.Capture))
	for _, f := range p.formats {
		for _, other := range f.beside {
			if p.read(other, t, start, end, scratch) {
				return true
			}
		}
	}
	return false
}

// begin reads a line as far as the fast path can.
func (p *Parser) begin(f *Program, t text, start int, r *Record) (*step, int) {
	p.shapes = 0
	if f.combined {
		if at := f.fastCombined(t, start, p, r); at >= 0 {
			return fastSteps(&f.steps[combinedSteps], t, at, p, r)
		}
	}
	return fastSteps(&f.steps[0], t, start, p, r)
}

// read reads a line in one format.
func (p *Parser) read(f *Program, t text, start, end int, r *Record) bool {
	s, pos := p.begin(f, t, start, r)
	return p.finish(f, s, pos, t, end, r)
}

// finish reads the rest of a line, from step s on: the slow path executes the steps that the fast path leaves.
//
// Few steps check where the line ends. None begins after the newline: only the last literal has one, no number includes
// one, and it is checked where a search or a fixed width may jump over it.
func (p *Parser) finish(f *Program, s *step, pos int, t text, end int, r *Record) bool {
	for s.kind != kindEnd {
		next := s.slow(t, pos, end, p, r)
		if next < 0 {
			p.failure = failure{offset: pos, step: s}
			return false
		}
		s, pos = fastSteps(s.next(), t, next, p, r)
	}
	if pos != end+1 {
		p.failure = failure{offset: pos, step: f.lastValue()}
		return false
	}
	return p.agree(r, p.shapes)
}

// lastValue returns the last step that reads a value.
func (p *Program) lastValue() *step {
	for i := len(p.steps) - 1; i > 0; i-- {
		if k := p.steps[i].kind; k != kindEnd && k != kindMark && k != kindCapture {
			return &p.steps[i]
		}
	}
	return &p.steps[0]
}

// fail records why a line does not fit the first format.
func (p *Parser) fail(start int) bool {
	p.firstFailure = p.failure
	p.firstFailure.offset -= start
	return false
}

// slow reads the value at pos, in any form, and the literal after it, and returns the position after both; -1 if the
// line does not fit.
func (s *step) slow(t text, pos, end int, p *Parser, r *Record) int {
	next := -1
	switch {
	case s.kind == kindMark:
		r.mark = pos
		return pos
	case s.kind == kindCapture:
		r.Captured[s.into] = t.slice(r.mark, pos-int(s.behind))
		return pos
	case s.width > 0 || s.kind == kindFixed:
		if next = pos + int(s.width); next > end || !s.at(t, next, end) {
			return -1
		}
		next += int(s.length)
	case s.kind.isList():
		if next = s.fastElements(t, pos, end, p, r); next >= 0 {
			return next
		}
		next = s.skipList(t, pos, end)
	case s.bareRequest():
		next = s.skipRequest(t, pos, end)
	default:
		next = s.skip(t, pos, end)
	}
	if next < 0 || !s.store(t, pos, next-int(s.length), p, r) {
		return -1
	}
	return next
}

// store reads the value from i to j into r, and reports whether it is valid for its kind.
func (s *step) store(t text, i, j int, p *Parser, r *Record) bool {
	value, ok := t.slice(i, j), true
	switch s.kind {
	case kindRequest:
		word, rest, _ := bytes.Cut(value, []byte{' '})
		r.Method = methodOf(word)
		r.URI = rest
	case kindToken:
		ok = isToken(value)
	case kindMethod:
		r.Method, ok = methodOf(value), isToken(value)
	case kindURI:
		r.URI = value
	case kindID:
		r.IDAt, r.IDLen = i, j-i
	case kindStatus:
		r.Code = status(t.load(i))
		return r.Code >= 0
	case kindTime:
		*r.number(s.into), ok = number(value, millis)
	case kindSize:
		*r.number(s.into), ok = number(value, size)
	case kindWord:
		*r.word(s.into), ok = wordOf(value), isToken(value)
	case kindLocalTime:
		*r.number(s.into), ok = p.local.local(t, i)
	case kindISOTime:
		*r.number(s.into), ok = p.iso.iso(t, i)
	case kindUnixTime:
		*r.number(s.into), ok = unixMillis(value)
	case kindAddresses:
		return p.addresses(t, i, j, r)
	case kindListStatus, kindListTime, kindListSize:
		var seen shape
		seen, ok = r.list(s).read(s.kind, value)
		if seen == manyElements {
			seen = p.many(len(r.list(s).many))
		}
		p.shapes |= seen
	}
	return ok
}

// isToken reports whether a value has no space and no quote.
func isToken(value []byte) bool {
	for _, c := range value {
		if c == ' ' || c == '"' {
			return false
		}
	}
	return true
}

// number reads a value, Absent if it is "-" or empty.
func number(value []byte, read func([]byte) (int64, bool)) (int64, bool) {
	if isNothing(value) {
		return Absent, true
	}
	return read(value)
}

// at reports whether the step's literal is at i, which is at most a few bytes after end.
func (s *step) at(t text, i, end int) bool {
	n := len(s.literal)
	return (t.load(i)^s.head)&s.mask == 0 &&
		(n <= 8 || i+n <= end+1 && unsafe.String((*byte)(unsafe.Add(t.first, i+8)), n-8) == s.literal[8:])
}

// skip returns the position after the literal that ends the value at pos, or a negative number if the line has none.
func (s *step) skip(t text, pos, end int) int {
	for i := pos; ; i++ {
		j, found := i, false
		if !s.long {
			j, found = t.find(i, s.spread)
		}
		if j > end {
			return -1
		}
		if !found {
			n := bytes.IndexByte(t.slice(j, end+1), s.first)
			if n < 0 {
				return -1
			}
			j += n
		}
		i = j
		if s.search == toBareQuote && t.escaped(pos, i) {
			continue
		}
		if s.at(t, i, end) {
			return i + int(s.length)
		}
		if s.search != toLiteral {
			return -1
		}
	}
}

// escaped reports whether the quote at i has an odd number of backslashes before it, in the value that begins at start.
func (t text) escaped(start, i int) bool {
	j := i
	for j > start && t.byte(j-1) == '\\' {
		j--
	}
	return (i-j)%2 == 1
}
