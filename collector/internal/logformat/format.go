package logformat

import (
	"errors"
	"fmt"
	"strings"
)

// A kind is how the value of a variable is read.
type kind uint8

const (
	kindText        kind = iota // skipped
	kindEnd                     // behind the last step
	kindFixed                   // skipped, of a known width
	kindRequest                 // $request: method and path
	kindMethod                  // $request_method
	kindURI                     // $request_uri
	kindID                      // $request_id
	kindStatus                  // three digits
	kindTime                    // seconds with three decimals
	kindSize                    // bytes
	kindWord                    // one of a few words: the cache's and the limits' verdicts
	kindAddresses               // $upstream_addr
	kindListTime                // lists of the above, one element for each of $upstream_addr
	kindListSize                //
	kindListStatus              //
	kindListUnknown             // a list that nothing is made of
)

func (k kind) isList() bool { return k >= kindAddresses }

// A variable is what is known of one of NGINX's variables.
type variable struct {
	kind  kind
	width int   // bytes, of what has always the same
	field Field // where the value goes
}

// variables are those that mean something here. What is not named is text that nothing is made of.
func variables(name string) (variable, bool) {
	for f, v := range fieldVariables {
		if v.name == name {
			return variable{v.kind, v.width, Field(f)}, true
		}
	}
	switch name {
	case "req_id": // ingress-nginx copies $request_id to it
		return variable{kind: kindID, field: RequestID}, true
	case "upstream_queue_time":
		return variable{kind: kindListUnknown, field: noField}, true
	case "time_local":
		return variable{kind: kindFixed, width: len("24/Nov/2026:12:27:30 +0000"), field: noField}, true
	case "time_iso8601":
		return variable{kind: kindFixed, width: len("2026-11-24T12:27:30+00:00"), field: noField}, true
	case "pipe":
		return variable{kind: kindFixed, width: 1, field: noField}, true
	}
	return variable{}, false
}

// fieldVariables are the variables behind the fields.
var fieldVariables = [noField]struct {
	name  string
	kind  kind
	width int
}{
	Request:                {"request", kindRequest, 0},
	RequestMethod:          {"request_method", kindMethod, 0},
	RequestURI:             {"request_uri", kindURI, 0},
	RequestID:              {"request_id", kindID, 0},
	Status:                 {"status", kindStatus, 3},
	RequestTime:            {"request_time", kindTime, 0},
	BytesSent:              {"bytes_sent", kindSize, 0},
	BodyBytesSent:          {"body_bytes_sent", kindSize, 0},
	RequestLength:          {"request_length", kindSize, 0},
	LimitReqStatus:         {"limit_req_status", kindWord, 0},
	LimitConnStatus:        {"limit_conn_status", kindWord, 0},
	CacheStatus:            {"upstream_cache_status", kindWord, 0},
	UpstreamAddr:           {"upstream_addr", kindAddresses, 0},
	UpstreamStatus:         {"upstream_status", kindListStatus, 0},
	UpstreamResponseTime:   {"upstream_response_time", kindListTime, 0},
	UpstreamHeaderTime:     {"upstream_header_time", kindListTime, 0},
	UpstreamConnectTime:    {"upstream_connect_time", kindListTime, 0},
	UpstreamBytesSent:      {"upstream_bytes_sent", kindListSize, 0},
	UpstreamBytesReceived:  {"upstream_bytes_received", kindListSize, 0},
	UpstreamResponseLength: {"upstream_response_length", kindListSize, 0},
}

// VariableName is the variable that a field is read from, without its dollar.
func VariableName(f Field) string { return fieldVariables[f].name }

// lookup tells how a variable is read.
func lookup(name string) variable {
	if v, ok := variables(name); ok {
		return v
	}
	return variable{kind: kindText, field: noField}
}

// A part is a variable and the literal that follows it. The first part of a format has no variable.
type part struct {
	name    string
	literal string
}

// maxFormat bounds a log_format; NGINX does not take a parameter of more than 4096 bytes.
const maxFormat = 1 << 15

func (p part) followedBy(literal string) part { return part{p.name, literal} }

// split takes a log_format apart.
func split(format string) ([]part, error) {
	if strings.TrimSpace(format) == "" {
		return nil, errors.New("the log_format is empty; write variables such as $status and $request_time")
	}
	if i := strings.IndexAny(format, "\n\x00"); i >= 0 {
		return nil, fmt.Errorf("the log_format has a line break or NUL at byte %d; a request would be more than one line", i)
	}
	if len(format) > maxFormat {
		return nil, fmt.Errorf("the log_format has %d bytes, more than %d", len(format), maxFormat)
	}
	parts := []part{{}}
	for rest := format; rest != ""; {
		i := strings.IndexByte(rest, '$')
		if i < 0 {
			i = len(rest)
		}
		parts[len(parts)-1].literal += rest[:i]
		if rest = rest[i:]; rest == "" {
			break
		}
		name, n, err := variableName(rest)
		if err != nil {
			return nil, fmt.Errorf("at byte %d of the log_format: %w", len(format)-len(rest), err)
		}
		parts = append(parts, part{name: name})
		rest = rest[n:]
	}
	if len(parts) == 1 {
		return nil, fmt.Errorf("the log_format %q has no variable; write variables such as $status and $request_time", format)
	}
	return parts, nil
}

// variableName reads the name after the dollar that s begins with, and how long it is with all that is around it.
func variableName(s string) (name string, n int, err error) {
	braced := strings.HasPrefix(s, "${")
	start := 1
	if braced {
		start = 2
	}
	end := start
	for end < len(s) && isNameByte(s[end]) {
		end++
	}
	switch {
	case braced && (end == len(s) || s[end] != '}'):
		return "", 0, fmt.Errorf("the variable %q is not closed; write ${%s}", s[:end], s[start:end])
	case end == start:
		return "", 0, errors.New("a $ without a variable's name; write for example $status")
	}
	name = s[start:end]
	if braced {
		end++
	}
	return name, end, nil
}

func isNameByte(c byte) bool {
	return c == '_' || c-'0' < 10 || c|0x20-'a' < 26
}
