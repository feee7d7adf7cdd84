package logformat

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Pad is how many bytes after a line's newline a Parser may read (it loads eight bytes at a time).
const Pad = 64

// A step reads one value and the literal after it. What the quick way needs stands first.
type step struct {
	head      uint64 // the first eight bytes of literal
	mask      uint64 // of head: as many bytes as there are
	spread    uint64 // the first byte of literal, eight times
	other     uint64 // of spread: a comma, where a space or a comma ends an element of a list
	tail      uint64 // the last eight bytes of a literal of more than eight
	literal   string
	length    uint16 // bytes of literal that are passed over
	quick     quick
	kind      kind
	search    search
	overlap   bool  // a list's separator may look like the literal: read by grammar
	width     uint8 // bytes
	into      uint8 // where in a Record a number or a word goes: its offset
	listIndex uint8 // where in a Record's lists a list goes

	first       byte // of literal
	field       Field
	long        bool // the value is often longer than what find looks at
	isOftenDash bool
	name        *string
}

// A search is how the end of a value is found.
type search uint8

const (
	toLiteral   search = iota // the first place where the whole literal stands
	toQuote                   // the first quote, and the literal must stand there: escape=default has none in values
	toBareQuote               // the first quote that no backslash escapes: escape=json
)

// A Program is a compiled log_format. It is immutable.
type Program struct {
	steps      []step
	fields     uint32
	paths      bool
	hasRequest bool
}

// Compile compiles a log_format with its escape (default, json or none). Paths are only read if asked for. The
// error says what no reader could tell apart, or what NGINX would not take either.
func Compile(format, escape string, paths bool) (*Program, error) {
	switch escape {
	case "", "default", "json", "none":
	default:
		return nil, fmt.Errorf("%q is no escaping; write default, json or none", escape)
	}
	parts, err := split(format)
	if err != nil {
		return nil, err
	}
	p := &Program{paths: paths}
	for _, part := range parts {
		p.hasRequest = p.hasRequest || part.name == "request"
	}
	parts[len(parts)-1].literal += "\n"
	for i, part := range parts {
		if i == 0 {
			if part.literal != "" {
				p.steps = append(p.steps, newStep(part, variable{kind: kindFixed, field: noField}, escape))
			}
			continue
		}
		v := p.demote(lookup(part.name))
		if part.literal == "" {
			next := p.demote(lookup(parts[i+1].name))
			switch {
			case v.width > 0:
			case v.kind == kindText && next.kind == kindText:
				continue // neither is of use: the two are one value
			case v.kind == kindText && next.kind == kindURI:
				// $host$request_uri: a URI begins with the first slash.
				s := newStep(part.followedBy("/"), v, escape)
				s.length = 0
				p.steps = append(p.steps, s)
				continue
			default:
				return nil, fmt.Errorf("$%s and $%s stand side by side in the log_format and cannot be told apart; put a character between them", part.name, parts[i+1].name)
			}
		}
		if v.kind.isList() && (part.literal == ", " || part.literal == " : ") {
			return nil, fmt.Errorf("%q after $%s in the log_format is also what stands between its elements; put quotes around the variable", part.literal, part.name)
		}
		if v.field != noField {
			p.fields |= 1 << v.field
		}
		p.steps = append(p.steps, newStep(part, v, escape))
	}
	p.preferBytesSent()
	p.steps = append(p.steps, step{kind: kindEnd})
	return p, nil
}

// preferBytesSent has $body_bytes_sent stand for $bytes_sent, or only be validated where the format has both.
func (p *Program) preferBytesSent() {
	for i := range p.steps {
		if s := &p.steps[i]; s.field == BodyBytesSent && p.Has(BytesSent) {
			s.into = offsetOf(noField)
		}
	}
}

// demote makes text of what the program does not need.
func (p *Program) demote(v variable) variable {
	if v.kind == kindMethod && p.hasRequest || v.kind == kindURI && (p.hasRequest || !p.paths) {
		v.kind = kindText
	}
	return v
}

func newStep(part part, v variable, escape string) step {
	s := step{
		kind: v.kind, field: v.field, width: uint8(v.width), name: &part.name,
		literal: part.literal, length: uint16(len(part.literal)),
	}
	for i := 0; i < len(part.literal) && i < 8; i++ {
		s.head |= uint64(part.literal[i]) << (8 * i)
		s.mask |= 0xff << (8 * i)
	}
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
	s.isOftenDash = part.name == "remote_user" || s.long && part.name != "http_user_agent"
	if s.overlap = v.kind.isList() && (s.first == ' ' || s.first == ','); s.overlap {
		s.spread, s.other = ' '*ones, ','*ones
	}
	if n := len(part.literal); n > 8 {
		s.tail = binary.LittleEndian.Uint64([]byte(part.literal[n-8:]))
	}
	s.into = offsetOf(v.field)
	if v.kind.isList() && v.field != noField {
		s.listIndex = uint8(v.field - firstNumberList)
	}
	s.quick = quickOf(&s)
	return s
}

// Has tells whether the format has a variable.
func (p *Program) Has(f Field) bool { return p.fields&(1<<f) != 0 }

// HasUpstream tells whether the format tells of upstreams: whether one was tried, at least.
func (p *Program) HasUpstream() bool { return p.fields>>UpstreamAddr != 0 }

// want says what a step takes, for a person.
func (s *step) want() string {
	var value string
	switch s.kind {
	case kindStatus:
		value = "three digits for $" + *s.name
	case kindTime:
		value = "seconds such as 0.125 for $" + *s.name
	case kindSize:
		value = "a number of bytes for $" + *s.name
	case kindListTime, kindListSize, kindListStatus, kindAddresses, kindListUnknown:
		value = "the list of $" + *s.name
	case kindFixed:
		if *s.name == "" {
			return fmt.Sprintf("%q", strings.TrimSuffix(s.literal, "\n"))
		}
		value = "$" + *s.name
	default:
		value = "$" + *s.name
	}
	switch literal := strings.TrimSuffix(s.literal, "\n"); {
	case literal != "":
		return fmt.Sprintf("%s and then %q", value, literal)
	case s.literal != "":
		return value + " and then the end of the line"
	}
	return value
}
