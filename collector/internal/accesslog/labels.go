package accesslog

import (
	"slices"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// An ownLabels gives a line the values of the user's own labels. It numbers the combinations of values that occur, for
// the series caches: 0 is that of no values, for the series that start at 0.
type ownLabels struct {
	labels []ownLabel
	values [][]string // by number
	number map[uint64]int
}

// maxCombinations limits the numbers: they have 16 bits in the key of a request.
const maxCombinations = 1 << 15

type ownLabel struct {
	captured  int               // the captured variable that it comes from
	index     map[string]uint16 // values; 0 is Other
	values    []string
	room      int // for further values
	wildcards []source.Wildcard
}

func newOwnLabels(labels []source.Label) *ownLabels {
	o := &ownLabels{number: map[uint64]int{}, values: [][]string{make([]string, len(labels))}}
	variables := source.LogSource{Labels: labels}.Captured()
	for _, l := range labels {
		own := ownLabel{index: map[string]uint16{}, values: []string{ledger.Other}, room: l.Max, wildcards: l.Wildcards}
		own.captured = slices.Index(variables, l.Variable)
		for _, value := range l.Values {
			own.add(value)
		}
		o.labels = append(o.labels, own)
	}
	return o
}

func (l *ownLabel) add(value string) uint16 {
	n := uint16(len(l.values))
	l.values = append(l.values, value)
	l.index[value] = n
	return n
}

// find returns the number of a value, or that of Other if it is not one of the label's.
func (l *ownLabel) find(value []byte) uint16 {
	if n, ok := l.index[string(value)]; ok {
		return n
	}
	for _, w := range l.wildcards {
		if w.Fits(value) {
			return l.named(w.Name)
		}
	}
	if l.room == 0 {
		return 0
	}
	return l.insert(string(value))
}

func (l *ownLabel) named(value string) uint16 {
	if n, ok := l.index[value]; ok {
		return n
	}
	return l.add(value)
}

// insert adds one of the first values that come.
func (l *ownLabel) insert(value string) uint16 {
	const maxValue = 256
	value = strings.ToValidUTF8(value[:min(len(value), maxValue)], "\uFFFD")
	if n, ok := l.index[value]; ok || l.room == 0 || value == ledger.Other {
		return n
	}
	l.room--
	return l.add(value)
}

// restore restores the values of a state.
func (o *ownLabels) restore(values []string) {
	for i := range o.labels {
		if l := &o.labels[i]; l.room > 0 && values[i] != "" {
			l.insert(values[i])
		}
	}
}

// of returns the number of a line's values.
func (o *ownLabels) of(r *logformat.Record) int {
	if len(o.labels) == 0 {
		return 0
	}
	key := uint64(0)
	for i := range o.labels {
		key = key<<16 | uint64(o.labels[i].find(r.Captured[o.labels[i].captured]))
	}
	if n, ok := o.number[key]; ok {
		return n
	}
	return o.combine(key)
}

// combine numbers a combination of values. Beyond the limit, it is the number of Other alone.
func (o *ownLabels) combine(key uint64) int {
	if len(o.values) >= maxCombinations && key != 0 {
		return o.combine(0)
	}
	values := make([]string, len(o.labels))
	for i := range values {
		shift := 16 * (len(values) - 1 - i)
		values[i] = o.labels[i].values[key>>shift&0xffff]
	}
	n := len(o.values)
	if number, ok := o.number[key]; ok {
		return number
	}
	o.values = append(o.values, values)
	o.number[key] = n
	return n
}
