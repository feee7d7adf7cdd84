package errorlog

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const where = `, client: 127.0.0.1, server: , request: "GET /v1/healthcheck HTTP/1.1", upstream: ` +
	`"http://127.0.0.231:4005/v1/healthcheck", host: "127.0.0.1:8081"`

func TestParse(t *testing.T) {
	const server = "127.0.0.231:4005"
	for _, c := range []struct{ message, event, upstream string }{
		{"connect() failed (111: Connection refused) while connecting to upstream" + where, "connect_refused", server},
		{"connect() failed (111: Die Verbindung wurde verweigert) while connecting to upstream" + where,
			"connect_refused", server},
		{"upstream timed out (110: Connection timed out) while connecting to upstream" + where, "connect_timeout",
			server},
		{"upstream timed out (110: Operation timed out) while connecting to upstream" + where, "connect_timeout",
			server},
		{"connect() failed (113: No route to host) while connecting to upstream" + where, "connect_error", server},
		{"upstream timed out (110: Connection timed out) while reading response header from upstream" + where,
			"read_timeout", server},
		{"upstream timed out (110: Operation timed out) while reading upstream" + where, "read_timeout", server},
		{"upstream timed out (110: Connection timed out) while sending request to upstream" + where, "send_timeout",
			server},
		{"recv() failed (104: Connection reset by peer) while reading response header from upstream" + where,
			"connection_reset", server},
		{"writev() failed (32: Broken pipe) while sending request to upstream" + where, "connection_reset", server},
		{"upstream prematurely closed connection while reading response header from upstream" + where,
			"premature_close", server},
		{"upstream sent too big header while reading response header from upstream" + where, "invalid_header", server},
		{"upstream sent invalid header while reading response header from upstream" + where, "invalid_header", server},
		{"upstream sent duplicate header line: \"Content-Length: 1\", previous value: \"Content-Length: 2\" while " +
			"reading response header from upstream" + where, "invalid_header", server},
		{`no live upstreams while connecting to upstream, client: 127.0.0.1, server: , request: "GET / HTTP/1.1", ` +
			`upstream: "http://fremisn_backend/", host: "h"`, "no_live_upstreams", "fremisn_backend"},
		{"upstream server temporarily disabled while connecting to upstream" + where, "server_disabled", server},
		{`limiting requests, excess: 20.940 by zone "z", client: 127.0.0.1, server: , request: "GET / HTTP/1.1", ` +
			`host: "h"`, "limit_req", ""},
		{`limiting requests, dry run, excess: 20.940 by zone "z", client: 127.0.0.1, server: , request: "GET / ` +
			`HTTP/1.1", host: "h"`, "limit_req", ""},
		{`delaying request, excess: 0.5, by zone "z", client: 127.0.0.1, server: , request: "GET / HTTP/1.1", host: ` +
			`"h"`, "limit_req", ""},
		{`limiting connections by zone "z", client: 127.0.0.1, server: , request: "GET / HTTP/1.1", host: "h"`,
			"limit_conn", ""},
		{`a client request body is buffered to a temporary file /tmp/1, client: 127.0.0.1, server: , request: "POST ` +
			`/ HTTP/1.1", host: "h"`, "body_buffered", ""},
		{"an upstream response is buffered to a temporary file /tmp/2 while reading upstream" + where,
			"response_buffered", server},
		{"epoll_wait() reported that client prematurely closed connection, so upstream connection is closed too " +
			"while sending request to upstream" + where, "client_closed", server},
		{`client timed out (110: Connection timed out) while waiting for request, client: 127.0.0.1, server: ` +
			`0.0.0.0:80`, "client_timeout", ""},
		{`client 127.0.0.1 closed keepalive connection`, "client_closed", ""},
		{"SSL_do_handshake() failed (SSL: error:0A000438:SSL routines::tlsv1 alert internal error) while SSL " +
			"handshaking to upstream" + where, "ssl", server},
		{`peer closed connection in SSL handshake while SSL handshaking, client: 127.0.0.1, server: 0.0.0.0:443`, "ssl",
			""},
		{`upstream timed out (110: Connection timed out) while SSL handshaking to upstream` + where, "ssl", server},
		{`open() "/usr/share/nginx/html/favicon.ico" failed (2: No such file or directory), client: 127.0.0.1, ` +
			`server: , request: "GET /favicon.ico HTTP/1.1", host: "h"`, "other", ""},
		{"signal process started", "other", ""},
		// What a client sent never decides.
		{`open() "/x" failed (2: No such file or directory), client: 127.0.0.1, server: , request: "GET /no live ` +
			`upstreams while connect() failed (111: HTTP/1.1", host: "h", referrer: "x", upstream: ` +
			`"http://6.6.6.6:66/"`, "other", ""},
		{`limiting requests, excess: 1 by zone "z", client: 127.0.0.1, server: , request: "GET / HTTP/1.1", host: ` +
			`"h", referrer: "", upstream: "http://6.6.6.6:66/"`, "limit_req", ""},
		{`connect() failed (111: Connection refused) while connecting to upstream, client: 1.1.1.1, server: , ` +
			`request: "GET / HTTP/1.1", upstream: "http://unix:/run/app.sock:/", host: "h"`, "connect_refused",
			"unix:/run/app.sock"},
		{`limiting requests, excess: 1 by zone "z", client: 1.1.1.1, server: , request: "GET / HTTP/1.1", host: ` +
			`"h", upstream: "6.6.6.6:66"`, "limit_req", ""},
		{`limiting requests, excess: 1 by zone "z", client: 1.1.1.1, server: , request: "GET /, upstream: ` +
			`"http://6.6.6.6:66/ HTTP/1.1", host: "h"`, "limit_req", ""},
		{`open() "/html/limiting requests while connecting to upstream" failed (2: No such file or directory), ` +
			`client: 1.1.1.1, server: , request: "GET /limiting%20requests HTTP/1.1", host: "h"`, "other", ""},
		{`open() "/html/x (111: y) while connecting to upstream, client: 1.1.1.1, request: "x", upstream: ` +
			`"http://6.6.6.6:66/", host: "" failed (2: No such file or directory), client: 1.1.1.1, server: , ` +
			`request: "GET / HTTP/1.1", host: "h"`, "other", ""},
		{`open() "/html/no live upstreams while connecting to upstream" failed (2: No such file or directory) while ` +
			`reading upstream, client: 1.1.1.1, server: , request: "GET / HTTP/1.1", upstream: ` +
			`"http://6.6.6.6:66/", host: "h"`, "other", ""},
		{`user "SSL_ no live upstreams" was not found in "/etc/nginx/htpasswd", client: 1.1.1.1, server: , request: ` +
			`"GET / HTTP/1.1", host: "h"`, "other", ""},
		{`client sent invalid header line: "x: client timed out (110: Connection timed out)" while reading client ` +
			`request headers, client: 1.1.1.1, server: , request: "GET / HTTP/1.1", host: "h"`, "other", ""},
		{`connect() failed (111: Connection refused) while connecting to upstream, client: 1.1.1.1, server: , ` +
			`request: "GET /a", upstream: "http://6.6.6.6:66/ HTTP/1.1", upstream: "http://127.0.0.231:4005/a", ` +
			`host: "h HTTP/1.1", upstream: "7.7.7.7:77", referrer: "upstream: "http://8.8.8.8:88/"`, "connect_refused",
			server},
		{`connect() failed (111: Connection refused) while connecting to upstream, client: 1.1.1.1, server: , ` +
			`request: "GET /0.9", upstream: "http://127.0.0.231:4005/0.9"`, "connect_refused", server},
		{`connect() failed (111: Connection refused) while connecting to upstream, client: 1.1.1.1, server: , ` +
			`request: "GET /` + strings.Repeat("a", 1900), "connect_refused", ""},
		{`connect() failed (111: Connection refused) while connecting to upstream, client: 1.1.1.1, server: , ` +
			`request: "GET / HTTP/1.1", upstream: "http://127.0.0.231:4005/aaaa`, "connect_refused", ""},
		{`connect() failed (111: Connection refused) while connecting to upstream, client: 1.1.1.1, server: ` +
			`0.0.0.0:9000, upstream: "127.0.0.231:4005", bytes from/to client:0/0, bytes from/to upstream:0/0`,
			"connect_refused", server},
		{`connect() to unix:/run/app.sock failed (2: No such file or directory) while connecting to upstream, ` +
			`client: 1.1.1.1, server: , request: "GET / HTTP/1.1", upstream: "http://unix:/run/app.sock:/", host: "h"`,
			"connect_error", "unix:/run/app.sock"},
		{`connect() failed (111: Connection refused) while connecting to upstream, client: 1.1.1.1, server: , ` +
			`request: "GET / HTTP/2.0", upstream: "grpc://[::1]:50051", host: "h"`, "connect_refused", "[::1]:50051"},
		{`upstream sent invalid header: "X\x20..." while reading response header from upstream` + where,
			"invalid_header", server},
		{`upstream sent invalid chunked response while reading upstream` + where, "other", server},
		{`upstream sent "Content-Length" and "Transfer-Encoding" headers at the same time while reading response ` +
			`header from upstream` + where, "invalid_header", server},
		{`FastCGI sent in stderr: "PHP message: no live upstreams" while reading response header from upstream, ` +
			`client: 1.1.1.1, server: , request: "GET / HTTP/1.1", upstream: "fastcgi://unix:/run/php.sock:", host: ` +
			`"h"`, "other", "unix:/run/php.sock"},
		{`upstream prematurely closed FastCGI stdout while reading response header from upstream, client: 1.1.1.1, ` +
			`server: , request: "GET / HTTP/1.1", upstream: "fastcgi://127.0.0.1:9000", host: "h"`, "premature_close",
			"127.0.0.1:9000"},
		{"readv() failed (104: Connection reset by peer) while reading upstream" + where, "connection_reset", server},
		{"send() failed (32: Broken pipe) while sending request to upstream" + where, "connection_reset", server},
		{"recv() failed (113: No route to host) while reading response header from upstream" + where, "other", server},
		{"peer closed connection in SSL handshake (104: Connection reset by peer) while SSL handshaking to upstream" +
			where, "ssl", server},
		{"upstream SSL certificate verify error: (18:self signed certificate) while SSL handshaking to upstream" +
			where, "ssl", server},
		{`SSL_read() failed (SSL: error:0A000126:SSL routines::unexpected eof while reading) while keepalive, ` +
			`client: 1.1.1.1, server: 0.0.0.0:443`, "ssl", ""},
		{`client timed out (110: Connection timed out) while SSL handshaking, client: 1.1.1.1, server: 0.0.0.0:443`,
			"ssl", ""},
		{`client closed connection while SSL handshaking, client: 1.1.1.1, server: 0.0.0.0:443`, "ssl", ""},
		{`client closed connection while waiting for request, client: 1.1.1.1, server: 0.0.0.0:80`, "client_closed",
			""},
		{`recv() failed (104: Connection reset by peer) while waiting for request, client: 1.1.1.1, server: 0.0.0.0:80`,
			"client_closed", ""},
		{`send() failed (32: Broken pipe) while sending to client, client: 1.1.1.1, server: , request: "GET / ` +
			`HTTP/1.1", host: "h"`, "client_closed", ""},
		{`writev() failed (110: Operation timed out) while sending to client, client: 1.1.1.1, server: , request: ` +
			`"GET / HTTP/1.1", host: "h"`, "client_timeout", ""},
		{`client 127.0.0.1 closed keepalive connection (104: Connection reset by peer)`, "client_closed", ""},
		{`recv() failed (111: Connection refused) while resolving, resolver: 127.0.0.1:53`, "resolver_failed", ""},
		{`bind() to 0.0.0.0:80 failed (98: Address already in use)`, "other", ""},
		{`delaying request, dry run, excess: 0.5, by zone "z", client: 1.1.1.1, server: , request: "GET / ` +
			`HTTP/1.1", host: "h"`, "limit_req", ""},
		{`limiting connections, dry run, by zone "z", client: 1.1.1.1, server: , request: "GET / HTTP/1.1", host: "h"`,
			"limit_conn", ""},
	} {
		for _, conn := range []string{"", "*12 "} {
			line := "2026/11/24 10:00:00 [error] 12#12: " + conn + c.message
			got, ok := Parse([]byte(line))
			if !ok || got.Event != c.event || string(got.Upstream) != c.upstream || got.Level != "error" {
				t.Errorf("%s\ngot %v %s %q, want %s %q", line, ok, got.Event, got.Upstream, c.event, c.upstream)
			}
		}
	}
}

