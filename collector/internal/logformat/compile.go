package logformat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// Pad is how many bytes after a line's newline a Parser may read (it loads eight bytes at a time).
const Pad = 64

// Options say what a Program reads beyond the fields of a Record that it always fills.
type Options struct {
	Capture []string // variables, without their dollars, whose values Record.Captured holds, in this order
}

// A FormatError says why a log_format cannot be followed as it is.
type FormatError struct {
	// variables that cannot be separated, without their dollars; none if the format itself is invalid
	Variables []string
	Rest      *Program // reads the format with these variables as one text; nil if that is useless
	reason    string
}

func (e *FormatError) Error() string { return e.reason }

// A Program is a compiled log_format. It is immutable, apart from what it lends.
type Program struct {
	steps      []step
	fields     uint32
	captures   uint32 // which of Options.Capture the format has
	options    Options
	hasRequest bool
	loose      *Program // reads lines that do not fit this one, with fewer fields; nil for none
	combined   bool     // the first steps are those of combinedStart
	elastic    int      // the first step whose value may have several ends; -1 if none

	spare *atomic.Pointer[sets] // for the second reading of long lines, of any log; nil while it is lent or unused

	// Of a format with line breaks: one line of each entry is the request's; these read the others.
	beside []*Program
	blank  bool // some are empty
}

// maxCaptures is as many as Program.captures has bits.
const maxCaptures = 32

// Compile compiles a log_format with its escape (default, json or none). An error is a *FormatError: the format is
// ambiguous for any reader, or NGINX itself would reject it.
func Compile(format, escape string, o Options) (*Program, error) {
	if err := checkFormat(format, escape); err != nil {
		return nil, &FormatError{reason: err.Error()}
	}
	if len(o.Capture) > maxCaptures {
		reason := fmt.Sprintf("%d variables to capture, more than %d", len(o.Capture), maxCaptures)
		return nil, &FormatError{reason: reason}
	}
	lines := strings.Split(format, "\n")
	if len(lines) == 1 {
		return compileLine(format, escape, o)
	}
	return compileEntry(lines, escape, o)
}

// compileEntry compiles a log_format that writes several lines for each request. It reads the line with the most
// fields, and recognizes and skips the others: so an entry can be split anywhere, by a block or by a restart, and
// counts once.
func compileEntry(lines []string, escape string, o Options) (*Program, error) {
	var entry *Program
	var all []*Program
	var broken error
	blank := false
	for _, line := range lines {
		if line == "" {
			blank = true
			continue
		}
		p, err := compileLine(line, escape, o)
		var f *FormatError
		if errors.As(err, &f) && f.Rest == nil && len(f.Variables) == 0 && !strings.Contains(line, "$") {
			p, err = literalLine(line, escape), nil
		}
		if err != nil {
			broken = errors.Join(broken, err)
			continue
		}
		all = append(all, p)
		if entry == nil || p.weight() > entry.weight() {
			entry = p
		}
	}
	if broken != nil {
		return nil, broken
	}
	joined := *entry
	joined.blank = blank
	for _, p := range all {
		if p != entry {
			joined.beside = append(joined.beside, p)
		}
	}
	return &joined, nil
}

// weight orders the lines of an entry by their fields: the one with the status is the request's.
func (p *Program) weight() int {
	n := len(p.steps)
	for f := range noField {
		if p.Has(f) {
			n += 1 << 16
		}
	}
	if p.Has(Status) {
		n += 1 << 24
	}
	return n
}

// literalLine reads a line of an entry that is always the same.
func literalLine(line, escape string) *Program {
	fixed := variable{kind: kindFixed, field: noField}
	return &Program{steps: []step{newStep(part{literal: line + "\n"}, fixed, escape), {kind: kindEnd}}, elastic: -1}
}

// compileLine compiles one line of a log_format.
func compileLine(format, escape string, o Options) (*Program, error) {
	parts, err := split(format)
	if err != nil {
		return nil, &FormatError{reason: err.Error()}
	}
	if len(parts) == 1 {
		reason := fmt.Sprintf("the log_format %q has no variable; write variables such as $status and $request_time",
			format)
		return nil, &FormatError{reason: reason}
	}
	parts[len(parts)-1].literal += "\n"
	c := newCompiler(format, parts, escape, o)
	if failure := c.compile(parts); failure != nil {
		rest := newCompiler(format, parts, escape, o)
		rest.lenient = true
		if rest.compile(parts) == nil && rest.program.fields != 0 {
			failure.Rest = rest.program
		}
		return nil, failure
	}
	if c.split {
		loose := newCompiler(format, parts, escape, o)
		loose.loose = true
		if loose.compile(parts) == nil {
			c.program.loose = loose.program
		}
	}
	return c.program, nil
}

func newCompiler(format string, parts []part, escape string, o Options) *compiler {
	c := &compiler{format: format, escape: escape, program: &Program{options: o, spare: new(atomic.Pointer[sets])}}
	for _, part := range parts[1:] {
		c.variables = append(c.variables, lookup(part.name))
		c.program.hasRequest = c.program.hasRequest || part.name == "request"
	}
	return c
}

