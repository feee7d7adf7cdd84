package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// alike are lines as log_format '$request_method $status' makes them. Any file may hold them.
func alike(n int) string { return strings.Repeat("GET 200\n", n) }

// followedAlike is a log of alike lines that was followed from its beginning, beside two rotated parts.
func followedAlike(t *testing.T) *log {
	t.Helper()
	l := newLog(t)
	l.write("access.log.2", alike(30))
	l.gzip("access.log.2")
	l.write("access.log.1", alike(20))
	l.write("", alike(5))
	l.follow(true)
	l.read()
	return l
}

// shiftParts renames the numbered parts.
func (l *log) shiftParts() {
	l.t.Helper()
	for n := 199; n > 0; n-- {
		l.shift(n)
	}
}

// shift renames a numbered part, compressed or not, to have the next number, and reports whether one was there that is
// not compressed.
func (l *log) shift(n int) (isPlain bool) {
	l.t.Helper()
	from, to := fmt.Sprint("access.log.", n), fmt.Sprint("access.log.", n+1)
	for _, suffix := range []string{"", ".gz"} {
		if _, err := os.Lstat(l.at(from + suffix)); err == nil {
			l.rename(from+suffix, to+suffix)
			isPlain = isPlain || suffix == ""
		}
	}
	return isPlain
}

// makeRoom renames the numbered parts as logrotate does, and compresses the newest but one.
func (l *log) makeRoom() {
	l.t.Helper()
	l.shiftParts()
	if _, err := os.Stat(l.at("access.log.2")); err == nil {
		l.gzip("access.log.2")
	}
}

func (l *log) rotateOnce() { l.t.Helper(); l.makeRoom(); l.rename("", "access.log.1"); l.write("", "") }

func (l *log) copyAndTruncate() {
	l.t.Helper()
	l.makeRoom()
	l.write("access.log.1", l.text(""))
	l.must(os.Truncate(l.path, 0))
}

// An alikeTest is something that is done to a log of alike lines, which has five, and what must come of it.
type alikeTest struct {
	do   func(l *log)
	want int // how many lines are counted behind the first five
	gaps []string
}

func (test alikeTest) run(t *testing.T, down bool) {
	l := followedAlike(t)
	l.whileFollowedOr(down, func() { test.do(l) })
	l.readsPatiently()
	if got := strings.Count(l.got.lines.String(), "\n") - 5; got != test.want {
		t.Errorf("%d lines, want %d", got, test.want)
	}
	l.wantGaps(test.gaps...)
}

// TestAlikeLinesAreCounted: the inodes and places of these files show what they are, so that nothing is in doubt.
func TestAlikeLinesAreCounted(t *testing.T) {
	for name, test := range map[string]alikeTest{
		"written": {do: func(l *log) { l.write("", alike(3)) }, want: 3},
		"rotated": {do: func(l *log) {
			l.write("", alike(3))
			l.rotateOnce()
			l.write("", alike(90))
		}, want: 93},
		"rotated twice": {do: func(l *log) {
			l.write("", alike(3))
			l.rotateOnce()
			l.write("", alike(11))
			l.rotateOnce()
			l.write("", alike(90))
		}, want: 104},
		"rotated and compressed": {do: func(l *log) {
			l.write("", alike(3))
			l.rotateOnce()
			l.gzip("access.log.1")
			l.write("", alike(90))
		}, want: 93},
		"copied and truncated": {do: func(l *log) {
			l.write("", alike(3))
			l.copyAndTruncate()
			l.write("", alike(2))
		}, want: 5},
		"copied and truncated twice": {do: func(l *log) {
			l.write("", alike(3))
			l.copyAndTruncate()
			l.write("", alike(11))
			l.copyAndTruncate()
			l.write("", alike(2))
		}, want: 16},
		"written late": {do: func(l *log) {
			l.rotateOnce()
			l.write("access.log.1", alike(4))
			l.write("", alike(90))
		}, want: 94},
	} {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, down %v", name, down), func(t *testing.T) { test.run(t, down) })
		}
	}
}

