package tail

import (
	"fmt"
	"os"
	"testing"
)

// followedShort is a log with parts of one short line each, whose content identifies none of them, before one that is
// compressed. The log is followed from its beginning.
func followedShort(t *testing.T, parts int) *log {
	t.Helper()
	l := newLog(t)
	for n := range parts + 1 {
		l.shiftParts()
		l.write("access.log.1", shortLine(100+n))
		if n == 0 {
			l.gzip("access.log.1")
		}
	}
	l.write("", "")
	l.follow(true)
	l.reads()
	return l
}

// addShort rotates a log of one more short line.
func (l *log) addShort(n int) {
	l.t.Helper()
	l.write("", shortLine(n))
	l.shiftParts()
	l.rename("", "access.log.1")
	l.write("", "")
}

// wantShort: all lines before one have come once, and no gap was reported.
func (l *log) wantShort(end int) {
	l.t.Helper()
	l.reads()
	want := ""
	for n := range end {
		want += shortLine(n)
	}
	l.wantAll(want)
	l.wantGaps()
}

// compressHalf makes the newest part one that is being compressed, for which a search waits, and returns what completes
// it.
func (l *log) compressHalf() (complete func(name string)) {
	l.t.Helper()
	l.gzip("access.log.1")
	whole := l.text("access.log.1.gz")
	l.must(os.Truncate(l.at("access.log.1.gz"), int64(len(whole)-4)))
	return func(name string) { l.write(name, whole[len(whole)-4:]) }
}

// TestCompressedDuringASearch: the exporter crashes while it waits for a part that is being compressed. Meanwhile
// others are compressed that were open.
func TestCompressedDuringASearch(t *testing.T) {
	l := followedShort(t, 1)
	l.addShort(0)
	l.reads()
	l.addShort(1)
	l.addShort(2)
	complete := l.compressHalf()
	l.read()
	l.whileDown(func() {
		complete("access.log.1.gz")
		l.gzip("access.log.2")
		l.gzip("access.log.3")
	})
	l.wantShort(3)
}

// TestRotatedBeforeTheListingOfAlikeLines: the log was renamed before the folder was listed. What came since does not
// include it, although it begins with the same lines.
func TestRotatedBeforeTheListingOfAlikeLines(t *testing.T) {
	l := followedAlike(t)
	l.rotateOnce()
	l.reads()
	l.write("", alike(3))
	l.makeRoom()
	l.rename("", "access.log.1")
	l.read()
	l.whileDown(func() {
		l.write("", alike(7))
		l.rotateOnce()
		l.gzip("access.log.1")
	})
	l.reads()
	l.want(alike(15))
	l.wantGaps()
}

// TestCompressedBeforeTheListing: when the folder is listed, the log was renamed and compressed already, and no other
// file is at its path. It is where the rotations since the listing before have put it.
func TestCompressedBeforeTheListing(t *testing.T) {
	l := followedShort(t, 1)
	l.write("", shortLine(0))
	l.shiftParts()
	l.rename("", "access.log.1")
	l.gzip("access.log.1")
	l.read()
	l.addShort(1)
	l.wantShort(2)
}

// TestRotatedEmptyBeforeTheListing: when the folder is listed, the log was renamed, empty, and no other file is at its
// path. It is compressed later. What has come since does not include it.
func TestRotatedEmptyBeforeTheListing(t *testing.T) {
	l := followedShort(t, 1)
	l.addShort(0)
	l.addShort(1)
	complete := l.compressHalf()
	l.read()
	l.shiftParts()
	l.rename("", "access.log.1")
	complete("access.log.2.gz")
	l.read()
	l.whileDown(func() {
		l.gzip("access.log.1")
		l.addShort(2)
	})
	l.wantShort(3)
}

// TestCompressedAllAtOnce: of the parts that were seen, those that were not compressed are so now. The older ones show
// how far all have moved.
func TestCompressedAllAtOnce(t *testing.T) {
	l := followedShort(t, 4)
	l.addShort(0)
	l.reads()
	l.whileDown(func() {
		l.addShort(1)
		for n := range 6 {
			l.gzip(fmt.Sprint("access.log.", n+1))
		}
	})
	l.wantShort(2)
}

// TestCompressedBeyondAHole: the folder is listed during a rotation: of the numbered parts the older ones have moved
// already. How far these move until it ends is uncertain.
func TestCompressedBeyondAHole(t *testing.T) {
	l := newLog(t)
	l.write("access.log.1", alike(30))
	l.write("", "")
	l.follow(true)
	l.read()
	for _, n := range []int{9, 5, 2} {
		l.write("", alike(n))
		l.read()
		l.shiftParts()
		l.rename("", "access.log.1")
		l.write("", "")
		l.read()
	}
	for n := 4; n > 1; n-- {
		l.rename(fmt.Sprint("access.log.", n), fmt.Sprint("access.log.", n+1))
	}
	l.write("", alike(1))
	l.read()
	l.whileDown(func() {
		l.rename("access.log.1", "access.log.2")
		l.rename("", "access.log.1")
		l.write("", "")
		l.gzip("access.log.3")
		l.gzip("access.log.4")
	})
	l.reads()
	l.want(alike(9 + 5 + 2 + 1))
}

// TestCopyIsYoungerThanTheLog: a part that nobody has seen is deleted, and another is the copy of a log that was
// emptied. That this is younger than the log does not say that no part has come.
func TestCopyIsYoungerThanTheLog(t *testing.T) {
	l := newLog(t)
	l.write("access.log.1", lines(1000, 30))
	l.write("", "")
	l.follow(true)
	l.read()
	for n := range 4 {
		l.tick()
		l.write("", lines(100*n, 20))
		l.shiftParts()
		l.rename("", "access.log.1")
		l.write("", "")
	}
	l.must(os.Remove(l.at("access.log.2")))
	l.tick()
	l.write("", lines(400, 20))
	l.shiftParts()
	l.write("access.log.1", l.text(""))
	l.must(os.Truncate(l.path, 0))
	l.readsPatiently()
	l.want(lines(0, 20))
	l.wantGaps(GapUncertain)
}

// TestCopiesAreYoungerThanTheLog: while the exporter is down the log is copied and emptied, twice, and a part is
// deleted. The copies are younger than the log, though they are not rewritten parts.
func TestCopiesAreYoungerThanTheLog(t *testing.T) {
	l := newLog(t)
	l.write("access.log.1", lines(1000, 30))
	l.write("", "")
	l.follow(true)
	l.read()
	l.whileDown(func() {
		for n := range 3 {
			l.tick()
			l.write("", lines(100*n, 20))
			l.shiftParts()
			l.write("access.log.1", l.text(""))
			l.must(os.Truncate(l.path, 0))
		}
		l.must(os.Remove(l.at("access.log.2")))
		l.write("", lines(300, 20))
	})
	l.readsPatiently()
	l.want(lines(300, 20))
	l.wantGaps(GapUncertain)
}
