// Package metric is the table of the collector's metrics: the name, help, type, labels and log variables of each.
// Descriptors, the series of the logs, the check of what a log_format lacks, README's table and the list that the
// program prints all come from it. It does not know how a metric is exposed.
package metric

import (
	"slices"

	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
)

// A Type is a metric's type.
type Type uint8

const (
	Counter Type = iota
	Gauge
	Histogram
)

func (t Type) String() string { return [...]string{"counter", "gauge", "histogram"}[t] }

// A Metric is one row of the table.
type Metric struct {
	Name     string
	Help     string
	Type     Type
	Labels   []string // in the order of Prometheus' descriptors
	Optional []string // labels that exist only in some set-ups
	Of       Source
	Needs    []Need    // a log_format must have a variable of each
	Buckets  []float64 // of a histogram: upper bounds of its own, seconds; nil for those of the config
	Session  string    // the variable that it is made of and that only stream{} has, without its dollar; "" for none
}

// A Source is the origin of a metric.
type Source uint8

const (
	Exporter Source = iota
	StatusPage
	AccessLog
	StreamLog
	UpstreamLog // access logs and logs of stream{}
	ErrorLog
	NginxConf
	ErrorLogAndConf
)

// A Need is met by any of its variables; the first is the recommended one.
type Need []logformat.Field

// A Format is a log_format, or several of one log.
type Format interface {
	Has(f logformat.Field) bool
}

// MetBy reports whether a log_format has one of the variables.
func (n Need) MetBy(f Format) bool { return slices.ContainsFunc(n, f.Has) }

// GivenBy reports whether a log_format has everything that the metric needs.
func (m *Metric) GivenBy(f Format) bool {
	return !slices.ContainsFunc(m.Needs, func(n Need) bool { return !n.MetBy(f) })
}

// IsOf reports whether the metric is one of an access log, or of a log of stream{}.
func (m *Metric) IsOf(isStream bool) bool {
	return m.Of == UpstreamLog || isStream && m.Of == StreamLog || !isStream && m.Of == AccessLog
}

// SessionVariables are those of stream{} that the metrics of its logs are made of and that access logs do not have.
func SessionVariables() []string {
	var variables []string
	for _, m := range table {
		if m.Session != "" {
			variables = append(variables, m.Session)
		}
	}
	return variables
}

// OfStream reports whether a log of stream{} can give the metric at all: it has no $upstream_response_time and no
// $upstream_header_time.
func (m *Metric) OfStream() bool {
	return m.IsOf(true) && !slices.ContainsFunc(m.Needs, func(n Need) bool {
		return n[0] == logformat.UpstreamResponseTime || n[0] == logformat.UpstreamHeaderTime
	})
}

// IsOfLog reports whether the metric comes from the lines of a log.
func (m *Metric) IsOfLog() bool {
	return m.Of == AccessLog || m.Of == StreamLog || m.Of == UpstreamLog || m.Of == ErrorLog
}

// Kept returns the labels that a log's ledger keeps: log is the same for all of its series, and of a server, upstream
// and node follow from its address by the present nginx.conf.
func (m *Metric) Kept() []string {
	ofServer := slices.Contains(m.Labels, "server")
	return slices.DeleteFunc(slices.Clone(m.Labels), func(label string) bool {
		return label == "log" || ofServer && (label == "upstream" || label == "node")
	})
}
