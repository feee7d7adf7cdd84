// Package errorlog reads lines of NGINX's error log into events.
//
//	YYYY/MM/DD HH:MM:SS [level] pid#tid: *conn MESSAGE (errno: text) while ACTION, client: …, server: …,
//	request: "…", upstream: "http://ADDR/…", host: "…"
//
// The event is told by errno and action, not by the C library's wording, which differs (musl says "Operation timed
// out"). What a client sent never decides. It stands behind `, client: `, where neither quotes nor commas are escaped,
// and within messages about files, headers and users: so an event is told by how its message begins. The one field that is
// read, upstream, is read only where what NGINX says is about an upstream server, for then NGINX has written one.
package errorlog

import "bytes"

// An Entry is what one line tells. Its slices are parts of the line.
type Entry struct {
	Level    string
	Event    string
	Upstream []byte // the address, or for no_live_upstreams the name of the group; empty where there is none
}

// Levels of the error log; see https://nginx.org/en/docs/ngx_core_module.html#error_log.
var levels = [...]string{"debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"}

// Parse reads a line; ok is false for one that is no entry.
func Parse(line []byte) (e Entry, ok bool) {
	message, level, ok := header(line)
	if !ok {
		return Entry{}, false
	}
	said, fields := cutClient(withoutConnection(message))
	e.Level = level
	var ofUpstream bool
	if e.Event, ofUpstream = event(said); ofUpstream {
		e.Upstream = upstream(fields)
	}
	return e, true
}

// header checks "YYYY/MM/DD HH:MM:SS [level] pid#tid: " and cuts it off.
func header(line []byte) (message []byte, level string, ok bool) {
	const stamp = "0000/00/00 00:00:00 ["
	if len(line) < len(stamp) {
		return nil, "", false
	}
	for i := range len(stamp) {
		if c := line[i]; stamp[i] == '0' {
			if c < '0' || c > '9' {
				return nil, "", false
			}
		} else if c != stamp[i] {
			return nil, "", false
		}
	}
	name, rest, found := bytes.Cut(line[len(stamp):], []byte("] "))
	if !found {
		return nil, "", false
	}
	for _, known := range levels {
		if string(name) == known {
			level = known
		}
	}
	ids, message, found := bytes.Cut(rest, []byte(": "))
	if level == "" || !found || bytes.IndexByte(ids, '#') < 1 || bytes.IndexByte(ids, ' ') >= 0 {
		return nil, "", false
	}
	return message, level, true
}

// withoutConnection cuts off "*12 ", the number of the connection.
func withoutConnection(message []byte) []byte {
	if len(message) > 0 && message[0] == '*' {
		if _, rest, found := bytes.Cut(message, []byte(" ")); found {
			return rest
		}
	}
	return message
}

// cutClient parts what NGINX says from the fields that end it, the first of which is client.
func cutClient(message []byte) (said, fields []byte) {
	for _, mark := range [][]byte{[]byte(", client: "), []byte(", upstream: "), []byte(", server: ")} {
		if i := bytes.Index(message, mark); i >= 0 {
			return message[:i], message[i:]
		}
	}
	return message, nil
}

const field = `, upstream: "`

// upstream is the address in the field that NGINX writes between request and host, of which the client has written both.
// The first field of that name behind the end of a request line is NGINX's: a request that came as far as an upstream
// ends at its first " HTTP/1.1". One without (HTTP/0.9) or a message without a request leaves the first of all.
func upstream(fields []byte) []byte {
	from := bytes.Index(fields, []byte(field))
	if from < 0 {
		return nil
	}
	for i := from; i >= 0; {
		if endsRequest(fields[:i]) {
			from = i
			break
		}
		next := bytes.Index(fields[i+1:], []byte(field))
		if next < 0 {
			break
		}
		i += 1 + next
	}
	value := fields[from+len(field):]
	end := bytes.IndexByte(value, '"')
	if end < 0 {
		return nil
	}
	return address(value[:end])
}

// endsRequest tells whether text ends as a request line does, with ` HTTP/1.1"`.
func endsRequest(text []byte) bool {
	const version = ` HTTP/1.1"`
	text, ok := bytes.CutSuffix(text, []byte(`"`))
	n := len(text) - (len(version) - 1)
	return ok && n >= 0 && string(text[n:n+6]) == version[:6] &&
		isDigit(text[n+6]) && text[n+7] == '.' && isDigit(text[n+8])
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// address is host:port, unix:path or a group's name of "http://…/…".
func address(url []byte) []byte {
	if i := bytes.Index(url, []byte("://")); i >= 0 {
		url = url[i+3:]
	}
	if bytes.HasPrefix(url, []byte("unix:")) {
		// unix:/path:/uri
		if i := bytes.IndexByte(url[len("unix:"):], ':'); i >= 0 {
			return url[:len("unix:")+i]
		}
		return url
	}
	if i := bytes.IndexByte(url, '/'); i >= 0 {
		url = url[:i]
	}
	return url
}
