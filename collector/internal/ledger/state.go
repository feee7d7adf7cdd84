package ledger

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fremisn/fremisn-exporter/collector/internal/codec"
)

// The state of a ledger: a version, then families by name, so that one may come or go between two versions of the
// program or of a log_format. All numbers are uvarints; a label is an index into a table of strings. A histogram's
// buckets are (greatest milliseconds, count): buckets of another layout are thus read by their upper edge. Exemplars
// are left out: after a restart the next request gives a new one.
//
//	version, strings{length, bytes}, families{name, labels, kind, series{labels…, created, …}}, dropped{8 bytes}
//
// where {} is preceded by how many there are.
const stateVersion = 1

// A keptFamily is one that a state has and the ledger does not: it is written back as it was read.
type keptFamily struct {
	name        string
	labels      int
	isHistogram bool
	counters    []*Counter
	histograms  []keptHistogram
}

type keptHistogram struct {
	Meta
	sum     uint64
	buckets []keptBucket
}

type keptBucket struct{ upper, count uint64 }

// AppendState appends the state of the ledger to dst.
func (l *Ledger) AppendState(dst []byte) []byte {
	w := stateWriter{index: map[string]uint64{}}
	used := l.usedFamilies()
	w.number(uint64(len(used) + len(l.kept)))
	for _, f := range used {
		w.ownFamily(f)
	}
	for i := range l.kept {
		w.kept(&l.kept[i])
	}
	w.number(uint64(len(l.dropped)))
	for _, h := range slices.Sorted(maps.Keys(l.dropped)) {
		w.body = binary.LittleEndian.AppendUint64(w.body, h)
	}
	dst = codec.AppendUint(dst, stateVersion)
	dst = codec.AppendUint(dst, uint64(len(w.strings)))
	for _, s := range w.strings {
		dst = codec.AppendString(dst, s)
	}
	return append(dst, w.body...)
}

// usedFamilies returns those that have counted something.
func (l *Ledger) usedFamilies() []*family {
	var used []*family
	for _, f := range l.families {
		if f != nil && (len(f.histograms) > 0 || slices.ContainsFunc(f.counters, (*Counter).hasCounted)) {
			used = append(used, f)
		}
	}
	return used
}

// hasCounted reports whether a state must have the counter.
func (c *Counter) hasCounted() bool { return c.Value > 0 || !c.seeded }

type stateWriter struct {
	strings []string
	index   map[string]uint64
	body    []byte
}

func (w *stateWriter) number(n uint64) { w.body = codec.AppendUint(w.body, n) }

func (w *stateWriter) string(s string) {
	i, ok := w.index[s]
	if !ok {
		i = uint64(len(w.strings))
		w.strings = append(w.strings, s)
		w.index[s] = i
	}
	w.number(i)
}

func (w *stateWriter) family(name string, labels int, isHistogram bool) {
	w.string(name)
	w.number(uint64(labels))
	kind := uint64(0)
	if isHistogram {
		kind = 1
	}
	w.number(kind)
}

func (w *stateWriter) ownFamily(f *family) {
	w.family(f.Name, len(f.Labels), f.Histogram)
	counters := 0
	for _, c := range f.counters {
		if c.hasCounted() {
			counters++
		}
	}
	w.number(uint64(counters + len(f.histograms)))
	for _, c := range f.counters {
		if c.hasCounted() {
			w.meta(&c.Meta)
			w.number(c.Value)
		}
	}
	for _, h := range f.histograms {
		w.meta(&h.Meta)
		w.number(h.SumMillis)
		w.joint(h)
	}
}

func (w *stateWriter) meta(m *Meta) {
	for _, label := range m.Labels {
		w.string(label)
	}
	w.number(uint64(max(m.Created, 0)))
}

func (w *stateWriter) joint(h *Histogram) {
	filled := 0
	for _, n := range h.counts {
		if n > 0 {
			filled++
		}
	}
	w.number(uint64(filled))
	for i, n := range h.counts {
		if n > 0 {
			w.number(h.layout.upper[i])
			w.number(n)
		}
	}
}

func (w *stateWriter) kept(f *keptFamily) {
	w.family(f.name, f.labels, f.isHistogram)
	w.number(uint64(len(f.counters) + len(f.histograms)))
	for _, c := range f.counters {
		w.meta(&c.Meta)
		w.number(c.Value)
	}
	for _, h := range f.histograms {
		w.meta(&h.Meta)
		w.number(h.sum)
		w.number(uint64(len(h.buckets)))
		for _, b := range h.buckets {
			w.number(b.upper)
			w.number(b.count)
		}
	}
}

