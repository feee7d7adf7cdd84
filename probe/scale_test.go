package probe

import (
	"fmt"
	"math"
	"runtime"
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

// How many probes a second there are decides how much memory the collector of garbage may take.
func TestRate(t *testing.T) {
	if got := manyTargets(t, 150).Rate(); math.Abs(got-10) > 1e-6 {
		t.Errorf("150 targets every 15 s are %f probes a second", got)
	}
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

// TestMemoryOfManyTargets: what is kept of a target is small, whatever it has been asked, and a scrape needs the
// memory of one family at a time.
func TestMemoryOfManyTargets(t *testing.T) {
	const n = 1000
	heap := func() (live, all uint64) {
		var memory runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&memory)
		return memory.HeapAlloc, memory.TotalAlloc
	}
	empty, _ := heap()
	s := manyTargets(t, n)
	for i, target := range s.targets {
		for round := range 2 * keepRecent {
			trace := newTrace(target.module.secrets)
			trace.logf("probing %s with module m, prober http, in 5s at most", target.masked)
			trace.logf("GET %s", target.masked)
			trace.logf("answered HTTP/1.1 503 Service Unavailable")
			trace.enter("processing")
			var failed *failure
			if i%2 == 0 || round%7 == 0 {
				failed = failf("status", "answered 503, not 2xx")
			}
			target.record(trace.finish(Result{Module: "m", Target: target.masked}, failed))
		}
	}
	full, before := heap()
	if each := (int64(full) - int64(empty)) / n; each > 16<<10 {
		t.Errorf("%d bytes for each target", each)
	}
	for range s.Families() {
	}
	after, allocated := heap()
	if each := (allocated - before) / n; each > 8<<10 {
		t.Errorf("a scrape allocates %d bytes for each target", each)
	}
	if int64(after)-int64(full) > n*3<<10 {
		t.Errorf("a scrape leaves %d bytes behind", int64(after)-int64(full))
	}
	runtime.KeepAlive(s)
}
