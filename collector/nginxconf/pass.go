package nginxconf

import (
	"strings"
	"time"
)

// A passModule is one of NGINX's modules that pass requests on. All have the same settings, each under its own name.
type passModule int

const (
	byProxy passModule = iota
	byGRPC
	byFastCGI
	byUwsgi
	bySCGI
	byMemcached
	passModules
)

func (m passModule) String() string {
	return [passModules]string{"proxy", "grpc", "fastcgi", "uwsgi", "scgi", "memcached"}[m]
}

// passSetting splits a directive such as fastcgi_read_timeout into its module and read_timeout.
func passSetting(directive string) (m passModule, name string, ok bool) {
	prefix, name, ok := strings.Cut(directive, "_")
	if !ok {
		return 0, "", false
	}
	for m = range passModules {
		if prefix == m.String() {
			return m, name, true
		}
	}
	return 0, "", false
}

// passSettings are what a *_pass inherits from its module's directives.
type passSettings struct {
	next                   []string
	nextAt, triesAt        Pos
	tries                  int
	timeout                time.Duration
	connect, send, receive time.Duration
	keepConn               bool
}

func defaultPassSettings() [passModules]passSettings {
	var all [passModules]passSettings
	for m := range all {
		all[m].connect, all[m].send, all[m].receive = time.Minute, time.Minute, time.Minute
	}
	return all
}

// set reads a module's directive.
func (s *passSettings) set(d *directive, name string) error {
	if len(d.args) == 0 || d.hasBlock {
		return nil
	}
	switch name {
	case "next_upstream":
		s.next, s.nextAt = d.args, d.Pos
	case "next_upstream_tries":
		n, ok := count(d.args[0])
		if !ok {
			return errorAt(d, "invalid number")
		}
		s.tries, s.triesAt = n, d.Pos
	case "next_upstream_timeout":
		return d.millis(&s.timeout)
	case "connect_timeout":
		return d.millis(&s.connect)
	case "send_timeout":
		return d.millis(&s.send)
	case "read_timeout":
		return d.millis(&s.receive)
	case "keep_conn":
		s.keepConn = d.hasFlag("on")
	}
	return nil
}

// millis parses the argument of a directive that is a time.
func (d *directive) millis(to *time.Duration) error {
	t, ok := parseMillis(d.args[0])
	if !ok {
		return errorAt(d, "%q directive invalid value", d.name)
	}
	*to = t
	return nil
}

// A passing is the target of a *_pass.
type passing struct {
	protocol string
	name     string // of the group, or host:port
	decided  bool   // known only while NGINX runs, by variables
}

// passTarget parses the argument of a *_pass.
func passTarget(m passModule, text string) passing {
	scheme, rest, hasScheme := strings.Cut(text, "://")
	if !hasScheme {
		scheme, rest = m.String(), text
	}
	p := passing{protocol: strings.ToLower(scheme), name: rest}
	if strings.HasPrefix(rest, "unix:") {
		// A URI follows a second colon: unix:/run/app.sock:/uri.
		socket, _, _ := strings.Cut(rest[len("unix:"):], ":")
		p.name = "unix:" + socket
	} else if m == byProxy || m == byGRPC {
		p.name, _, _ = strings.Cut(rest, "/")
	}
	if m == byProxy && !hasScheme {
		p.protocol = "" // all of it is a variable
	}
	if strings.Contains(p.protocol, "$") {
		p.protocol = ""
	}
	p.decided = strings.Contains(p.name, "$") || p.name == ""
	p.name = valid(p.name)
	return p
}

// defaultPort returns the port that NGINX adds to an address without one.
func (p passing) defaultPort() string {
	switch p.protocol {
	case "https", "grpcs":
		return ":443"
	case "http", "grpc":
		return ":80"
	}
	return "" // NGINX requires a port
}

