package nginxconf

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// A listen is where a server takes requests.
type listen struct {
	host, port string // host "" for any
	socket     string
	tls        bool
	isDefault  bool
	foreign    bool // takes something other than plain HTTP requests: the PROXY protocol, QUIC, mail
}

func newListen(d *directive) listen {
	l := listen{
		port: "80", tls: d.hasFlag("ssl"), isDefault: d.hasFlag("default_server") || d.hasFlag("default"),
		foreign: d.hasFlag("proxy_protocol") || d.hasFlag("quic") || d.hasFlag("http2") && !d.hasFlag("ssl"),
	}
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
		first, _, _ := strings.Cut(port, "-") // of a range, each is as good as another
		l.host, l.port = host, first
		if host == "*" || host == "0.0.0.0" {
			l.host = ""
		}
	}
	return l
}

// point is what two servers must share for the Host of a request to select between them.
func (l listen) point() string { return l.socket + "|" + l.host + "|" + l.port }

// self is the name or address by which this host reaches the listener.
func (l listen) self() string {
	switch {
	case l.socket != "":
		return "localhost"
	case l.host == "":
		return "127.0.0.1"
	case l.host == "::":
		return "::1"
	}
	return l.host
}

// url returns the URL of the listener for this host.
func (l listen) url(path string) string {
	if l.socket != "" {
		return "unix:" + l.socket + ":" + path
	}
	scheme := "http"
	if l.tls {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(l.self(), l.port) + path
}

// client returns the address that NGINX sees when this host connects to that listener.
func (l listen) client() string {
	if l.socket != "" {
		return "unix:"
	}
	if address, err := netip.ParseAddr(l.self()); err == nil && address.Is4() && address.IsLoopback() {
		return "127.0.0.1" // the kernel's source address for all of 127.0.0.0/8
	}
	return l.self() // any other own address is its own source
}

// A virtualServer is a server block as the Host of a request selects it.
type virtualServer struct {
	listens []listen
	names   []string // in lower case; a single "" without server_name
}

func newVirtualServer(block []*directive) *virtualServer {
	s := &virtualServer{}
	for _, d := range block {
		switch d.name {
		case "listen":
			s.listens = append(s.listens, newListen(d))
		case "server_name":
			for _, name := range d.args {
				s.names = append(s.names, strings.ToLower(name))
			}
		}
	}
	if s.listens == nil {
		s.listens = []listen{{port: "80"}}
	}
	if s.names == nil {
		s.names = []string{""}
	}
	return s
}

// A visit is how to reach a virtual server at one of its listeners.
type visit struct {
	listen
	hostHeader string // "" if the URL's own will do
}

// visits returns all ways to reach server, the plain ones first: certificates rarely have addresses.
func visits(servers []*virtualServer, server *virtualServer) []visit {
	var plain, secure []visit
	for _, l := range server.listens {
		header, reachable := hostHeader(servers, server, l)
		switch {
		case l.foreign || !reachable:
		case l.tls:
			secure = append(secure, visit{l, header})
		default:
			plain = append(plain, visit{l, header})
		}
	}
	return append(plain, secure...)
}

// hostHeader returns the Host with which a request to the listener reaches server. The first server with the name
// takes it, or the listener's default one; see https://nginx.org/en/docs/http/request_processing.html.
func hostHeader(servers []*virtualServer, server *virtualServer, l listen) (header string, reachable bool) {
	there := sharing(servers, l)
	if serverFor(there, l, l.self()) == server && !(l.tls && exactName(server) != "") {
		return "", true
	}
	for _, name := range server.names {
		if name = askable(name); name != "" && serverFor(there, l, name) == server {
			return name, true
		}
	}
	return "", serverFor(there, l, l.self()) == server
}

// sharing returns the servers at the listener.
func sharing(servers []*virtualServer, at listen) []*virtualServer {
	var there []*virtualServer
	for _, s := range servers {
		if slices.ContainsFunc(s.listens, func(l listen) bool { return l.point() == at.point() }) {
			there = append(there, s)
		}
	}
	return there
}

// serverFor returns the server that takes a request with that Host. It ignores expressions: which Host they match
// cannot be computed in general.
func serverFor(there []*virtualServer, at listen, host string) *virtualServer {
	for _, s := range there {
		if slices.Contains(s.names, host) || slices.Contains(s.names, "."+host) {
			return s
		}
	}
	best, longest := (*virtualServer)(nil), 0
	for _, s := range there {
		for _, name := range s.names {
			suffix, leading := strings.CutPrefix(name, "*")
			if !leading && strings.HasPrefix(name, ".") {
				suffix, leading = name, true
			}
			if leading && len(suffix) > longest && strings.HasSuffix(host, suffix) {
				best, longest = s, len(suffix)
			}
		}
	}
	if best != nil {
		return best
	}
	for _, s := range there {
		if slices.ContainsFunc(s.listens, func(l listen) bool { return l.isDefault && l.point() == at.point() }) {
			return s
		}
	}
	return there[0]
}

// askable turns a server_name into a Host that it matches, or "" if unknown.
func askable(name string) string {
	switch {
	case name == "" || name == "_" || strings.HasPrefix(name, "~") || strings.HasSuffix(name, "*") ||
		strings.Contains(name, "$"):
		return ""
	case strings.HasPrefix(name, "*."):
		return "status" + name[1:]
	case strings.HasPrefix(name, "."):
		return name[1:]
	}
	return name
}

func exactName(server *virtualServer) string {
	for _, name := range server.names {
		if name == askable(name) && name != "" {
			return name
		}
	}
	return ""
}

type pendingStatus struct {
	Pos
	scope scope
}

// statusPages returns a URL for every location with stub_status, those that allow this host first.
func (r *reading) statusPages() {
	var denied []StatusPage
	for _, p := range r.status {
		page := p.scope.page(p.Pos, r.servers)
		if page.Denied == "" {
			r.config.StatusPages = append(r.config.StatusPages, page)
		} else {
			denied = append(denied, page)
		}
	}
	r.config.StatusPages = append(r.config.StatusPages, denied...)
}

// page returns the status page of a location, by the first way in which this host is allowed.
func (s scope) page(at Pos, servers []*virtualServer) StatusPage {
	page := StatusPage{Pos: at}
	path, ok := s.location.path()
	if !ok {
		page.URL, page.Denied = path, "has no path that its location lets one derive"
		return page
	}
	all := visits(servers, s.server)
	if len(all) == 0 {
		page.URL, page.Denied = s.server.listens[0].url(path), "is at a listener that no plain request reaches: it "+
			"has proxy_protocol, quic or http2, or another server_name takes its requests"
		return page
	}
	page.URL, page.Host = all[0].url(path), all[0].hostHeader
	if s.internal {
		page.Denied = "is internal"
		return page
	}
	for _, v := range all {
		inList, byRule := allowed(s.rules, v.client())
		switch {
		case !inList:
			page.Denied = "does not let this host in; add allow " + v.client() + ";"
		case s.password && !(s.satisfyAny && byRule):
			page.Denied = "asks for a password (auth_basic)"
		default:
			page.URL, page.Host, page.Denied = v.url(path), v.hostHeader, ""
			return page
		}
	}
	return page
}

// allowed applies allow and deny: the first match decides, and without one everybody is allowed; see
// https://nginx.org/en/docs/http/ngx_http_access_module.html.
func allowed(rules []rule, client string) (in, byRule bool) {
	for _, rule := range rules {
		if covers(rule.who, client) {
			return rule.allow, true
		}
	}
	return true, false
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

// A location is a location block's arguments.
type location []string

// path returns a path that reaches the location, or the expression if none can be derived.
func (l location) path() (path string, ok bool) {
	switch {
	case len(l) == 0: // the server itself
		return "/", true
	case len(l) == 1 && !strings.HasPrefix(l[0], "@"):
		return withoutOperator(l[0])
	case len(l) == 2 && (l[0] == "=" || l[0] == "^~"):
		return l[1], true
	case len(l) == 2 && (l[0] == "~" || l[0] == "~*"):
		return literal(l[1])
	}
	return strings.Join(l, " "), false
}

// withoutOperator parses a location whose operator is written without a space before the path.
func withoutOperator(text string) (path string, found bool) {
	for _, operator := range []string{"~*", "~"} {
		if expression, ok := strings.CutPrefix(text, operator); ok {
			return literal(expression)
		}
	}
	return strings.TrimPrefix(strings.TrimPrefix(text, "^~"), "="), true
}

var plainExpression = regexp.MustCompile(`^\^?(/(?:[\w/-]|\\[./-])*)\$?$`)

// literal returns the path that an expression such as ^/status\.txt$ matches.
func literal(expression string) (path string, ok bool) {
	match := plainExpression.FindStringSubmatch(expression)
	if match == nil {
		return expression, false
	}
	return strings.ReplaceAll(match[1], `\`, ""), true
}
