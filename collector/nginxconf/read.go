package nginxconf

import (
	"fmt"
	"strconv"
	"strings"
)

const defaultLimitStatus = 503

// A reading converts directives into a Config.
type reading struct {
	config  *Config
	build   Build
	paths   paths
	zones   map[string]float64    // of limit_req: requests a second
	groups  map[string]int        // index of upstreams by their names in lower case
	errors  map[string]bool       // error logs seen so far, by target
	twice   map[string]Pos        // error logs that one block names twice, by path
	access  map[string]int        // index of access logs by target and format
	names   map[string]bool       // of servers
	maps    map[string]*directive // by the variables that they define
	status  []pendingStatus
	servers []*virtualServer
}

// A scope is what an inner block of http inherits from the ones around it.
type scope struct {
	level           string // the block: http, server, location, if or limit_except
	logs            []AccessLog
	errorLogs       []ErrorLog
	subrequests     bool // log_subrequest
	hasAccessLog    bool // of the block itself
	limitReqStatus  int
	limitConnStatus int
	limitReqDryRun  bool
	limitConnDryRun bool
	pass            [passModules]passSettings
	server          *virtualServer
	rules           []rule // allow and deny in force
	password        bool   // auth_basic
	satisfyAny      bool
	location        location
	internal        bool
	proxy           proxyScope
}

// A rule is one allow or deny.
type rule struct {
	allow bool
	who   string
}

func errorAt(d *directive, format string, args ...any) error {
	return &Error{Pos: Pos{d.File, d.end}, Msg: fmt.Sprintf(format, args...)}
}

func (d *directive) wants(least, most int) error {
	if len(d.args) < least || most >= 0 && len(d.args) > most {
		return errorAt(d, "invalid number of arguments in %q directive", d.name)
	}
	return nil
}

// ignored records that something is ignored.
func (r *reading) ignored(d *directive, format string, args ...any) {
	r.config.Notes = append(r.config.Notes, Note{d.Pos, valid(fmt.Sprintf(format, args...))})
}

// has reports whether the block itself has a directive of that name.
func (d *directive) has(name string) bool {
	for _, inner := range d.block {
		if inner.name == name {
			return true
		}
	}
	return false
}

func (r *reading) main(directives []*directive) error {
	r.zones, r.groups, r.names = map[string]float64{}, map[string]int{}, map[string]bool{}
	r.maps = map[string]*directive{}
	r.errors, r.twice, r.access = map[string]bool{}, map[string]Pos{}, map[string]int{}
	outer := scope{limitReqStatus: defaultLimitStatus, limitConnStatus: defaultLimitStatus, pass: defaultPassSettings()}
	for _, d := range directives {
		if d.name == "error_log" {
			outer.addErrorLog(r, d)
		}
	}
	if outer.errorLogs == nil {
		outer.errorLogs = []ErrorLog{{Pos: Pos{File: r.config.Path}, Path: r.paths.errorLog, Level: "error"}}
	}
	hasErrorLog := false
	for _, d := range directives {
		hasErrorLog = hasErrorLog || d.name == "error_log"
		// What concerns requests goes to the log of http; the default log then has only NGINX's start and stop.
		hasErrorLog = hasErrorLog || d.name == "http" && d.has("error_log")
		if err := r.mainDirective(d, outer); err != nil {
			return err
		}
	}
	if !hasErrorLog {
		r.addErrorLog(outer.errorLogs[0])
	}
	return nil
}

func (r *reading) mainDirective(d *directive, outer scope) error {
	switch d.name {
	case "error_log":
		return r.errorLog(d)
	case "worker_processes":
		if r.config.WorkersAt.Line > 0 {
			return errorAt(d, "%q directive is duplicate", d.name)
		}
		if _, ok := count(d.args[0]); !ok && d.args[0] != "auto" {
			return errorAt(d, "%q directive invalid value", d.name)
		}
		r.config.Workers, r.config.WorkersAt = d.args[0], d.Pos
	case "events":
		return r.events(d)
	case "http":
		return r.http(d, outer)
	case "stream":
		return r.stream(d)
	}
	return nil
}

func (r *reading) events(events *directive) error {
	for _, d := range events.block {
		if d.name == "worker_connections" {
			n, ok := count(d.args[0])
			if !ok {
				return errorAt(d, "invalid number %q in %q directive", d.args[0], d.name)
			}
			r.config.WorkerConnections, r.config.ConnectionsAt = n, d.Pos
		}
	}
	return nil
}

