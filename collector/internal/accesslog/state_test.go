package accesslog

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/internal/exposetest"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

var updateState = flag.Bool("update-state", false, "write testdata/state-v2.bin anew")

func readCounter(t testing.TB, f logtest.Format, lines int) *Counter {
	t.Helper()
	b := testCounter(t, f)
	b.clock = func() time.Time { return time.Unix(1700000000, 0) }
	w := logtest.NewWriter(f, 7)
	var block []byte
	for range lines {
		block = w.Append(block)
	}
	b.Lines(block)
	b.Lines([]byte("malformed\n"))
	b.TooLong()
	return b
}

func TestStateRoundTrip(t *testing.T) {
	for _, f := range logtest.Formats() {
		t.Run(f.Name, func(t *testing.T) {
			b := readCounter(t, f, 2000)
			state := b.AppendState([]byte("before"))
			restored := testCounter(t, f)
			if err := restored.RestoreState(state[len("before"):]); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(exposed(t, b), exposed(t, restored)); diff != "" {
				t.Fatal(diff)
			}
			if again := restored.AppendState(nil); !slices.Equal(again, state[len("before"):]) {
				t.Error("the restored counter writes another state")
			}
			block, _ := benchBlock(f)
			b.Lines(block)
			restored.Lines(block)
			if diff := cmp.Diff(exposed(t, b), exposed(t, restored)); diff != "" {
				t.Error("counting on differs:\n", diff)
			}
		})
	}
}

// TestStateKeepsCreationTimes because a re-created counter is a reset for Prometheus.
func TestStateKeepsCreationTimes(t *testing.T) {
	f := logtest.Formats()[0]
	restored := testCounter(t, f)
	if err := restored.RestoreState(readCounter(t, f, 100).AppendState(nil)); err != nil {
		t.Fatal(err)
	}
	checked := 0
	_, series := restored.Snapshot()
	for id := range metric.Count {
		for _, c := range series.Counters(int(id)) {
			if c.Created != 1700000000_000 && !exposetest.IsSeeded(id) {
				t.Errorf("%s %q was created at %d", metric.Get(id).Name, c.Labels, c.Created)
			}
			checked++
		}
		for _, h := range series.Histograms(int(id)) {
			if h.Created != 1700000000_000 {
				t.Errorf("%s %q was created at %d", metric.Get(id).Name, h.Labels, h.Created)
			}
			checked++
		}
	}
	if checked < 10 {
		t.Errorf("only %d series", checked)
	}
}

