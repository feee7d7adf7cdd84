package tail

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

const (
	healthCheck = "127.0.0.1 - - [25/Nov/2026:19:00:00 +0000] \"GET /health HTTP/1.1\" 200 2\n"
	hourBefore  = "127.0.0.1 - - [25/Nov/2026:18:00:00 +0000] \"GET /health HTTP/1.1\" 200 2\n"
)

// ofASecond are lines of one second, of so many kinds one after the other.
func ofASecond(kinds int) func(n int) string {
	return func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "127.0.0.1 - - [25/Nov/2026:19:00:00 +0000] \"GET /v1/%d HTTP/1.1\" 200 2\n", i%kinds)
		}
		return b.String()
	}
}

// monitored are lines without times of a monitor that requests the same pages again and again.
func monitored(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "10.0.0.1 \"GET /page/number/%d HTTP/1.1\" 200\n", i%40)
	}
	return b.String()
}

var linesThatComeAgain = map[string]func(n int) string{
	"a health check":  ofASecond(1),
	"three kinds":     ofASecond(3),
	"twelve kinds":    ofASecond(12),
	"many kinds":      ofASecond(130),
	"pages, no times": monitored,
}

// TestLinesThatComeAgain: the files of one log hold the same lines, as those of a health check in one second. Either
// all are counted, or a gap says that some are not, whatever the exporter sees of it.
func TestLinesThatComeAgain(t *testing.T) {
	for name, linesOf := range linesThatComeAgain {
		for _, counts := range [][]int{{200, 300}, {300, 200}, {200, 200}, {200, 3}, {200, 300, 50}, {150, 150, 150}} {
			if name == "many kinds" && counts[1] == counts[0] && len(counts) > 2 {
				continue // three files that hold the same are told apart only if lines come again within each
			}
			for _, down := range []bool{false, true} {
				for _, packed := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s %v, down %v, compressed %v", name, counts, down, packed), func(t *testing.T) {
						l := newLog(t)
						l.write("access.log.1", hourBefore)
						l.write("", linesOf(counts[0]))
						l.follow(true)
						l.read()
						want := counts[0]
						l.whileFollowedOr(down, func() {
							for _, n := range counts[1:] {
								l.rotateOnce()
								if packed {
									l.gzip("access.log.1")
								}
								l.write("", linesOf(n))
								want += n
							}
						})
						l.reads()
						l.wantCountOrGap(want)
					})
				}
			}
		}
	}
}

// wantCountOrGap fails if more lines are handed out than there are, or fewer without a gap.
func (l *log) wantCountOrGap(want int) {
	l.t.Helper()
	got := strings.Count(l.got.lines.String(), "\n")
	if got > want || got < want && len(l.got.gaps) == 0 {
		l.t.Errorf("%d lines of %d; gaps %v %v", got, want, l.got.gaps, l.got.causes)
	}
}

// TestLinesOfASecondInTwoLogs of one glob are those of either, though one looks like a copy of the other.
func TestLinesOfASecondInTwoLogs(t *testing.T) {
	for _, down := range []bool{false, true} {
		l := newLog(t)
		l.path = filepath.Join(filepath.Dir(l.path), "*.log")
		l.write("a.log", strings.Repeat(healthCheck, 90))
		l.follow(true)
		l.read()
		l.whileFollowedOr(down, func() { l.write("b.log", strings.Repeat(healthCheck, 100)) })
		l.reads()
		l.want(strings.Repeat(healthCheck, 190))
		l.wantGaps()
	}
}

// TestSeenEmpty: a file that was empty when it was first seen, and holds less than the one before it, is not a copy of
// that: all its lines are new.
func TestSeenEmpty(t *testing.T) {
	for name, linesOf := range linesThatComeAgain {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, down %v", name, down), func(t *testing.T) {
				l := newLog(t)
				l.write("", linesOf(200))
				l.follow(true)
				l.read()
				for range 3 {
					l.rotateOnce()
					l.read()
					l.whileFollowedOr(down, func() { l.write("", linesOf(101)) })
					l.read()
					l.write("", linesOf(99))
					l.read()
				}
				l.reads()
				l.wantCountOrGap(200 * 4)
				l.wantGaps()
			})
		}
	}
}

// TestCopiedBack: somebody renames the log, and copies it back to where it was. No line is counted twice; where new
// lines may be the same, a gap says that some may be missing.
func TestCopiedBack(t *testing.T) {
	tests := map[string]func(n int) string{"of many seconds": func(n int) string { return lines(0, n) }}
	for name, linesOf := range linesThatComeAgain {
		tests[name] = linesOf
	}
	for name, linesOf := range tests {
		for _, isSeenEmpty := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, seen empty %v", name, isSeenEmpty), func(t *testing.T) {
				l := newLog(t)
				l.write("", linesOf(200))
				l.follow(true)
				l.read()
				text := l.text("")
				l.rename("", "access.log.1")
				if isSeenEmpty {
					l.write("", "")
					l.read()
				}
				l.write("", text)
				l.read()
				l.write("", strings.Repeat(healthCheck, 7))
				l.reads()
				l.wantCountOrGap(207)
				if strings.Contains(text, ":00:01 ") {
					l.wantGaps()
				}
			})
		}
	}
}

