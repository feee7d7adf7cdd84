package probe

import (
	"iter"
	"maps"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// A snapshot is what all probes give at one moment.
type snapshot struct {
	targets []targetSnapshot
	refused *dto.MetricFamily
}

// families makes one family after another: ten thousand targets give half a million series, and all at once they would
// need more memory than all else.
func (m snapshot) families() iter.Seq[*dto.MetricFamily] {
	gauges := map[string]string{} // help by name, of the last probes
	seen := map[*shape]bool{nil: true}
	for i := range m.targets {
		shape := m.targets[i].last.shape
		if seen[shape] {
			continue
		}
		seen[shape] = true
		for _, s := range shape.samples {
			if _, ok := gauges[s.Name]; !ok {
				gauges[s.Name] = s.Help
			}
		}
	}
	names := slices.Collect(maps.Keys(gauges))
	own := map[string]int{}
	for i := range ownFamilies {
		own[ownFamilies[i].name] = i
		names = append(names, ownFamilies[i].name)
	}
	names = append(names, m.refused.GetName())
	slices.Sort(names)
	return func(yield func(*dto.MetricFamily) bool) {
		w := familyWriter{pairs: map[Label]*dto.LabelPair{}}
		for _, name := range slices.Compact(names) {
			family := m.refused
			if i, is := own[name]; is {
				f := &ownFamilies[i]
				family = w.write(name, f.help, f.kind, m.targets, f.metrics)
			} else if name != m.refused.GetName() {
				family = w.write(name, gauges[name], dto.MetricType_GAUGE, m.targets,
					func(w *familyWriter, t *targetSnapshot) { w.last(t, name) })
			}
			if len(family.Metric) > 0 && !yield(family) {
				return
			}
		}
	}
}

// A familyWriter makes one family after another, in the same memory. It goes through the targets twice: to count the
// metrics, and to write them into what there is for all of them in one piece.
type familyWriter struct {
	pairs    map[Label]*dto.LabelPair // those that are not a target's own: many targets have the same
	counting bool
	n        int // counted, then written
	family   dto.MetricFamily

	metrics   []dto.Metric
	gauges    []dto.Gauge
	counters  []dto.Counter
	values    []float64
	latencies []latencyRoom
	labels    []*dto.LabelPair
}

func (w *familyWriter) write(name, help string, kind dto.MetricType, targets []targetSnapshot,
	metrics func(*familyWriter, *targetSnapshot)) *dto.MetricFamily {
	w.n, w.counting, w.labels = 0, true, w.labels[:0]
	for i := range targets {
		metrics(w, &targets[i])
	}
	w.makeRoom(kind)
	w.family.Name, w.family.Help, w.family.Type = &name, &help, kind.Enum()
	w.family.Metric = slices.Grow(w.family.Metric[:0], w.n)
	w.n, w.counting = 0, false
	for i := range targets {
		metrics(w, &targets[i])
	}
	if w.n <= maxSorted {
		slices.SortStableFunc(w.family.Metric, byLabels)
	}
	return &w.family
}

// makeRoom makes room for the metrics that have been counted.
func (w *familyWriter) makeRoom(kind dto.MetricType) {
	if w.n > len(w.metrics) {
		w.metrics, w.values = make([]dto.Metric, w.n), make([]float64, w.n)
	}
	w.latencies = nil
	switch {
	case kind == dto.MetricType_GAUGE && w.n > len(w.gauges):
		w.gauges = make([]dto.Gauge, w.n)
	case kind == dto.MetricType_COUNTER && w.n > len(w.counters):
		w.counters = make([]dto.Counter, w.n)
	case kind == dto.MetricType_HISTOGRAM:
		w.latencies = make([]latencyRoom, w.n)
	}
}

// next counts a metric. It returns the one to write into, and where its value stands; nil while they are counted.
func (w *familyWriter) next(t *targetSnapshot, more []Label) (metric *dto.Metric, at int) {
	at = w.n
	w.n++
	if w.counting {
		return nil, at
	}
	metric = &w.metrics[at]
	metric.Label, metric.Gauge, metric.Counter, metric.Histogram = w.merged(t.own, more), nil, nil, nil
	w.family.Metric = append(w.family.Metric, metric)
	return metric, at
}

func (w *familyWriter) gauge(t *targetSnapshot, value float64, more ...Label) {
	if metric, at := w.next(t, more); metric != nil {
		w.values[at] = value
		w.gauges[at].Value = &w.values[at]
		metric.Gauge = &w.gauges[at]
	}
}

func (w *familyWriter) counter(t *targetSnapshot, n uint64, more ...Label) {
	if metric, at := w.next(t, more); metric != nil {
		w.values[at] = float64(n)
		w.counters[at].Value, w.counters[at].CreatedTimestamp = &w.values[at], t.counts.born
		metric.Counter = &w.counters[at]
	}
}

func (w *familyWriter) latency(t *targetSnapshot) {
	if metric, at := w.next(t, nil); metric != nil {
		metric.Histogram = t.counts.latency.write(&w.latencies[at], t.counts.born)
	}
}

// last writes the gauges of one name that the last probe of a target gave.
func (w *familyWriter) last(t *targetSnapshot, name string) {
	if t.last.shape == nil {
		return
	}
	for _, i := range t.last.shape.named[name] {
		w.gauge(t, t.last.values[i], t.last.shape.samples[i].Labels...)
	}
}

// merged adds the labels of a sample to those of its target. One may have the name of one of these: it gives way, as a
// scraped label does in Prometheus.
func (w *familyWriter) merged(own []*dto.LabelPair, more []Label) []*dto.LabelPair {
	if len(more) == 0 {
		return own
	}
	begin := len(w.labels)
	w.labels = append(w.labels, own...)
	for _, l := range more {
		for slices.ContainsFunc(w.labels[begin:], func(p *dto.LabelPair) bool { return p.GetName() == l.Name }) {
			l.Name = "exported_" + l.Name
		}
		pair := w.pairs[l]
		if pair == nil {
			pair = &dto.LabelPair{Name: proto.String(l.Name), Value: proto.String(l.Value)}
			w.pairs[l] = pair
		}
		w.labels = append(w.labels, pair)
	}
	all := w.labels[begin:len(w.labels):len(w.labels)]
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
