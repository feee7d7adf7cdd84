package errorlog

import (
	"bytes"
	"regexp"
)

// A mark is the beginning of a message of NGINX, with its event. Only the beginning counts: later in the message there
// may be a path, a header or a user's name that a client has sent.
type mark struct{ begin, event string }

var marks = []mark{
	{"no live upstreams", "no_live_upstreams"},
	{"upstream server temporarily disabled", "server_disabled"},
	{"limiting requests", "limit_req"},
	{"delaying request", "limit_req"},
	{"limiting connections", "limit_conn"},
	{"upstream prematurely closed ", "premature_close"},
	{"upstream sent too big header", "invalid_header"},
	{"upstream sent invalid header", "invalid_header"},
	{"upstream sent invalid \"", "invalid_header"}, // "Content-Length" header, and others
	{"upstream sent duplicate header", "invalid_header"},
	{"upstream sent no valid HTTP/1.0 header", "invalid_header"},
	{"upstream sent \"Content-Length\" and", "invalid_header"}, // with "Transfer-Encoding", at the same time
	{"upstream sent unsupported", "invalid_header"},
	{"a client request body is buffered", "body_buffered"},
	{"an upstream response is buffered", "response_buffered"},
	{"SSL_", "ssl"},
	{"peer closed connection in SSL handshake", "ssl"},
	{"upstream SSL certificate", "ssl"},
	{"client SSL certificate", "ssl"},
	{"client prematurely closed ", "client_closed"},
	{"client closed ", "client_closed"},
	{"client canceled ", "client_closed"},
	{"no resolver defined to resolve", "resolver_failed"},
	{"epoll_wait() reported that client prematurely closed connection", "client_closed"},
	{"kevent() reported that client prematurely closed connection", "client_closed"},
}

// patterns are messages that do not always begin with the same words. They are matched completely, up to the action:
// nothing that a client chooses can make another message look like one.
var patterns = []struct {
	message *regexp.Regexp
	event   string
}{
	{regexp.MustCompile(`^[0-9]+ worker_connections are not enough`), "worker_connections_exhausted"},
	{regexp.MustCompile(`^[^ "]+ could not be resolved \([0-9]+: [^()"]*\)$`), "resolver_failed"},
	{regexp.MustCompile(`^worker process [0-9]+ exited on signal [0-9]+`), "worker_exited"},
	{regexp.MustCompile(`^worker process [0-9]+ exited with (fatal )?code [1-9][0-9]*`), "worker_exited"},
}

// Errnos of Linux.
const (
	errTooManyFiles = "24"
	errNoSpace      = "28"

	errConnReset   = "104"
	errPipe        = "32"
	errTimedOut    = "110"
	errConnRefused = "111"
)

// event returns the event of NGINX's message said, and reports whether it concerns an upstream server.
func event(said []byte, level string) (name string, ofUpstream bool) {
	action := actionOf(said)
	ofUpstream = bytes.HasSuffix(action, []byte("upstream"))
	// These messages need no further evidence.
	for _, begin := range []string{"upstream ", "no live upstreams", "an upstream "} {
		ofUpstream = ofUpstream || bytes.HasPrefix(said, []byte(begin))
	}
	for _, m := range marks {
		if bytes.HasPrefix(said, []byte(m.begin)) {
			if m.event != "client_closed" || !isHandshake(action) {
				return m.event, ofUpstream
			}
		}
	}
	for _, p := range patterns {
		if p.message.Match(said) {
			return p.event, ofUpstream
		}
	}
	if name := exhausted(said, level); name != "" {
		return name, ofUpstream
	}
	if isKeepalive(said) {
		return "client_closed", false
	}
	call, errno := failure(said)
	switch {
	case call == "":
		// Such a message may contain anything, also a word on upstreams at its end.
		return "other", bytes.HasPrefix(said, []byte("upstream ")) || bytes.HasPrefix(said, stderr)
	case isHandshake(action):
		return "ssl", ofUpstream
	case call == "connect()" || string(action) == "connecting to upstream":
		return connectEvent(errno), true
	case !ofUpstream:
		return clientEvent(errno, action), false
	case errno == errTimedOut && bytes.HasPrefix(action, []byte("sending request")):
		return "send_timeout", true
	case errno == errTimedOut:
		return "read_timeout", true
	case errno == errConnReset || errno == errPipe:
		return "connection_reset", true
	}
	return "other", true
}