// TestEventsOfTheSystem: events that are about NGINX's own resources, at the level that NGINX gives them.
func TestEventsOfTheSystem(t *testing.T) {
	const tail = `, client: 1.1.1.1, server: , request: "GET / HTTP/1.1", host: "h"`
	for _, c := range []struct{ level, message, event string }{
		{"alert", "768 worker_connections are not enough", "worker_connections_exhausted"},
		{"alert", "768 worker_connections are not enough while connecting to upstream" + where,
			"worker_connections_exhausted"},
		{"crit", "accept4() failed (24: Too many open files)", "too_many_open_files"},
		{"alert", "socket() failed (24: Too many open files) while connecting to upstream" + where,
			"too_many_open_files"},
		{"crit", `open() "/html/x" failed (24: Too many open files)` + tail, "too_many_open_files"},
		{"error", `open() "/html/x" failed (24: Too many open files), client: " failed (2: No such file or directory)` +
			tail, "other"},
		{"crit", `pwrite() "/var/lib/nginx/body/0000000001" failed (28: No space left on device)` + tail, "no_space"},
		{"alert", `write() to "/var/log/nginx/access.log" failed (28: No space left on device) while logging request` +
			tail, "no_space"},
		{"error", `node-1.example could not be resolved (3: Host not found)` + tail, "resolver_failed"},
		{"error", `node-1.example could not be resolved (110: Operation timed out)` + tail, "resolver_failed"},
		{"error", `no resolver defined to resolve node-1.example` + tail, "resolver_failed"},
		{"error", `open() "/html/a could not be resolved (3: Host not found)" failed (2: No such file or directory)` +
			tail, "other"},
		{"alert", "worker process 1234 exited on signal 9", "worker_exited"},
		{"alert", "worker process 1234 exited on signal 11 (core dumped)", "worker_exited"},
		{"alert", "worker process 1234 exited with fatal code 2 and cannot be respawned", "worker_exited"},
		{"notice", "worker process 1234 exited with code 1", "worker_exited"},
		{"notice", "worker process 1234 exited with code 0", "other"},
	} {
		got, ok := Parse([]byte("2026/11/24 10:00:00 [" + c.level + "] 12#12: " + c.message))
		if !ok || got.Event != c.event {
			t.Errorf("%s: got %v %s, want %s", c.message, ok, got.Event, c.event)
		}
	}
}

