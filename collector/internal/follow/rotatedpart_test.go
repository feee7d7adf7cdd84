package follow

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/source"
)

// TestLinePartedByRotation: Docker rotates its file between two parts of a line; the line is counted once, also where
// its end is late, the exporter is restarted meanwhile, or the other stream's lines stand between.
func TestLinePartedByRotation(t *testing.T) {
	h := newDockerHost(t)
	counter := func() Counter { return counterOf(t, "$status $request_time") }
	h.write("stdout", "200 0.010\n")
	p, end := h.reading(source.Access, counter())
	h.want(p, 1)
	for round := range uint64(3) {
		h.write("stdout", "200 0.010\n", "20")
		h.write("stderr", "an error\n")
		h.write("stdout", "0 0.")
		h.want(p, 2+3*round)
		if err := os.Rename(h.log(), h.log()+".1"); err != nil {
			t.Fatal(err)
		}
		h.now = h.now.Add(time.Second)
		h.want(p, 2+3*round)
		h.write("stderr", fmt.Sprintf("another, of round %d\n", round))
		h.write("stdout", "0")
		h.now = h.now.Add(time.Second)
		h.want(p, 2+3*round)
		if round == 1 {
			end()
			p, end = h.reading(source.Access, counter())
			h.want(p, 2+3*round)
		}
		h.write("stdout", "10\n", "200 0.010\n")
		h.now = h.now.Add(time.Second)
		h.want(p, 4+3*round)
	}
	end()
	p, end = h.reading(source.Access, counter())
	defer end()
	h.want(p, 10)
	if len(p.totals.Gaps) > 0 {
		t.Errorf("gaps %v", p.totals.Gaps)
	}
}

// text appends to the log.
func (h *logHost) text(text string) {
	h.t.Helper()
	file, err := os.OpenFile(h.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		h.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		h.t.Fatal(err)
	}
}

// criStdout is what the runtime writes before a tag and a part of a line.
const criStdout = "2026-11-25T10:00:00.123456789Z stdout "

// TestCompressedLinePartedByRotation has the first of a line's two files compressed while the exporter is down, and the
// exporter killed again and again then.
func TestCompressedLinePartedByRotation(t *testing.T) {
	h := newLogHost(t)
	h.text(criStdout + "F 200 0.010\n" + criStdout + "P 200 \n")
	h.readOnce(1)
	pack(t, h.path, h.path+".20261125-100000.gz")
	h.text(criStdout + "P 0.0\n")
	h.readOnce(1)
	h.readOnce(1)
	h.text(criStdout + "F 10\n" + criStdout + "F 200 0.010\n")
	h.readOnce(3)
	p, end := h.reading(nil)
	defer end()
	if n, err := scrapeOf(p); n != 3 || err != nil || p.Last().Lines.Malformed > 0 || len(p.totals.Gaps) > 0 {
		t.Errorf("%d lines are counted of 3, %v, %+v, gaps %v", n, err, p.Last().Lines, p.totals.Gaps)
	}
}

// TestCRILinePartedByRotation is the same for what the kubelet rotates.
func TestCRILinePartedByRotation(t *testing.T) {
	h := newLogHost(t)
	const at = criStdout
	h.text(at + "F 200 0.010\n" + at + "P 200 \n")
	p, end := h.reading(nil)
	defer end()
	if n, err := scrapeOf(p); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if err := os.Rename(h.path, h.path+".20261125-100000"); err != nil {
		t.Fatal(err)
	}
	h.text(at + "P 0.0\n" + at + "F 10\n" + at + "F 200 0.010\n")
	if n, err := scrapeOf(p); n != 3 || err != nil || p.Last().Lines.Malformed > 0 || len(p.totals.Gaps) > 0 {
		t.Errorf("%d lines are counted of 3, %v, %+v, gaps %v", n, err, p.Last().Lines, p.totals.Gaps)
	}
}
