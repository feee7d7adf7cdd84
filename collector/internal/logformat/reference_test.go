package logformat

import (
	"regexp"
	"slices"
	"strings"
)

// A reference reads lines by regular expressions made of the contract's words alone: every value has the shape that NGINX
// gives it, lists agree in length, and of several ways each value is the shortest that lets the rest fit, from the left (an
// unquoted list the longest). It is slow, and shares no code with the parser.
type reference struct {
	parts     []refPart // variables with what follows each
	before    string
	escape    string
	hasLists  bool
	compiled  map[int]*regexp.Regexp // by the number of elements
	noOldHTTP map[int]*regexp.Regexp // the same, without requests of HTTP/0.9
}

type refPart struct{ name, literal string }

var refVariable = regexp.MustCompile(`\$(\w+)|\$\{(\w+)\}`)

func newReference(format, escape string) *reference {
	r := &reference{escape: escape, compiled: map[int]*regexp.Regexp{}, noOldHTTP: map[int]*regexp.Regexp{}}
	at := refVariable.FindAllStringSubmatchIndex(format, -1)
	r.before = format[:at[0][0]]
	for i, m := range at {
		end := len(format)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		name := refVariable.ReplaceAllString(format[m[0]:m[1]], "$1$2")
		r.parts = append(r.parts, refPart{name, format[m[1]:end]})
		r.hasLists = r.hasLists || refIsList(name)
	}
	return r
}

func refIsList(name string) bool {
	return strings.HasPrefix(name, "upstream_") && name != "upstream_cache_status" && !strings.HasPrefix(name, "upstream_http_")
}

// read returns the values of the variables, nil if the line does not fit.
func (r *reference) read(line string) []string {
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
	for i := range r.parts {
		values = append(values, line[best[2*i+2]:best[2*i+3]])
	}
	return values
}

func (r *reference) match(n int, line string) []int {
	m := r.expression(r.compiled, n, true).FindStringSubmatchIndex(line)
	for i, p := range r.parts {
		if m != nil && p.name == "request" && p.literal != "" && p.literal[0] == ' ' && strings.HasPrefix(line[m[2*i+3]:], " HTTP/") {
			return r.expression(r.noOldHTTP, n, false).FindStringSubmatchIndex(line)
		}
	}
	return m
}

// better reports whether the ends of a are preferred to those of b.
func (r *reference) better(a, b []int) bool {
	for i, p := range r.parts {
		if d := a[2*i+3] - b[2*i+3]; d != 0 {
			return d > 0 == (refIsList(p.name) && refBare(p.literal))
		}
	}
	return false
}

// refBare reports whether a list stands unquoted before a space or a comma that alone is no separator.
func refBare(literal string) bool {
	if literal == "" || literal[0] != ' ' && literal[0] != ',' {
		return false
	}
	return !strings.HasPrefix(literal, ", ") && !strings.HasPrefix(literal, " : ")
}

func (r *reference) expression(in map[int]*regexp.Regexp, n int, oldHTTP bool) *regexp.Regexp {
	if in[n] == nil {
		var b strings.Builder
		b.WriteString(`^(?s:` + regexp.QuoteMeta(r.before))
		for _, p := range r.parts {
			b.WriteString("(" + r.shape(p, n, oldHTTP) + ")" + regexp.QuoteMeta(p.literal))
		}
		in[n] = regexp.MustCompile(b.String() + `)$`)
	}
	return in[n]
}

const (
	refDay   = `(?:0[1-9]|[12]\d|3[01])`
	refClock = `(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)`
)

func (r *reference) shape(p refPart, n int, oldHTTP bool) string {
	quoted := strings.HasPrefix(p.literal, `"`)
	switch p.name {
	case "status":
		return `\d{3}`
	case "request_time":
		return `|-|\d{1,9}\.\d{3}`
	case "msec":
		return `\d{1,12}\.\d{3}`
	case "bytes_sent", "body_bytes_sent", "request_length", "remote_port", "server_port", "connection", "connection_requests":
		return `|-|\d{1,19}?`
	case "time_local":
		return refDay + `/(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/\d{4}:` + refClock + ` [+-]\d{4}`
	case "time_iso8601":
		return `\d{4}-(?:0[1-9]|1[0-2])-` + refDay + `T` + refClock + `[+-]\d\d:\d\d`
	case "pipe":
		return `.`
	case "remote_addr", "realip_remote_addr", "proxy_protocol_addr", "server_addr", "scheme", "request_method",
		"limit_req_status", "limit_conn_status", "upstream_cache_status":
		if p.name == "request_method" && slices.ContainsFunc(r.parts, func(p refPart) bool { return p.name == "request" }) {
			break
		}
		if quoted && r.escape == "json" {
			return `(?:[^ "\\]|\\[^ "])*?`
		}
		return `[^ "]*?`
	case "request":
		if strings.HasPrefix(p.literal, " ") {
			if oldHTTP {
				return `|-|[^ ]+ /[^ ]*?|[^ ]+ .+? HTTP/\d(?:\.\d)?`
			}
			return `|-|[^ ]+ .+? HTTP/\d(?:\.\d)?`
		}
	}
	switch {
	case refIsList(p.name):
		return refList(p, n)
	case quoted && r.escape == "json":
		return `(?:[^"\\]|\\.)*`
	case quoted && r.escape != "none":
		return `[^"]*`
	}
	return `.*?`
}

// refList is a list of n elements; 0 is none.
func refList(p refPart, n int) string {
	bare := strings.HasPrefix(p.literal, " ") || strings.HasPrefix(p.literal, ",")
	any, filled, one := `(?:[^ "]*?[^ ",])??`, `[^ "]*?[^ ",]`, `(?:[^ ",-]|[^ "]+?[^ ",])`
	if bare {
		any, filled, one = `[^ ",]*?`, `[^ ",]+?`, `(?:[^ ",-]|[^ ",]{2,}?)`
	}
	number := map[string]string{
		"upstream_status": `\d{3}`, "upstream_response_time": `\d{1,9}\.\d{3}`, "upstream_header_time": `\d{1,9}\.\d{3}`,
		"upstream_connect_time": `\d{1,9}\.\d{3}`, "upstream_bytes_sent": `\d{1,19}`, "upstream_bytes_received": `\d{1,19}`,
		"upstream_response_length": `\d{1,19}`,
	}[p.name]
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
