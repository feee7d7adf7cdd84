package collector

import (
	"bytes"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// BenchmarkScrape gives some hundred series to a scrape, after one more line each time: what changed is made anew,
// and all of it is gathered.
func BenchmarkScrape(b *testing.B) {
	f := logtest.Formats()[0]
	counter := accessCounter(b, f.Text)
	var block []byte
	w := logtest.NewWriter(f, 1)
	for len(block) < 256<<10 {
		block = w.Append(block)
	}
	counter.Lines(block)
	line := block[:bytes.IndexByte(block, '\n')+1]
	e := exposing(counter, &source.Topology{})
	b.Run("gather", func(b *testing.B) {
		series := strings.Count(text(b, e, expfmt.MetricFamilyToText), "\n")
		b.ReportAllocs()
		for b.Loop() {
			counter.Lines(line)
			if _, err := e.Gather(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(series), "series")
	})
	b.Run("snapshot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			counter.Lines(line)
			counter.Snapshot()
		}
	})
}