// A compiler turns the parts of a format into the steps of a Program.
type compiler struct {
	format    string
	escape    string
	program   *Program
	variables []variable // of the parts except the first
	lenient   bool       // variables that cannot be separated are one text
	loose     bool       // so are $host and $request_uri
	split     bool       // the two could be separated
}

func (c *compiler) compile(parts []part) *FormatError {
	p := c.program
	if parts[0].literal != "" {
		p.steps = append(p.steps, newStep(parts[0], variable{kind: kindFixed, field: noField}, c.escape))
	}
	joined, ambiguous := false, false // with the previous variable: the two are one text
	for i, part := range parts[1:] {
		v := p.demote(c.variables[i])
		captured := slices.Index(p.options.Capture, part.name)
		length := len(part.literal)
		next, failure := c.beside(part, v, i)
		if joined {
			v.kind, captured = kindText, -1
		}
		if ambiguous {
			v.field = noField
		}
		switch {
		case failure != nil && !c.lenient:
			return failure
		case failure != nil:
			joined, ambiguous = true, true
			continue
		case next.name == "request_uri" && !c.loose:
			// $host$request_uri: a URI begins with the first slash, unless the request was malformed.
			v.kind, part.literal, c.split = kindText, "/", true
		case next.name != "":
			joined = true // neither is used
			continue
		}
		joined, ambiguous = false, false
		c.add(part, v, length, captured)
	}
	p.combined = p.startsCombined(c.format, c.escape)
	p.chooseTime()
	p.preferBytesSent()
	p.steps = append(p.steps, step{kind: kindEnd})
	p.elastic = slices.IndexFunc(p.steps, func(s step) bool { return s.isElastic() })
	for i := range p.steps {
		p.steps[i].index = i
	}
	return nil
}

// beside returns the variable that follows variable i without a literal, unless the two can be separated. It returns
// an error if they cannot and at least one is used.
func (c *compiler) beside(part part, v variable, i int) (next variable, failure *FormatError) {
	if i+1 < len(c.variables) {
		next = c.program.demote(c.variables[i+1])
	}
	switch {
	case v.kind.isList() && (part.literal == ", " || part.literal == " : "):
		return next, &FormatError{
			reason: fmt.Sprintf("%q after $%s in the log_format also separates its elements; "+
				"put quotes around the variable", part.literal, part.name),
			Variables: []string{part.name, next.name},
		}
	case part.literal != "" || v.width > 0:
		return variable{}, nil
	case isPlain(v) && (isPlain(next) || next.kind == kindURI):
		return next, nil
	}
	return next, &FormatError{
		reason: fmt.Sprintf("$%s and $%s are adjacent in the log_format and cannot be separated; "+
			"put a character between them", part.name, next.name),
		Variables: []string{part.name, next.name},
	}
}

// add appends the steps of a variable and of the literal after it, of which length bytes are skipped.
func (c *compiler) add(part part, v variable, length, captured int) {
	p := c.program
	if v.field != noField {
		p.fields |= 1 << v.field
	}
	s := newStep(part, v, c.escape)
	s.length = uint16(length)
	if captured < 0 {
		p.steps = append(p.steps, s)
		return
	}
	p.captures |= 1 << captured
	p.steps = append(p.steps,
		step{kind: kindMark, name: s.name, fast: fastMark},
		s,
		step{kind: kindCapture, name: s.name, fast: fastCapture, into: uint8(captured), behind: s.length})
}

// isPlain reports whether a variable is not used, so that it can be read as text.
func isPlain(v variable) bool {
	return v.kind == kindText || v.field == noField && (v.kind == kindToken || v.kind == kindSize)
}

// preferBytesSent uses $body_bytes_sent in place of $bytes_sent, or only validates it if the format has both.
func (p *Program) preferBytesSent() {
	if p.Has(BytesSent) {
		p.validateOnly(BodyBytesSent)
	}
}

// chooseTime reads Record.Time from the finest time in the format.
func (p *Program) chooseTime() {
	for _, finer := range []Field{Msec, TimeISO8601} {
		if p.Has(finer) {
			for f := finer + 1; f <= TimeLocal; f++ {
				p.validateOnly(f)
			}
		}
	}
}

func (p *Program) validateOnly(f Field) {
	for i := range p.steps {
		if s := &p.steps[i]; s.field == f {
			s.into = offsetOf(noField)
		}
	}
}

// demote reads as text what the program does not need.
func (p *Program) demote(v variable) variable {
	if v.kind == kindMethod && p.hasRequest || v.kind == kindURI && p.hasRequest {
		v.kind = kindText
	}
	return v
}

// Has reports whether the format has a variable.
func (p *Program) Has(f Field) bool { return p.fields&(1<<f) != 0 }

// HasUpstream reports whether the format shows at least whether an upstream was tried.
func (p *Program) HasUpstream() bool { return p.fields>>UpstreamAddr != 0 }

