package tail

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestGrows(t *testing.T) {
	l := newLog(t)
	l.follow(true)
	l.read() // not there yet
	l.write("", "a\nb")
	l.read()
	l.want("a\n")
	l.write("", "c\n")
	l.read()
	l.want("a\nbc\n")
}

func TestBeginsAtTheEnd(t *testing.T) {
	l := newLog(t)
	l.write("", "old\nbegun")
	l.follow(false)
	l.read()
	l.write("", " and ended\nnew\n")
	l.read()
	l.want("begun and ended\nnew\n")
}

// TestBeginsWithinALongLine: the last line has not ended, however long it is. One that is longer than any line may be
// is left out.
func TestBeginsWithinALongLine(t *testing.T) {
	for _, n := range []int{smallBlock - 4, smallBlock, 10 * smallBlock, MaxLine - 100, MaxLine + 10} {
		l := newLog(t)
		begun := strings.Repeat("x", n)
		l.write("", strings.Repeat("old\n", 10)+begun)
		l.follow(false)
		l.read()
		l.write("", "y\nnew\n")
		l.read()
		want := begun + "y\nnew\n"
		if n > MaxLine {
			want = "new\n"
		}
		if got := l.got.lines.String(); got != want {
			t.Errorf("of a line of %d bytes and one of 3, %d bytes are handed out", n, len(got))
		}
	}
}

func TestLogThatComesIsReadFromItsBeginning(t *testing.T) {
	l := newLog(t)
	l.follow(false)
	l.read()
	l.write("", "first\n")
	l.read()
	l.want("first\n")
}

func TestRenamedWhileWorkersStillWriteIt(t *testing.T) {
	l := newLog(t)
	l.write("", "1\n")
	l.follow(true)
	l.read()
	l.rename("", "access.log.1")
	l.write("access.log.1", "2\n")
	l.read()
	l.write("", "3\n")
	l.read()
	l.write("access.log.1", "4 late\n")
	l.read()
	l.want("1\n2\n3\n4 late\n")
	if n := len(l.f.generations); n != 2 {
		t.Fatalf("%d generations", n)
	}
	l.must(os.Remove(l.at("access.log.1")))
	l.read()
	l.now = l.now.Add(quiet + time.Second)
	l.read()
	if n := l.open(); n != 1 || l.got.rotated["renamed"] != 1 {
		t.Errorf("%d files are open a minute after one was removed, rotations %v", n, l.got.rotated)
	}
}

func TestRotatedTwiceBetweenTwoReads(t *testing.T) {
	l := newLog(t)
	l.write("", "1\n")
	l.follow(true)
	l.read()
	l.rename("", "access.log.2")
	l.write("access.log.2", "2\n")
	l.write("access.log.1", "3\n")
	l.write("", "4\n")
	l.read()
	l.wantAll("1\n2\n3\n4\n")
	l.wantGaps()
}

func TestDeletedAndRecreated(t *testing.T) {
	l := newLog(t)
	l.write("", "1\n")
	l.follow(true)
	l.read()
	l.write("", "2\n")
	l.must(os.Remove(l.path)) // still open: nothing is lost
	l.read()
	l.write("", "3\n")
	l.read()
	l.want("1\n2\n3\n")
	l.wantGaps()
}

func TestSymlinkSwitched(t *testing.T) {
	l := newLog(t)
	l.write("one.log", "1\n")
	l.must(os.Symlink(l.at("one.log"), l.path))
	l.follow(true)
	l.read()
	l.write("two.log", "2\n")
	l.must(os.Remove(l.path))
	l.must(os.Symlink(l.at("two.log"), l.path))
	l.read()
	l.want("1\n2\n")
}

func TestTruncated(t *testing.T) {
	l := newLog(t)
	l.write("", "1\n2\n3\n")
	l.follow(true)
	l.read()
	l.must(os.Truncate(l.path, 0))
	l.write("", "4\n")
	l.read()
	l.want("1\n2\n3\n4\n")
	if l.got.rotated["truncated"] != 1 {
		t.Errorf("rotations %v", l.got.rotated)
	}
	l.wantGaps(GapTruncated)
}

