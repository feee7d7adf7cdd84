package nginxconf

import (
	"net"
	"net/netip"
	"strings"
)

// A listen is where a server takes requests.
type listen struct {
	host, port string // host "" for any
	socket     string
	tls        bool
}

func newListen(d *directive) listen {
	l := listen{port: "80", tls: d.hasFlag("ssl")}
	address := d.args[0]
	switch {
	case strings.HasPrefix(address, "unix:"):
		l.socket = strings.TrimPrefix(address, "unix:")
	case !strings.ContainsAny(address, ".:[*") && strings.Trim(address, "0123456789") == "":
		l.port = address
	default:
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			host, port = strings.Trim(address, "[]"), "80"
		}
		l.host, l.port = host, port
		if host == "*" {
			l.host = ""
		}
	}
	return l
}

// url is where this host can reach the listener.
func (l listen) url(path string) string {
	if l.socket != "" {
		return "unix:" + l.socket + ":" + path
	}
	host := l.host
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	scheme := "http"
	if l.tls {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, l.port) + path
}

// client is the address that NGINX sees when this host asks that listener.
func (l listen) client() string {
	switch {
	case l.socket != "":
		return "unix:"
	case l.host == "" || l.host == "0.0.0.0":
		return "127.0.0.1"
	case l.host == "::":
		return "::1"
	}
	return l.host // an own address is asked from itself
}

// statusPages makes a URL of every location with stub_status, those that let this host in first.
func (r *reading) statusPages() error {
	var denied []StatusPage
	for _, p := range r.status {
		path := p.scope.location
		if path == "" {
			path = "/"
		}
		listens := p.scope.listens
		if len(listens) == 0 {
			listens = []listen{{port: "80"}}
		}
		page := StatusPage{Pos: p.Pos, URL: listens[0].url(path)}
		for _, l := range listens {
			if allowed(p.scope.rules, l.client()) {
				page.URL, page.Allowed = l.url(path), true
				break
			}
		}
		if page.Allowed {
			r.config.StatusPages = append(r.config.StatusPages, page)
		} else {
			denied = append(denied, page)
		}
	}
	r.config.StatusPages = append(r.config.StatusPages, denied...)
	return nil
}

// allowed applies allow and deny: the first that fits decides, and without one all are let in; see
// https://nginx.org/en/docs/http/ngx_http_access_module.html.
func allowed(rules []rule, client string) bool {
	for _, rule := range rules {
		if covers(rule.who, client) {
			return rule.allow
		}
	}
	return true
}

func covers(who, client string) bool {
	if who == "all" || who == client {
		return true
	}
	address, err := netip.ParseAddr(client)
	if err != nil {
		return false
	}
	if network, err := netip.ParsePrefix(who); err == nil {
		return network.Contains(address)
	}
	one, err := netip.ParseAddr(who)
	return err == nil && one == address
}
