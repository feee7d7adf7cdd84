// Package nginxconf reads an nginx.conf with its includes into what an observer of that NGINX needs to know:
// log formats, logs, upstream groups, limits and status pages. It reads as NGINX does and judges nothing:
// what is odd but valid is for the caller to find in the result.
//
// The lexer and the parser are its own. gonginx, the best-kept parser of nginx.conf in Go, was tried on the trees in
// testdata and falls short in three ways that matter here. It leaves words as they are written, quotes and escapes
// included, and ends a word at an escaped space, so that a log_format cannot be had from it as NGINX sees it. What it
// refuses it names by line and column but not by file, and an included file that is missing is no error to it. And
// it takes what NGINX refuses: a } too many, a lone ; or {, a word glued to a quoted one, a block that an included file
// closes. What is left to write is a lexer of two screens.
package nginxconf

import (
	"fmt"
	"time"
)

// A Pos is where a directive stands. Line is 0 for what is said nowhere: NGINX's own default.
type Pos struct {
	File string
	Line int
}

func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// An Error is a fault in an nginx.conf, told the way nginx -t does: what, and in which file and line.
type Error struct {
	Pos
	Msg        string
	Unreadable string // the file that cannot be opened, where that is the fault
	cause      error
}

// Unwrap is the system's error, where it is the fault.
func (e *Error) Unwrap() error { return e.cause }

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Pos, e.Msg) }

// A Config is what an nginx.conf says.
type Config struct {
	Path  string   // the file that Load was given
	Files []string // every file read, in the order of reading, Path first

	LogFormats  map[string]LogFormat // by name; "combined" is always there
	AccessLogs  []AccessLog          // in order of appearance, one for each (path or syslog target, format)
	ErrorLogs   []ErrorLog
	Upstreams   []Upstream // of http; stream upstreams are left out
	LimitReqs   []LimitReq
	LimitConns  []LimitConn
	StatusPages []StatusPage
	Proxies     []Proxy

	Workers string // worker_processes, "1" where unset

	LimitReqStatus  int // of the http level, 503 where unset
	LimitConnStatus int

	globs []string // the patterns of includes
	stamp string   // names, sizes and times of all files, and what the patterns matched, before they were read
}

// A LogFormat is one log_format directive.
type LogFormat struct {
	Pos
	Name   string
	Format string // the strings joined, escapes of the configuration syntax undone
	Escape string // default, json or none
}

// An AccessLog is one access_log directive that is not off.
type AccessLog struct {
	Pos
	Path      string // absolute; "" for syslog. May hold variables: then it is only reported
	Syslog    string // "server=…" parameters as written, "" for a file
	Format    string // name of a log_format
	Buffered  bool
	Gzip      bool
	Condition string // if=
}

// An ErrorLog is one error_log directive.
type ErrorLog struct {
	Pos
	Path   string // absolute; "stderr" and "memory:…" as written; "" for syslog
	Syslog string
	Level  string // error where unset
}

// An Upstream is one upstream block of http.
type Upstream struct {
	Pos
	Name      string
	Servers   []Server
	Zone      string // shared memory zone's name, "" without one: max_conns and failures then count per worker
	Keepalive int    // idle connections kept per worker, 0 without keepalive
	Method    string // least_conn, ip_hash, hash, random; "" is round robin
}

// A Server is one server of an upstream.
type Server struct {
	Pos
	Address     string // as $upstream_addr shows it: "host:port" with :80 added where the port is left out, or "unix:/path"
	Weight      int    // 1 where unset
	MaxConns    int    // 0: unlimited
	MaxFails    int    // 1 where unset
	FailTimeout time.Duration
	Backup      bool
	Down        bool
}

// A LimitReq is one limit_req directive with what its zone says.
type LimitReq struct {
	Pos
	Zone   string
	Rate   float64 // requests a second
	Burst  int
	Delay  int // -1: nodelay
	Status int // limit_req_status in force there
}

// A LimitConn is one limit_conn directive.
type LimitConn struct {
	Pos
	Zone   string
	Limit  int
	Status int
}

// A StatusPage is one location with stub_status, as a URL that this host can ask.
type StatusPage struct {
	Pos
	URL    string // http://127.0.0.1:8080/nginx_status or unix:/run/nginx.sock:/nginx_status
	Host   string // the Host by which the server is chosen among those at the listener; "" where the URL's will do
	Denied string // why this host cannot ask it: "does not let this host in; …"; "" where it can
}

// A Proxy is one proxy_pass of http, with what is in force there.
type Proxy struct {
	Pos
	Upstream     string     // the group that it names, "" where it names a host
	HTTPVersion  string     // proxy_http_version, "" where unset
	Connection   string     // what proxy_set_header gives Connection; "close" where unset
	NextUpstream []string   // proxy_next_upstream, nil where unset
	LimitReqs    []LimitReq // in force there
	LogOff       Pos        // of the access_log off in force; its Line is 0 where requests are logged
}
