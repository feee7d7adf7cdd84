package follow

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A running is logs that are followed side by side; they are read when a test says so, in its order.
type running struct {
	*shelf
	dir  *statefile.Dir
	logs []*Pipeline
}

// run begins to follow logs, of each a name and a path, with what has been committed.
func (s *shelf) run(named ...[2]string) *running {
	s.t.Helper()
	r := s.prepare(named...)
	for _, p := range r.logs {
		p.restore(s.t.Context())
	}
	return r
}

// prepare is run, but none has begun.
func (s *shelf) prepare(named ...[2]string) *running {
	s.t.Helper()
	dir, err := statefile.Open(s.data)
	s.must(err)
	var logs []source.LogSource
	for _, l := range named {
		logs = append(logs, source.LogSource{Name: l[0], Path: s.at(l[1])})
	}
	r := &running{shelf: s, dir: dir}
	records, owners := NewRecords(dir, logs), &tail.Owners{Apart: 1}
	for _, l := range logs {
		p := New(Config{Source: l, State: dir, Peers: logs, Logger: log.NewLogfmtLogger(&s.said), Owners: owners,
			Counter: counterOf(s.t, "$status $request_time $msec"), Records: records})
		r.logs = append(r.logs, p)
	}
	return r
}

// read reads the logs in their order, and commits what they have counted.
func (r *running) read() {
	r.t.Helper()
	for _, p := range r.logs {
		p.read()
		r.must(p.readErr)
		r.commit(p)
	}
}

// kill ends all as a kill -9 does.
func (r *running) kill() {
	r.t.Helper()
	for _, p := range r.logs {
		p.reader.Close()
		p.commits.stop()
	}
	r.must(r.dir.Close())
}

// want compares how many lines are counted of each log, without a gap.
func (r *running) want(when string, want ...uint64) {
	r.t.Helper()
	for i, p := range r.logs {
		n, _ := p.awake().Snapshot()
		if n.Parsed != want[i] || len(p.totals.Gaps) > 0 {
			r.t.Errorf("%s: %d lines of %s are counted, want %d; gaps %v\n%s", when, n.Parsed, p.source.Name, want[i],
				p.totals.Gaps, &r.said)
		}
	}
}

// TestFileMovesToAnotherLog: a file is renamed from the names of one log to those of another, and its first name gets
// a new file. The first log goes on with both, whichever is first in the config and read first, and after a kill.
func TestFileMovesToAnotherLog(t *testing.T) {
	for _, test := range []struct{ name, from, to, file, moved string }{
		{"path to glob, dated", "access.log", "access*.log", "access.log", "access-20261125.log"},
		{"path to glob, by hand", "access.log", "*.log", "access.log", "old.log"},
		{"path to glob in another folder", "access.log", "sub/*.log", "access.log", "sub/access-old.log"},
		{"glob to glob", "a*.log", "b*.log", "a.log", "b.log"},
		{"glob to path", "a*.log", "b.log", "a.log", "b.log"},
		{"path to path", "a.log", "b.log", "a.log", "b.log"},
	} {
		for _, killed := range []string{"never", "before it moves", "after", "after, and it has been seen"} {
			for order := range 4 {
				t.Run(fmt.Sprintf("%s, killed %s, order %d", test.name, killed, order), func(t *testing.T) {
					m := &renaming{shelf: newShelf(t), from: test.from, to: test.to, isLater: order&1 > 0,
						isReadLater: order&2 > 0}
					m.must(os.Mkdir(m.at("sub"), 0o755))
					m.rename(test.file, test.moved, killed)
				})
			}
		}
	}
}

// A renaming gives a file of log 1 a name of log 2's.
type renaming struct {
	*shelf
	from, to             string // what the logs read
	isLater, isReadLater bool   // log 1 in the config, and when both are read
	both                 *running
}

