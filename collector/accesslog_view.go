package collector

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
)

// A printer turns the series of a ledger into metrics. It keeps what it made: a series that has not moved since
// the last scrape gives the same metric again, which nobody may change.
type printer struct {
	log    string
	layout *ledger.Layout
	series [familyCount][]printed
}

// printed is a series as it was last given.
type printed struct {
	labels []*dto.LabelPair
	stamp  uint64 // of a counter its value, of a histogram how many observations it had
	metric prometheus.Metric
}

func newPrinter(log string, layout *ledger.Layout) printer {
	return printer{log: log, layout: layout}
}

func (p *printer) reset() { p.series = [familyCount][]printed{} }

// accessView is the metrics of an access log at one moment.
type accessView []prometheus.Metric

// Emit implements view.
func (v accessView) Emit(emit func(prometheus.Metric)) {
	for _, m := range v {
		emit(m)
	}
}

// View implements book.
func (b *accessBook) View() view {
	v := accessView{
		prometheus.MustNewConstMetric(descLogLines, prometheus.CounterValue, float64(b.parsed), b.log, "parsed"),
		prometheus.MustNewConstMetric(descLogLines, prometheus.CounterValue, float64(b.malformed), b.log, "malformed"),
		prometheus.MustNewConstMetric(descLogLines, prometheus.CounterValue, float64(b.tooLong), b.log, "too_long"),
		prometheus.MustNewConstMetric(descLogSeriesDropped, prometheus.CounterValue, float64(b.ledger.Dropped()), b.log),
	}
	metrics := accessMetrics()
	for family := range metrics {
		m := &metrics[family]
		if !m.given(b.parser.Program) {
			continue
		}
		if m.histogram {
			v = b.printed.histograms(v, family, m, b.ledger.Histograms(family), b.topology)
		} else {
			v = b.printed.counters(v, family, m, b.ledger.Counters(family), b.topology)
		}
	}
	return v
}

func (p *printer) counters(v accessView, family int, m *accessMetric, counters []*ledger.Counter, t *topology) accessView {
	for i, c := range counters {
		if i == len(p.series[family]) {
			p.series[family] = append(p.series[family], printed{labels: p.pairs(m, c.Labels, t)})
		}
		s := &p.series[family][i]
		if s.metric == nil || s.stamp != c.Value {
			s.stamp = c.Value
			s.metric = &constMetric{desc: m.desc, labels: s.labels, counter: &dto.Counter{
				Value: proto.Float64(float64(c.Value)), CreatedTimestamp: timestamp(c.Created),
			}}
		}
		v = append(v, s.metric)
	}
	return v
}

func (p *printer) histograms(v accessView, family int, m *accessMetric, histograms []*ledger.Histogram, t *topology) accessView {
	for i, h := range histograms {
		if i == len(p.series[family]) {
			p.series[family] = append(p.series[family], printed{labels: p.pairs(m, h.Labels, t)})
		}
		s := &p.series[family][i]
		if count := h.Count(); s.metric == nil || s.stamp != count {
			s.stamp = count
			s.metric = &constMetric{desc: m.desc, labels: s.labels, histogram: newHistogram(h, p.layout)}
		}
		v = append(v, s.metric)
	}
	return v
}

// pairs are the labels of a series, sorted by name. A server's upstream and node are by the topology.
func (p *printer) pairs(m *accessMetric, values []string, t *topology) []*dto.LabelPair {
	pairs := []*dto.LabelPair{pair("log", p.log)}
	for i, name := range m.labels {
		pairs = append(pairs, pair(name, values[i]))
		if name != "server" {
			continue
		}
		upstream, node := t.upstream(values[i]), t.node(values[i])
		switch values[i] {
		case ledger.Other:
			upstream, node = ledger.Other, ledger.Other
		case unknownServer:
			upstream, node = "", ""
		}
		pairs = append(pairs, pair("upstream", upstream), pair("node", node))
	}
	slices.SortFunc(pairs, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	return pairs
}

func pair(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: proto.String(name), Value: proto.String(strings.ToValidUTF8(value, "\uFFFD"))}
}

func timestamp(unixMillis int64) *timestamppb.Timestamp {
	return timestamppb.New(time.UnixMilli(unixMillis))
}

// A constMetric is a metric that does not change any more.
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
