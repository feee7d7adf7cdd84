package tail

import (
	"fmt"
	"testing"
)

// shortLine is a line of which one alone identifies no file.
func shortLine(n int) string { return fmt.Sprintf("GET /%d 200\n", n) }

// TestRotatedBeforeTheListing: the folder is listed when the log has been renamed and no other file is at its path yet.
// What comes later does not include the renamed file, although its copy has no lines that identify it.
func TestRotatedBeforeTheListing(t *testing.T) {
	for _, burst := range []int{1, 2, 7} {
		for _, isCompressed := range []bool{false, true} {
			t.Run(fmt.Sprint(burst, isCompressed), func(t *testing.T) {
				l := newLog(t)
				l.write("access.log.1", lines(100, 30))
				l.write("", "")
				l.follow(true)
				l.reads()
				l.write("", shortLine(0))
				l.makeRoom()
				l.rename("", "access.log.1")
				l.read()
				if isCompressed {
					l.gzip("access.log.1")
				}
				want := shortLine(0)
				for n := range burst {
					l.write("", shortLine(n+1))
					want += shortLine(n + 1)
					l.rotateOnce()
				}
				l.reads()
				l.restart()
				l.reads()
				l.wantAll(want)
				l.wantGaps()
			})
		}
	}
}