// TestEntryInFull has all that an entry says.
func TestEntryInFull(t *testing.T) {
	got, ok := Parse([]byte(`2026/11/24 10:00:07 [error] 12#34: *56 connect() failed (111: Connection refused) ` +
		`while connecting to upstream, client: 1.1.1.1, server: s, request: "POST /v1/face?a=b HTTP/1.1", upstream: ` +
		`"http://127.0.0.231:4005/v1/face?a=b", host: "h"`))
	want := Entry{
		Time: time.Date(2026, 11, 24, 10, 0, 7, 0, time.Local), Level: "error", PID: 12, Connection: 56,
		Event: "connect_refused", Upstream: []byte("127.0.0.231:4005"), Request: []byte("POST /v1/face?a=b HTTP/1.1"),
		Fails: true,
	}
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Error(ok, diff)
	}
}

// TestWhatAnApplicationSaysIsNoServer: an application repeats what its client sent.
func TestWhatAnApplicationSaysIsNoServer(t *testing.T) {
	got, _ := Parse([]byte("2026/11/24 10:00:00 [error] 1#1: *1 FastCGI sent in stderr: \"PHP message: x, client: " +
		"y, request: \"GET / HTTP/1.1\", upstream: \"http://6.6.6.6:66/\"\n\" while reading response header from " +
		"upstream, client: 1.1.1.1, server: , request: \"GET / HTTP/1.1\", upstream: \"fastcgi://127.0.0.1:9000\", " +
		"host: \"h\""))
	if len(got.Upstream) > 0 || got.Event != "other" {
		t.Errorf("%s of %s", got.Event, got.Upstream)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, line := range []string{
		"", "nonsense", "2026/11/24 10:00:00 [error]", "2026/11/24 10:00:00 [loud] 1#1: x",
		"2026-11-24 10:00:00 [error] 1#1: x",
		"2026/11/24 10:00:00 [error] x: y", "\tcontinued line of a stack trace", "2026/11/24 10:00:00 [error 1#1: x",
	} {
		if got, ok := Parse([]byte(line)); ok {
			t.Errorf("%q is taken for %+v", line, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("2026/11/24 10:00:00 [error] 12#12: *1 connect() failed (111: Connection refused) while connecting " +
		"to upstream" + where))
	f.Add([]byte(`2026/11/24 10:00:00 [error] 12#12: no live upstreams while x, upstream: "http://unix:`))
	f.Fuzz(func(t *testing.T, line []byte) {
		got, ok := Parse(line)
		if ok && (got.Event == "" || got.Level == "" || !utf8.ValidString(got.Event) ||
			!bytes.Contains(line, got.Upstream)) {
			t.Errorf("%q: %+v", line, got)
		}
	})
}
