package follow

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A slowCounter takes its time for each block.
type slowCounter struct {
	Counter
	each time.Duration
}

func (c slowCounter) Lines(block []byte) {
	time.Sleep(c.each)
	c.Counter.Lines(block)
}

// TestEndWithABacklog: who ends while more is unread than can be read in time stops cleanly, between two blocks,
// and the next start goes on there. Before the end of the first reading, and after it.
func TestEndWithABacklog(t *testing.T) {
	const lines = 40 * blockLines
	for name, after := range map[string]time.Duration{"in the first reading": 3 * time.Second, "at once": 0} {
		t.Run(name, func(t *testing.T) {
			h := newLogHost(t)
			h.write(lines)
			dir, err := statefile.Open(h.data)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				p := New(Config{
					Source: source.LogSource{Name: "access", Path: h.path, FromStart: true}, State: dir,
					Counter: slowCounter{counterOf(t, "$status $request_time"), time.Second},
					Logger:  log.NewLogfmtLogger(&h.said),
				})
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- p.Run(ctx) }()
				time.Sleep(after)
				cancel()
				began := time.Now()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > lastReadWait+2*time.Second {
					t.Errorf("it took %s", took)
				}
				if n := p.Last().Lines.Parsed; n == 0 || n >= uint64(lines) {
					t.Errorf("%d lines are committed of %d: not a part of them", n, lines)
				}
			})
			if err := dir.Close(); err != nil {
				t.Fatal(err)
			}
			p, end := h.reading(nil)
			defer end()
			if n, err := scrapeOf(p); n != uint64(lines) || err != nil || len(p.totals.Gaps) > 0 {
				t.Errorf("%d lines are counted of %d, %v, gaps %v", n, lines, err, p.totals.Gaps)
			}
		})
	}
}

// blockLines is about how many lines of a logHost a block holds.
const blockLines = 256 << 10 / len("200 0.010\n")
