package collector

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"

	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/internal/takenout"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// takenOut returns the servers whose outages an error log can show: none without an nginx.conf, which has max_fails
// and fail_timeout, and none if the log's level omits failures.
func (c *Collector) takenOut(s *source.Settings, log source.LogSource) takenout.Options {
	o := takenout.Options{Answers: c.answers, Gone: c.workers.gone}
	if s.Conf == nil {
		return o
	}
	level := s.ErrorLevel(log)
	if level == nginxconf.LevelCrit {
		return o
	}
	o.Logged = level == nginxconf.LevelWarn
	o.Workers, _ = strconv.Atoi(s.Conf.Workers) // 0 for auto
	for _, u := range s.Conf.Upstreams {
		o.Servers = append(o.Servers, passableServers(u, s.Resolved)...)
	}
	return o
}

// passableServers returns the servers of a group that NGINX may pass over. It never does that to the only server of a
// group, or with max_fails=0; a group that Lua balances is up to Lua.
func passableServers(u nginxconf.Upstream, resolved map[string][]string) []takenout.Server {
	if u.Method == "lua" {
		return nil
	}
	var servers []takenout.Server
	all := 0
	for _, s := range u.Servers {
		addresses := resolved[s.Address]
		if len(addresses) == 0 {
			addresses = []string{s.Address}
		}
		all += len(addresses)
		for _, address := range addresses {
			if s.MaxFails > 0 && !s.Down {
				servers = append(servers, takenout.Server{
					Upstream: u.Name, Address: address, MaxFails: s.MaxFails, FailTimeout: s.FailTimeout,
					Shared: u.Zone != "",
				})
			}
		}
	}
	if all < 2 {
		return nil
	}
	return servers
}

// collectErrorLogs is collectLogs for error logs, with which servers are taken out.
func collectErrorLogs(ctx context.Context, logs []*followed, still stillLogs, t *source.Topology) (emission, error) {
	snapshots, err := snapshotsOf(ctx, logs, still)
	found := exposeLogs(logs, snapshots, t)
	var states []takenout.State
	for _, s := range snapshots {
		if s != nil {
			states = append(states, s.Out...)
		}
	}
	return func(e emitter, openMetrics bool) {
		found(e, openMetrics)
		emitTakenOut(states, t, e)
	}, err
}

// emitTakenOut emits the servers that are taken out, from all error logs together.
func emitTakenOut(states []takenout.State, t *source.Topology, e emitter) {
	for _, s := range mergeStates(states) {
		labels := []string{s.Server.Upstream, s.Server.Address, t.Node(s.Server.Address)}
		unavailable := 0.0
		if s.Unavailable {
			unavailable = 1
		}
		e.gauge(metric.ServerUnavailable, unavailable, labels...)
		e.gauge(metric.ServerUnavailableWorkers, float64(s.Workers), labels...)
		e.counter(metric.ServerUnavailableSeconds, s.Seconds, labels...)
		for _, evidence := range []takenout.Evidence{takenout.Logged, takenout.Replayed} {
			e.counter(metric.ServerUnavailableTaken, float64(s.Taken[evidence]), append(labels, evidence.String())...)
		}
	}
}

// mergeStates combines what several error logs show of a server: each has the failures of its own virtual hosts.
func mergeStates(states []takenout.State) []takenout.State {
	var merged []takenout.State
	for _, s := range states {
		i := slices.IndexFunc(merged, func(m takenout.State) bool {
			return m.Server.Upstream == s.Server.Upstream && m.Server.Address == s.Server.Address
		})
		if i < 0 {
			merged = append(merged, s)
			continue
		}
		m := &merged[i]
		m.Unavailable = m.Unavailable || s.Unavailable
		m.Workers = max(m.Workers, s.Workers)
		m.Seconds = max(m.Seconds, s.Seconds)
		for evidence, n := range s.Taken {
			m.Taken[evidence] += n
		}
	}
	return merged
}

// workers remembers which of NGINX's workers it has seen in /proc, to notice that they have ended. In another
// container's /proc there are none, and nothing is known.
type workers struct {
	mu   sync.Mutex
	seen map[int]bool
}

func newWorkers() *workers { return &workers{seen: map[int]bool{}} }

// maxWorkersSeen limits the remembered workers.
const maxWorkersSeen = 4096

// gone reports whether a worker has ended or is shutting down. NGINX's new workers know nothing of its failures.
func (w *workers) gone(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	isWorker := err == nil && bytes.HasPrefix(line, []byte("nginx: worker process"))
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case isWorker && !bytes.Contains(line, []byte("shutting down")):
		if len(w.seen) < maxWorkersSeen {
			w.seen[pid] = true
		}
		return false
	case w.seen[pid]:
		delete(w.seen, pid)
		return true
	}
	return isWorker
}
