package logformat

import (
	"bytes"
	"fmt"
	"math/bits"
	"unsafe"
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
// Few steps look where the line ends. None begins after the newline: no literal but the last has one, no number takes
// one in, and where a search or a fixed width may jump over it, that is checked.
func (p *Parser) Parse(b []byte, start, end int, r *Record) bool {
	_ = b[end+Pad]
	t := text{unsafe.Pointer(unsafe.SliceData(b))}
	pos := start
	var shapes shape
	for i := range p.steps {
		s := &p.steps[i]
		value := pos
		switch s.kind {
		case kindText:
			if t.byte(pos) == '-' && s.first != '-' && s.at(t, pos+1, end) {
				pos += 1 + int(s.length)
				continue
			}
			if pos = s.skip(b, t, pos, end); pos < 0 {
				return p.fail(value-start, s)
			}
			continue
		case kindFixed:
			pos += int(s.width)
			if pos > end {
				return p.fail(value-start, s)
			}
		case kindStatus:
			if r.Code = status(t.load(pos)); r.Code < 0 {
				return p.fail(value-start, s)
			}
			pos += 3
		case kindTime:
			if r.Millis = quickMillis(t.load(pos)); r.Millis < 0 || !s.at(t, pos+5, end) {
				pos = s.skip(b, t, pos, end)
				var ok bool
				if r.Millis, ok = number(b, value, pos-int(s.length), millis); !ok {
					return p.fail(value-start, s)
				}
				continue
			}
			pos += 5 + int(s.length)
			continue
		case kindSize:
			n, digits := quickSize(t.load(pos))
			if uint(digits-1) > 6 || !s.at(t, pos+digits, end) {
				pos = s.skip(b, t, pos, end)
				var ok bool
				if n, ok = number(b, value, pos-int(s.length), size); !ok {
					return p.fail(value-start, s)
				}
			} else {
				pos += digits + int(s.length)
			}
			switch s.field {
			case RequestLength:
				r.Received = n
			case BytesSent:
				r.Sent = n
			}
			continue
		case kindRequest:
			if pos = s.skip(b, t, pos, end); pos < 0 {
				return p.fail(value-start, s)
			}
			p.request(b, t, value, pos-int(s.length), r)
			continue
		case kindID:
			if pos+32 <= end && !t.has(pos, s.spread) && s.at(t, pos+32, end) && t.byte(pos+31) != '\\' {
				pos += 32 + int(s.length)
			} else if pos = s.skip(b, t, pos, end); pos < 0 {
				return p.fail(value-start, s)
			}
			r.ID = b[value : pos-int(s.length)]
			continue
		case kindMethod, kindURI:
			if pos = s.skip(b, t, pos, end); pos < 0 {
				return p.fail(value-start, s)
			}
			r.setText(s, b[value:pos-int(s.length)])
			continue
		case kindWord:
			if t.load(pos)&(1<<48-1) == wordPassed && s.at(t, pos+6, end) {
				pos += 6 + int(s.length)
				r.setWord(s.field, Passed)
				continue
			}
			if pos = s.skip(b, t, pos, end); pos < 0 {
				return p.fail(value-start, s)
			}
			r.setWord(s.field, wordOf(b[value:pos-int(s.length)]))
			continue
		case kindAddresses:
			if pos = s.skipList(b, t, pos, end); pos < 0 {
				return p.fail(value-start, s)
			}
			seen, ok := p.addresses(b, value, pos-int(s.length), r)
			if !ok {
				return p.fail(value-start, s)
			}
			shapes |= seen
			continue
		case kindListTime:
			w := t.load(pos)
			if ms := quickMillis(w); ms >= 0 && s.at(t, pos+5, end) && !(s.overlap && isSeparator(t.load(pos+5))) {
				l := &r.lists[s.field-firstNumberList]
				l.one, l.isMany = ms, false
				shapes |= oneElement
				pos += 5 + int(s.length)
				continue
			}
		case kindListStatus:
			w := t.load(pos)
			if code := status(w); code >= 0 && s.at(t, pos+3, end) && !(s.overlap && isSeparator(w>>24)) {
				l := &r.lists[s.field-firstNumberList]
				l.one, l.isMany = code, false
				shapes |= oneElement
				pos += 3 + int(s.length)
				continue
			}
		case kindListSize:
			n, digits := quickSize(t.load(pos))
			if uint(digits-1) <= 6 && s.at(t, pos+digits, end) && !(s.overlap && isSeparator(t.load(pos+digits))) {
				l := &r.lists[s.field-firstNumberList]
				l.one, l.isMany = n, false
				shapes |= oneElement
				pos += digits + int(s.length)
				continue
			}
		case kindListUnknown:
			if pos = s.skipList(b, t, pos, end); pos < 0 {
				return p.fail(value-start, s)
			}
			continue
		}
		if s.kind >= kindListTime { // a list that is more than one plain number
			if pos = s.skipList(b, t, value, end); pos < 0 {
				return p.fail(value-start, s)
			}
			seen, ok := r.lists[s.field-firstNumberList].read(s.kind, b[value:pos-int(s.length)])
			if !ok {
				return p.fail(value-start, s)
			}
			shapes |= seen
			continue
		}
		if !s.at(t, pos, end) {
			return p.fail(pos-start, s)
		}
		pos += int(s.length)
	}
	if pos != end+1 {
		return p.fail(pos-start, &p.steps[len(p.steps)-1])
	}
	return p.agree(r, shapes)
}

// wordPassed is PASSED as the low six bytes of a load.
const wordPassed = 'P' | 'A'<<8 | 'S'<<16 | 'S'<<24 | 'E'<<32 | 'D'<<40

func (p *Parser) fail(offset int, s *step) bool {
	p.failure = failure{offset: offset, step: s}
	return false
}

// at tells whether the step's literal stands at i, which is at most a few bytes after end.
func (s *step) at(t text, i, end int) bool {
	return (t.load(i)^s.head)&s.mask == 0 && (len(s.literal) <= 8 || s.tailAt(t, i, end))
}

// tailAt is at for what follows the first eight bytes of the literal.
func (s *step) tailAt(t text, i, end int) bool {
	return i+len(s.literal) <= end+1 && unsafe.String((*byte)(unsafe.Add(t.first, i+8)), len(s.literal)-8) == s.literal[8:]
}

// skip is the position after the literal that ends the value at pos, negative if there is none in the line.
func (s *step) skip(b []byte, t text, pos, end int) int {
	for i := pos; ; i++ {
		j, found := i, false
		if !s.long {
			j, found = t.find(i, s.spread)
		}
		if !found {
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
		if s.at(t, i, end) {
			return i + int(s.length)
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

func (r *Record) setText(s *step, value []byte) {
	if s.kind == kindMethod {
		r.Method = methodOf(value)
		return
	}
	r.Path = untilQuery(value)
}

func (r *Record) setWord(f Field, w Word) {
	switch f {
	case LimitReqStatus:
		r.LimitReq = w
	case LimitConnStatus:
		r.LimitConn = w
	case CacheStatus:
		r.Cache = w
	}
}

// request reads the method and, if paths are asked for, the path of the request line b[i:j].
func (p *Parser) request(b []byte, t text, i, j int, r *Record) {
	w := t.load(i)
	n := bits.TrailingZeros64(matches(w, ' '*ones)) >> 3
	w &= 1<<(8*uint(n)) - 1
	known := &methodTable[w*methodHash>>60]
	if known.word == w && int(known.length) == n && i+n < j {
		r.Method = known.method
		if p.paths {
			r.Path = untilQuery(b[i+n+1 : j])
		}
		return
	}
	word, rest, _ := bytes.Cut(b[i:j], []byte{' '})
	r.Method = methodOf(word)
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
