package tail

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// newParts is a log that is followed, with three parts of which two are compressed. Its lines are alike but for a
// number.
func newParts(t *testing.T) (l *log, next func()) {
	l = newLog(t)
	n := 0
	next = func() {
		n++
		l.write("", fmt.Sprintf("GET /%d\n", n))
	}
	for range 3 {
		next()
		l.rotateOnce()
	}
	next()
	l.follow(false)
	l.read()
	return l, next
}

// moveDown renames the parts from a number on, as a rotation does, and leaves that number missing.
func (l *log) moveDown(from, to int) {
	l.t.Helper()
	for n := to; n >= from; n-- {
		l.shift(n)
	}
}

// TestLookBetweenTwoRenames: where a look, or a start, comes between two renames of a rotation, nothing is reported and
// all is counted once the rotation has ended, although lines do not show which part is which.
func TestLookBetweenTwoRenames(t *testing.T) {
	for _, isDown := range []bool{false, true} {
		for missing := 1; missing <= 4; missing++ {
			t.Run(fmt.Sprint(isDown, missing), func(t *testing.T) {
				l, next := newParts(t)
				next()
				l.read()
				l.whileFollowedOr(isDown, func() {
					l.rotateOnce()
					next()
					l.rotateOnce()
					next()
					l.gzip("access.log.1")
					l.moveDown(missing, 6)
				})
				l.read()
				l.moveDown(1, missing-1)
				l.rename("", "access.log.1")
				next()
				l.now = l.now.Add(time.Second)
				l.reads()
				l.wantAll("GET /5\nGET /6\nGET /7\nGET /8\n")
				l.wantGaps()
			})
		}
	}
}

// TestRotationThatWasInterrupted: a number that is missing for longer is no rotation in progress: what is not found by
// then is reported, once.
func TestRotationThatWasInterrupted(t *testing.T) {
	l, next := newParts(t)
	next()
	l.read()
	l.whileDown(func() {
		l.rotateOnce()
		next()
		l.must(os.Remove(l.at("access.log.1")))
	})
	l.read()
	l.now = l.now.Add(verified - time.Millisecond)
	l.read()
	l.wantGaps()
	l.now = l.now.Add(time.Millisecond)
	l.read()
	l.wantGaps(GapDeleted, GapUncertain)
	next()
	l.reads()
	l.wantAll("GET /5\nGET /6\nGET /7\n")
	l.wantGaps(GapDeleted, GapUncertain)
}
