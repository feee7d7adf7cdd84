package past

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
)

// fineBounds are upper bounds in seconds, 4 % apart from 30 ms to a day, and a millisecond apart below: a quantile's
// error is at most 2 %.
func fineBounds() []float64 {
	var bounds []float64
	for ms := 1.0; ms < 86_400_000; ms = max(ms+1, math.Floor(ms*1.04)) {
		bounds = append(bounds, ms/1000)
	}
	return bounds
}

// A distribution is the sum of histograms of milliseconds.
type distribution struct {
	counts map[ledger.Bucket]uint64 // by the bounds of the bucket
	sum    uint64                   // milliseconds
	most   int64                    // milliseconds, -1 if unknown
}

func newDistribution() *distribution {
	return &distribution{counts: map[ledger.Bucket]uint64{}, most: -1}
}

func (d *distribution) add(h *ledger.Histogram) {
	d.sum += h.SumMillis
	for _, b := range h.Buckets() {
		d.counts[ledger.Bucket{From: b.From, To: b.To}] += b.Count
	}
}

// quantiles returns those of a report.
func (d *distribution) quantiles() Quantiles {
	buckets := make([]ledger.Bucket, 0, len(d.counts))
	q := Quantiles{Sum: float64(d.sum) / 1000}
	for b, n := range d.counts {
		b.Count = n
		buckets = append(buckets, b)
		q.Count += n
	}
	if q.Count == 0 {
		return q
	}
	slices.SortFunc(buckets, func(a, b ledger.Bucket) int { return cmp.Compare(a.To, b.To) })
	at := func(share float64) *float64 {
		rank := uint64(math.Ceil(share * float64(q.Count)))
		for _, b := range buckets {
			if rank <= b.Count {
				return d.middle(b)
			}
			rank -= b.Count
		}
		return nil
	}
	q.P50, q.P90, q.P99 = at(0.5), at(0.9), at(0.99)
	most := float64(d.most) / 1000
	if d.most < 0 {
		most = *d.middle(buckets[len(buckets)-1])
	}
	q.Max = &most
	return q
}

// middle represents all values of a bucket, in seconds.
func (d *distribution) middle(b ledger.Bucket) *float64 {
	to := b.To
	if d.most >= 0 {
		to = min(to, uint64(d.most))
	}
	ms := math.Sqrt(float64(b.From) * float64(max(b.From, to)))
	seconds := math.Round(ms) / 1000
	return &seconds
}

// hourTimes are the times of an hour, in buckets that are 3 % wide.
type hourTimes struct{ counts [hourBuckets]uint32 }

const (
	hourBits    = 5 // of a bucket's place within its doubling
	hourBuckets = (32 - hourBits) << hourBits
)

func hourBucket(ms int64) int {
	n := uint64(max(0, min(ms, 1<<31-1)))
	if n < 1<<hourBits {
		return int(n)
	}
	shift := bits.Len64(n) - hourBits - 1
	return shift<<hourBits + int(n>>shift)
}

func hourBucketStart(i int) int64 {
	if i < 1<<hourBits {
		return int64(i)
	}
	shift := i>>hourBits - 1
	return int64(i-shift<<hourBits) << shift
}

func (t *hourTimes) add(ms int64) { t.counts[hourBucket(ms)]++ }

// quantile returns seconds, or nil.
func (t *hourTimes) quantile(share float64) *float64 {
	total := uint64(0)
	for _, n := range t.counts {
		total += uint64(n)
	}
	rank := uint64(math.Ceil(share * float64(total)))
	for i, n := range t.counts {
		if rank <= uint64(n) && n > 0 {
			from, to := hourBucketStart(i), hourBucketStart(i+1)-1
			seconds := float64(from+to) / 2000
			return &seconds
		}
		rank -= uint64(n)
	}
	return nil
}
