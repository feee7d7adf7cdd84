package follow

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
)

// copying is a path's log whose copies have names that a glob matches.
type copying struct {
	*shelf
	logs [][2]string
	r    *running
	now  time.Time
}

// inCopying runs a test with the glob and the path in both orders.
func inCopying(t *testing.T, glob string, test func(c *copying)) {
	inBothOrders(t, func(s *shelf) {
		c := &copying{shelf: s, logs: [][2]string{{"all", glob}, {"one", "access.log"}}, now: time.Now()}
		if s.backwards {
			slices.Reverse(c.logs)
		}
		s.must(os.Mkdir(s.at("sub"), 0o755))
		c.begin()
		c.write("access.log", 100)
		c.read()
		c.wantLines("at first", 0, 100)
		test(c)
		c.r.kill()
	})
}

func (c *copying) begin() {
	c.r = c.run(c.logs...)
	for _, p := range c.r.logs {
		p.now = func() time.Time { return c.now }
	}
	c.r.read()
}

// restart kills both logs, does something, and starts them.
func (c *copying) restart(do func()) {
	c.r.kill()
	do()
	c.begin()
}

// read reads both logs as often as they have to wait for each other.
func (c *copying) read() {
	c.t.Helper()
	for range 3 {
		c.r.read()
	}
}

// wantLines compares how many lines the glob and the path have counted, without a gap.
func (c *copying) wantLines(when string, glob, path uint64) {
	c.t.Helper()
	want := []uint64{glob, path}
	if c.backwards {
		slices.Reverse(want)
	}
	c.r.want(when, want...)
}

// copyPart appends to a file what another holds of its first so many hundredths beyond it.
func (c *copying) copyPart(from, to string, hundredths int) {
	c.t.Helper()
	c.tick()
	text, err := os.ReadFile(c.at(from))
	c.must(err)
	copied, _ := os.ReadFile(c.at(to))
	file, err := os.OpenFile(c.at(to), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	c.must(err)
	_, err = file.Write(text[min(len(copied), len(text)*hundredths/100) : len(text)*hundredths/100])
	c.must(err)
	c.must(file.Close())
}

// TestCopyOfAnothersFile: a path's log is copied and emptied, and a glob matches the copy. The path's log counts the
// lines, whichever is read first, while they run or not, and however slowly the copy is made. What somebody appends to
// the copy is the glob's.
func TestCopyOfAnothersFile(t *testing.T) {
	for _, to := range []string{"access-20261126.log", "access.1.log"} {
		for _, steps := range [][]int{{100}, {0, 1, 50, 100}, {3, 70, 100}} {
			for _, isDown := range []bool{false, true} {
				for _, unread := range []int{0, 10} {
					name := fmt.Sprintf("%s, steps %v, down %v, unread %d", to, steps, isDown, unread)
					t.Run(name, func(t *testing.T) {
						inCopying(t, "*.log", func(c *copying) {
							rotate := func() {
								c.write("access.log", unread)
								for i, step := range steps {
									c.copyPart("access.log", to, step)
									if i < len(steps)-1 && !isDown {
										c.r.read()
									}
								}
								c.must(os.Truncate(c.at("access.log"), 0))
								c.write("access.log", 3)
							}
							if isDown {
								c.restart(rotate)
							} else {
								rotate()
							}
							c.read()
							c.wantLines("copied", 0, 103+uint64(unread))
							c.restart(func() {})
							c.read()
							c.wantLines("restarted", 0, 103+uint64(unread))
						})
					})
				}
			}
		}
	}
}

// TestCopyGoesOn: the log is copied, and not emptied. What is appended to either is counted once.
func TestCopyGoesOn(t *testing.T) {
	for _, to := range []string{"access-1.log", "sub/old.log"} {
		for _, isDown := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, down %v", to, isDown), func(t *testing.T) {
				glob := "*.log"
				if to == "sub/old.log" {
					glob = "sub/*.log"
				}
				inCopying(t, glob, func(c *copying) {
					rotate := func() {
						c.write("access.log", 10)
						c.copyPart("access.log", to, 100)
					}
					if isDown {
						c.restart(rotate)
					} else {
						rotate()
					}
					c.read()
					c.wantLines("copied", 0, 110)
					c.write("access.log", 5)
					c.write(to, 7)
					c.read()
					c.wantLines("both go on", 7, 115)
					c.restart(func() { c.write(to, 2) })
					c.write("access.log", 1)
					c.read()
					c.wantLines("restarted", 9, 116)
				})
			})
		}
	}
}

