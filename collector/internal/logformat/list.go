package logformat

// A shape is the form of a list; a line has the shapes of all its lists combined.
type shape uint8

const (
	oneElement   shape = 1 << iota
	dash               // "-", which is one element without a number, or an absent list
	noList             // empty, or the "-" of $upstream_addr: no upstream was tried
	manyElements       // with separators, even if only one element is left of a trailing " : "
)

// agree checks that the lists have equal numbers of elements, and sets that number.
func (p *Parser) agree(r *Record, shapes shape) bool {
	if shapes&manyElements != 0 {
		return p.agreeOnMany(r, shapes)
	}
	switch shapes {
	case oneElement, oneElement | dash:
		r.Elements = 1
		return true
	case 0, dash, noList, dash | noList:
		r.Elements = 0
		return true
	}
	p.failure = failure{lists: true}
	return false
}

// agreeOnMany is agree for a line with a list of more than one element, or with one that ends in " : ".
func (p *Parser) agreeOnMany(r *Record, shapes shape) bool {
	r.Elements = p.elements
	if p.elements == disagreed || shapes&noList != 0 || p.elements != 1 && shapes&(oneElement|dash) != 0 {
		p.failure = failure{lists: true}
		return false
	}
	return true
}

// disagreed is the number of elements if two lists differ.
const disagreed = -1

// many records that a list has n elements.
func (p *Parser) many(n int) shape {
	if p.shapes&manyElements != 0 && p.elements != n {
		n = disagreed
	}
	p.elements = n
	return manyElements
}

// addresses reads the value of $upstream_addr from i to j.
func (p *Parser) addresses(t text, i, j int, r *Record) bool {
	if isNothing(t.slice(i, j)) {
		r.Upstreams = nil
		p.shapes |= noList
		return true
	}
	u := p.addressCache.get(t, i, j)
	if r.Upstreams = u; u == nil {
		return false
	}
	if u.many {
		p.shapes |= p.many(len(u.Elements))
		return true
	}
	p.shapes |= oneElement
	if u.ID >= 0 {
		p.addressCache.short.insert(t, i, j, u)
	}
	return true
}

// read reads a list of numbers other than a single plain number.
func (l *list) read(k kind, value []byte) (shape, bool) {
	l.isMany = false
	l.one = Absent
	switch {
	case len(value) == 0:
		return noList, true
	case len(value) == 1 && value[0] == '-':
		return dash, true
	}
	if cap(l.many) > maxElements {
		*l = list{}
	}
	l.many, l.separators = l.many[:0], l.separators[:0]
	for rest := value; ; {
		if l.fast(k, &rest) {
			continue
		}
		element, follow, after := nextElement(rest)
		n, ok := readElement(k, element)
		if !ok {
			return 0, false
		}
		if l.many = append(l.many, n); len(l.many) > maxElements {
			return 0, false
		}
		if follow == 0 {
			break
		}
		l.separators = append(l.separators, follow)
		rest = after
	}
	l.one = l.many[0]
	if len(l.many) == 1 && value[len(value)-1] != ' ' {
		return oneElement, true
	}
	l.isMany = true
	return manyElements, true
}

// fast reads one element of the usual form, with ", " after it.
func (l *list) fast(k kind, rest *[]byte) bool {
	v := *rest
	n, width := Absent, 5
	switch {
	case len(v) < 8:
		return false
	case v[0] == '-':
		width = 1
	case k == kindListTime:
		n = fastMillis(load(v, 0))
	case k == kindListStatus:
		n, width = status(load(v, 0)), 3
	default:
		return false
	}
	if n < 0 && width != 1 || v[width] != ',' || v[width+1] != ' ' {
		return false
	}
	l.many, l.separators = append(l.many, n), append(l.separators, ',')
	*rest = v[width+2:]
	return true
}

// readElement reads one element of a list of numbers.
func readElement(k kind, element []byte) (int64, bool) {
	if isNothing(element) {
		return Absent, true
	}
	switch k {
	case kindListTime:
		return millis(element)
	case kindListSize:
		return size(element)
	}
	if len(element) != 3 {
		return 0, false
	}
	code := status(uint64(element[0]) | uint64(element[1])<<8 | uint64(element[2])<<16)
	return code, code >= 0
}

// isSeparator reports whether w begins with a separator of list elements.
func isSeparator(w uint64) bool {
	return w&0xffff == ','|' '<<8 || w&0xffffff == ' '|':'<<8|' '<<16
}

// skipList is skip for a list. A list that is unquoted before a space or a comma is read by its grammar: an element, a
// separator, the next element, until no separator follows.
func (s *step) skipList(t text, pos, end int) int {
	if !s.overlap {
		return s.skip(t, pos, end)
	}
	for i := pos; i < end; {
		switch {
		case t.byte(i) != ' ' && t.byte(i) != ',':
			i++
		case isSeparator(t.load(i)) && !(s.beyondSeparator() && s.at(t, i, end)):
			i += 2
			if t.byte(i-2) == ' ' {
				i++
			}
		case s.at(t, i, end):
			return i + int(s.length)
		default:
			return -1
		}
	}
	return -1
}

// beyondSeparator reports whether the literal begins like a separator and continues: then the bytes are the literal.
func (s *step) beyondSeparator() bool {
	return isSeparator(s.head) && (s.first == ',' && s.length > 2 || s.first == ' ' && s.length > 3)
}
