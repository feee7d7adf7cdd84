package collector

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// emitNginxConf gives what nginx.conf says of servers and limits, so that dashboards and alerts need not be told.
func emitNginxConf(conf *nginxconf.Config, topo *topology, emit func(prometheus.Metric)) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		emit(prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...))
	}
	groups := map[string]bool{}
	for _, u := range conf.Upstreams {
		if groups[u.Name] {
			continue
		}
		groups[u.Name] = true
		gauge(descKeepalive, float64(u.Keepalive), u.Name)
		servers := map[string]bool{}
		for _, s := range u.Servers {
			if servers[s.Address] {
				continue // a server may stand twice in a group, a series may not
			}
			servers[s.Address] = true
			node := topo.node(s.Address)
			gauge(descServerInfo, 1, u.Name, s.Address, node, state(s))
			gauge(descServerMaxConns, float64(s.MaxConns), u.Name, s.Address, node)
			gauge(descServerWeight, float64(s.Weight), u.Name, s.Address, node)
		}
	}
	for zone, l := range limitZones(conf.LimitReqs) {
		gauge(descLimitReqRate, l.Rate, zone)
		gauge(descLimitReqBurst, float64(l.Burst), zone)
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

// limitZones is each zone with the largest burst that a limit_req allows it.
func limitZones(limits []nginxconf.LimitReq) map[string]nginxconf.LimitReq {
	zones := map[string]nginxconf.LimitReq{}
	for _, l := range limits {
		if known, ok := zones[l.Zone]; !ok || l.Burst > known.Burst {
			zones[l.Zone] = l
		}
	}
	return zones
}
