package follow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// TestStartShowsWhatWasCommitted: the rest of a part that was compressed meanwhile is read when the log is found again,
// and shown when that is committed.
func TestStartShowsWhatWasCommitted(t *testing.T) {
	h := newLogHost(t)
	h.writeDifferent(100)
	h.readOnce(100)
	h.writeDifferent(50)
	pack(t, h.path, h.path+".1.gz")
	h.write(0)
	p, end := h.reading(nil)
	defer end()
	if n, _ := p.counter.Snapshot(); n.Parsed != 150 {
		t.Errorf("%d lines are counted of 150", n.Parsed)
	}
	if n := p.Last().Lines.Parsed; n != 100 {
		t.Errorf("%d lines are shown, 100 were committed", n)
	}
	if n, err := scrapeOf(p); n != 150 || err != nil {
		t.Errorf("%d lines of 150 are shown then (%v)", n, err)
	}
}

// TestCrashAfterALossThatWasSeen: a log lost its last lines, that was looked at, lines were written, and the exporter
// was killed before it had read them. They are new beyond doubt.
func TestCrashAfterALossThatWasSeen(t *testing.T) {
	for name, look := range map[string]func(*Pipeline){
		"by a scrape": func(p *Pipeline) { scrapeOf(p) },
		"by itself": func(p *Pipeline) {
			p.pace.begin(nil, "")
			defer p.pace.end()
			p.poll(t.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newLogHost(t)
			var all strings.Builder
			for i := range 200 {
				fmt.Fprintf(&all, "200 %d.%03d\n", i, i)
			}
			lines := strings.SplitAfter(all.String(), "\n")
			put := func(lines []string) {
				if err := os.WriteFile(h.path, []byte(strings.Join(lines, "")), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			put(lines[:100])
			p, end := h.reading(nil)
			if n, err := scrapeOf(p); n != 100 || err != nil {
				t.Fatal(n, err)
			}
			put(lines[:80])
			look(p)
			put(append(slices.Clone(lines[:80]), lines[150:]...))
			end()
			p, end = h.reading(nil)
			defer end()
			if n, err := scrapeOf(p); n != 100+50 || err != nil || len(p.totals.Gaps) > 0 {
				t.Errorf("%d lines are shown of %d (%v), gaps %v", n, 100+50, err, p.totals.Gaps)
			}
		})
	}
}

// TestStartShowsWhatItFinds: the log was copied and truncated, nothing has come since, and the counter sleeps until
// something does.
func TestStartShowsWhatItFinds(t *testing.T) {
	h := newLogHost(t)
	h.writeDifferent(100)
	h.readOnce(100)
	h.writeDifferent(50)
	text, err := os.ReadFile(h.path)
	if err := errors.Join(err, os.WriteFile(h.path+".1", text, 0o644), os.Truncate(h.path, 0)); err != nil {
		t.Fatal(err)
	}
	dir, err := statefile.Open(h.data)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	counter := func() (Counter, error) { return counterOf(t, "$status $request_time"), nil }
	p := New(Config{
		Source: source.LogSource{Name: "access", Path: h.path}, State: dir, Logger: log.NewNopLogger(),
		New: counter, Renew: func(Counter) func() (Counter, error) { return counter },
	})
	ctx, cancel := context.WithCancel(t.Context())
	go p.Run(ctx)
	if s, err := p.Scrape(ctx); err != nil || s.Lines.Parsed != 150 {
		t.Errorf("%d lines of 150 are shown (%v)", s.Lines.Parsed, err)
	}
	cancel()
	<-p.Done()
}
