package follow

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A moves draws what happens to a folder's logs between looks, and between starts: lines, rotations, other names,
// links, globs that take files in and leave them out, and the order in which logs begin.
type moves struct {
	*shelf
	random    *rand.Rand
	files     []*movedFile
	rotations map[string]int
	renamed   int    // names given so far
	target    string // of the symbolic link
	isLinked  bool   // files have had several names
	isCopied  bool   // some have been made: the logs stay the same, as nobody remembers all that was counted
	history   strings.Builder
}

// A movedFile is one of the files. All its lines have a status of their own.
type movedFile struct {
	status  int
	names   []string // none: it was deleted
	base    string   // the name that it had first
	isMoved bool     // it has, or had, a name that no rotation gives
	unread  int      // lines that no log has counted
	isKnown bool     // lines of it were counted, or it was there when the logs of that time began
	covered bool     // a log had it at the last look
	emptied bool     // once; if it has another name then, it may be left for a minute to the log that had it
}

var (
	movedFiles = []string{"a.log", "ab.log", "b.log"}
	movedNames = []string{"a", "b", "all", "web"}
	movedLinks = map[string]string{"link": "a.log", "ac.log": "b.log", "dir": "."}
	movedPaths = map[string][]string{
		"a.log": {"a.log"}, "ab.log": {"ab.log"}, "b.log": {"b.log"},
		"link": {"a.log"}, "ac.log": {"b.log"}, "dir/a.log": {"a.log"}, "hard": {"hard"},
		"*.log": movedFiles, "a*.log": movedFiles, "ab*.log": {"ab.log"}, "dir/*b.log": {"ab.log", "b.log"},
		"l*": {"a.log"},
	}
)

func newMoves(t *testing.T, seed int64) *moves {
	m := &moves{shelf: newShelf(t), random: rand.New(rand.NewSource(seed)), rotations: map[string]int{}}
	for _, name := range movedFiles {
		m.create(name)
		m.append(m.at0(name), 100)
	}
	for _, link := range slices.Sorted(maps.Keys(movedLinks)) {
		m.must(os.Symlink(movedLinks[link], m.at(link)))
	}
	return m
}

func (m *moves) say(format string, args ...any) { fmt.Fprintf(&m.history, format+"\n", args...) }

// chance reports true once in n times.
func (m *moves) chance(n int) bool { return m.random.Intn(n) == 0 }

func (m *moves) create(name string) {
	m.files = append(m.files, &movedFile{status: 200 + len(m.files), names: []string{name}, base: name})
	m.writeAs(name, 0, 0)
}

// at0 returns the file that has a name.
func (m *moves) at0(name string) *movedFile {
	i := slices.IndexFunc(m.files, func(f *movedFile) bool { return slices.Contains(f.names, name) })
	if i < 0 {
		return nil
	}
	return m.files[i]
}

// logs draws logs, name → path, of which no two paths name the same file. Globs may match what others have.
func (m *moves) logs() map[string]string {
	logs, taken := map[string]string{}, map[string]bool{}
	paths, names := slices.Sorted(maps.Keys(movedPaths)), slices.Clone(movedNames)
	m.random.Shuffle(len(paths), func(i, k int) { paths[i], paths[k] = paths[k], paths[i] })
	m.random.Shuffle(len(names), func(i, k int) { names[i], names[k] = names[k], names[i] })
	for _, path := range paths[:min(len(names), 1+m.random.Intn(len(paths)))] {
		if file := movedPaths[path][0]; !isGlob(path) {
			if taken[file] || taken["hard"] || file == "hard" && len(taken) > 0 {
				continue // it may be a link to any
			}
			taken[file] = true
		}
		logs[names[len(logs)]] = path
	}
	return logs
}

// owners returns which log counts each of the files that have their first names: a path before a glob, then the first
// in the config.
func (m *moves) owners(logs map[string]string) map[string]string {
	owners := map[string]string{}
	names := slices.Sorted(maps.Keys(logs))
	if m.backwards {
		slices.Reverse(names)
	}
	for _, globs := range []bool{false, true} {
		for _, name := range names {
			for _, file := range movedPaths[logs[name]] {
				if isGlob(logs[name]) == globs && owners[file] == "" {
					owners[file] = name
				}
			}
		}
	}
	return owners
}

