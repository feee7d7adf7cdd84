package logformat

import (
	"bytes"
	"fmt"
	"unsafe"
)

// A Parser reads the lines of one log. It remembers the upstream servers it has seen; it is not for several goroutines.
type Parser struct {
	*Program
	known   known
	padded  []byte // a copy of a line that has no room after it
	shapes  shape  // of the lists of the line that is being read
	failure failure
}

// A failure is where a line stops to fit.
type failure struct {
	offset int
	step   *step
	lists  bool // the lists disagree in length
}

// NewParser returns a parser for one log.
func (p *Program) NewParser() *Parser {
	return &Parser{Program: p}
}

// Generation changes when the parser starts to number its Upstreams anew.
func (p *Parser) Generation() int { return p.known.generation }

// NewRecord returns a record for Parse to fill, again and again.
func NewRecord() *Record {
	r := new(Record)
	r.clear()
	return r
}

// A LineError tells where a line does not fit its log_format.
type LineError struct {
	Offset   int    // bytes
	Expected string // what should stand there
}

func (e *LineError) Error() string {
	return fmt.Sprintf("at byte %d: expected %s", e.Offset, e.Expected)
}

// ParseLine reads a line, given with or without its newline. It copies the line; Parse is for the hot path.
func (p *Parser) ParseLine(line []byte, r *Record) error {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	if len(line) == 0 {
		return &LineError{Expected: "a line that is not empty"}
	}
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		return &LineError{Offset: i, Expected: "one line"}
	}
	b := p.Padded(line)
	if p.Parse(b, 0, len(line), r) {
		return nil
	}
	if p.failure.lists {
		return &LineError{Offset: len(line), Expected: "lists of $upstream_… with as many elements as each other"}
	}
	return &LineError{Offset: p.failure.offset, Expected: p.failure.step.want()}
}

// Padded is a copy of a line with a newline and room after it, good until the next. Parse can read it, from 0 on.
func (p *Parser) Padded(line []byte) []byte {
	var room [Pad]byte
	p.padded = append(append(append(p.padded[:0], line...), '\n'), room[:]...)
	b := p.padded
	if cap(p.padded) > 64<<10 {
		p.padded = nil
	}
	return b
}

// Parse reads the line b[start:end] into r. b[end] is its newline, the first after start, and b goes on for at
// least Pad bytes after it. It is false, and r is of no use, if the line does not fit as a whole.
//
// Few steps look where the line ends. None begins after the newline: no literal but the last has one, no number takes
// one in, and where a search or a fixed width may jump over it, that is checked.
func (p *Parser) Parse(b []byte, start, end int, r *Record) bool {
	_ = b[end+Pad]
	t := text{unsafe.Pointer(unsafe.SliceData(b))}
	p.shapes, r.plain = 0, false
	s, pos := quickSteps(&p.steps[0], t, start, end, p, r)
	for s.kind != kindEnd {
		next := s.whole(t, pos, end, p, r)
		if next < 0 {
			return p.fail(pos-start, s)
		}
		s, pos = quickSteps(s.next(), t, next, end, p, r)
	}
	if pos != end+1 {
		return p.fail(pos-start, &p.steps[len(p.steps)-2])
	}
	if r.plain {
		p.shapes |= oneElement
	}
	return p.agree(r, p.shapes)
}

func (s *step) next() *step { return (*step)(unsafe.Add(unsafe.Pointer(s), unsafe.Sizeof(step{}))) }

// whole reads the value at pos, whatever it looks like, and the literal after it, and returns the position behind both;
// -1 if the line does not fit.
func (s *step) whole(t text, pos, end int, p *Parser, r *Record) int {
	next := -1
	switch {
	case s.kind == kindFixed || s.kind == kindStatus:
		if next = pos + int(s.width); next > end || !s.at(t, next, end) {
			return -1
		}
		next += int(s.length)
	case s.kind.isList():
		next = s.skipList(t, pos, end)
	default:
		next = s.skip(t, pos, end)
	}
	if next < 0 || !s.take(t, pos, next-int(s.length), p, r) {
		return -1
	}
	return next
}

// take reads the value from i to j, and tells whether it is one of its kind.
func (s *step) take(t text, i, j int, p *Parser, r *Record) bool {
	value, ok := t.slice(i, j), true
	switch s.kind {
	case kindRequest:
		word, rest, _ := bytes.Cut(value, []byte{' '})
		r.Method = methodOf(word)
		if p.paths {
			r.Path = untilQuery(rest)
		}
	case kindMethod:
		r.Method = methodOf(value)
	case kindURI:
		r.Path = untilQuery(value)
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
		*r.word(s.into) = wordOf(value)
	case kindAddresses:
		return p.addresses(t, i, j, r)
	case kindListStatus, kindListTime, kindListSize:
		var seen shape
		seen, ok = r.list(s).read(s.kind, value)
		p.shapes |= seen
	}
	return ok
}

// number reads a value, Absent where it is "-" or empty.
func number(value []byte, read func([]byte) (int64, bool)) (int64, bool) {
	if isNothing(value) {
		return Absent, true
	}
	return read(value)
}

func (p *Parser) fail(offset int, s *step) bool {
	p.failure = failure{offset: offset, step: s}
	return false
}

// at tells whether the step's literal stands at i, which is at most a few bytes after end.
func (s *step) at(t text, i, end int) bool {
	n := len(s.literal)
	return (t.load(i)^s.head)&s.mask == 0 &&
		(n <= 8 || i+n <= end+1 && unsafe.String((*byte)(unsafe.Add(t.first, i+8)), n-8) == s.literal[8:])
}

// skip is the position after the literal that ends the value at pos, negative if there is none in the line.
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

// escaped tells whether the quote at i has an odd number of backslashes before it, in the value that begins at start.
func (t text) escaped(start, i int) bool {
	j := i
	for j > start && t.byte(j-1) == '\\' {
		j--
	}
	return (i-j)%2 == 1
}

// untilQuery cuts a request line after its method, or a URI, at the query or the next word.
func untilQuery(s []byte) []byte {
	for i, c := range s {
		if c == ' ' || c == '?' {
			return s[:i]
		}
	}
	return s
}
