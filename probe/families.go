package probe

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A gathering is one scrape of the probes. It visits all samples twice: to count those of each family, and to write
// them into memory allocated in one piece. Ten thousand targets have half a million samples, and an allocation for
// each would take longer than everything else.
type gathering struct {
	families map[string]*family
	pairs    map[Label]*dto.LabelPair // except those of a single target: many targets share them
	counting bool
}

// A family is one of the two values, with its container.
type family struct {
	name, help string
	kind       dto.MetricType
	n          int // counted, then written

	metrics  []dto.Metric
	gauges   []dto.Gauge
	counters []dto.Counter
	values   []float64
}

// next counts a sample of a family. It returns the metric to write it into, or nil during the counting pass.
func (g *gathering) next(
	name, help string, kind dto.MetricType, own []*dto.LabelPair, more []Label,
) (*family, *dto.Metric) {
	f := g.families[name]
	if f == nil {
		f = &family{name: name, help: help, kind: kind}
		g.families[name] = f
	}
	f.n++
	if g.counting {
		return f, nil
	}
	metric := &f.metrics[f.n-1]
	metric.Label = g.labels(own, more)
	return f, metric
}

func (g *gathering) gauge(name, help string, own []*dto.LabelPair, value float64, more ...Label) {
	f, metric := g.next(name, help, dto.MetricType_GAUGE, own, more)
	if metric == nil {
		return
	}
	f.values[f.n-1] = value
	f.gauges[f.n-1].Value = &f.values[f.n-1]
	metric.Gauge = &f.gauges[f.n-1]
}

func (g *gathering) counter(
	name, help string, own []*dto.LabelPair, n uint64, born *timestamppb.Timestamp, more ...Label,
) {
	f, metric := g.next(name, help, dto.MetricType_COUNTER, own, more)
	if metric == nil {
		return
	}
	f.values[f.n-1] = float64(n)
	f.counters[f.n-1].Value, f.counters[f.n-1].CreatedTimestamp = &f.values[f.n-1], born
	metric.Counter = &f.counters[f.n-1]
}

func (g *gathering) histogram(name, help string, own []*dto.LabelPair, h prometheus.Histogram) {
	if _, metric := g.next(name, help, dto.MetricType_HISTOGRAM, own, nil); metric != nil {
		h.Write(metric) // never returns an error
		metric.Label = own
	}
}

// allocate makes room for what has been counted.
func (g *gathering) allocate() {
	g.counting = false
	for _, f := range g.families {
		f.metrics = make([]dto.Metric, f.n)
		switch f.kind {
		case dto.MetricType_GAUGE:
			f.gauges, f.values = make([]dto.Gauge, f.n), make([]float64, f.n)
		case dto.MetricType_COUNTER:
			f.counters, f.values = make([]dto.Counter, f.n), make([]float64, f.n)
		}
		f.n = 0
	}
}

func (g *gathering) build() []*dto.MetricFamily {
	var all []*dto.MetricFamily
	for _, f := range g.families {
		out := &dto.MetricFamily{Name: &f.name, Help: &f.help, Type: f.kind.Enum()}
		out.Metric = make([]*dto.Metric, len(f.metrics))
		for i := range f.metrics {
			out.Metric[i] = &f.metrics[i]
		}
		if len(f.metrics) <= maxSorted {
			slices.SortStableFunc(out.Metric, byLabels)
		}
		all = append(all, out)
	}
	return all
}

// labels adds the labels of a sample to those of its target. A label of the same name is renamed, as Prometheus does
// with a scraped label.
func (g *gathering) labels(own []*dto.LabelPair, more []Label) []*dto.LabelPair {
	if len(more) == 0 {
		return own
	}
	all := make([]*dto.LabelPair, len(own), len(own)+len(more))
	copy(all, own)
	for _, l := range more {
		for slices.ContainsFunc(all, func(p *dto.LabelPair) bool { return p.GetName() == l.Name }) {
			l.Name = "exported_" + l.Name
		}
		pair := g.pairs[l]
		if pair == nil {
			pair = &dto.LabelPair{Name: proto.String(l.Name), Value: proto.String(l.Value)}
			g.pairs[l] = pair
		}
		all = append(all, pair)
	}
	slices.SortFunc(all, byName)
	return all
}

// maxSorted limits the families that are sorted by labels. Sorting is for human readers; larger families are in the
// order of their targets.
const maxSorted = 2000

func byLabels(a, b *dto.Metric) int {
	for i := range min(len(a.Label), len(b.Label)) {
		if c := strings.Compare(a.Label[i].GetValue(), b.Label[i].GetValue()); c != 0 {
			return c
		}
	}
	return len(a.Label) - len(b.Label)
}

func byName(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) }

// labelPairs converts labels to those of metrics, sorted by name.
func labelPairs(labels []Label) []*dto.LabelPair {
	var pairs []*dto.LabelPair
	for _, l := range labels {
		pairs = append(pairs, &dto.LabelPair{Name: proto.String(l.Name), Value: proto.String(l.Value)})
	}
	slices.SortFunc(pairs, byName)
	return pairs
}
