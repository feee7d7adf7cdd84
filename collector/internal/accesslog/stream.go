package accesslog

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
)

// Where the values of source.StreamVariables stand in Record.Captured.
const (
	protocol = iota
	sessionTime
	bytesReceived
)

// streamGives reports whether the formats have the variable of stream{} that a metric is made of.
func streamGives(id metric.ID, p *logformat.Parser) bool {
	variable := protocol
	switch id {
	case metric.StreamSessions:
		return p.Has(logformat.Status) || capturesAny(p, protocol)
	case metric.StreamSessionDuration:
		variable = sessionTime
	case metric.StreamReceivedBytes:
		variable = bytesReceived
	default:
		return true
	}
	return capturesAny(p, variable)
}

func capturesAny(p *logformat.Parser, variable int) bool {
	for _, f := range p.Formats() {
		if f.Captures(variable) {
			return true
		}
	}
	return false
}

// countSession counts a line of a log of stream{}.
func (c *Counter) countSession(r *logformat.Record) {
	name := labelText(r.Captured[protocol])
	c.ledger.Counter(int(metric.StreamSessions), name, CodeName(c.rules.Code(r))).Value++
	if millis, ok := seconds(r.Captured[sessionTime]); ok {
		c.ledger.Histogram(int(metric.StreamSessionDuration), name).Observe(millis, ledger.RefTo(r.IDAt, r.IDLen))
	}
	if r.Sent >= 0 {
		c.ledger.Counter(int(metric.StreamSentBytes)).Add(uint64(r.Sent))
	}
	if n, err := strconv.ParseUint(string(r.Captured[bytesReceived]), 10, 63); err == nil {
		c.ledger.Counter(int(metric.StreamReceivedBytes)).Add(n)
	}
}

// seconds reads "N.NNN" into milliseconds.
func seconds(text []byte) (millis int64, ok bool) {
	whole, fraction, found := bytes.Cut(text, []byte("."))
	if !found || len(fraction) != 3 || len(whole) > 9 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(whole)+string(fraction), 10, 63)
	return int64(n), err == nil
}

// labelText makes a label's value of what stands in a log.
func labelText(raw []byte) string {
	const maxLabel = 256
	return strings.ToValidUTF8(string(raw[:min(len(raw), maxLabel)]), "\uFFFD")
}
