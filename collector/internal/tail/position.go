package tail

import (
	"cmp"
	"iter"
	"path/filepath"
	"slices"
	"time"
)

// A Position says how far a log has been read.
type Position struct {
	Cursors  []Cursor    `json:"cursors"`
	Done     []Cursor    `json:"done,omitempty"`     // of the first version: finished files of a glob
	Finished []Cursor    `json:"finished,omitempty"` // generations to which no more is written
	Bases    []SavedBase `json:"bases,omitempty"`    // absent in the first version
	Unbegun  []string    `json:"unbegun,omitempty"`  // paths of files that begin at their ends, once they can be read
	Others   []fileTag   `json:"others,omitempty"`   // files at the log's paths that others have read to their ends
	Leave    []fileTag   `json:"-"`                  // files that others have; their own positions say so

	Forgotten Forgotten `json:"forgotten,omitzero"` // of files that the log had
	Elsewhere Forgotten `json:"-"`                  // of files that others had
}

// A SavedBase says what was beside a file of the log when its folder was last listed.
type SavedBase struct {
	Path      string    `json:"path"`
	Newest    newest    `json:"newest"`
	Since     time.Time `json:"since"`               // the modification time of the current file then
	Searching bool      `json:"searching,omitempty"` // for what came after Anchor
	Anchor    *Cursor   `json:"anchor,omitempty"`
	Folder    fileTag   `json:"folder,omitzero"` // absent in earlier versions
	Real      string    `json:"real,omitempty"`  // where the current file stood, if Path is a symbolic link
	Refilled  *refilled `json:"refilled,omitempty"`
	Came      time.Time `json:"came,omitzero"` // of a glob's: files had been looked for last by then; Newest is null
}

// Position returns how far the log has been read.
func (f *Follower) Position() Position {
	p := Position{Forgotten: f.forgotten}
	for _, g := range f.generations {
		c := g.cursor()
		isOld := !g.isCurrent() || f.isGlob && g.removed
		if isOld && (g.finished || g.removed) { // a removed file cannot be found again
			if g.Offset == 0 && (g.removed || g.Born == 0) { // any file would match it
				continue
			}
			c.Marks, c.Lines, c.Removed = nil, nil, c.Removed || g.removed
			p.Finished = append(p.Finished, c)
			continue
		}
		if g.isGone() {
			c.Marks, c.Lines = nil, nil
		}
		c.Ended = g.file == nil && (g.finished || g.Ended)
		p.Cursors = append(p.Cursors, c)
	}
	for _, b := range f.bases {
		if b.fromEnd && b.current == nil {
			p.Unbegun = append(p.Unbegun, b.path)
		}
		if b.newest == nil && b.search == nil && !b.hasCome() {
			continue
		}
		saved := SavedBase{Path: b.path, Newest: b.newest, Since: b.since, Searching: b.isSearching(),
			Folder: b.folder}
		if b.hasCome() {
			saved.Came = b.came
		}
		if b.real != b.path {
			saved.Real = b.real
		}
		saved.Refilled = b.suspicion.save()
		if saved.Searching && b.search.anchor != nil {
			c := b.search.anchor.cursor()
			saved.Anchor = &c
		}
		p.Bases = append(p.Bases, saved)
	}
	p.Others = f.saveOthers()
	return p
}

// Of returns the part of a position that concerns these paths.
func (p Position) Of(wanted func(path string) bool) (part Position) {
	other := func(c Cursor) bool { return !wanted(c.base()) }
	part.Cursors = slices.DeleteFunc(slices.Clone(p.Cursors), other)
	part.Done = slices.DeleteFunc(slices.Clone(p.Done), other)
	part.Finished = slices.DeleteFunc(slices.Clone(p.Finished), other)
	part.Bases = slices.DeleteFunc(slices.Clone(p.Bases), func(b SavedBase) bool { return !wanted(b.Path) })
	part.Unbegun = slices.DeleteFunc(slices.Clone(p.Unbegun), func(path string) bool { return !wanted(path) })
	return part
}

// Counted returns the position of a log that has copies of these files: only what was counted of them is kept.
func (p Position) Counted() (counted Position) {
	for _, c := range slices.Concat(p.Finished, p.Done, p.Cursors) {
		c.Dev, c.Ino, c.Born, c.Base, c.Path, c.Listed = 0, 0, 0, "", "", ""
		counted.Finished = append(counted.Finished, c)
	}
	return counted
}

