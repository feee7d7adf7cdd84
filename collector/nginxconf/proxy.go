package nginxconf

import "strings"

// A proxyScope is what a proxy_pass inherits. Headers and limits are inherited as a whole, where the inner block has
// none of its own; see https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_set_header.
type proxyScope struct {
	version string
	next    []string
	headers map[string]string // by name in lower case
	limits  []*directive
	logOff  Pos
}

func (s *proxyScope) inherit(outer proxyScope) {
	if s.headers == nil {
		s.headers = outer.headers
	}
	if s.limits == nil {
		s.limits = outer.limits
	}
}

func (s *proxyScope) setting(d *directive) {
	switch {
	case d.name == "limit_req":
		s.limits = append(s.limits, d)
	case d.name == "proxy_http_version" && len(d.args) == 1:
		s.version = d.args[0]
	case d.name == "proxy_next_upstream":
		s.next = d.args
	case d.name == "proxy_set_header" && len(d.args) == 2:
		if s.headers == nil {
			s.headers = map[string]string{}
		}
		s.headers[strings.ToLower(d.args[0])] = d.args[1]
	}
}

func (s *proxyScope) accessLog(d *directive) {
	s.logOff = Pos{}
	if len(d.args) == 1 && d.args[0] == "off" {
		s.logOff = d.Pos
	}
}

func (r *reading) proxyPass(d *directive, s scope) error {
	p := Proxy{
		Pos: d.Pos, Upstream: r.group(d.args[0]), HTTPVersion: s.proxy.version,
		Connection: "close", NextUpstream: s.proxy.next, LogOff: s.proxy.logOff,
	}
	if connection, set := s.proxy.headers["connection"]; set {
		p.Connection = connection
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

// group is the upstream that a proxy_pass names, "" where it names none.
func (r *reading) group(pass string) string {
	_, rest, _ := strings.Cut(pass, "://")
	name, _, _ := strings.Cut(rest, "/")
	return r.groups[strings.ToLower(valid(name))]
}
