package collector

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
)

// A Metric is a metric of this package as documentation, rules and dashboards want to know it.
type Metric struct {
	Name, Type string
	Labels     []string // those that are there in some set-ups only included
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

// descs are the descriptors of all metrics, by ID.
type descs [metric.Count]*prometheus.Desc

// newDescs returns descriptors; severalPages adds the label addr to the metrics of status pages.
func newDescs(severalPages bool) *descs {
	d := &descs{}
	for id, m := range metric.Table() {
		labels := m.Labels
		if severalPages && m.Of == metric.StatusPage {
			labels = append(slices.Clone(labels), "addr")
		}
		d[id] = prometheus.NewDesc(m.Name, m.Help, labels, nil)
	}
	return d
}

// A emitter emits metrics of fixed labels.
type emitter struct {
	descs *descs
	emit  func(prometheus.Metric)
}

func (e emitter) counter(id metric.ID, v float64, labels ...string) {
	e.emit(prometheus.MustNewConstMetric(e.descs[id], prometheus.CounterValue, v, labels...))
}

func (e emitter) gauge(id metric.ID, v float64, labels ...string) {
	e.emit(prometheus.MustNewConstMetric(e.descs[id], prometheus.GaugeValue, v, labels...))
}

func (e emitter) untyped(id metric.ID, v float64, labels ...string) {
	e.emit(prometheus.MustNewConstMetric(e.descs[id], prometheus.UntypedValue, v, labels...))
}
