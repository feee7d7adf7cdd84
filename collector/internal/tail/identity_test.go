package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// lines are lines as NGINX writes them, each with a number of its own.
func lines(from, n int) string {
	var b strings.Builder
	for i := from; i < from+n; i++ {
		fmt.Fprintf(&b, "10.0.0.1 - [25/Nov/2026:19:%02d:%02d +0000] \"GET /v1/%08d HTTP/1.1\" 200 %d\n",
			i/60%60, i%60, i, i)
	}
	return b.String()
}

// a log that was followed from its beginning, with so many lines.
func followed(t *testing.T, n int) *log {
	t.Helper()
	l := newLog(t)
	l.write("", lines(0, n))
	l.follow(true)
	l.read()
	return l
}

// reads reads twice, and again after a restart.
func (l *log) reads() {
	l.t.Helper()
	l.read()
	l.read()
	l.restart()
	l.read()
}

func (l *log) text(name string) string {
	l.t.Helper()
	text, err := os.ReadFile(l.at(name))
	l.must(err)
	return string(text)
}

// copyOver replaces a file by another with such a text.
func (l *log) copyOver(name, text string) {
	l.t.Helper()
	l.must(os.WriteFile(l.at("new"), []byte(text), 0o644))
	l.must(os.Rename(l.at("new"), l.at(name)))
}

func TestPlaces(t *testing.T) {
	for name, want := range map[string]string{
		"access.log.1": "number", "access.log.12.gz": "number", "access.log.3.xz": "number",
		"access.log-20261124": "-0", "access.log-20261124.gz": "-0", "access.log-2026112413": "-2",
		"access.log.20261125-100000": ".7", "access.log.20261125-100000.gz": ".7",
		"access.log": "", "access_2.log": "", "access.2.log": "", "access.8080.log": "", "access-202611.log": "",
		"access-v2":      "",
		"access_log_443": "", "error_1.log": "", "access-20261124.log": "", "access.log-20261399": "",
		"access.log.old": "", "access.log.json": "", "access.log.1.1": "", "access.log2": "",
	} {
		if scheme, _, ok := placeOf("access.log", name); scheme != want || ok != (want != "") {
			t.Errorf("%s is in the scheme %q (%v), want %q", name, scheme, ok, want)
		}
	}
}

// TestNeighbourIsNeverTaken: whatever is beside a log, and whatever happens to the log.
func TestNeighbourIsNeverTaken(t *testing.T) {
	l := followed(t, 10)
	for i, name := range []string{"access_2.log", "access.2.log", "access.8080.log", "access-202611.log", "access-v2",
		"access_log_443",
		"error_1.log", "access-20261125.log", "access.log.json", "access.log-20261125.json"} {
		l.write(name, lines(1000*(i+1), 50))
	}
	l.reads()
	l.rename("", "access.log.1")
	l.write("", lines(10, 10))
	l.reads()
	l.must(os.Truncate(l.path, 0))
	l.write("", lines(20, 10))
	l.read()
	l.want(lines(0, 30))
}

// TestEndIsLost: a power failure has taken lines that were counted, or somebody has while it was followed.
func TestEndIsLost(t *testing.T) {
	for _, down := range []bool{false, true} {
		for _, lost := range []int{1, 20, 900} {
			l := followed(t, 1000)
			l.whileFollowedOr(down, func() { l.must(os.Truncate(l.path, int64(len(lines(0, 1000-lost))))) })
			l.read()
			l.write("", lines(2000, 10))
			l.reads()
			l.want(lines(0, 1000) + lines(2000, 10))
			if lost < 40 {
				l.wantGaps() // it is certain that all that is left was counted
			}
		}
	}
}

// TestEndIsLostAndMoreWritten before it is looked at: what was written is a gap, and nothing is counted twice.
func TestEndIsLostAndMoreWritten(t *testing.T) {
	l := followed(t, 1000)
	l.whileDown(func() {
		l.must(os.Truncate(l.path, int64(len(lines(0, 100)))))
		l.write("", lines(5000, 2000))
	})
	l.read()
	l.write("", lines(9000, 10))
	l.read()
	l.want(lines(0, 1000) + lines(9000, 10))
	l.wantGaps(GapTruncated)
}

// TestReplacedByACopy again and again, as rsync, sed -i and editors do, with lines before and behind.
func TestReplacedByACopy(t *testing.T) {
	l := followed(t, 100)
	for i := range 20 {
		l.copyOver("", l.text(""))
		if i%3 == 0 {
			l.restart()
		}
		l.write("", lines(100+i, 1))
		l.read()
	}
	l.reads()
	l.want(lines(0, 120))
	l.wantGaps()
	if l.got.rotated["renamed"]+l.got.rotated["truncated"] != 0 {
		t.Errorf("rotations are reported: %v", l.got.rotated)
	}
}

