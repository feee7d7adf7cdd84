package tail

import (
	"fmt"
	"strings"
	"testing"
)

// TestLikeLinesAreCounted: in a busy second a log is rotated, and what comes after is what came before, line for line.
func TestLikeLinesAreCounted(t *testing.T) {
	second := ""
	for i := range 400 {
		second += fmt.Sprintf("10.0.0.%d - [25/Nov/2026:19:00:00 +0000] \"GET /v1/%d HTTP/1.1\" 200 612\n", i%7, i%20)
	}
	part := strings.Join(strings.SplitAfter(second, "\n")[:150], "")
	for name, begin := range map[string]func(l *log){
		"all at once":    func(l *log) { l.write("", part) },
		"empty at first": func(l *log) { l.write("", ""); l.read(); l.write("", part) },
		"after a restart": func(l *log) {
			l.whileDown(func() { l.write("", part) })
		},
		"compressed meanwhile": func(l *log) { l.gzip("access.log.1"); l.write("", part) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			l.write("", "10.0.0.1 - [25/Nov/2026:18:59:59 +0000] \"GET / HTTP/1.1\" 200 1\n")
			l.write("", second)
			l.follow(true)
			l.read()
			l.rename("", "access.log.1")
			begin(l)
			l.reads()
			if got, want := strings.Count(l.got.lines.String(), "\n"), 1+400+150; got != want {
				t.Errorf("%d lines of %d", got, want)
			}
			l.wantGaps()
		})
	}
}

// TestEmptyFileProvesNothing: the folder was copied, so that only content shows how far the rotated parts have
// moved since; an empty one proves nothing while there are others.
func TestEmptyFileProvesNothing(t *testing.T) {
	l := followed(t, 40)
	l.rename("", "access.log.1")
	l.write("", "")
	l.reads()
	l.rename("access.log.1", "access.log.2")
	l.rename("", "access.log.1") // empty
	l.write("", "")
	l.reads()
	l.whileDown(func() {
		l.copyFolder()
		l.rename("access.log.2", "access.log.4")
		l.rename("access.log.1", "access.log.3")
		l.write("", lines(40, 20))
		l.rename("", "access.log.2")
		l.write("access.log.1", "") // it came and went, and a worker writes it late
		l.write("", "")
	})
	l.reads()
	l.write("access.log.1", lines(60, 20))
	l.reads()
	l.wantAll(lines(0, 80))
	l.wantGaps()
}

// TestEmptyFilesAreRotatedAway: the log is followed, and between two looks it is rotated more often than its parts are
// kept. All that are beside it then are empty, as those before were.
func TestEmptyFilesAreRotatedAway(t *testing.T) {
	l := newLog(t)
	l.write("access.log.1", "")
	l.write("", lines(0, 2))
	l.follow(true)
	l.read()
	for _, text := range []string{lines(2, 5), "", ""} {
		l.rename("", "access.log.1") // over the one before
		l.tick()
		l.write("", text)
	}
	l.reads()
	l.wantAll(lines(0, 2))
	l.wantGaps(GapUncertain)
}