// Split returns the parts of the position, by the log's path that the files of each had.
func (p Position) Split() map[string]*Position {
	parts := map[string]*Position{}
	at := func(path string) *Position {
		if parts[path] == nil {
			parts[path] = &Position{}
		}
		return parts[path]
	}
	for _, c := range p.Cursors {
		part := at(c.base())
		part.Cursors = append(part.Cursors, c)
	}
	for _, c := range p.Done {
		part := at(c.base())
		part.Done = append(part.Done, c)
	}
	for _, c := range p.Finished {
		part := at(c.base())
		part.Finished = append(part.Finished, c)
	}
	for _, b := range p.Bases {
		part := at(b.Path)
		part.Bases = append(part.Bases, b)
	}
	for _, path := range p.Unbegun {
		part := at(path)
		part.Unbegun = append(part.Unbegun, path)
	}
	return parts
}

// Real returns the name, without symbolic links, of the file that was last at one of the log's paths.
func (p Position) Real(path string) string {
	for _, b := range p.Bases {
		if b.Path == path && b.Real != "" {
			return b.Real
		}
	}
	name := path
	for _, c := range p.Cursors {
		if _, _, isRotated := placeOf(filepath.Base(path), filepath.Base(c.Path)); c.base() == path && !isRotated {
			name = cmp.Or(c.Path, path)
		}
	}
	return name
}

// As returns the position of a log that has other paths for the same files.
func (p Position) As(name func(path string) string) (as Position) {
	rename := func(cursors []Cursor) []Cursor {
		cursors = slices.Clone(cursors)
		for i, c := range cursors {
			cursors[i].Base = name(c.base())
		}
		return cursors
	}
	as = Position{Cursors: rename(p.Cursors), Done: rename(p.Done), Finished: rename(p.Finished),
		Bases: slices.Clone(p.Bases)}
	for i, b := range as.Bases {
		as.Bases[i].Path = name(b.Path)
	}
	for _, path := range p.Unbegun {
		as.Unbegun = append(as.Unbegun, name(path))
	}
	return as
}

// With returns the position of a log that has the files of another, too.
func (p Position) With(other Position) Position {
	return Position{
		Cursors: slices.Concat(p.Cursors, other.Cursors), Done: slices.Concat(p.Done, other.Done),
		Finished: slices.Concat(p.Finished, other.Finished), Bases: slices.Concat(p.Bases, other.Bases),
		Unbegun: slices.Concat(p.Unbegun, other.Unbegun),
	}
}

// IsEmpty reports whether nothing is known of any file.
func (p Position) IsEmpty() bool {
	isNone := func(f Forgotten) bool { return f.Born == 0 && len(f.Heads) == 0 }
	return len(p.Cursors)+len(p.Done)+len(p.Finished)+len(p.Bases)+len(p.Unbegun)+len(p.Others)+len(p.Leave) == 0 &&
		isNone(p.Forgotten) && isNone(p.Elsewhere)
}

// Inodes are those of the files of the position that may still be written to.
func (p Position) Inodes() (inodes []uint64) {
	for _, c := range p.Cursors {
		inodes = append(inodes, c.Ino)
	}
	return inodes
}

// Starts are fingerprints of what the files of the position begin with.
func (p Position) Starts() (starts []Fingerprint) {
	for _, c := range p.Cursors {
		if c.Offset > 0 {
			starts = append(starts, c.Head)
		}
	}
	return starts
}

// StartsAt are fingerprints of all that the files of a pattern begin with: where Holds is true, one of them is among
// the position's Starts.
func StartsAt(pattern string) iter.Seq[Fingerprint] {
	return func(yield func(Fingerprint) bool) {
		names, _ := Files(pattern)
		for _, name := range names {
			content, err := openContent(name)
			if err != nil {
				continue
			}
			head, err := bytesAt(content.file, 0, min(content.info.Size(), headLen))
			content.close()
			if err != nil || !content.info.Mode().IsRegular() {
				continue
			}
			for start := range starts(head) {
				if !yield(start) {
					return
				}
			}
		}
	}
}

