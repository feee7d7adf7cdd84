// Package errorlog reads lines of NGINX's error log into events.
//
//	YYYY/MM/DD HH:MM:SS [level] pid#tid: *conn MESSAGE (errno: text) while ACTION, client: …, server: …,
//	request: "…", upstream: "http://ADDR/…", host: "…"
//
// Errno and action determine the event, not the C library's wording, which differs (musl has "Operation timed out"). A
// client's text never does. It follows `, client: `, where neither quotes nor commas are escaped, and is also part of
// messages about files, headers and users: so only the beginning of a message counts. The only field that is read,
// upstream, is read only if NGINX's message concerns an upstream server, since NGINX has written it then.
package errorlog

import (
	"bytes"
	"strconv"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// An Entry is one entry. Its slices point into the text that it was read from.
type Entry struct {
	Time       time.Time // whole seconds, in the time zone of this host
	Level      string
	PID        int   // of the worker
	Connection int64 // the client's, by the number in the log; 0 if the entry concerns none
	Event      string
	Upstream   []byte // the address, or for no_live_upstreams the name of the group; empty for none
	Request    []byte // the request line as the client sent it; empty for none
	Fails      bool   // NGINX counts it as a failure of the server, or reports that it takes the server out
}

// levels are those of the error log.
var levels = nginxconf.Levels()

// Parse reads an entry, which may have several lines; ok is false if it is not an entry.
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

// Begins reports whether a line begins an entry. Other lines belong to the previous entry.
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
	for _, l := range levels {
		if string(name) == l {
			e.Level = l
		}
	}
	ids, message, found := bytes.Cut(rest, []byte(": "))
	pid, _, isPair := bytes.Cut(ids, []byte("#"))
	if e.Level == "" || !found || !isPair || len(pid) == 0 || bytes.IndexByte(ids, ' ') >= 0 {
		return nil, false
	}
	e.PID, _ = strconv.Atoi(string(pid)) // 0 if not a number
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

// cutClient separates NGINX's message from the fields that end it, the first of which is client.
func cutClient(message []byte) (said, fields []byte) {
	for _, mark := range [][]byte{[]byte(", client: "), []byte(", upstream: "), []byte(", server: ")} {
		if i := bytes.Index(message, mark); i >= 0 {
			return message[:i], message[i:]
		}
	}
	return message, nil
}

const field = `, upstream: "`

// stderr is the beginning of an entry that repeats an application's output.
var stderr = []byte("FastCGI sent in stderr")

// upstreamOf returns the address of the server that an entry concerns. An application's output may be a client's text:
// if it has such a field, too, neither is trusted.
func upstreamOf(said, fields []byte) []byte {
	if bytes.HasPrefix(said, stderr) && bytes.Count(fields, []byte(field)) > 1 {
		return nil
	}
	return upstream(fields)
}

// requestOf returns the request line, without its quotes. A request that contains a quote ends there: it is not
// escaped.
func requestOf(fields []byte) []byte {
	_, rest, found := bytes.Cut(fields, []byte(`, request: "`))
	if !found {
		return nil
	}
	request, _, _ := bytes.Cut(rest, []byte(`"`))
	return request
}

// upstream returns the address in the field that NGINX writes between request and host, both of which are the client's
// text. NGINX's is the first field of that name after the end of a request line: a request that has reached an
// upstream ends at its first " HTTP/1.1". For one without (HTTP/0.9), or a message without a request, it is the first
// of all.
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

// address returns host:port, unix:path or a group's name from "http://…/…".
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
