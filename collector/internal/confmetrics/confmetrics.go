// Package confmetrics turns the servers and limits of nginx.conf into gauges, so that dashboards and alerts need no
// configuration.
package confmetrics

import (
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// Each gives each gauge with its labels in the order of the table of metrics; node returns the name of the node at an
// address.
func Each(conf *nginxconf.Config, node func(address string) string,
	gauge func(id metric.ID, value float64, labels ...string)) {
	groups := map[string]bool{}
	for _, u := range conf.Upstreams {
		if groups[u.Name] {
			continue
		}
		groups[u.Name] = true
		gauge(metric.UpstreamInfo, 1, u.Name, u.Method, u.Zone)
		gauge(metric.Keepalive, float64(u.Keepalive), u.Name)
		servers := map[string]bool{}
		for _, s := range u.Servers {
			if servers[s.Address] {
				continue // a server may occur twice in a group, a series must not
			}
			servers[s.Address] = true
			name := node(s.Address)
			gauge(metric.ServerInfo, 1, u.Name, s.Address, name, state(s))
			gauge(metric.ServerMaxConns, float64(s.MaxConns), u.Name, s.Address, name)
			gauge(metric.ServerWeight, float64(s.Weight), u.Name, s.Address, name)
		}
	}
	for zone, l := range limitZones(conf.LimitReqs) {
		gauge(metric.LimitReqRate, l.Rate, zone)
		gauge(metric.LimitReqBurst, float64(l.Burst), zone)
	}
	if conf.ConnectionsAt.Line > 0 {
		gauge(metric.WorkerConnections, float64(conf.WorkerConnections))
	}
}

func state(s nginxconf.Server) string {
	switch {
	case s.Down:
		return "down"
	case s.Drain:
		return "drain"
	case s.Backup:
		return "backup"
	}
	return "active"
}

// limitZones returns each zone with the largest burst that a limit_req allows it.
func limitZones(limits []nginxconf.LimitReq) map[string]nginxconf.LimitReq {
	zones := map[string]nginxconf.LimitReq{}
	for _, l := range limits {
		if largest, ok := zones[l.Zone]; !ok || l.Burst > largest.Burst {
			zones[l.Zone] = l
		}
	}
	return zones
}
