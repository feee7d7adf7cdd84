package probe

import (
	"net"
	"net/url"
	"strings"
)

// A guard says which targets may be asked for through /probe.
type guard struct {
	any        bool
	patterns   []Regexp
	configured map[string]bool // normal form
}

func newGuard(o Options) guard {
	g := guard{any: o.OnDemand.Allow.Any, patterns: o.OnDemand.Allow.Patterns, configured: map[string]bool{}}
	for _, schedule := range o.Probes {
		prober := o.Modules[schedule.Module].Prober
		for _, target := range schedule.Targets {
			g.configured[normal(prober, target)] = true
		}
	}
	return g
}

// check tells whether a target may be probed, and where its redirects may go; nil is anywhere. A configured target
// is followed as its schedule does.
func (g guard) check(prober, target string) (allowed bool, mayFollow func(*url.URL) bool) {
	switch {
	case g.any:
		return true, nil
	case len(g.patterns) == 0:
		return g.configured[normal(prober, target)], nil
	}
	if !g.matches(prober, target) {
		return false, nil
	}
	return true, func(u *url.URL) bool { return g.matches("http", u.String()) }
}

func (g guard) matches(prober, target string) bool {
	for _, pattern := range g.patterns {
		if pattern.MatchString(target) || pattern.MatchString(normal(prober, target)) {
			return true
		}
	}
	return false
}

// normal is the form in which targets are compared: for http a URL with scheme and host in lower case, its port
// written out and an empty path as "/"; for others the text, host in lower case.
func normal(prober, target string) string {
	if prober != "http" {
		return prober + " " + strings.ToLower(target)
	}
	u, err := url.Parse(withScheme(target))
	if err != nil {
		return "http " + target
	}
	u.Scheme = strings.ToLower(u.Scheme)
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	u.Host = net.JoinHostPort(strings.ToLower(u.Hostname()), port)
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}
