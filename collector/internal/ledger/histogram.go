package ledger

// A Histogram counts observations of whole milliseconds. Nothing in it is locked.
type Histogram struct {
	Meta
	SumMillis uint64
	Exemplars []Exemplar // one for each classic bucket with +Inf; nil without exemplars

	layout  *Layout
	counts  []uint64          // of joint buckets
	pending []pendingExemplar // of each classic bucket with +Inf, since KeepExemplars
}

func newHistogram(meta Meta, layout *Layout) *Histogram {
	return &Histogram{
		Meta: meta, layout: layout,
		counts: make([]uint64, len(layout.upper)), pending: make([]pendingExemplar, len(layout.Classic)+1),
	}
}

// An Exemplar is the latest observation of a classic bucket that has an id.
type Exemplar struct {
	Millis uint64
	Time   int64 // Unix milliseconds at which it was read
	length uint8
	id     [MaxExemplarID]byte
}

// MaxExemplarID is the maximum length of an id in bytes: OpenMetrics allows 128 characters for the names and values of
// an exemplar's labels together, and the name is "request_id".
const MaxExemplarID = 128 - len("request_id")

// ID returns the request's id, "" if the bucket has no exemplar.
func (e *Exemplar) ID() string { return string(e.id[:e.length]) }

// A Ref is the position of a request's id in a block of lines; 0 for none. Few of a block's ids are kept, so only
// their positions are recorded, and KeepExemplars copies the few that are left.
type Ref uint64

// A pendingExemplar is a Ref with the milliseconds of the observation in its lower half.
type pendingExemplar uint64

const (
	refMillis = 32 // bits
	refLength = 7
	refAt     = 64 - refMillis - refLength
)

// RefTo returns the reference to an id of so many bytes. An id that is too long, or too far into its block, has none.
func RefTo(at, length int) Ref {
	if length <= 0 || length > MaxExemplarID || at < 0 || at >= 1<<refAt {
		return 0
	}
	return Ref(at)<<(refMillis+refLength) | Ref(length)<<refMillis
}

// Observe adds one observation of whole milliseconds. Values outside the table go to observe.
func (h *Histogram) Observe(ms int64, ref Ref) {
	t := h.layout.table
	if uint64(ms) >= uint64(len(t)) {
		h.observe(ms, ref)
		return
	}
	both := t[ms]
	h.counts[both&0xffff]++
	h.pending[both>>16] = pendingExemplar(ref) | pendingExemplar(ms)
	h.SumMillis += uint64(ms)
}

// observe is Observe for values outside the table. The first observation allocates the table.
func (h *Histogram) observe(ms int64, ref Ref) {
	if ms < tableMillis && h.layout.table == nil {
		h.layout.FillTable()
	}
	joint, classic := h.layout.bucket(uint64(ms))
	h.counts[joint]++
	h.SumMillis += uint64(ms)
	if ms < 1<<refMillis {
		h.pending[classic] = pendingExemplar(ref) | pendingExemplar(ms)
	}
}

// keepExemplars turns the pending references into exemplars.
func (h *Histogram) keepExemplars(block []byte, now int64) {
	for i, n := range h.pending {
		length := int(n>>refMillis) & (1<<refLength - 1)
		if length == 0 {
			continue
		}
		if h.Exemplars == nil {
			h.Exemplars = make([]Exemplar, len(h.pending))
		}
		at := int(n >> (refMillis + refLength))
		e := &h.Exemplars[i]
		e.Millis, e.Time, e.length = uint64(n&(1<<refMillis-1)), now, uint8(length)
		copy(e.id[:], block[at:at+length])
	}
	clear(h.pending)
}

// Classic returns the upper bounds of the classic buckets in seconds, without +Inf.
func (h *Histogram) Classic() []float64 { return h.layout.Classic }

// Count returns the number of observations.
func (h *Histogram) Count() uint64 {
	var sum uint64
	for _, n := range h.counts {
		sum += n
	}
	return sum
}

// Cumulative appends to dst the number of observations up to each classic bound.
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

// A Span is a run of adjacent native buckets.
type Span struct {
	Offset int32  // buckets skipped since the previous span; of the first: its first index
	Length uint32 // number of buckets
}

// A Native is a native histogram in Prometheus' form.
type Native struct {
	Schema int32
	Zero   uint64
	Spans  []Span
	Deltas []int64
}

// MaxNativeBuckets limits the buckets of a native histogram. If more are filled, the resolution is halved, as
// Prometheus' clients do; from 1 ms to 17 minutes it never is.
const MaxNativeBuckets = 160

// Native returns the native histogram of the same observations.
func (h *Histogram) Native() Native {
	n := Native{Schema: NativeSchema, Zero: h.counts[0]}
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

// coarser returns the index of the bucket that includes a native bucket when 2^shift of them are merged.
func coarser(index int16, shift int) int {
	return (int(index)-1)>>shift + 1
}
