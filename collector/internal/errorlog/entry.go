// Package errorlog reads lines of NGINX's error log into events.
//
//	YYYY/MM/DD HH:MM:SS [level] pid#tid: *conn MESSAGE (errno: text) while ACTION, client: …, server: …,
//	request: "…", upstream: "http://ADDR/…", host: "…"
//
// The event is told by errno and action, not by the C library's wording, which differs (musl says "Operation timed
// out"). What a client sent never decides. It stands behind `, client: `, where neither quotes nor commas are escaped,
// and within messages about files, headers and users: so an event is told by how its message begins. The one field
// that is read, upstream, is read only where what NGINX says is about an upstream server, for then NGINX has written
// one.
package errorlog

import (
	"bytes"
	"strconv"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// An Entry is what one entry says. Its slices are parts of what it was read from.
type Entry struct {
	Time       time.Time // whole seconds, in the time zone of this host
	Level      string
	PID        int   // of the worker
	Connection int64 // the client's, by the number in the log; 0 where the entry is about none
	Event      string
	Upstream   []byte // the address, or for no_live_upstreams the name of the group; empty where there is none
	Request    []byte // the request line as the client sent it; empty where there is none
	Fails      bool   // NGINX counts it as a failure of the server, or says that it takes the server out
}

// levels are those of the error log.
var levels = nginxconf.Levels()

// Parse reads an entry, which may have several lines; ok is false for what is none.
func Parse(text []byte) (e Entry, ok bool) {
	message, ok := e.header(text)
	if !ok {
		return Entry{}, false
	}
	said, fields := cutClient(e.connection(message))
	var ofUpstream bool
	if e.Event, ofUpstream = event(said, e.Level); ofUpstream {
		e.Upstream = upstreamOf(said, fields)
	}
	e.Request = requestOf(fields)
	e.Fails = failsServer(said, e.Event)
	return e, true
}

// Begins reports whether a line begins an entry. What does not belongs to the entry before.
func Begins(line []byte) bool {
	var e Entry
	_, ok := e.header(line)
	return ok
}

const stamp = "0000/00/00 00:00:00 ["

// header reads "YYYY/MM/DD HH:MM:SS [level] pid#tid: " and cuts it off.
func (e *Entry) header(line []byte) (message []byte, ok bool) {
	if !isStamp(line) {
		return nil, false
	}
	name, rest, found := bytes.Cut(line[len(stamp):], []byte("] "))
	if !found || len(name) > len("notice") {
		return nil, false
	}
	for _, known := range levels {
		if string(name) == known {
			e.Level = known
		}
	}
	ids, message, found := bytes.Cut(rest, []byte(": "))
	pid, _, isPair := bytes.Cut(ids, []byte("#"))
	if e.Level == "" || !found || !isPair || len(pid) == 0 || bytes.IndexByte(ids, ' ') >= 0 {
		return nil, false
	}
	e.PID, _ = strconv.Atoi(string(pid)) // 0 for what is no number
	e.Time = timeOf(line)
	return message, true
}

func isStamp(line []byte) bool {
	if len(line) < len(stamp) {
		return false
	}
	for i := range len(stamp) {
		if stamp[i] == '0' && !isDigit(line[i]) || stamp[i] != '0' && line[i] != stamp[i] {
			return false
		}
	}
	return true
}

// timeOf reads "YYYY/MM/DD HH:MM:SS".
func timeOf(line []byte) time.Time {
	two := func(i int) int { return int(line[i]-'0')*10 + int(line[i+1]-'0') }
	return time.Date(two(0)*100+two(2), time.Month(two(5)), two(8), two(11), two(14), two(17), 0, time.Local)
}

// connection reads "*12 ", the number of the connection, and cuts it off.
func (e *Entry) connection(message []byte) []byte {
	if len(message) == 0 || message[0] != '*' {
		return message
	}
	number, rest, found := bytes.Cut(message[1:], []byte(" "))
	if !found {
		return message
	}
	e.Connection, _ = strconv.ParseInt(string(number), 10, 64)
	return rest
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

// stderr is how an entry begins that repeats what an application said.
var stderr = []byte("FastCGI sent in stderr")

// upstreamOf is the address of the server that an entry is about. What an application said may be a client's: where it
// holds such a field, too, neither is believed.
func upstreamOf(said, fields []byte) []byte {
	if bytes.HasPrefix(said, stderr) && bytes.Count(fields, []byte(field)) > 1 {
		return nil
	}
	return upstream(fields)
}

// requestOf is the request line, without its quotes. A request that holds a quote ends there: it is not escaped.
func requestOf(fields []byte) []byte {
	_, rest, found := bytes.Cut(fields, []byte(`, request: "`))
	if !found {
		return nil
	}
	request, _, _ := bytes.Cut(rest, []byte(`"`))
	return request
}

// upstream is the address in the field that NGINX writes between request and host, of which the client has written
// both. The first field of that name behind the end of a request line is NGINX's: a request that came as far as an
// upstream ends at its first " HTTP/1.1". One without (HTTP/0.9) or a message without a request leaves the first of
// all.
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

// endsRequest reports whether text ends as a request line does, with ` HTTP/1.1"`.
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
