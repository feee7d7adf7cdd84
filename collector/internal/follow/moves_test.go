package follow

import (
	"flag"
	"fmt"
	"maps"
	"math/rand"
	"os"
	"slices"
	"strings"
	"testing"
)

// A moves draws what happens to a folder's logs between starts: lines, rotations, other names, symbolic links, globs
// that take files in and leave them out, and the order in which logs begin.
type moves struct {
	*shelf
	random    *rand.Rand
	unread    map[string]int  // lines of a file since it was followed last; none of one that never was
	covered   map[string]bool // files that were followed once, true of those at the last start
	rotations map[string]int
	history   strings.Builder
}

var (
	movedFiles = []string{"a.log", "ab.log", "b.log"}
	movedNames = []string{"a", "b", "all", "web"}
	movedLinks = map[string]string{"link": "a.log", "ac.log": "b.log", "dir": "."}
	movedPaths = map[string][]string{
		"a.log": {"a.log"}, "ab.log": {"ab.log"}, "b.log": {"b.log"},
		"link": {"a.log"}, "ac.log": {"b.log"}, "dir/a.log": {"a.log"},
		"*.log": movedFiles, "a*.log": movedFiles, "ab*.log": {"ab.log"}, "dir/*b.log": {"ab.log", "b.log"},
		"l*": {"a.log"},
	}
)

// logs draws logs, name → path, of which no two name the same file. Globs may match what others have.
func (m *moves) logs() map[string]string {
	logs, taken := map[string]string{}, map[string]bool{}
	paths, names := slices.Sorted(maps.Keys(movedPaths)), slices.Clone(movedNames)
	m.random.Shuffle(len(paths), func(i, k int) { paths[i], paths[k] = paths[k], paths[i] })
	m.random.Shuffle(len(names), func(i, k int) { names[i], names[k] = names[k], names[i] })
	for _, path := range paths[:min(len(names), 1+m.random.Intn(len(paths)))] {
		if file := movedPaths[path][0]; !isGlob(path) {
			if taken[file] {
				continue
			}
			taken[file] = true
		}
		logs[names[len(logs)]] = path
	}
	return logs
}

// files returns the files that each log counts: a path before a glob, then the first in the config.
func (m *moves) files(logs map[string]string) map[string][]string {
	files, taken := map[string][]string{}, map[string]bool{}
	names := slices.Sorted(maps.Keys(logs))
	if m.backwards {
		slices.Reverse(names)
	}
	for _, globs := range []bool{false, true} {
		for _, name := range names {
			for _, file := range movedPaths[logs[name]] {
				if isGlob(logs[name]) == globs && !taken[file] {
					files[name], taken[file] = append(files[name], file), true
				}
			}
		}
	}
	return files
}

// disturb writes lines, and now and then rotates, and deletes the oldest part.
func (m *moves) disturb() {
	for _, file := range movedFiles {
		if m.random.Intn(6) == 0 {
			m.rotate(file)
		}
		if n := m.rotations[file]; n > 0 && m.random.Intn(6) == 0 {
			m.deletePart(file, n)
		}
		if n := m.random.Intn(4); n > 0 {
			fmt.Fprintf(&m.history, "write %d %s\n", n, file)
			m.write(file, n)
			if _, ever := m.covered[file]; ever {
				m.unread[file] += n
			}
		}
	}
}

func (m *moves) rotate(file string) {
	fmt.Fprintf(&m.history, "rotate %s\n", file)
	part := func(n int) string { return m.at(fmt.Sprintf("%s.%d", file, n)) }
	for n := m.rotations[file]; n > 0; n-- {
		m.must(os.Rename(part(n), part(n+1)))
	}
	m.must(os.Rename(m.at(file), part(1)))
	m.rotations[file]++
	m.write(file, 0)
}

func (m *moves) deletePart(file string, n int) {
	fmt.Fprintf(&m.history, "delete %s.%d\n", file, n)
	m.must(os.Remove(m.at(fmt.Sprintf("%s.%d", file, n))))
	m.rotations[file]--
}

// start follows logs, and compares what each counts: exactly what was written since the last start, if the file was
// followed then, or there is a gap; what was written while nobody followed it at most once.
func (m *moves) start(logs map[string]string) {
	m.backwards, m.together = m.random.Intn(2) == 0, m.random.Intn(2) == 0
	fmt.Fprintf(&m.history, "start %v, backwards %t, together %t\n", logs, m.backwards, m.together)
	files := m.files(logs)
	for name, got := range m.follow(logs) {
		least, most := 0, 0
		for _, file := range files[name] {
			most += m.unread[file]
			if m.covered[file] {
				least += m.unread[file]
			}
		}
		if n := int(got.after - got.before); n > most || n < least && got.gaps == 0 {
			m.t.Errorf("%s (%s) has counted %d lines, at least %d, at most %d; %d gaps\n%s%s", name, logs[name], n,
				least, most, got.gaps, &m.history, &m.said)
		}
	}
	for file := range m.covered {
		m.covered[file] = false
	}
	for name := range logs {
		for _, file := range files[name] {
			m.unread[file], m.covered[file] = 0, true
		}
	}
}

// moveSeeds is how many histories are drawn; after a change of the claims, some thousands.
var moveSeeds = flag.Int64("seeds", 12, "how many histories TestAnyMoves draws")

// TestAnyMoves: whatever names, globs and orders are drawn, no line is counted twice, and none is lost without a gap.
func TestAnyMoves(t *testing.T) {
	for seed := range *moveSeeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &moves{shelf: newShelf(t), random: rand.New(rand.NewSource(seed)), unread: map[string]int{},
				covered: map[string]bool{}, rotations: map[string]int{}}
			for _, file := range movedFiles {
				m.write(file, 100)
			}
			for _, link := range slices.Sorted(maps.Keys(movedLinks)) {
				m.must(os.Symlink(movedLinks[link], m.at(link)))
			}
			logs := m.logs()
			for range 8 {
				m.start(logs)
				if t.Failed() {
					return
				}
				m.disturb()
				if m.random.Intn(3) > 0 {
					logs = m.logs()
				}
			}
		})
	}
}
