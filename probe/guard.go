package probe

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/idna"
)

// A guard says which targets may be asked for through /probe. It decides by the text alone: what it refuses is not
// even looked up.
type guard struct {
	any        bool
	patterns   []Regexp
	configured map[string]bool // normal form → whether a schedule follows its redirects
}

func newGuard(c *Config) guard {
	g := guard{any: c.OnDemand.Allow.Any, patterns: c.OnDemand.Allow.Patterns, configured: map[string]bool{}}
	for _, schedule := range c.Probes {
		m := c.Modules[schedule.Module]
		for _, target := range schedule.Targets {
			if key, ok := normal(m.Prober, target); ok {
				g.configured[key] = g.configured[key] || m.HTTP.Client.FollowRedirects
			}
		}
	}
	return g
}

// A permit is what a guard allows.
type permit struct {
	mayFollow func(*url.URL) bool // nil: redirects may go anywhere
	stay      bool                // redirects are not followed, whatever the module says
}

// check tells whether a target may be probed, and where its redirects may go. A configured target is followed as its
// schedule does, but a Host header of the asker's choice could send the chain anywhere: then it stays at its host.
func (g guard) check(prober, target, hostname string) (permit, bool) {
	if g.any {
		return permit{}, true
	}
	key, ok := normal(prober, target)
	if !ok {
		return permit{}, false
	}
	if len(g.patterns) > 0 {
		return permit{mayFollow: func(u *url.URL) bool { return g.matches("http", u.String()) }}, g.matches(prober, target)
	}
	follows, known := g.configured[key]
	p := permit{stay: !follows}
	if hostname != "" {
		own := hostOf(key)
		p.mayFollow = func(u *url.URL) bool {
			key, ok := normal("http", u.String())
			return ok && hostOf(key) == own
		}
	}
	return p, known
}

// hostOf is scheme, host and port of a normal form.
func hostOf(key string) string {
	u, err := url.Parse(key)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// matches holds every way to write a target against the expressions. All are made from what is connected to: were the
// text matched as it came, http://allowed.example@evil.example/ would pass.
func (g guard) matches(prober, target string) bool {
	for _, form := range forms(prober, target) {
		for _, pattern := range g.patterns {
			if pattern.MatchString(form) {
				return true
			}
		}
	}
	return false
}

// forms are the ways in which a person would write a target.
func forms(prober, target string) []string {
	key, ok := normal(prober, target)
	if !ok {
		return nil
	}
	if prober != "http" {
		_, text, _ := strings.Cut(key, " ")
		return []string{text}
	}
	u, err := url.Parse(key)
	if err != nil {
		return nil
	}
	u.User = nil
	full := u.String()
	all := []string{full}
	if port := defaultPorts[u.Scheme]; u.Port() == port {
		short := *u
		short.Host = strings.TrimSuffix(u.Host, ":"+port)
		all = append(all, short.String())
	}
	for _, form := range all {
		if u.Path == "/" && u.RawQuery == "" {
			all = append(all, strings.TrimSuffix(form, "/"))
		}
	}
	for _, form := range all {
		if bare, is := strings.CutPrefix(form, "http://"); is {
			all = append(all, bare)
		}
	}
	return all
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}

// normal is the form in which targets are compared: for http a URL with scheme and host in lower case, its port
// written out, an empty path as "/", no fragment; for others prober, host in lower case and port. It is not ok where
// the target is none.
func normal(prober, target string) (key string, ok bool) {
	switch prober {
	case "unix":
		return prober + " " + target, target != ""
	case "http":
		return normalURL(target)
	case "grpc":
		u, err := url.Parse(withScheme(target))
		if err != nil {
			return "", false
		}
		target = u.Host
	}
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		host, port = strings.Trim(target, "[]"), ""
	}
	host, ok = normalHost(host)
	if port != "" {
		host = net.JoinHostPort(host, port)
	}
	return prober + " " + host, ok
}

func normalURL(target string) (key string, ok bool) {
	u, err := url.Parse(withScheme(target))
	if err != nil {
		return "", false
	}
	host, ok := normalHost(u.Hostname())
	port := u.Port()
	if port == "" {
		port = defaultPorts[u.Scheme]
	}
	u.Host = net.JoinHostPort(host, port)
	u.Fragment, u.RawFragment = "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), ok
}

// normalHost writes an address in its shortest form, and a name as DNS has it.
func normalHost(host string) (string, bool) {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.String(), true
	}
	ascii, err := idna.Lookup.ToASCII(strings.ToLower(host))
	if err != nil {
		// Names with an underscore are none to IDNA, and in use all the same.
		if strings.ContainsFunc(host, func(r rune) bool { return r > 126 || r < 33 }) {
			return "", false
		}
		ascii = strings.ToLower(host)
	}
	return ascii, ascii != ""
}
