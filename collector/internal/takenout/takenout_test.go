package takenout_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/takenout"
)

var start = time.Date(2026, 11, 25, 14, 2, 0, 0, time.UTC)

func at(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }

// A scene is a history of one server and what NGINX, by its source, makes of it.
type scene struct {
	name     string
	maxFails int
	timeout  int // seconds
	zone     bool
	logged   bool
	history  string // "3F7" a failure at second 3 of worker 7, "3D7" NGINX says disabled, "5A" an answer at second 5
	unavail  string // "3-14" from second 3 to 14; "3-" without an end
	taken    string // counts of logged and replayed
}

func TestReplaysNGINX(t *testing.T) {
	for _, s := range []scene{
		{"one failure takes it out, an answer after fail_timeout brings it back", 1, 10, false, false,
			"3F7 20A", "3-20", "0 1"},
		{"an answer within fail_timeout is of a request that was under way", 1, 10, false, false,
			"3F7 8A 13A 14A", "3-14", "0 1"},
		{"a failed try takes it out again", 1, 10, false, false, "3F7 14F7 25A", "3-25", "0 2"},
		{"failures of requests under way make it longer, not more", 1, 10, false, false,
			"3F7 4F7 5F7 14A 15A 16A", "3-16", "0 1"},
		{"nothing tries it: it stays out", 1, 10, false, false, "3F7", "3-", "0 1"},
		{"three failures", 3, 10, false, false, "1F7 2F7 3F7 14A", "3-14", "0 1"},
		{"an answer between failures, too early to count", 3, 10, false, false, "1F7 2F7 5A 6F7 17A", "6-17", "0 1"},
		{"an answer after fail_timeout forgives failures", 3, 10, false, false, "1F7 2F7 13A 14F7 15F7", "", "0 0"},
		{"failures far apart without an answer between add up", 2, 10, false, false, "1F7 40F7 51A", "40-51", "0 1"},
		{"each worker has its own fails", 2, 10, false, false, "1F7 2F8", "", "0 0"},
		{"two workers take it out", 1, 10, false, false, "1F7 5F8 12A 16A", "1-16", "0 2"},
		{"a zone adds the failures of all workers", 2, 10, true, false, "1F7 2F8 13A", "2-13", "0 1"},
		{"where NGINX says so, failures alone do not count", 1, 10, false, true, "3F7 14A", "", "0 0"},
		{"NGINX says so", 1, 10, false, true, "3F7 3D7 14A", "3-14", "1 0"},
		{"NGINX says so, and a try fails", 1, 10, false, true, "3F7 3D7 14F7 14D7 25A", "3-25", "2 0"},
		{"fail_timeout of a second", 1, 1, false, false, "3F7 4A 5A", "3-5", "0 1"},
	} {
		t.Run(s.name, func(t *testing.T) { s.check(t) })
	}
}

func (s scene) check(t *testing.T) {
	answers := takenout.NewAnswers()
	tracker := takenout.New(takenout.Options{
		Servers: []takenout.Server{{
			Upstream: "app", Address: "127.0.0.1:81", MaxFails: s.maxFails,
			FailTimeout: time.Duration(s.timeout) * time.Second, Shared: s.zone,
		}},
		Workers: 2, Logged: s.logged, Answers: answers,
	})
	var unavailable []bool
	var last takenout.State
	for second := range 60 {
		for _, event := range strings.Fields(s.history) {
			replay(tracker, answers, event, second)
		}
		last = tracker.States(at(second))[0]
		unavailable = append(unavailable, last.Unavailable)
	}
	if got := ranges(unavailable); got != s.unavail {
		t.Errorf("unavailable %q, want %q", got, s.unavail)
	}
	if got := fmt.Sprintf("%d %d", last.Taken[takenout.Logged], last.Taken[takenout.Replayed]); got != s.taken {
		t.Errorf("taken out %s times (logged, replayed), want %s", got, s.taken)
	}
	total := 0
	for _, out := range unavailable {
		if out {
			total++
		}
	}
	if last.Unavailable {
		total-- // the last second has just begun
	}
	if int(last.Seconds) != total {
		t.Errorf("unavailable for %g s, want %d", last.Seconds, total)
	}
}

