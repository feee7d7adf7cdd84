package recent_test

import (
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/internal/recent"
)

const ok, failed = 0, 2

// start is a moment at the beginning of a slot.
var start = time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC)

func at(offset time.Duration) int64 { return start.Add(offset).UnixMilli() }

func TestCountsByTheTimeOfTheLine(t *testing.T) {
	w := recent.New()
	w.Now(at(30 * time.Minute))
	for _, line := range []struct {
		at    int64
		count int
	}{
		{0, 1},                                // without a time: now
		{at(30 * time.Minute), 2},             // now
		{at(31 * time.Minute), 4},             // of the future: now
		{at(29*time.Minute + time.Second), 8}, // the slot that has just left the last minute
		{at(20 * time.Minute), 16},            // ten minutes ago
		{at(-29 * time.Minute), 32},           // nearly an hour ago
		{at(-31 * time.Minute), 64},           // over an hour ago: nothing
	} {
		w.Now(at(30 * time.Minute))
		w.At(line.at)
		for range line.count {
			w.Route("api").Add(ok, 5)
		}
	}
	hour := w.Snapshot(at(30 * time.Minute)).Routes[0]
	for _, window := range []struct {
		minutes int
		want    uint64
	}{{1, 1 + 2 + 4}, {2, 1 + 2 + 4 + 8}, {60, 1 + 2 + 4 + 8 + 16 + 32}} {
		tally := hour.Last(window.minutes)
		if got := tally.Total(); got != window.want {
			t.Errorf("last %d minutes: %d, want %d", window.minutes, got, window.want)
		}
	}
}

func TestSlotsAreUsedAgainAfterAnHour(t *testing.T) {
	w := recent.New()
	s := w.Server("a:80")
	for minute := range 180 {
		w.Now(at(time.Duration(minute) * time.Minute))
		s.AddAttempt(failed, -1, false)
	}
	hour := w.Snapshot(at(179 * time.Minute)).Servers[0]
	tally := hour.Last(60)
	if tally.Total() != 60 || tally.Counts[failed] != 60 || tally.Timed() != 0 {
		t.Errorf("after three hours the last one holds %+v, want 60 failures without times", tally)
	}
	// What comes late for a slot that is in use again is not counted there.
	w.At(at(100 * time.Minute))
	s.AddAttempt(failed, -1, false)
	hour = w.Snapshot(at(179 * time.Minute)).Servers[0]
	if tally = hour.Last(60); tally.Total() != 60 {
		t.Errorf("an old line counts in a newer slot: %d, want 60", tally.Total())
	}
}

func TestClockThatWasSetBack(t *testing.T) {
	w := recent.New()
	s := w.Route("")
	w.Now(at(2 * time.Hour))
	s.Add(ok, 1)
	w.Now(at(0))
	s.Add(ok, 1)
	hour := w.Snapshot(at(0)).Routes[0]
	if tally := hour.Last(60); tally.Total() > 1 {
		t.Errorf("the last hour holds %d requests, but at most one is of it", tally.Total())
	}
}

func TestQuantilesAreWithinAnEighth(t *testing.T) {
	for _, spread := range []int64{1, 20, 300, 9000} {
		w := recent.New()
		w.Now(at(0))
		var all []int64
		for i := range int64(1000) {
			ms := (i * i * 7919 % 1000) * spread / 10
			all = append(all, ms)
			w.Route("").Add(ok, ms)
		}
		slices.Sort(all)
		hour := w.Snapshot(at(0)).Routes[0]
		tally := hour.Last(1)
		for _, q := range []float64{0.5, 0.9, 0.95, 0.99} {
			got, timed := tally.Quantile(q)
			exact := float64(min(all[int(q*1000)-1], 65536))
			if ms := float64(got) / 1e6; !timed || ms < exact*0.87-1 || ms > exact*1.13+1 {
				t.Errorf("spread %d, quantile %g: %g ms, exact %g", spread, q, ms, exact)
			}
		}
	}
}

func TestSeriesAreBounded(t *testing.T) {
	w := recent.New()
	w.Now(at(0))
	for i := range 1000 {
		w.Server("server-"+strconv.Itoa(i)).AddAttempt(ok, 1, true)
	}
	s := w.Snapshot(at(0))
	total := uint64(0)
	for _, hour := range s.Servers {
		tally := hour.Last(1)
		total += tally.Total()
	}
	if len(s.Servers) > 65 || total != 1000 || s.Servers[len(s.Servers)-1].Name != recent.Other {
		t.Errorf("%d series count %d attempts, the last is %s", len(s.Servers), total, s.Servers[len(s.Servers)-1].Name)
	}
}