// pass reads a *_pass with the settings in force there.
func (r *reading) pass(d *directive, m passModule, s scope) error {
	set := s.pass[m]
	p := Proxy{
		Pos: d.Pos, Directive: d.name, KeepConn: set.keepConn,
		NextUpstream: set.next, NextAt: set.nextAt, NextTries: set.tries, NextTriesAt: set.triesAt,
		NextTimeout:    set.timeout,
		ConnectTimeout: set.connect, SendTimeout: set.send, ReadTimeout: set.receive,
		ErrorLogs: s.errorLogs, LogOff: s.proxy.logOff,
	}
	if m == byProxy {
		p.HTTPVersion = s.proxy.version
		p.Connection, p.HeadersAt = r.connection(s.proxy.headers), s.proxy.at
	}
	to := passTarget(m, d.args[0])
	if m == byProxy && !strings.Contains(d.args[0], "$") && to.protocol != "http" && to.protocol != "https" {
		return errorAt(d, "invalid URL prefix")
	}
	p.Protocol, p.Closes = to.protocol, r.closes(m, p)
	if !to.decided {
		p.Upstream = r.passedTo(d, to)
	}
	for _, limit := range s.proxy.limits {
		l, err := r.limitReq(limit, s)
		if err != nil {
			return err
		}
		p.LimitReqs = append(p.LimitReqs, l)
	}
	r.config.Proxies = append(r.config.Proxies, p)
	return nil
}

// passedTo returns the name of the group of a *_pass. An address without an upstream block is a group of its own.
func (r *reading) passedTo(d *directive, to passing) string {
	i, ok := r.groups[strings.ToLower(to.name)]
	if !ok {
		address := WithPort(to.name, to.defaultPort())
		if i, ok = r.groups[strings.ToLower(address)]; !ok {
			i = len(r.config.Upstreams)
			r.groups[strings.ToLower(address)] = i
			server := Server{Pos: d.Pos, Address: Canonical(address), Weight: 1, MaxFails: 1,
				FailTimeout: 10 * time.Second}
			r.config.Upstreams = append(r.config.Upstreams, Upstream{
				Pos: d.Pos, Name: address, Servers: []Server{server}, Method: roundRobin, Implicit: true,
			})
		}
	}
	u := &r.config.Upstreams[i]
	if u.Protocol == "" {
		u.Protocol = to.protocol
	}
	return u.Name
}

// connection returns the value of Connection in a request to a server if the client does not upgrade.
func (r *reading) connection(headers map[string]string) string {
	value, isSet := headers["connection"]
	switch {
	case isSet:
		return r.withoutUpgrade(value)
	case r.build.atLeast(1, 29, 7):
		return ""
	}
	return "close"
}

// withoutUpgrade returns the value that the usual map of $http_upgrade gives a variable for a request without that
// header; any other variable is returned as it is.
func (r *reading) withoutUpgrade(value string) string {
	m := r.maps[value]
	if m == nil || strings.Trim(m.args[0], "${}") != "http_upgrade" {
		return value
	}
	otherwise := ""
	for _, entry := range m.block {
		switch {
		case len(entry.args) != 1:
		case entry.name == "":
			return entry.args[0]
		case entry.name == "default":
			otherwise = entry.args[0]
		}
	}
	return otherwise
}

// closes reports whether a connection certainly ends with its request.
func (r *reading) closes(m passModule, p Proxy) bool {
	switch m {
	case byFastCGI:
		return !p.KeepConn
	case byUwsgi, bySCGI:
		return true
	case byGRPC, byMemcached:
		return false
	}
	connection := strings.ToLower(p.Connection)
	if strings.Contains(connection, "$") || strings.Contains(connection, "keep-alive") {
		return false // unknown, or may keep it
	}
	oldest := p.HTTPVersion == "" && !r.build.atLeast(1, 29, 7) || p.HTTPVersion == "1.0"
	return oldest || p.HTTPVersion != "2" && strings.Contains(connection, "close")
}