// Holds reports whether one of the files of a pattern has been read. Content that might be another log's is not
// evidence.
func (p Position) Holds(pattern string) bool {
	matches, err := Files(pattern)
	if err != nil {
		return false
	}
	for _, name := range matches {
		file, info, err := openLog(name)
		if err != nil {
			continue
		}
		holds := info.Mode().IsRegular() && slices.ContainsFunc(p.Cursors, func(c Cursor) bool {
			g, content := &generation{Cursor: c}, &content{file, info, false}
			return c.Offset > 0 && (content.isSame(g) || content.isRich(c.Offset)) && c.fits(file)
		})
		file.Close()
		if holds {
			return true
		}
	}
	return false
}

// Resume continues from a saved position, and what Seen returned then.
func (f *Follower) Resume(p Position, seen time.Time) {
	f.started, f.discovered = true, seen
	f.ResumeSome(p)
}

// ResumeSome continues from what is saved of some files, of which others may have been read by another log. Any other
// file begins as at a first start.
func (f *Follower) ResumeSome(p Position) {
	f.forgotten, f.elsewhere = p.Forgotten, p.Elsewhere
	p = f.withoutOthers(p)
	for _, c := range slices.Concat(p.Finished, p.Done, p.Cursors) {
		f.restore(c)
	}
	f.publish()
	f.restoreOthers(p)
	// Cursors are current if they are the last of their path.
	for _, g := range f.generations[min(len(p.Finished), len(f.generations)):] {
		g.base.current, g.finished = g, false // one that has ended is looked for again: a disk may be mounted late
	}
	for _, b := range f.bases {
		b.fromEnd = b.fromEnd && !f.started && b.current == nil
	}
	for _, path := range p.Unbegun {
		b := f.baseAt(path)
		b.fromEnd = b.current == nil
	}
	for _, saved := range p.Bases {
		f.restoreBase(saved)
	}
	for _, g := range f.generations {
		if g.Offset == 0 {
			f.rememberOffsets(g)
		}
		if !g.finished && !g.isCurrent() && !f.recover(g) {
			f.lostForNow(g)
		}
	}
	for _, b := range f.bases {
		f.findRenamed(b)
		f.findCopied(b)
	}
	// Open what is at the path at once: it may be renamed before the first Read, which reports what is wrong with it.
	_ = f.discover()
	f.publish()
}

// findRenamed finds the present names of a base's older files. Most logs have none, and need not list their folders.
func (f *Follower) findRenamed(b *base) {
	if slices.ContainsFunc(f.generations, func(g *generation) bool { return !g.isCurrent() }) {
		f.updateNames(listOnce(b.path, isRelated))
	}
}

// restore adds a saved generation, closed.
func (f *Follower) restore(c Cursor) {
	b := f.baseAt(c.base())
	c.Base, c.Marks = b.path, slices.Clone(c.Marks) // which are thinned in place, and the position is the caller's
	g := &generation{Cursor: c, base: b, finished: true, grown: f.now(), size: -1}
	if c.Path == "" {
		g.Path = b.path
	}
	f.generations = append(f.generations, g)
}

// baseAt returns the base of a path; a log of one path has only one.
func (f *Follower) baseAt(path string) *base {
	if !f.isGlob {
		return f.bases[0]
	}
	for _, b := range f.bases {
		if b.path == path {
			return b
		}
	}
	b := &base{path: path}
	f.bases = append(f.bases, b)
	return b
}

func (f *Follower) restoreBase(saved SavedBase) {
	b := f.baseAt(saved.Path)
	b.newest, b.since, b.folder, b.real, b.came = saved.Newest, saved.Since, saved.Folder, saved.Real, saved.Came
	b.suspicion = saved.Refilled.suspicion(f.now())
	if !saved.Searching {
		return
	}
	b.search = &search{waits: map[fileState]time.Time{}, givenUp: map[fileState]bool{}}
	if saved.Anchor == nil {
		return
	}
	for _, g := range f.generations {
		if g.base == b && g.id() == saved.Anchor.id() && g.Offset == saved.Anchor.Offset {
			b.search.anchor = g
			return
		}
	}
	b.search.anchor = &generation{Cursor: *saved.Anchor, base: b, finished: true, grown: f.now()}
}
