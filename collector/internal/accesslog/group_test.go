package accesslog

import (
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// What NGINX writes for an address without an upstream block, of which no server is live, is its host alone: it counts
// for the group by the name that starts at 0.
func TestGroupWithoutABlock(t *testing.T) {
	c, err := New(Config{
		Source: source.LogSource{Name: "access", Formats: []source.Format{{Text: "$upstream_addr|$status",
			Escape: "default"}}},
		Buckets: []float64{1}, MaxSeries: 100, Groups: []string{"two.test:24556"},
		GroupName: func(logged string) string {
			if logged == "two.test" {
				return "two.test:24556"
			}
			return logged
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Lines([]byte("two.test|502\nother|502\n127.0.0.1:24556, two.test|502\n"))
	for group, want := range map[string]uint64{"two.test:24556": 2, "other": 1, "two.test": 0} {
		if got := c.ledger.Counter(int(metric.NoLive), group).Value; got != want {
			t.Errorf("%s: %d, want %d", group, got, want)
		}
	}
}

// A line that fits no format has nginx.conf asked once for each block; what it says from then on holds for that line
// and those that follow, and what was counted stays.
func TestReformat(t *testing.T) {
	asked := 0
	var now []source.Format
	c, err := New(Config{
		Source: source.LogSource{Name: "access", Formats: []source.Format{{Name: "main", Text: "$status",
			Escape: "default"}}},
		Buckets: []float64{1}, MaxSeries: 100,
		Reformat: func() []source.Format { asked++; return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(when string, parsed, malformed uint64, times int) {
		t.Helper()
		if lines, _ := c.Snapshot(); lines.Parsed != parsed || lines.Malformed != malformed || asked != times {
			t.Errorf("%s: %d parsed, %d malformed, asked %d times, want %d, %d, %d", when, lines.Parsed,
				lines.Malformed, asked,
				parsed, malformed, times)
		}
	}
	c.Lines([]byte("200\n404\n"))
	expect("all fit", 2, 0, 0)
	c.Lines([]byte("garbage\n200\nmore garbage\n"))
	expect("nothing has changed", 3, 2, 1)
	now = []source.Format{{Name: "main", Text: "two $request_time $status", Escape: "default"},
		{Name: "main", Text: "$status", Escape: "default"}}
	c.Lines([]byte("200\ntwo 0.001 502\ngarbage\ntwo 0.002 200\n200\n"))
	expect("the format has changed", 7, 3, 2)
	c.Lines([]byte("two 0.003 200")) // the last of a block is read from a copy
	expect("afterwards", 8, 3, 2)
	if got := c.ledger.Counter(int(metric.Requests), "", "OTHER", "200", "ok").Value; got != 6 {
		t.Errorf("%d requests with status 200, want 6", got)
	}
}
