package tail

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A record is a Sink that keeps what it is given.
type record struct {
	lines   bytes.Buffer
	tooLong int
	rotated map[string]int
	gaps    []string
	told    []string // gaps with file and offset
	causes  []string
	onLines func() // what happens while lines are taken
}

func newRecord() *record { return &record{rotated: map[string]int{}} }

func (r *record) Lines(block []byte) {
	if len(block) == 0 || block[len(block)-1] != '\n' {
		panic(fmt.Sprintf("a block of no whole lines: %q", block))
	}
	r.lines.Write(block)
	if r.onLines != nil {
		r.onLines()
	}
}
func (r *record) TooLong()            { r.tooLong++ }
func (r *record) Checkpoint()         {}
func (r *record) Rotated(kind string) { r.rotated[kind]++ }
func (r *record) Gap(reason, file string, from, _ int64, cause string) {
	r.causes = append(r.causes, cause)
	r.gaps = append(r.gaps, reason)
	r.told = append(r.told, fmt.Sprintf("%s %s %d", reason, filepath.Base(file), from))
}

// A log is a folder with a log in it, a clock, and who follows.
type log struct {
	t    *testing.T
	path string
	now  time.Time
	got  *record
	f    *Follower
}

func newLog(t *testing.T) *log {
	return &log{t: t, path: filepath.Join(t.TempDir(), "access.log"), now: time.Now(), got: newRecord()}
}

func (l *log) follow(fromStart bool) {
	l.f = New(l.path, fromStart, l.got, func() time.Time { return l.now })
	l.t.Cleanup(func() { l.f.Close() })
}

// restart begins anew from the position, as after a crash right behind a commit.
func (l *log) restart() {
	position, seen := l.f.Position(), l.f.Seen()
	l.f.Close()
	l.follow(false)
	l.f.Resume(position, seen)
}

func (l *log) read() {
	l.t.Helper()
	if err := l.f.Read(); err != nil {
		l.t.Fatal(err)
	}
}

// open is how many files are open.
func (l *log) open() (n int) {
	for _, g := range l.f.generations {
		if g.file != nil {
			n++
		}
	}
	return n
}

func (l *log) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// write appends to a file beside the log, "" for the log itself.
func (l *log) write(name, text string) {
	l.t.Helper()
	file, err := os.OpenFile(l.at(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	l.must(err)
	_, err = file.WriteString(text)
	l.must(err)
	l.must(file.Close())
}

func (l *log) at(name string) string {
	if name == "" {
		return l.path
	}
	return filepath.Join(filepath.Dir(l.path), name)
}

func (l *log) rename(from, to string) { l.t.Helper(); l.must(os.Rename(l.at(from), l.at(to))) }

func (l *log) gzip(name string) {
	l.t.Helper()
	text, err := os.ReadFile(l.at(name))
	l.must(err)
	info, err := os.Stat(l.at(name))
	l.must(err)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(text)
	l.must(z.Close())
	l.must(os.WriteFile(l.at(name+".gz"), b.Bytes(), 0o644))
	l.must(os.Chtimes(l.at(name+".gz"), info.ModTime(), info.ModTime())) // as gzip does
	l.must(os.Remove(l.at(name)))
}

func (l *log) want(text string) {
	l.t.Helper()
	if got := l.got.lines.String(); got != text {
		l.t.Fatalf("got  %q\nwant %q", got, text)
	}
}

// wantAll is want in any order of lines.
func (l *log) wantAll(text string) {
	l.t.Helper()
	got, want := strings.SplitAfter(l.got.lines.String(), "\n"), strings.SplitAfter(text, "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		l.t.Fatalf("got  %q\nwant %q", got, want)
	}
}

func (l *log) wantGaps(reasons ...string) {
	l.t.Helper()
	if fmt.Sprint(l.got.gaps) != fmt.Sprint(reasons) {
		l.t.Errorf("gaps %v, want %v", l.got.gaps, reasons)
	}
}

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
	l.write("", "1\n")
	l.follow(true)
	l.read()
	l.write("", "2\n")
	text, err := os.ReadFile(l.path)
	l.must(err)
	l.must(os.WriteFile(l.at("access.log.1"), text, 0o644))
	l.must(os.Truncate(l.path, 0))
	l.write("", "3\n")
	l.read()
	l.want("1\n2\n3\n")
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
			l.write("access.log.1", "3\n")
		}},
		{"twice and compressed", func(l *log) {
			l.rename("", "access.log.2")
			l.gzip("access.log.2")
			l.write("access.log.1", "3\n")
			l.gzip("access.log.1")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLog(t)
			l.write("access.log.9", "older, and long done\n")
			past := time.Now().Add(-time.Hour)
			l.must(os.Chtimes(l.at("access.log.9"), past, past))
			l.write("", "1\n")
			l.follow(true)
			l.read()
			l.write("", "2\n")
			c.rotate(l)
			l.write("", "4\n")
			l.restart()
			l.read()
			want := "1\n2\n4\n"
			if strings.HasPrefix(c.name, "twice") {
				want = "1\n2\n3\n4\n"
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

func TestInodeUsedAgain(t *testing.T) {
	l := newLog(t)
	l.write("", "1\n")
	l.follow(true)
	l.read()
	position, seen := l.f.Position(), l.f.Seen()
	l.f.Close()
	l.must(os.Truncate(l.path, 0))
	l.write("", "not the same at all\n")
	l.follow(false)
	l.f.Resume(position, seen)
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
