package errorlog

import (
	"encoding/binary"
	"errors"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
)

var errState = errors.New("reading the saved counts of the error log failed")

// restoreFirstVersion reads the state of the first version of this program: its version, 1; lines parsed, malformed
// and too long; entries without a place of their own; levels{text, number}; events{event, server or group, number}.
func restoreFirstVersion(state []byte, l *ledger.Ledger) (ledger.Lines, error) {
	if len(state) == 0 || state[0] != 1 {
		return ledger.Lines{}, errState
	}
	d := textDecoder{rest: state[1:]}
	lines := ledger.Lines{Parsed: d.number(), Malformed: d.number(), TooLong: d.number()}
	d.number()
	for n := d.number(); n > 0 && !d.failed; n-- {
		level := d.text()
		l.Counter(int(metric.ErrorEntries), level).Add(d.number())
	}
	for n := d.number(); n > 0 && !d.failed; n-- {
		event, server := d.text(), d.text()
		l.Counter(int(metric.ErrorEvents), event, server).Add(d.number())
	}
	if d.failed || len(d.rest) > 0 {
		return ledger.Lines{}, errState
	}
	return lines, nil
}

// A textDecoder reads numbers and texts; after an error it returns nothing.
type textDecoder struct {
	rest   []byte
	failed bool
}

func (d *textDecoder) number() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.rest, d.failed = nil, true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *textDecoder) text() string {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.rest, d.failed = nil, true
		return ""
	}
	text := strings.ToValidUTF8(string(d.rest[:n]), "\uFFFD")
	d.rest = d.rest[n:]
	return text
}
