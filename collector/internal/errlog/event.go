package errlog

import (
	"bytes"
	"strings"
)

// A mark is a part of what NGINX says with the event that it tells. The first that fits decides.
type mark struct{ part, event string }

// Limits, which may stand in any entry of level warn to error, and what the entry is about before any errno.
var marks = []mark{
	{"upstream server temporarily disabled", "server_disabled"},
	{"limiting requests", "limit_req"},
	{"delaying request", "limit_req"},
	{"limiting connections", "limit_conn"},
	{"upstream prematurely closed connection", "premature_close"},
	{"upstream closed prematurely", "premature_close"},
	{"upstream sent too big header", "invalid_header"},
	{"upstream sent invalid header", "invalid_header"},
	{"upstream sent duplicate header", "invalid_header"},
	{"upstream sent no valid HTTP/1.0 header", "invalid_header"},
	{"upstream sent unsupported", "invalid_header"},
	{"client request body is buffered", "body_buffered"},
	{"upstream response is buffered", "response_buffered"},
	{"SSL_do_handshake() failed", "ssl"},
	{"peer closed connection in SSL handshake", "ssl"},
	{"while SSL handshaking", "ssl"},
	{"SSL_", "ssl"},
	{"upstream SSL certificate", "ssl"},
	{"client prematurely closed connection", "client_closed"},
	{"client closed ", "client_closed"},
	{" closed keepalive connection", "client_closed"},
	{"client timed out", "client_timeout"},
}

// Errnos of Linux.
const (
	errConnReset   = "104"
	errPipe        = "32"
	errTimedOut    = "110"
	errConnRefused = "111"
)

// event names what NGINX says; said holds nothing that a client has sent.
func event(said []byte) string {
	if bytes.HasPrefix(said, []byte("no live upstreams")) {
		return "no_live_upstreams"
	}
	for _, m := range marks {
		if bytes.Contains(said, []byte(m.part)) {
			return m.event
		}
	}
	errno, action := errnoOf(said), actionOf(said)
	switch {
	case bytes.HasPrefix(said, []byte("connect() ")) || action == "connecting to upstream":
		return connectEvent(errno)
	case !strings.Contains(action, "upstream"):
		return clientEvent(errno, action)
	case errno == errTimedOut && strings.HasPrefix(action, "sending request"):
		return "send_timeout"
	case errno == errTimedOut:
		return "read_timeout"
	case errno == errConnReset || errno == errPipe:
		return "connection_reset"
	}
	return "other"
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

// clientEvent is for what happens on the client's side.
func clientEvent(errno, action string) string {
	switch {
	case errno == errTimedOut:
		return "client_timeout"
	case strings.Contains(action, "client") && (errno == errConnReset || errno == errPipe):
		return "client_closed"
	}
	return "other"
}

// errnoOf is the number in "(111: Connection refused)", "" without one.
func errnoOf(said []byte) string {
	for rest := said; ; {
		i := bytes.IndexByte(rest, '(')
		if i < 0 {
			return ""
		}
		rest = rest[i+1:]
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		if digits > 0 && digits < len(rest) && rest[digits] == ':' {
			return string(rest[:digits])
		}
	}
}

// actionOf is what stands behind the last " while ".
func actionOf(said []byte) string {
	if i := bytes.LastIndex(said, []byte(" while ")); i >= 0 {
		return string(said[i+len(" while "):])
	}
	return ""
}