func (m *renaming) begin() {
	logs := [][2]string{{"1", m.from}, {"2", m.to}}
	if m.isLater {
		slices.Reverse(logs)
	}
	m.both = m.run(logs...)
	if m.isReadLater != m.isLater {
		slices.Reverse(m.both.logs)
	}
}

func (m *renaming) rename(file, moved, killed string) {
	m.begin()
	restart := func(when string) {
		if killed == when {
			m.both.kill()
			m.begin()
		}
	}
	m.write(file, 100)
	m.wantOne("at first", 0) // they begin at the end
	restart("before it moves")
	m.write(file, 10)
	m.must(os.Rename(m.at(file), m.at(moved)))
	m.write(moved, 10)
	m.write(file, 3)
	restart("after")
	m.wantOne("moved", 23)
	restart("after, and it has been seen")
	m.write(moved, 10)
	m.wantOne("written on", 33)
	m.write(moved, 10)
	m.write(file, 3)
	m.wantOne("and on", 46)
	m.both.kill()
}

// wantOne compares how many lines are counted of log 1. The other has none.
func (m *renaming) wantOne(when string, want uint64) {
	m.t.Helper()
	m.both.read()
	all := []uint64{want, 0}
	if m.both.logs[0].source.Name != "1" {
		slices.Reverse(all)
	}
	m.both.want(when, all...)
}

// TestLinkAppears: a glob follows a file when the link that another log names is made. The glob goes on with it; after
// a restart, the log of a symbolic link does, which names the file.
func TestLinkAppears(t *testing.T) {
	for _, test := range []struct {
		name             string
		link             func(s *shelf) error
		restarted, later [2]uint64
	}{
		{"symbolic link", func(s *shelf) error { return os.Symlink("a.log", s.at("link")) },
			[2]uint64{30, 10}, [2]uint64{30, 20}},
		{"hard link", func(s *shelf) error { return os.Link(s.at("a.log"), s.at("link")) },
			[2]uint64{40, 0}, [2]uint64{50, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBothOrders(t, func(s *shelf) {
				logs := [][2]string{{"all", "*.log"}, {"one", "link"}}
				if s.backwards {
					slices.Reverse(logs)
				}
				r := s.run(logs...)
				want := func(when string, all, one uint64) {
					t.Helper()
					r.read()
					if s.backwards {
						all, one = one, all
					}
					r.want(when, all, one)
				}
				want("nothing", 0, 0)
				s.write("a.log", 10)
				want("at first", 10, 0)
				s.must(test.link(s))
				s.write("a.log", 10)
				want("linked", 20, 0)
				s.write("a.log", 10)
				want("later", 30, 0)
				r.kill()
				s.write("a.log", 10)
				r = s.run(logs...)
				want("restarted", test.restarted[0], test.restarted[1])
				s.write("a.log", 10)
				want("and later", test.later[0], test.later[1])
				r.kill()
			})
		})
	}
}

// TestManyFilesMove: a path's rotations give each file a name that a glob matches, and other names later. The glob
// counts none of them, nor after a restart, when the path's log remembers only the last ones.
func TestManyFilesMove(t *testing.T) {
	for name, areShifted := range map[string]bool{"a name for each": false, "access.1.log is the latest": true} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			logs := [][2]string{{"all", "*.log"}, {"one", "access.log"}}
			r := s.run(logs...)
			r.read()
			clock := time.Now()
			part := func(i int) string { return s.at(fmt.Sprintf("access.%d.log", i)) }
			for i := range 40 {
				for _, p := range r.logs {
					p.now = func() time.Time { return clock }
				}
				s.write("access.log", 10)
				r.read()
				at := i
				for ; areShifted && at > 0; at-- {
					s.must(os.Rename(part(at-1), part(at)))
				}
				s.must(os.Rename(s.at("access.log"), part(at)))
				r.read()
				clock = clock.Add(time.Hour)
			}
			r.want("forty times", 0, 400)
			r.kill()
			for range 2 {
				r = s.run(logs...)
				r.read()
				r.want("restarted", 0, 400)
				r.kill()
			}
		})
	}
}