func replay(tracker *takenout.Tracker, answers *takenout.Answers, event string, second int) {
	var when, pid int
	var kind rune
	fmt.Sscanf(event, "%d%c%d", &when, &kind, &pid)
	if when != second {
		return
	}
	f := takenout.Failure{At: at(second), PID: pid, Connection: int64(second), Server: "127.0.0.1:81",
		Event: "read_timeout", Request: "POST /x"}
	switch kind {
	case 'A':
		answers.Mark("127.0.0.1:81", at(second).Unix())
	case 'D':
		f.Event, f.Request = takenout.Disabled, ""
		tracker.Failed(f, at(second))
	case 'F':
		tracker.Failed(f, at(second))
	}
}

// ranges writes runs of true as "from-to".
func ranges(row []bool) string {
	var runs []string
	from := -1
	for i, on := range append(row, false) {
		switch {
		case on && from < 0:
			from = i
		case !on && from >= 0 && i == len(row):
			runs = append(runs, fmt.Sprintf("%d-", from))
		case !on && from >= 0:
			runs, from = append(runs, fmt.Sprintf("%d-%d", from, i)), -1
		}
	}
	return strings.Join(runs, " ")
}

func one(o takenout.Options) takenout.Options {
	o.Servers = []takenout.Server{{Upstream: "app", Address: "127.0.0.1:81", MaxFails: 1,
		FailTimeout: 10 * time.Second}}
	return o
}

func failure(second int) takenout.Failure {
	return takenout.Failure{At: at(second), PID: 7, Connection: 3, Server: "127.0.0.1:81", Event: "read_timeout",
		Request: "POST /v1"}
}

func TestOutageSaysWhatHappened(t *testing.T) {
	answers := takenout.NewAnswers()
	tracker := takenout.New(one(takenout.Options{Logged: true, Answers: answers}))
	tracker.Failed(failure(3), at(3))
	disabled := failure(3)
	disabled.Event, disabled.Request = takenout.Disabled, "POST /v1"
	tracker.Failed(disabled, at(3))
	answers.Mark("127.0.0.1:81", at(15).Unix())
	tracker.States(at(16))
	want := takenout.Outage{
		Upstream: "app", Server: "127.0.0.1:81", From: at(3), Until: at(13), Ended: at(15), Takes: 1,
		Evidence: takenout.Logged, Cause: failure(3),
	}
	if got := tracker.Outages(); len(got) != 1 || got[0] != want {
		t.Errorf("outages %+v, want %+v", got, want)
	}
}

// A worker that has ended took its failures with it, as those of a reload do.
func TestNewWorkersHaveNoFailures(t *testing.T) {
	gone := false
	tracker := takenout.New(one(takenout.Options{Gone: func(pid int) bool { return gone && pid == 7 }}))
	tracker.Failed(failure(3), at(3))
	if !tracker.States(at(4))[0].Unavailable {
		t.Fatal("one failure did not take the server out")
	}
	gone = true
	if s := tracker.States(at(5))[0]; s.Unavailable || s.Seconds != 2 {
		t.Errorf("after the worker has gone: %+v, want 2 s that have ended", s)
	}
}

// Whether a server that failed yesterday was tried since is not known: it is not said to be out now.
func TestBacklogIsNotNow(t *testing.T) {
	tracker := takenout.New(one(takenout.Options{}))
	now := at(86400)
	tracker.Failed(failure(3), now)
	if s := tracker.States(now)[0]; s.Unavailable || s.Seconds != 10 || s.Taken[takenout.Replayed] != 1 {
		t.Errorf("%+v, want 10 s of yesterday", s)
	}
}

// What was shown never goes down, also when the answer that ended it is read late.
func TestSecondsNeverGoDown(t *testing.T) {
	answers := takenout.NewAnswers()
	tracker := takenout.New(one(takenout.Options{Answers: answers}))
	tracker.Failed(failure(0), at(0))
	shown := tracker.States(at(30))[0].Seconds
	answers.Mark("127.0.0.1:81", at(12).Unix())
	if after := tracker.States(at(31))[0]; after.Unavailable || after.Seconds < shown {
		t.Errorf("%g s were shown, then %+v", shown, after)
	}
}

