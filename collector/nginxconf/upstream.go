package nginxconf

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// methods maps the directives that choose a group's method to its name.
func methods() map[string]string {
	return map[string]string{
		"least_conn": "least_conn", "ip_hash": "ip_hash", "hash": "hash", "random": "random",
		"least_time": "least_time",
		"sticky":     "sticky", "balancer_by_lua_block": "lua", "balancer_by_lua_file": "lua",
	}
}

const roundRobin = "round_robin"

func (r *reading) upstream(d *directive) error {
	u, err := r.group(d, ":80")
	if err != nil {
		return err
	}
	key := strings.ToLower(u.Name)
	if _, twice := r.groups[key]; twice {
		return &Error{Pos: d.Pos, Msg: fmt.Sprintf("duplicate upstream %q", u.Name)}
	}
	r.groups[key] = len(r.config.Upstreams)
	r.config.Upstreams = append(r.config.Upstreams, u)
	return nil
}

// group reads the block of an upstream. port is for servers without one.
func (r *reading) group(d *directive, port string) (Upstream, error) {
	u := Upstream{Pos: d.Pos, Name: valid(d.args[0]), Method: roundRobin, Keepalive: r.build.keepaliveByDefault()}
	for _, inner := range d.block {
		var err error
		switch inner.name {
		case "server":
			var server Server
			if server, err = r.server(inner, port); err == nil {
				u.Servers = append(u.Servers, server)
			}
		case "zone":
			u.Zone, u.ZoneAt = valid(inner.args[0]), inner.Pos
		case "keepalive":
			err = r.keepalive(inner, &u)
		default:
			r.method(inner, &u)
		}
		if err != nil {
			return u, err
		}
	}
	if len(u.Servers) == 0 {
		r.ignored(d, "the group %s has no servers", u.Name)
	}
	return u, nil
}

// method reads what may choose the group's method. sticky combines with another one, and decides for returning
// clients.
func (r *reading) method(d *directive, u *Upstream) {
	method, ok := methods()[d.name]
	switch {
	case ok && u.Method != "sticky":
		u.Method, u.MethodAt = method, d.Pos
	case ok, ofUpstream(d.name):
	default:
		r.ignored(d, "this program does not know the directive %s in an upstream group; ignored", d.name)
	}
}

// ofUpstream reports whether a directive belongs in an upstream block of NGINX, but is not needed here.
func ofUpstream(name string) bool {
	switch name {
	case "keepalive_requests", "keepalive_time", "keepalive_timeout", "ntlm", "queue", "resolver", "resolver_timeout",
		"state",
		"sticky_cookie_insert":
		return true
	}
	return false
}

func (r *reading) keepalive(d *directive, u *Upstream) error {
	n, err := strconv.Atoi(d.args[0])
	if err != nil || n < 0 {
		return errorAt(d, "invalid value %q in \"keepalive\" directive", d.args[0])
	}
	u.Keepalive, u.KeepaliveAt = n, d.Pos
	for _, arg := range d.args[1:] {
		switch name, _, _ := strings.Cut(arg, "="); {
		case arg == "local":
			u.Local = true
		case !couldBeName(name), uses(arg) != nil:
			return errorAt(d, "invalid parameter %q", arg)
		default:
			r.ignored(d, "this program does not know the keepalive parameter %s; ignored", arg)
		}
	}
	return nil
}

// valid returns a name as a valid label value: NGINX accepts any bytes.
func valid(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }

// server reads a server of a group. A value that NGINX rejects is an error; a parameter that only other builds have is
// not.
func (r *reading) server(d *directive, port string) (Server, error) {
	s := Server{Pos: d.Pos, Address: Canonical(WithPort(valid(d.args[0]), port)), Weight: 1, MaxFails: 1,
		FailTimeout: 10 * time.Second}
	if err := checkAddress(d, s.Address); err != nil {
		return Server{}, err
	}
	for _, arg := range d.args[1:] {
		name, value, hasValue := strings.Cut(arg, "=")
		good := true
		switch {
		case hasValue && name == "weight":
			s.Weight, good = count(value)
			good = good && s.Weight > 0
		case hasValue && name == "max_conns":
			s.MaxConns, good = count(value)
		case hasValue && name == "max_fails":
			s.MaxFails, good = count(value)
		case hasValue && name == "fail_timeout":
			s.FailTimeout, good = parseTime(value)
		case arg == "backup":
			s.Backup = true
		case arg == "down":
			s.Down = true
		case arg == "drain":
			s.Drain = true
		case arg == "resolve":
			s.Resolve = true
		case hasValue && (name == "slow_start" || name == "service" || name == "route" || name == "sid" ||
			name == "id"):
		case !couldBeName(name), uses(arg) != nil: // the next directive, after a missing ";"
			good = false
		default:
			r.ignored(d, "this program does not know the server parameter %s; ignored", arg)
		}
		if !good {
			return Server{}, errorAt(d, "invalid parameter %q", arg)
		}
	}
	return s, nil
}

// checkAddress rejects the address of a server that NGINX rejects.
func checkAddress(d *directive, address string) error {
	if strings.HasPrefix(address, "unix:") {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if strings.Contains(address, "/") {
		return errorAt(d, "invalid host in upstream %q", d.args[0])
	}
	if n, ok := count(port); err != nil || port != "" && (!ok || n < 1 || n > 65535) {
		return errorAt(d, "invalid port in upstream %q", d.args[0])
	}
	return nil
}

// count parses a number as NGINX does: only digits.
func count(text string) (n int, ok bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && strings.Trim(text, "0123456789") == ""
}
