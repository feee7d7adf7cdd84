package tail

import (
	"os"
	"testing"
)

// TestRefilledLogIsCut: a log of alike lines was copied, emptied and filled with more than had been counted of it. Its
// new lines are taken for those of the copy until it is cut.
func TestRefilledLogIsCut(t *testing.T) {
	for _, down := range []bool{false, true} {
		l := followedAlike(t)
		l.write("", alike(40))
		l.copyAndTruncate()
		l.write("", alike(9))
		l.read()
		l.whileFollowedOr(down, func() { l.must(os.Truncate(l.path, int64(len(alike(1))))) })
		l.reads()
		l.want(alike(5 + 40 + 1))
		l.wantGaps(GapUncertain)
	}
}

// TestCopyIsReadBeforeTheLogIsEmptied: a copy that holds what is in the log does not show that it was filled again.
func TestCopyIsReadBeforeTheLogIsEmptied(t *testing.T) {
	l := followedAlike(t)
	l.write("", alike(3))
	l.makeRoom()
	l.write("access.log.1", l.text(""))
	l.read()
	l.must(os.Truncate(l.path, 0))
	l.write("", alike(2))
	l.reads()
	l.want(alike(5 + 3 + 2))
	l.wantGaps()
}