// TestCopyThatIsWritten: what is appended to a copy before each look is counted all the same, after seconds.
func TestCopyThatIsWritten(t *testing.T) {
	inCopying(t, "*.log", func(c *copying) {
		c.copyPart("access.log", "access.1.log", 100)
		c.read()
		for range 6 {
			c.write("access.log", 2)
			c.write("access.1.log", 3)
			c.r.read()
			c.now = c.now.Add(time.Second)
		}
		c.write("access.1.log", 3)
		c.r.read()
		c.wantLines("written all the time", 21, 112)
	})
}

// TestCopyThatItsLogDoesNotFind: a copy in another folder holds lines that the log had not counted when it was emptied.
// The log reports that as a gap, and the glob counts them.
func TestCopyThatItsLogDoesNotFind(t *testing.T) {
	inCopying(t, "sub/*.log", func(c *copying) {
		c.write("access.log", 10)
		c.copyPart("access.log", "sub/old.log", 100)
		c.must(os.Truncate(c.at("access.log"), 0))
		c.read()
		c.wantGap("copied", 10, 100, tail.GapTruncated)
	})
}

// wantGap is wantLines where one of the logs has a gap.
func (c *copying) wantGap(when string, glob, path uint64, reason string) {
	c.t.Helper()
	want, gaps := map[string]uint64{"all": glob, "one": path}, uint64(0)
	for _, p := range c.r.logs {
		n, _ := p.awake().Snapshot()
		if n.Parsed != want[p.source.Name] {
			c.t.Errorf("%s: %d lines of %s are counted, want %d\n%s", when, n.Parsed, p.source.Name,
				want[p.source.Name], &c.said)
		}
		gaps += p.totals.Gaps[reason]
	}
	if gaps != 1 {
		c.t.Errorf("%s: %d gaps of reason %s\n%s", when, gaps, reason, &c.said)
	}
}

// sameLines are lines that two logs may get at once, each with another second or all of one.
func sameLines(from, n int, isOneSecond bool) (text string) {
	for i := from; i < from+n; i++ {
		second := 1_764_000_000
		if !isOneSecond {
			second += i
		}
		text += fmt.Sprintf("200 0.%03d %d.000\n", i, second)
	}
	return text
}

// TestLogsThatGetTheSameLines: a path's log and one of a glob get the same first lines, or the same lines all the time,
// as a health check of two servers, or two access_log directives of one, write them. All are counted under either.
func TestLogsThatGetTheSameLines(t *testing.T) {
	for _, test := range []struct {
		name                   string
		first, then            int // lines that both have, and that each has for itself
		isOneSecond, isCounted bool
	}{
		{"a health check", 1, 20, true, false},
		{"a health check, counted before the other log is made", 1, 20, true, true},
		{"a burst", 30, 20, true, false},
		{"a check, counted before, and no more", 1, 0, true, true},
		{"each line", 40, 0, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			inCopying(t, "b*.log", func(c *copying) {
				for _, p := range c.r.logs {
					p.owners.Apart = 0
				}
				c.must(os.Rename(c.at("access.log"), c.at("access.log.1")))
				same := sameLines(0, test.first, test.isOneSecond)
				c.must(appendTo(c.at("access.log"), []byte(same)))
				if test.isCounted {
					c.read()
					c.tick()
				}
				c.must(appendTo(c.at("b.log"), []byte(same)))
				c.tick()
				c.read()
				n := uint64(test.first)
				c.wantLines("both at once", n, 100+n)
				for i := range 5 {
					more := sameLines(100+i, 1, false)
					c.must(appendTo(c.at("access.log"), []byte(more)))
					c.must(appendTo(c.at("b.log"), []byte(more)))
					c.read()
					c.now = c.now.Add(time.Second)
				}
				c.write("access.log", test.then)
				c.write("b.log", test.then)
				c.read()
				n += uint64(5 + test.then)
				c.wantLines("both", n, 100+n)
			})
		})
	}
}