// disturb writes lines, and now and then rotates, deletes the oldest part, renames and links.
func (m *moves) disturb() {
	for _, name := range movedFiles {
		if m.chance(6) {
			m.rotate(name)
		}
		if n := m.rotations[name]; n > 0 && m.chance(6) {
			m.deletePart(name, n)
		}
		if m.chance(8) {
			m.move(name)
			m.create(name)
		}
		if m.chance(10) && m.at0(name).covered { // two new files that hold the same may be two logs
			m.copy(name)
		}
		if !m.isLinked && m.chance(12) {
			m.link(name)
		}
	}
	for _, f := range m.files {
		switch {
		case len(f.names) == 0:
		case isFree(f.names[0]) && m.chance(6):
			m.move(f.names[0])
		case isFree(f.names[0]) && m.chance(12):
			m.delete(f)
		}
		isWritten := len(f.names) > 0 && slices.Contains(movedFiles, f.names[0]) || f.isMoved && m.chance(3)
		if n := m.random.Intn(4); n > 0 && isWritten && len(f.names) > 0 {
			m.append(f, n)
		}
	}
}

func (m *moves) append(f *movedFile, lines int) {
	m.say("write %d %s (%d)", lines, f.names[0], f.status)
	m.writeAs(f.names[0], f.status, lines)
	f.unread += lines
}

func (m *moves) rename(from, to string) {
	m.must(os.Rename(m.at(from), m.at(to)))
	if f := m.at0(from); f != nil {
		f.names[slices.Index(f.names, from)] = to
	}
}

func (m *moves) rotate(name string) {
	m.say("rotate %s", name)
	part := func(n int) string { return fmt.Sprintf("%s.%d", name, n) }
	for n := m.rotations[name]; n > 0; n-- {
		m.rename(part(n), part(n+1))
	}
	m.rename(name, part(1))
	m.rotations[name]++
	m.create(name)
}

func (m *moves) deletePart(name string, n int) {
	part := fmt.Sprintf("%s.%d", name, n)
	m.say("delete %s", part)
	m.must(os.Remove(m.at(part)))
	m.rotations[name]--
	m.forget(part)
}

func (m *moves) forget(name string) {
	if f := m.at0(name); f != nil {
		f.names = slices.DeleteFunc(f.names, func(other string) bool { return other == name })
		f.covered = false // what it holds may be lost
	}
}

// isFree reports whether rotation gives no file this name.
func isFree(name string) bool {
	return !slices.Contains(movedFiles, name) && !strings.Contains(name, ".log.")
}

func (m *moves) delete(f *movedFile) {
	for _, name := range slices.Clone(f.names) {
		if isFree(name) {
			m.say("delete %s", name)
			m.must(os.Remove(m.at(name)))
			m.forget(name)
		}
	}
}

// freeName returns a name that no file has had, and that rotation does not give.
func (m *moves) freeName(name string) string {
	return fmt.Sprintf([]string{"%s-%d.log", "%s%db.log", "%s.%d.log"}[m.random.Intn(3)],
		strings.TrimSuffix(m.at0(name).base, ".log"), m.renamed)
}

// move gives a file a name that rotation does not.
func (m *moves) move(name string) {
	m.renamed++
	to := m.freeName(name)
	m.say("rename %s to %s", name, to)
	m.rename(name, to)
	m.at0(to).isMoved = true
}

// copy copies a file to a name that rotation does not give, and may empty it then, as copytruncate does.
func (m *moves) copy(name string) {
	m.renamed++
	m.tick()
	text, err := os.ReadFile(m.at(name))
	m.must(err)
	to, isEmptied := m.freeName(name), m.chance(2)
	m.say("copy %s to %s, and empty it %t", name, to, isEmptied)
	m.must(appendTo(m.at(to), text))
	if isEmptied {
		m.must(os.Truncate(m.at(name), 0))
		m.at0(name).emptied = true
	}
	m.isCopied = true
}