// exhausted is for calls that fail since the system has run out of something. Clients can name files, too: what the
// names contain does not count, since NGINX logs a missing file at the level error, and this at a higher one.
func exhausted(said []byte, level string) string {
	if level != "crit" && level != "alert" && level != "emerg" {
		return ""
	}
	i := bytes.LastIndex(said, []byte(" failed ("))
	if i < 0 {
		return ""
	}
	switch errnoOf(said[i+len(" failed"):]) {
	case errTooManyFiles:
		return "too_many_open_files"
	case errNoSpace:
		return "no_space"
	}
	return ""
}

func isHandshake(action []byte) bool { return bytes.HasPrefix(action, []byte("SSL handshaking")) }

// isKeepalive matches "client 1.2.3.4 closed keepalive connection", which an errno may follow.
func isKeepalive(said []byte) bool {
	rest, ok := bytes.CutPrefix(said, []byte("client "))
	_, rest, found := bytes.Cut(rest, []byte(" "))
	return ok && found && bytes.HasPrefix(rest, []byte("closed keepalive connection"))
}

func connectEvent(errno string) string {
	switch errno {
	case errConnRefused:
		return "connect_refused"
	case errTimedOut:
		return "connect_timeout"
	}
	return "connect_error"
}

// clientEvent is for events on the client's side.
func clientEvent(errno string, action []byte) string {
	switch {
	case bytes.HasPrefix(action, []byte("resolving")):
		return "resolver_failed"
	case errno == errTimedOut:
		return "client_timeout"
	case errno == errConnReset || errno == errPipe:
		return "client_closed"
	}
	return "other"
}

// calls are the beginnings of messages about a connection's failure: what failed. Other calls concern files, whose
// names clients choose.
var calls = []string{
	"upstream timed out", "client timed out", "connect()", "recv()", "recvmsg()", "readv()", "read()",
	"send()", "sendmsg()", "writev()", "write()", "sendfile()",
	"peer closed connection in SSL handshake", "client closed connection",
}

// failure returns what failed on a connection, with its errno: "recv()" and "104" of "recv() failed (104: Connection
// reset by peer)", both empty for anything else.
func failure(said []byte) (call, errno string) {
	for _, c := range calls {
		rest, ok := bytes.CutPrefix(said, []byte(c))
		if !ok {
			continue
		}
		if c == "connect()" {
			// "connect() to unix:/run/app.sock failed (2: No such file or directory)": the name is from nginx.conf.
			if i := bytes.LastIndex(rest, []byte(" failed (")); i >= 0 {
				rest = rest[i:]
			}
		}
		rest, _ = bytes.CutPrefix(rest, []byte(" failed"))
		return c, errnoOf(rest)
	}
	return "", ""
}

// errnoOf returns the number that " (111: Connection refused)" begins with, "" for none.
func errnoOf(said []byte) string {
	rest, ok := bytes.CutPrefix(said, []byte(" ("))
	number, _, found := bytes.Cut(rest, []byte(":"))
	if !ok || !found || len(number) == 0 || len(number) > 4 {
		return ""
	}
	for _, c := range number {
		if c < '0' || c > '9' {
			return ""
		}
	}
	return string(number)
}

// actionOf returns what follows the last " while ".
func actionOf(said []byte) []byte {
	if i := bytes.LastIndex(said, []byte(" while ")); i >= 0 {
		return said[i+len(" while "):]
	}
	return nil
}
