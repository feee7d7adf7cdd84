package logformat

import "bytes"

// enterList starts a list that begins at f.start.
func (x *search) enterList(f *frame, s *step) {
	f.element, f.elements, f.trailing, f.checked = f.start, 0, false, -1
	f.low = len(x.candidates)
	if f.jump = 0; f.from <= f.start && f.start < f.reach && s.kind == kindAddresses {
		f.jump = f.reach // it is the end of an address that was tried; "-" alone means something else
	} else {
		f.reach = f.start
	}
	f.from = f.start
	if x.count == anyCount && !x.scan(f, f.start) {
		f.limit = f.start
	}
	if !s.longest() {
		return
	}
	for end := x.nextListEnd(f, s); end >= 0; end = x.nextListEnd(f, s) {
		x.candidates = append(x.candidates, end)
	}
}

// advanceList tries the ends of a list from short to long, or those of an unquoted one from long to short.
func (x *search) advanceList(f *frame, s *step) bool {
	if !s.longest() {
		f.value = x.nextListEnd(f, s)
		return f.value >= 0
	}
	last := len(x.candidates) - 1
	if last < f.low {
		return false
	}
	f.value, x.candidates = x.candidates[last], x.candidates[:last]
	return true
}

// first sets the bit of a position in one of the search's sets, and reports whether it was clear.
func (x *search) first(set []uint64, f *frame, at int) bool {
	at -= x.start
	word, bit := &set[f.list*x.words+at/64], uint64(1)<<(at%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}

// scan records that the elements from here on are examined, and reports whether they were not yet: if an earlier value
// of the list had this element, everything that may follow has been tried.
func (x *search) scan(f *frame, at int) bool { return x.first(x.scanned, f, at) }

// nextListEnd returns the next possible end of the list, -1 if there is none.
func (x *search) nextListEnd(f *frame, s *step) int {
	for at := f.next; at < f.limit; {
		x.work++
		if at == f.start+2 {
			at = max(at, f.jump)
		}
		if f.elements == 0 {
			f.reach = max(f.reach, at)
		}
		if at > f.checked {
			f.checked = at
			if s.at(x.t, at, x.end) && x.mayEnd(f, s, at) && x.first(x.tried, f, at) {
				f.next = at
				return at
			}
		}
		switch c := x.t.byte(at); {
		case isSeparator(x.t.load(at)):
			if at = x.nextElement(f, s, at); at < 0 {
				f.limit = 0
				return -1
			}
		case at == x.end, c == '"', c == ' ' && !x.isSocket(f, s), c == ',' && s.overlap,
			at-f.element > s.longestElement():
			f.limit = 0
			return -1
		default:
			at++
		}
	}
	return -1
}

// nextElement ends an element at a separator, and returns the start of the next; -1 if it is invalid, or one too many.
func (x *search) nextElement(f *frame, s *step, at int) int {
	if !s.isElement(x.t.slice(f.element, at)) {
		return -1
	}
	f.trailing = x.t.byte(at) == ' '
	at += len(", ")
	if f.trailing {
		at++
	}
	f.element = at
	f.elements++
	tooMany := x.count != anyCount && f.elements > x.count && s.kind != kindListUnknown
	if tooMany || x.count == anyCount && !x.scan(f, at) {
		return -1
	}
	return at
}

// mayEnd reports whether a list that ends here is valid and has the required number of elements.
func (x *search) mayEnd(f *frame, s *step, at int) bool {
	if s.search == toBareQuote && x.t.escaped(f.start, at) {
		return false
	}
	element := x.t.slice(f.element, at)
	if !s.isElement(element) {
		return false
	}
	n := f.elements + 1
	switch {
	case x.count == anyCount || s.kind == kindListUnknown:
		return true
	case n > 1 && len(element) == 0 && f.trailing:
		n-- // NGINX's own " : " at the end
	case n == 1 && isNothing(element):
		// No list, or one element without a number.
		return x.count == 0 || x.count == 1 && len(element) == 1 && s.kind != kindAddresses
	}
	return n == x.count
}

// isElement reports whether a value may be an element of the step's list.
func (s *step) isElement(value []byte) bool {
	switch s.kind {
	case kindAddresses:
		return isName(value)
	case kindListUnknown:
		return true
	}
	_, ok := readElement(s.kind, value)
	return ok
}

// longestElement is longer than any element of the step's list.
func (s *step) longestElement() int {
	if s.kind == kindAddresses || s.kind == kindListUnknown {
		return maxName + 1
	}
	const maxNumber = 20
	return maxNumber
}

// isSocket reports whether the element is the path of a socket, which may have spaces if something else delimits the
// list.
func (x *search) isSocket(f *frame, s *step) bool {
	const prefix = "unix:"
	return s.kind == kindAddresses && !s.overlap && bytes.HasPrefix(x.t.slice(f.element, x.end), []byte(prefix))
}
