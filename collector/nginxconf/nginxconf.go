// Package nginxconf reads an nginx.conf with its includes into what an observer of that NGINX needs to know:
// log formats, logs, upstream groups, limits and status pages. It reads as NGINX does and judges nothing:
// what is odd but valid is for the caller to find in the result.
//
// The lexer and the parser are its own. gonginx, the best-kept parser of nginx.conf in Go, was tried on the trees in
// testdata and falls short in three ways that matter here. It leaves words as they are written, quotes and escapes
// included, and ends a word at an escaped space, so that a log_format cannot be had from it as NGINX sees it. What it
// refuses it names by line and column but not by file, and a missing included file is not an error to it. And it
// accepts what NGINX rejects: a } too many, a lone ; or {, a word glued to a quoted one, a block that an included file
// closes. What is left to write is a lexer of two screens.
package nginxconf

import (
	"fmt"
	"slices"
	"time"
)

// A Pos is the place of a directive. Line is 0 for NGINX's own default.
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

// An Error is a fault in an nginx.conf, in the form of nginx -t: what, and in which file and line.
type Error struct {
	Pos
	Msg        string
	Unreadable string // the file that cannot be opened, if that is the fault
	cause      error
}

// Unwrap returns the system's error, if it is the fault.
func (e *Error) Unwrap() error { return e.cause }

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Pos, e.Msg) }

// A Config is the content of an nginx.conf.
type Config struct {
	Path  string   // the argument of Load
	Files []string // every file read, in the order of reading, Path first

	Build Build // for which it was read

	LogFormats  map[string]LogFormat // by name; "combined" always exists
	AccessLogs  []AccessLog          // in order of appearance, one for each (path or syslog target, format)
	LogSets     []LogSet             // in order of appearance
	ErrorLogs   []ErrorLog           // in order of appearance, one for each path or syslog target
	Upstreams   []Upstream           // of http, those that only a *_pass names last; without those of stream
	LimitZones  []LimitZone
	LimitReqs   []LimitReq
	LimitConns  []LimitConn
	StatusPages []StatusPage
	Proxies     []Proxy
	ServerNames []ServerName // in order of appearance, each once

	Stream Stream

	Workers           string // worker_processes, "1" if unset
	WorkersAt         Pos    // its Line is 0 if unset
	WorkerConnections int    // 512 if unset
	ConnectionsAt     Pos    // its Line is 0 if unset

	LimitReqStatus  int // of the http level, 503 if unset
	LimitConnStatus int

	Notes []Note // of ignored directives

	globs []string // the patterns of includes
	stamp string   // names, sizes and times of all files, and what the patterns matched, before they were read
}

// A Note concerns something in an nginx.conf that this package does not know: another build of NGINX may know it.
type Note struct {
	Pos
	Text string
}

// A Stream is the block stream{}.
type Stream struct {
	LogFormats map[string]LogFormat
	AccessLogs []AccessLog
	LogSets    []LogSet
	Upstreams  []Upstream
}

// A LogFormat is one log_format directive.
type LogFormat struct {
	Pos
	Name   string
	Format string // the strings joined, with the escapes of the configuration syntax resolved
	Escape string // default, json or none
}

// An AccessLog is one access_log directive that is not off.
type AccessLog struct {
	Pos
	Level       string   // its block: http, server, location, if or limit_except; stream
	Path        string   // absolute; "" for syslog. May contain variables: then it is only reported
	Elsewhere   []string // where else it may be, for a relative path of an unknown build
	Syslog      string   // "server=…" parameters as written, "" for a file
	Format      string   // name of a log_format
	Parameters  []string // as written: if=, buffer=, flush=, gzip=
	Buffered    bool
	Flush       time.Duration // the longest wait of a buffered line, 0 for none
	Gzip        bool
	Condition   string // if=
	Unwritten   bool   // http's, if every server has access_log directives of its own
	Subrequests bool   // log_subrequest is on where the log is in force
}

// A LogSet is the access logs of one block, if it has any of its own: each request that is answered there is written
// to all of them. Sets that nobody inherits are omitted.
type LogSet struct {
	Level string // see AccessLog
	Logs  []AccessLog
}

