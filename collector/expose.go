package collector

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fremisn/fremisn-exporter/collector/internal/follow"
	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A logExposer turns the snapshots of one log into samples. It caches them: a series that has not changed since the
// last scrape yields the same sample.
type logExposer struct {
	log string

	mu       sync.Mutex
	topology *source.Topology
	descs    *descs
	of       *ledger.Identity
	families *[metric.Count]exposedFamily // nil while nothing comes: it is for what changes
	last     madeCounter
	plain    *dto.Counter

	shown   *follow.Snapshot // that made emitted
	lag     int64
	emitted []sample
	errs    []error // why not all is shown
}

// A madeCounter is a counter's value, which series share: many start at 0.
type madeCounter struct {
	value   uint64
	created int64
	counter *dto.Counter
}

// An exposedFamily is a family as it was last exposed.
type exposedFamily struct {
	series []exposedSeries
	sorted []int32 // indices of series, by their labels
	err    error   // why not all are among them
}

// exposedSeries is a series as it was last exposed.
type exposedSeries struct {
	labels    []*dto.LabelPair
	value     uint64            // of a counter
	histogram *ledger.Histogram // as of the last snapshot
	made      any               // of these
}

// expose emits the metrics of the lines and of the log itself.
func (x *logExposer) expose(s *follow.Snapshot, lag int64, t *source.Topology, e emitter) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.of != s.Series.Of || x.topology != t || x.descs != e.to.descs {
		x.of, x.topology, x.descs, x.shown, x.families = s.Series.Of, t, e.to.descs, nil, nil
	}
	if x.shown != s || x.lag != lag {
		x.remake(s, lag)
	} else {
		x.families = nil
	}
	e.to.errs = append(e.to.errs, x.errs...)
	e.emitLog(x.log, x.emitted)
}

// remake makes the samples of a snapshot. Those that were given to earlier scrapes may still be read.
func (x *logExposer) remake(s *follow.Snapshot, lag int64) {
	x.shown, x.lag, x.emitted, x.errs = s, lag, make([]sample, 0, len(x.emitted)), nil
	if x.families == nil {
		x.families = new([metric.Count]exposedFamily)
	}
	for id := range metric.Count {
		if m := metric.Get(id); m.IsOfLog() {
			x.update(id, m.Type == metric.Histogram, s.Series)
			x.emitFamily(id)
		}
	}
	x.exposeLog(s, lag)
}

// update rebuilds the changed series of a metric.
func (x *logExposer) update(id metric.ID, isHistogram bool, snapshot *ledger.Snapshot) {
	if isHistogram {
		for i, h := range snapshot.Histograms(int(id)) {
			if s := x.seriesAt(id, i, snapshot, h.Labels); s.histogram != h {
				s.histogram, s.made = h, newHistogram(h)
			}
		}
		return
	}
	for i, c := range snapshot.Counters(int(id)) {
		if s := x.seriesAt(id, i, snapshot, c.Labels); s.made == nil || s.value != c.Value {
			s.value, s.made = c.Value, x.counter(c.Value, c.Created)
		}
	}
}

func (x *logExposer) emitFamily(id metric.ID) {
	f := &x.families[id]
	if len(f.sorted) < len(f.series) {
		f.sort(id)
	}
	if f.err != nil {
		x.errs = append(x.errs, fmt.Errorf("log %s: %w", x.log, f.err))
	}
	for _, i := range f.sorted {
		x.emitted = append(x.emitted, sample{id, f.series[i].labels, f.series[i].made})
	}
}

// sort sorts the series, and leaves out those whose labels another has: bytes that are not UTF-8 are shown as one and
// the same.
func (f *exposedFamily) sort(id metric.ID) {
	f.sorted, f.err = make([]int32, len(f.series)), nil
	for i := range f.sorted {
		f.sorted[i] = int32(i)
	}
	slices.SortStableFunc(f.sorted, func(a, b int32) int {
		return compareLabels(f.series[a].labels, f.series[b].labels)
	})
	f.sorted = slices.CompactFunc(f.sorted, func(a, b int32) bool {
		isTwice := compareLabels(f.series[a].labels, f.series[b].labels) == 0
		if isTwice {
			f.err = errTwice(id, f.series[a].labels)
		}
		return isTwice
	})
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

func (x *logExposer) seriesAt(id metric.ID, i int, snapshot *ledger.Snapshot, values []string) *exposedSeries {
	f := &x.families[id]
	if i == len(f.series) {
		f.series = append(f.series, exposedSeries{labels: x.pairs(id, snapshot.Labels(int(id)), values)})
	}
	return &f.series[i]
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

// exposeLog adds the metrics of the log itself.
func (x *logExposer) exposeLog(s *follow.Snapshot, lag int64) {
	add := func(id metric.ID, value any, labels ...string) {
		x.emitted = append(x.emitted, sample{id, x.descs.pairsOf(id, append([]string{x.log}, labels...)), value})
	}
	count := func(id metric.ID, n uint64, labels ...string) { add(id, x.plainCounter(n), labels...) }
	gauge := func(id metric.ID, v float64) { add(id, &dto.Gauge{Value: &v}) }
	count(metric.LogLines, s.Lines.Ignored, "ignored")
	count(metric.LogLines, s.Lines.Malformed, "malformed")
	count(metric.LogLines, s.Lines.Parsed, "parsed")
	count(metric.LogLines, s.Lines.TooLong, "too_long")
	count(metric.LogSeriesDropped, uint64(s.Series.Dropped))
	count(metric.LogReadBytes, s.Totals.ReadBytes)
	count(metric.LogRotations, s.Totals.Renamed, "renamed")
	count(metric.LogRotations, s.Totals.Truncated, "truncated")
	for _, reason := range slices.Sorted(slices.Values(follow.GapReasons())) {
		count(metric.LogGaps, s.Totals.Gaps[reason], reason)
	}
	gauge(metric.LogLag, float64(lag))
	if !s.Totals.LastLine.IsZero() {
		gauge(metric.LogLastLine, float64(s.Totals.LastLine.UnixMilli())/1000)
	}
}

func pair(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: proto.String(name), Value: proto.String(strings.ToValidUTF8(value, "\uFFFD"))}
}

func timestamp(unixMillis int64) *timestamppb.Timestamp {
	return timestamppb.New(time.UnixMilli(unixMillis))
}
