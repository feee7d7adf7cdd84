package nginxconf

import (
	"errors"
	"strings"
)

// A place is the kind of block that contains a directive.
type place int

const (
	elsewhere place = 0 // in a block that is not read: events, stream, map, one of another module
	inMain    place = 1 << (iota - 1)
	inHTTP
	inUpstream
	inServer
	inLocation
	inServerIf
	inLocationIf
	inLimitExcept
	inEvents
	inStream
	inStreamUpstream
	inStreamServer
	inMap

	inHTTPServerLocation = inHTTP | inServer | inLocation
	anywhere             = inMap - 1
)

// A use is where a directive is allowed, with how many arguments, and whether it has a block.
type use struct {
	in          place
	least, most int // arguments; most is -1 for no limit
	block       bool
}

// uses are those of the directives that are read, and of the blocks around them, as NGINX's modules declare them.
// Other directives are unknown: they may belong to third-party modules.
func uses(name string) []use {
	switch name {
	case "worker_processes":
		return []use{{inMain, 1, 1, false}}
	case "worker_connections":
		return []use{{inEvents, 1, 1, false}}
	case "events", "http", "stream":
		return []use{{inMain, 0, 0, true}}
	case "error_log":
		return []use{{inMain | inHTTPServerLocation | inStream | inStreamServer, 1, -1, false}}
	case "access_log":
		return []use{{inHTTPServerLocation | inLocationIf | inLimitExcept | inStream | inStreamServer, 1, -1, false}}
	case "log_format":
		return []use{{inHTTP | inStream, 2, -1, false}}
	case "limit_req_zone":
		return []use{{inHTTP, 3, -1, false}} // Tengine's has several keys
	case "limit_conn_zone":
		return []use{{inHTTP, 2, 2, false}}
	case "limit_req":
		return []use{{inHTTPServerLocation, 1, -1, false}}
	case "limit_conn":
		return []use{{inHTTPServerLocation | inStream | inStreamServer, 2, 2, false}}
	case "limit_req_status", "limit_conn_status", "limit_req_dry_run", "limit_conn_dry_run",
		"proxy_http_version", "satisfy", "log_subrequest":
		return []use{{inHTTPServerLocation, 1, 1, false}}
	case "proxy_set_header":
		return []use{{inHTTPServerLocation, 2, 2, false}}
	case "allow", "deny", "auth_basic":
		return []use{{inHTTPServerLocation | inLimitExcept, 1, 1, false}}
	case "internal":
		return []use{{inLocation, 0, 0, false}}
	case "proxy_pass":
		return []use{{inLocation | inLocationIf | inLimitExcept | inStreamServer, 1, 1, false}}
	case "stub_status":
		return []use{{inServer | inLocation, 0, 1, false}}
	case "include":
		return []use{{anywhere, 1, 1, false}}
	case "least_conn", "ip_hash":
		return []use{{inUpstream | inStreamUpstream, 0, 0, false}}
	case "upstream":
		return []use{{inHTTP | inStream, 1, 1, true}}
	case "server":
		return []use{{inHTTP | inStream, 0, 0, true}, {inUpstream | inStreamUpstream, 1, -1, false}}
	case "zone":
		return []use{{inUpstream | inStreamUpstream, 1, 2, false}}
	case "keepalive":
		return []use{{inUpstream, 1, 2, false}}
	case "listen", "server_name":
		return []use{{inServer | inStreamServer, 1, -1, false}}
	case "map", "split_clients":
		return []use{{inHTTP, 2, 2, true}}
	case "geo":
		return []use{{inHTTP, 1, 2, true}}
	case "types":
		return []use{{inHTTPServerLocation, 0, 0, true}}
	case "return":
		return []use{{inServer | inServerIf | inLocation | inLocationIf, 1, 2, false}}
	case "location":
		return []use{{inServer | inLocation, 1, 2, true}}
	case "if":
		return []use{{inServer | inLocation, 1, -1, true}}
	case "limit_except":
		return []use{{inLocation, 1, -1, true}}
	}
	if least, most := argumentsOf(name); least > 0 {
		return []use{{anywhere, least, most, false}}
	}
	return usesOfPass(name)
}

