package collector

import (
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// emitNginxConf emits servers and limits from nginx.conf, so that dashboards and alerts need no configuration.
func emitNginxConf(conf *nginxconf.Config, topo *source.Topology, e emitter) {
	groups := map[string]bool{}
	for _, u := range conf.Upstreams {
		if groups[u.Name] {
			continue
		}
		groups[u.Name] = true
		e.gauge(metric.UpstreamInfo, 1, u.Name, u.Method, u.Zone)
		e.gauge(metric.Keepalive, float64(u.Keepalive), u.Name)
		servers := map[string]bool{}
		for _, s := range u.Servers {
			if servers[s.Address] {
				continue // a server may occur twice in a group, a series must not
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
	if conf.ConnectionsAt.Line > 0 {
		e.gauge(metric.WorkerConnections, float64(conf.WorkerConnections))
	}
}

// A runningCache caches for a while what /proc shows of NGINX: finding it means examining all processes of the host.
type runningCache struct {
	mu      sync.Mutex // never held across /proc
	conf    *nginxconf.Config
	at      time.Time
	running nginxconf.Running
	ok      bool
}

// runningLifetime is the maximum age of the state of NGINX's processes.
const runningLifetime = 2 * time.Second

func (c *runningCache) find(conf *nginxconf.Config) (nginxconf.Running, bool) {
	c.mu.Lock()
	if c.conf == conf && time.Since(c.at) < runningLifetime {
		defer c.mu.Unlock()
		return c.running, c.ok
	}
	c.mu.Unlock()
	running, ok := nginxconf.FindRunning(conf.Build, absolute(conf.Path))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conf, c.at, c.running, c.ok = conf, time.Now(), running, ok
	return running, ok
}

// emitRunning emits what /proc shows of the NGINX that runs with this nginx.conf, or nothing.
func emitRunning(conf *nginxconf.Config, cache *runningCache, e emitter) {
	running, ok := cache.find(conf)
	if n, known := workerProcesses(conf, ok); known {
		e.gauge(metric.WorkerProcesses, float64(n))
	}
	if !ok {
		return
	}
	loaded := 0.0
	if conf.HasLoaded(running) {
		loaded = 1
	}
	e.gauge(metric.ConfigLoaded, loaded)
	e.gauge(metric.Workers, float64(len(running.Active)), "active")
	e.gauge(metric.Workers, float64(len(running.ShuttingDown)), "shutting_down")
}

func absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}

// workerProcesses returns the number of workers in nginx.conf; onThisHost says that NGINX runs here.
func workerProcesses(conf *nginxconf.Config, onThisHost bool) (n int, known bool) {
	switch {
	case conf.WorkersAt.Line == 0:
		return 0, false
	case conf.Workers == "auto":
		return runtime.NumCPU(), onThisHost
	}
	n, err := strconv.Atoi(conf.Workers)
	return n, err == nil
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
		if known, ok := zones[l.Zone]; !ok || l.Burst > known.Burst {
			zones[l.Zone] = l
		}
	}
	return zones
}
