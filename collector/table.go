package collector

import (
	"slices"
	"strings"
	"sync"

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

// descs are what is the same at every scrape: the names of labels, the order of families, and cached label pairs, for
// many logs have the same.
type descs struct {
	labels [metric.Count][]string
	byName []metric.ID

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
	if cached := d.pairs[key]; cached != nil {
		return cached
	}
	made := pair(name, value)
	if len(d.pairs) < maxPairs {
		d.pairs[key] = made
	}
	return made
}

// pairsOf returns the labels of a metric with these values, sorted by name.
func (d *descs) pairsOf(id metric.ID, values []string) []*dto.LabelPair {
	pairs := make([]*dto.LabelPair, len(values))
	for i, value := range values {
		pairs[i] = d.pair(d.labels[id][i], value)
	}
	sortLabels(pairs)
	return pairs
}

// newDescs returns descriptors; severalPages adds the label addr to the metrics of status pages.
func newDescs(severalPages bool) *descs {
	d := &descs{pairs: map[nameAndValue]*dto.LabelPair{}}
	for id, m := range metric.Table() {
		d.byName = append(d.byName, metric.ID(id))
		d.labels[id] = m.Labels
		if severalPages && m.Of == metric.StatusPage {
			d.labels[id] = append(slices.Clone(m.Labels), "addr")
		}
	}
	slices.SortFunc(d.byName, func(a, b metric.ID) int {
		return strings.Compare(metric.Get(a).Name, metric.Get(b).Name)
	})
	return d
}