// TestLinesThatComeOnce: a second may have more lines than are looked at. A copy is known by them.
func TestLinesThatComeOnce(t *testing.T) {
	l := newLog(t)
	l.write("", ofASecond(3000)(2500))
	l.follow(true)
	l.read()
	text := l.text("")
	l.rename("", "access.log.1")
	l.write("", text+healthCheck)
	l.reads()
	l.want(text + healthCheck)
	l.wantGaps()
}

// TestCopiedAndEmptiedInOneSecond: a log that was copied and emptied gets like lines again.
func TestCopiedAndEmptiedInOneSecond(t *testing.T) {
	for name, linesOf := range linesThatComeAgain {
		for _, counts := range [][2]int{{200, 300}, {300, 200}, {200, 200}, {200, 1}, {1, 20}} {
			for _, down := range []bool{false, true} {
				for _, isFirst := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s %v, down %v, first %v", name, counts, down, isFirst), func(t *testing.T) {
						copiedAndEmptied(t, linesOf, counts, down, isFirst)
					})
				}
			}
		}
	}
}

func copiedAndEmptied(t *testing.T, linesOf func(n int) string, counts [2]int, down, isFirst bool) {
	l := newLog(t)
	if !isFirst {
		l.write("access.log.1", hourBefore)
	}
	l.write("", linesOf(counts[0]))
	l.follow(true)
	l.read()
	l.whileFollowedOr(down, func() {
		l.tick()
		l.write("", healthCheck)
		l.copyAndTruncate()
		l.write("", linesOf(counts[1]))
	})
	l.readsPatiently()
	l.wantCountOrGap(counts[0] + 1 + counts[1])
}

// TestLineBeforeMoreOfTheSame: one line with a time does not identify a file that repeats it.
func TestLineBeforeMoreOfTheSame(t *testing.T) {
	l := newLog(t)
	l.write("access.log.1", hourBefore)
	l.write("", strings.Repeat(healthCheck, 15))
	l.follow(true)
	l.read()
	l.rotateOnce()
	l.gzip("access.log.1")
	l.write("", healthCheck)
	l.reads()
	l.wantCountOrGap(16)
}

func TestBeginning(t *testing.T) {
	const id, other = "0123456789abcdef0123456789abcdef", "123456789abcdef0123456789abcdef0"
	health := func(n int) string { return strings.Repeat(healthCheck, n) }
	for name, test := range map[string]struct {
		text         string
		rich, mayNew bool
	}{
		"nothing":                       {"", false, true},
		"one line":                      {health(1), true, true},
		"lines that come again":         {health(4), false, true},
		"two times":                     {hourBefore + health(40), true, false},
		"a second with many lines":      {health(20000) + lines(1, 1), true, false},
		"milliseconds":                  {strings.Repeat("1764683873.494 /\n", 40) + "1764683873.495 /\n", true, false},
		"twelve kinds":                  {ofASecond(12)(50), false, true},
		"a second with different lines": {ofASecond(5000)(5000), true, false},
		"a short one":                   {ofASecond(50)(50), true, true},
		"short different lines":         {serial(0, 3000), true, false},
		"ids":                           {strings.Repeat("GET /"+id+".js\nGET /"+other+".css\n", 9), false, true},
		"pages that come again":         {monitored(200), false, true},
		"pages":                         {monitored(40), true, true},
		"pages, and a check":            {monitored(40) + strings.Repeat("GET /health 200\n", 90), true, true},
	} {
		b := beginningIn([]byte(test.text), int64(len(test.text)))
		if b.isRich() != test.rich || b.mayBeNew() != test.mayNew {
			t.Errorf("%s: rich %v, may be new %v", name, b.isRich(), b.mayBeNew())
		}
		if file := beginningOf(strings.NewReader(test.text), int64(len(test.text))); file.isRich() != test.rich {
			t.Errorf("%s: rich %v as a file", name, file.isRich())
		}
	}
}

// TestFewShortLinesInTheirPlace: two short lines with times identify a rotated part that was compressed.
func TestFewShortLinesInTheirPlace(t *testing.T) {
	l := newLog(t)
	l.write("", "1764683873.494 200 0.855\n1764683874.494 200 0.387\n")
	l.follow(true)
	l.read()
	l.whileDown(func() {
		l.rotateOnce()
		l.gzip("access.log.1")
		l.write("", "1764683875.494 200 0.855\n")
	})
	l.reads()
	l.want("1764683873.494 200 0.855\n1764683874.494 200 0.387\n1764683875.494 200 0.855\n")
	l.wantGaps()
}
