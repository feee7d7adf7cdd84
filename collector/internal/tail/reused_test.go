package tail

import (
	"os"
	"testing"
	"time"
)

// TestInodeIsReused: of two copies that replace a log of alike lines one after the other, the second may get the inode
// of the file that the first replaced, and within one tick of the kernel's clock even its creation time.
func TestInodeIsReused(t *testing.T) {
	for name, again := range map[string]func(l *log){
		"while followed": func(l *log) {
			l.now = l.now.Add(quiet)
			l.read() // which closes the file that is gone
			l.copyOver("", l.text(""))
			l.f.generations[0].Cursor = withFileOf(l.f.generations[0].Cursor, l.path)
		},
		"while down": func(l *log) {
			position := l.f.Position()
			l.f.Close()
			l.copyOver("", l.text(""))
			position.Finished[0] = withFileOf(position.Finished[0], l.path)
			l.follow(false)
			l.f.Resume(position, time.Time{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			l.write("", alike(5))
			l.follow(true)
			l.read()
			l.copyOver("", l.text(""))
			l.read()
			l.write("", alike(3))
			l.read()
			again(l)
			l.reads()
			l.want(alike(8))
			l.wantGaps(GapUncertain, GapUncertain)
		})
	}
}

// withFileOf returns a cursor with the inode and creation time of the file at a path.
func withFileOf(c Cursor, path string) Cursor {
	info, err := os.Stat(path)
	if err == nil {
		c.Dev, c.Ino = identity(info)
	}
	c.Born = tagOf(path).Born
	return c
}
