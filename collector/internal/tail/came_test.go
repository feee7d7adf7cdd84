package tail

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// newComing returns a log with a glob that has been followed, of which x.log has not been seen.
func newComing(t *testing.T) *log {
	l := newLog(t)
	l.path = filepath.Join(filepath.Dir(l.path), "*.log")
	l.write("other.log", "other\n")
	l.write("x.log.4", "of a log that was followed by nobody\n")
	l.gzip("x.log.4")
	for begun := time.Now(); time.Since(begun) <= fileClock; {
		l.pass()
	}
	l.follow(true)
	l.read()
	l.pass()
	return l
}

// pass waits until a file that is created has a later creation time than now.
func (l *log) pass() {
	l.t.Helper()
	name := filepath.Join(l.t.TempDir(), "now")
	for now, born := time.Now().UnixNano(), int64(0); born <= now; {
		l.must(os.WriteFile(name, nil, 0o644))
		born = tagOf(name).Born
		l.must(os.Remove(name))
	}
}

// rotates makes what a file of a glob holds its newest part.
func (l *log) rotates(name string) {
	l.t.Helper()
	for n := 30; n > 0; n-- {
		for _, suffix := range []string{"", ".gz"} {
			_ = os.Rename(l.at(fmt.Sprint(name, ".", n, suffix)), l.at(fmt.Sprint(name, ".", n+1, suffix)))
		}
	}
	l.rename(name, name+".1")
	l.pass()
}

// TestGlobFileIsRotatedUnseen: a file comes to a glob and is rotated before it is seen. Its parts are read where it is
// certain that they were the log since; otherwise there is a gap. What was there before is not counted.
func TestGlobFileIsRotatedUnseen(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(l *log)
		want string
		gaps []string
	}{
		"rotated": {func(l *log) { l.write("x.log", lines(0, 3)); l.rotates("x.log"); l.write("x.log", lines(3, 2)) },
			lines(0, 5), nil},
		"and gone": {func(l *log) { l.write("x.log", lines(0, 3)); l.rotates("x.log") }, lines(0, 3), nil},
		"twice, delaycompress": {func(l *log) {
			l.write("x.log", lines(0, 3))
			l.rotates("x.log")
			l.write("x.log", lines(3, 3))
			l.rotates("x.log")
			l.write("x.log", lines(6, 3))
			l.gzip("x.log.2")
		}, lines(0, 9), nil},
		"dated": {func(l *log) {
			l.write("x.log", lines(0, 3))
			l.rename("x.log", "x.log-20261124")
			l.pass()
			l.write("x.log", lines(3, 3))
			l.rename("x.log", "x.log-20261125")
			l.pass()
			l.write("x.log", lines(6, 3))
			l.gzip("x.log-20261124")
		}, lines(0, 9), nil},
		"late lines": {func(l *log) {
			l.write("x.log", lines(0, 3))
			l.rotates("x.log")
			l.write("x.log", lines(4, 3))
			l.write("x.log.1", lines(3, 1))
		}, lines(0, 7), nil},
		"empty": {func(l *log) {
			l.write("x.log", "")
			l.rotates("x.log")
			l.write("x.log", lines(0, 3))
		}, lines(0, 3), nil},
		"copied and emptied": {func(l *log) {
			l.write("x.log", lines(0, 3))
			l.pass()
			l.write("x.log.1", lines(0, 3))
			l.must(os.Truncate(l.at("x.log"), 0))
			l.write("x.log", lines(3, 3))
		}, lines(3, 3), []string{GapUncertain}},
		"a copy of the log": {func(l *log) {
			l.write("x.log", lines(0, 300))
			l.pass()
			l.write("x.log.1", lines(0, 300))
		}, lines(0, 300), nil},
		"restored": {func(l *log) {
			l.write("x.log", lines(3, 3))
			l.pass()
			l.write("x.log.1", lines(0, 3))
		}, lines(3, 3), []string{GapUncertain}},
		"restored with its time": {func(l *log) {
			l.write("x.log.1", lines(0, 3))
			l.must(os.Chtimes(l.at("x.log.1"), l.now.Add(-time.Hour), l.now.Add(-time.Hour)))
			l.pass()
			l.write("x.log", lines(3, 3))
		}, lines(3, 3), nil},
		"compressed late": {func(l *log) { l.write("x.log", lines(3, 3)); l.packsOld("x.log.4.gz") }, lines(3, 3), nil},
		"not readable": {func(l *log) {
			l.write("x.log", lines(0, 3))
			l.rotates("x.log")
			l.write("x.log", lines(3, 3))
			l.rename("x.log.1", "x.log.1.xz")
		}, lines(3, 3), []string{GapUncertain}},
	} {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, down %v", name, down), func(t *testing.T) {
				l := newComing(t)
				l.whileFollowedOr(down, func() { test.do(l) })
				l.reads()
				l.restart()
				l.readsPatiently()
				l.wantAll("other\n" + test.want)
				l.wantGaps(test.gaps...)
			})
		}
	}
}

