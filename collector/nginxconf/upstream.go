package nginxconf

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

func (r *reading) upstream(d *directive) error {
	u := Upstream{Pos: d.Pos, Name: valid(d.args[0])}
	key := strings.ToLower(u.Name)
	if r.groups[key] != "" {
		return &Error{Pos: d.Pos, Msg: fmt.Sprintf("duplicate upstream %q", u.Name)}
	}
	r.groups[key] = u.Name
	for _, inner := range d.block {
		var err error
		switch inner.name {
		case "server":
			var server Server
			if server, err = readServer(inner); err == nil {
				u.Servers = append(u.Servers, server)
			}
		case "zone":
			u.Zone = valid(inner.args[0])
		case "keepalive":
			if u.Keepalive, err = strconv.Atoi(inner.args[0]); err != nil || u.Keepalive <= 0 {
				err = errorAt(inner, "invalid value %q in \"keepalive\" directive", inner.args[0])
			}
		case "least_conn", "ip_hash", "hash", "random":
			u.Method = inner.name
		}
		if err != nil {
			return err
		}
	}
	if len(u.Servers) == 0 {
		return errorAt(d, "no servers are inside upstream")
	}
	r.config.Upstreams = append(r.config.Upstreams, u)
	return nil
}

// valid is a name as a label's value can have it: NGINX takes any bytes.
func valid(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }

func readServer(d *directive) (Server, error) {
	s := Server{Pos: d.Pos, Address: withPort(valid(d.args[0])), Weight: 1, MaxFails: 1, FailTimeout: 10 * time.Second}
	for _, arg := range d.args[1:] {
		name, value, _ := strings.Cut(arg, "=")
		var err error
		switch name {
		case "weight":
			if s.Weight, err = strconv.Atoi(value); s.Weight <= 0 {
				err = strconv.ErrRange
			}
		case "max_conns":
			s.MaxConns, err = strconv.Atoi(value)
		case "max_fails":
			s.MaxFails, err = strconv.Atoi(value)
		case "fail_timeout":
			s.FailTimeout, err = parseTime(value)
		case "backup":
			s.Backup = true
		case "down":
			s.Down = true
		case "slow_start", "resolve", "service", "route", "drain": // of newer versions and NGINX Plus
		default:
			err = strconv.ErrSyntax
		}
		if err != nil {
			return Server{}, errorAt(d, "invalid parameter %q", arg)
		}
	}
	return s, nil
}

// parseTime reads NGINX's times: 10, 10s, 1m30s, 500ms; see https://nginx.org/en/docs/syntax.html.
func parseTime(text string) (time.Duration, error) {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return time.Duration(n) * time.Second, nil
	}
	text = strings.ReplaceAll(text, " ", "")
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}

// withPort is an address as $upstream_addr shows it.
func withPort(address string) string {
	if strings.HasPrefix(address, "unix:") {
		return address
	}
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	return address + ":80"
}