// The bound: 8 MiB for 20 servers and 20 routes that were busy for an hour.
func TestMemoryOfAFullHour(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	w := recent.New()
	for i := range recent.Slots {
		w.Now(at(time.Duration(i) * recent.SlotLength))
		for n := range 20 {
			for ms := range int64(40) {
				w.Server("s"+strconv.Itoa(n)).AddAttempt(ok, ms*ms*ms, true)
				w.Route("r"+strconv.Itoa(n)).Add(ok, ms*ms*ms)
			}
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if used := int64(after.HeapAlloc) - int64(before.HeapAlloc); used > 8<<20 {
		t.Errorf("an hour takes %d bytes, more than 8 MiB", used)
	}
	runtime.KeepAlive(w)
}

func TestEachAnswer(t *testing.T) {
	w := recent.New()
	s := w.Server("a:80")
	want := []int64{}
	for _, second := range []int{3, 17, 44} {
		w.Now(at(time.Duration(second) * time.Second))
		s.AddAttempt(ok, 1, true)
		want = append(want, start.Unix()+int64(second))
	}
	w.Now(at(50 * time.Second))
	s.AddAttempt(failed, 1, false)
	got := []int64{}
	w.EachAnswer(func(server string, second int64) {
		if server != "a:80" {
			t.Errorf("an answer of %s", server)
		}
		got = append(got, second)
	})
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("answered at %v, want %v", got, want)
	}
}

func TestLogsAreMerged(t *testing.T) {
	var snapshots []*recent.Snapshot
	for range 2 {
		w := recent.New()
		for _, second := range []int{0, 70} {
			w.Now(at(time.Duration(second) * time.Second))
			w.Server("a:80").AddAttempt(ok, 5, true)
			w.Route("api").Add(failed, 7)
		}
		snapshots = append(snapshots, w.Snapshot(at(70*time.Second)))
	}
	sum := recent.Merge(snapshots)
	if len(sum.Servers) != 1 || len(sum.Routes) != 1 {
		t.Fatalf("%d servers and %d routes, want one of each", len(sum.Servers), len(sum.Routes))
	}
	last, hour := sum.Servers[0].Last(1), sum.Routes[0].Last(60)
	if last.Total() != 2 || hour.Total() != 4 || hour.SumMillis != 28 {
		t.Errorf("%d attempts in the last minute and %d requests in the hour, want 2 and 4", last.Total(), hour.Total())
	}
	if one := snapshots[0].Servers[0].Last(60); one.Total() != 2 {
		t.Errorf("merging changed a snapshot: %d attempts", one.Total())
	}
	for from, want := range map[int]uint64{0: 4, 5: 4, 10: 2, 70: 2, 80: 0} {
		counts := sum.RequestsSince(start.Add(time.Duration(from) * time.Second))
		if counts[failed] != want {
			t.Errorf("since second %d: %d failed, want %d", from, counts[failed], want)
		}
	}
}

func TestWorstFailuresAreKept(t *testing.T) {
	w := recent.New()
	for slot := range 100 {
		w.Now(at(time.Duration(slot) * recent.SlotLength))
		for i := range int64(50) {
			duration := (i * 37) % 50
			if w.WouldFail(duration) {
				w.Fail(recent.Failure{Millis: int64(slot), Duration: duration})
			}
		}
	}
	failures := w.Snapshot(at(99 * recent.SlotLength)).Failures
	if len(failures) != 36*8 {
		t.Fatalf("%d failures are kept, want 8 in each of 36 slots", len(failures))
	}
	for _, f := range failures {
		if f.Millis < 64 || f.Duration < 42 {
			t.Errorf("%+v is kept, which is not among the worst eight of the latest 36 slots", f)
		}
	}
}

func TestStateComesBackAsItWas(t *testing.T) {
	w := busyWindow()
	state := w.AppendState(nil)
	back := recent.New()
	kept := back.Server("a:80")
	if err := back.Restore(state); err != nil {
		t.Fatal(err)
	}
	moment := at(10 * time.Minute)
	allow := cmp.AllowUnexported(recent.Hour{}, recent.Tally{})
	if diff := cmp.Diff(w.Snapshot(moment), back.Snapshot(moment), allow); diff != "" {
		t.Error(diff)
	}
	back.Now(moment)
	kept.AddAttempt(ok, 1, true)
	for _, hour := range back.Snapshot(moment).Servers {
		if tally := hour.Last(1); hour.Name == "a:80" && tally.Total() == 0 {
			t.Error("a series that was kept over Restore counts nowhere")
		}
	}
	for n := range state {
		if err := recent.New().Restore(state[:n]); err == nil {
			t.Fatalf("a state cut to %d of %d bytes was taken", n, len(state))
		}
	}
}

func busyWindow() *recent.Window {
	w := recent.New()
	for second := range 600 {
		w.Now(at(time.Duration(second) * time.Second))
		w.Server("a:80").AddAttempt(second%recent.Outcomes, int64(second*second), second%2 == 0)
		w.Route("enrollment").Add(second%recent.Outcomes, int64(second)-1)
		w.Rescue(recent.Failure{RequestID: "rescued", Duration: int64(second)})
		w.Fail(recent.Failure{
			Millis: at(time.Duration(second) * time.Second), Outcome: failed, RequestID: "id", Method: "POST",
			Path: "/v1", Code: 504,
			Duration: int64(second), Attempts: []recent.Attempt{{Server: "a:80", Code: 504, Duration: 5},
				{Server: "b:80", Duration: -1}},
		})
	}
	return w
}

func FuzzRestore(f *testing.F) {
	f.Add(busyWindow().AppendState(nil))
	f.Add([]byte{1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, state []byte) {
		w := recent.New()
		w.Now(at(0))
		if w.Restore(state) != nil {
			return
		}
		again := recent.New()
		if err := again.Restore(w.AppendState(nil)); err != nil {
			t.Errorf("what was restored cannot be saved and restored: %v", err)
		}
		w.Server("x").AddAttempt(ok, 1, true)
		w.Snapshot(at(0))
	})
}

func BenchmarkAdd(b *testing.B) {
	w := recent.New()
	w.Now(at(0))
	server, route := w.Server("a:80"), w.Route("")
	for i := range b.N {
		w.At(at(0) + int64(i&7))
		server.AddAttempt(ok, int64(i&4095), true)
		route.Add(ok, int64(i&4095))
	}
}