// TestStateUnderAnotherFormat: what the new format cannot give is not shown, and comes back with the old format.
func TestStateUnderAnotherFormat(t *testing.T) {
	formats := logtest.Formats()
	full, combined := formats[0], formats[4]
	before := readCounter(t, full, 500)
	between := testCounter(t, combined)
	if err := between.RestoreState(before.AppendState(nil)); err != nil {
		t.Fatal(err)
	}
	for _, line := range exposed(t, between) {
		if strings.HasPrefix(line, "nginx_upstream_") {
			t.Errorf("combined cannot give %s", line)
		}
	}
	after := testCounter(t, full)
	if err := after.RestoreState(between.AppendState(nil)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(exposed(t, before), exposed(t, after)); diff != "" {
		t.Error(diff)
	}
}

// TestStateUnderOtherBuckets: counts go by the upper edge of the bucket that they were in; sums and counts stay.
func TestStateUnderOtherBuckets(t *testing.T) {
	before := counterOf(t, `$status $request_time`, "default", nil) // 0.1 and 1
	before.Lines([]byte("200 0.050\n200 0.100\n200 0.900\n200 7.000\n"))
	after := counterOf(t, `$status $request_time`, "default", func(c *Config) { c.Buckets = []float64{0.1, 5, 10} })
	if err := after.RestoreState(before.AppendState(nil)); err != nil {
		t.Fatal(err)
	}
	has(t, after,
		`nginx_access_request_duration_seconds_bucket{log="access",outcome="ok",route="",le="0.1"} 2`,
		`nginx_access_request_duration_seconds_bucket{log="access",outcome="ok",route="",le="5"} 3`,
		`nginx_access_request_duration_seconds_bucket{log="access",outcome="ok",route="",le="10"} 4`,
		`nginx_access_request_duration_seconds_sum{log="access",outcome="ok",route=""} 8.05`,
		`nginx_access_request_duration_seconds_count{log="access",outcome="ok",route=""} 4`)
}

// TestStateDamaged: any state that is cut or changed is refused or read; after an error the counts are as before.
func TestStateDamaged(t *testing.T) {
	f := logtest.Formats()[0]
	state := readCounter(t, f, 300).AppendState(nil)
	b := readCounter(t, f, 10)
	before := exposed(t, b)
	for n := range len(state) {
		if err := b.RestoreState(state[:n]); err == nil {
			t.Fatalf("a state cut to %d of %d bytes was taken", n, len(state))
		}
	}
	if diff := cmp.Diff(before, exposed(t, b)); diff != "" {
		t.Error("a refused state changed the counts:\n", diff)
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		changed := slices.Clone(state)
		changed[random.IntN(len(changed))] ^= byte(1 + random.IntN(255))
		other := testCounter(t, logtest.Formats()[4])
		if err := other.RestoreState(changed); err == nil {
			exposed(t, other)
		}
	}
}

// TestStateOfVersion1 reads a state that the first version wrote: a new version must.
func TestStateOfVersion1(t *testing.T) {
	f := logtest.Formats()[0]
	state, err := os.ReadFile(filepath.Join("testdata", "state-v1.bin"))
	if err != nil {
		t.Fatal(err)
	}
	restored := testCounter(t, f)
	if err := restored.RestoreState(state); err != nil {
		t.Fatal(err)
	}
	has(t, restored, `fremisn_exporter_log_lines_total{log="access",result="parsed"} 200`)
	if len(restored.ledger.Histograms(int(metric.ResponseDuration))) < 3 {
		t.Error("histograms are missing")
	}
}

// TestStateOfVersion2 reads a state with a last hour and failures, from before there was one codec for all state. It is
// written as it was read.
func TestStateOfVersion2(t *testing.T) {
	f := logtest.Formats()[0]
	path := filepath.Join("testdata", "state-v2.bin")
	if *updateState {
		c, w := testCounter(t, f), logtest.NewMixed(f, 3)
		c.clock = func() time.Time { return time.Unix(1700000000, 0) }
		for minute := range 20 {
			w.Start(time.Unix(1700000000-1200+60*int64(minute), 0))
			for range 100 {
				c.Lines(w.Append(nil))
			}
		}
		if err := os.WriteFile(path, c.AppendState(nil), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	state, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	restored := testCounter(t, f)
	if err := restored.RestoreState(state); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(restored.AppendState(nil), state) {
		t.Error("it is not written as it was read")
	}
	hour := restored.Hour(1700000000_000)
	if len(hour.Failures) < 50 || len(hour.Rescued) < 20 || len(hour.Servers) < 3 {
		t.Errorf("%d failures, %d rescued, %d servers in the last hour", len(hour.Failures), len(hour.Rescued),
			len(hour.Servers))
	}
	for i := range hour.Servers {
		if tally := hour.Servers[i].Last(60); tally.Total() < 100 {
			t.Errorf("%s has %d attempts", hour.Servers[i].Name, tally.Total())
		}
	}
}

// TestStateIsSmall: at most 100 KB for 1,000 series, as Prometheus counts them.
func TestStateIsSmall(t *testing.T) {
	b := readCounter(t, logtest.Formats()[0], 20_000)
	series := 0
	for _, line := range exposed(t, b) {
		if strings.HasPrefix(line, "nginx_") {
			series++
		}
	}
	if size := len(b.AppendState(nil)); size*1000 > series*100_000 || series < 200 {
		t.Errorf("%d bytes for %d series", size, series)
	}
}

func FuzzRestoreState(f *testing.F) {
	f.Add(readCounter(f, logtest.Formats()[0], 50).AppendState(nil))
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 1, 255, 255, 255, 255, 15})
	const format = `$status $request_time $upstream_addr $upstream_response_time`
	b, again := counterOf(f, format, "default", nil), counterOf(f, format, "default", nil)
	f.Fuzz(func(t *testing.T, state []byte) {
		if err := b.RestoreState(state); err != nil {
			return
		}
		b.Lines([]byte("200 0.001 127.0.0.231:4005 0.001\n"))
		exposed(t, b)
		if err := again.RestoreState(b.AppendState(nil)); err != nil {
			t.Fatalf("the state of a restored counter is refused: %s", err)
		}
	})
}

func BenchmarkState(b *testing.B) {
	counter := readCounter(b, logtest.Formats()[0], 20_000)
	var state []byte
	b.ReportAllocs()
	for b.Loop() {
		state = counter.AppendState(state[:0])
	}
	b.ReportMetric(float64(len(state)), "bytes")
}