func TestRewrittenLongerThanItWas(t *testing.T) {
	l := newLog(t)
	l.write("", "1\n")
	l.follow(true)
	l.read()
	l.must(os.Truncate(l.path, 0))
	l.write("", "new and longer\nthan before\n")
	l.read()
	l.want("1\nnew and longer\nthan before\n")
}

func TestCopyTruncateLosesNothing(t *testing.T) {
	l := newLog(t)
	l.write("", lines(1, 1))
	l.follow(true)
	l.read()
	l.write("", lines(2, 1))
	text, err := os.ReadFile(l.path)
	l.must(err)
	l.must(os.WriteFile(l.at("access.log.1"), text, 0o644))
	l.must(os.Truncate(l.path, 0))
	l.write("", lines(3, 1))
	l.read()
	l.want(lines(1, 3))
	l.wantGaps()
}

func TestRestart(t *testing.T) {
	l := newLog(t)
	l.write("", "1\n2\n")
	l.follow(true)
	l.read()
	l.write("", "3\n")
	l.restart()
	l.read()
	l.want("1\n2\n3\n")
}

func TestRotatedWhileDown(t *testing.T) {
	for _, c := range []struct {
		name   string
		rotate func(*log)
	}{
		{"renamed", func(l *log) { l.rename("", "access.log.1") }},
		{"dated", func(l *log) { l.rename("", "access.log-20261124") }},
		{"compressed", func(l *log) { l.rename("", "access.log.1"); l.gzip("access.log.1") }},
		{"twice", func(l *log) {
			l.rename("", "access.log.2")
			l.write("access.log.1", lines(3, 1))
		}},
		{"twice and compressed", func(l *log) {
			l.rename("", "access.log.2")
			l.gzip("access.log.2")
			l.write("access.log.1", lines(3, 1))
			l.gzip("access.log.1")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLog(t)
			l.write("access.log.9", "older, and long done\n")
			past := time.Now().Add(-time.Hour)
			l.must(os.Chtimes(l.at("access.log.9"), past, past))
			l.write("", lines(1, 1))
			l.follow(true)
			l.read()
			l.write("", lines(2, 1))
			c.rotate(l)
			l.write("", lines(4, 1))
			l.restart()
			l.read()
			want := lines(1, 2) + lines(4, 1)
			if strings.HasPrefix(c.name, "twice") {
				want = lines(1, 4)
			}
			l.wantAll(want)
			l.wantGaps()
			l.restart()
			l.read()
			l.wantAll(want) // and not again
		})
	}
}

func TestDeletedWhileDownIsSaid(t *testing.T) {
	l := newLog(t)
	l.write("", "1\n")
	l.follow(true)
	l.read()
	l.must(os.Remove(l.path))
	l.write("", "another file\n")
	l.restart()
	l.read()
	l.want("1\nanother file\n")
	l.wantGaps(GapDeleted)
}

// TestLossIsReportedOnce starts again and again after a log was deleted: each start would raise an alert.
func TestLossIsReportedOnce(t *testing.T) {
	for _, path := range []string{"access.log", "acc*.log"} {
		l := newLog(t)
		one := l.path
		l.path = l.at(path)
		l.must(os.WriteFile(one, []byte("1\n"), 0o644))
		l.follow(true)
		l.read()
		l.must(os.Remove(one))
		for range 3 {
			l.restart()
			l.read()
		}
		l.wantGaps(GapDeleted)
		l.must(os.WriteFile(one, []byte("2\n"), 0o644))
		l.restart()
		l.read()
		l.want("1\n2\n")
		l.wantGaps(GapDeleted)
		l.must(os.Remove(one)) // another loss
		l.restart()
		l.read()
		l.wantGaps(GapDeleted, GapDeleted)
	}
}

