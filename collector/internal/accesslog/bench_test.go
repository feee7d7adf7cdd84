package accesslog

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// benchBlock is whole lines of about 256 KiB, as the follower lends them.
func benchBlock(f logtest.Format) (block []byte, lines int) {
	w := logtest.NewWriter(f, 1)
	w.Odd = 0
	for len(block) < 256<<10 {
		block = w.Append(block)
		lines++
	}
	return block, lines
}

func testTopology() *source.Topology {
	u := nginxconf.Upstream{Name: logtest.Group}
	for _, address := range logtest.Servers() {
		u.Servers = append(u.Servers, nginxconf.Server{Address: address})
	}
	return source.NewTopology([]nginxconf.Upstream{u}, []source.Node{{Name: "master", Address: logtest.Servers()[0]}},
		nil)
}

func testCounter(t testing.TB, f logtest.Format, routes ...source.Route) *Counter {
	t.Helper()
	return counterOf(t, f.Text, f.Escape, func(c *Config) {
		c.Routes, c.Buckets = routes, source.DefaultLatencyBuckets()
		c.Groups, c.Servers = testTopology().Groups(), testTopology().Servers()
	})
}

var sink int

// BenchmarkLines reads a file of access-log lines in turn with the bare loop, which only finds where lines end, and
// with the Counter, both in blocks of 256 KiB. Paired so, what else the machine does falls on both: "ratio" is the
// CPU time of the Counter by that of the loop.
//
// "mixed" is traffic of many kinds, each line drawn independently; "plain" has four kinds of requests and little else.
func BenchmarkLines(b *testing.B) {
	for _, f := range logtest.Formats() {
		b.Run("mixed/"+f.Name, func(b *testing.B) { benchLines(b, f, logtest.NewMixed(f, 1), false) })
	}
	b.Run("mixed/full-routes", func(b *testing.B) {
		f := logtest.Formats()[0]
		benchLines(b, f, logtest.NewMixed(f, 1), true)
	})
	b.Run("plain/full", func(b *testing.B) {
		w := logtest.NewWriter(logtest.Formats()[0], 1)
		w.Odd = 0
		benchLines(b, logtest.Formats()[0], w, false)
	})
}

const benchFileLines = 100_000

func benchLines(b *testing.B, f logtest.Format, w *logtest.Writer, withRoutes bool) {
	path := filepath.Join(b.TempDir(), "access.log")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w.Start(time.Now().Add(-10 * time.Minute)) // the last hour is counted, too
	if err := w.Write(file, benchFileLines); err != nil {
		b.Fatal(err)
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	var routes []source.Route
	if withRoutes {
		for name, match := range map[string]string{"enrollment": "^/v1/face/enrollment",
			"recognition": "^/v1/face/recognition", "match": "^/v1/face/match"} {
			routes = append(routes, source.Route{Name: name, Match: regexp.MustCompile(match)})
		}
	}
	counter := testCounter(b, f, routes...)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var bare, counted time.Duration
	b.ReportAllocs()
	for b.Loop() {
		bare += cpuTime(func() { readBlocks(b, path, splitLines) })
		counted += cpuTime(func() { readBlocks(b, path, counter.Lines) })
	}
	if counter.lines.Malformed > 0 {
		b.Fatalf("%d lines are malformed", counter.lines.Malformed)
	}
	lines := float64(b.N * benchFileLines)
	b.ReportMetric(float64(counted)/float64(bare), "ratio")
	b.ReportMetric(float64(counted)/lines, "ns/line")
	b.ReportMetric(float64(bare)/lines, "ns/line-bare")
	b.ReportMetric(lines/counted.Seconds()/1e6, "Mlines/s")
}

// splitLines is the bare loop.
func splitLines(block []byte) {
	for len(block) > 0 {
		n := bytes.IndexByte(block, '\n')
		sink += n
		block = block[n+1:]
	}
}

// readBlocks lends the whole lines of a file in blocks of up to 256 KiB.
func readBlocks(b *testing.B, path string, lend func([]byte)) {
	file, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	buffer, held := benchBuffer, 0
	for {
		n, err := file.Read(buffer[held:])
		if n == 0 || err != nil {
			return
		}
		whole := bytes.LastIndexByte(buffer[:held+n], '\n') + 1
		lend(buffer[:whole])
		held = copy(buffer, buffer[whole:held+n])
	}
}

var benchBuffer = make([]byte, 256<<10)

// BenchmarkCount counts mixed traffic from memory. Of many rounds the least CPU time is given: what else the machine
// does only adds to it, so this is what to look at on a machine that is not quiet.
func BenchmarkCount(b *testing.B) {
	for _, f := range logtest.Formats() {
		b.Run(f.Name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			counter, w := testCounter(b, f), logtest.NewMixed(f, 1)
			w.Start(time.Now().Add(-10 * time.Minute))
			const lines = 20_000
			var block []byte
			for range lines {
				block = w.Append(block)
			}
			least, bare := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
			for b.Loop() {
				least = min(least, cpuTime(func() { counter.Lines(block) }))
				bare = min(bare, cpuTime(func() { splitLines(block) }))
			}
			b.ReportMetric(float64(least.Nanoseconds())/lines, "ns/line-least")
			b.ReportMetric(float64(bare.Nanoseconds())/lines, "ns/line-bare-least")
		})
	}
}

// cpuTime is the CPU time of this thread that f takes.
func cpuTime(f func()) time.Duration {
	before := threadTime()
	f()
	return threadTime() - before
}

func threadTime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		panic(err)
	}
	return time.Duration(now.Nano())
}
