package collector

import (
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// emitNginxConf gives what nginx.conf says of servers and limits, so that dashboards and alerts need not be told.
func emitNginxConf(conf *nginxconf.Config, topo *source.Topology, e emitter) {
	groups := map[string]bool{}
	for _, u := range conf.Upstreams {
		if groups[u.Name] {
			continue
		}
		groups[u.Name] = true
		e.gauge(metric.Keepalive, float64(u.Keepalive), u.Name)
		servers := map[string]bool{}
		for _, s := range u.Servers {
			if servers[s.Address] {
				continue // a server may stand twice in a group, a series may not
			}
			servers[s.Address] = true
			node := topo.Node(s.Address)
			e.gauge(metric.ServerInfo, 1, u.Name, s.Address, node, state(s))
			e.gauge(metric.ServerMaxConns, float64(s.MaxConns), u.Name, s.Address, node)
			e.gauge(metric.ServerWeight, float64(s.Weight), u.Name, s.Address, node)
		}
	}
	for zone, l := range limitZones(conf.LimitReqs) {
		e.gauge(metric.LimitReqRate, l.Rate, zone)
		e.gauge(metric.LimitReqBurst, float64(l.Burst), zone)
	}
}

func state(s nginxconf.Server) string {
	switch {
	case s.Down:
		return "down"
	case s.Backup:
		return "backup"
	}
	return "active"
}

// limitZones returns each zone with the largest burst that a limit_req allows it.
func limitZones(limits []nginxconf.LimitReq) map[string]nginxconf.LimitReq {
	zones := map[string]nginxconf.LimitReq{}
	for _, l := range limits {
		if known, ok := zones[l.Zone]; !ok || l.Burst > known.Burst {
			zones[l.Zone] = l
		}
	}
	return zones
}
