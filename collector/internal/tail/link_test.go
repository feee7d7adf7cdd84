package tail

import (
	"os"
	"testing"
)

// TestLinkLeadsElsewhere: a container is made anew, and the symbolic link at the log's path leads to the log of the new
// one. What the old one wrote is read to its end, wherever it is: rotated, and compressed, while followed or down.
func TestLinkLeadsElsewhere(t *testing.T) {
	for name, down := range map[string]bool{"while followed": false, "while down": true} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			target := func(name string) {
				l.must(os.Symlink(name, l.at("new")))
				l.rename("new", "")
			}
			target("0.log")
			l.write("0.log", lineAt(1))
			l.follow(true)
			l.read()
			l.rename("0.log", "0.log.20261126-100000")
			l.write("0.log", lineAt(3))
			l.write("0.log.20261126-100000", lineAt(2))
			l.read()
			target("1.log")
			l.write("1.log", lineAt(5))
			l.read()
			l.whileFollowedOr(down, func() {
				l.write("0.log.20261126-100000", lineAt(4))
				l.gzip("0.log.20261126-100000")
			})
			l.write("1.log", lineAt(6))
			l.read()
			l.letGo()
			l.restart()
			l.read()
			l.wantAll(lineAt(1) + lineAt(2) + lineAt(3) + lineAt(4) + lineAt(5) + lineAt(6))
			l.wantGaps()
		})
	}
}

// TestFileComesUnseenBeforeALink: a file came to where the log's link led, and the link leads elsewhere before it is
// seen. It is a gap; files that were read there are not.
func TestFileComesUnseenBeforeALink(t *testing.T) {
	for name, unseen := range map[string]string{"nothing": "", "the file": "0.log", "a part of it": "0.log.1"} {
		for how, down := range map[string]bool{"while followed": false, "while down": true} {
			t.Run(name+" "+how, func(t *testing.T) {
				l := newLog(t)
				l.must(os.Symlink(l.at("0.log"), l.path))
				l.write("0.log", lineAt(1))
				l.follow(true)
				l.read()
				l.whileFollowedOr(down, func() {
					l.rename("0.log", "0.log.2")
					l.write("0.log", "")
					if unseen != "" {
						l.write(unseen, lineAt(2))
					}
					l.must(os.Symlink(l.at("1.log"), l.at("new")))
					l.rename("new", "")
					l.write("1.log", lineAt(3))
				})
				l.read()
				l.restart()
				l.read()
				l.wantAll(lineAt(1) + lineAt(3))
				if unseen == "" {
					l.wantGaps()
				} else {
					l.wantGaps(GapUncertain)
				}
			})
		}
	}
}
