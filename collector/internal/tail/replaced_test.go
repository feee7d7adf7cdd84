package tail

import "testing"

// TestOneLineIsReplacedByACopy: a log of one line was replaced by a copy. A part that was rotated before holds the same
// line, but is not the file that was replaced.
func TestOneLineIsReplacedByACopy(t *testing.T) {
	const line = "127.0.0.1 - - [25/Nov/2026:19:00:00 +0000] GET 200\n"
	for _, isPacked := range []bool{false, true} {
		l := newLog(t)
		l.write("", line)
		l.follow(true)
		l.read()
		l.rotateOnce()
		if isPacked {
			l.gzip("access.log.1")
		}
		l.write("", line)
		l.read()
		l.copyOver("", line)
		l.reads()
		l.want(line + line)
		l.wantGaps(GapUncertain)
	}
}