// argumentsOf returns how many arguments a directive takes that is not read itself, 0 if that is unknown: the next
// directive among them shows that a semicolon is missing. Only what all builds of NGINX agree on is here.
func argumentsOf(name string) (least, most int) {
	switch name {
	case "alias", "autoindex", "charset", "client_body_buffer_size", "client_body_timeout", "client_header_timeout",
		"client_max_body_size", "default_type", "gzip", "gzip_comp_level", "gzip_min_length", "gzip_vary", "pid",
		"proxy_buffer_size", "proxy_buffering", "proxy_intercept_errors", "proxy_request_buffering", "root",
		"send_timeout", "sendfile", "server_tokens", "ssi", "ssl_certificate", "ssl_certificate_key", "ssl_ciphers",
		"ssl_prefer_server_ciphers", "tcp_nodelay", "tcp_nopush", "types_hash_max_size", "use",
		"worker_rlimit_nofile":
		return 1, 1
	case "keepalive_timeout", "proxy_redirect", "user":
		return 1, 2
	case "proxy_buffers", "set":
		return 2, 2
	case "add_header", "rewrite":
		return 2, 3
	case "error_page":
		return 2, -1
	case "ssl_protocols":
		return 1, -1
	}
	return 0, 0
}

// couldBeName reports whether a word may be the name of a directive or of a parameter. An address, a number or a path
// may not: it was left over from the directive before it.
func couldBeName(word string) bool {
	isLetter := func(c rune) bool { return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' }
	return word != "" && isLetter(rune(word[0])) && !strings.ContainsAny(word, ":/$=(){}*^~,@")
}

// usesOfPass are those of grpc_pass, proxy_read_timeout and similar directives.
func usesOfPass(directive string) []use {
	m, name, ok := passSetting(directive)
	switch {
	case !ok:
	case name == "pass" && m != byProxy:
		return []use{{inLocation | inLocationIf, 1, 1, false}}
	case name == "next_upstream":
		return []use{{inHTTPServerLocation | inStream | inStreamServer, 1, -1, false}}
	case name == "next_upstream_tries", name == "next_upstream_timeout", name == "connect_timeout":
		return []use{{inHTTPServerLocation | inStream | inStreamServer, 1, 1, false}}
	case name == "send_timeout", name == "read_timeout", name == "keep_conn" && m == byFastCGI:
		return []use{{inHTTPServerLocation, 1, 1, false}}
	}
	return nil
}

// within returns the place of a directive's own block.
func (c place) within(name string) place {
	switch {
	case c == inMain && name == "http":
		return inHTTP
	case c == inMain && name == "events":
		return inEvents
	case c == inMain && name == "stream":
		return inStream
	case (c == inHTTP || c == inStream) && name == "map":
		return inMap
	case c == inStream && name == "upstream":
		return inStreamUpstream
	case c == inStream && name == "server":
		return inStreamServer
	case c == inHTTP && name == "upstream":
		return inUpstream
	case c == inHTTP && name == "server":
		return inServer
	case (c == inServer || c == inLocation) && name == "location":
		return inLocation
	case c == inServer && name == "if":
		return inServerIf
	case c == inLocation && name == "if":
		return inLocationIf
	case c == inLocation && name == "limit_except":
		return inLimitExcept
	}
	return elsewhere
}

// isMapping finds the fault of an entry of a map: it has a value, unless it is a setting.
func (d *directive) isMapping() error {
	isSetting := d.name == "hostnames" || d.name == "volatile"
	if d.hasBlock || len(d.args) != 1 && !(isSetting && len(d.args) == 0) {
		return errorAt(d, "invalid number of the map parameters")
	}
	return nil
}

// swallows finds the next directive among the parameters of one that has a fixed set of them.
func (d *directive) swallows() error {
	_, setting, _ := passSetting(d.name)
	kind := "value"
	switch {
	case d.name == "limit_req", d.name == "limit_req_zone", d.name == "listen":
		kind = "parameter"
	case d.name != "error_page" && d.name != "ssl_protocols" && setting != "next_upstream":
		return nil
	}
	for _, arg := range d.args {
		if uses(arg) != nil {
			return errorAt(d, "invalid %s %q", kind, arg)
		}
	}
	return nil
}

// misplaced finds the faults of a directive that NGINX finds before it interprets it, in NGINX's order.
func (c place) misplaced(d *directive) error {
	all := uses(d.name)
	switch {
	case c == elsewhere:
		return nil
	case c == inMap:
		return d.isMapping()
	case !couldBeName(d.name):
		return errorAt(d, "unknown directive %q", d.name)
	case all == nil:
		return nil
	}
	for _, u := range all {
		switch {
		case u.in&c == 0:
			continue
		case !u.block && d.hasBlock:
			return errorAt(d, `directive %q is not terminated by ";"`, d.name)
		case u.block && !d.hasBlock:
			return errorAt(d, `directive %q has no opening "{"`, d.name)
		}
		return errors.Join(d.wants(u.least, u.most), d.swallows())
	}
	if c&(inEvents|inStream|inStreamUpstream|inStreamServer) != 0 {
		return nil // of which not everything is known
	}
	return errorAt(d, "%q directive is not allowed here", d.name)
}
