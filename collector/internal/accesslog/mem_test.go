package accesslog

import (
	"math"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

func thr() time.Duration {
	var now unix.Timespec
	unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now)
	return time.Duration(now.Nano())
}

func BenchmarkMem(b *testing.B) {
	for _, f := range logtest.Formats() {
		b.Run(f.Name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			c, w := testCounter(b, f), logtest.NewMixed(f, 1)
			w.Start(time.Now().Add(-10 * time.Minute))
			const lines = 20_000
			var block []byte
			for range lines {
				block = w.Append(block)
			}
			least, bare := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
			for b.Loop() {
				before := thr()
				c.Lines(block)
				least = min(least, thr()-before)
				before = thr()
				splitLines(block)
				bare = min(bare, thr()-before)
			}
			b.ReportMetric(float64(least.Nanoseconds())/lines, "ns/line-least")
			b.ReportMetric(float64(bare.Nanoseconds())/lines, "ns/line-split")
		})
	}
}
