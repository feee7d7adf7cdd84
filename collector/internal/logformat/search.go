package logformat

import "bytes"

// The second reading.
//
// The first reading ends a value at the first occurrence of the literal after it. Clients choose the content of some
// values, so that occurrence may be the wrong one: `curl -u 'x [1:y'` puts " [" before the " [" of the format
// combined. So a line that the first reading rejects is read again: the second reading tries every possible end of
// each value, from the left, in the order of preference, and backtracks if the rest does not fit.
//
// What keeps this linear: whether the rest of a line fits depends on where it begins, not on what precedes it. An end
// that has failed once is not tried again (frame.failed, search.scanned). The only thing that depends on what precedes
// is that lists agree in length. So the first pass accepts lists of any length; if the lists of its answer disagree, a
// further pass is made for each number of elements, up to maxCount, with that number fixed, and the preferred answer
// wins.
//
// The shortest value is preferred, from the left, except for an unquoted list before a space or a comma, whose longest
// value is preferred: otherwise NGINX's own " : " between groups would end it.

// maxCount limits the elements of the lists of a line if they differ in the first pass: no request makes so many
// attempts.
const maxCount = 64

// anyCount is search.count in the first pass.
const anyCount = -1

// maxWork limits the bytes that a second reading examines, as a multiple of the line's length. Common formats stay
// below a tenth of it for any line.
const maxWork = 1024

// A search is a second reading. It is part of a Parser, which reuses it.
type search struct {
	t          text
	start, end int
	steps      []step
	count      int // elements that every list must have, or anyCount
	frames     []frame
	best       []int // the answer so far, as ends of values
	*sets            // of this line
	small      sets  // for lines of usual length
	words      int   // of scanned and of tried for each list
	work       int   // bytes examined, approximately
}

// sets are what a search knows of the bytes of a line.
type sets struct {
	candidates []int    // untried ends of unquoted lists, of all frames
	scanned    []uint64 // for each list a bit for each byte of the line: an element that begins here was examined
	tried      []uint64 // the same, for each pass: the list was tried with this end
}

// A frame is a step that is being tried. It belongs to its step for a whole pass.
type frame struct {
	start  int // where the value begins
	next   int // where the search for the next end begins
	limit  int // the limit of that search
	value  int // the end that is being tried
	list   int // the list that the step reads
	failed int // from here
	upTo   int // to here no value may begin: all ends of it were tried

	// Of a list: the element that is being scanned, the number of elements before it, and its candidates.
	element, elements int
	trailing          bool // the separator before the element was " : "
	checked           int  // the last possible end of the list
	low               int  // where its candidates begin
	from, reach       int  // the range of the first element of earlier lists
	jump              int  // the ends before this one were tried with an earlier list

	space, second int // of a request: the first two spaces
}

// readAgain finds any way in which a line fits, and fills r.
func (p *Parser) readAgain(f *Program, t text, start, end int, r *Record) bool {
	if f.elastic < 0 || !p.failure.lists && p.failure.step.index < f.elastic {
		return false // only one reading exists
	}
	x := &p.second
	x.begin(f, t, start, end)
	defer x.release(f)
	x.count = anyCount
	if !x.pass() {
		return false
	}
	x.best = x.answer(x.best[:0])
	if p.apply(f, x.best, t, start, r) {
		return true
	}
	found := false
	for count := range min(maxCount, x.separators()+1) + 1 {
		x.count = count
		if !x.pass() || found && !x.preferred() {
			continue
		}
		x.best, found = x.answer(x.best[:0]), true
	}
	return found && p.apply(f, x.best, t, start, r)
}

// apply fills r from the ends of the values, and reports whether the lists agree.
func (p *Parser) apply(f *Program, ends []int, t text, start int, r *Record) bool {
	p.shapes = 0
	pos := start
	for i, end := range ends {
		s := &f.steps[i]
		switch s.kind {
		case kindMark:
			r.mark = pos
		case kindCapture:
			r.Captured[s.into] = t.slice(r.mark, pos-int(s.behind))
		default:
			if !s.store(t, pos, end, p, r) {
				return false
			}
		}
		pos = end + int(s.length)
	}
	return p.agree(r, p.shapes)
}

