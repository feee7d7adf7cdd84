package logformat

import (
	"math/bits"
	"unsafe"
)

// wordPassed is PASSED as the low six bytes of a load.
const wordPassed = 'P' | 'A'<<8 | 'S'<<16 | 'S'<<24 | 'E'<<32 | 'D'<<40

// fastSteps reads values from pos and step s on, and returns the first step that it cannot read, and its position.
// fast.go has the rules. It calls nothing, so that everything it works with stays in registers; the price is one long
// loop. It searches the end of a text word by word: the branch predictor learns the usual lengths, so the processor
// reads on before the end is found. Only the lengths of requests differ too much for that.
func fastSteps(s *step, t text, pos int, p *Parser, r *Record) (*step, int) {
loop:
	for {
		at := pos // position of the literal
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
			if t.byte(pos) == '-' && t.byte(pos+1) == s.first {
				at++
				break
			}
			at = t.stop(at, s.clear, s.stop)
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
			if t.byte(pos) == '-' && t.byte(pos+1) == s.first {
				at++
				break
			}
			at = t.stop(at, s.clear, s.stop)
			if s.search == toBareQuote && at > pos && t.byte(at-1) == '\\' {
				break loop
			}
			if s.kind == kindURI && p.paths != NoPaths {
				r.Path = t.slice(pos, t.untilQuery(pos, at))
			}
		case fastAnyText:
			for {
				w := t.load(at)
				if m := matches(w, s.spread) | matches(w, '\n'*ones); m != 0 {
					at += bits.TrailingZeros64(m) >> 3
					break
				}
				at += 8
			}
			if s.kind == kindURI && p.paths != NoPaths {
				r.Path = t.slice(pos, t.untilQuery(pos, at))
			}
		case fastFixed:
			// nothing: only the literal
		case fastRequest:
			w := t.load(pos)
			n := bits.TrailingZeros64(matches(w, ' '*ones)) >> 3
			w &= 1<<(8*uint(n)&63) - 1 // 0 where n is 8
			method := &methodTable[w*methodHash>>60]
			if method.word != w || int(method.length) != n || n == 0 {
				break loop
			}
			// The quote comes after the method and the space after it, which are four bytes or more.
			at += 4
			m := t.stop16(at, s.clear, s.stop) | t.stop16(at+16, s.clear, s.stop)<<16 |
				t.stop16(at+32, s.clear, s.stop)<<32
			for m == 0 {
				at += 48
				m = t.stop16(at, s.clear, s.stop) | t.stop16(at+16, s.clear, s.stop)<<16 |
					t.stop16(at+32, s.clear, s.stop)<<32
			}
			if at += bits.TrailingZeros64(m); s.search == toBareQuote && t.byte(at-1) == '\\' {
				break loop
			}
			r.Method = method.method
			switch path := pos + n + 1; p.paths {
			case CutPaths:
				r.Path = t.slice(path, t.untilQuery(path, at))
			case RawPaths:
				r.Path = t.slice(path, at)
			}
		case fastID:
			if notWord(t.load(pos))|notWord(t.load(pos+8))|notWord(t.load(pos+16))|notWord(t.load(pos+24)) != 0 {
				break loop
			}
			if at += 32; t.byte(at-1) == '\\' {
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
		case fastAddresses:
			w0 := t.load(pos)
			if byte(w0) == s.first {
				r.Upstreams = nil
				p.saw(noList)
				break
			}
			if byte(w0) == '-' && byte(w0>>8) == s.first {
				r.Upstreams = nil
				at++
				p.saw(noList)
				break
			}
			w1, w2 := t.load(pos+8), t.load(pos+16)
			m0, m1 := matches(w0&^s.clear, s.stop), matches(w1&^s.clear, s.stop)
			m2 := matches(w2&^s.clear, s.stop)
			if m0 != 0 || m1|m2 == 0 {
				break loop
			}
			words, n := cutShort(w0, w1, w2, m1, m2)
			v := p.addressCache.short.at(words)
			if v.words != words || v.length != n {
				break loop
			}
			r.Upstreams = v.u
			at += n
			p.saw(oneElement)
		case fastListStatus:
			w := t.load(pos)
			if code := status(w); code >= 0 {
				r.list(s).set(code)
				at += 3
				p.saw(oneElement)
				break
			}
			r.list(s).set(Absent)
			if byte(w) == s.first {
				p.saw(noList)
				break
			}
			if byte(w) != '-' {
				break loop
			}
			at++
			p.saw(dash)
		case fastListTime:
			w := t.load(pos)
			if ms := fastMillis(w); ms >= 0 {
				r.list(s).set(ms)
				at += 5
				p.saw(oneElement)
				break
			}
			r.list(s).set(Absent)
			if byte(w) == s.first {
				p.saw(noList)
				break
			}
			if byte(w) != '-' {
				break loop
			}
			at++
			p.saw(dash)
		case fastListSize:
			w := t.load(pos)
			if n, digits := fastNumber(w); uint(digits-1) <= 6 {
				r.list(s).set(n)
				at += digits
				p.saw(oneElement)
				break
			}
			r.list(s).set(Absent)
			if byte(w) == s.first {
				p.saw(noList)
				break
			}
			if byte(w) != '-' {
				break loop
			}
			at++
			p.saw(dash)
		default:
			break loop
		}
		w := t.load(at)
		if (w^s.head)&s.mask != 0 || s.overlap && isSeparator(w) {
			p.unsee(s)
			break loop
		}
		if n := len(s.literal); n > 8 {
			if at+n > p.last+1 || t.load(at+n-8) != s.tail {
				p.unsee(s)
				break loop
			}
			literal := text{unsafe.Pointer(unsafe.StringData(s.literal))}
			for k := 8; k < n-8; k += 8 {
				if t.load(at+k) != literal.load(k) {
					p.unsee(s)
					break loop
				}
			}
		}
		pos = at + int(s.length)
		s = s.next()
	}
	return s, pos
}

// saw adds the shape of a list to those of the line.
func (p *Parser) saw(list shape) { p.before, p.shapes = p.shapes, p.shapes|list }

// unsee takes the shape of a list back that its literal does not end.
func (p *Parser) unsee(s *step) {
	if s.kind.isList() {
		p.shapes = p.before
	}
}

func (s *step) next() *step { return (*step)(unsafe.Add(unsafe.Pointer(s), unsafe.Sizeof(step{}))) }

// number returns the address of a number's field, word that of a word's.
func (r *Record) number(offset uint8) *int64 { return (*int64)(unsafe.Add(unsafe.Pointer(r), offset)) }
func (r *Record) word(offset uint8) *Word    { return (*Word)(unsafe.Add(unsafe.Pointer(r), offset)) }

// list returns the address of a list's field.
func (r *Record) list(s *step) *list { return &r.lists[s.listIndex%maxLists] }

func (l *list) set(n int64) { l.one, l.isMany = n, false }
