package logformat

// wordPassed is PASSED as the low six bytes of a load.
const wordPassed = 'P' | 'A'<<8 | 'S'<<16 | 'S'<<24 | 'E'<<32 | 'D'<<40

// fastLists is fastSteps for lists, and for what is mostly logged beside them. The three kinds of numbers have a case
// each that differs in little: one function for all of them costs 2 to 11 % of the time of a line.
func fastLists(s *step, t text, pos int, p *Parser, r *Record) (*step, int) {
	for {
		at := pos // position of the literal
		switch s.fast {
		case fastAddresses:
			w0, w1, w2 := t.load(pos), t.load(pos+8), t.load(pos+16)
			m1, m2 := matches(w1&^s.clear, s.stop), matches(w2&^s.clear, s.stop)
			if matches(w0&^s.clear, s.stop) != 0 || m1|m2 == 0 {
				if at = s.noAddress(w0, pos, p, r); at < 0 {
					return s, pos
				}
				break
			}
			words, n := cutShort(w0, w1, w2, m1, m2)
			v := p.addressCache.short.at(words)
			if v.words != words || v.length != n {
				return s, pos
			}
			r.Upstreams = v.u
			at += n
			p.saw(oneElement)
		case fastListStatus:
			code := status(t.load(pos))
			if code < 0 {
				if at = s.noElement(t, pos, p, r); at < 0 {
					return s, pos
				}
				break
			}
			r.list(s).set(code)
			at += 3
			p.saw(oneElement)
		case fastListTime:
			ms := fastMillis(t.load(pos))
			if ms < 0 {
				if at = s.noElement(t, pos, p, r); at < 0 {
					return s, pos
				}
				break
			}
			r.list(s).set(ms)
			at += 5
			p.saw(oneElement)
		case fastListSize:
			n, digits := fastNumber(t.load(pos))
			if uint(digits-1) > 6 {
				if at = s.noElement(t, pos, p, r); at < 0 {
					return s, pos
				}
				break
			}
			r.list(s).set(n)
			at += digits
			p.saw(oneElement)
		case fastID:
			if notWord(t.load(pos))|notWord(t.load(pos+8))|notWord(t.load(pos+16))|notWord(t.load(pos+24)) != 0 {
				return s, pos
			}
			if at += 32; t.byte(at-1) == '\\' {
				return s, pos
			}
			r.IDAt, r.IDLen = pos, 32
		case fastWord:
			if t.load(pos)&(1<<48-1) != wordPassed {
				return s, pos
			}
			*r.word(s.into) = Passed
			at += 6
		default:
			return s, pos
		}
		w := t.load(at)
		if (w^s.head)&s.mask != 0 || s.overlap && isSeparator(w) || !s.follows(t, at) {
			p.unsee(s)
			return s, pos
		}
		pos = at + int(s.length)
		s = s.next()
	}
}

// noAddress reads an empty list of addresses, or "-", and returns the position after it, -1 if the list looks
// otherwise.
func (s *step) noAddress(w uint64, pos int, p *Parser, r *Record) (at int) {
	switch {
	case byte(w) == s.first:
		at = pos
	case byte(w) == '-' && byte(w>>8) == s.first:
		at = pos + 1
	default:
		return -1
	}
	r.Upstreams = nil
	p.saw(noList)
	return at
}

// noElement is noAddress for a list of numbers.
func (s *step) noElement(t text, pos int, p *Parser, r *Record) (at int) {
	r.list(s).set(Absent)
	switch c := t.byte(pos); {
	case c == s.first:
		p.saw(noList)
		return pos
	case c == '-':
		p.saw(dash)
		return pos + 1
	}
	return -1
}

// saw adds the shape of a list to those of the line.
func (p *Parser) saw(list shape) { p.before, p.shapes = p.shapes, p.shapes|list }

// unsee takes the shape of a list back that its literal does not end.
func (p *Parser) unsee(s *step) {
	if s.kind.isList() {
		p.shapes = p.before
	}
}

// list returns the address of a list's field.
func (r *Record) list(s *step) *list { return &r.lists[s.listIndex%maxLists] }

func (l *list) set(n int64) { l.one, l.isMany = n, false }
