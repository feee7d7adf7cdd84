package nginxconf

import "strings"

// A proxyScope is what a proxy_pass inherits. An inner block inherits all headers or limits, or none if it has any of
// its own; see https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_set_header.
type proxyScope struct {
	version string
	headers map[string]string // by name in lower case
	at      Pos               // of the last of them
	limits  []*directive
	logOff  Pos
}

func (s *proxyScope) inherit(outer proxyScope) {
	if s.headers == nil {
		s.headers, s.at = outer.headers, outer.at
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
	case d.name == "proxy_set_header" && len(d.args) == 2:
		if s.headers == nil {
			s.headers = map[string]string{}
		}
		s.headers[strings.ToLower(d.args[0])], s.at = d.args[1], d.Pos
	}
}

func (s *proxyScope) accessLog(d *directive) {
	s.logOff = Pos{}
	if len(d.args) == 1 && d.args[0] == "off" {
		s.logOff = d.Pos
	}
}
