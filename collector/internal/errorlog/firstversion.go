package errorlog

import (
	"fmt"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/internal/codec"
	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
)

// restoreFirstVersion reads the state of the first version of this program: its version, 1; lines parsed, malformed
// and too long; entries without a place of their own; levels{text, number}; events{event, server or group, number}.
func restoreFirstVersion(state []byte, l *ledger.Ledger) (ledger.Lines, error) {
	r := codec.NewReader(state)
	if r.Uint() != 1 {
		r.Fail("another version")
	}
	text := func() string { return strings.ToValidUTF8(r.String(), "\uFFFD") }
	lines := ledger.Lines{Parsed: r.Uint(), Malformed: r.Uint(), TooLong: r.Uint()}
	r.Uint()
	for range r.Count(2) {
		level := text()
		l.Counter(int(metric.ErrorEntries), level).Add(r.Uint())
	}
	for range r.Count(3) {
		event, server := text(), text()
		l.Counter(int(metric.ErrorEvents), event, server).Add(r.Uint())
	}
	if r.End(); r.Err() != nil {
		return ledger.Lines{}, fmt.Errorf("restoring the counts of an error log: %w", r.Err())
	}
	return lines, nil
}
