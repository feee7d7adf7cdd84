package logformat

// fastElements reads a list of several numbers that looks as NGINX writes almost all of them: "-", or digits of the
// usual length, with ", " between them. It returns the position behind the literal after it, -1 if the list looks
// otherwise.
//
// It reads at most seven bytes beyond an element, and an element only where the one before ended in the line.
func (s *step) fastElements(t text, pos, end int, p *Parser, r *Record) int {
	if s.kind < kindListTime || s.kind > kindListStatus {
		return -1
	}
	l := r.list(s)
	l.many, l.separators = l.many[:0], l.separators[:0]
	for pos < end {
		n, width := s.fastElement(t.load(pos))
		if width == 0 {
			return -1
		}
		l.many = append(l.many, n)
		pos += width
		if t.load(pos)&0xffff != ','|' '<<8 {
			break
		}
		l.separators = append(l.separators, ',')
		pos += 2
	}
	if n := len(l.many); n < 2 || n > maxElements || pos > end || !s.at(t, pos, end) {
		return -1
	}
	if s.overlap && isSeparator(t.load(pos)) {
		return -1
	}
	l.one, l.isMany = l.many[0], true
	p.shapes |= p.many(len(l.many))
	return pos + int(s.length)
}

// fastElement reads an element from a load, and returns its length; 0 if it does not have the usual form.
func (s *step) fastElement(w uint64) (n int64, width int) {
	if byte(w) == '-' {
		return Absent, 1
	}
	switch s.kind {
	case kindListTime:
		n, width = fastMillis(w), 5
	case kindListStatus:
		n, width = status(w), 3
	default:
		if n, width = fastNumber(w); width > 7 {
			return 0, 0
		}
	}
	if n < 0 {
		return 0, 0
	}
	return n, width
}
