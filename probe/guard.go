package probe

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/idna"
)

// A guard decides which targets /probe may probe. It decides by the text only: a refused target is not even looked
// up.
type guard struct {
	any        bool
	patterns   []Regexp
	configured map[string]bool            // normal form → whether a schedule follows its redirects
	reserved   map[string]map[string]bool // module with credentials → normal forms, with hostname, of its schedules
}

func newGuard(o OnDemand) guard {
	return guard{
		any: o.Allow.Any, patterns: o.Allow.Patterns,
		configured: map[string]bool{}, reserved: map[string]map[string]bool{},
	}
}

// reserve reserves the credentials of a module for the targets of its schedules.
func (g *guard) reserve(module string, m *Module) {
	if m.hasCredentials() && g.reserved[module] == nil {
		g.reserved[module] = map[string]bool{}
	}
}

// add allows a target of a schedule.
func (g *guard) add(module string, m *Module, target, hostname string) {
	key, ok := normal(m.Prober, target)
	if !ok {
		return
	}
	g.configured[key] = g.configured[key] || m.HTTP.Client.FollowRedirects
	if targets := g.reserved[module]; targets != nil {
		targets[key+" "+strings.ToLower(hostname)] = true
		targets[key+" "] = true // the target's own name
	}
}

// A permit is what a guard allows.
type permit struct {
	mayFollow func(*url.URL) bool // nil: redirects may go anywhere
	stay      bool                // redirects are not followed, whatever the module says
}

// Why a guard refuses a target: values of the label reason.
const (
	refusedTarget      = "target"
	refusedCredentials = "credentials"
	refusedBusy        = "busy"
)

var refusals = map[string]string{
	refusedTarget: "on_demand.allow does not allow this target; name it under probes:, or widen on_demand.allow",
	refusedCredentials: "the module's credentials are only for the targets of its entries of probes:; name this " +
		"target in one of them, or use a module without credentials",
	refusedBusy: "too many probes are under way",
}

// check returns why a target must not be probed, or "", and where its redirects may lead. The redirects of a
// configured target are followed as its schedule does, except with a Host header of the client's choice, which could
// send the chain anywhere: then they must stay at the host.
func (g guard) check(module, prober, target, hostname string) (permit, string) {
	key, ok := normal(prober, target)
	if targets := g.reserved[module]; targets != nil && !targets[key+" "+strings.ToLower(hostname)] {
		if allowed, _ := g.allows(prober, target, key, ok); !allowed {
			return permit{}, refusedTarget
		}
		return permit{}, refusedCredentials
	}
	allowed, listed := g.allows(prober, target, key, ok)
	switch {
	case !allowed:
		return permit{}, refusedTarget
	case g.any:
		return permit{}, ""
	case listed:
		return permit{mayFollow: func(u *url.URL) bool { return g.matches("http", u.String()) }}, ""
	}
	p := permit{stay: !g.configured[key]}
	if hostname != "" {
		own := hostOf(key)
		p.mayFollow = func(u *url.URL) bool {
			key, ok := normal("http", u.String())
			return ok && hostOf(key) == own
		}
	}
	return p, ""
}

// allows reports whether on_demand allows a target, and whether by its list of expressions.
func (g guard) allows(prober, target, key string, ok bool) (allowed, listed bool) {
	switch {
	case g.any:
		return true, false
	case !ok:
		return false, false
	case len(g.patterns) > 0:
		return g.matches(prober, target), true
	}
	_, found := g.configured[key]
	return found, false
}

// hostOf returns scheme, host and port of a normal form.
func hostOf(key string) string {
	u, err := url.Parse(key)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// matches matches every spelling of a target against the expressions. All spellings come from the address that is
// connected to: if the text were matched as received, http://allowed.example@evil.example/ would pass.
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

// forms returns the ways in which a person would write a target.
func forms(prober, target string) []string {
	key, ok := normal(prober, target)
	if !ok {
		return nil
	}
	switch prober {
	case "http":
	case "websocket":
		_, web, _ := strings.Cut(key, " ")
		var all []string
		for _, form := range forms("http", web) {
			if rest, has := strings.CutPrefix(form, "http"); has { // and https, which is wss
				all = append(all, "ws"+rest)
			}
		}
		return all
	default:
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

// normal returns the form in which targets are compared: for http a URL with scheme and host in lower case, an
// explicit port, an empty path as "/", no fragment; for others prober, host in lower case and port. ok is false if the
// target is invalid.
func normal(prober, target string) (key string, ok bool) {
	switch prober {
	case "unix":
		return prober + " " + target, target != ""
	case "http":
		return normalURL(target)
	case "websocket":
		key, ok := normalURL(withWebScheme(target))
		return prober + " " + key, ok
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

// normalHost returns an address in its shortest form, and a name in its DNS form.
func normalHost(host string) (string, bool) {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.String(), true
	}
	ascii, err := idna.Lookup.ToASCII(strings.ToLower(host))
	if err != nil {
		// IDNA rejects names with an underscore, but they are in use.
		if strings.ContainsFunc(host, func(r rune) bool { return r > 126 || r < 33 }) {
			return "", false
		}
		ascii = strings.ToLower(host)
	}
	return ascii, ascii != ""
}
