package tail

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func newGlob(t *testing.T) *log {
	l := newLog(t)
	l.path = filepath.Join(filepath.Dir(l.path), "access-*.log")
	return l
}

// letGo makes time pass until quiet files are let go.
func (l *log) letGo() {
	l.t.Helper()
	l.now = l.now.Add(quiet + time.Second)
	l.read()
}

func TestGlobBeginsAtTheEndOfAll(t *testing.T) {
	l := newGlob(t)
	l.write("access-1.log", "old\n")
	l.write("access-2.log", "older than the exporter\n")
	l.follow(false)
	l.read()
	l.write("access-2.log", "new\n")
	l.write("access-1.log", "late\n")
	l.read()
	got := strings.SplitAfter(l.got.lines.String(), "\n")
	slices.Sort(got)
	if !slices.Equal(got, []string{"", "late\n", "new\n"}) {
		t.Errorf("%q", got)
	}
}

func TestGlobReadsWhatComesLate(t *testing.T) {
	l := newGlob(t)
	l.write("access-1.log", "1\n")
	l.follow(true)
	l.read()
	l.write("access-2.log", "2\n")
	l.read()
	l.letGo()
	l.write("access-1.log", "very late\n")
	l.read()
	l.letGo()
	l.restart()
	l.write("access-1.log", "later still\n")
	l.read()
	l.letGo()
	l.read()
	l.want("1\n2\nvery late\nlater still\n")
	l.wantGaps()
}

// TestGlobInodeUsedAgain: a file that was deleted leaves its inode to the next one; that is not known.
func TestGlobInodeUsedAgain(t *testing.T) {
	l := newGlob(t)
	l.write("access-1.log", "of yesterday\n")
	l.follow(true)
	l.read()
	l.write("access-2.log", "2\n")
	l.read()
	position := l.f.Position()
	l.f.Close()
	l.must(os.Remove(l.at("access-1.log")))
	l.write("access-3.log", "of today\n")
	info, err := os.Stat(l.at("access-3.log"))
	l.must(err)
	position.Cursors[0].Dev, position.Cursors[0].Ino = identity(info) // as the file system may have it
	l.follow(true)
	l.f.Resume(position, time.Time{})
	l.read()
	l.want("of yesterday\n2\nof today\n")
}
