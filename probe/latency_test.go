package probe

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A latency is what client_golang makes of the same observations, classic and native, also where the native histogram
// becomes coarser.
func TestLatencyIsAsClientGolangHasIt(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for name, draw := range map[string]func() float64{
		"none":       nil,
		"one value":  func() float64 { return 0.004 },
		"usual":      func() float64 { return 0.01 * math.Exp(random.NormFloat64()) },
		"two groups": func() float64 { return []float64{0.001, 5}[random.IntN(2)] * (1 + random.Float64()) },
		"nothing":    func() float64 { return 0 },
		"bounds":     func() float64 { return latencyBounds[random.IntN(len(latencyBounds))] },
		"powers":     func() float64 { return math.Exp2(float64(random.IntN(40)-30) / 2) },
		"wide":       func() float64 { return math.Exp2(random.Float64()*60 - 40) },
		"very wide":  func() float64 { return math.Exp2(random.Float64()*240 - 120) },
	} {
		theirs := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x", Buckets: latencyBounds[:],
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: maxLatencyBuckets})
		ours := newLatency()
		for range 2000 {
			if draw != nil {
				v := draw()
				theirs.Observe(v)
				ours.observe(v)
			}
		}
		var want dto.Metric
		if err := theirs.Write(&want); err != nil {
			t.Fatal(err)
		}
		got := ours.write(&latencyRoom{}, &timestamppb.Timestamp{})
		got.CreatedTimestamp, want.Histogram.CreatedTimestamp = nil, nil
		got.SampleSum, want.Histogram.SampleSum = round(got.SampleSum), round(want.Histogram.SampleSum)
		if diff := cmp.Diff(want.Histogram, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s (client_golang -, here +):\n%s", name, diff)
		}
	}
}

// round leaves what the order of additions does not change.
func round(sum *float64) *float64 {
	return proto.Float64(float64(float32(*sum)))
}
