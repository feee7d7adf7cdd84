package probe

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// refusedLogInterval is the minimum time between two log lines about refused targets.
const refusedLogInterval = time.Minute

// maxRefusedTargets limits the targets that one line of the log names.
const maxRefusedTargets = 10

// A refusedLog counts what /probe refuses, and logs it once a minute: an old job that gets 403 for everything is
// visible nowhere else.
type refusedLog struct {
	logger log.Logger

	mu      sync.Mutex
	counts  map[string]uint64   // by reason
	targets map[string]struct{} // since the last line
	since   uint64              // refused since the last line
	told    time.Time
}

func newRefusedLog(logger log.Logger) *refusedLog {
	return &refusedLog{
		logger:  logger,
		counts:  map[string]uint64{refusedTarget: 0, refusedCredentials: 0, refusedBusy: 0},
		targets: map[string]struct{}{},
	}
}

func (r *refusedLog) add(reason, target string) {
	r.mu.Lock()
	r.counts[reason]++
	r.since++
	if len(r.targets) < maxRefusedTargets {
		r.targets[clip(mask.Target(target))] = struct{}{}
	}
	r.mu.Unlock()
	r.write()
}

// write writes the line, unless there was one within the last minute.
func (r *refusedLog) write() {
	r.mu.Lock()
	if r.since == 0 || time.Since(r.told) < refusedLogInterval {
		r.mu.Unlock()
		return
	}
	refused, targets := r.since, slices.Sorted(maps.Keys(r.targets))
	r.told, r.since = time.Now(), 0
	clear(r.targets)
	r.mu.Unlock()
	level.Warn(r.logger).Log("msg", "/probe has refused targets", "refused", refused, "targets", strings.Join(targets,
		" "),
		"remedy", "name them under probes:, or widen on_demand.allow; the 403 response says which")
}

// family returns the counter.
func (r *refusedLog) family() *dto.MetricFamily {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := &dto.MetricFamily{
		Name: proto.String("fremisn_exporter_probes_refused_total"),
		Help: proto.String("Requests of /probe that were refused, by reason."), Type: dto.MetricType_COUNTER.Enum(),
	}
	for _, reason := range slices.Sorted(maps.Keys(r.counts)) {
		out.Metric = append(out.Metric, &dto.Metric{
			Label:   labelPairs([]Label{{"reason", reason}}),
			Counter: &dto.Counter{Value: proto.Float64(float64(r.counts[reason]))},
		})
	}
	return out
}
