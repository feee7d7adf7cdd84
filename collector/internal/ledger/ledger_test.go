package ledger

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/internal/codec"
)

func testFamilies() []Family {
	return []Family{{Name: "requests", Labels: []string{"a", "b"}},
		{Name: "times", Labels: []string{"a"}, Histogram: true}}
}

func TestBucketsIncludeTheirBound(t *testing.T) {
	bounds := []float64{0.0005, 0.001, 0.1, 0.3, 2.3, 10, 3600}
	layout := NewLayout(bounds)
	for _, bound := range bounds {
		ms := int64(math.Round(bound * 1000))
		for _, observed := range []int64{ms - 1, ms, ms + 1} {
			if observed < 0 {
				continue
			}
			h := New(testFamilies(), layout, 1000).Histogram(1, "a")
			h.Observe(observed, 0)
			for i, n := range h.Cumulative(nil) {
				want := uint64(0)
				if float64(observed)/1000 <= bounds[i] {
					want = 1
				}
				if n != want {
					t.Errorf("%d ms: the bucket %v has %d, want %d", observed, bounds[i], n, want)
				}
			}
		}
	}
}

func TestSumsAreExact(t *testing.T) {
	h := New(testFamilies(), NewLayout([]float64{1}), 1000).Histogram(1, "a")
	for range 1_000_000 {
		h.Observe(1, 0)
	}
	h.Observe(999_999_999_999, 0)
	if h.SumMillis != 1_000_000_999_999 || h.Count() != 1_000_001 {
		t.Errorf("sum %d ms of %d", h.SumMillis, h.Count())
	}
}

func TestCounterStaysAtItsGreatest(t *testing.T) {
	c := Counter{Value: math.MaxUint64 - 1}
	c.Add(5)
	if c.Value != math.MaxUint64 {
		t.Errorf("%d", c.Value)
	}
}

// TestFullLedger: room is kept for the series of other label values, so that there are never more than allowed.
func TestFullLedger(t *testing.T) {
	const weight = 1 + 3 // a histogram with one bound
	l := New(testFamilies(), NewLayout([]float64{1}), 1+weight+2)
	a, b := l.Counter(0, "a", "b"), l.Counter(0, "ab", "")
	if a == b {
		t.Fatal("two label sets are one series")
	}
	other := l.Counter(0, "c", "c")
	if !slices.Equal(other.Labels, []string{Other, Other}) || l.Counter(0, "d", "d") != other {
		t.Errorf("a third label set is %v", other.Labels)
	}
	if h := l.Histogram(1, "a"); h.Labels[0] != Other {
		t.Errorf("a histogram found room as %v", h.Labels)
	}
	if l.Counter(0, "a", "b") != a || l.Dropped() != 3 {
		t.Errorf("dropped %d", l.Dropped())
	}
	l.Counter(0, "c", "c")
	if l.Dropped() != 3 {
		t.Error("the same label set is dropped twice")
	}
}

func TestDroppedIsBounded(t *testing.T) {
	l := New([]Family{{Name: "requests", Labels: []string{"a"}}}, NewLayout([]float64{1}), 1)
	for i := range maxDropped + 100 {
		l.Counter(0, string(rune(i/1000+65))+string(rune(i%1000+65)))
	}
	if l.Dropped() != maxDropped {
		t.Errorf("%d are remembered", l.Dropped())
	}
}

func TestRestoreRefuses(t *testing.T) {
	layout := NewLayout([]float64{1})
	l := New(testFamilies(), layout, 1000)
	l.Counter(0, "a", "b").Add(7)
	l.Histogram(1, "a").Observe(5, 0)
	state := l.AppendState(nil)
	again := New(testFamilies(), layout, 1000)
	if err := again.Restore(state); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.AppendState(nil), state) {
		t.Error("the state does not come back")
	}
	for name, damaged := range map[string][]byte{
		"nothing":         {},
		"a later version": append([]byte{2}, state[1:]...),
		"more behind it":  append(slices.Clone(state), 0),
		"endless strings": {1, 0xff, 0xff, 0xff, 0xff, 0x0f},
		"labels below 0": {1, 1, 1, 'a', 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 1, 0, 0,
			0, 0},
		"a string too far": {1, 0, 1, 9, 0, 0, 0, 0},
	} {
		err := New(testFamilies(), layout, 1000).Restore(damaged)
		if err == nil {
			t.Errorf("%s: taken", name)
		}
		if name != "a later version" && !errors.Is(err, codec.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestExemplarsOfABlock: each bucket keeps the latest observation with an id, unless the id is too long or the time too
// far.
func TestExemplarsOfABlock(t *testing.T) {
	l := New(testFamilies(), NewLayout([]float64{0.1, 1}), 1000)
	h := l.Histogram(1, "a")
	block := []byte("one two " + strings.Repeat("x", MaxExemplarID+1))
	l.Now = 5
	h.Observe(50, RefTo(0, 3))
	h.Observe(60, RefTo(4, 3))
	h.Observe(1<<31, RefTo(0, 3))
	h.Observe(500, RefTo(8, MaxExemplarID+1))
	l.KeepExemplars(block)
	copy(block, "overwritten")
	l.Now = 6
	h.Observe(70, RefTo(-1, 3)+RefTo(1<<40, 3)+RefTo(0, 0))
	h.Observe(1<<40, RefTo(0, 3))
	l.KeepExemplars(block)
	want := []Exemplar{{Millis: 60, Time: 5, length: 3}, {}, {Millis: 1 << 31, Time: 5, length: 3}}
	copy(want[0].id[:], "two")
	copy(want[2].id[:], "one")
	if !slices.Equal(h.Exemplars, want) || h.Count() != 6 {
		t.Errorf("%d observations, exemplars %q %q %q", h.Count(), h.Exemplars[0].ID(), h.Exemplars[1].ID(),
			h.Exemplars[2].ID())
	}
}

func BenchmarkObserve(b *testing.B) {
	h := New(testFamilies(), NewLayout([]float64{0.1, 1, 10}), 1000).Histogram(1, "a")
	ref := RefTo(5, 32)
	b.ReportAllocs()
	for ms := int64(0); b.Loop(); ms = (ms + 7) % 1000 {
		h.Observe(ms, ref)
	}
}

// FuzzRestore reads any bytes as a state: they are refused, or what comes of them is written and read again.
func FuzzRestore(f *testing.F) {
	layout := NewLayout([]float64{0.1, 1})
	l := New(testFamilies(), layout, 1000)
	l.Counter(0, "a", "b").Add(7)
	l.Histogram(1, "a").Observe(5, 0)
	f.Add(l.AppendState(nil))
	f.Add([]byte{1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, state []byte) {
		l := New(testFamilies(), layout, 1000)
		if l.Restore(state) != nil {
			return
		}
		if err := New(testFamilies(), layout, 1000).Restore(l.AppendState(nil)); err != nil {
			t.Fatal(err)
		}
	})
}
