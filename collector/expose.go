package collector

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fremisn/fremisn-exporter/collector/internal/follow"
	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A logExposer turns the snapshots of one log into metrics. It caches them: a series that has not changed since the
// last scrape yields the same metric, which must not be changed.
type logExposer struct {
	log string

	mu       sync.Mutex
	topology *source.Topology
	descs    *descs
	of       *ledger.Identity
	series   [metric.Count][]exposedSeries
	last     madeCounter
	plain    *dto.Counter

	shown   *follow.Snapshot // that made emitted
	lag     int64
	emitted []prometheus.Metric
}

// A madeCounter is a counter's value, which series share: many start at 0.
type madeCounter struct {
	value   uint64
	created int64
	counter *dto.Counter
}

// exposedSeries is a series as it was last exposed.
type exposedSeries struct {
	labels    []*dto.LabelPair
	value     uint64            // of a counter
	histogram *ledger.Histogram // as of the last snapshot
	metric    prometheus.Metric
}

// expose emits the metrics of the lines and of the log itself.
func (x *logExposer) expose(s *follow.Snapshot, lag int64, t *source.Topology, e emitter) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.of != s.Series.Of || x.topology != t || x.descs != e.descs {
		x.of, x.topology, x.descs, x.shown = s.Series.Of, t, e.descs, nil
		x.series = [metric.Count][]exposedSeries{}
	}
	if x.shown != s || x.lag != lag {
		x.remake(s, lag, e)
	} else {
		x.series = [metric.Count][]exposedSeries{} // nothing comes: these are for what changes
	}
	for _, m := range x.emitted {
		e.emit(m)
	}
}

// remake makes the metrics of a snapshot.
func (x *logExposer) remake(s *follow.Snapshot, lag int64, e emitter) {
	x.shown, x.lag, x.emitted = s, lag, make([]prometheus.Metric, 0, len(x.emitted))
	e.emit = func(m prometheus.Metric) { x.emitted = append(x.emitted, m) }
	for id := range metric.Count {
		switch m := metric.Get(id); {
		case !m.IsOfLog():
		case m.Type == metric.Histogram:
			x.exposeHistograms(id, s.Series, e)
		default:
			x.exposeCounters(id, s.Series, e)
		}
	}
	x.exposeLog(s, lag, e)
}

func (x *logExposer) exposeCounters(id metric.ID, snapshot *ledger.Snapshot, e emitter) {
	for i, c := range snapshot.Counters(int(id)) {
		s := x.seriesAt(id, i, snapshot, c.Labels)
		if s.metric == nil || s.value != c.Value {
			s.value = c.Value
			s.metric = &constMetric{desc: e.descs.byID[id], labels: s.labels, counter: x.counter(c.Value, c.Created)}
		}
		e.emit(s.metric)
	}
}

// counter returns a value, which must not be changed.
func (x *logExposer) counter(value uint64, created int64) *dto.Counter {
	if x.last.counter == nil || x.last.value != value || x.last.created != created {
		x.last = madeCounter{value, created, &dto.Counter{
			Value: proto.Float64(float64(value)), CreatedTimestamp: timestamp(created),
		}}
	}
	return x.last.counter
}

func (x *logExposer) exposeHistograms(id metric.ID, snapshot *ledger.Snapshot, e emitter) {
	for i, h := range snapshot.Histograms(int(id)) {
		s := x.seriesAt(id, i, snapshot, h.Labels)
		if s.histogram != h {
			s.histogram = h
			s.metric = &constMetric{desc: e.descs.byID[id], labels: s.labels, histogram: newHistogram(h)}
		}
		e.emit(s.metric)
	}
}

func (x *logExposer) seriesAt(id metric.ID, i int, snapshot *ledger.Snapshot, values []string) *exposedSeries {
	if i == len(x.series[id]) {
		x.series[id] = append(x.series[id], exposedSeries{labels: x.pairs(id, snapshot.Labels(int(id)), values)})
	}
	return &x.series[id][i]
}

