package follow

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

var updateState = flag.Bool("update-state", false, "write testdata/record-v1.state anew")

// A logHost is a folder with a log in it and a folder with the state of who reads it.
type logHost struct {
	t          *testing.T
	path, data string
	fromEnd    bool         // start: end
	said       bytes.Buffer // what the exporter's log says
}

func newLogHost(t *testing.T) *logHost {
	return &logHost{t: t, path: filepath.Join(t.TempDir(), "access.log"), data: t.TempDir()}
}

func (h *logHost) write(lines int) {
	h.t.Helper()
	file, err := os.OpenFile(h.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := file.WriteString(strings.Repeat("200 0.010\n", lines)); err != nil {
		h.t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// config is that of a pipeline whose state is on a disk, nil for the real one.
func (h *logHost) config(disk statefile.Disk) Config {
	h.t.Helper()
	var dir *statefile.Dir
	var err error
	if disk == nil {
		dir, err = statefile.Open(h.data)
	} else {
		dir, err = statefile.OpenOn(disk, h.data)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return Config{
		Source: source.LogSource{Name: "access", Path: h.path, FromStart: !h.fromEnd}, State: dir,
		Logger: log.NewLogfmtLogger(&h.said), Counter: counterOf(h.t, "$status $request_time"),
	}
}

// reading is a pipeline that has begun; end leaves it as a crash does: without another commit.
func (h *logHost) reading(disk statefile.Disk) (p *Pipeline, end func()) {
	h.t.Helper()
	p = New(h.config(disk))
	p.restore(h.t.Context())
	return p, func() {
		p.reader.Close()
		p.commits.stop()
		if err := p.commits.dir.Close(); err != nil {
			h.t.Error(err)
		}
	}
}

// running is a pipeline that runs; end ends it cleanly.
func (h *logHost) running(disk statefile.Disk) (p *Pipeline, end func()) {
	h.t.Helper()
	p = New(h.config(disk))
	ctx, cancel := context.WithCancel(h.t.Context())
	go p.Run(ctx)
	return p, func() {
		cancel()
		<-p.Done()
		if err := p.commits.dir.Close(); err != nil {
			h.t.Error(err)
		}
	}
}

// readOnce reads the log from its present position, commits, and ends. So many lines must have been counted by then.
func (h *logHost) readOnce(want uint64) {
	h.t.Helper()
	p, end := h.reading(nil)
	defer end()
	if n, err := scrapeOf(p); n != want || err != nil {
		h.t.Fatalf("%d lines are counted (%v), want %d", n, err, want)
	}
}

// scrapeOf is what a scrape does to a pipeline; it gives how many lines are shown.
func scrapeOf(p *Pipeline) (lines uint64, err error) {
	p.read()
	err = p.commit(context.Background())
	return shownOf(p).Lines.Parsed, errors.Join(p.readErr, err)
}

// TestCrashAtEveryStepOfACommit kills the exporter, or the whole machine, before every step of a commit: what comes
// after has every line once, and shows no less than any scrape before it.
func TestCrashAtEveryStepOfACommit(t *testing.T) {
	for _, power := range []bool{false, true} {
		survived := false
		for step := 0; !survived; step++ {
			t.Run(fmt.Sprintf("power %v, step %d", power, step), func(t *testing.T) {
				h := newLogHost(t)
				h.write(100)
				h.readOnce(100)

				h.write(50)
				disk := &crashingDisk{dies: step, power: power}
				p, end := h.reading(disk)
				committed := uint64(100)
				_, err := scrapeOf(p)
				end()
				switch {
				case !disk.crashed:
					survived, committed = true, 150
					disk.crash() // right behind the commit: what a scrape has shown must last
				case err == nil:
					t.Error("the crashed commit was given out as one")
				}

				h.write(25)
				p, end = h.reading(nil)
				if n := p.Last().Lines.Parsed; n < committed {
					t.Errorf("%v lines came back of %v that were committed", n, committed)
				}
				if n, err := scrapeOf(p); n != 175 || err != nil {
					t.Errorf("%v lines (%v) of 175", n, err)
				}
				if gaps := p.Last().Totals.Gaps; gaps[gapCorrupt]+gaps[gapLost] > 0 {
					t.Errorf("the log says that state is lost: %s", &h.said)
				}
				end()
			})
		}
	}
}

// TestFullDisk: scrapes go on with the numbers that were committed, the lag says how far behind they are, failed
// commits are counted, logged once, and heal by themselves; nothing is ever shown that a crash would take back.
func TestFullDisk(t *testing.T) {
	for _, step := range []string{"create", "write", "sync", "rename", "sync of the folder"} {
		t.Run(step, func(t *testing.T) {
			h := newLogHost(t)
			disk := &fullDisk{}
			p, end := h.reading(disk)
			h.write(10)
			if n, err := scrapeOf(p); n != 10 || err != nil {
				t.Fatal(n, err)
			}
			disk.full = step
			for i := range 3 {
				h.write(10)
				if n, err := scrapeOf(p); n != 10 || !errors.Is(err, errFull) {
					t.Errorf("on a full disk: %v lines, %v", n, err)
				}
				if lag, want := p.Stats().Lag, int64(10*(i+1)*len("200 0.010\n")); lag != want {
					t.Errorf("the lag is %d, want %d", lag, want)
				}
			}
			if s := p.Stats(); s.CommitsOK != 1 || s.CommitsFailed != 3 {
				t.Errorf("%d commits succeeded and %d failed", s.CommitsOK, s.CommitsFailed)
			}
			if n := strings.Count(h.said.String(), "saving state failed"); n != 1 {
				t.Errorf("it was logged %d times:\n%s", n, &h.said)
			}
			disk.full = ""
			if n, err := scrapeOf(p); n != 40 ||
				err != nil { // nothing new was written, and there is something to commit
				t.Error(n, err)
			}
			if s := p.Stats(); s.CommitsOK != 2 || s.Lag != 0 || !strings.Contains(h.said.String(),
				"saving state works again") {
				t.Errorf("it has not healed: %+v\n%s", s, &h.said)
			}
			disk.full = step
			h.write(10)
			shown, _ := scrapeOf(p)
			end()
			p, end = h.reading(nil)
			defer end()
			if n := p.Last().Lines.Parsed; n < shown {
				t.Errorf("after a crash %d lines are shown of %d before", n, shown)
			}
			if n, err := scrapeOf(p); n != 50 || err != nil {
				t.Errorf("after a crash: %v lines of 50, %v", n, err)
			}
		})
	}
}

// TestHangingDisk: a disk that does not answer holds up one scrape for as long as that has time, and no other. What it
// had committed when it answers is shown.
func TestHangingDisk(t *testing.T) {
	h := newLogHost(t)
	disk := &hangingDisk{hang: make(chan struct{})}
	p, end := h.reading(disk)
	h.write(10)
	p.read()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.commit(ctx); !errors.Is(err, errCommitHangs) {
		t.Fatalf("the first commit: %v", err)
	}
	h.write(10)
	for range 3 { // would never come back
		if n, err := scrapeOf(p); n != 0 || !errors.Is(err, errCommitHangs) {
			t.Fatalf("%v lines, %v", n, err)
		}
	}
	close(disk.hang)
	<-p.commits.free // the commit that hung is done
	p.commits.free <- struct{}{}
	if n := p.Last().Lines.Parsed; n != 10 {
		t.Errorf("%d lines are shown of the 10 whose commit hung", n)
	}
	if n, err := scrapeOf(p); n != 20 || err != nil {
		t.Errorf("healed: %v lines, %v", n, err)
	}
	end()
}

func TestStateRemovedOrDamagedIsAGap(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		harm         func(record string) error
	}{
		{"removed", gapLost, os.Remove},
		{"damaged", gapCorrupt, func(record string) error {
			return os.WriteFile(record, []byte("FREMISN\x01nonsense"),
				0o640)
		}},
		{"a folder", gapCorrupt, func(record string) error {
			return errors.Join(os.Remove(record), os.Mkdir(record, 0o750))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newLogHost(t)
			h.write(10)
			p, end := h.reading(nil)
			if _, err := scrapeOf(p); err != nil {
				t.Fatal(err)
			}
			end()
			if err := c.harm(filepath.Join(h.data, "access.state")); err != nil {
				t.Fatal(err)
			}
			p, end = h.reading(nil)
			defer end()
			if n, err := scrapeOf(p); n != 10 || err != nil { // start: beginning
				t.Errorf("%v lines, %v", n, err)
			}
			if n := p.Last().Totals.Gaps[c.reason]; n != 1 {
				t.Errorf("%v gaps of reason %s", n, c.reason)
			}
			if said := h.said.String(); !strings.Contains(said, "reason="+c.reason) || !strings.Contains(said, h.path) {
				t.Errorf("the log says %s", said)
			}
		})
	}
}

// TestFirstStartIsNoGap: where there never was a state, nothing is lost.
func TestFirstStartIsNoGap(t *testing.T) {
	h := newLogHost(t)
	h.write(10)
	p, end := h.reading(nil)
	defer end()
	if _, err := scrapeOf(p); err != nil {
		t.Fatal(err)
	}
	for _, reason := range GapReasons() {
		if n := p.Last().Totals.Gaps[reason]; n != 0 {
			t.Errorf("%v gaps of reason %s: %s", n, reason, &h.said)
		}
	}
}

// TestCommitsWhileNobodyScrapes: on the tick, when something has changed, every commitInterval; and at the end.
func TestCommitsWhileNobodyScrapes(t *testing.T) {
	h := newLogHost(t)
	h.write(1)
	dir, err := statefile.Open(h.data)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		p := New(Config{
			Source: source.LogSource{Name: "access", Path: h.path,
				FromStart: true}, State: dir, Logger: log.NewNopLogger(),
			Counter: counterOf(t, "$status $request_time"),
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		wantCommits := func(when string, want uint64) {
			t.Helper()
			synctest.Wait()
			if got := p.Stats().CommitsOK; got != want {
				t.Errorf("%s: %d commits, want %d", when, got, want)
			}
		}
		wantCommits("at start", 1)
		time.Sleep(10 * commitInterval)
		wantCommits("when nothing has changed", 1)
		h.write(1)
		time.Sleep((idleEvery + 1) * tickInterval)
		wantCommits("when something was read long after the last commit", 2)
		h.write(1)
		time.Sleep(commitInterval / 2)
		wantCommits("soon after a commit", 2)
		time.Sleep(commitInterval)
		wantCommits("after a while", 3)
		h.write(1)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		wantCommits("at the end", 4)
	})
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	p, end := h.reading(nil)
	defer end()
	if n := p.Last().Lines.Parsed; n != 4 {
		t.Errorf("%v lines were committed of 4", n)
	}
}

// TestWholeRecordOfVersion1 continues from a record that the first version wrote, cursor and all, on another machine:
// every later version must.
func TestWholeRecordOfVersion1(t *testing.T) {
	golden := filepath.Join("testdata", "record-v1.state")
	h := newLogHost(t)
	h.write(100)
	if *updateState {
		p, end := h.reading(nil)
		if _, err := scrapeOf(p); err != nil {
			t.Fatal(err)
		}
		end()
		if err := os.Rename(filepath.Join(h.data, "access.state"), golden); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.data, "access.state"), raw, 0o640); err != nil {
		t.Fatal(err)
	}
	h.write(50)
	p, end := h.reading(nil)
	defer end()
	if n := p.Last().Lines.Parsed; n != 100 {
		t.Errorf("%v lines are restored of 100", n)
	}
	if n, err := scrapeOf(p); n != 150 || err != nil {
		t.Errorf("%v lines (%v) of 150", n, err)
	}
}

// TestAnotherFileUnderTheSameName: the counters go on, and the new file is not read from its beginning for that the
// old one has a position.
func TestAnotherFileUnderTheSameName(t *testing.T) {
	h := newLogHost(t)
	h.write(10)
	h.readOnce(10)
	h.path = filepath.Join(t.TempDir(), "other.log")
	h.write(100)
	h.fromEnd = true
	p, end := h.reading(nil)
	defer end()
	if n, err := scrapeOf(p); n != 10 || err != nil {
		t.Errorf("%v lines (%v), want the 10 of the old file", n, err)
	}
	h.write(5)
	if n, err := scrapeOf(p); n != 15 || err != nil {
		t.Errorf("%v lines (%v), want 5 more", n, err)
	}
	if n := p.Last().Totals.Gaps["deleted"]; n != 0 {
		t.Errorf("a gap is reported: %s", &h.said)
	}
}

// TestTheSameFileByAnotherSpelling: a relative path continues where the absolute one was.
func TestTheSameFileByAnotherSpelling(t *testing.T) {
	h := newLogHost(t)
	t.Chdir(filepath.Dir(h.path))
	h.write(10)
	h.readOnce(10)
	h.write(5) // while the exporter is down
	h.path, h.fromEnd = filepath.Base(h.path), true
	p, end := h.reading(nil)
	defer end()
	if n, err := scrapeOf(p); n != 15 || err != nil {
		t.Errorf("%v lines (%v) of 15", n, err)
	}
}