func (x *search) begin(f *Program, t text, start, end int) {
	x.t, x.start, x.end, x.steps, x.work = t, start, end, f.steps[:len(f.steps)-1], 0
	if cap(x.frames) < len(x.steps) {
		x.frames = make([]frame, len(x.steps))
	}
	x.frames = x.frames[:len(x.steps)]
	lists := 0
	for i := range x.steps {
		if x.steps[i].kind.isList() {
			x.frames[i].list = lists
			lists++
		}
	}
	x.words = (end-start)/64 + 1
	need := lists * x.words
	x.sets = &x.small
	if need > maxSmall || x.end-x.start > maxSmall {
		if x.sets = f.spare.Swap(nil); x.sets == nil {
			x.sets = new(sets)
		}
	}
	if cap(x.scanned) < need {
		x.scanned, x.tried = make([]uint64, need), make([]uint64, need)
	}
	x.scanned, x.tried = x.scanned[:need], x.tried[:need]
	clear(x.scanned)
}

// maxSmall is how many numbers the sets of a parser's own have room for. Those of a longer line are borrowed from its
// Program: there is one for all logs of a format, so a flood of such lines allocates nothing, and keeps little.
const maxSmall = 1 << 13

// release gives back what begin has borrowed.
func (x *search) release(f *Program) {
	if x.sets != &x.small {
		f.spare.Store(x.sets)
	}
	x.sets = nil
}

// pass looks for the preferred reading of the line with lists of x.count elements.
func (x *search) pass() bool {
	for i := range x.frames {
		f := &x.frames[i]
		f.failed, f.upTo = x.end+2, -1
		f.from, f.reach = 0, -1
	}
	x.candidates = x.candidates[:0]
	clear(x.tried)
	i := 0
	x.enter(0, x.start)
	for {
		if !x.advance(i) {
			x.leave(i)
			if i--; i < 0 || x.work > maxWork*(x.end-x.start+64) {
				return false
			}
			continue
		}
		next := x.frames[i].value + int(x.steps[i].length)
		if i+1 == len(x.steps) {
			if next == x.end+1 {
				return true
			}
			continue
		}
		i++
		x.enter(i, next)
	}
}

// answer appends the ends of the values of a pass that has succeeded.
func (x *search) answer(ends []int) []int {
	for i := range x.frames {
		ends = append(ends, x.frames[i].value)
	}
	return ends
}

// preferred reports whether a pass that has succeeded has a better answer than x.best.
func (x *search) preferred() bool {
	for i := range x.frames {
		if d := x.frames[i].value - x.best[i]; d != 0 {
			return d > 0 == x.steps[i].longest()
		}
	}
	return false
}

// separators counts the possible separators of list elements, up to maxCount.
func (x *search) separators() int {
	n := 0
	for i := x.start; i < x.end && n < maxCount; i++ {
		if isSeparator(x.t.load(i)) {
			n++
		}
	}
	return n
}

// enter starts a step whose value begins at start.
func (x *search) enter(i, start int) {
	f, s := &x.frames[i], &x.steps[i]
	f.start, f.next, f.limit = start, start, x.end+1
	switch {
	case s.kind.isList():
		x.enterList(f, s)
		return
	case s.bareRequest():
		f.space, f.second = -1, -1
		return
	case !s.isText() && !s.isToken() || x.insideEscape(s, start):
		return
	}
	switch {
	case start < f.failed:
		f.limit = f.failed
	case start <= f.upTo:
		f.limit = start // it has been tried
	}
}

// leave records that every end of a value was tried.
func (x *search) leave(i int) {
	f, s := &x.frames[i], &x.steps[i]
	switch {
	case s.kind.isList():
		x.candidates = x.candidates[:f.low]
	case s.bareRequest():
		if f.start < f.failed && x.t.byte(f.start) != ' ' {
			f.failed, f.upTo = f.start, x.end
		}
	case !s.isText() && !s.isToken() || x.insideEscape(s, f.start):
	case f.start < f.failed || f.start > f.upTo:
		if f.limit != f.failed { // otherwise this range joins the previous one
			f.upTo = f.limit - 1
		}
		f.failed = f.start
	}
}

// insideEscape reports whether an escaped byte may be here, which from another start may look like a quote.
func (x *search) insideEscape(s *step, start int) bool {
	return s.search == toBareQuote && start > x.start && x.t.byte(start-1) == '\\'
}

// advance moves a step to the next end of its value that its literal follows, and reports whether there is one.
func (x *search) advance(i int) bool {
	f, s := &x.frames[i], &x.steps[i]
	switch {
	case s.kind.isList():
		return x.advanceList(f, s)
	case s.kind == kindMark || s.kind == kindCapture:
		once := f.next == f.start
		f.value, f.next = f.start, f.start+1
		return once
	case s.kind == kindFixed && s.width == 0:
		return x.single(f, s, f.start)
	case s.width > 0:
		return x.advanceFixed(f, s)
	case s.kind == kindTime, s.kind == kindSize, s.kind == kindUnixTime:
		return x.advanceNumber(f, s)
	case s.isToken():
		return x.advanceToken(f, s)
	case s.bareRequest():
		return x.advanceRequest(f, s)
	case s.search != toLiteral:
		return x.advanceQuoted(f, s)
	}
	return x.advanceText(f, s)
}

