package follow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
)

// TestStartIsOnDiskBeforeItIsShown: what comes after a scrape is counted after a kill, too, so where reading begins
// must be on disk by then.
func TestStartIsOnDiskBeforeItIsShown(t *testing.T) {
	h := newLogHost(t)
	h.fromEnd = true
	h.write(10)
	disk := &hangingDisk{hang: make(chan struct{})}
	p, end := h.reading(disk)
	clock := time.Now()
	p.now = func() time.Time { return clock }
	p.read()
	clock = clock.Add(time.Hour)
	p.read()
	if p.sight == nil {
		t.Fatal("the file is not quiet")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 2 {
		if err := p.commit(ctx); !errors.Is(err, errCommitHangs) {
			t.Fatalf("on a disk that hangs: %v", err)
		}
		if p.IsStill() {
			t.Error("scrapes need not ask it")
		}
		if p.Last() != nil {
			t.Error("counts are shown that a crash would begin anew, behind what comes now")
		}
	}
	go close(disk.hang)
	if n, err := scrapeOf(p); n != 0 || err != nil || p.Stats().CommitsOK != 1 {
		t.Errorf("once it is on disk: %d lines, %v, %+v", n, err, p.Stats())
	}
	end()
	h.write(5)
	h.readOnce(5)
}

// TestStartOfAnUnreadableLog: a log that cannot be read at first begins at the end that it has when it can, whether the
// exporter is killed before that or after. What may have come meanwhile is a gap.
func TestStartOfAnUnreadableLog(t *testing.T) {
	for _, killed := range []string{"never", "before it can be read", "after"} {
		t.Run(killed, func(t *testing.T) {
			h := newLogHost(t)
			h.fromEnd = true
			folder, link := filepath.Dir(h.path), filepath.Join(t.TempDir(), "link")
			h.path = filepath.Join(link, filepath.Base(h.path))
			if err := os.Symlink(link, link); err != nil { // to itself: there may be a log behind it
				t.Fatal(err)
			}
			p, end := h.reading(nil)
			if _, err := scrapeOf(p); err == nil {
				t.Fatal("it can be read")
			}
			restart := func() { end(); p, end = h.reading(nil) }
			if killed == "before it can be read" {
				restart()
			}
			if err := errors.Join(os.Remove(link), os.Symlink(folder, link)); err != nil {
				t.Fatal(err)
			}
			h.write(10)
			if n, err := scrapeOf(p); n != 0 || err != nil {
				t.Errorf("%d lines are counted of 10 that were there before (%v)", n, err)
			}
			if killed == "after" {
				restart()
			}
			h.write(5)
			if n, err := scrapeOf(p); n != 5 || err != nil || p.totals.Gaps[tail.GapUnreadable] != 1 {
				t.Errorf("%d lines of 5 (%v), %v", n, err, p.totals.Gaps)
			}
			end()
		})
	}
}

// TestCrashAtEveryStepOfAStart: a log begins at its end, beside another that has begun before. What a scrape has shown
// holds: what comes after it is counted.
func TestCrashAtEveryStepOfAStart(t *testing.T) {
	for _, power := range []bool{false, true} {
		survived := false
		for step := 0; !survived; step++ {
			t.Run(fmt.Sprintf("power %v, step %d", power, step), func(t *testing.T) {
				h := newLogHost(t)
				h.fromEnd = true
				h.write(100)
				dir, err := statefile.Open(h.data)
				err = errors.Join(err, dir.Begin("other", []byte("{}")), dir.Close())
				if err != nil {
					t.Fatal(err)
				}
				disk := &crashingDisk{dies: step, power: power}
				p, end := h.reading(disk)
				_, err = scrapeOf(p)
				end()
				switch {
				case !disk.crashed:
					survived = true
					disk.crash()
				case err == nil:
					t.Error("the crashed start was given out as one")
				}
				h.write(25)
				p, end = h.reading(nil)
				defer end()
				n, err := scrapeOf(p)
				if n != 25 && (survived || n != 0) || err != nil || len(p.totals.Gaps) > 0 {
					t.Errorf("%d lines of 25 (%v), %v", n, err, p.totals.Gaps)
				}
				h.write(1)
				if after, err := scrapeOf(p); after != n+1 || err != nil {
					t.Errorf("%d lines (%v) after %d", after, err, n)
				}
			})
		}
	}
}

// TestUnchangedRecordIsLeft: a log to which nothing has come writes nothing at a start.
func TestUnchangedRecordIsLeft(t *testing.T) {
	for name, lines := range map[string]int{"a position": 0, "a record": 5} {
		t.Run(name, func(t *testing.T) {
			h := newLogHost(t)
			h.fromEnd = true
			h.write(10)
			h.readOnce(0)
			h.write(lines)
			h.readOnce(uint64(lines))
			for range 3 {
				p, end := h.running(&fullDisk{full: "create"})
				if s, err := p.Scrape(t.Context()); err != nil || s.Lines.Parsed != uint64(lines) {
					t.Errorf("%d lines of %d are shown (%v)", s.Lines.Parsed, lines, err)
				}
				if s := p.Stats(); s.CommitsOK+s.CommitsFailed > 0 || s.LastCommit.IsZero() {
					t.Errorf("%+v", s)
				}
				end()
			}
			h.write(1)
			h.readOnce(uint64(lines) + 1)
		})
	}
}

// TestRecordOfAnotherPathIsWritten: the log is found by its content next time, too.
func TestRecordOfAnotherPathIsWritten(t *testing.T) {
	h := newLogHost(t)
	h.write(10)
	h.readOnce(10)
	moved := filepath.Join(filepath.Dir(h.path), "web.log")
	if err := os.Rename(h.path, moved); err != nil {
		t.Fatal(err)
	}
	h.path = moved
	p, end := h.running(nil)
	if s, err := p.Scrape(t.Context()); err != nil || s.Lines.Parsed != 10 || p.Stats().CommitsOK != 1 {
		t.Errorf("%d lines (%v), %+v", s.Lines.Parsed, err, p.Stats())
	}
	end()
}
