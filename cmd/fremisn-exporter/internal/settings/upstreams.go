package settings

import (
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/probe"
)

// UpstreamModule is the name of the module that probes by HTTP what nginx.conf names, as proxy_pass http:// does.
const UpstreamModule = "alive"

// Further modules that probe what nginx.conf names, each with the protocol of its *_pass.
const (
	moduleHTTPS  = "alive_https"
	moduleTCP    = "alive_tcp"
	moduleTLS    = "alive_tls"
	moduleSocket = "alive_socket"
)

// upstreamProbe is the label probe of targets from nginx.conf, without a section probes:.
const upstreamProbe = "upstream"

// An Unprobed is a server in nginx.conf that is not probed although the config does not say so.
type Unprobed struct {
	nginxconf.Pos
	Server string
	Why    string
	Remedy string // "" for none
}

// probeUpstreams probes every upstream server that nginx.conf does not mark down, once each.
func (s *Settings) probeUpstreams() {
	targets := map[string][]string{}
	s.Found = map[string]nginxconf.Pos{}
	for _, upstream := range s.Nginx.Upstreams {
		for _, server := range upstream.Servers {
			if why, remedy := unprobed(upstream, server); why != "" {
				s.Unprobed = append(s.Unprobed, Unprobed{server.Pos, server.Address, why, remedy})
				continue
			}
			module, target := upstreamTarget(upstream.Protocol, server.Address)
			if _, twice := s.Found[target]; twice || server.Down {
				continue
			}
			s.Found[target] = server.Pos
			targets[module] = append(targets[module], target)
		}
	}
	s.probeAlive(targets)
}

// unprobed returns the reason why a server is not probed, "" for none.
func unprobed(u nginxconf.Upstream, server nginxconf.Server) (why, remedy string) {
	path, isSocket := strings.CutPrefix(server.Address, "unix:")
	switch {
	case u.Method == "lua":
		return "is a placeholder: Lua chooses the servers of " + u.Name, "name them in probes:"
	case isSocket && !filepath.IsAbs(path):
		return "is a socket without a folder: it is in the folder in which NGINX was started",
			"write its whole path in nginx.conf"
	case isSocket && unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK, unix.AT_EACCESS) == unix.EACCES:
		return "is a socket to which this user has no permission to connect",
			"add the exporter's user to the group of " + path
	}
	return "", ""
}

// upstreamTarget returns the target for a server and the protocol that NGINX uses with it.
func upstreamTarget(protocol, address string) (module, target string) {
	switch {
	case strings.HasPrefix(address, "unix:"):
		return moduleSocket, address
	case protocol == "https":
		return moduleHTTPS, "https://" + address + "/"
	case protocol == "grpcs":
		return moduleTLS, address
	case protocol == "http" || protocol == "":
		return UpstreamModule, "http://" + address + "/"
	}
	return moduleTCP, address
}

// probeAlive probes targets, by module, with the defaults for those of nginx.conf.
func (s *Settings) probeAlive(targets map[string][]string) {
	if len(targets) == 0 {
		return
	}
	all := aliveModules()
	for name, module := range s.Probe.Modules {
		all[name] = module
	}
	s.Probe.Modules = all
	for _, module := range []string{UpstreamModule, moduleHTTPS, moduleTCP, moduleTLS, moduleSocket} {
		if len(targets[module]) > 0 {
			s.Probe.Probes = append(s.Probe.Probes, probe.Schedule{
				Name: upstreamProbe, Module: module, Interval: 15 * time.Second, Targets: targets[module],
			})
		}
	}
}

// aliveModules are those that probe what nginx.conf names. Like NGINX by default, they do not verify certificates.
func aliveModules() map[string]probe.Module {
	https := probe.DefaultModule()
	https.HTTP.Client.TLSConfig.InsecureSkipVerify = true
	tcp := probe.Module{Prober: "tcp", Timeout: 5 * time.Second}
	tcp.SetDefaults()
	tcp.TCP.IPProtocol = "ip4"
	tls := tcp
	tls.TCP.TLS, tls.TCP.TLSConfig.InsecureSkipVerify = true, true
	socket := probe.Module{Prober: "unix", Timeout: 5 * time.Second}
	socket.SetDefaults()
	return map[string]probe.Module{
		UpstreamModule: probe.DefaultModule(), moduleHTTPS: https, moduleTCP: tcp, moduleTLS: tls, moduleSocket: socket,
	}
}
