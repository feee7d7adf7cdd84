package tail

import (
	"os"
	"testing"
	"time"
)

// sighted reads until there is something to be seen, which takes as long as late lines are waited for.
func (l *log) sighted() *Sight {
	l.t.Helper()
	for range 8 {
		l.now = l.now.Add(10 * time.Second)
		l.read()
		if s := l.f.Sight(); s != nil {
			if !s.Holds() {
				l.t.Error("what was just seen does not hold")
			}
			return s
		}
	}
	l.t.Fatal("nothing can be seen of a log to which nothing comes")
	return nil
}

// TestSight: whatever happens to a log is seen, without its Follower.
func TestSight(t *testing.T) {
	for name, happens := range map[string]func(l *log){
		"a line":                       func(l *log) { l.write("", "line 2\n") },
		"half a line":                  func(l *log) { l.write("", "line") },
		"another time":                 func(l *log) { l.must(os.Chtimes(l.path, l.now, l.now)) },
		"a rename":                     func(l *log) { l.rename("", "access.log.1") },
		"a removal":                    func(l *log) { l.must(os.Remove(l.path)) },
		"truncation":                   func(l *log) { l.must(os.Truncate(l.path, 0)) },
		"another file of equal length": func(l *log) { l.rename("", "a"); l.write("", "line X\n") },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			l.follow(true)
			l.write("", "line 1\n")
			l.read()
			if l.f.Sight() != nil {
				t.Error("a line that is so young may be followed by another in the same tick of the file's time")
			}
			s := l.sighted()
			happens(l)
			if s.Holds() {
				t.Error("it is not seen")
			}
		})
	}
}

// TestSightOfLateLines: a rotated part that is open is a part of what is seen, wherever it has been moved.
func TestSightOfLateLines(t *testing.T) {
	l := newLog(t)
	l.follow(true)
	l.write("", "line 1\n")
	l.read()
	l.rename("", "access.log.1")
	l.write("", "line 2\n")
	l.read()
	if l.f.Sight() != nil {
		t.Error("a worker may still write the part that was just rotated")
	}
	l.rename("access.log.1", "access.log.2")
	s := l.sighted()
	l.write("access.log.2", "late\n")
	if s.Holds() {
		t.Error("a late line is not seen")
	}
	l.read()
	l.wantAll("line 1\nline 2\nlate\n")
	l.wantGaps()
}

// TestSightOfNothing: a log that is missing is seen to come.
func TestSightOfNothing(t *testing.T) {
	l := newLog(t)
	l.follow(false)
	l.read()
	s := l.sighted()
	l.write("", "line 1\n")
	if s.Holds() {
		t.Error("it is not seen")
	}
	l.read()
	l.want("line 1\n")
}
