package logformat

import (
	"bytes"
	"fmt"
)

// A Parser reads the lines of one log. It remembers the upstream servers it has seen; it is not for several goroutines.
type Parser struct {
	*Program
	known   known
	padded  []byte // a copy of a line that has no room after it
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
	b := p.pad(line)
	if p.Parse(b, 0, len(line), r) {
		return nil
	}
	if p.failure.lists {
		return &LineError{Offset: len(line), Expected: "lists of $upstream_… with as many elements as each other"}
	}
	return &LineError{Offset: p.failure.offset, Expected: p.failure.step.want()}
}

// pad copies a line to where there is a newline and room after it.
func (p *Parser) pad(line []byte) []byte {
	var room [Pad]byte
	p.padded = append(append(append(p.padded[:0], line...), '\n'), room[:]...)
	b := p.padded
	if cap(p.padded) > 64<<10 {
		p.padded = nil
	}
	return b
}

// ParseLast is Parse for a line that may have less than Pad bytes after its newline: the last of a block.
func (p *Parser) ParseLast(line []byte, r *Record) bool {
	return p.Parse(p.pad(line), 0, len(line), r)
}

// Parse reads the line b[start:end] into r. b[end] is its newline, the first after start, and b goes on for at
// least Pad bytes after it. It is false, and r is of no use, if the line does not fit as a whole.
//
// No step looks where the line ends. It cannot run past the newline: no literal but the last has one, no value takes
// one in, and a search that jumps over it is caught when the literal it found lies behind.
func (p *Parser) Parse(b []byte, start, end int, r *Record) bool {
	pos := start
	var shapes shape
	for i := range p.steps {
		s := &p.steps[i]
		value := pos
		switch s.kind {
		case kindText:
			pos = s.skip(b, pos, end)
			goto literalFound
		case kindFixed:
			pos += s.width
			if pos > end {
				return p.fail(value-start, s)
			}
		case kindStatus:
			if r.Code = status(load(b, pos)); r.Code < 0 {
				return p.fail(value-start, s)
			}
			pos += 3
		case kindTime:
			if r.Millis = quickMillis(load(b, pos)); r.Millis < 0 || !s.at(b, pos+5) {
				pos = s.skip(b, pos, end)
				var ok bool
				if r.Millis, ok = number(b, value, pos-s.length, millis); !ok {
					return p.fail(value-start, s)
				}
				goto literalFound
			}
			pos += 5
		case kindSize:
			n := int64(0)
			for d := b[pos] - '0'; d < 10 && pos < value+18; d = b[pos] - '0' {
				n = n*10 + int64(d)
				pos++
			}
			if pos == value || !s.at(b, pos) {
				pos = s.skip(b, value, end)
				var ok bool
				if n, ok = number(b, value, pos-s.length, size); !ok {
					return p.fail(value-start, s)
				}
				r.setSize(s.field, n)
				goto literalFound
			}
			r.setSize(s.field, n)
		case kindRequest:
			pos = s.skip(b, pos, end)
			if pos < 0 {
				return p.fail(value-start, s)
			}
			p.request(b, value, pos-s.length, r)
			continue
		case kindMethod, kindURI, kindID, kindWord:
			pos = s.skip(b, pos, end)
			if pos < 0 {
				return p.fail(value-start, s)
			}
			r.setText(s, b[value:pos-s.length])
			continue
		case kindAddresses:
			pos = s.skipList(b, pos, end)
			if pos < 0 {
				return p.fail(value-start, s)
			}
			seen, ok := p.addresses(b, value, pos-s.length, r)
			if !ok {
				return p.fail(value-start, s)
			}
			shapes |= seen
			continue
		case kindListTime:
			w := load(b, pos)
			if ms := quickMillis(w); ms >= 0 && s.at(b, pos+5) && !(s.overlap && isSeparator(load(b, pos+5))) {
				l := &r.lists[s.field-firstNumberList]
				l.one, l.isMany = ms, false
				shapes |= oneElement
				pos += 5 + s.length
				continue
			}
			goto slowList
		case kindListStatus:
			w := load(b, pos)
			if code := status(w); code >= 0 && s.at(b, pos+3) && !(s.overlap && isSeparator(w>>24)) {
				l := &r.lists[s.field-firstNumberList]
				l.one, l.isMany = code, false
				shapes |= oneElement
				pos += 3 + s.length
				continue
			}
			goto slowList
		case kindListSize:
			n := int64(0)
			for d := b[pos] - '0'; d < 10 && pos < value+18; d = b[pos] - '0' {
				n = n*10 + int64(d)
				pos++
			}
			if pos > value && s.at(b, pos) && !(s.overlap && isSeparator(load(b, pos))) {
				l := &r.lists[s.field-firstNumberList]
				l.one, l.isMany = n, false
				shapes |= oneElement
				pos += s.length
				continue
			}
			goto slowList
		case kindListUnknown:
			pos = s.skipList(b, pos, end)
			goto literalFound
		}
		if !s.at(b, pos) {
			return p.fail(pos-start, s)
		}
		pos += s.length
		continue

	slowList:
		{
			pos = s.skipList(b, value, end)
			if pos < 0 {
				return p.fail(value-start, s)
			}
			seen, ok := r.lists[s.field-firstNumberList].read(s.kind, b[value:pos-s.length])
			if !ok {
				return p.fail(value-start, s)
			}
			shapes |= seen
			continue
		}

	literalFound:
		if pos < 0 {
			return p.fail(value-start, s)
		}
	}
	if pos != end+1 {
		return p.fail(pos-start, &p.steps[len(p.steps)-1])
	}
	return p.agree(r, shapes)
}