// TestAlikeLinesAreInDoubt: nothing shows which bytes of these files have been counted.
func TestAlikeLinesAreInDoubt(t *testing.T) {
	for name, test := range map[string]alikeTest{
		"deleted, and made longer": {do: func(l *log) {
			l.write("", alike(2))
			l.must(os.Remove(l.path))
			l.write("", alike(9))
		}, want: 4, gaps: []string{GapUncertain}},
		"emptied beside an older part": {do: func(l *log) {
			l.must(os.Truncate(l.path, 0))
			l.write("", alike(1))
		}, want: 0, gaps: []string{GapTruncated}},
		"copied, truncated, and filled to more": {do: func(l *log) {
			l.write("", alike(3))
			l.tick()
			l.copyAndTruncate()
			l.write("", alike(9))
		}, want: 4, gaps: []string{GapUncertain}},
		"rotated and compressed, and nothing older is left": {do: func(l *log) {
			l.write("", alike(2))
			l.rotateOnce()
			l.gzip("access.log.1")
			l.must(os.Remove(l.at("access.log.2.gz")))
			l.must(os.Remove(l.at("access.log.3.gz")))
		}, want: 0, gaps: []string{GapDeleted, GapUncertain}},
		"copied to another disk": {do: func(l *log) {
			l.copyFolder()
			l.write("", alike(2))
		}, want: 2, gaps: []string{GapUncertain}},
	} {
		t.Run(name, func(t *testing.T) { test.run(t, true) })
	}
}

// TestFirstCopiesOfAlikeLines: it is in doubt what they are until one that is compressed already shows how far all have
// been moved.
func TestFirstCopiesOfAlikeLines(t *testing.T) {
	l := newLog(t)
	l.write("", alike(5))
	l.follow(true)
	l.read()
	for range 4 {
		l.write("", alike(3))
		l.read()
		l.write("", alike(1))
		l.copyAndTruncate()
		l.write("", alike(2))
		l.read()
	}
	l.reads()
	l.want(alike(5 + 4*(3+1+2) - 2*(1+2)))
	l.wantGaps(GapTruncated, GapTruncated)
}

// TestAlikeLinesOfTwoLogs of one glob are those of either, though one looks like a copy of the other.
func TestAlikeLinesOfTwoLogs(t *testing.T) {
	l := newLog(t)
	l.path = filepath.Join(filepath.Dir(l.path), "*.log")
	l.write("a.log", alike(90))
	l.follow(true)
	l.read()
	l.write("b.log", alike(90))
	l.reads()
	l.want(alike(180))
	l.wantGaps()
}

func TestReplacedByAnEditedCopy(t *testing.T) {
	anonymise := func(s string) string { return strings.ReplaceAll(s, "10.0.0.1 ", "10.0.0.0 ") }
	for name, test := range map[string]struct {
		lines func(from, n int) string
		edit  func(string) string
	}{
		"anonymised":     {lines, anonymise},
		"a line deleted": {lines, func(s string) string { return s[strings.IndexByte(s, '\n')+1:] }},
		"a line changed": {lines, func(s string) string { return strings.Replace(s, "/v1/00000050", "/v2/50", 1) }},
		"without times":  {serial, anonymise},
	} {
		for _, inPlace := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, in place %v", name, inPlace), func(t *testing.T) {
				l := newLog(t)
				l.write("", test.lines(0, 100))
				l.follow(true)
				l.read()
				text := test.edit(l.text(""))
				if inPlace {
					l.must(os.WriteFile(l.path, []byte(text), 0o644))
				} else {
					l.copyOver("", text)
				}
				l.read()
				l.write("", test.lines(100, 10))
				l.reads()
				l.want(test.lines(0, 110))
				l.wantGaps()
			})
		}
	}
}

// serial are lines that come only once, as lines with $request_length and $request_time mostly do, without a time.
func serial(from, n int) string {
	var b strings.Builder
	for i := from; i < from+n; i++ {
		fmt.Fprintf(&b, "10.0.0.1 %d 200\n", 100_000+i)
	}
	return b.String()
}
