package settings

import (
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/probe"
)

// UpstreamModule is the name of the module that probes what nginx.conf names.
const UpstreamModule = "alive"

// probeUpstreams probes every upstream server that nginx.conf does not call down, once each.
func (s *Settings) probeUpstreams() {
	var targets []string
	s.Found = map[string]nginxconf.Pos{}
	for _, upstream := range s.Nginx.Upstreams {
		for _, server := range upstream.Servers {
			target := "http://" + server.Address + "/"
			if _, twice := s.Found[target]; twice || server.Down || strings.HasPrefix(server.Address, "unix:") {
				continue
			}
			s.Found[target] = server.Pos
			targets = append(targets, target)
		}
	}
	s.probeAlive(targets)
}

// probeAlive probes targets as those of nginx.conf are.
func (s *Settings) probeAlive(targets []string) {
	if len(targets) == 0 {
		return
	}
	modules := map[string]probe.Module{UpstreamModule: probe.DefaultModule()}
	for name, module := range s.Probe.Modules {
		modules[name] = module
	}
	s.Probe.Modules = modules
	s.Probe.Probes = []probe.Schedule{{
		Name: "upstream", Module: UpstreamModule, Interval: 15 * time.Second, Targets: targets,
	}}
}
