package collector

import (
	"bytes"
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
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

func testTopology() *topology {
	u := nginxconf.Upstream{Name: logtest.Group}
	for _, address := range logtest.Servers() {
		u.Servers = append(u.Servers, nginxconf.Server{Address: address})
	}
	return newTopology([]nginxconf.Upstream{u}, []Node{{Name: "master", Address: logtest.Servers()[0]}})
}

func testBook(t testing.TB, f logtest.Format, routes ...route) *accessBook {
	t.Helper()
	b, err := newAccessBook(accessBookConfig{
		Log: "access", Format: f.Text, Escape: f.Escape, Routes: routes,
		Buckets: DefaultLatencyBuckets(), MaxSeries: 10000, Topology: testTopology(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var sink int

// BenchmarkLines reports the cost of a line, and of the bare loop that only finds where lines end.
func BenchmarkLines(b *testing.B) {
	for _, f := range logtest.Formats() {
		block, lines := benchBlock(f)
		run := func(name string, each func()) {
			b.Run(f.Name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(block)))
				b.ReportAllocs()
				for b.Loop() {
					each()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
			})
		}
		run("split", func() {
			for rest := block; len(rest) > 0; {
				n := bytes.IndexByte(rest, '\n')
				sink += n
				rest = rest[n+1:]
			}
		})
		book := testBook(b, f)
		run("count", func() { book.Lines(block) })
		if book.malformed > 0 {
			b.Fatalf("%d of %d lines are malformed", book.malformed, book.parsed+book.malformed)
		}
	}
}
