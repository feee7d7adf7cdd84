package past

import (
	"math"
	"math/bits"
)

// times is a histogram of milliseconds with four buckets for each doubling.
type times struct {
	counts [timeBuckets]uint32
	sum    uint32 // of counts
}

const timeBuckets = 80

func timeBucket(ms int64) int {
	if ms < 4 {
		return int(max(0, ms))
	}
	top := bits.Len64(uint64(ms)) - 3
	return min(timeBuckets-1, 4*top+int(ms>>top)&3+4)
}

// bucketStart is the least milliseconds of a bucket.
func bucketStart(i int) int64 {
	if i < 4 {
		return int64(i)
	}
	return int64(4+i%4) << (i/4 - 1)
}

func (t *times) total() int { return int(t.sum) }

// add adds what a server has in a slot; nil is nothing.
func (t *times) add(s *serverSlot) {
	if s == nil {
		return
	}
	for _, few := range s.times {
		t.counts[few.bucket()] += few.count()
	}
	t.sum += s.timed
}

// remove takes out what was added.
func (t *times) remove(s *serverSlot) {
	for _, few := range s.times {
		t.counts[few.bucket()] -= few.count()
	}
	t.sum -= s.timed
}

// quantile is in milliseconds.
func (t *times) quantile(q float64) int64 {
	rank := int(q*float64(t.total())+0.999999) - 1
	for i, n := range t.counts {
		if rank -= int(n); rank < 0 {
			return (bucketStart(i) + bucketStart(i+1) - 1) / 2
		}
	}
	return 0
}

// above is how many took longer than those of the bucket of ms.
func (t *times) above(ms int64) int {
	n := 0
	for i := timeBucket(ms) + 1; i < timeBuckets; i++ {
		n += int(t.counts[i])
	}
	return n
}

// A fewTimes is a bucket of times and how many there are in it, of a slot that has few buckets.
type fewTimes uint32

const (
	countBits = 24
	maxCount  = 1<<countBits - 1
)

func (f fewTimes) bucket() int   { return int(f >> countBits) }
func (f fewTimes) count() uint32 { return uint32(f & maxCount) }

// addTimes adds n times of a bucket, and returns how many bytes that takes.
func (s *serverSlot) addTimes(bucket int, n uint32) int64 {
	for i, few := range s.times {
		if few.bucket() == bucket {
			n = min(n, maxCount-few.count())
			s.times[i] += fewTimes(n)
			s.timed += n
			return 0
		}
	}
	s.times = append(s.times, fewTimes(bucket)<<countBits|fewTimes(min(n, maxCount)))
	s.timed += min(n, maxCount)
	return fewTimesBytes
}

// above is how many took longer than those of the bucket of ms.
func (s *serverSlot) above(ms int64) int {
	n := 0
	for _, few := range s.times {
		if few.bucket() > timeBucket(ms) {
			n += int(few.count())
		}
	}
	return n
}

// afterBucket is the least milliseconds above the bucket of ms.
func afterBucket(ms int64) int64 {
	if timeBucket(ms) == timeBuckets-1 {
		return math.MaxInt64
	}
	return bucketStart(timeBucket(ms) + 1)
}