// TestLogComesBack hides a log from some starts, as a disk that is mounted late does.
func TestLogComesBack(t *testing.T) {
	l := newLog(t)
	l.write("", "1\n")
	l.follow(true)
	l.read()
	hidden := filepath.Join(t.TempDir(), "hidden")
	l.must(os.Rename(l.path, hidden))
	l.restart()
	l.read()
	l.restart()
	l.must(os.Rename(hidden, l.path))
	l.write("", "2\n")
	l.restart()
	l.read()
	l.want("1\n2\n")
	l.wantGaps(GapDeleted)
	l.must(os.Remove(l.path)) // in earnest
	l.restart()
	l.read()
	l.wantGaps(GapDeleted, GapDeleted)
}

func TestInodeUsedAgain(t *testing.T) {
	l := newLog(t)
	l.write("", "1\n")
	l.follow(true)
	l.read()
	l.whileDown(func() {
		l.must(os.Truncate(l.path, 0))
		l.write("", "not the same at all\n")
	})
	l.read()
	l.want("1\nnot the same at all\n")
}

func TestGlobFollowsTheNewestAndFinishesTheOlder(t *testing.T) {
	l := newLog(t)
	l.path = filepath.Join(filepath.Dir(l.path), "access-*.log")
	l.write("access-1.log", "1\n")
	l.follow(true)
	l.read()
	l.write("access-2.log", "3\n")
	l.write("access-1.log", "2\n")
	l.read()
	l.want("1\n2\n3\n")
	l.restart()
	l.read()
	l.want("1\n2\n3\n")
}

func TestTooLong(t *testing.T) {
	l := newLog(t)
	long := strings.Repeat("x", 3*MaxLine)
	l.write("", "1\n"+long)
	l.follow(true)
	l.read()
	l.restart() // in the middle of the long line
	l.read()
	l.write("", long+"\n2\n"+strings.Repeat("y", MaxLine-10)+"\n")
	l.read()
	if l.got.tooLong != 1 {
		t.Errorf("%d lines are too long", l.got.tooLong)
	}
	l.want("1\n2\n" + strings.Repeat("y", MaxLine-10) + "\n")
}

// TestSplitAtEveryByte feeds a log in two parts, cut at every byte, with a restart between.
func TestSplitAtEveryByte(t *testing.T) {
	const text = "first\n\nsecond line\nthird\r\n\x00\xff\n"
	for cut := range len(text) + 1 {
		l := newLog(t)
		l.write("", text[:cut])
		l.follow(true)
		l.read()
		l.restart()
		l.write("", text[cut:])
		l.read()
		l.want(text)
		l.f.Close()
	}
}

func TestRefused(t *testing.T) {
	l := newLog(t)
	l.must(syscall.Mkfifo(l.path, 0o644))
	for path, want := range map[string]string{
		l.path:               "is a pipe (FIFO)",
		"/dev/null":          "is a character device",
		filepath.Dir(l.path): "is a folder",
	} {
		f := New(path, true, newRecord(), time.Now)
		if err := f.Read(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

// TestOwnOutput follows /dev/stdout while this program's stdout is a file, as nginx.conf of the official image has it.
func TestOwnOutput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "exporter.log")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = file
	defer func() { os.Stdout = stdout; file.Close() }()
	got := newRecord()
	f := New(path, false, got, time.Now)
	defer f.Close()
	if _, err := file.WriteString("a message\n"); err != nil {
		t.Fatal(err)
	}
	err = f.Read()
	if err == nil || !strings.Contains(err.Error(), "what this program itself writes") || got.lines.Len() > 0 {
		t.Errorf("%v, and %q is read", err, got.lines.String())
	}
}

func FuzzResume(f *testing.F) {
	f.Add([]byte("a\nb\n"), int64(2), uint64(7), false)
	f.Fuzz(func(t *testing.T, text []byte, offset int64, sum uint64, skip bool) {
		path := filepath.Join(t.TempDir(), "access.log")
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		follower := New(path, false, newRecord(), time.Now)
		defer follower.Close()
		c := Cursor{Path: path, Offset: offset, Head: Fingerprint{int(offset % 2000), sum}, Skipping: skip}
		follower.Resume(Position{Cursors: []Cursor{c}}, time.Now())
		if err := follower.Read(); err != nil {
			t.Fatal(err)
		}
	})
}
