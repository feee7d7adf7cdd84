package logtest

import (
	"regexp"
	"slices"
	"strings"
)

// A Reference reads lines with regular expressions that follow only the contract's words: every value has the shape
// that NGINX gives it, lists agree in length, and of several ways each value is the shortest that lets the rest fit,
// from the left (an unquoted list the longest). It is slow, and shares no code with the parser.
type Reference struct {
	Parts     []Part // variables, each with the literal after it
	Before    string // the literal before them
	Escape    string
	hasLists  bool
	compiled  map[int]*regexp.Regexp // by the number of elements
	noOldHTTP map[int]*regexp.Regexp // the same, without requests of HTTP/0.9
}

// A Part is a variable of a log_format and the literal after it.
type Part struct{ Name, Literal string }

var refVariable = regexp.MustCompile(`\$(\w+)|\$\{(\w+)\}`)

// NewReference returns a reference for a log_format.
func NewReference(format, escape string) *Reference {
	r := &Reference{Escape: escape, compiled: map[int]*regexp.Regexp{}, noOldHTTP: map[int]*regexp.Regexp{}}
	at := refVariable.FindAllStringSubmatchIndex(format, -1)
	r.Before = format[:at[0][0]]
	for i, m := range at {
		end := len(format)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		name := refVariable.ReplaceAllString(format[m[0]:m[1]], "$1$2")
		r.Parts = append(r.Parts, Part{name, format[m[1]:end]})
		r.hasLists = r.hasLists || IsList(name)
	}
	return r
}

// IsList reports whether a variable is a list with one element for each attempt.
func IsList(name string) bool {
	return strings.HasPrefix(name, "upstream_") && name != "upstream_cache_status" &&
		!strings.HasPrefix(name, "upstream_http_")
}

// Read returns the values of the variables, nil if the line does not fit.
func (r *Reference) Read(line string) []string {
	most := 0
	if r.hasLists {
		most = strings.Count(line, ", ") + strings.Count(line, " : ") + 1
	}
	var best []int
	for n := range most + 1 {
		m := r.match(n, line)
		if m == nil || best != nil && !r.better(m, best) {
			continue
		}
		best = m
	}
	if best == nil {
		return nil
	}
	var values []string
	for i := range r.Parts {
		values = append(values, line[best[2*i+2]:best[2*i+3]])
	}
	return values
}

func (r *Reference) match(n int, line string) []int {
	m := r.expression(r.compiled, n, true).FindStringSubmatchIndex(line)
	for i, p := range r.Parts {
		if m == nil || p.Name != "request" || !strings.HasPrefix(p.Literal, " ") {
			continue
		}
		if strings.HasPrefix(line[m[2*i+3]:], " HTTP/") {
			return r.expression(r.noOldHTTP, n, false).FindStringSubmatchIndex(line)
		}
	}
	return m
}

// better reports whether the ends of a are preferred to those of b.
func (r *Reference) better(a, b []int) bool {
	for i, p := range r.Parts {
		if d := a[2*i+3] - b[2*i+3]; d != 0 {
			return d > 0 == (IsList(p.Name) && refBare(p.Literal))
		}
	}
	return false
}

// refBare reports whether a list is unquoted before a space or a comma that alone is not a separator.
func refBare(literal string) bool {
	if literal == "" || literal[0] != ' ' && literal[0] != ',' {
		return false
	}
	return !strings.HasPrefix(literal, ", ") && !strings.HasPrefix(literal, " : ")
}

func (r *Reference) expression(in map[int]*regexp.Regexp, n int, oldHTTP bool) *regexp.Regexp {
	if in[n] == nil {
		var b strings.Builder
		b.WriteString(`^(?s:` + regexp.QuoteMeta(r.Before))
		for _, p := range r.Parts {
			b.WriteString("(" + r.shape(p, n, oldHTTP) + ")" + regexp.QuoteMeta(p.Literal))
		}
		in[n] = regexp.MustCompile(b.String() + `)$`)
	}
	return in[n]
}

const (
	refDay   = `(?:0[1-9]|[12]\d|3[01])`
	refClock = `(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)`
)

func (r *Reference) shape(p Part, n int, oldHTTP bool) string {
	quoted := strings.HasPrefix(p.Literal, `"`)
	switch p.Name {
	case "status":
		return `\d{3}`
	case "request_time":
		return `|-|\d{1,9}\.\d{3}`
	case "msec":
		return `\d{1,12}\.\d{3}`
	case "bytes_sent", "body_bytes_sent", "request_length", "remote_port", "server_port", "connection",
		"connection_requests":
		return `|-|\d{1,19}?`
	case "time_local":
		return refDay + `/(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/\d{4}:` + refClock + ` [+-]\d{4}`
	case "time_iso8601":
		return `\d{4}-(?:0[1-9]|1[0-2])-` + refDay + `T` + refClock + `[+-]\d\d:\d\d`
	case "pipe":
		return `.`
	case "remote_addr", "realip_remote_addr", "proxy_protocol_addr", "server_addr", "scheme", "request_method",
		"limit_req_status", "limit_conn_status", "upstream_cache_status":
		if p.Name == "request_method" && slices.ContainsFunc(r.Parts,
			func(p Part) bool { return p.Name == "request" }) {
			break
		}
		if quoted && r.Escape == "json" {
			return `(?:[^ "\\]|\\[^ "])*?`
		}
		return `[^ "]*?`
	case "request":
		if strings.HasPrefix(p.Literal, " ") {
			if oldHTTP {
				return `|-|[^ ]+ /[^ ]*?|[^ ]+ .+? HTTP/\d(?:\.\d)?`
			}
			return `|-|[^ ]+ .+? HTTP/\d(?:\.\d)?`
		}
	}
	switch {
	case IsList(p.Name):
		return refList(p, n)
	case quoted && r.Escape == "json":
		return `(?:[^"\\]|\\.)*`
	case quoted && r.Escape != "none":
		return `[^"]*`
	}
	return `.*?`
}

// refList is a list of n elements.
func refList(p Part, n int) string {
	bare := strings.HasPrefix(p.Literal, " ") || strings.HasPrefix(p.Literal, ",")
	any, filled, one := `(?:[^ "]*?[^ ",])??`, `[^ "]*?[^ ",]`, `(?:[^ ",-]|[^ "]+?[^ ",])`
	if bare {
		any, filled, one = `[^ ",]*?`, `[^ ",]+?`, `(?:[^ ",-]|[^ ",]{2,}?)`
	}
	number := map[string]string{
		"upstream_status": `\d{3}`, "upstream_response_time": `\d{1,9}\.\d{3}`,
		"upstream_header_time":  `\d{1,9}\.\d{3}`,
		"upstream_connect_time": `\d{1,9}\.\d{3}`, "upstream_bytes_sent": `\d{1,19}`,
		"upstream_bytes_received":  `\d{1,19}`,
		"upstream_response_length": `\d{1,19}`,
	}[p.Name]
	if number != "" {
		any, filled, one = `(?:|-|`+number+`)`, `(?:-|`+number+`)`, `(?:-|`+number+`)`
	}
	if n == 0 {
		if bare {
			return `-|`
		}
		return `|-`
	}
	repeat := strings.Repeat(`(?:, | : )`+any, max(0, n-2))
	plain := one
	if n > 1 {
		plain = any + repeat + `(?:, ` + any + `| : ` + filled + `)`
	}
	trailing := any + strings.Repeat(`(?:, | : )`+any, n-1) + ` : `
	if bare {
		return trailing + `|` + plain
	}
	return plain + `|` + trailing
}