// TestRotatedPartIsRewritten by logrotate's postrotate, before the exporter has looked, and later.
func TestRotatedPartIsRewritten(t *testing.T) {
	l := followed(t, 100)
	for i := range 5 {
		for old := 9; old > 0; old-- {
			_ = os.Rename(l.at(fmt.Sprintf("access.log.%d", old)), l.at(fmt.Sprintf("access.log.%d", old+1)))
		}
		l.rename("", "access.log.1")
		l.write("", "")
		l.copyOver("access.log.1", strings.ReplaceAll(l.text("access.log.1"), "10.0.0.1 ", "10.0.0.0 "))
		l.write("", lines(100+10*i, 10))
		l.read()
		l.copyOver("access.log.1", strings.ReplaceAll(l.text("access.log.1"), "10.0.0.0 ", "0.0.0.0 "))
		l.reads()
	}
	l.want(lines(0, 150))
	l.wantGaps()
}

// TestFolderIsCopiedToAnotherDisk: other inodes, other times, and archives that were never counted.
func TestFolderIsCopiedToAnotherDisk(t *testing.T) {
	l := newLog(t)
	for i := 1; i <= 10; i++ {
		l.write(fmt.Sprintf("access.log.%d", i), lines(1000*i, 200))
	}
	l.write("", "")
	l.follow(false)
	l.read()
	l.write("", lines(0, 50))
	l.read()
	l.whileDown(func() {
		l.copyFolder()
		l.write("", lines(50, 5))
	})
	l.reads()
	l.want(lines(0, 55))
	l.wantGaps()
}

// TestArchivesComeBack: restored from a backup, and packed again; one rotation beside them is found.
func TestArchivesComeBack(t *testing.T) {
	l := newLog(t)
	for i := range 20 {
		name := fmt.Sprintf("access.log-202611%02d", i+1)
		l.write(name, lines(1000*i+1000, 20))
		l.gzip(name)
	}
	l.write("", lines(0, 10))
	l.follow(true)
	l.read()
	for i := range 20 {
		name := fmt.Sprintf("access.log-202611%02d", i+1)
		l.must(os.Remove(l.at(name + ".gz")))
		l.write(name, lines(1000*i+1000, 20)) // packed again
		l.gzip(name)
		l.write(fmt.Sprintf("access.log-202610%02d", i+1), lines(5000*i+90000, 20)) // restored
	}
	l.rename("", "access.log-20261121")
	l.write("access.log-20261121", lines(10, 1))
	l.write("access.log-20261122", lines(11, 2)) // came and went between two looks
	l.write("", lines(13, 3))
	l.reads()
	l.wantAll(lines(0, 16))
	l.wantGaps()
}

func TestManyFilesBeside(t *testing.T) {
	l := followed(t, 10)
	for i := range 1100 {
		name := fmt.Sprintf("access.log-2025%02d%02d%02d", 1+i/672, 1+i/24%28, i%24)
		l.must(os.WriteFile(l.at(name), []byte(lines(i*10, 1)), 0o644))
	}
	l.reads()
	l.whileDown(func() {
		l.write("", lines(10, 5))
		l.rename("", "access.log-2026112519")
		l.write("", lines(15, 1))
	})
	l.reads()
	l.want(lines(0, 16))
	l.wantGaps()
}

// TestGlobOfRotatedLogs: each file of a glob has rotations of its own, more than can be open at once.
func TestGlobOfRotatedLogs(t *testing.T) {
	const logs = maxOpen + 20
	l := newLog(t)
	l.path = filepath.Join(filepath.Dir(l.path), "*.log")
	name := func(i int) string { return fmt.Sprintf("v%03d.log", i) }
	want := ""
	write := func(name string, from, n int) {
		l.write(name, lines(from, n))
		want += lines(from, n)
	}
	for i := range logs {
		write(name(i), 1000*i, 10)
	}
	l.follow(true)
	l.read()
	l.read()
	if n := l.open(); n > maxOpen {
		t.Errorf("%d files are open", n)
	}
	for i := range logs {
		write(name(i), 1000*i+10, 5)
		l.rename(name(i), name(i)+".1")
		write(name(i), 1000*i+15, 1)
	}
	l.reads()
	l.wantAll(want)
	l.wantGaps()
	if n := l.got.rotated["renamed"]; n != logs {
		t.Errorf("%d rotations of %d are reported", n, logs)
	}
}

// TestGlobWithAFileThatCannotBeRead continues with the others. A folder represents an unreadable file: tests run as
// root.
func TestGlobWithAFileThatCannotBeRead(t *testing.T) {
	l := newLog(t)
	l.path = filepath.Join(filepath.Dir(l.path), "*.log")
	l.must(os.Symlink(l.at("b.log/x"), l.at("a.log"))) // "not a directory"
	l.write("b.log", lines(0, 10))
	l.follow(true)
	if err := l.f.Read(); err == nil {
		t.Error("the one that cannot be read is not reported")
	}
	l.want(lines(0, 10))
}

// TestAFurtherLiveFileIsNoRotation of a glob.
func TestAFurtherLiveFileIsNoRotation(t *testing.T) {
	l := newGlob(t)
	l.write("access-1.log", lines(0, 1))
	l.follow(true)
	l.read()
	l.write("access-2.log", lines(1, 1))
	l.reads()
	l.want(lines(0, 2))
	if n := l.got.rotated["renamed"]; n != 0 {
		t.Errorf("%d rotations are reported", n)
	}
}

