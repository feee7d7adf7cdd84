package nginxconf

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

	inHTTPServerLocation = inHTTP | inServer | inLocation
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
	return usesOfPass(name)
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

// misplaced finds the faults of a directive that NGINX finds before it interprets it, in NGINX's order.
func (c place) misplaced(d *directive) error {
	all := uses(d.name)
	if c == elsewhere || all == nil {
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
		return d.wants(u.least, u.most)
	}
	if c&(inEvents|inStream|inStreamUpstream|inStreamServer) != 0 {
		return nil // of which not everything is known
	}
	return errorAt(d, "%q directive is not allowed here", d.name)
}