// Restore sets a new ledger to the counts of a state. After an error the ledger must not be used. States are
// untrusted: Restore allocates no more than a small multiple of their length.
func (l *Ledger) Restore(state []byte) error {
	r := &stateReader{Reader: codec.NewReader(state)}
	if version := r.Uint(); r.Err() == nil && version != stateVersion {
		return fmt.Errorf("the state has version %d, this program reads %d", version, stateVersion)
	}
	for range r.Count(1) {
		r.table = append(r.table, r.text())
	}
	for range r.Count(3) {
		l.restoreFamily(r)
	}
	for range r.Count(8) {
		if hash := r.Bytes(8); hash != nil {
			l.dropHash(binary.LittleEndian.Uint64(hash))
		}
	}
	r.End()
	return r.Err()
}

func (l *Ledger) restoreFamily(r *stateReader) {
	f := keptFamily{name: r.label()}
	labels := r.Uint()
	f.isHistogram = r.Uint() == 1
	if labels > maxLabels {
		r.Fail("too many labels")
		return
	}
	f.labels = int(labels)
	own := slices.IndexFunc(l.all, f.isOf)
	for range r.Count(f.labels + 2) {
		meta := r.meta(f.labels)
		switch {
		case r.Err() != nil:
			return
		case own >= 0:
			l.restoreSeries(own, meta, r)
		case f.isHistogram:
			f.histograms = append(f.histograms, r.histogram(meta))
		default:
			f.counters = append(f.counters, &Counter{Meta: meta, Value: r.Uint()})
		}
	}
	if own < 0 {
		l.kept = append(l.kept, f)
	}
}

// isOf reports whether a ledger's family is the one that a state has.
func (f keptFamily) isOf(own Family) bool {
	return own.Name == f.name && len(own.Labels) == f.labels && own.Histogram == f.isHistogram
}

func (l *Ledger) restoreSeries(family int, meta Meta, r *stateReader) {
	if l.all[family].Histogram {
		l.restoreHistogram(family, r.histogram(meta), r)
		return
	}
	value := r.Uint()
	if i, ok := l.place(family, meta, r); ok {
		l.family(family).counters[i].Value = value
	}
}

func (l *Ledger) restoreHistogram(family int, kept keptHistogram, r *stateReader) {
	i, ok := l.place(family, kept.Meta, r)
	if !ok {
		return
	}
	h := l.family(family).histograms[i]
	h.SumMillis = kept.sum
	for _, b := range kept.buckets {
		j, _ := h.layout.bucket(b.upper)
		h.counts[j] += b.count
	}
}

// place creates the series of a state. It creates all of them even if maxSeries is smaller than it was: a series that
// a scrape has shown must not disappear.
func (l *Ledger) place(family int, meta Meta, r *stateReader) (int, bool) {
	f := l.family(family)
	key := strings.Join(meta.Labels, separator)
	if _, twice := f.index[key]; twice {
		r.Fail("a series occurs twice")
		return 0, false
	}
	if !f.Unused && !isOther(meta.Labels) {
		l.series += f.weight
	}
	i := l.create(f, key, meta.Labels)
	if f.Histogram {
		f.histograms[i].Created = meta.Created
	} else {
		f.counters[i].Created = meta.Created
	}
	return i, true
}

func isOther(labels []string) bool {
	return !slices.ContainsFunc(labels, func(label string) bool { return label != Other })
}

// maxLabels is more than any family has.
const maxLabels = 16

// A stateReader reads a state whose labels are in a table.
type stateReader struct {
	*codec.Reader
	table []string
}

func (r *stateReader) text() string {
	s := r.String()
	if !utf8.ValidString(s) {
		r.Fail("a label is not UTF-8")
	}
	return s
}

func (r *stateReader) label() string {
	i := r.Uint()
	if i >= uint64(len(r.table)) {
		r.Fail("a label index out of range")
		return ""
	}
	return r.table[i]
}

func (r *stateReader) meta(labels int) Meta {
	m := Meta{Labels: make([]string, 0, labels)}
	for range labels {
		m.Labels = append(m.Labels, r.label())
	}
	created := r.Uint()
	if created > 1<<53 {
		r.Fail("an impossible time")
	}
	m.Created = int64(created)
	return m
}

func (r *stateReader) histogram(meta Meta) keptHistogram {
	h := keptHistogram{Meta: meta, sum: r.Uint()}
	for range r.Count(2) {
		h.buckets = append(h.buckets, keptBucket{upper: r.Uint(), count: r.Uint()})
	}
	return h
}
