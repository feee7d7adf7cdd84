// Package exposetest writes snapshots of logs in Prometheus' text format, for tests.
package exposetest

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A Snapshotter is what counts a log.
type Snapshotter interface {
	Snapshot() (ledger.Lines, *ledger.Snapshot)
}

// Lines returns the series of a log, one per line. It omits series that still are at their initial 0.
func Lines(log string, from Snapshotter, t *source.Topology) []string {
	n, s := from.Snapshot()
	w := &writer{log: log, topology: t}
	w.write("fremisn_exporter_log_lines_total", n.Parsed, "log", log, "result", "parsed")
	w.write("fremisn_exporter_log_lines_total", n.Malformed, "log", log, "result", "malformed")
	w.write("fremisn_exporter_log_lines_total", n.TooLong, "log", log, "result", "too_long")
	w.write("fremisn_exporter_log_series_dropped_total", uint64(s.Dropped), "log", log)
	for id := range metric.Count {
		for _, c := range s.Counters(int(id)) {
			if c.Value > 0 || !IsSeeded(id) {
				w.write(metric.Get(id).Name, c.Value, w.labels(id, s.Labels(int(id)), c.Labels)...)
			}
		}
		for _, h := range s.Histograms(int(id)) {
			w.histogram(metric.Get(id).Name, h, w.labels(id, s.Labels(int(id)), h.Labels))
		}
	}
	return w.lines
}

// IsSeeded reports whether series of a metric start at 0.
func IsSeeded(id metric.ID) bool {
	switch id {
	case metric.AccessOutcomes, metric.UpstreamOutcomes, metric.NoLive,
		metric.Retries, metric.LimitReq, metric.LimitConn:
		return true
	}
	return false
}

type writer struct {
	log      string
	topology *source.Topology
	lines    []string
}

// labels are names and values in turn.
func (w *writer) labels(id metric.ID, names, values []string) []string {
	labels := []string{"log", w.log}
	for i, name := range names {
		if name != "server" {
			labels = append(labels, name, values[i])
			continue
		}
		upstream, server, node := w.topology.Upstream(values[i]), values[i], w.topology.Node(values[i])
		switch {
		case server == ledger.Other:
			upstream, node = ledger.Other, ledger.Other
		case id == metric.ErrorEvents && (values[0] == "no_live_upstreams" || w.topology.IsGroup(server)):
			upstream, server, node = server, "", ""
		}
		labels = append(labels, "upstream", upstream, "server", server, "node", node)
	}
	return labels
}

func (w *writer) write(name string, value any, labels ...string) {
	var pairs []string
	le := ""
	for i := 0; i < len(labels); i += 2 {
		pair := labels[i] + `="` + strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(labels[i+1]) + `"`
		if labels[i] == "le" {
			le = pair
			continue
		}
		pairs = append(pairs, pair)
	}
	slices.Sort(pairs)
	if le != "" {
		pairs = append(pairs, le)
	}
	w.lines = append(w.lines, fmt.Sprintf("%s{%s} %v", name, strings.Join(pairs, ","), value))
}

func (w *writer) histogram(name string, h *ledger.Histogram, labels []string) {
	for i, n := range h.Cumulative(nil) {
		w.write(name+"_bucket", n, append(slices.Clone(labels), "le", number(h.Classic()[i]))...)
	}
	w.write(name+"_bucket", h.Count(), append(slices.Clone(labels), "le", number(math.Inf(1)))...)
	w.write(name+"_sum", number(float64(h.SumMillis)/1000), labels...)
	w.write(name+"_count", h.Count(), labels...)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
