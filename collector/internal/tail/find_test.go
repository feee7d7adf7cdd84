package tail

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestAnotherLogBesideIsNotTaken: only names that rotation gives are looked at for generations that were not seen.
func TestAnotherLogBesideIsNotTaken(t *testing.T) {
	l := newLog(t)
	l.write("", "1\n")
	l.follow(true)
	l.read()
	l.rename("", "access.log.1")
	l.write("", "2\n")
	for _, other := range []string{
		"access-api.log", "access-api.log.1", "access-2.log", "access.log.json", "access.log.1.xz",
	} {
		l.write(other, "of another log\n")
	}
	l.read()
	l.restart()
	l.read()
	l.want("1\n2\n")
	l.wantGaps()
}

func TestHalfCompressedFileIsWaitedFor(t *testing.T) {
	l := newLog(t)
	l.write("", "1\n")
	l.follow(true)
	l.read()
	// Two rotations between two reads: what stood in the middle is seen only as it is being compressed.
	l.rename("", "access.log.2")
	l.write("access.log.1", strings.Repeat("2\n", 1000))
	l.gzip("access.log.1")
	whole, err := os.ReadFile(l.at("access.log.1.gz"))
	l.must(err)
	l.must(os.WriteFile(l.at("access.log.1.gz"), whole[:len(whole)/2], 0o644))
	l.write("", "3\n")
	l.read()
	l.read()
	l.restart()
	l.read()
	l.want("1\n3\n")
	l.must(os.WriteFile(l.at("access.log.1.gz"), whole, 0o644))
	l.read()
	l.read()
	l.want("1\n3\n" + strings.Repeat("2\n", 1000))
	l.now = l.now.Add(time.Hour)
	l.read()
	l.wantGaps()
}

func TestDamagedFileIsGivenUp(t *testing.T) {
	l := newLog(t)
	l.write("", "1\n")
	l.follow(true)
	l.read()
	l.rename("", "access.log.2")
	l.write("access.log.1.gz", "\x1f\x8b no more")
	future := time.Now().Add(24 * time.Hour) // a wrong clock has stamped it: it never becomes old
	l.must(os.Chtimes(l.at("access.log.1.gz"), future, future))
	l.write("", "2\n")
	for range 20 {
		l.read()
		l.now = l.now.Add(10 * time.Second)
	}
	l.want("1\n2\n")
	l.wantGaps(GapUnreadable)
	if l.f.bases[0].search != nil {
		t.Error("it is still waited for")
	}
}

func TestOtherwiseCompressedIsSaid(t *testing.T) {
	l := newLog(t)
	l.write("", "1\n")
	l.follow(true)
	l.read()
	l.must(os.Remove(l.path))
	l.write("access.log.1.zst", "cannot be read")
	l.restart()
	l.wantGaps(GapDeleted)
	if !strings.Contains(strings.Join(l.got.causes, "\n"), "access.log.1.zst may be it") {
		t.Errorf("%q", l.got.causes)
	}
}

// TestSymlinkSwitchedWhileDown: the file that was read has another name altogether.
func TestSymlinkSwitchedWhileDown(t *testing.T) {
	l := newLog(t)
	l.write("one.log", "1\n")
	l.must(os.Symlink(l.at("one.log"), l.path))
	l.follow(true)
	l.read()
	l.write("one.log", "2\n")
	l.write("two.log", "3\n")
	l.must(os.Remove(l.path))
	l.must(os.Symlink(l.at("two.log"), l.path))
	l.restart()
	l.read()
	l.want("1\n2\n3\n")
	l.wantGaps()
}

// TestGrownAfterItWasLetGo: a worker that is very late writes a file that is followed no longer; what it wrote is
// read at the next rotation, and nothing before it again.
func TestGrownAfterItWasLetGo(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		l := newLog(t)
		l.write("", lines(1, 1))
		l.follow(true)
		l.read()
		l.rename("", "access.log.1")
		l.write("", lines(2, 1))
		l.read()
		l.now = l.now.Add(quiet + time.Second)
		l.read()
		l.write("access.log.1", lines(4, 1))
		if compressed {
			l.gzip("access.log.1")
		}
		l.f.seen = time.Now().Add(-time.Minute) // the test's clock runs ahead of that of the files
		l.rename("", "access.log.2")
		l.write("", lines(3, 1))
		l.read()
		l.read()
		l.restart()
		l.read()
		l.wantAll(lines(1, 4))
		l.wantGaps()
	}
}

// TestTruncatedWhileItIsRead: logrotate copies and truncates between two reads of one file.
func TestTruncatedWhileItIsRead(t *testing.T) {
	l := newLog(t)
	l.write("", "before\n")
	l.follow(true)
	l.read()
	whole := lines(0, 3*blockSize/len(lines(0, 1)))
	l.write("", whole)
	l.got.onLines = func() {
		l.got.onLines = nil
		text, err := os.ReadFile(l.path)
		l.must(err)
		l.must(os.WriteFile(l.at("access.log.1"), text, 0o644))
		l.must(os.Truncate(l.path, 0))
		l.write("", "after\n")
	}
	l.read()
	l.read()
	l.restart()
	l.read()
	l.want("before\n" + whole + "after\n")
	l.wantGaps()
}

// Of two schemes of names that a log has, one may still show what was there, and the other may not: then it is not
// certain that all that came since is there, whichever is looked at last.
func TestRotatedUnderTwoSchemes(t *testing.T) {
	l := newLog(t)
	for _, name := range []string{"", "access.log.1", "access.log-20260101"} {
		l.write(name, name+" a line\n")
	}
	before, _ := list(l.path)
	seen := newestOf(before)
	l.rename("access.log.1", "access.log.2")
	l.write("access.log.1", "another line\n")
	l.must(os.Remove(l.at("access.log-20260101")))
	l.write("access.log-20260202", "a later line\n")
	now, _ := list(l.path)
	for range 50 {
		if places, certain := seen.rotated(now); len(places) != 2 || certain {
			t.Fatalf("%d places, certain %t", len(places), certain)
		}
	}
}
