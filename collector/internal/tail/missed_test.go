package tail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRotationsOfOtherNames: a part that came and went unseen is not counted under a name that is not known to be the
// log's, but its loss is reported.
func TestRotationsOfOtherNames(t *testing.T) {
	for _, names := range [][]string{
		{"access.log-2026-11-23", "access.log-2026-11-24", "access.log-2026-11-25"},
		{"access-20261123.log", "access-20261124.log", "access-20261125.log"},
		{"old/access.log-20261123", "old/access.log-20261124", "old/access.log-20261125"},
	} {
		t.Run(names[0], func(t *testing.T) {
			l := newLog(t)
			l.must(os.Mkdir(l.at("old"), 0o755))
			l.write(names[0], lines(0, 5))
			l.write("", lines(5, 5))
			l.follow(true)
			l.read()
			l.rename("", names[1])
			l.write("", lines(10, 5))
			l.reads()
			l.want(lines(5, 10))
			l.wantGaps()

			l.rename("", names[2])
			l.write("", lines(15, 5))
			unseen := filepath.Dir(names[2]) + "/" + laterBy2(filepath.Base(names[2]))
			l.rename("", unseen)
			l.write("", lines(20, 5))
			l.reads()
			l.restart()
			l.reads()
			l.want(lines(5, 10) + lines(20, 5))
			l.wantGaps(GapUncertain)
		})
	}
}

// laterBy2 is the name of two days after the 25th.
func laterBy2(name string) string { return strings.Replace(name, "25", "27", 1) }

// TestZerosOfAPowerFailure: the end of the log is zeros, of which no line is a part.
func TestZerosOfAPowerFailure(t *testing.T) {
	for _, down := range []bool{false, true} {
		l := newLog(t)
		l.write("", lines(0, 100))
		l.follow(true)
		l.read()
		l.whileFollowedOr(down, func() {
			text := []byte(l.text(""))
			clear(text[len(text)-3000:])
			l.must(os.WriteFile(l.path, text, 0o644))
		})
		l.reads()
		l.write("", lines(100, 2))
		l.reads()
		l.want(lines(0, 100) + lines(100, 2))
		l.wantGaps(GapTruncated)
	}
}