// pairs returns the labels of a series, sorted by name.
func (x *logExposer) pairs(id metric.ID, names, values []string) []*dto.LabelPair {
	pairs := make([]*dto.LabelPair, 1, len(names)+3)
	pairs[0] = x.descs.pair("log", x.log)
	for i, name := range names {
		if name != "server" {
			pairs = append(pairs, x.descs.pair(name, values[i]))
			continue
		}
		upstream, server, node := x.place(values[i], id == metric.ErrorEvents && values[0] == "no_live_upstreams")
		pairs = append(pairs, x.descs.pair("upstream", upstream), x.descs.pair("server", server),
			x.descs.pair("node", node))
	}
	sortLabels(pairs)
	return pairs
}

func sortLabels(labels []*dto.LabelPair) {
	slices.SortFunc(labels, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
}

// place is the labels upstream, server and node of what the ledger has as a server: in an error log that may be a
// group. An address that a *_pass names is both a group and its server.
func (x *logExposer) place(name string, isGroup bool) (upstream, server, node string) {
	switch {
	case name == ledger.Other:
		return ledger.Other, ledger.Other, ledger.Other
	case isGroup || x.topology.IsGroup(name) && x.topology.Upstream(name) == "":
		return x.topology.GroupName(name), "", ""
	}
	return x.topology.Upstream(name), name, x.topology.Node(name)
}

// plainCounter returns a value whose beginning is not told.
func (x *logExposer) plainCounter(value uint64) *dto.Counter {
	if x.plain == nil || x.plain.GetValue() != float64(value) {
		x.plain = &dto.Counter{Value: proto.Float64(float64(value))}
	}
	return x.plain
}

// exposeLog emits the metrics of the log itself.
func (x *logExposer) exposeLog(s *follow.Snapshot, lag int64, e emitter) {
	count := func(id metric.ID, n uint64, label, value string) {
		labels := []*dto.LabelPair{e.descs.pair("log", x.log)}
		if label != "" {
			labels = append(labels, e.descs.pair(label, value))
			sortLabels(labels)
		}
		e.emit(&constMetric{desc: e.descs.byID[id], labels: labels, counter: x.plainCounter(n)})
	}
	count(metric.LogLines, s.Lines.Parsed, "result", "parsed")
	count(metric.LogLines, s.Lines.Malformed, "result", "malformed")
	count(metric.LogLines, s.Lines.TooLong, "result", "too_long")
	count(metric.LogLines, s.Lines.Ignored, "result", "ignored")
	count(metric.LogSeriesDropped, uint64(s.Series.Dropped), "", "")
	count(metric.LogReadBytes, s.Totals.ReadBytes, "", "")
	count(metric.LogRotations, s.Totals.Renamed, "kind", "renamed")
	count(metric.LogRotations, s.Totals.Truncated, "kind", "truncated")
	for _, reason := range follow.GapReasons() {
		count(metric.LogGaps, s.Totals.Gaps[reason], "reason", reason)
	}
	e.gauge(metric.LogLag, float64(lag), x.log)
	if !s.Totals.LastLine.IsZero() {
		e.gauge(metric.LogLastLine, float64(s.Totals.LastLine.UnixMilli())/1000, x.log)
	}
}

func pair(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: proto.String(name), Value: proto.String(strings.ToValidUTF8(value, "\uFFFD"))}
}

func timestamp(unixMillis int64) *timestamppb.Timestamp {
	return timestamppb.New(time.UnixMilli(unixMillis))
}

// A constMetric is an immutable metric.
type constMetric struct {
	desc      *prometheus.Desc
	labels    []*dto.LabelPair
	counter   *dto.Counter
	histogram *dto.Histogram
}

// Desc implements prometheus.Metric.
func (m *constMetric) Desc() *prometheus.Desc { return m.desc }

// Write implements prometheus.Metric.
func (m *constMetric) Write(out *dto.Metric) error {
	out.Label, out.Counter, out.Histogram = m.labels, m.counter, m.histogram
	return nil
}
