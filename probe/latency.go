package probe

import (
	"math"
	"slices"
	"sort"
	"sync"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// latencyBounds are the classic buckets of a latency, seconds.
var latencyBounds = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// The native histogram is that of client_golang with a bucket factor of 1.1: 2^3 buckets for each doubling.
const (
	latencySchema     = 3
	maxLatencyBuckets = 160
	zeroThreshold     = 0x1p-128
	maxSpanGap        = 2 // empty buckets that are written rather than left out
)

// A latency is a histogram of seconds, classic and native, in a tenth of the memory that client_golang takes for one.
type latency struct {
	mu      sync.Mutex
	classic [len(latencyBounds) + 1]uint64 // the last is of what is beyond all bounds
	sum     float64
	zero    uint64
	schema  int32
	native  []latencyBucket // sorted by key
}

type latencyBucket struct {
	key   int32
	count uint32
}

func newLatency() *latency { return &latency{schema: latencySchema} }

// observe adds seconds, which are not negative.
func (l *latency) observe(seconds float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.classic[sort.SearchFloat64s(latencyBounds[:], seconds)]++
	l.sum += seconds
	if seconds <= zeroThreshold {
		l.zero++
		return
	}
	key := nativeKey(seconds)
	for range latencySchema - l.schema {
		key = wider(key)
	}
	l.add(key, 1)
	for len(l.native) > maxLatencyBuckets {
		l.widen()
	}
}

// nativeKey returns the bucket of latencySchema that a number is in.
func nativeKey(v float64) int32 {
	frac, exp := math.Frexp(v)
	i := 0 // bounds are 2^(i/8)/2
	for i < 1<<latencySchema && math.Exp2(float64(i)/(1<<latencySchema)-1) < frac {
		i++
	}
	return int32(i + (exp-1)<<latencySchema)
}

// wider returns the bucket of the next coarser schema that takes in a bucket.
func wider(key int32) int32 {
	if key > 0 {
		key++
	}
	return key / 2
}

func (l *latency) add(key int32, count uint32) {
	at, found := slices.BinarySearchFunc(l.native, key, latencyBucket.compare)
	if !found {
		l.native = slices.Insert(l.native, at, latencyBucket{key: key})
	}
	l.native[at].count += count
}

func (b latencyBucket) compare(key int32) int { return int(b.key - key) }

// widen halves the resolution.
func (l *latency) widen() {
	before := l.native
	l.native = make([]latencyBucket, 0, len(before))
	l.schema--
	for _, b := range before {
		l.add(wider(b.key), b.count)
	}
}

// A latencyRoom is the memory of one histogram as it is gathered.
type latencyRoom struct {
	histogram  dto.Histogram
	buckets    [len(latencyBounds)]dto.Bucket
	pointers   [len(latencyBounds)]*dto.Bucket
	cumulative [len(latencyBounds)]uint64
	count      uint64
	zero       uint64
	sum        float64
	schema     int32
}

// write returns the histogram, made in a room.
func (l *latency) write(room *latencyRoom, born *timestamppb.Timestamp) *dto.Histogram {
	l.mu.Lock()
	defer l.mu.Unlock()
	room.count, room.zero, room.sum, room.schema = 0, l.zero, l.sum, l.schema
	for i := range latencyBounds {
		room.count += l.classic[i]
		room.cumulative[i] = room.count
		b := &room.buckets[i]
		b.CumulativeCount, b.UpperBound = &room.cumulative[i], &latencyBounds[i]
		room.pointers[i] = b
	}
	room.count += l.classic[len(latencyBounds)]
	h := &room.histogram
	h.SampleCount, h.SampleSum, h.CreatedTimestamp = &room.count, &room.sum, born
	h.Bucket = room.pointers[:]
	h.Schema, h.ZeroThreshold, h.ZeroCount = &room.schema, proto.Float64(zeroThreshold), &room.zero
	h.PositiveSpan, h.PositiveDelta = spans(l.native)
	return h
}

// spans returns buckets as native histograms have them: runs of buckets, and the difference of each count to the one
// before.
func spans(native []latencyBucket) (all []*dto.BucketSpan, deltas []int64) {
	var next int32
	var before int64
	for i, b := range native {
		gap := b.key - next
		if i == 0 || gap > maxSpanGap {
			all = append(all, &dto.BucketSpan{Offset: proto.Int32(gap), Length: proto.Uint32(0)})
			gap = 0
		}
		for range gap {
			deltas, before = append(deltas, -before), 0
		}
		deltas, before = append(deltas, int64(b.count)-before), int64(b.count)
		*all[len(all)-1].Length += uint32(gap) + 1
		next = b.key + 1
	}
	return all, deltas
}
