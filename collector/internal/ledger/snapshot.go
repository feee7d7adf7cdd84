package ledger

import (
	"slices"
	"strings"
)

// A Snapshot is a ledger's series at one moment. It is immutable, so any goroutine may read it.
type Snapshot struct {
	Dropped int       // label sets that are counted as Other
	Of      *Identity // while it is the same, a series keeps its place in its family

	families []*familySnapshot // nil for unused ones
}

// An Identity tells ledgers apart, without keeping them in memory.
type Identity struct{ _ byte }

type familySnapshot struct {
	labels     []string
	counters   []Counter
	histograms []*Histogram
}

// Labels returns the label names of a family's series.
func (s *Snapshot) Labels(family int) []string { return s.family(family).labels }

// Counters returns the series of a family in order of creation.
func (s *Snapshot) Counters(family int) []Counter { return s.family(family).counters }

// Histograms returns the series of a family in order of creation. One that has not changed since the previous snapshot
// is the same object as there.
func (s *Snapshot) Histograms(family int) []*Histogram { return s.family(family).histograms }

func (s *Snapshot) family(i int) familySnapshot {
	if s.families[i] == nil {
		return familySnapshot{}
	}
	return *s.families[i]
}

// Snapshot copies the changes since the last one.
func (l *Ledger) Snapshot() *Snapshot {
	s := &Snapshot{Dropped: len(l.dropped), Of: l.identity, families: make([]*familySnapshot, len(l.families))}
	for i, f := range l.families {
		if f == nil || f.Unused {
			continue
		}
		f.freeze()
		s.families[i] = &familySnapshot{f.Labels, copyCounters(f.counters), slices.Clone(f.frozen)}
	}
	return s
}

func copyCounters(counters []*Counter) []Counter {
	if len(counters) == 0 {
		return nil
	}
	copied := make([]Counter, len(counters))
	for i, c := range counters {
		copied[i] = *c
	}
	return copied
}

// freeze updates the copies of the family's histograms.
func (f *family) freeze() {
	for i, h := range f.histograms {
		switch {
		case i == len(f.frozen):
			f.frozen = append(f.frozen, h.copy())
		case f.frozen[i].Count() != h.Count():
			f.frozen[i] = h.copy()
		}
	}
}

func (h *Histogram) copy() *Histogram {
	copied := &Histogram{Meta: h.Meta, SumMillis: h.SumMillis, layout: h.layout, counts: slices.Clone(h.counts)}
	copied.Exemplars = slices.Clone(h.Exemplars)
	return copied
}

// Adopt takes over what a state does not have from the last snapshot of the ledger that the state is of: exemplars, and
// since when series are 0.
func (l *Ledger) Adopt(s *Snapshot) {
	for i, f := range l.families {
		if f == nil || s.families[i] == nil {
			continue
		}
		for _, c := range s.families[i].counters {
			if at, ok := f.index[strings.Join(c.Labels, separator)]; ok {
				f.counters[at].Created = c.Created
			}
		}
		for _, h := range s.families[i].histograms {
			if at, ok := f.index[strings.Join(h.Labels, separator)]; ok {
				f.histograms[at].Exemplars = slices.Clone(h.Exemplars)
			}
		}
	}
}
