package logformat

import (
	"math/bits"
	"unsafe"
)

// wordPassed is PASSED as the low six bytes of a load.
const wordPassed = 'P' | 'A'<<8 | 'S'<<16 | 'S'<<24 | 'E'<<32 | 'D'<<40

// fastSteps reads values from pos and step s on, and returns the first step that it cannot read, and its position.
// fast.go has the rules. It calls nothing, so that everything it works with stays in registers; the price is one long
// loop.
func fastSteps(s *step, t text, pos, end int, p *Parser, r *Record) (*step, int) {
	var shapes shape // of the lists that were read
loop:
	for {
		at := pos // position of the literal
		var seen shape
		switch s.fast {
		case fastMark:
			r.mark = pos
			s = s.next()
			continue
		case fastCapture:
			r.Captured[s.into] = t.slice(r.mark, pos-int(s.behind))
			s = s.next()
			continue
		case fastToken:
			m := t.match16(pos, s.spread) | t.match16(pos, s.other)
			for m == 0 {
				if at += 16; at > end {
					break loop
				}
				m = t.match16(at, s.spread) | t.match16(at, s.other)
			}
			at += bits.TrailingZeros64(m)
			if s.search == toBareQuote && at > pos && t.byte(at-1) == '\\' {
				break loop
			}
		case fastLocalTime:
			c := &p.local
			if t.load(pos) != c.w0 || t.load(pos+8) != c.w1 || t.load(pos+16) != c.w2 || t.load(pos+18) != c.w3 {
				break loop
			}
			*r.number(s.into) = c.millis
			at += 26
		case fastISOTime:
			c := &p.iso
			if t.load(pos) != c.w0 || t.load(pos+8) != c.w1 || t.load(pos+16) != c.w2 || t.load(pos+17) != c.w3 {
				break loop
			}
			*r.number(s.into) = c.millis
			at += 25
		case fastUnixTime:
			ms := fastUnixMillis(t.load(pos), t.load(pos+6))
			if ms < 0 {
				break loop
			}
			*r.number(s.into) = ms
			at += 14
		case fastText:
			m := t.match16(pos, s.spread)
			for m == 0 {
				if at += 16; at > end {
					break loop
				}
				m = t.match16(at, s.spread) | t.match16(at+16, s.spread)<<16
				if m == 0 {
					at += 16
				}
			}
			at += bits.TrailingZeros64(m)
			if s.search == toBareQuote && at > pos && t.byte(at-1) == '\\' {
				break loop
			}
			if s.kind == kindURI && !p.pathless && at <= end {
				r.Path = t.slice(pos, t.untilQuery(pos, at))
			}
		case fastFixed:
			if at += int(s.width); at > end {
				break loop
			}
		case fastRequest:
			w := t.load(pos)
			n := bits.TrailingZeros64(matches(w, ' '*ones)) >> 3
			w &= 1<<(8*uint(n)) - 1
			method := &methodTable[w*methodHash>>60]
			if method.word != w || int(method.length) != n || n == 0 {
				break loop
			}
			// The quote comes after the method and the space after it, which are four bytes or more.
			at += 4
			m := t.match16(at, s.spread) | t.match16(at+16, s.spread)<<16
			for m == 0 {
				if at += 32; at > end {
					break loop
				}
				m = t.match16(at, s.spread) | t.match16(at+16, s.spread)<<16
			}
			if at += bits.TrailingZeros64(m); at > end || s.search == toBareQuote && t.byte(at-1) == '\\' {
				break loop
			}
			r.Method = method.method
			if !p.pathless {
				path := pos + n + 1
				r.Path = t.slice(path, t.untilQuery(path, at))
			}
		case fastID:
			m := matches(t.load(pos), s.spread) | matches(t.load(pos+8), s.spread) |
				matches(t.load(pos+16), s.spread) | matches(t.load(pos+24), s.spread)
			if at += 32; at > end || t.byte(at-1) == '\\' || m != 0 {
				break loop
			}
			r.IDAt, r.IDLen = pos, 32
		case fastStatus:
			if r.Code = status(t.load(pos)); r.Code < 0 {
				break loop
			}
			at += 3
		case fastTime:
			if r.Millis = fastMillis(t.load(pos)); r.Millis < 0 {
				break loop
			}
			at += 5
		case fastSize:
			n, digits := fastNumber(t.load(pos))
			if uint(digits-1) > 6 {
				break loop
			}
			*r.number(s.into) = n
			at += digits
		case fastWord:
			if t.load(pos)&(1<<48-1) != wordPassed {
				break loop
			}
			*r.word(s.into) = Passed
			at += 6
		case fastAddresses, fastBareAddresses:
			w0 := t.load(pos)
			if byte(w0) == '-' && byte(w0>>8) == s.first {
				r.Upstreams = nil
				at, seen = at+1, noList
				break
			}
			w1, w2 := t.load(pos+8), t.load(pos+16)
			m0, m1, m2 := matches(w0, s.spread), matches(w1, s.spread), matches(w2, s.spread)
			if s.fast == fastBareAddresses {
				m0 |= matches(w0, s.other)
				m1 |= matches(w1, s.other)
				m2 |= matches(w2, s.other)
			}
			if m0 != 0 || m1|m2 == 0 {
				break loop
			}
			words, n := cutShort(w0, w1, w2, m1, m2)
			v := p.addressCache.short.at(words)
			if v.words != words || v.length != n {
				break loop
			}
			r.Upstreams = v.u
			at, seen = at+n, oneElement
		case fastListStatus:
			w := t.load(pos)
			if code := status(w); code >= 0 {
				r.list(s).set(code)
				at, seen = at+3, oneElement
				break
			}
			if byte(w) != '-' {
				break loop
			}
			r.list(s).set(Absent)
			at, seen = at+1, dash
		case fastListTime:
			w := t.load(pos)
			if ms := fastMillis(w); ms >= 0 {
				r.list(s).set(ms)
				at, seen = at+5, oneElement
				break
			}
			if byte(w) != '-' {
				break loop
			}
			r.list(s).set(Absent)
			at, seen = at+1, dash
		case fastListSize:
			w := t.load(pos)
			if n, digits := fastNumber(w); uint(digits-1) <= 6 {
				r.list(s).set(n)
				at, seen = at+digits, oneElement
				break
			}
			if byte(w) != '-' {
				break loop
			}
			r.list(s).set(Absent)
			at, seen = at+1, dash
		default:
			break loop
		}
		w := t.load(at)
		if at > end || (w^s.head)&s.mask != 0 || s.overlap && isSeparator(w) {
			break loop // at > end: in the next line, where nothing is searched
		}
		if n := len(s.literal); n > 8 {
			if at+n > end+1 || t.load(at+n-8) != s.tail {
				break loop
			}
			literal := text{unsafe.Pointer(unsafe.StringData(s.literal))}
			for k := 8; k < n-8; k += 8 {
				if t.load(at+k) != literal.load(k) {
					break loop
				}
			}
		}
		pos = at + int(s.length)
		shapes |= seen
		s = s.next()
	}
	p.shapes |= shapes
	return s, pos
}

func (s *step) next() *step { return (*step)(unsafe.Add(unsafe.Pointer(s), unsafe.Sizeof(step{}))) }

// number returns the address of a number's field, word that of a word's.
func (r *Record) number(offset uint8) *int64 { return (*int64)(unsafe.Add(unsafe.Pointer(r), offset)) }
func (r *Record) word(offset uint8) *Word    { return (*Word)(unsafe.Add(unsafe.Pointer(r), offset)) }

// list returns the address of a list's field.
func (r *Record) list(s *step) *list { return &r.lists[s.listIndex%maxLists] }

func (l *list) set(n int64) { l.one, l.isMany = n, false }
