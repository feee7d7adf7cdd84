package accesslog

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
)

// Variables of stream{} that logs of http do not have, by their place in Record.Captured: that of
// metric.SessionVariables.
const (
	protocol = iota
	sessionTime
	bytesReceived
)

// streamGives reports whether the formats have the variable of stream{} that a metric needs.
func streamGives(id metric.ID, p *logformat.Parser) bool {
	variable := metric.Get(id).Session
	if variable == "" || id == metric.StreamSessions && p.Has(logformat.Status) {
		return true
	}
	at := slices.Index(metric.SessionVariables(), variable)
	return slices.ContainsFunc(p.Formats(), func(f *logformat.Program) bool { return f.Captures(at) })
}

// countSession counts a line of a log of stream{}.
func (c *Counter) countSession(r *logformat.Record) {
	name := ledger.LabelText(r.Captured[protocol])
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
