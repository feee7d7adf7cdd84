package logformat

import (
	"bytes"
	"math"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// BenchmarkParse reads mixed traffic of each kind of format, from memory.
func BenchmarkParse(b *testing.B) {
	for _, f := range logtest.Formats() {
		b.Run(f.Name, func(b *testing.B) {
			program, err := Compile(f.Text, f.Escape, Options{})
			if err != nil {
				b.Fatal(err)
			}
			p, r, w := NewParser(program), NewRecord(), logtest.NewMixed(f, 1)
			const lines = 20_000
			var block []byte
			for range lines {
				block = w.Append(block)
			}
			end := len(block)
			block = append(block, make([]byte, Pad)...)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			least := time.Duration(math.MaxInt64)
			b.ReportAllocs()
			for b.Loop() {
				before := threadTime()
				for start := 0; start < end; {
					n := bytes.IndexByte(block[start:], '\n')
					if !p.Parse(block, start, start+n, r) {
						b.Fatalf("%q does not fit", block[start:start+n])
					}
					start += n + 1
				}
				least = min(least, threadTime()-before)
			}
			b.ReportMetric(float64(least.Nanoseconds())/lines, "ns/line-least")
		})
	}
}

// threadTime is the CPU time of this thread: of several rounds the least counts, whatever else the machine does.
func threadTime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		panic(err)
	}
	return time.Duration(now.Nano())
}
