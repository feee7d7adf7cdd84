package tail

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMinuteAcrossRestarts: a rotated file waits for a minute after its last byte, however often the program restarts
// meanwhile. Who deletes it then takes nothing away; who deletes it before may.
func TestMinuteAcrossRestarts(t *testing.T) {
	for _, c := range []struct {
		wait time.Duration // before each of two restarts
		gaps []string
	}{
		{quiet/2 + time.Second, nil},
		{quiet / 3, []string{GapDeleted}},
	} {
		l := followed(t, 10)
		l.rename("", "access.log.1")
		l.write("", lines(10, 5))
		l.read()
		for range 2 {
			l.now = l.now.Add(c.wait)
			l.whileDown(func() {})
			l.read()
		}
		l.whileDown(func() { l.must(os.Remove(l.at("access.log.1"))) })
		l.read()
		l.want(lines(0, 15))
		l.wantGaps(c.gaps...)
	}
}

// TestCompressedWhileLookedFor: a part that was read, and is compressed between that and the search for unseen ones, is
// not taken for another, although its few lines, which have no time, might come again in another.
func TestCompressedWhileLookedFor(t *testing.T) {
	alike := func(from, n int) string {
		var b strings.Builder
		for i := from; i < from+n; i++ {
			fmt.Fprintf(&b, "10.0.0.%d %d 200\n", i%7, i)
		}
		return b.String()
	}
	l := newLog(t)
	l.write("", alike(10000, 50))
	l.follow(true)
	l.read()
	l.rename("", "access.log.1")
	l.gzip("access.log.1")
	l.write("", alike(20000, 300))
	l.reads()

	l.rename("access.log.1.gz", "access.log.2.gz")
	l.rename("", "access.log.1")
	l.write("", alike(30000, 10))
	l.f.discover()
	l.f.readOpen()
	l.gzip("access.log.1")
	l.f.searchOn()
	l.reads()
	l.want(alike(10000, 50) + alike(20000, 300) + alike(30000, 10))
	l.wantGaps()
}