// http reads formats, zones and upstreams before what refers to them. NGINX accepts zones and upstreams in any order,
// but refuses an access_log above its log_format ("unknown log format"); this program leaves that fault to nginx -t.
func (r *reading) http(http *directive, outer scope) error {
	for _, d := range http.block {
		var err error
		switch d.name {
		case "log_format":
			err = logFormat(d, r.config.LogFormats)
		case "limit_req_zone":
			err = r.limitReqZone(d)
		case "upstream":
			err = r.upstream(d)
		case "map":
			r.maps[d.args[1]] = d
		}
		if err != nil {
			return err
		}
	}
	outer.level = "http"
	if err := r.block(http.block, outer); err != nil {
		return err
	}
	r.statusPages()
	return nil
}

// block reads http, a server or a location. What inner blocks inherit is known only when the whole block has been
// read.
func (r *reading) block(directives []*directive, s scope) error {
	own := s
	own.rules, own.proxy.headers, own.proxy.limits = nil, nil, nil
	own.logs, own.errorLogs, own.hasAccessLog = nil, nil, false
	for _, d := range directives {
		if err := r.setting(d, &own); err != nil {
			return err
		}
	}
	if own.rules == nil {
		own.rules = s.rules
	}
	if own.errorLogs == nil {
		own.errorLogs = s.errorLogs
	}
	own.proxy.inherit(s.proxy)
	if own.level == "http" {
		r.config.LimitReqStatus, r.config.LimitConnStatus = own.limitReqStatus, own.limitConnStatus
	}
	r.logsInForce(directives, &own, s)
	for _, d := range directives {
		if err := r.use(d, own); err != nil {
			return err
		}
	}
	return nil
}

// setting reads a directive that applies to the whole block.
func (r *reading) setting(d *directive, s *scope) error {
	switch d.name {
	case "limit_req_status", "limit_conn_status":
		code, err := strconv.Atoi(d.args[0])
		if err != nil || code < 400 || code > 599 {
			return errorAt(d, "value must be between 400 and 599")
		}
		if d.name == "limit_req_status" {
			s.limitReqStatus = code
		} else {
			s.limitConnStatus = code
		}
	case "limit_req_dry_run":
		s.limitReqDryRun = d.hasFlag("on")
	case "limit_conn_dry_run":
		s.limitConnDryRun = d.hasFlag("on")
	case "log_subrequest":
		s.subrequests = d.hasFlag("on")
	case "access_log":
		s.addAccessLog(r, d)
	case "error_log":
		s.addErrorLog(r, d)
	case "proxy_http_version", "proxy_set_header", "limit_req":
		s.proxy.setting(d)
	case "auth_basic":
		s.password = !d.hasFlag("off")
	case "satisfy":
		s.satisfyAny = d.hasFlag("any")
	case "internal":
		s.internal = true
	case "allow", "deny":
		s.rules = append(s.rules, rule{d.name == "allow", d.args[0]})
	default:
		if m, name, ok := passSetting(d.name); ok {
			return s.pass[m].set(d, name)
		}
	}
	return nil
}

// use reads a directive that acts in the block.
func (r *reading) use(d *directive, s scope) error {
	inner := s
	switch d.name {
	case "access_log":
		return r.accessLog(d, s)
	case "error_log":
		return r.errorLog(d)
	case "limit_req":
		l, err := r.limitReq(d, s)
		if err == nil {
			r.config.LimitReqs = append(r.config.LimitReqs, l)
		}
		return err
	case "limit_conn":
		return r.limitConn(d, s)
	case "stub_status":
		r.status = append(r.status, pendingStatus{d.Pos, s})
	case "server":
		inner.level, inner.server = "server", newVirtualServer(d.block)
		r.servers = append(r.servers, inner.server)
		r.serverNames(d.block)
		return r.block(d.block, inner)
	case "location":
		inner.level, inner.location, inner.internal = "location", d.args, false
		return r.block(d.block, inner)
	case "if", "limit_except":
		inner.level = d.name
		return r.block(d.block, inner)
	default:
		if m, name, ok := passSetting(d.name); ok && name == "pass" && len(d.args) > 0 {
			return r.pass(d, m, s)
		}
	}
	return nil
}

func (r *reading) serverNames(server []*directive) {
	for _, d := range server {
		if d.name != "server_name" {
			continue
		}
		for _, name := range d.args {
			name = valid(strings.ToLower(name))
			if !r.names[name] && name != "" {
				r.names[name] = true
				r.config.ServerNames = append(r.config.ServerNames, ServerName{d.Pos, name})
			}
		}
	}
}
