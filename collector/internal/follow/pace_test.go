package follow

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/watch"
)

// TestPace: a log to which nothing comes is read less and less often, and at once when a change is reported.
func TestPace(t *testing.T) {
	h := newLogHost(t)
	h.write(1)
	w := watch.New()
	defer w.Close()
	for name, test := range map[string]struct {
		watcher *watch.Watcher
		polls   int // without anything, until it is read slowly
	}{"watching": {w, idleWatched}, "polling": {nil, idleLong}} {
		t.Run(name, func(t *testing.T) {
			var p pace
			p.begin(test.watcher, filepath.Clean(h.path))
			defer p.end()
			if p.hint() != nil {
				t.Error("a log that is read each second is woken, too")
			}
			for range test.polls - 1 {
				p.polled(false)
			}
			if p.interval >= slowInterval {
				t.Errorf("%d polls without anything, and it is read every %s", test.polls-1, p.interval)
			}
			p.polled(false)
			if p.interval != slowInterval {
				t.Errorf("%d polls without anything, and it is read every %s", test.polls, p.interval)
			}
			if test.watcher != nil {
				h.write(1)
				select {
				case <-p.hint():
				case <-time.After(30 * time.Second):
					t.Error("a line is not reported")
				}
			}
			p.polled(true)
			if p.interval != tickInterval || p.hint() != nil {
				t.Errorf("a line came, and it is read every %s", p.interval)
			}
		})
	}
}

// TestStillLog: what is written is not overlooked for a log's having been still.
func TestStillLog(t *testing.T) {
	h := newLogHost(t)
	h.write(1)
	p, end := h.reading(nil)
	defer end()
	now := time.Now()
	p.now = func() time.Time { return now }
	for _, lines := range []uint64{1, 2} {
		if n, err := scrapeOf(p); n != lines || err != nil {
			t.Fatal(n, err)
		}
		if p.IsStill() {
			t.Error("it is still right after a line")
		}
		now = now.Add(10 * time.Second)
		if n, err := scrapeOf(p); n != lines || err != nil {
			t.Fatal(n, err)
		}
		if !p.IsStill() {
			t.Error("it is never still")
		}
		h.write(1)
		if p.IsStill() {
			t.Error("a line that was written is overlooked")
		}
	}
	p.read()
	if p.IsStill() {
		t.Error("it is still, and not all of it is committed")
	}
}
