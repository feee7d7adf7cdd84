package tail

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestMissingLogComesAndIsRotated: a log that was missing comes, is written and rotated before it is seen, while
// followed or down. All of it is read, and nothing that was beside it before.
func TestMissingLogComesAndIsRotated(t *testing.T) {
	for name, down := range map[string]bool{"while followed": false, "while down": true} {
		for _, target := range []string{"", "pods/0.log"} {
			t.Run(name+target, func(t *testing.T) {
				l := newLog(t)
				if target != "" { // a symbolic link leads nowhere yet
					l.must(os.Mkdir(l.at("pods"), 0o755))
					l.must(os.Symlink(l.at(target), l.path))
				}
				at := func(suffix string) string {
					if target == "" {
						return "access.log" + suffix
					}
					return target + suffix
				}
				l.write(at(".1"), lineAt(-1))
				l.follow(true)
				l.read()
				l.whileFollowedOr(down, func() {
					l.tick()
					l.rename(at(".1"), at(".3"))
					l.write(at(""), lineAt(1))
					l.rename(at(""), at(".2"))
					l.write(at(""), lineAt(2))
					l.rename(at(""), at(".1"))
					l.write(at(""), lineAt(3))
				})
				l.read()
				l.restart()
				l.write(at(""), lineAt(4))
				l.read()
				l.wantAll(lineAt(1) + lineAt(2) + lineAt(3) + lineAt(4))
				l.wantGaps()
			})
		}
	}
}

// TestMissingLogComesWithOldParts: the disk of a log that was missing is mounted late. Parts that were rotated before
// have not come since.
func TestMissingLogComesWithOldParts(t *testing.T) {
	for name, remove := range map[string]bool{"the folder is empty": false, "the folder is missing": true} {
		for how, down := range map[string]bool{"while followed": false, "while down": true} {
			t.Run(name+" "+how, func(t *testing.T) {
				l := newLog(t)
				dir := filepath.Dir(l.path)
				if remove {
					l.must(os.Remove(dir))
				}
				l.follow(true)
				l.read()
				l.whileFollowedOr(down, func() {
					l.must(os.MkdirAll(dir, 0o755))
					for i, name := range []string{"access.log.2", "access.log.1"} {
						l.write(name, lineAt(i))
						old := l.now.Add(-time.Hour)
						l.must(os.Chtimes(l.at(name), old, old))
					}
					l.write("", lineAt(3))
				})
				l.read()
				l.restart()
				l.read()
				l.want(lineAt(3))
				l.wantGaps()
			})
		}
	}
}
