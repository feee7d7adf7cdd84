package past

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
)

// TestQuantiles are within 5 % of the exact ones, of any shape of durations; count, sum and max are exact.
func TestQuantiles(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for name, draw := range map[string]func() float64{
		"even":        func() float64 { return random.Float64() * 5000 },
		"exponential": func() float64 { return random.ExpFloat64() * 120 },
		"long tail":   func() float64 { return 20 * math.Exp(2*random.NormFloat64()) },
		"two lumps":   func() float64 { return []float64{3, 9999}[random.IntN(2)] },
		"tiny":        func() float64 { return random.Float64() * 4 },
		"hours":       func() float64 { return random.Float64() * 2e7 },
	} {
		l := ledger.New([]ledger.Family{{Name: "x", Histogram: true}}, ledger.NewLayout(fineBounds()), 1<<20)
		h, hour, d := l.Histogram(0), &hourTimes{}, newDistribution()
		var exact []int64
		sum := int64(0)
		for range 20_000 {
			ms := int64(draw())
			h.Observe(ms, 0)
			hour.add(ms)
			exact, sum, d.most = append(exact, ms), sum+ms, max(d.most, ms)
		}
		d.add(h)
		slices.Sort(exact)
		q := d.quantiles()
		if q.Count != 20_000 || math.Abs(q.Sum-float64(sum)/1000) > 1e-6 || *q.Max != float64(d.most)/1000 {
			t.Errorf("%s: %d of %g, at most %g", name, q.Count, q.Sum, *q.Max)
		}
		for share, got := range map[float64]*float64{0.5: q.P50, 0.9: q.P90, 0.99: q.P99, 0.95: hour.quantile(0.95)} {
			want := float64(exact[int(math.Ceil(share*20_000))-1]) / 1000
			if math.Abs(*got-want) > 0.03*want+1e-9 {
				t.Errorf("%s: p%g is %g, exactly %g", name, 100*share, *got, want)
			}
		}
	}
}

func TestHourBuckets(t *testing.T) {
	last := -1
	for ms := int64(0); ms < 1<<20; ms++ {
		b := hourBucket(ms)
		if b < last || b > last+1 || b != last && hourBucketStart(b) != ms {
			t.Fatalf("%d ms: bucket %d after %d, which begins at %d", ms, b, last, hourBucketStart(b))
		}
		last = b
	}
	if b := hourBucket(math.MaxInt64); b >= hourBuckets {
		t.Errorf("bucket %d of %d", b, hourBuckets)
	}
}

func TestTimeBuckets(t *testing.T) {
	last := -1
	for ms := int64(0); ms < 1<<21; ms++ {
		b := timeBucket(ms)
		if b < last || b > last+1 || b != last && bucketStart(b) != ms {
			t.Fatalf("%d ms: bucket %d after %d, which begins at %d", ms, b, last, bucketStart(b))
		}
		last = b
	}
	if b := timeBucket(math.MaxInt64); b >= timeBuckets {
		t.Errorf("bucket %d of %d", b, timeBuckets)
	}
}
