package collector

import (
	"slices"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// FullLogFormat is a log_format that has every metric.
const FullLogFormat = nginxconf.CombinedFormat +
	` t=$msec rt=$request_time rl=$request_length bs=$bytes_sent id=$request_id lr="$limit_req_status" ` +
	`lc="$limit_conn_status" cs="$upstream_cache_status"` +
	` ua="$upstream_addr" us="$upstream_status" uct="$upstream_connect_time" uht="$upstream_header_time" ` +
	`urt="$upstream_response_time"` +
	` ubs="$upstream_bytes_sent" ubr="$upstream_bytes_received"`

// FullStreamFormat is a log_format of stream{} that gives every metric of its logs.
const FullStreamFormat = `$remote_addr [$time_local] $protocol $status $bytes_sent $bytes_received $session_time` +
	` ua="$upstream_addr" uct="$upstream_connect_time" ubs="$upstream_bytes_sent" ubr="$upstream_bytes_received"`

// A MissingMetric is a metric, or a label that separates its series, that a log_format lacks.
type MissingMetric struct {
	Metric   string
	Variable string // what to add to the log_format, such as $request_time
}

// A LineError says where a line does not fit its log_format and what the format has there.
type LineError = logformat.LineError

// A FormatCheck reads sample lines with a log_format and counts nothing.
type FormatCheck struct {
	parser   *logformat.Parser
	record   *logformat.Record
	isStream bool // of stream{}
}

// NewFormatCheck compiles a log_format; escape is default, json or none. The error says what is wrong with the format.
func NewFormatCheck(format, escape string) (*FormatCheck, error) {
	program, err := logformat.Compile(format, escape, logformat.Options{})
	if err != nil {
		return nil, err
	}
	return &FormatCheck{parser: logformat.NewParser(program), record: logformat.NewRecord()}, nil
}

// Line reads one line, with or without its newline. The error, if any, is a *LineError.
func (c *FormatCheck) Line(line []byte) error { return c.parser.ParseLine(line, c.record) }

// Missing returns what the log_format lacks: absent metrics, then labels that say less than they could.
func (c *FormatCheck) Missing() []MissingMetric {
	p := c.parser.Program
	if c.isStream {
		return missingOfStream(p)
	}
	return append(missingMetrics(p), missingDetails(p)...)
}

func missingMetrics(p *logformat.Program) []MissingMetric {
	var missing []MissingMetric
	for _, m := range metric.Table() {
		if m.Of == metric.StreamLog {
			continue
		}
		var variables []string
		for _, n := range m.Needs {
			if !n.MetBy(p) {
				variables = append(variables, "$"+logformat.VariableName(n[0]))
			}
		}
		if len(variables) > 0 {
			missing = append(missing, MissingMetric{m.Name, strings.Join(variables, ", ")})
		}
	}
	return missing
}

func missingDetails(p *logformat.Program) []MissingMetric {
	var missing []MissingMetric
	need := func(metric, variable string, has ...bool) {
		for _, h := range has {
			if h {
				return
			}
		}
		missing = append(missing, MissingMetric{metric, variable})
	}
	need("nginx_access_requests_total{code}", "$status", p.Has(logformat.Status))
	need("nginx_access_requests_total{method}", "$request", p.Has(logformat.Request), p.Has(logformat.RequestMethod))
	need("nginx_access_requests_total{route}", "$request", p.Has(logformat.Request), p.Has(logformat.RequestURI))
	if p.HasUpstream() {
		need("nginx_upstream_attempts_total{server}", "$upstream_addr", p.Has(logformat.UpstreamAddr))
		need("nginx_upstream_attempts_total{code}", "$upstream_status", p.Has(logformat.UpstreamStatus))
	}
	need("exemplars", "$request_id", p.Has(logformat.RequestID))
	return missing
}

// missingOfStream is what a log_format of stream{} cannot give.
func missingOfStream(p *logformat.Program) []MissingMetric {
	var missing []MissingMetric
	for _, m := range metric.Table() {
		if !m.OfStream() {
			continue
		}
		var variables []string
		for _, n := range m.Needs {
			if !n.MetBy(p) {
				variables = append(variables, "$"+logformat.VariableName(n[0]))
			}
		}
		if m.Session != "" && !p.Captures(slices.Index(metric.SessionVariables(), m.Session)) {
			variables = append(variables, "$"+m.Session)
		}
		if len(variables) > 0 {
			missing = append(missing, MissingMetric{m.Name, strings.Join(variables, ", ")})
		}
	}
	if !p.Has(logformat.Status) {
		missing = append(missing, MissingMetric{"nginx_stream_sessions_total{status}", "$status"})
	}
	return missing
}
