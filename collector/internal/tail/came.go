package tail

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A file may come to a glob and be rotated before it is seen, above all while the exporter is down. Of parts beside a
// path that the glob has not had, those that were made since files were last looked for were at that path.

// fileClock is how far a file's creation may lie before the time at which it was made: the kernel's clock of files
// ticks.
const fileClock = 10 * time.Millisecond

// An age says whether a part may have been at a path that a glob has not had before.
type age int

const (
	wasThere  age = iota // when files were last looked for
	isUnsure             // it has come since, but may have been restored or copied; or it is uncertain when it came
	cameAfter            // that, and before what followed it
)

// hasCome reports whether a path is one that a glob has not had before, beside which nothing has been listed yet.
func (b *base) hasCome() bool { return b.newest == nil && !b.came.IsZero() }

// hasUnseen reports whether parts may have come beside a glob's new file since files were last looked for.
func (f *Follower) hasUnseen(b *base) bool {
	return b.hasCome() && slices.ContainsFunc(f.names.listOnce(b.path, isRelated).files, func(p place) bool {
		return p.scheme != "" && b.ageOf(p, time.Now()) != wasThere
	})
}

// cameSince returns the places that were at the path of a glob's new file since files were last looked for, the oldest
// first. With doubtful, others may have been.
func (f *Follower) cameSince(b *base, around folder) (places []place, doubtful bool) {
	schemes := around.schemes()
	for _, scheme := range slices.Sorted(maps.Keys(schemes)) {
		next := time.Now()
		if b.current != nil {
			next = time.Unix(0, b.current.Born)
		}
		for _, p := range schemes[scheme] {
			age := b.ageOf(p, next)
			switch {
			case age == wasThere || f.isKnownFile(p) || f.isKnownCopy(p) || f.hasOther(p) || isEmpty(p):
			case age == cameAfter && !f.mayBeForgotten(p):
				places = append(places, p)
			default:
				doubtful = true
			}
			if age == cameAfter {
				next = p.firstTime()
			}
		}
	}
	slices.SortStableFunc(places, func(x, y place) int { return x.info.ModTime().Compare(y.info.ModTime()) })
	return places, doubtful
}

// ageOf returns the age of a place that the file which was made at next has followed. What is restored or copied is
// younger than that, or was written before it was made. So was what is compressed, which keeps its time.
func (b *base) ageOf(p place, next time.Time) age {
	born, known := birth(p.path)
	written := p.info.ModTime()
	isCompressed := isCompressed(p.path)
	switch {
	case time.Now().Before(b.came): // the clock went back
		return isUnsure
	case written.Before(b.came.Truncate(time.Second)), known && born.Before(b.came.Add(-fileClock)):
		return wasThere
	case !known, written.Before(b.came), born.Before(b.came), written.Before(born) != isCompressed:
		return isUnsure
	case !isCompressed && !born.Before(next):
		return isUnsure
	}
	return cameAfter
}

// firstTime is the latest time at which what a place holds may have begun.
func (p place) firstTime() time.Time {
	if born, known := birth(p.path); known && born.Before(p.info.ModTime()) {
		return born
	}
	return p.info.ModTime()
}

// mayBeForgotten reports whether a place may hold what was read so long ago that nothing else is known of it.
func (f *Follower) mayBeForgotten(p place) bool {
	if p.firstTime().UnixNano() <= max(f.forgotten.Born, f.elsewhere.Born) {
		return true
	}
	content, err := openContent(p.path)
	if err != nil {
		return false
	}
	defer content.close()
	head, err := content.start(headLen)
	return err == nil && f.isForgotten(head)
}

// addUnseen adds the paths of a glob's files that came and were rotated since files were last looked for, and after
// which no other has come.
func (f *Follower) addUnseen(matches []string) {
	if !f.started || f.path == "" || f.discovered.IsZero() {
		return
	}
	pattern := absolute(f.path)
	dirs, _ := filepath.Glob(filepath.Dir(pattern)) // what is wrong with it was said of the whole
	for _, dir := range dirs {
		state, ok := stateOfFolder(dir)
		if ok && f.searched[dir] == state {
			continue
		}
		delete(f.searched, dir)
		if ok && state.isPast() {
			f.searched[dir] = state
		}
		for _, name := range f.names.in(dir, mayBePart) {
			path := filepath.Join(dir, name)
			log, isPart := PartOf(path)
			is, _ := filepath.Match(pattern, log)
			if isPart && is && !slices.Contains(matches, log) {
				f.addUnseenAt(log, path)
			}
		}
	}
}

// addUnseenAt adds the path of a log, if a part is one that came and was rotated since files were last looked for.
func (f *Follower) addUnseenAt(log, part string) {
	info, err := os.Lstat(part)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	b := &base{path: log, came: f.discovered, isGone: true}
	p := place{path: part, info: info}
	if b.ageOf(p, time.Now()) == wasThere || f.leaveOut != nil && len(f.leaveOut([]string{log})) > 0 {
		return
	}
	if i := slices.IndexFunc(f.bases, func(b *base) bool { return b.path == log }); i >= 0 {
		f.findUnseen(f.bases[i], f.bases[i].current)
		return
	}
	f.bases = append(f.bases, b)
	f.findUnseen(b, nil)
}

// mayBePart reports, at little cost, whether a name may be a part's.
func mayBePart(name string) bool {
	last := uncompressed(name)
	return last != "" && '0' <= last[len(last)-1] && last[len(last)-1] <= '9'
}
