package nginxconf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const defaultLimitStatus = 503

// A reading makes a Config of directives.
type reading struct {
	config  *Config
	paths   paths
	zones   map[string]float64 // of limit_req: requests a second
	groups  map[string]string  // upstreams by their names in lower case
	errors  map[string]bool    // error logs that have been seen, by where they go
	access  map[string]bool
	status  []pendingStatus
	servers []*virtualServer
}

// A scope is what an inner block of http inherits from the ones around it.
type scope struct {
	hasAccessLog    bool
	limitReqStatus  int
	limitConnStatus int
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

// has tells whether a directive of that name stands in the block itself.
func (d *directive) has(name string) bool {
	for _, inner := range d.block {
		if inner.name == name {
			return true
		}
	}
	return false
}

func (r *reading) main(directives []*directive) error {
	r.zones, r.groups = map[string]float64{}, map[string]string{}
	r.errors, r.access = map[string]bool{}, map[string]bool{}
	hasErrorLog := false
	for _, d := range directives {
		switch d.name {
		case "error_log":
			hasErrorLog = true
			if err := r.errorLog(d); err != nil {
				return err
			}
		case "worker_processes":
			r.config.Workers = d.args[0]
		case "http":
			// What follows requests is written where http says; the default then has NGINX's own start and stop alone.
			hasErrorLog = hasErrorLog || d.has("error_log")
			if err := r.http(d); err != nil {
				return err
			}
		}
	}
	if !hasErrorLog {
		at := Pos{File: r.config.Path}
		r.addErrorLog(ErrorLog{Pos: at, Path: r.paths.errorLog, Level: "error"})
	}
	return nil
}

// http reads formats, zones and upstreams before what refers to them: NGINX takes them in any order too.
func (r *reading) http(http *directive) error {
	for _, d := range http.block {
		var err error
		switch d.name {
		case "log_format":
			err = r.logFormat(d)
		case "limit_req_zone":
			err = r.limitReqZone(d)
		case "upstream":
			err = r.upstream(d)
		}
		if err != nil {
			return err
		}
	}
	outer := scope{limitReqStatus: defaultLimitStatus, limitConnStatus: defaultLimitStatus}
	if err := r.block(http.block, outer, true); err != nil {
		return err
	}
	r.statusPages()
	return nil
}

// block reads http, a server or a location. What inner blocks inherit is known only when the whole block has been
// read.
func (r *reading) block(directives []*directive, s scope, isHTTP bool) error {
	own := s
	own.rules, own.proxy.headers, own.proxy.limits = nil, nil, nil
	for _, d := range directives {
		if err := r.setting(d, &own); err != nil {
			return err
		}
	}
	if own.rules == nil {
		own.rules = s.rules
	}
	own.proxy.inherit(s.proxy)
	if isHTTP {
		r.config.LimitReqStatus, r.config.LimitConnStatus = own.limitReqStatus, own.limitConnStatus
		if !own.hasAccessLog && r.anyServerWithoutLog(directives) {
			r.addAccessLog(AccessLog{Pos: Pos{File: r.config.Path}, Path: r.paths.accessLog, Format: "combined"})
		}
	}
	for _, d := range directives {
		if err := r.use(d, own); err != nil {
			return err
		}
	}
	return nil
}

// setting reads what holds for the whole block.
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
	case "access_log":
		s.hasAccessLog = true
		s.proxy.accessLog(d)
	case "proxy_http_version", "proxy_next_upstream", "proxy_set_header", "limit_req":
		s.proxy.setting(d)
	case "auth_basic":
		s.password = !d.hasFlag("off")
	case "satisfy":
		s.satisfyAny = d.hasFlag("any")
	case "internal":
		s.internal = true
	case "allow", "deny":
		s.rules = append(s.rules, rule{d.name == "allow", d.args[0]})
	}
	return nil
}

// use reads what the block does.
func (r *reading) use(d *directive, s scope) error {
	switch d.name {
	case "access_log":
		return r.accessLog(d)
	case "error_log":
		return r.errorLog(d)
	case "limit_req":
		l, err := r.limitReq(d, s)
		r.config.LimitReqs = append(r.config.LimitReqs, l)
		return err
	case "limit_conn":
		return r.limitConn(d, s)
	case "proxy_pass":
		return r.proxyPass(d, s)
	case "stub_status":
		r.status = append(r.status, pendingStatus{d.Pos, s})
	case "server":
		inner := s
		inner.server = newVirtualServer(d.block)
		r.servers = append(r.servers, inner.server)
		return r.block(d.block, inner, false)
	case "location":
		inner := s
		inner.location, inner.internal = d.args, false
		return r.block(d.block, inner, false)
	case "if", "limit_except":
		return r.block(d.block, s, false)
	}
	return nil
}

