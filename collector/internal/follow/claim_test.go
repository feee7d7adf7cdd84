package follow

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A shelf is a folder with logs and one with their records.
type shelf struct {
	t         *testing.T
	dir, data string
	serial    int
	backwards bool
	together  bool // all begin before the first is read
	isFound   bool // nginx.conf names the logs
	fromStart bool // what is new is read from its beginning
	said      bytes.Buffer
}

func newShelf(t *testing.T) *shelf { return &shelf{t: t, dir: t.TempDir(), data: t.TempDir()} }

// inBothOrders runs a test whose logs begin in the order of their names, and one where they begin the other way round.
func inBothOrders(t *testing.T, test func(s *shelf)) {
	for name, backwards := range map[string]bool{"in order": false, "backwards": true} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.backwards = backwards
			test(s)
		})
	}
}

func (s *shelf) at(name string) string { return filepath.Join(s.dir, name) }

func (s *shelf) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) write(name string, lines int) {
	s.t.Helper()
	s.writeAs(name, 200, lines)
}

// writeAs appends lines of a status. Each has another time.
func (s *shelf) writeAs(name string, status, lines int) {
	s.t.Helper()
	file, err := os.OpenFile(s.at(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	s.must(err)
	for range lines {
		s.serial++
		_, err := fmt.Fprintf(file, "%d 0.010 %d.010\n", status, 1_764_000_000+s.serial)
		s.must(err)
	}
	s.must(file.Close())
}

// A counted is what a log shows when it has begun, and once it has been read to its end.
type counted struct {
	before, after, gaps uint64
	of                  map[int]int // by status, of what it has read
}

// statuses returns how many lines of each status a log has counted.
func statuses(s *Snapshot) map[int]int {
	of := map[int]int{}
	if s.Series == nil {
		return of
	}
	for _, line := range exposed(s) {
		var status, n int
		if rest, is := strings.CutPrefix(line, `nginx_access_requests_total{code="`); is {
			labels, value, _ := strings.Cut(rest, "} ")
			fmt.Sscan(labels[:3], &status)
			fmt.Sscan(value, &n)
			of[status] += n
		}
	}
	return of
}

// follow follows logs, name → path, to their ends. They begin in the order of their names, or the other way round, one
// after the other or together.
func (s *shelf) follow(paths map[string]string) map[string]counted {
	s.t.Helper()
	dir, err := statefile.Open(s.data)
	s.must(err)
	var logs []source.LogSource
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		logs = append(logs, source.LogSource{Name: name, Path: s.at(paths[name]), Found: s.isFound,
			FromStart: s.fromStart})
	}
	if s.backwards {
		slices.Reverse(logs)
	}
	shown := map[string]counted{}
	records, owners := NewRecords(dir, logs), &tail.Owners{Apart: 1}
	var ends []func()
	for _, l := range logs {
		p := New(Config{
			Source: l, State: dir, Peers: logs, Logger: log.NewLogfmtLogger(&s.said),
			Counter: counterOf(s.t, "$status $request_time $msec"), Records: records, Owners: owners,
		})
		p.restore(s.t.Context())
		end := func() { shown[l.Name] = s.finish(p) }
		if s.together {
			ends = append(ends, end)
		} else {
			end()
			records = NewRecords(dir, logs)
		}
	}
	for _, end := range ends {
		end()
	}
	s.must(dir.Close())
	return shown
}

// finish reads a log that has begun to its end.
func (s *shelf) finish(p *Pipeline) counted {
	s.t.Helper()
	before := shownOf(p)
	p.read()
	s.must(p.readErr)
	if !p.dirty {
		p.keepRecord()
	}
	s.commit(p)
	c := since(before, p.snapshot())
	p.reader.Close()
	p.commits.stop()
	return c
}

// commit commits what a log has counted, however busy the disk is.
func (s *shelf) commit(p *Pipeline) {
	if err := p.commit(s.t.Context()); err != nil {
		p.commits.await(s.t.Context())
	}
}

// since returns what a log has counted from one snapshot to the next.
func since(before, after *Snapshot) counted {
	c := counted{before: before.Lines.Parsed, after: after.Lines.Parsed, of: statuses(after)}
	for status, n := range statuses(before) {
		c.of[status] -= n
	}
	for reason, gaps := range after.Totals.Gaps {
		c.gaps += gaps - before.Totals.Gaps[reason]
	}
	return c
}

// want follows logs, and compares how many lines are shown of each, without a gap.
func (s *shelf) want(when string, paths map[string]string, want map[string]uint64) {
	s.t.Helper()
	for name, got := range s.follow(paths) {
		if got.after != want[name] || got.gaps > 0 {
			s.t.Errorf("%s: %d lines of %s are counted, want %d; %d gaps\n%s", when, got.after, name, want[name],
				got.gaps, &s.said)
		}
	}
}

// begin follows a file as "access" from its end on, and again when it has so many lines.
func (s *shelf) begin(path string, lines int) {
	s.t.Helper()
	access := map[string]string{"access": path}
	s.want("at first", access, map[string]uint64{})
	s.write(path, lines)
	s.want("later", access, map[string]uint64{"access": uint64(lines)})
}

func TestLogWithAnotherName(t *testing.T) {
	s := newShelf(t)
	s.write("access.log", 10)
	s.begin("access.log", 10)
	s.write("access.log", 5)
	s.want("under another name", map[string]string{"web": "access.log"}, map[string]uint64{"web": 15})
	s.must(os.Rename(s.at("access.log"), s.at("access.log.1")))
	s.write("access.log", 1)
	s.want("and again, rotated", map[string]string{"shop": "access.log"}, map[string]uint64{"shop": 16})
}

// TestLinkTakesNoRecord: a further log is another name of a file that is followed. Each has its own counts.
func TestLinkTakesNoRecord(t *testing.T) {
	for name, link := range map[string]func(s *shelf) error{
		"symbolic link": func(s *shelf) error { return os.Symlink("access.log", s.at("link.log")) },
		"hard link":     func(s *shelf) error { return os.Link(s.at("access.log"), s.at("link.log")) },
	} {
		t.Run(name, func(t *testing.T) {
			inBothOrders(t, func(s *shelf) {
				s.write("access.log", 100)
				s.begin("access.log", 100)
				s.must(link(s))
				both := map[string]string{"access": "access.log", "link": "link.log"}
				s.want("at first", both, map[string]uint64{"access": 100})
				for i := range uint64(4) {
					s.write("access.log", 3)
					s.want("later", both, map[string]uint64{"access": 100 + 3*(i+1), "link": 3 * (i + 1)})
				}
			})
		})
	}
}

// TestNamesChangePlaces: the order of two access_log lines in nginx.conf does, and their names with it.
func TestNamesChangePlaces(t *testing.T) {
	inBothOrders(t, func(s *shelf) {
		s.must(os.Mkdir(s.at("a"), 0o755))
		s.must(os.Mkdir(s.at("b"), 0o755))
		first := map[string]string{"access": "a/access.log", "b-access": "b/access.log"}
		s.want("at first", first, map[string]uint64{})
		s.write("a/access.log", 10)
		s.write("b/access.log", 200)
		s.want("later", first, map[string]uint64{"access": 10, "b-access": 200})
		s.write("a/access.log", 1)
		s.write("b/access.log", 2)
		s.want("in another order", map[string]string{"a-access": "a/access.log", "access": "b/access.log"},
			map[string]uint64{"a-access": 11, "access": 202})
		s.want("and back", first, map[string]uint64{"access": 11, "b-access": 202})
	})
}

func TestPathBecomesAGlob(t *testing.T) {
	s := newShelf(t)
	s.begin("access.log", 10)
	s.write("access.log", 5)
	s.want("as a glob", map[string]string{"access": "access.log*"}, map[string]uint64{"access": 15})
	s.must(os.Rename(s.at("access.log"), s.at("access.log.1")))
	s.write("access.log.1", 2)
	s.write("access.log", 3)
	s.want("as a path again, rotated", map[string]string{"access": "access.log"}, map[string]uint64{"access": 20})
}

// joinAndPart follows a.log and b.log, then both as a glob of this name, then each again, a.log under another name.
func (s *shelf) joinAndPart(glob, again string) {
	s.t.Helper()
	write := func(a, b int) {
		s.write("a.log", a)
		s.write("b.log", b)
	}
	two := map[string]string{"a": "a.log", "b": "b.log"}
	s.want("at first", two, map[string]uint64{})
	write(10, 20)
	s.want("later", two, map[string]uint64{"a": 10, "b": 20})
	write(1, 1)
	s.want("as one", map[string]string{glob: "*.log"}, map[string]uint64{glob: 12}) // the counts are those of a
	write(1, 1)
	s.want("as two again", map[string]string{"b": "b.log", again: "a.log"}, map[string]uint64{again: 13, "b": 21})
}

func TestLogsJoinInAGlobAndPart(t *testing.T) {
	inBothOrders(t, func(s *shelf) { s.joinAndPart("all", "c") })
}

// fill adds records of other logs.
func (s *shelf) fill(n int) {
	s.t.Helper()
	dir, err := statefile.Open(s.data)
	s.must(err)
	for i := range n {
		record := fmt.Sprintf(`{"source":%q}`, s.at(fmt.Sprintf("others/%d.log", i)))
		s.must(dir.Commit(fmt.Sprintf("a-%d", i), statefile.Record{Position: []byte(record)}))
	}
	s.must(dir.Close())
}

// TestLogsPartAmongManyRecords: a log whose own record was found has been part of a glob meanwhile, however many other
// records there are.
func TestLogsPartAmongManyRecords(t *testing.T) {
	inBothOrders(t, func(s *shelf) {
		s.fill(150)
		s.joinAndPart("a", "a")
	})
}

func TestFolderBySymbolicLink(t *testing.T) {
	s := newShelf(t)
	s.must(os.Mkdir(s.at("real"), 0o755))
	s.must(os.Symlink("real", s.at("link")))
	s.begin("real/access.log", 10)
	s.must(os.Rename(s.at("real/access.log"), s.at("real/access.log.1")))
	s.write("real/access.log.1", 1)
	s.write("real/access.log", 2)
	s.want("by the link", map[string]string{"www": "link/access.log"}, map[string]uint64{"www": 13})
}

func TestFolderMoved(t *testing.T) {
	s := newShelf(t)
	s.must(os.Mkdir(s.at("old"), 0o755))
	s.begin("old/access.log", 100)
	s.must(os.Rename(s.at("old"), s.at("new")))
	s.write("new/access.log", 1)
	s.want("elsewhere", map[string]string{"www": "new/access.log"}, map[string]uint64{"www": 101})
}

// TestNewLogWithTheNameOfARecord: the record of that name continues with its own file.
func TestNewLogWithTheNameOfARecord(t *testing.T) {
	inBothOrders(t, func(s *shelf) {
		s.begin("a.log", 10)
		s.want("two", map[string]string{"access": "b.log", "old": "a.log"}, map[string]uint64{"old": 10})
		s.write("a.log", 1)
		s.write("b.log", 2)
		s.want("later still", map[string]string{"access": "b.log", "old": "a.log"},
			map[string]uint64{"old": 11, "access": 2})
	})
}

// TestLongNames: two names that are too long for a file, and share their beginning, have records of their own.
func TestLongNames(t *testing.T) {
	inBothOrders(t, func(s *shelf) {
		long := strings.Repeat("é", 80)
		logs := map[string]string{long: "a.log", long + "2": "b.log"}
		s.want("at first", logs, map[string]uint64{})
		for i := range uint64(3) {
			s.write("a.log", 1)
			s.write("b.log", 10)
			s.want("later", logs, map[string]uint64{long: i + 1, long + "2": 10 * (i + 1)})
		}
		s.want("with names exchanged", map[string]string{long: "b.log", long + "2": "a.log"},
			map[string]uint64{long: 30, long + "2": 3})
		s.want("with short names", map[string]string{"a": "a.log", "b": "b.log"}, map[string]uint64{"a": 3, "b": 30})
	})
}

// A file that is named like a glob keeps its position, whether nginx.conf or the config file names it.
func TestFileNamedLikeAGlob(t *testing.T) {
	s := newShelf(t)
	s.write("a[1].log", 10)
	s.begin("a[1].log", 10)
	s.isFound = true
	s.write("a[1].log", 5)
	s.want("named in nginx.conf", map[string]string{"access": "a[1].log"}, map[string]uint64{"access": 15})
	s.write("a[1].log", 2)
	s.want("again", map[string]string{"access": "a[1].log"}, map[string]uint64{"access": 17})
	s.must(os.Rename(s.at("a[1].log"), s.at("b.log")))
	s.write("b.log", 3)
	s.want("renamed", map[string]string{"b": "b.log"}, map[string]uint64{"b": 20})
	s.must(os.Rename(s.at("b.log"), s.at("a[2].log")))
	s.write("a[2].log", 3)
	s.want("and back", map[string]string{"a": "a[2].log"}, map[string]uint64{"a": 23})
	s.isFound = false
	s.write("a[2].log", 4)
	s.want("now of a glob", map[string]string{"all": "*.log"}, map[string]uint64{"all": 27})
}

// TestLogPartsTwice: what a glob has given up is kept through its next change, for the log that has it in the end.
func TestLogPartsTwice(t *testing.T) {
	inBothOrders(t, func(s *shelf) {
		all := map[string]string{"all": "*.log"}
		s.write("ab.log", 100)
		s.write("b.log", 100)
		s.want("at first", all, map[string]uint64{})
		s.write("b.log", 2)
		s.want("later", all, map[string]uint64{"all": 2})
		s.want("without one", map[string]string{"web": "a*.log"}, map[string]uint64{"web": 2})
		s.want("with that again", map[string]string{"web": "a*.log", "b": "b.log"}, map[string]uint64{"web": 2})
	})
}

// TestLogTakesTheRecordOfAPart: the rest of the record that it continues is not forgotten.
func TestLogTakesTheRecordOfAPart(t *testing.T) {
	s := newShelf(t)
	s.write("ab.log", 100)
	s.write("b.log", 100)
	s.want("at first", map[string]string{"all": "*.log"}, map[string]uint64{})
	s.want("one", map[string]string{"all": "ab.log"}, map[string]uint64{})
	s.write("ab.log", 3)
	s.want("still", map[string]string{"all": "ab.log"}, map[string]uint64{"all": 3})
	s.want("the other", map[string]string{"all": "b.log"}, map[string]uint64{"all": 3})
	s.want("the first again", map[string]string{"web": "a*.log"}, map[string]uint64{"web": 3})
}

// TestGlobTakesInAnUnreadFile: it begins where start: says, as the file has no position.
func TestGlobTakesInAnUnreadFile(t *testing.T) {
	s := newShelf(t)
	s.write("b.log", 100)
	s.begin("a.log", 10)
	s.want("as a glob", map[string]string{"access": "*.log"}, map[string]uint64{"access": 10})
	s.write("b.log", 2)
	s.write("c.log", 3) // is new to it, and read from its beginning
	s.want("later", map[string]string{"access": "*.log"}, map[string]uint64{"access": 15})
}

// TestLinkTakesTheRecordBeforeAGlob: the file's log has become a glob, and another log is a link to it. The link names
// the file, and the glob only matches it.
func TestLinkTakesTheRecordBeforeAGlob(t *testing.T) {
	inBothOrders(t, func(s *shelf) {
		s.write("a.log", 100)
		s.begin("a.log", 100)
		s.must(os.Symlink("a.log", s.at("link")))
		s.write("a.log", 5)
		s.want("a glob", map[string]string{"all": "a*.log", "zlink": "link"}, map[string]uint64{"zlink": 105})
	})
}

// TestManyFilesAreLeft: of files that a log no longer has, its record keeps a bounded number. One that is not among
// them begins at its end when it is followed again, by whichever log, with a gap, and new ones at their beginning.
func TestManyFilesAreLeft(t *testing.T) {
	const dropped = 3
	file := func(i int) string { return fmt.Sprintf("b%03d.log", i) }
	for _, again := range []string{"all", "another"} {
		t.Run(again, func(t *testing.T) {
			s := newShelf(t)
			all, one := map[string]string{"all": "*.log"}, map[string]string{"all": "a.log"}
			s.write("a.log", 1)
			s.want("at first", all, map[string]uint64{})
			for i := range maxLeft + dropped {
				s.write(file(i), 40)
			}
			total := uint64(40 * (maxLeft + dropped))
			s.want("all", all, map[string]uint64{"all": total})
			s.want("one", one, map[string]uint64{"all": total})
			s.want("one, again", one, map[string]uint64{"all": total})
			for i := range maxLeft + dropped {
				s.write(file(i), 1)
			}
			s.fromStart = true
			paths, before := all, total
			if again == "another" {
				paths, before = map[string]string{"all": "a.log", again: "b*.log"}, 0
			}
			if got := s.follow(paths)[again]; got.after != before+maxLeft || got.gaps != dropped {
				t.Errorf("%d lines are counted, want %d; %d gaps\n%s", got.after, before+maxLeft, got.gaps, &s.said)
			}
			for i := range maxLeft + dropped + 1 {
				s.write(file(i), 1)
			}
			want := map[string]uint64{"all": total, again: before + maxLeft + maxLeft + dropped + 1}
			s.want("later", paths, want)
		})
	}
}