// TestStateInJSON: a state that was written before states were varints is read, and gives the same.
func TestStateInJSON(t *testing.T) {
	path := filepath.Join("testdata", "state-v1.json")
	before := takenout.New(one(takenout.Options{}))
	before.Failed(failure(3), at(3))
	before.States(at(5))
	state, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	after := takenout.New(one(takenout.Options{}))
	if err := after.Restore(state); err != nil {
		t.Fatal(err)
	}
	if got, want := after.States(at(9))[0], before.States(at(9))[0]; got != want || got.Seconds != 6 {
		t.Errorf("after a restart %+v, without one %+v", got, want)
	}
	if len(after.Outages()) != 1 || after.Outages()[0].Cause.Request != "POST /v1" {
		t.Errorf("outages after a restart: %+v", after.Outages())
	}
}

// TestStateOfAnyLog: whatever numbers an error log has, what is saved of it can be read.
func TestStateOfAnyLog(t *testing.T) {
	before := takenout.New(one(takenout.Options{}))
	for _, n := range []int{math.MaxInt, math.MinInt, 0, 7} {
		f := failure(3)
		f.PID, f.Connection = n, int64(n)
		before.Failed(f, at(3))
	}
	state := before.AppendState(nil)
	if err := takenout.New(one(takenout.Options{})).Restore(state); err != nil {
		t.Error(err)
	}
	for cut := range state {
		if takenout.New(one(takenout.Options{})).Restore(state[:cut]) == nil {
			t.Fatalf("the first %d bytes of %d are taken for a state", cut, len(state))
		}
	}
}

func TestStateComesBack(t *testing.T) {
	answers := takenout.NewAnswers()
	before := takenout.New(one(takenout.Options{Answers: answers}))
	before.Failed(failure(3), at(3))
	before.States(at(5))
	state := before.AppendState(nil)
	after := takenout.New(one(takenout.Options{Answers: answers}))
	if err := after.Restore(state); err != nil {
		t.Fatal(err)
	}
	answers.Mark("127.0.0.1:81", at(20).Unix())
	if got, want := after.States(at(21))[0], before.States(at(21))[0]; got != want || got.Seconds != 17 {
		t.Errorf("after a restart %+v, without one %+v", got, want)
	}
	if len(after.Outages()) != 1 || after.Outages()[0].Cause.Request != "POST /v1" {
		t.Errorf("outages after a restart: %+v", after.Outages())
	}
}

func TestChangeKeepsCounts(t *testing.T) {
	tracker := takenout.New(one(takenout.Options{}))
	tracker.Failed(failure(3), at(3))
	changed := one(takenout.Options{})
	changed.Servers[0].MaxFails = 5
	changed.Servers = append(changed.Servers, takenout.Server{Upstream: "app", Address: "127.0.0.1:82", MaxFails: 1})
	tracker.Change(changed)
	states := tracker.States(at(4))
	if len(states) != 2 || !states[0].Unavailable || states[0].Server.MaxFails != 5 || states[1].Unavailable {
		t.Errorf("%+v", states)
	}
}

func TestAnswersOfAnHour(t *testing.T) {
	answers := takenout.NewAnswers()
	for _, second := range []int{10, 20, 4000, 3000, 100} { // 100 is older than an hour by then
		answers.Mark("a", at(second).Unix())
	}
	for after, want := range map[int]int{0: 3000, 2999: 3000, 3000: 4000, 4000: -1} {
		got, found := answers.After("a", at(after))
		if found != (want >= 0) || found && !got.Equal(at(want)) {
			t.Errorf("after %d: %v %v, want %d", after, got, found, want)
		}
	}
	var none *takenout.Answers
	none.Mark("a", 1)
	if _, found := none.After("a", start); found {
		t.Error("a nil Answers knows of an answer")
	}
}

func FuzzRestore(f *testing.F) {
	f.Add([]byte(`{"servers":[{"upstream":"app","address":"127.0.0.1:81","workers":[{"PID":7,"Fails":1,` +
		`"Out":true}]}]}`))
	f.Add([]byte(`{"servers":[{"upstream":"app","address":"127.0.0.1:81","workers":[null]}]}`))
	f.Fuzz(func(t *testing.T, state []byte) {
		tracker := takenout.New(one(takenout.Options{Answers: takenout.NewAnswers()}))
		if tracker.Restore(state) != nil {
			return
		}
		tracker.Failed(failure(3), at(3))
		tracker.States(at(60))
	})
}
