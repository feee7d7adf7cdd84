package collector

import (
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
)

const (
	// CombinedFormat is the log_format that NGINX has where none is named.
	CombinedFormat = combinedFormat

	// FullLogFormat is a log_format that gives every metric.
	FullLogFormat = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"` +
		` rt=$request_time rl=$request_length bs=$bytes_sent id=$request_id lr="$limit_req_status" lc="$limit_conn_status" cs="$upstream_cache_status"` +
		` ua="$upstream_addr" us="$upstream_status" uct="$upstream_connect_time" uht="$upstream_header_time" urt="$upstream_response_time"` +
		` ubs="$upstream_bytes_sent" ubr="$upstream_bytes_received"`
)

// A MissingMetric is a metric, or what tells its series apart, that a log_format cannot give.
type MissingMetric struct {
	Metric   string
	Variable string // what to add to the log_format, such as $request_time
}

// A LineError tells where a line does not fit its log_format and what should stand there.
type LineError = logformat.LineError

// A FormatCheck reads sample lines with a log_format and counts nothing.
type FormatCheck struct {
	parser *logformat.Parser
	record *logformat.Record
}

// NewFormatCheck compiles a log_format; escape is default, json or none. The error says what is wrong with the format.
func NewFormatCheck(format, escape string) (*FormatCheck, error) {
	program, err := logformat.Compile(format, escape, logformat.Options{Paths: true})
	if err != nil {
		return nil, err
	}
	return &FormatCheck{logformat.NewParser(program), logformat.NewRecord()}, nil
}

// Line reads one line, with or without its newline. The error, if any, is a *LineError.
func (c *FormatCheck) Line(line []byte) error { return c.parser.ParseLine(line, c.record) }

// Missing tells what the log_format cannot give.
func (c *FormatCheck) Missing() []MissingMetric { return missingMetrics(c.parser.Program) }

// Missing tells what the book's log_format cannot give.
func (b *accessBook) Missing() []MissingMetric { return missingMetrics(b.parser.Program) }

// missingMetrics are metrics that are absent, then labels that say less than they could.
func missingMetrics(p *logformat.Program) []MissingMetric {
	var missing []MissingMetric
	for _, m := range accessMetrics() {
		var variables []string
		for _, n := range m.needs {
			if !n.met(p) {
				variables = append(variables, "$"+logformat.VariableName(n[0]))
			}
		}
		if len(variables) > 0 {
			missing = append(missing, MissingMetric{m.name, strings.Join(variables, ", ")})
		}
	}
	detail := func(absent bool, metric, variable string) {
		if absent {
			missing = append(missing, MissingMetric{metric, variable})
		}
	}
	detail(!p.Has(logformat.Status), "nginx_access_requests_total{code}", "$status")
	detail(!p.Has(logformat.Request) && !p.Has(logformat.RequestMethod), "nginx_access_requests_total{method}", "$request")
	detail(!p.Has(logformat.Request) && !p.Has(logformat.RequestURI), "nginx_access_requests_total{route}", "$request")
	if p.HasUpstream() {
		detail(!p.Has(logformat.UpstreamAddr), "nginx_upstream_attempts_total{server}", "$upstream_addr")
		detail(!p.Has(logformat.UpstreamStatus), "nginx_upstream_attempts_total{code}", "$upstream_status")
	}
	detail(!p.Has(logformat.RequestID), "exemplars", "$request_id")
	return missing
}
