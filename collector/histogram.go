package collector

import (
	"math"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
)

// nativeZeroThreshold is client_golang's: an observation of up to this many seconds is in the zero bucket. Times are
// whole milliseconds, so only 0 is.
const nativeZeroThreshold = 2.938735877055719e-39

// newHistogram returns a histogram in its classic and its native form at once, which client_golang's constant metrics
// cannot hold. Scrapers use the form that they understand: text has only the classic one.
func newHistogram(h *ledger.Histogram) *dto.Histogram {
	count := h.Count()
	out := &dto.Histogram{
		SampleCount:      proto.Uint64(count),
		SampleSum:        proto.Float64(float64(h.SumMillis) / 1000),
		CreatedTimestamp: timestamp(h.Created),
	}
	setClassic(out, h, count)
	setNative(out, h.Native())
	return out
}

func setClassic(out *dto.Histogram, h *ledger.Histogram, count uint64) {
	classic := h.Classic()
	n := len(classic)
	buckets := make([]dto.Bucket, n+1)
	counts := h.Cumulative(make([]uint64, 0, n+1))
	out.Bucket = make([]*dto.Bucket, 0, n+1)
	for i := range n {
		b := &buckets[i]
		b.UpperBound, b.CumulativeCount = &classic[i], &counts[i]
		b.Exemplar = exemplar(h, i)
		out.Bucket = append(out.Bucket, b)
	}
	// Encoders add the bucket +Inf themselves: it is needed here only for its exemplar.
	if e := exemplar(h, n); e != nil {
		b := &buckets[n]
		b.UpperBound, b.CumulativeCount, b.Exemplar = proto.Float64(math.Inf(1)), proto.Uint64(count), e
		out.Bucket = append(out.Bucket, b)
	}
}

func setNative(out *dto.Histogram, n ledger.Native) {
	out.Schema = proto.Int32(n.Schema)
	out.ZeroThreshold = proto.Float64(nativeZeroThreshold)
	out.ZeroCount = proto.Uint64(n.Zero)
	out.PositiveDelta = n.Deltas
	spans := make([]dto.BucketSpan, len(n.Spans))
	for i := range n.Spans {
		spans[i].Offset, spans[i].Length = &n.Spans[i].Offset, &n.Spans[i].Length
		out.PositiveSpan = append(out.PositiveSpan, &spans[i])
	}
}

// exemplar returns the latest observation of a classic bucket with its request's id, or nil.
func exemplar(h *ledger.Histogram, bucket int) *dto.Exemplar {
	if h.Exemplars == nil {
		return nil
	}
	e := &h.Exemplars[bucket]
	id := e.ID()
	if id == "" {
		return nil
	}
	return &dto.Exemplar{
		Label:     []*dto.LabelPair{pair("request_id", id)},
		Value:     proto.Float64(float64(e.Millis) / 1000),
		Timestamp: timestamp(e.Time),
	}
}
