package probe

import (
	"fmt"
	"testing"

	gokit "github.com/go-kit/log"
)

// manyTargets is a service whose targets have been probed as many have: half of them well.
func manyTargets(t testing.TB, n int) *Service {
	o := withTargets(options(t, "15s", "x:1"), n)
	o.Logger = gokit.NewNopLogger()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for i, target := range s.targets {
		for range 3 {
			trace := newTrace(target.module.secrets)
			for _, phase := range []string{"resolve", "connect", "tls", "processing", "transfer"} {
				trace.gauge("probe_http_duration_seconds", "Duration.", 0.001, Label{"phase", phase})
			}
			for j := range 15 {
				trace.gauge(fmt.Sprintf("probe_x_%d", j), "X.", float64(i))
			}
			target.record(trace.finish(Result{Module: "m", Target: target.masked}, nil))
		}
	}
	return s
}

// BenchmarkGather is a scrape of ten thousand targets, before it is written as text.
func BenchmarkGather(b *testing.B) {
	s := manyTargets(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		for range s.Families() {
		}
	}
}

// BenchmarkProbe is one scheduled http probe after another, for profiles.
func BenchmarkProbe(b *testing.B) {
	server := serverProcess(b)
	s := newService(b, benchConfig+"probes:\n  - {name: p, module: alive, interval: 1s, targets: ['"+server+"']}\n")
	b.ReportAllocs()
	before := ownCPU(b)
	n := 0
	for b.Loop() {
		s.targets[0].probeOnce(b.Context())
		n++
	}
	b.ReportMetric(float64((ownCPU(b)-before).Microseconds())/float64(n), "µs-cpu/probe")
}