// single tries the only possible end of a value.
func (x *search) single(f *frame, s *step, end int) bool {
	if f.next > f.start || end >= f.limit || !s.at(x.t, end, x.end) {
		return false
	}
	f.value, f.next = end, f.start+1
	x.work++
	return true
}

func (x *search) advanceFixed(f *frame, s *step) bool {
	end := f.start + int(s.width)
	if end > x.end {
		return false
	}
	ok := true
	switch s.kind {
	case kindStatus:
		ok = status(x.t.load(f.start)) >= 0
	case kindLocalTime:
		_, ok = parseLocal(x.t.slice(f.start, end))
	case kindISOTime:
		_, ok = parseISO(x.t.slice(f.start, end))
	}
	return ok && x.single(f, s, end)
}

// advanceNumber tries "", "-" and numbers from short to long.
func (x *search) advanceNumber(f *frame, s *step) bool {
	const longest = 20 // digits, or more than any number has
	for ; f.next < f.limit && f.next <= f.start+longest; f.next++ {
		x.work++
		if end := f.next; s.at(x.t, end, x.end) && s.isNumber(x.t.slice(f.start, end)) {
			f.value = end
			f.next++
			return true
		}
		if f.next >= x.end {
			break
		}
	}
	return false
}

// isNumber reports whether a value has the shape of a number of the step's kind.
func (s *step) isNumber(value []byte) (ok bool) {
	switch s.kind {
	case kindTime:
		_, ok = number(value, millis)
	case kindUnixTime:
		_, ok = unixMillis(value)
	default:
		_, ok = number(value, size)
	}
	return ok
}

// advanceToken tries the occurrences of the literal up to the first space or quote.
func (x *search) advanceToken(f *frame, s *step) bool {
	for at := f.next; at < f.limit; at++ {
		x.work++
		c := x.t.byte(at)
		delimits := c == ' ' || c == '"' || at == x.end
		if delimits {
			f.limit = at + 1
		}
		if c == s.first && s.at(x.t, at, x.end) && (s.search != toBareQuote || !x.t.escaped(f.start, at)) {
			f.value, f.next = at, at+1
			return true
		}
	}
	f.next = f.limit
	return false
}

// advanceQuoted tries the first quote that ends a value.
func (x *search) advanceQuoted(f *frame, s *step) bool {
	if f.next > f.start {
		return false
	}
	for at := f.start; at < f.limit; at++ {
		n := bytes.IndexByte(x.t.slice(at, min(f.limit, x.end)), '"')
		if n < 0 {
			break
		}
		at += n
		x.work += n/8 + 1
		if s.search == toBareQuote && x.t.escaped(f.start, at) {
			continue
		}
		f.limit = at + 1
		return x.single(f, s, at)
	}
	return false
}

// advanceText tries every occurrence of the literal.
func (x *search) advanceText(f *frame, s *step) bool {
	for at := f.next; at < f.limit; at++ {
		n := bytes.IndexByte(x.t.slice(at, min(f.limit, x.end+1)), s.first)
		if n < 0 {
			break
		}
		at += n
		x.work += n/8 + 1
		if s.at(x.t, at, x.end) {
			f.value, f.next = at, at+1
			return true
		}
	}
	f.next = f.limit
	return false
}

// isText reports whether a value of the step may hold anything, apart from its escaping.
func (s *step) isText() bool {
	return s.kind == kindText || s.kind == kindURI || s.kind == kindID || s.kind == kindRequest && !s.bareRequest()
}

// isToken reports whether values of the step have neither spaces nor quotes.
func (s *step) isToken() bool {
	return s.kind == kindToken || s.kind == kindMethod || s.kind == kindWord
}

// isElastic reports whether a value of the step may have several ends.
func (s *step) isElastic() bool {
	switch {
	case s.literal != "" && s.literal[len(s.literal)-1] == '\n':
		return false // the line has one end
	case s.isText():
		return s.search == toLiteral
	case s.kind.isList():
		return s.first != '"'
	case s.isToken():
		return s.first != ' ' && s.first != '"'
	case s.bareRequest():
		return true
	case s.kind == kindTime, s.kind == kindSize, s.kind == kindUnixTime:
		return s.first == '-' || s.first-'0' <= 9
	}
	return false
}

// longest reports whether the last of several ends of a value is preferred.
func (s *step) longest() bool { return s.overlap && !s.beyondSeparator() }
