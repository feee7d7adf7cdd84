package tail

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// grow appends to a file what a text has beyond it, up to so many hundredths.
func (l *log) grow(name, text string, hundredths int) {
	l.t.Helper()
	n := 0
	if info, err := os.Stat(l.at(name)); err == nil {
		n = int(info.Size())
	}
	l.write(name, text[n:max(n, len(text)*hundredths/100)])
}

// age makes what has been counted as old as it is for most copies.
func (l *log) age() {
	for _, g := range l.f.generations {
		for i := range g.Counted {
			g.Counted[i].At -= int64(sameSecond)
		}
	}
}

// withoutOne is a glob of two files, of which one was counted a while ago, and deleted.
func withoutOne(t *testing.T) *log {
	l := newGlob(t)
	l.write("access-0.log", "other\n")
	l.write("access-1.log", lines(0, 200))
	l.follow(true)
	l.read()
	l.age()
	l.tick()
	l.must(os.Remove(l.at("access-1.log")))
	return l
}

// TestCopiedBackSlowly: a glob's file was counted and deleted, and comes back under any name, bit by bit: it is not
// new. What is appended to it then is.
func TestCopiedBackSlowly(t *testing.T) {
	for _, when := range []string{"at once", "later", "after a restart"} {
		for _, name := range []string{"access-1.log", "access-2.log"} {
			for _, steps := range [][]int{{100}, {0, 37, 100}, {9, 50, 51, 99, 100}} {
				t.Run(fmt.Sprintf("%s, %s, %v", when, name, steps), func(t *testing.T) {
					l := withoutOne(t)
					switch when {
					case "later":
						l.read()
						l.letGo()
						l.letGo()
					case "after a restart":
						l.letGo()
						l.restart()
						l.read()
					}
					for _, step := range steps {
						l.grow(name, lines(0, 200), step)
						l.read()
					}
					l.reads()
					l.wantAll("other\n" + lines(0, 200))
					l.write(name, lines(200, 5))
					l.read()
					l.wantAll("other\n" + lines(0, 205))
					l.restart()
					l.write(name, lines(205, 5))
					l.read()
					l.wantAll("other\n" + lines(0, 210))
					l.wantGaps()
				})
			}
		}
	}
}

// TestCopiedBackInPart: only the beginning of a deleted file comes back. It is uncertain where that ends, so there is a
// gap a minute later.
func TestCopiedBackInPart(t *testing.T) {
	l := withoutOne(t)
	l.letGo()
	l.restart()
	for _, step := range []int{20, 50} {
		l.grow("access-2.log", lines(0, 200), step)
		l.reads()
	}
	l.wantGaps()
	l.now = l.now.Add(patience)
	l.reads()
	l.wantAll("other\n" + lines(0, 200))
	l.wantGaps(GapUncertain)
	l.write("access-2.log", "\n"+lines(300, 5))
	l.read()
	l.wantAll("other\n" + lines(0, 200) + lines(300, 5))
	l.wantGaps(GapUncertain)
}

// TestGrowingCopyInAGlob: a glob's file is copied bit by bit to another that it matches, while both are looked at.
func TestGrowingCopyInAGlob(t *testing.T) {
	for _, isTruncated := range []bool{false, true} {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprintf("truncated %v, restarts %v", isTruncated, restarts), func(t *testing.T) {
				l := newGlob(t)
				l.write("access-1.log", lines(0, 200))
				l.follow(true)
				l.read()
				l.tick()
				for _, step := range []int{0, 30, 60} {
					l.grow("access-2.log", lines(0, 220), step)
					l.read()
					if restarts {
						l.restart()
					}
				}
				l.write("access-1.log", lines(200, 20))
				l.grow("access-2.log", lines(0, 220), 100)
				if isTruncated {
					l.must(os.Truncate(l.at("access-1.log"), 0))
				}
				l.write("access-1.log", lines(220, 5))
				l.reads()
				l.wantAll(lines(0, 225))
				l.write("access-2.log", lines(300, 5))
				l.reads()
				l.wantAll(lines(0, 225) + lines(300, 5))
			})
		}
	}
}

// TestLogsOfOneServer: the logs of a glob begin with the same lines, of a check that reached all, or have the same
// lines all the time. Each is a log for itself, at a first start, after one rotation of all while nobody followed, and
// where another was counted before.
func TestLogsOfOneServer(t *testing.T) {
	names := []string{"access-a.log", "access-b.log", "access-c.log"}
	for _, same := range []int{1, 12, 60} {
		for _, when := range []string{"first", "down", "running"} {
			t.Run(fmt.Sprintf("%d lines, %s", same, when), func(t *testing.T) {
				l := newGlob(t)
				want := ""
				write := func() {
					for i, name := range names {
						text := lines(0, same) + lines(1000*(i+1), 60-same)
						l.write(name, text)
						want += text
					}
				}
				if when == "first" {
					write()
				}
				l.follow(true)
				l.read()
				switch when {
				case "down":
					l.whileDown(write)
				case "running":
					write()
				}
				l.read()
				l.wantAll(want)
				l.wantGaps()
			})
		}
	}
}

// TestChecksOfNewLogs: logs are made one after the other, each gets the line of the same check, and has it counted at
// once.
func TestChecksOfNewLogs(t *testing.T) {
	l := newGlob(t)
	l.follow(true)
	l.read()
	want := ""
	for i := range 5 {
		l.write(fmt.Sprintf("access-%d.log", i), lines(0, 1))
		want += lines(0, 1)
		l.read()
		l.wantAll(want)
		l.tick()
	}
	l.wantGaps()
}

// TestCopyInAGlobThatIsWritten: what is appended to a copy before each look is counted all the same, after seconds.
func TestCopyInAGlobThatIsWritten(t *testing.T) {
	l := newGlob(t)
	l.write("access-1.log", lines(0, 200))
	l.follow(true)
	l.read()
	l.tick()
	l.write("access-2.log", lines(0, 200))
	l.read()
	want := lines(0, 200)
	for i := range 6 {
		more := lines(1000+10*i, 2)
		l.write("access-2.log", more)
		want += more
		l.read()
		l.now = l.now.Add(time.Second)
	}
	l.wantAll(want)
	l.wantGaps()
}
