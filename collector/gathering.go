package collector

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
)

// A sample is one metric of a family at one scrape. What it points to must not be changed: later scrapes share it.
type sample struct {
	id     metric.ID
	labels []*dto.LabelPair // sorted by name
	value  any              // *dto.Counter, *dto.Gauge, *dto.Untyped or *dto.Histogram
}

// compareSamples orders samples by family, and within one as client_golang does.
func compareSamples(a, b sample) int {
	if a.id != b.id {
		return int(a.id - b.id)
	}
	return compareLabels(a.labels, b.labels)
}

// compareLabels orders the labels of one family's metrics as client_golang does.
func compareLabels(a, b []*dto.LabelPair) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	for i := range a {
		if a[i] == b[i] { // cached
			continue
		}
		if order := strings.Compare(a[i].GetValue(), b[i].GetValue()); order != 0 {
			return order
		}
	}
	return 0
}

// A gathering is what one scrape shows. It makes of it what a registry of client_golang would, without checking each
// series at each scrape: those of a log have been checked when they came into being.
type gathering struct {
	descs *descs
	logs  []logSamples
	loose []sample // all else
	errs  []error
}

// logSamples are what one log shows, sorted by their labels in each family.
type logSamples struct {
	log     string
	samples []sample
}

// families returns all families, sorted by name. The metrics are the caller's; what they point to is not.
func (g *gathering) families() ([]*dto.MetricFamily, error) {
	g.checkLoose()
	slices.SortFunc(g.logs, func(a, b logSamples) int { return strings.Compare(a.log, b.log) })
	all := append(g.logs, logSamples{samples: g.loose})
	var end [metric.Count]int // of each family's metrics; the beginning until they are placed
	total := 0
	for _, of := range all {
		for i := range of.samples {
			end[of.samples[i].id]++
		}
		total += len(of.samples)
	}
	at := 0
	for id, n := range end {
		end[id] = at
		at += n
	}
	metrics, pointers := make([]dto.Metric, total), make([]*dto.Metric, total)
	for _, of := range all {
		for i := range of.samples {
			s := &of.samples[i]
			m := &metrics[end[s.id]]
			s.write(m)
			pointers[end[s.id]] = m
			end[s.id]++
		}
	}
	families := make([]*dto.MetricFamily, 0, metric.Count)
	for _, id := range g.descs.byName {
		begin := 0
		if id > 0 {
			begin = end[id-1]
		}
		if begin < end[id] {
			families = append(families, newFamily(id, pointers[begin:end[id]:end[id]]))
		}
	}
	return families, errors.Join(g.errs...)
}

// checkLoose sorts the loose samples, and drops those whose labels another has.
func (g *gathering) checkLoose() {
	slices.SortStableFunc(g.loose, compareSamples)
	g.loose = slices.CompactFunc(g.loose, func(a, b sample) bool {
		isTwice := compareSamples(a, b) == 0
		if isTwice {
			g.errs = append(g.errs, errTwice(a.id, a.labels))
		}
		return isTwice
	})
}

func errTwice(id metric.ID, labels []*dto.LabelPair) error {
	return fmt.Errorf("%s has two series with the labels %v; one is not shown", metric.Get(id).Name, labels)
}

func (s *sample) write(m *dto.Metric) {
	m.Label = s.labels
	switch value := s.value.(type) {
	case *dto.Counter:
		m.Counter = value
	case *dto.Gauge:
		m.Gauge = value
	case *dto.Untyped:
		m.Untyped = value
	case *dto.Histogram:
		m.Histogram = value
	}
}

func newFamily(id metric.ID, metrics []*dto.Metric) *dto.MetricFamily {
	kind := dto.MetricType_GAUGE
	switch m := metrics[0]; {
	case m.Counter != nil:
		kind = dto.MetricType_COUNTER
	case m.Untyped != nil:
		kind = dto.MetricType_UNTYPED
	case m.Histogram != nil:
		kind = dto.MetricType_HISTOGRAM
	}
	of := metric.Get(id)
	return &dto.MetricFamily{
		Name: proto.String(of.Name), Help: proto.String(of.Help), Type: kind.Enum(), Metric: metrics,
	}
}

// An emitter takes what a scrape shows.
type emitter struct{ to *gathering }

func (e emitter) emitLog(log string, samples []sample) {
	e.to.logs = append(e.to.logs, logSamples{log, samples})
}

func (e emitter) emit(id metric.ID, value any, labels []string) {
	e.to.loose = append(e.to.loose, sample{id, e.to.descs.pairsOf(id, labels), value})
}

func (e emitter) counter(id metric.ID, v float64, labels ...string) {
	e.emit(id, &dto.Counter{Value: &v}, labels)
}

func (e emitter) gauge(id metric.ID, v float64, labels ...string) {
	e.emit(id, &dto.Gauge{Value: &v}, labels)
}

func (e emitter) untyped(id metric.ID, v float64, labels ...string) {
	e.emit(id, &dto.Untyped{Value: &v}, labels)
}