// TestOwnerEnds: a file was left to another log, which is followed no longer. The path's log takes it where the other
// was, or, if that is not known, at the present end, with a gap.
func TestOwnerEnds(t *testing.T) {
	for name, isKnown := range map[string]bool{"it is known how far it was read": true, "it is not": false} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			r := s.run([2]string{"all", "a*.log"}, [2]string{"one", "b.log"})
			glob, path := r.logs[0], r.logs[1]
			clock := time.Now()
			path.now = func() time.Time { return clock }
			r.read()
			s.write("a.log", 100)
			r.read()
			s.must(os.Rename(s.at("a.log"), s.at("b.log")))
			r.read()
			r.want("moved", 100, 0)
			if isKnown {
				glob.follower.HandOver()
			}
			glob.reader.Close()
			s.write("b.log", 10)
			for range 3 {
				path.read()
				clock = clock.Add(time.Minute)
			}
			s.write("b.log", 5)
			path.read()
			want, gaps := uint64(5), uint64(1)
			if isKnown {
				want, gaps = 15, 0
			}
			if n, _ := path.awake().Snapshot(); n.Parsed != want || path.totals.Gaps[tail.GapUncertain] != gaps {
				t.Errorf("%d lines are counted, want %d; gaps %v", n.Parsed, want, path.totals.Gaps)
			}
			r.kill()
		})
	}
}

// TestOwnerIsGone: a file that a glob has left is the glob's when the config no longer has the other log. It goes on
// where that was.
func TestOwnerIsGone(t *testing.T) {
	s := newShelf(t)
	glob := [2]string{"all", "access-*.log"}
	r := s.run(glob, [2]string{"one", "access.log"})
	r.read()
	s.write("access.log", 10)
	r.read()
	s.must(os.Rename(s.at("access.log"), s.at("access-1.log")))
	s.write("access.log", 3)
	r.read()
	r.want("moved", 0, 13)
	r.kill()
	s.write("access-1.log", 5)
	for range 2 {
		r = s.run(glob)
		r.read()
		r.want("alone", 5)
		r.kill()
	}
}

// TestFileMovesDuringAStart: the records have been shared out, and the glob reads before the path's log has begun.
func TestFileMovesDuringAStart(t *testing.T) {
	s := newShelf(t)
	logs := [][2]string{{"all", "*.log"}, {"one", "access.log"}}
	r := s.run(logs...)
	r.read()
	s.write("access.log", 10)
	r.read()
	r.kill()
	r = s.prepare(logs...)
	r.logs[0].restore(t.Context())
	s.must(os.Rename(s.at("access.log"), s.at("old.log")))
	s.write("old.log", 5)
	r.logs[0].read()
	r.logs[1].restore(t.Context())
	r.read()
	r.want("begun", 0, 15)
	r.kill()
}

// TestUnsavedFileMoves: after a kill, a file that the first log had read but not saved is counted by the other, to
// whose names it was renamed, once.
func TestUnsavedFileMoves(t *testing.T) {
	inBothOrders(t, func(s *shelf) {
		logs := [][2]string{{"all", "*.log"}, {"one", "access.log"}}
		r := s.run(logs...)
		r.read()
		s.write("access.log", 10)
		glob, path := r.logs[0], r.logs[1]
		path.read()
		s.must(os.Rename(s.at("access.log"), s.at("old.log")))
		s.write("b.log", 1)
		glob.read()
		s.commit(glob)
		r.kill()
		if s.backwards {
			slices.Reverse(logs)
		}
		for range 2 {
			r = s.run(logs...)
			r.read()
			total := uint64(0)
			for _, p := range r.logs {
				n, _ := p.awake().Snapshot()
				total += n.Parsed
			}
			if total != 11 {
				t.Errorf("%d lines are counted, want 11\n%s", total, &s.said)
			}
			r.kill()
		}
	})
}