func appendTo(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

// link gives a file another name: symbolic, or an equal one.
func (m *moves) link(name string) {
	m.isLinked = true
	if m.chance(2) {
		m.say("symbolic link to %s", name)
		m.must(os.Symlink(name, m.at("hard")))
		m.target = name
		return
	}
	m.say("link to %s", name)
	m.must(os.Link(m.at(name), m.at("hard")))
	f := m.at0(name)
	f.names, f.isMoved = append(f.names, "hard"), true
}

// isCovered reports whether logs have a file, by its present names or by that of which it is a rotated part.
func (m *moves) isCovered(f *movedFile, logs map[string]string) bool {
	has := func(path, name string) bool {
		is, _ := filepath.Match(strings.TrimPrefix(path, "dir/"), name)
		return is || slices.Contains(movedPaths[path], name)
	}
	for _, path := range logs {
		for _, name := range f.names {
			whole, _, isPart := strings.Cut(name, ".log.")
			isTarget := path == "hard" && name == m.target
			if has(path, name) || isTarget || isPart && !f.isMoved && f.covered && has(path, whole+".log") {
				return true
			}
		}
	}
	return false
}

// check compares what each log has counted of each file since the last look: exactly what was written, if the file was
// followed then, or there is a gap; what was written while nobody followed it at most once. Of a partial look, some
// logs have not committed what they have counted. An empty file that comes later than the first look is not in a
// record.
func (m *moves) check(logs map[string]string, shown map[string]counted, isFirst, isPartial bool) {
	owners, gaps := m.owners(logs), uint64(0)
	for _, name := range slices.Sorted(maps.Keys(shown)) {
		gaps += shown[name].gaps
	}
	for _, f := range m.files {
		n := 0
		for name, got := range shown {
			of := got.of[f.status]
			n += of
			if of > 0 && !f.isMoved && owners[f.base] != name && !m.isLinked {
				m.t.Errorf("%s (%s) has counted %d lines of %s (%d), which is %s's", name, logs[name], of, f.base,
					f.status, owners[f.base])
			}
		}
		isNow := m.isCovered(f, logs)
		if isPartial && n <= f.unread {
			f.unread, f.covered = f.unread-n, f.covered && isNow
			continue
		}
		if n > f.unread || n < f.unread && f.covered && isNow && gaps == 0 {
			m.t.Errorf("%d lines of %v (%d) are counted, want %d; %d gaps", n, f.names, f.status, f.unread, gaps)
		}
		if f.unread -= n; isNow {
			f.unread = 0 // what was not counted now never is
		}
		f.isKnown = f.isKnown || isFirst || n > 0
		f.covered = isNow && f.isKnown && !(f.emptied && f.isMoved)
	}
	if m.t.Failed() {
		m.t.Logf("\n%s%s", &m.history, &m.said)
	}
}

// start follows logs to their ends.
func (m *moves) start(logs map[string]string) {
	m.backwards, m.together = m.chance(2), m.chance(2)
	m.say("start %v, backwards %t, together %t", logs, m.backwards, m.together)
	m.check(logs, m.follow(logs), true, false)
}

// watch follows logs while things happen, and reads them in any order.
func (m *moves) watch(logs map[string]string) {
	m.backwards = m.chance(2)
	m.say("watch %v, backwards %t", logs, m.backwards)
	var named [][2]string
	for _, name := range slices.Sorted(maps.Keys(logs)) {
		named = append(named, [2]string{name, logs[name]})
	}
	if m.backwards {
		slices.Reverse(named)
	}
	r := m.run(named...)
	before := map[string]*Snapshot{}
	for _, p := range r.logs {
		before[p.source.Name] = shownOf(p)
	}
	looks := m.random.Intn(4)
	for left := looks; left >= 0 && !m.t.Failed(); left-- {
		m.random.Shuffle(len(r.logs), func(i, k int) { r.logs[i], r.logs[k] = r.logs[k], r.logs[i] })
		isPartial := left == 0 && m.chance(2)
		shown := map[string]counted{}
		for _, p := range r.logs {
			p.read()
			m.must(p.readErr)
			if isPartial && m.chance(2) {
				continue
			}
			m.commit(p)
			name, now := p.source.Name, shownOf(p)
			shown[name] = since(before[name], now)
			before[name] = now
		}
		m.say("read, partial %t", isPartial)
		m.check(logs, shown, left == looks, isPartial)
		if left > 0 {
			m.disturb()
		}
	}
	r.kill()
}

// moveSeeds is how many histories are drawn; after a change of the claims, some thousands.
var moveSeeds = flag.Int64("seeds", 12, "how many histories TestAnyMoves draws")

// TestAnyMoves: whatever names, globs and orders are drawn, no line is counted twice, and none is lost without a gap.
func TestAnyMoves(t *testing.T) {
	for seed := range *moveSeeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := newMoves(t, seed)
			logs := m.logs()
			for range 8 {
				if m.chance(2) {
					m.start(logs)
				} else {
					m.watch(logs)
				}
				if t.Failed() {
					return
				}
				m.disturb()
				if m.random.Intn(3) > 0 && !m.isCopied {
					logs = m.logs()
				}
			}
		})
	}
}
