package tail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnreadIsGone stops the exporter when a log is empty, and has the log written and taken away meanwhile. Nothing of
// the file can be recognized, so a gap is reported unless it is certain that nothing is lost.
func TestUnreadIsGone(t *testing.T) {
	for name, test := range map[string]struct {
		older int // rotated parts beside the log at the last commit, one line each
		away  func(l *log)
		want  string // of the lines written later
		gaps  []string
	}{
		"deleted":                           {0, func(l *log) { l.must(os.Remove(l.path)) }, "", []string{GapDeleted}},
		"with its folder":                   {0, func(l *log) { l.renewFolder() }, "", []string{GapDeleted}},
		"with its folder and rotated parts": {2, func(l *log) { l.renewFolder() }, "", []string{GapDeleted}},
		"to another folder": {2, func(l *log) {
			l.must(os.Rename(l.path, filepath.Join(l.t.TempDir(), "access.log.1")))
		}, "", []string{GapDeleted}},
		"replaced by a copy": {0, func(l *log) { l.copyOver("", l.text("")) }, "1\n", []string{GapDeleted}},
		"more rotations than are kept": {2, func(l *log) {
			for i := range 4 {
				l.must(os.Rename(l.at("access.log.1"), l.at("access.log.2")))
				l.rename("", "access.log.1")
				l.write("", string(rune('a'+i))+"\n")
				l.tick()
			}
		}, "b\nc\nd\n", []string{GapDeleted}},
		"more rotations than are kept, compressed": {1, func(l *log) {
			for i := range 2 {
				l.rename("", "access.log.1")
				l.gzip("access.log.1")
				l.write("", string(rune('a'+i))+"\n")
			}
		}, "b\n", []string{GapDeleted, GapUncertain}},
		"renamed": {0, func(l *log) { l.rename("", "access.log.1") }, "1\n", nil},
		"renamed twice": {0, func(l *log) {
			l.rename("", "access.log.2")
			l.write("access.log.1", "2\n")
		}, "1\n2\n", nil},
		"renamed otherwise": {0, func(l *log) { l.rename("", "of yesterday") }, "1\n", nil},
		"compressed": {1, func(l *log) {
			l.rename("access.log.1", "access.log.2")
			l.rename("", "access.log.1")
			l.gzip("access.log.1")
		}, "1\n", nil},
		"copied, truncated, renamed and compressed": {1, func(l *log) {
			l.rename("access.log.1", "access.log.3")
			l.write("access.log.2", "1\n")
			l.must(os.Truncate(l.path, 0))
			l.rename("", "access.log.1")
			l.gzip("access.log.1")
		}, "1\n", nil},
		"compressed, and it is uncertain how many there were": {0, func(l *log) {
			l.rename("", "access.log.1")
			l.gzip("access.log.1")
		}, "1\n", []string{GapDeleted}},
		"to another disk": {1, func(l *log) { l.copyFolder() }, "1\n", nil},
		"to another disk, and renamed": {1, func(l *log) {
			l.copyFolder()
			l.rename("access.log.1", "access.log.2")
			l.rename("", "access.log.1")
		}, "1\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			for i := range test.older {
				l.write("access.log."+string(rune('1'+i)), lines(1000+i, 1))
			}
			l.write("", "")
			l.follow(true)
			l.read()
			l.whileDown(func() {
				l.write("", "1\n")
				test.away(l)
				l.write("", "last\n")
			})
			l.reads()
			l.wantAll(test.want + "last\n")
			l.wantGaps(test.gaps...)
		})
	}
}

// TestPartThatRotationDoesNotMove: somebody put access.log.9 beside a log of which logrotate keeps two parts. Three
// rotations while the exporter is down have deleted the first part, though access.log.9 is where it was.
func TestPartThatRotationDoesNotMove(t *testing.T) {
	l := newLog(t)
	l.write("access.log.9", lines(900, 5))
	l.write("", "")
	l.follow(true)
	l.read()
	l.whileDown(func() {
		for i := range 3 {
			l.write("", lines(10*i, 5))
			if i > 0 {
				l.rename("access.log.1.gz", "access.log.2.gz")
			}
			l.rename("", "access.log.1")
			l.gzip("access.log.1")
			l.write("", "")
		}
	})
	l.reads()
	l.wantGaps(GapDeleted, GapUncertain)
}

// TestUnreadIsGoneFromAGlob whose pattern it fits no more.
func TestUnreadIsGoneFromAGlob(t *testing.T) {
	l := newGlob(t)
	l.write("access-1.log", "")
	l.write("access-2.log", "")
	l.follow(true)
	l.read()
	l.whileDown(func() {
		l.write("access-1.log", "1\n")
		l.must(os.Remove(l.at("access-1.log")))
		l.write("access-2.log", "2\n")
		l.rename("access-2.log", "access-2.old")
	})
	l.reads()
	l.want("2\n")
	l.wantGaps(GapDeleted)
}

// TestUnreadAfterABoot has the machine number its devices otherwise.
func TestUnreadAfterABoot(t *testing.T) {
	l := followed(t, 0)
	position := l.f.Position()
	position.Cursors[0].Dev += 5
	l.f.Close()
	l.write("", "1\n")
	l.follow(false)
	l.f.Resume(position, l.now)
	l.reads()
	l.want("1\n")
	l.wantGaps()
}