// An ErrorLog is one error_log directive.
type ErrorLog struct {
	Pos
	Path      string   // absolute; "stderr" and "memory:…" as written; "" for syslog
	Elsewhere []string // see AccessLog
	Syslog    string
	Level     string // error if unset
	// an error_log of the same block for the same file, which then has each entry twice; otherwise its Line is 0
	Twice Pos
}

// An Upstream is one upstream block of http, or an address that a *_pass names without one.
type Upstream struct {
	Pos
	Name        string
	Servers     []Server
	Zone        string // name of the shared memory zone, "" for none: max_conns and failures then count per worker
	ZoneAt      Pos
	Keepalive   int  // idle connections kept per worker, 0 without keepalive
	Local       bool // keepalive … local
	KeepaliveAt Pos  // its Line is 0 if unset
	Method      string
	MethodAt    Pos    // its Line is 0 for round_robin
	Implicit    bool   // without a block: a *_pass names the address
	Protocol    string // as in Proxy, of the first *_pass that names the group; "" for none
}

// A Server is one server of an upstream.
type Server struct {
	Pos
	// as in $upstream_addr: "host:port", with :80 if nginx.conf has no port, or "unix:/path"
	Address     string
	Weight      int // 1 if unset
	MaxConns    int // 0: unlimited
	MaxFails    int // 1 if unset
	FailTimeout time.Duration
	Backup      bool
	Down        bool
	Drain       bool
	Resolve     bool
}

// A LimitZone is one limit_req_zone directive.
type LimitZone struct {
	Pos
	Name string
	Key  string
	Rate float64 // requests a second
}

// A LimitReq is one limit_req directive with the data of its zone.
type LimitReq struct {
	Pos
	Zone   string
	Rate   float64 // requests a second
	Burst  int
	Delay  int // -1: nodelay
	Status int // limit_req_status in force there
	DryRun bool
}

// A LimitConn is one limit_conn directive.
type LimitConn struct {
	Pos
	Zone   string
	Limit  int
	Status int
	DryRun bool
}

// A StatusPage is one location with stub_status, as a URL that this host can request.
type StatusPage struct {
	Pos
	URL    string // http://127.0.0.1:8080/nginx_status or unix:/run/nginx.sock:/nginx_status
	Host   string // the Host that selects the server among those at the listener; "" if the URL's will do
	Denied string // why this host cannot request it: "does not let this host in; …"; "" if it can
}

// A Proxy is one proxy_pass of http, or a grpc_pass, fastcgi_pass and so on, with the settings in force there.
type Proxy struct {
	Pos
	Directive   string // proxy_pass
	Protocol    string // http, https, grpc, grpcs, fastcgi, uwsgi, suwsgi, scgi or memcached; "" if variables decide
	Upstream    string // the group, of an upstream block or of the address alone; "" if variables decide
	HTTPVersion string // proxy_http_version, "" if unset
	// the value of Connection from proxy_set_header if a client does not upgrade; NGINX's default if unset
	Connection string
	HeadersAt  Pos // of the last proxy_set_header in force; its Line is 0 without any
	// each connection to a server is certain to end with its request, whatever keepalive says
	Closes                                   bool
	KeepConn                                 bool          // fastcgi_keep_conn
	NextUpstream                             []string      // proxy_next_upstream, nil if unset
	NextAt                                   Pos           // its Line is 0 if unset
	NextTries                                int           // proxy_next_upstream_tries, 0: no limit
	NextTriesAt                              Pos           // its Line is 0 if unset
	NextTimeout                              time.Duration // 0: no limit
	ConnectTimeout, SendTimeout, ReadTimeout time.Duration
	LimitReqs                                []LimitReq // in force there
	ErrorLogs                                []ErrorLog // in force there
	// of the access_log off in force; its Line is 0 if requests are logged
	LogOff Pos
}

// RetriesOn reports whether proxy_next_upstream has the condition: "error" and "timeout" if unset.
func (p Proxy) RetriesOn(condition string) bool {
	if p.NextUpstream == nil {
		return condition == "error" || condition == "timeout"
	}
	return slices.Contains(p.NextUpstream, condition)
}

// A ServerName is one name of a server_name directive, as written but in lower case.
type ServerName struct {
	Pos
	Name string
}
