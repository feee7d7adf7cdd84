package collector

import (
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/confmetrics"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// emitNginxConf gives what nginx.conf says.
func emitNginxConf(conf *nginxconf.Config, topo *source.Topology, e emitter) {
	confmetrics.Each(conf, topo.Node, e.gauge)
}

// A runningCache keeps for a while what /proc shows of NGINX: all processes of the host are looked at for it.
type runningCache struct {
	loads nginxconf.LoadWatch

	mu      sync.Mutex // never held across /proc
	conf    *nginxconf.Config
	at      time.Time
	running nginxconf.Running
	ok      bool
}

// runningLifetime is how old the state of NGINX's processes may be.
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

// emitRunning gives what /proc shows of the NGINX that runs with this nginx.conf, nothing where it shows none.
func emitRunning(conf *nginxconf.Config, cache *runningCache, e emitter) {
	running, ok := cache.find(conf)
	if n, found := workerProcesses(conf, ok); found {
		e.gauge(metric.WorkerProcesses, float64(n))
	}
	if !ok {
		return
	}
	loaded := 0.0
	if cache.loads.HasLoaded(conf, running) {
		loaded = 1
	}
	e.gauge(metric.ConfigLoaded, loaded)
	e.gauge(metric.Workers, float64(len(running.Active)), "active")
	e.gauge(metric.Workers, float64(len(running.ShuttingDown)), "shutting_down")
}

// isLoadedByAll reports whether /proc shows an NGINX of which all workers, also those that are shutting down, have
// loaded the nginx.conf as it is on disk.
func (c *runningCache) isLoadedByAll(conf *nginxconf.Config) bool {
	if conf == nil {
		return false
	}
	running, ok := c.find(conf)
	return ok && len(running.ShuttingDown) == 0 && len(running.Active) > 0 && c.loads.HasLoaded(conf, running)
}

func absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}

// workerProcesses is how many workers nginx.conf asks for; onThisHost says that NGINX runs here.
func workerProcesses(conf *nginxconf.Config, onThisHost bool) (n int, ok bool) {
	switch {
	case conf.WorkersAt.Line == 0:
		return 0, false
	case conf.Workers == "auto":
		return runtime.NumCPU(), onThisHost
	}
	n, err := strconv.Atoi(conf.Workers)
	return n, err == nil
}