// TestHalfALineOfARotatedFile holds no descriptor a minute after its last byte, causes no lag and no gap.
func TestHalfALineOfARotatedFile(t *testing.T) {
	l := followed(t, 10)
	l.write("", "10.0.0.1 - [")
	l.rename("", "access.log.1")
	l.write("", lines(10, 5))
	l.read()
	if lag := l.f.Lag(); lag != 0 {
		t.Errorf("%d bytes of lag", lag)
	}
	l.must(os.Remove(l.at("access.log.1")))
	l.read()
	l.now = l.now.Add(quiet)
	l.read()
	if n := l.open(); n != 1 {
		t.Errorf("%d files are open", n)
	}
	l.reads()
	l.want(lines(0, 15))
	l.wantGaps()
}

// TestLateLines to the renamed file, at any time, closed or not, and while nobody follows.
func TestLateLines(t *testing.T) {
	l := followed(t, 10)
	l.rename("", "access.log.1")
	l.write("", lines(10, 1))
	l.read()
	for i, later := range []time.Duration{13 * time.Second, 2 * time.Minute, 30 * time.Minute} {
		l.now = l.now.Add(later)
		l.read()
		l.write("access.log.1", lines(11+2*i, 1))
		l.read()
		l.now = l.now.Add(lateInterval)
		l.read()
		l.whileDown(func() { l.write("access.log.1", lines(12+2*i, 1)) })
		l.read()
	}
	l.wantAll(lines(0, 17))
	l.wantGaps()
}

// TestRotatedOftenInASecond with rotate 1: what was deleted before it was seen is a gap, and nothing is counted twice.
func TestRotatedOftenInASecond(t *testing.T) {
	l := followed(t, 10)
	for i := range 10 {
		l.rename("", "access.log.1")
		l.write("", lines(10+i, 1))
	}
	l.reads()
	got := strings.SplitAfter(strings.TrimPrefix(l.got.lines.String(), lines(0, 10)), "\n")
	if !slices.Contains(got, lines(19, 1)) || len(l.got.gaps) == 0 {
		t.Errorf("%q, gaps %v", got, l.got.gaps)
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != len(got) {
		t.Errorf("a line is handed out twice: %q", got)
	}
}

// TestTimesOfWholeSeconds: the file is refilled to its size within the second of its last change.
func TestTimesOfWholeSeconds(t *testing.T) {
	l := followed(t, 10)
	second := time.Now().Truncate(time.Second)
	l.must(os.Chtimes(l.path, second, second))
	l.read()
	l.write("access.log.1", l.text(""))
	l.must(os.Truncate(l.path, 0))
	l.write("", lines(10, 10))
	l.must(os.Chtimes(l.path, second, second))
	l.now = l.now.Add(time.Second)
	l.reads()
	l.want(lines(0, 20))
	l.wantGaps()
}

// TestHoleAfterTruncation: a writer that does not append goes on where it was, behind a hole of any size.
func TestHoleAfterTruncation(t *testing.T) {
	for _, size := range []int64{0, 3 * MaxLine} {
		l := followed(t, 100)
		writer, err := os.OpenFile(l.path, os.O_WRONLY, 0)
		l.must(err)
		defer writer.Close()
		l.write("access.log.1", l.text(""))
		l.must(os.Truncate(l.path, 0))
		_, err = writer.WriteAt([]byte(lines(100, 2)), size+int64(len(lines(0, 100))))
		l.must(err)
		l.reads()
		l.write("", lines(102, 1))
		l.reads()
		l.want(lines(0, 103))
		l.wantGaps()
		if l.got.tooLong > 0 {
			t.Errorf("%d lines are too long", l.got.tooLong)
		}
	}
}

// TestClockJumps: forth and back, while it runs and while it does not.
func TestClockJumps(t *testing.T) {
	l := followed(t, 10)
	for i, jump := range []time.Duration{-1000 * time.Hour, 2000 * time.Hour, -3 * time.Second} {
		l.now = l.now.Add(jump)
		_ = os.Rename(l.at("access.log.1"), l.at("access.log.2"))
		l.rename("", "access.log.1")
		when := l.now.Add(jump)
		l.must(os.Chtimes(l.at("access.log.1"), when, when))
		l.write("", lines(10+i, 1))
		l.reads()
	}
	l.want(lines(0, 13))
	l.wantGaps()
}

// TestRotationWhileDownIsCounted, whose old file was compressed.
func TestRotationWhileDownIsCounted(t *testing.T) {
	l := followed(t, 10)
	l.whileDown(func() {
		l.write("", lines(10, 5))
		l.rename("", "access.log.1")
		l.write("", lines(15, 5))
		l.gzip("access.log.1")
	})
	l.reads()
	l.want(lines(0, 20))
	l.wantGaps()
	if n := l.got.rotated["renamed"]; n != 1 {
		t.Errorf("%d rotations are reported", n)
	}
}
