package ledger

import "encoding/binary"

// A Histogram counts observations of whole milliseconds. Nothing in it is locked.
type Histogram struct {
	Meta
	SumMillis uint64
	Exemplars []Exemplar // one for each classic bucket with +Inf; nil without exemplars

	layout *Layout
	counts []uint64 // of joint buckets, as far as any was used
}

// An Exemplar is the latest observation of a classic bucket that came with an id.
type Exemplar struct {
	Millis uint64
	Time   int64 // Unix milliseconds at which it was read
	length uint8
	id     [MaxExemplarID]byte
}

// MaxExemplarID is the longest id, in bytes: OpenMetrics allows 128 characters for names and values of an exemplar's
// labels together, and the name is "request_id".
const MaxExemplarID = 128 - len("request_id")

// ID is the request's id, "" where the bucket has no exemplar.
func (e *Exemplar) ID() string { return string(e.id[:e.length]) }

// Observe adds one observation.
func (h *Histogram) Observe(ms int64) { h.add(uint64(ms)) }

// add counts an observation and returns its classic bucket.
func (h *Histogram) add(ms uint64) int {
	i, classic := h.layout.bucket(ms)
	if i >= len(h.counts) {
		h.grow(i)
	}
	h.counts[i]++
	h.SumMillis += ms
	return classic
}

// idLen is how long the ids are that NGINX makes.
const idLen = 32

// ObserveWithID adds one observation and keeps the id with it, unless there is none or it is longer than MaxExemplarID.
// What almost every line has is done without a call.
func (h *Histogram) ObserveWithID(ms int64, id []byte, now int64) {
	if uint64(ms) >= tableMillis {
		h.observeAny(uint64(ms), id, now)
		return
	}
	both := h.layout.table[ms]
	joint, classic := int(both&0xffff), int(both>>16)
	if joint >= len(h.counts) {
		h.observeAny(uint64(ms), id, now)
		return
	}
	if len(id) != 0 {
		if len(id) != idLen || classic >= len(h.Exemplars) {
			h.observeAny(uint64(ms), id, now)
			return
		}
		e := &h.Exemplars[classic]
		e.Millis, e.Time, e.length = uint64(ms), now, idLen
		order := binary.LittleEndian
		order.PutUint64(e.id[0:], order.Uint64(id[0:]))
		order.PutUint64(e.id[8:], order.Uint64(id[8:]))
		order.PutUint64(e.id[16:], order.Uint64(id[16:]))
		order.PutUint64(e.id[24:], order.Uint64(id[24:]))
	}
	h.counts[joint]++
	h.SumMillis += uint64(ms)
}

// observeAny is ObserveWithID for any time and any id, and for the first of a bucket.
func (h *Histogram) observeAny(ms uint64, id []byte, now int64) {
	classic := h.add(ms)
	if len(id) == 0 || len(id) > MaxExemplarID {
		return
	}
	if h.Exemplars == nil {
		h.Exemplars = make([]Exemplar, len(h.layout.Classic)+1)
	}
	e := &h.Exemplars[classic]
	e.Millis, e.Time, e.length = ms, now, uint8(len(id))
	copy(e.id[:], id)
}

func (h *Histogram) grow(i int) {
	counts := make([]uint64, min(i+16, len(h.layout.upper)))
	copy(counts, h.counts)
	h.counts = counts
}

// Count is how many observations there were.
func (h *Histogram) Count() uint64 {
	var sum uint64
	for _, n := range h.counts {
		sum += n
	}
	return sum
}

// Cumulative appends to dst how many observations were no more than each classic bound.
func (h *Histogram) Cumulative(dst []uint64) []uint64 {
	classic, sum := 0, uint64(0)
	for i, n := range h.counts {
		for classic < int(h.layout.classic[i]) {
			dst = append(dst, sum)
			classic++
		}
		sum += n
	}
	for ; classic < len(h.layout.Classic); classic++ {
		dst = append(dst, sum)
	}
	return dst
}

// A Span is a run of native buckets that lie side by side.
type Span struct {
	Offset int32  // buckets left out since the span before; of the first: its first index
	Length uint32 // buckets
}

// A Native is a native histogram in the form that Prometheus takes it in.
type Native struct {
	Schema int32
	Zero   uint64
	Spans  []Span
	Deltas []int64
}

// MaxNativeBuckets bounds the buckets of a native histogram. Where more are filled, the resolution is halved, as
// clients of Prometheus do; from 1 ms to 17 minutes it never is.
const MaxNativeBuckets = 160

// Native is the native histogram of the same observations.
func (h *Histogram) Native() Native {
	n := Native{Schema: NativeSchema}
	if len(h.counts) > 0 {
		n.Zero = h.counts[0]
	}
	for shift := 0; ; shift++ {
		n.Schema = int32(NativeSchema - shift)
		n.fill(h, shift)
		if len(n.Deltas) <= MaxNativeBuckets {
			return n
		}
	}
}

// fill sets spans and deltas with 2^shift buckets merged into one.
func (n *Native) fill(h *Histogram, shift int) {
	n.Spans, n.Deltas = n.Spans[:0], n.Deltas[:0]
	next, before := 0, int64(0) // the index after the last bucket, and its count
	for i := 1; i < len(h.counts); {
		index, count := coarser(h.layout.native[i], shift), uint64(0)
		for ; i < len(h.counts) && coarser(h.layout.native[i], shift) == index; i++ {
			count += h.counts[i]
		}
		if count == 0 {
			continue
		}
		// A gap of one or two buckets is cheaper as empty buckets than as a span.
		if gap := index - next; len(n.Spans) == 0 || gap > 2 {
			n.Spans = append(n.Spans, Span{Offset: int32(gap)})
		} else {
			for range gap {
				n.Deltas = append(n.Deltas, -before)
				before = 0
				n.Spans[len(n.Spans)-1].Length++
			}
		}
		n.Deltas = append(n.Deltas, int64(count)-before)
		n.Spans[len(n.Spans)-1].Length++
		before, next = int64(count), index+1
	}
}

// coarser is the index of the bucket that takes in a native bucket when 2^shift of them are merged.
func coarser(index int16, shift int) int {
	return (int(index)-1)>>shift + 1
}