// anyServerWithoutLog tells whether NGINX' default log is written: where neither http nor a server names one.
func (r *reading) anyServerWithoutLog(http []*directive) bool {
	for _, d := range http {
		if d.name != "server" {
			continue
		}
		if !d.has("access_log") {
			return true
		}
	}
	return false
}

func (r *reading) logFormat(d *directive) error {
	f := LogFormat{Pos: d.Pos, Name: d.args[0], Escape: "default"}
	parts := d.args[1:]
	if escape, ok := strings.CutPrefix(parts[0], "escape="); ok {
		if escape != "default" && escape != "json" && escape != "none" {
			return errorAt(d, "unknown log format escaping %q", escape)
		}
		f.Escape, parts = escape, parts[1:]
	}
	for _, part := range parts {
		if err := checkVariables(d, part); err != nil {
			return err
		}
	}
	f.Format = strings.Join(parts, "")
	if _, twice := r.config.LogFormats[f.Name]; twice && f.Name != "combined" {
		return errorAt(d, "duplicate \"log_format\" name %q", f.Name)
	}
	r.config.LogFormats[f.Name] = f
	return nil
}

// checkVariables refuses what NGINX cannot read as variables.
func checkVariables(d *directive, text string) error {
	for {
		_, rest, found := strings.Cut(text, "$")
		if !found {
			return nil
		}
		text = rest
		inner, bracket := strings.CutPrefix(rest, "{")
		name := inner[:len(inner)-len(strings.TrimLeft(inner, wordCharacters))]
		switch {
		case bracket && !strings.HasPrefix(inner[len(name):], "}"):
			return errorAt(d, "the closing bracket in %q variable is missing", name)
		case name == "":
			return errorAt(d, "invalid parameter %q", "$"+rest)
		}
	}
}

const wordCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

// levels are those of error_log.
func levels() []string {
	return []string{"debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"}
}

func (r *reading) accessLog(d *directive) error {
	if d.args[0] == "off" {
		if len(d.args) > 1 {
			return errorAt(d, "invalid parameter %q", d.args[1])
		}
		return nil
	}
	log := AccessLog{Pos: d.Pos, Format: "combined"}
	if to, ok := strings.CutPrefix(d.args[0], "syslog:"); ok {
		log.Syslog = to
	} else {
		log.Path = r.paths.absolute(d.args[0])
	}
	for i, arg := range d.args[1:] {
		name, value, isParameter := strings.Cut(arg, "=")
		switch {
		case isParameter && name == "if":
			log.Condition = value
		case isParameter && name == "gzip", arg == "gzip":
			log.Gzip, log.Buffered = true, true
		case isParameter && (name == "buffer" || name == "flush"):
			log.Buffered = true
		case i == 0:
			log.Format = arg
		default:
			return errorAt(d, "invalid parameter %q", arg) // most often the next directive, for want of a ";"
		}
	}
	if _, known := r.config.LogFormats[log.Format]; !known {
		return errorAt(d, "unknown log format %q", log.Format)
	}
	r.addAccessLog(log)
	return nil
}

func (r *reading) addAccessLog(log AccessLog) {
	key := log.Path + "\n" + log.Syslog + "\n" + log.Format
	if !r.access[key] {
		r.access[key] = true
		r.config.AccessLogs = append(r.config.AccessLogs, log)
	}
}

func (r *reading) errorLog(d *directive) error {
	log := ErrorLog{Pos: d.Pos, Level: "error"}
	if len(d.args) > 2 {
		return errorAt(d, "duplicate log level %q", d.args[2])
	}
	if len(d.args) == 2 {
		log.Level = d.args[1]
		if !slices.Contains(levels(), log.Level) && !strings.HasPrefix(log.Level, "debug_") {
			return errorAt(d, "invalid log level %q", log.Level)
		}
	}
	switch to := d.args[0]; {
	case strings.HasPrefix(to, "syslog:"):
		log.Syslog = strings.TrimPrefix(to, "syslog:")
	case to == "stderr", strings.HasPrefix(to, "memory:"):
		log.Path = to
	default:
		log.Path = r.paths.absolute(to)
	}
	r.addErrorLog(log)
	return nil
}

func (r *reading) addErrorLog(log ErrorLog) {
	key := log.Path + "\n" + log.Syslog
	if !r.errors[key] {
		r.errors[key] = true
		r.config.ErrorLogs = append(r.config.ErrorLogs, log)
	}
}
