// Package errlog reads lines of NGINX's error log into events.
//
//	YYYY/MM/DD HH:MM:SS [level] pid#tid: *conn MESSAGE (errno: text) while ACTION, client: …, server: …,
//	request: "…", upstream: "http://ADDR/…", host: "…"
//
// The event is told by errno and action, not by the C library's wording, which differs (musl says "Operation timed
// out"). What a client sent stands behind `, client: ` and never decides: neither quotes nor commas are escaped
// there, so only what stands before it is looked at, and the one field that NGINX itself fills, upstream.
package errlog

import (
	"bytes"
)

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
	e = Entry{Level: level, Event: event(said)}
	e.Upstream = upstream(fields)
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

// upstream is the address in the field that NGINX writes between request and host. Neither of these can hold a space
// followed by more, or NGINX would have refused them; the referrer, which stands last, can hold anything.
func upstream(fields []byte) []byte {
	if i := bytes.Index(fields, []byte(`, referrer: "`)); i >= 0 {
		fields = fields[:i]
	}
	_, value, found := bytes.Cut(fields, []byte(`, upstream: "`))
	if !found {
		return nil
	}
	end := bytes.IndexByte(value, '"')
	if end < 0 {
		return nil
	}
	return address(value[:end])
}

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
