package past

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A progress draws a bar while files are read. The nil progress draws nothing.
type progress struct {
	out      io.Writer // a terminal, nil for none
	expected atomic.Int64
	done     atomic.Int64
	began    time.Time
	ended    chan struct{}
	drawing  sync.WaitGroup
}

// redraw is how often the bar is drawn. Nothing is drawn for shorter runs.
const redraw = 200 * time.Millisecond

func (p *progress) expect(size int64) {
	if p != nil {
		p.expected.Add(size)
	}
}

func (p *progress) add(n int64) {
	if p != nil {
		p.done.Add(n)
	}
}

func (p *progress) start() {
	if p == nil || p.out == nil {
		return
	}
	p.began, p.ended = time.Now(), make(chan struct{})
	p.drawing.Go(func() {
		tick := time.NewTicker(redraw)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				fmt.Fprintf(p.out, "\r%s\x1b[K", bar(p.done.Load(), p.expected.Load(), now.Sub(p.began)))
			case <-p.ended:
				fmt.Fprint(p.out, "\r\x1b[K")
				return
			}
		}
	})
}

func (p *progress) stop() {
	if p == nil || p.out == nil {
		return
	}
	close(p.ended)
	p.drawing.Wait()
}

// bar returns a line such as "████░░░░  42 %  1.3 GB of 3.1 GB  410 MB/s  4 s left". The length of a pipe is unknown.
func bar(done, expected int64, took time.Duration) string {
	rate := float64(done) / max(took.Seconds(), 1e-3)
	if expected <= 0 {
		return fmt.Sprintf("%s read  %s/s", size(float64(done)), size(rate))
	}
	const width = 24
	share := min(1, float64(done)/float64(expected))
	filled := int(share * width)
	left := time.Duration(float64(expected-min(done, expected)) / max(rate, 1) * float64(time.Second))
	return fmt.Sprintf("%s%s %3.0f %%  %s of %s  %s/s  %s left", strings.Repeat("█", filled), strings.Repeat("░",
		width-filled),
		100*share, size(float64(min(done, expected))), size(float64(expected)), size(rate), left.Round(time.Second))
}

// size formats bytes for people.
func size(n float64) string {
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if n < 1000 {
			return number(n, unit)
		}
		n /= 1000
	}
	return number(n, "TB")
}

func number(n float64, unit string) string {
	if n < 10 && unit != "B" {
		return fmt.Sprintf("%.1f %s", n, unit)
	}
	return fmt.Sprintf("%.0f %s", n, unit)
}