func (p *Parser) fail(offset int, s *step) bool {
	p.failure = failure{offset: offset, step: s}
	return false
}

// at tells whether the step's literal stands at i.
func (s *step) at(b []byte, i int) bool {
	if (load(b, i)^s.head)&s.mask != 0 {
		return false
	}
	return len(s.literal) <= 8 || string(b[i+8:min(i+len(s.literal), len(b))]) == s.literal[8:]
}

// skip is the position after the literal that ends the value at pos, negative if there is none in the line.
func (s *step) skip(b []byte, pos, end int) int {
	for i := pos; ; i++ {
		j := find(b, i, s.spread)
		if j < 0 {
			j = -j
			if j > end {
				return -1
			}
			n := bytes.IndexByte(b[j:end+1], s.first)
			if n < 0 {
				return -1
			}
			j += n
		}
		if j > end {
			return -1
		}
		i = j
		if s.search == toBareQuote && escaped(b, pos, i) {
			continue
		}
		if s.at(b, i) {
			return i + s.length
		}
		if s.search != toLiteral {
			return -1
		}
	}
}

// escaped tells whether the quote at i has an odd number of backslashes before it, in the value that begins at start.
func escaped(b []byte, start, i int) bool {
	j := i
	for j > start && b[j-1] == '\\' {
		j--
	}
	return (i-j)%2 == 1
}

// number reads the value b[i:j], Absent where it is "-" or empty.
func number(b []byte, i, j int, read func([]byte) (int64, bool)) (int64, bool) {
	if j < i {
		return 0, false
	}
	if isNothing(b[i:j]) {
		return Absent, true
	}
	return read(b[i:j])
}

func (r *Record) setSize(f Field, n int64) {
	switch f {
	case BytesSent:
		r.Sent = n
	case BodyBytesSent:
		r.BodySent = n
	case RequestLength:
		r.Received = n
	}
}

func (r *Record) setText(s *step, value []byte) {
	switch s.kind {
	case kindID:
		r.ID = value
	case kindMethod:
		r.Method = methodOf(value)
	case kindURI:
		r.Path = untilQuery(value)
	case kindWord:
		switch s.field {
		case LimitReqStatus:
			r.LimitReq = wordOf(value)
		case LimitConnStatus:
			r.LimitConn = wordOf(value)
		case CacheStatus:
			r.Cache = wordOf(value)
		}
	}
}

// request reads the method and, if paths are asked for, the path of the request line b[i:j].
func (p *Parser) request(b []byte, i, j int, r *Record) {
	var rest []byte
	switch w := load(b, i); {
	case uint32(w) == 'G'|'E'<<8|'T'<<16|' '<<24:
		r.Method = MethodGet
		rest = b[min(i+4, j):j]
	case w&0xffffffffff == 'P'|'O'<<8|'S'<<16|'T'<<24|' '<<32:
		r.Method = MethodPost
		rest = b[min(i+5, j):j]
	default:
		word := b[i:j]
		if k := bytes.IndexByte(word, ' '); k >= 0 {
			word, rest = word[:k], word[k+1:]
		}
		r.Method = methodOf(word)
	}
	if p.paths {
		r.Path = untilQuery(rest)
	}
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