// Captures reports whether the format has the value of variable i of Options.Capture.
func (p *Program) Captures(i int) bool { return p.captures&(1<<i) != 0 }

// A step reads one value and the literal after it. The fields that the fast path needs come first.
type step struct {
	head      uint64   // the first eight bytes of literal
	mask      uint64   // of head: a bit for each byte that exists
	spread    uint64   // the first byte of literal, eight times
	clear     uint64   // the bits in which the bytes differ that may end a value, such as a quote and a newline
	stop      uint64   // these bytes without those bits
	rest      []masked // of a literal: the bytes after its first eight
	literal   string
	length    uint16 // bytes of literal to skip
	fast      fast
	kind      kind
	search    delimiter
	overlap   bool  // a list's separator may look like the literal: read by grammar
	width     uint8 // bytes
	into      uint8 // offset in a Record of a number or a word; of kindCapture the index
	listIndex uint8 // where a list goes in a Record's lists

	first  byte // of literal
	field  Field
	long   bool   // the value is often longer than the range of find
	behind uint16 // of kindCapture: how many bytes ago the captured value ended
	name   string
	index  int
}

// A masked is up to eight bytes of a literal, and a mask of those that exist.
type masked struct{ bytes, mask uint64 }

// maskedWords returns a literal in words, at least one.
func maskedWords(literal string) []masked {
	words := make([]masked, max(1, (len(literal)+7)/8))
	for i := range len(literal) {
		words[i/8].bytes |= uint64(literal[i]) << (i % 8 * 8)
		words[i/8].mask |= 0xff << (i % 8 * 8)
	}
	return words
}

// A delimiter is a way to find the end of a value.
type delimiter uint8

const (
	toLiteral   delimiter = iota // the first occurrence of the whole literal
	toQuote                      // the first quote, which the literal must follow: escape=default has none in values
	toBareQuote                  // the first quote that no backslash escapes: escape=json
)

func newStep(part part, v variable, escape string) step {
	s := step{
		kind: v.kind, field: v.field, width: uint8(v.width), name: part.name,
		literal: part.literal, length: uint16(len(part.literal)),
	}
	words := maskedWords(part.literal)
	s.head, s.mask, s.rest = words[0].bytes, words[0].mask, words[1:]
	if part.literal != "" {
		s.first = part.literal[0]
		s.spread = uint64(s.first) * ones
	}
	if s.first == '"' {
		switch escape {
		case "json":
			s.search = toBareQuote
		case "none":
		default:
			s.search = toQuote
		}
	}
	s.long = v.kind == kindRequest || strings.HasPrefix(part.name, "http_")
	if s.overlap = v.kind.isList() && (s.first == ' ' || s.first == ','); s.overlap {
		s.spread = ' ' * ones
	}
	s.clear, s.stop = s.stops()
	s.into = offsetOf(v.field)
	if v.kind.isList() && v.field != noField {
		s.listIndex = uint8(v.field - firstNumberList)
	}
	s.fast = fastOf(&s)
	return s
}

// stops returns the bits in which the bytes differ that may end a value, and the bytes without them.
func (s *step) stops() (clear, stop uint64) {
	switch {
	case s.overlap:
		clear, stop = (' '^',')*ones, ' '*ones
	case s.kind.isList():
		return 0, s.spread
	case s.kind == kindToken:
		clear, stop = ((' '^'\n')|('"'^'\n'))*ones, '\n'*ones
	case s.first == ' ' || s.first == '\t' || s.first == '"':
		clear, stop = uint64(s.first^'\n')*ones, '\n'*ones
	}
	return clear, stop &^ clear
}

// want describes what a step expects, for error messages.
func (s *step) want() string {
	value := "$" + s.name
	switch s.kind {
	case kindStatus:
		value = "three digits for $" + s.name
	case kindTime:
		value = "seconds such as 0.125 for $" + s.name
	case kindSize:
		value = "a number for $" + s.name
		if s.field != noField {
			value = "a number of bytes for $" + s.name
		}
	case kindToken:
		value = "no space and no quote in $" + s.name
	case kindLocalTime:
		value = "a time such as 24/Nov/2026:12:27:30 +0000 for $" + s.name
	case kindISOTime:
		value = "a time such as 2026-11-24T12:27:30+00:00 for $" + s.name
	case kindUnixTime:
		value = "seconds such as 1764073650.125 for $" + s.name
	case kindListTime, kindListSize, kindListStatus, kindAddresses, kindListUnknown:
		value = "the list of $" + s.name
	case kindFixed:
		if s.name == "" {
			return fmt.Sprintf("%q", strings.TrimSuffix(s.literal, "\n"))
		}
	}
	switch literal := strings.TrimSuffix(s.literal, "\n"); {
	case literal != "":
		return fmt.Sprintf("%s and then %q", value, literal)
	case s.literal != "":
		return value + " and then the end of the line"
	}
	return value
}
