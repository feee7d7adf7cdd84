package tail

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// lineAt is a line that no other file has.
func lineAt(i int) string {
	at := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Minute)
	return at.Format(time.RFC3339) + " GET /v1/face/enrollment 200 a line of sixty bytes or more\n"
}

// TestGlobForgetsWhatIsGone: what a glob remembers of files that it no longer has is bounded, while it runs and over
// restarts. One of them that comes back later is a gap, and never counted anew, whatever its times are. New files are
// read from their beginning.
func TestGlobForgetsWhatIsGone(t *testing.T) {
	const more = 113 // and the last one is read
	for name, restarts := range map[string]bool{"running": false, "restarted": true} {
		t.Run(name, func(t *testing.T) {
			l := newGlob(t)
			l.path = strings.Replace(l.path, "access-*.log", "access-*[0-9].log", 1)
			l.write("access-now1.log", lineAt(-1))
			l.follow(true)
			l.read()
			var all strings.Builder
			all.WriteString(lineAt(-1))
			file := func(i int) string { return fmt.Sprintf("access-%03d.log", i) }
			for i := range keepGone + more {
				l.write(file(i), lineAt(i))
				all.WriteString(lineAt(i))
				if i%20 > 0 {
					continue
				}
				l.read()
				for j := max(0, i-19); j <= i; j++ {
					l.rename(file(j), file(j)+".away")
				}
				l.letGo()
				if restarts {
					l.restart()
				}
			}
			l.letGo()
			l.read()
			l.wantAll(all.String())
			l.got.gaps = nil // files that go while nobody looks are gaps
			if n := len(l.f.generations); n > keepGone+1 {
				t.Errorf("%d generations are remembered", n)
			}
			position, err := json.Marshal(l.f.Position())
			l.must(err)
			if len(position) > 700*keepGone {
				t.Errorf("a position of %d bytes", len(position))
			}
			l.restart()
			l.read()
			l.tick()

			l.write("access-new1.log", lineAt(1000))
			all.WriteString(lineAt(1000))
			l.rename(file(0)+".away", file(0)) // the file itself
			text, err := os.ReadFile(l.at(file(1) + ".away"))
			l.must(err)
			l.write(file(1), string(text)) // a copy without its times
			l.read()
			l.wantGaps(GapUncertain, GapUncertain)
			l.rename(file(keepGone+more-2)+".away", file(keepGone+more-2)) // one that is remembered
			for _, name := range []string{file(0), file(1), file(keepGone + more - 2)} {
				l.write(name, lineAt(2000))
				all.WriteString(lineAt(2000))
			}
			l.read()
			l.restart()
			l.read()
			l.wantAll(all.String())
			l.wantGaps(GapUncertain, GapUncertain)
		})
	}
}

// TestForgetsNothingWithoutADisk: the files of a glob that matches nothing may come back with their disk.
func TestForgetsNothingWithoutADisk(t *testing.T) {
	l := newGlob(t)
	var all strings.Builder
	for i := range keepGone + 10 {
		l.write(fmt.Sprintf("access-%03d.log", i), lineAt(i))
		all.WriteString(lineAt(i))
	}
	l.follow(true)
	l.read()
	dir := l.at("")[:strings.LastIndex(l.path, "/")]
	l.whileDown(func() { l.must(os.Rename(dir, dir+".away")); l.must(os.Mkdir(dir, 0o755)) })
	l.read()
	l.letGo()
	l.got.gaps = nil
	l.whileDown(func() { l.must(os.Remove(dir)); l.must(os.Rename(dir+".away", dir)) })
	l.read()
	l.wantAll(all.String())
	l.wantGaps()
}

// TestEmptiedFileIsRead: a file that is emptied in place is as old as before, and what comes then is new.
func TestEmptiedFileIsRead(t *testing.T) {
	l := newGlob(t)
	l.write("access-1.log", lineAt(1))
	l.follow(true)
	l.read()
	position := l.f.Position()
	position.Forgotten = position.Forget(l.now.Add(time.Hour))
	l.f.Close()
	l.follow(true)
	l.f.Resume(position, time.Time{})
	l.read()
	l.must(os.Truncate(l.at("access-1.log"), 0))
	l.read()
	l.write("access-1.log", lineAt(2))
	l.read()
	l.want(lineAt(1) + lineAt(2))
	l.wantGaps(GapTruncated)
}
