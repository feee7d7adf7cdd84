package logformat

import (
	"math/bits"
	"unsafe"
)

// fastSteps reads values from pos and step s on, and returns the first step that it cannot read, and its position.
// fast.go has the rules. It reads with two loops in turn: what is known of the client and its request mostly comes
// first in a log_format, and what is known of upstreams last.
func fastSteps(s *step, t text, pos int, p *Parser, r *Record) (*step, int) {
	for {
		if s, pos = fastValues(s, t, pos, p, r); s.fast < firstFastList {
			return s, pos
		}
		if s, pos = fastLists(s, t, pos, p, r); s.fast >= firstFastList || s.fast == fastNone {
			return s, pos
		}
	}
}

// fastValues is fastSteps for all but lists. It searches the end of a text word by word: the branch predictor learns
// the usual lengths, so the processor reads on before the end is found. Only the lengths of requests differ too much
// for that.
func fastValues(s *step, t text, pos int, p *Parser, r *Record) (*step, int) {
	for {
		at := pos // position of the literal
		switch s.fast {
		case fastToken: // as fastText; but its branches learn other lengths
			if t.byte(pos) == '-' && t.byte(pos+1) == s.first {
				at++
				break
			}
			at = t.stop(at, s.clear, s.stop)
			if s.search == toBareQuote && at > pos && t.byte(at-1) == '\\' {
				return s, pos
			}
		case fastText:
			if t.byte(pos) == '-' && t.byte(pos+1) == s.first {
				at++
				break
			}
			at = t.stop(at, s.clear, s.stop)
			if s.search == toBareQuote && at > pos && t.byte(at-1) == '\\' {
				return s, pos
			}
			if s.kind == kindURI {
				r.URI = t.slice(pos, at)
			}
		case fastAnyText:
			at = t.either(pos, s.spread)
			if s.kind == kindURI {
				r.URI = t.slice(pos, at)
			}
		case fastRequest:
			if at = s.fastRequest(t, pos, r); at < 0 {
				return s, pos
			}
		case fastLocalTime:
			if !p.local.isLocal(t, pos) {
				return s, pos
			}
			*r.number(s.into) = p.local.millis
			at += 26
		case fastISOTime:
			c := &p.iso
			if t.load(pos) != c.w0 || t.load(pos+8) != c.w1 || t.load(pos+16) != c.w2 || t.load(pos+17) != c.w3 {
				return s, pos
			}
			*r.number(s.into) = c.millis
			at += 25
		case fastStatus:
			if r.Code = status(t.load(pos)); r.Code < 0 {
				return s, pos
			}
			at += 3
		case fastTime:
			if r.Millis = fastMillis(t.load(pos)); r.Millis < 0 {
				return s, pos
			}
			at += 5
		case fastSize:
			n, digits := fastNumber(t.load(pos))
			if uint(digits-1) > 6 {
				return s, pos
			}
			*r.number(s.into) = n
			at += digits
		default:
			if at = s.fastRare(t, pos, p, r); at < 0 {
				return s, pos
			}
		}
		if (t.load(at)^s.head)&s.mask != 0 || !s.follows(t, at) {
			return s, pos
		}
		pos = at + int(s.length)
		s = s.next()
	}
}

// fastRequest reads a request with one of the usual methods, and returns the position of the quote after it, or -1.
func (s *step) fastRequest(t text, pos int, r *Record) (at int) {
	w := t.load(pos)
	n := bits.TrailingZeros64(matches(w, ' '*ones)) >> 3
	w &= 1<<(8*uint(n)&63) - 1 // 0 where n is 8
	method := &methodTable[w*methodHash>>60]
	if method.word != w || int(method.length) != n || n == 0 {
		return -1
	}
	// The quote comes after the method and the space after it, which are four bytes or more.
	if at = t.stopFar(pos+4, s.clear, s.stop); s.search == toBareQuote && t.byte(at-1) == '\\' {
		return -1
	}
	r.Method, r.URI = method.method, t.slice(pos+n+1, at)
	return at
}

// fastRare reads what few log_formats have.
func (s *step) fastRare(t text, pos int, p *Parser, r *Record) (at int) {
	switch s.fast {
	case fastFixed:
		return pos // only the literal
	case fastMark:
		r.mark = pos
		return pos
	case fastCapture:
		r.Captured[s.into] = t.slice(r.mark, pos-int(s.behind))
		return pos
	case fastUnixTime:
		ms := fastUnixMillis(t.load(pos), t.load(pos+6))
		if ms < 0 {
			return -1
		}
		*r.number(s.into) = ms
		return pos + 14
	}
	return -1
}

// follows reports whether the rest of a literal is at i whose first eight bytes are. It reads no further than it
// matches.
func (s *step) follows(t text, i int) bool {
	for k := range s.rest {
		i += 8
		if part := &s.rest[k]; (t.load(i)^part.bytes)&part.mask != 0 {
			return false
		}
	}
	return true
}

func (s *step) next() *step { return (*step)(unsafe.Add(unsafe.Pointer(s), unsafe.Sizeof(step{}))) }

// number returns the address of a number's field, word that of a word's.
func (r *Record) number(offset uint8) *int64 { return (*int64)(unsafe.Add(unsafe.Pointer(r), offset)) }
func (r *Record) word(offset uint8) *Word    { return (*Word)(unsafe.Add(unsafe.Pointer(r), offset)) }