// TestOldUnreadIsCompressed: a late worker has written a file that was rotated while it was empty.
func TestOldUnreadIsCompressed(t *testing.T) {
	l := newLog(t)
	l.write("access.log.1", "an older line\n")
	l.write("", "")
	l.follow(true)
	l.read()
	l.rename("access.log.1", "access.log.2")
	l.rename("", "access.log.1")
	l.write("", "1\n")
	l.read()
	l.whileDown(func() {
		l.write("access.log.1", "late\n")
		l.gzip("access.log.1")
	})
	l.reads()
	l.wantAll("1\nlate\n")
	l.wantGaps()
}

// TestSeveralEmptyFiles: the only file that was beside the log is empty, and no longer the only empty one. All have
// other inodes.
func TestSeveralEmptyFiles(t *testing.T) {
	l := newLog(t)
	l.write("access.log.1", "")
	l.write("", "")
	l.follow(true)
	l.read()
	l.whileDown(func() {
		l.copyFolder()
		l.rename("access.log.1", "access.log.3")
		l.write("", lines(0, 5))
		l.rename("", "access.log.2")
		l.write("access.log.1", "")
		l.write("", lines(5, 5))
	})
	l.reads()
	l.wantAll(lines(0, 10))
	l.wantGaps()
}

// TestLateLinesOnAnotherDisk: they came less than lateInterval before the folder was copied.
func TestLateLinesOnAnotherDisk(t *testing.T) {
	l := followed(t, 40)
	l.rename("", "access.log.1")
	l.write("", lines(40, 5))
	l.read()
	for range keepOpen + 1 {
		l.now = l.now.Add(quiet)
		for i := keepOpen + 1; i > 0; i-- {
			_ = os.Rename(l.at("access.log."+string(rune('0'+i))), l.at("access.log."+string(rune('1'+i))))
		}
		l.rename("", "access.log.1")
		l.write("", lines(50+l.got.rotated["renamed"], 1))
		l.read()
	}
	l.now = l.now.Add(quiet)
	l.read()
	before := strings.Count(l.got.lines.String(), "\n")
	l.write("access.log.6", lines(100, 1))
	l.whileDown(l.copyFolder)
	l.reads()
	if n := strings.Count(l.got.lines.String(), "\n"); n != before+1 {
		t.Errorf("%d lines are handed out, want %d", n, before+1)
	}
	l.wantGaps()
}

// TestRotatedTwiceWithRotate1 while the exporter is down: of the two files that came, one is still there.
func TestRotatedTwiceWithRotate1(t *testing.T) {
	l := followed(t, 5)
	l.whileDown(func() {
		l.write("", lines(5, 3))
		l.rename("", "access.log.1")
		l.tick()
		l.write("", lines(8, 4))
		l.rename("", "access.log.1")
		l.tick()
		l.write("", lines(12, 2))
	})
	l.reads()
	l.wantAll(lines(0, 5) + lines(8, 6))
	l.wantGaps(GapDeleted)
}

// TestDoubtIsReportedOnce although a file that is being compressed is waited for.
func TestDoubtIsReportedOnce(t *testing.T) {
	l := newLog(t)
	for _, name := range []string{"access.log.1", "access.log-20260101"} {
		l.write(name, "of last week\n")
	}
	l.write("", lines(0, 5))
	l.follow(true)
	l.reads()
	l.whileDown(func() {
		l.must(os.Remove(l.at("access.log.1")))
		l.must(os.Remove(l.path))
		l.write("access.log.2", "not certain\n")
		l.gzip("access.log.2")
		l.write("access.log.1", "1\n")
		l.tick()
		l.write("access.log-20260102.gz", "\x1f\x8b not whole yet")
		l.write("", "2\n")
	})
	for range 5 {
		l.read()
	}
	l.want(lines(0, 5) + "2\n1\n")
	l.wantGaps(GapDeleted, GapUncertain)
}

// TestRotatedPartIsRewrittenWithRotate1 beyond recognition: it is younger than the log, so that it is not taken for a
// file that came later.
func TestRotatedPartIsRewrittenWithRotate1(t *testing.T) {
	l := followed(t, 50)
	l.whileDown(func() {
		l.rename("", "access.log.1")
		l.tick()
		l.write("", lines(50, 2))
		l.tick()
		l.copyOver("access.log.1", strings.ReplaceAll(l.text("access.log.1"), "GET", "PUT"))
	})
	l.reads()
	l.want(lines(0, 52))
	l.wantGaps(GapDeleted)
}

// TestCopyWithAnInodeOfBefore: a log was replaced by a copy twice, and the second copy got the inode of the first file.
func TestCopyWithAnInodeOfBefore(t *testing.T) {
	l := followed(t, 20)
	l.tick()
	l.copyOver("", l.text(""))
	l.read()
	l.tick()
	l.copyOver("", l.text("")+lines(20, 5))
	info, err := os.Stat(l.path)
	l.must(err)
	l.rename("", "access.log.1")
	l.write("", lines(25, 5))
	first := l.f.generations[0]
	first.close()
	first.finished = true
	first.Dev, first.Ino = identity(info) // as the file system may have it
	l.reads()
	l.wantAll(lines(0, 30))
	l.wantGaps()
}
