package ledger

import (
	"math"
	"slices"
	"sort"
)

// NativeSchema is the resolution of native histograms: 2^3 buckets for each doubling, so that a quantile is off by at
// most 4.5 %.
const NativeSchema = 3

// A Layout is how observations of whole milliseconds fall into buckets. One joint array of buckets holds what both
// the classic and the native histogram need: its bounds are all bounds of both. Bounds are whole milliseconds
// here, the greatest that a bucket takes, for NGINX writes no finer times. A Layout belongs to who observes: the first
// observation makes its table. After FillTable it never changes, and any goroutine may use it.
type Layout struct {
	Classic []float64 // upper bounds in seconds, without +Inf

	upper   []uint64 // of each joint bucket: the greatest milliseconds in it; the last has no limit
	classic []uint16 // of each joint bucket: its classic bucket, len(Classic) for +Inf
	native  []int16  // of each joint bucket: the index of the native bucket; zeroBucket for the first
	table   []uint32 // by milliseconds: the joint bucket, and the classic one in the upper half; nil before the first
}

const (
	// tableMillis is the limit of the table that maps milliseconds to buckets; longer times are searched. An idle log
	// has no table.
	tableMillis = 1 << 12

	zeroBucket = math.MinInt16

	minNative = -80 // 2^(-80/8) s is just below 1 ms, the smallest time above zero
	maxNative = 240 // 2^(240/8) s are 34 years, more than logformat accepts as a time
)

// NewLayout returns the layout for classic upper bounds in rising seconds.
func NewLayout(classic []float64) *Layout {
	l := &Layout{Classic: slices.Clone(classic)}
	classicUpper := make([]uint64, len(classic))
	for i, bound := range classic {
		classicUpper[i] = millisWithin(bound)
	}
	var natives []uint64
	for i := minNative; i <= maxNative; i++ {
		natives = append(natives, millisWithin(nativeBound(i)))
	}
	l.upper = append(l.upper, 0)
	l.upper = append(l.upper, natives...)
	l.upper = append(l.upper, classicUpper...)
	slices.Sort(l.upper)
	l.upper = slices.Compact(l.upper)
	for _, upper := range l.upper {
		l.classic = append(l.classic, uint16(sort.Search(len(classicUpper),
			func(i int) bool { return upper <= classicUpper[i] })))
		index := zeroBucket
		if upper > 0 {
			index = min(minNative+sort.Search(len(natives), func(i int) bool { return upper <= natives[i] }), maxNative)
		}
		l.native = append(l.native, int16(index))
	}
	return l
}

// FillTable makes the table.
func (l *Layout) FillTable() {
	table := make([]uint32, tableMillis)
	for ms := range table {
		i := l.search(uint64(ms))
		table[ms] = uint32(i) | uint32(l.classic[i])<<16
	}
	l.table = table
}

// bucket returns the joint bucket of an observation, and the classic one.
func (l *Layout) bucket(ms uint64) (joint, classic int) {
	if ms < uint64(len(l.table)) {
		both := l.table[ms]
		return int(both & 0xffff), int(both >> 16)
	}
	joint = l.search(ms)
	return joint, int(l.classic[joint])
}

func (l *Layout) search(ms uint64) int {
	return min(sort.Search(len(l.upper), func(i int) bool { return ms <= l.upper[i] }), len(l.upper)-1)
}

// millisWithin returns the greatest number of milliseconds that, as seconds, is not above bound. It rounds
// floating-point numbers as Prometheus would: 0.3 includes 300 ms.
func millisWithin(bound float64) uint64 {
	if bound <= 0 {
		return 0
	}
	if bound >= 1<<40 {
		return 1 << 50
	}
	ms := uint64(math.Round(bound*1000)) + 1
	for float64(ms)/1000 > bound {
		ms--
	}
	return ms
}

// nativeBound returns the upper bound of a native bucket of NativeSchema in seconds, rounded as client_golang does.
func nativeBound(index int) float64 {
	fractions := [...]float64{
		0.5, 0.5452538663326288, 0.5946035575013605, 0.6484197773255048,
		0.7071067811865475, 0.7711054127039704, 0.8408964152537144, 0.9170040432046711,
	}
	return math.Ldexp(fractions[index&7], index>>NativeSchema+1)
}
