package collector

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// TestHistogramIsThatOfClientGolang observes the same times in a histogram of client_golang: classic buckets, native
// buckets, count and sum are the same.
func TestHistogramIsThatOfClientGolang(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, buckets := range [][]float64{source.DefaultLatencyBuckets(), {0.3, 2.3, 1e6}, {0.0001, 0.0015, 7}, {1e300}} {
		for _, spread := range []float64{0.1, 2, 9} {
			t.Run(fmt.Sprint(buckets, spread), func(t *testing.T) {
				layout := ledger.NewLayout(buckets)
				own := ledger.New([]ledger.Family{{Name: "h", Histogram: true}}, layout, 1000).Histogram(0)
				theirs := prometheus.NewHistogram(prometheus.HistogramOpts{
					Name: "h", Help: "h", Buckets: buckets, NativeHistogramBucketFactor: 1.1,
				})
				for range 3000 {
					ms := int64(random.ExpFloat64() * spread * 100)
					if random.IntN(100) == 0 {
						ms *= 10000
					}
					own.Observe(ms, 0)
					theirs.Observe(float64(ms) / 1000)
				}
				got, want := newHistogram(own), new(dto.Metric)
				if err := theirs.Write(want); err != nil {
					t.Fatal(err)
				}
				diff := cmp.Diff(want.Histogram, got, protocmp.Transform(),
					protocmp.IgnoreFields(&dto.Histogram{}, "created_timestamp", "sample_sum"))
				if diff != "" {
					t.Errorf("client_golang has -, this has +:\n%s", diff)
				}
				if d := got.GetSampleSum() - want.Histogram.GetSampleSum(); d > 1e-3 || d < -1e-3 {
					t.Errorf("sum %v, client_golang has %v", got.GetSampleSum(), want.Histogram.GetSampleSum())
				}
			})
		}
	}
}

// TestNativeBucketsAreBounded fills every bucket that there is.
func TestNativeBucketsAreBounded(t *testing.T) {
	layout := ledger.NewLayout(source.DefaultLatencyBuckets())
	h := ledger.New([]ledger.Family{{Name: "h", Histogram: true}}, layout, 1000).Histogram(0)
	total := 0
	for ms := int64(1); ms < 999_999_999_999; ms += ms/20 + 1 {
		h.Observe(ms, 0)
		total++
	}
	got := newHistogram(h)
	if n := len(got.PositiveDelta); n > ledger.MaxNativeBuckets || n < ledger.MaxNativeBuckets/2 {
		t.Errorf("%d native buckets, want at most %d", n, ledger.MaxNativeBuckets)
	}
	if got.GetSchema() >= ledger.NativeSchema {
		t.Errorf("schema %d is not coarser", got.GetSchema())
	}
	sum, count := int64(0), int64(0)
	for _, delta := range got.PositiveDelta {
		count += delta
		sum += count
	}
	if sum != int64(total) || got.GetSampleCount() != uint64(total) {
		t.Errorf("the buckets hold %d, the count is %d; %d were observed", sum, got.GetSampleCount(), total)
	}
}
