package errorlog

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/internal/exposetest"
	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

func counterOf(max int) *Counter { return New(Config{MaxSeries: max}) }

func exposedOf(c *Counter) []string {
	node := source.Node{Name: "master", Address: "127.0.0.231:4005"}
	return exposetest.Lines("error", c, source.NewTopology(nil, []source.Node{node}, nil))
}

func refusedLine(server string) []byte {
	return fmt.Appendf(nil, "2026/11/24 10:00:00 [error] 12#12: *1 connect() failed (111: Connection refused) while "+
		"connecting to upstream, client: 1.1.1.1, server: , request: \"GET / HTTP/1.1\", upstream: \"http://%s/\", "+
		"host: \"h\"\n", server)
}

// TestErrorLogIsBounded floods a counter with servers, long names and bytes that are not UTF-8.
func TestErrorLogIsBounded(t *testing.T) {
	b := counterOf(100)
	for i := range 20_000 {
		b.Lines(refusedLine(fmt.Sprintf("10.0.%d.%d:80", i/256, i%256)))
	}
	b.Lines(refusedLine(string(bytes.Repeat([]byte{'a', 0xff}, 2000))))
	b.Lines([]byte("2026/11/24 10:00:00 [error] 1#1: \n"))
	b.Lines(bytes.Repeat([]byte{'x', 0xff, '\n'}, 3*maxEntry))
	b.TooLong()
	lines := exposedOf(b)
	events, series := 0.0, 0
	for _, line := range lines {
		if !utf8.ValidString(line) {
			t.Errorf("%q is not UTF-8", line)
		}
		if !strings.HasPrefix(line, "nginx_error_log_events_total{") {
			continue
		}
		n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		events += n
		series++
	}
	if events != 20_002 || series > 102 || b.ledger.Dropped() == 0 {
		t.Errorf("%v events in %d series, %d dropped; every entry is one event", events, series, b.ledger.Dropped())
	}
	for _, want := range []string{
		`fremisn_exporter_log_lines_total{log="error",result="malformed"} 10934`,
		`fremisn_exporter_log_lines_total{log="error",result="too_long"} 1`,
		`fremisn_exporter_log_lines_total{log="error",result="parsed"} 21356`,
		`nginx_error_log_entries_total{level="error",log="error"} 20002`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("missing: %s", want)
		}
	}
}

func TestErrorStateRoundTrip(t *testing.T) {
	b := counterOf(1000)
	b.Lines(refusedLine("127.0.0.231:4005"))
	b.Lines([]byte("2026/11/24 10:00:00 [emerg] 1#1: bind() to 0.0.0.0:80 failed (98: Address already in " +
		"use)\nnonsense\n"))
	b.TooLong()
	state := b.AppendState([]byte("before"))[len("before"):]
	restored := counterOf(1000)
	if err := restored.RestoreState(state); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(exposedOf(b), exposedOf(restored)); diff != "" {
		t.Error(diff)
	}
	for n := range len(state) {
		if err := restored.RestoreState(state[:n]); err == nil {
			t.Errorf("a state cut to %d of %d bytes was taken", n, len(state))
		}
	}
	if diff := cmp.Diff(exposedOf(b), exposedOf(restored)); diff != "" {
		t.Errorf("a refused state changed the counts:\n%s", diff)
	}
}

// FuzzRestoreErrorState reads any bytes as a state: they are refused, or what comes of them is written and read again.
func FuzzRestoreErrorState(f *testing.F) {
	b := counterOf(1000)
	b.Lines(refusedLine("127.0.0.231:4005"))
	f.Add(b.AppendState(nil))
	f.Add([]byte{1, 0, 0, 0, 0, 255, 255, 255, 255, 15})
	f.Add([]byte{1, 2, 1, 0, 0, 1, 5, 'e', 'r', 'r', 'o', 'r', 2, 1, 5, 'o', 't', 'h', 'e', 'r', 0, 2})
	f.Fuzz(func(t *testing.T, state []byte) {
		b := counterOf(1000)
		if b.RestoreState(state) != nil {
			return
		}
		b.Lines(refusedLine("127.0.0.231:4005"))
		exposedOf(b)
		if err := counterOf(1000).RestoreState(b.AppendState(nil)); err != nil {
			t.Fatal(err)
		}
	})
}

// TestDroppedAreLabelSets: what comes after max_series is counted in one more series, and each label set that it
// takes in once, however often it comes.
func TestDroppedAreLabelSets(t *testing.T) {
	c := counterOf(4)
	for range 3 {
		for _, server := range []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"} {
			c.Lines(refusedLine(server))
		}
	}
	_, series := c.Snapshot()
	kept := 0
	for _, counter := range series.Counters(int(metric.ErrorEvents)) {
		if counter.Labels[1] != ledger.Other {
			kept++
		}
	}
	if series.Dropped != 4-kept || kept == 0 || kept == 4 {
		t.Errorf("%d label sets are kept, %d dropped", kept, series.Dropped)
	}
}
