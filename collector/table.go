package collector

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
)

// A Metric describes a metric of this package for documentation, rules and dashboards.
type Metric struct {
	Name, Type string
	Labels     []string // including those that exist only in some set-ups
	Help       string
}

// Metrics returns every metric of this package.
func Metrics() []Metric {
	var all []Metric
	for _, m := range metric.Table() {
		all = append(all, Metric{
			Name: m.Name, Type: m.Type.String(), Labels: append(slices.Clone(m.Labels), m.Optional...), Help: m.Help,
		})
	}
	return all
}

// descs are the descriptors of all metrics, and cached label pairs: many logs have the same.
type descs struct {
	byID [metric.Count]*prometheus.Desc

	mu    sync.Mutex // guards the fields below
	pairs map[nameAndValue]*dto.LabelPair
}

type nameAndValue struct{ name, value string }

// maxPairs limits the cached labels: clients choose some of them.
const maxPairs = 1 << 14

// pair returns a label, which must not be changed.
func (d *descs) pair(name, value string) *dto.LabelPair {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := nameAndValue{name, value}
	if known := d.pairs[key]; known != nil {
		return known
	}
	made := pair(name, value)
	if len(d.pairs) < maxPairs {
		d.pairs[key] = made
	}
	return made
}

// newDescs returns descriptors; severalPages adds the label addr to the metrics of status pages.
func newDescs(severalPages bool) *descs {
	d := &descs{pairs: map[nameAndValue]*dto.LabelPair{}}
	for id, m := range metric.Table() {
		labels := m.Labels
		if severalPages && m.Of == metric.StatusPage {
			labels = append(slices.Clone(labels), "addr")
		}
		d.byID[id] = prometheus.NewDesc(m.Name, m.Help, labels, nil)
	}
	return d
}

// A emitter emits metrics of fixed labels.
type emitter struct {
	descs *descs
	emit  func(prometheus.Metric)
}

func (e emitter) counter(id metric.ID, v float64, labels ...string) {
	e.emit(prometheus.MustNewConstMetric(e.descs.byID[id], prometheus.CounterValue, v, labels...))
}

func (e emitter) gauge(id metric.ID, v float64, labels ...string) {
	e.emit(prometheus.MustNewConstMetric(e.descs.byID[id], prometheus.GaugeValue, v, labels...))
}

func (e emitter) untyped(id metric.ID, v float64, labels ...string) {
	e.emit(prometheus.MustNewConstMetric(e.descs.byID[id], prometheus.UntypedValue, v, labels...))
}
