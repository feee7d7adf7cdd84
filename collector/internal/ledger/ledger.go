// Package ledger counts: counters and histograms in plain integers, owned by one goroutine, bounded in number,
// written to and read from a compact state.
//
// Who counts asks for a series once and keeps the pointer: adding to it is then an addition. A series stays where it
// is for as long as its ledger.
package ledger

import (
	"math"
	"strings"
)

// A Family is a metric that a ledger keeps.
type Family struct {
	Name      string
	Labels    []string // the label names of its series
	Histogram bool
	Layout    *Layout // of its histograms; nil for the ledger's
	Unused    bool    // read-only: it only keeps what a state has
}

// Meta is what counters and histograms have in common.
type Meta struct {
	Labels  []string // values, valid UTF-8
	Created int64    // Unix milliseconds
}

// maxLabel is the length of the longest label value that LabelText returns, bytes.
const maxLabel = 256

// LabelText converts a logged value to a valid label value.
func LabelText(raw []byte) string {
	return strings.ToValidUTF8(string(raw[:min(len(raw), maxLabel)]), "\uFFFD")
}

// A Counter counts. Nothing in it is locked.
type Counter struct {
	Meta
	Value uint64

	seeded bool // created to show 0
}

// Add adds n, and stays at the maximum value instead of overflowing.
func (c *Counter) Add(n uint64) {
	if c.Value += n; c.Value < n {
		c.Value = math.MaxUint64
	}
}

// Other is the value of all labels of the series that counts whatever came after a ledger was full.
const Other = "other"

// maxDropped limits the label sets that are remembered as dropped. New ones after that do not count as further sets.
const maxDropped = 1 << 15

// A Ledger holds the series of one log.
type Ledger struct {
	// Now is the creation time of new series, Unix milliseconds.
	Now int64

	identity  *Identity
	layout    *Layout
	maxSeries int
	series    int       // as Prometheus counts, with room for each family's series Other
	all       []Family  // of all logs of one format: nobody changes them
	families  []*family // by their index in all; nil for an unused one that no state has
	dropped   map[uint64]struct{}
	kept      []keptFamily // of a state: families that this ledger does not have
}

type family struct {
	*Family
	layout     *Layout
	weight     int // how many series one is for Prometheus
	counters   []*Counter
	histograms []*Histogram
	frozen     []*Histogram   // copies of histograms, as of the last snapshot
	index      map[string]int // of the list above; nil before the first
}

// New returns an empty ledger of at most maxSeries series. A family that has no room for another series counts it,
// with all of its labels, as Other; the room for that series is reserved from the beginning.
func New(families []Family, layout *Layout, maxSeries int) *Ledger {
	l := &Ledger{identity: &Identity{}, layout: layout, maxSeries: maxSeries, all: families,
		families: make([]*family, len(families))}
	for i := range families {
		if !families[i].Unused {
			l.series += l.family(i).weight
		}
	}
	return l
}

// family returns a family, which it makes if that is not there.
func (l *Ledger) family(i int) *family {
	if l.families[i] != nil {
		return l.families[i]
	}
	f := &family{Family: &l.all[i], layout: l.layout, weight: 1}
	if f.Layout != nil {
		f.layout = f.Layout
	}
	if f.Histogram && !f.Unused {
		f.weight = len(f.layout.Classic) + 3 // +Inf, _sum and _count
	}
	l.families[i] = f
	return f
}

// Dropped returns the number of label sets that came when there was no room for another series.
func (l *Ledger) Dropped() int { return len(l.dropped) }

// Counters returns the series of a family in order of creation. The caller must not change them.
func (l *Ledger) Counters(family int) []*Counter { return l.family(family).counters }

// Histograms returns the series of a family in order of creation. The caller must not change them.
func (l *Ledger) Histograms(family int) []*Histogram { return l.family(family).histograms }

// Counter returns the series with these label values, or that of Other if there is no room for it.
func (l *Ledger) Counter(family int, labels ...string) *Counter {
	return l.family(family).counters[l.find(family, labels)]
}

// Histogram returns the series with these label values, or that of Other if there is no room for it.
func (l *Ledger) Histogram(family int, labels ...string) *Histogram {
	return l.family(family).histograms[l.find(family, labels)]
}

// Seed creates the series with these label values, at 0 until something is counted in it. Until then it is not part of
// the state.
func (l *Ledger) Seed(family int, labels ...string) {
	f := l.family(family)
	before := len(f.counters)
	c := l.Counter(family, labels...)
	c.seeded = c.seeded || len(f.counters) > before
}

// KeepExemplars keeps the ids that are pending since the last call. They are in block.
func (l *Ledger) KeepExemplars(block []byte) {
	for _, f := range l.families {
		if f == nil {
			continue
		}
		for _, h := range f.histograms {
			h.keepExemplars(block, l.Now)
		}
	}
}

// separator cannot be part of valid UTF-8.
const separator = "\xff"

func (l *Ledger) find(family int, labels []string) int {
	f := l.family(family)
	key := strings.Join(labels, separator)
	if i, ok := f.index[key]; ok {
		return i
	}
	other := strings.TrimSuffix(strings.Repeat(Other+separator, len(f.Labels)), separator)
	if key != other {
		if l.series+f.weight > l.maxSeries {
			l.drop(f.Name, key)
			labels = make([]string, len(f.Labels))
			for i := range labels {
				labels[i] = Other
			}
			return l.find(family, labels)
		}
		l.series += f.weight
	}
	return l.create(f, key, labels)
}

func (l *Ledger) create(f *family, key string, labels []string) int {
	meta := Meta{Labels: append([]string(nil), labels...), Created: l.Now}
	i := len(f.counters)
	if f.Histogram {
		i = len(f.histograms)
		f.histograms = append(f.histograms, newHistogram(meta, f.layout))
	} else {
		f.counters = append(f.counters, &Counter{Meta: meta})
	}
	if f.index == nil {
		f.index = map[string]int{}
	}
	f.index[key] = i
	return i
}

func (l *Ledger) drop(name, key string) { l.dropHash(hash(name, key)) }

func (l *Ledger) dropHash(h uint64) {
	if l.dropped == nil {
		l.dropped = map[uint64]struct{}{}
	}
	if len(l.dropped) < maxDropped {
		l.dropped[h] = struct{}{}
	}
}

// hash is FNV-1a: it is part of the state, so it must be the same in every process.
func hash(parts ...string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, part := range parts {
		for i := range len(part) {
			h = (h ^ uint64(part[i])) * 0x100000001b3
		}
		h = (h ^ 0xff) * 0x100000001b3
	}
	return h
}