// packsOld compresses an old file, as delaycompress does.
func (l *log) packsOld(name string) {
	l.t.Helper()
	info, err := os.Stat(l.at(name))
	l.must(err)
	l.must(os.Remove(l.at(name)))
	l.write(name, "something that is old")
	l.must(os.Chtimes(l.at(name), info.ModTime().Add(-time.Hour), info.ModTime().Add(-time.Hour)))
}

// TestGlobFileIsSeenBeforeACrash: a file came, was read and rotated, and nothing of that was committed.
func TestGlobFileIsSeenBeforeACrash(t *testing.T) {
	l := newComing(t)
	position, seen := l.f.Position(), l.f.Seen()
	l.write("x.log", lines(0, 3))
	l.read()
	l.rotates("x.log")
	l.write("x.log", lines(3, 3))
	l.read()
	l.f.Close()
	l.got.lines.Reset()
	l.follow(false)
	l.f.Resume(position, seen)
	l.reads()
	l.wantAll(lines(0, 6))
	l.wantGaps()
}

// TestGlobFileIsUnreadable: what was rotated while a new file could not be read is read with it, also after a restart.
func TestGlobFileIsUnreadable(t *testing.T) {
	for _, down := range []bool{false, true} {
		l := newComing(t)
		l.must(os.Symlink(l.at("missing"), l.at("x.log"))) // root reads all else
		l.read()
		l.pass()
		l.whileFollowedOr(down, func() {})
		l.must(os.Remove(l.at("x.log")))
		l.write("x.log", lines(0, 3))
		l.rotates("x.log")
		l.write("x.log", lines(3, 3))
		l.reads()
		l.wantAll("other\n" + lines(0, 6))
		l.wantGaps()
	}
}

// TestGlobHistories: files come to a glob, are written, rotated and compressed, with a look or a crash at any time.
// Each line is counted once, without a gap.
func TestGlobHistories(t *testing.T) {
	for seed := range int64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := &plainLog{log: newComing(t), random: rand.New(rand.NewSource(seed)), format: "combined",
				clock: 1764150000, wants: map[string]bool{"other\n": true}}
			p.commit()
			names := []string{"x.log"} // beside which there is what was there before
			for range 60 {
				p.globStep(&names)
				p.now = p.now.Add(time.Duration(p.random.Intn(1200)) * time.Millisecond)
			}
			p.look()
			p.crash()
			p.look()
			p.check()
		})
	}
}

// globStep does something with one of the files that have come, or lets another come.
func (p *plainLog) globStep(names *[]string) {
	name := (*names)[p.random.Intn(len(*names))]
	_, err := os.Stat(p.at(name))
	switch n := p.random.Intn(20); {
	case n < 3:
		name = fmt.Sprint(len(*names), ".log")
		*names = append(*names, name)
		fallthrough
	case n < 8:
		p.append(name, p.batch())
	case n < 12 && err == nil:
		p.did("rotate %s", name)
		p.rotates(name)
	case n < 14:
		if _, err := os.Stat(p.at(name + ".2")); err == nil {
			p.did("pack %s.2", name)
			p.gzip(name + ".2")
		}
	case n < 17:
		p.look()
	default:
		p.crash()
	}
	p.pass()
}

// TestGlobWhoseClockWentBack: it is uncertain what has come since.
func TestGlobWhoseClockWentBack(t *testing.T) {
	l := newComing(t)
	position := l.f.Position()
	l.f.Close()
	l.write("x.log", lines(0, 3))
	l.rotates("x.log")
	l.write("x.log", lines(3, 3))
	l.follow(false)
	l.f.Resume(position, time.Now().Add(time.Hour))
	l.reads()
	l.wantAll("other\n" + lines(3, 3))
	l.wantGaps(GapUncertain)
}
