package tail

import (
	"cmp"
	"io/fs"
	"os"
	"slices"
	"time"
)

// An othersFile is a file at the log's paths that another log has, or had.
type othersFile struct {
	isDone bool      // the other has read it to its end, and may forget it: it stays the other's after a restart
	had    time.Time // when another was last seen to have it
	seen   time.Time // when it was last seen at one of the paths
}

// Own makes the Follower of a log leave out files that another log has which counts things of the same kind. It must be
// called before anything is read.
func (f *Follower) Own(o *Owners, log, kind string) {
	f.owners, f.log, f.kind, f.isPattern = o, log, kind, f.isGlob && f.path != ""
	f.owned, f.others, f.counted = map[ownedFile]ownState{}, map[fileTag]othersFile{}, map[*generation]*counted{}
	if f.isPattern {
		o.hasGlob.Store(true)
	}
}

// take reports whether no other log has a file. From then on, this one has it. If it is certainly this one's, another
// gives it up that has counted nothing of it.
func (f *Follower) take(file *os.File, info fs.FileInfo, isCertain bool) bool {
	if f.owners == nil {
		return true
	}
	_, ok := f.takeFile(ownedOf(f.kind, tagOf(descriptorPath(file)), idOf(info).dev), isCertain)
	return ok
}

func (f *Follower) takeFile(file ownedFile, isCertain bool) (spare *Cursor, ok bool) {
	if _, isOwn := f.owned[file]; isOwn {
		return nil, true
	}
	spare, ok = f.owners.take(f, file, isCertain)
	if ok {
		f.owned[file] = ownState{}
	}
	return spare, ok
}

// takePlace is take of a file at one of a base's places. It goes on where a log was that had the file.
func (f *Follower) takePlace(b *base, file *os.File, info fs.FileInfo, path string) (isNew bool) {
	if f.owners == nil {
		return true
	}
	spare, ok := f.takeFile(ownedOf(f.kind, tagOf(descriptorPath(file)), idOf(info).dev), false)
	if spare != nil {
		f.goOnWith(b, *spare, info, path)
	}
	return ok && spare == nil
}

// goOnWith adds what another log has read of a file, closed. If this one had it before, that is only evidence now.
func (f *Follower) goOnWith(b *base, c Cursor, info fs.FileInfo, path string) {
	b.fromEnd = false
	for _, g := range f.generations {
		if g.released && g.tag() == c.tag() {
			g.Dev, g.Ino, g.Born = 0, 0, 0
			g.unlist()
		}
	}
	c.Dev, c.Base, c.Path, c.Listed = idOf(info).dev, b.path, path, ""
	f.insert(&generation{Cursor: c, base: b, finished: true, grown: f.now(), size: -1})
	f.sink.Moved()
}

// leaves reports whether another log has the file at a base's path. If not, this log has it from then on.
func (f *Follower) leaves(b *base, file *os.File, info fs.FileInfo) bool {
	if f.owners == nil {
		return false
	}
	tag := tagOf(descriptorPath(file))
	if !f.isOthers(b, tag, info) {
		return false
	}
	b.others, b.fromEnd, b.unread = tag, false, nil
	f.rescue(b)
	return true
}

// otherOf returns another log that has a file: one of the two is a glob, or the other is of a path that the file no
// longer has.
func (f *Follower) otherOf(file ownedFile) (other owner, has bool) {
	if other, has = f.owners.other(f, file); has || f.isPattern {
		return other, has
	}
	for _, by := range f.owners.ofPaths(f, file) {
		if tagOf(by.path) != file.fileTag {
			return by, true
		}
	}
	return owner{}, false
}

// onlyPath returns the path of a log that has one, and no other.
func (f *Follower) onlyPath() string {
	if f.isGlob {
		return ""
	}
	return f.bases[0].path
}

// isLeft reports the same of a file that was left before.
func (f *Follower) isLeft(b *base, info fs.FileInfo) bool {
	return b.others.Ino != 0 && b.others.Ino == idOf(info).ino && b.others == tagOf(b.path) &&
		f.isOthers(b, b.others, info)
}

// isOthers reports whether a file is another log's. A glob leaves it when the other has read it to its end and
// forgotten it. When the other has ended, it may begin again: then its file is taken some time later.
func (f *Follower) isOthers(b *base, tag fileTag, info fs.FileInfo) bool {
	file := ownedOf(f.kind, tag, idOf(info).dev)
	if _, isOwn := f.owned[file]; isOwn {
		return false
	}
	now, left := f.now(), f.others[tag]
	other, has := f.otherOf(file)
	isLeft := !left.had.IsZero() && (f.isPattern && left.isDone || now.Sub(left.had) < patience)
	if !has && (!isLeft || f.owners.isReleased(file)) {
		spare, ok := f.takeFile(file, false)
		if spare != nil {
			f.goOnWith(b, *spare, info, b.path)
			delete(f.others, tag)
		}
		if ok {
			return false
		}
		has = true
	}
	left.seen = now
	if has {
		left.had = now
	}
	if other.isDone && !left.isDone {
		left.isDone = true
		f.sink.Moved()
	}
	f.others[tag] = left
	return true
}

// hasOther reports whether another log has what a place holds.
func (f *Follower) hasOther(p place) bool {
	if f.owners == nil {
		return false
	}
	_, has := f.owners.other(f, ownedOf(f.kind, tagOf(p.path), idOf(p.info).dev))
	return has
}

// takeLeft goes to the end of a file that was left to a log which has ended: it is uncertain what that counted.
func (f *Follower) takeLeft(b *base) {
	g := b.current
	if g == nil {
		return
	}
	if _, wasLeft := f.others[g.tag()]; wasLeft {
		f.sink.Gap(GapUncertain, g.Path, g.Offset, -1,
			"another log counted it, and is no longer followed; following it from its present end")
		_ = g.skipToEnd(f.reader.framer)
		delete(f.others, g.tag())
	}
}

// ownedBy returns the file of a generation, if that is certain.
func (f *Follower) ownedBy(g *generation) (file ownedFile, ok bool) {
	return ownedOf(f.kind, g.tag(), g.Dev), g.Ino != 0 && (g.file != nil || g.Born != 0 && !g.released)
}

// releaseLost leaves files that were not found to the log that has them now: they may have been renamed to its names.
// What was read of them has been committed by then.
func (f *Follower) releaseLost() {
	for _, g := range f.generations {
		switch {
		case g.file != nil:
			g.lost, g.released = time.Time{}, false
		case !g.released && !g.lost.IsZero() && f.now().Sub(g.lost) >= patience && g.Ino != 0:
			g.released = true
			f.owners.release(f, g.cursor())
		}
	}
}

// HandOver leaves the files to the logs that have them next in this process. It must be called when all that has been
// read is committed.
func (f *Follower) HandOver() {
	if f.owners != nil {
		f.owners.handOver(f)
	}
}

// publish says which files the log has.
func (f *Follower) publish() {
	if f.owners == nil {
		return
	}
	f.releaseLost()
	f.publishCounted()
	if !f.isPublished || f.hasChanged() {
		now := map[ownedFile]ownState{}
		for _, g := range f.generations {
			if file, ok := f.ownedBy(g); ok {
				now[file] = g.ownState()
			}
		}
		f.owners.set(f, f.owned, now)
		f.owned, f.isPublished = now, true
	}
	for tag, left := range f.others {
		if f.now().Sub(left.seen) > patience {
			delete(f.others, tag) // it is gone
		}
	}
}

// hasChanged reports whether owners does not know all of what the log has.
func (f *Follower) hasChanged() bool {
	n := 0
	for _, g := range f.generations {
		file, ok := f.ownedBy(g)
		if !ok {
			continue
		}
		if state, is := f.owned[file]; !is || state != g.ownState() {
			return true
		}
		n++
	}
	return n != len(f.owned)
}

// ownState reports whether the file of a generation has been read to its end: to a current one, more may come. Of one
// that is a copy of another's file so far, nothing was counted.
func (g *generation) ownState() ownState {
	return ownState{isDone: g.finished && !g.isCurrent(), isUnused: g.Offset == 0 || g.Copied || g.unused}
}

// unpublish says that the log has no files any more.
func (f *Follower) unpublish() {
	if f.owners != nil {
		f.owners.set(f, f.owned, nil)
		f.owners.takenFrom(f)
		f.leaveCounted()
		f.owned = map[ownedFile]ownState{}
	}
}

// withoutOthers returns a saved position in which the files that another log has, which runs, are only evidence.
func (f *Follower) withoutOthers(p Position) Position {
	if f.owners == nil {
		return p
	}
	for _, c := range slices.Concat(p.Cursors, p.Finished, p.Done) {
		other, has := f.otherOf(ownedOf(f.kind, c.tag(), 0))
		if c.Born != 0 && has && other.follower != nil {
			p = p.Without(c.tag())
		}
	}
	return p
}

// saveOthers returns what stays left to other logs after a restart.
func (f *Follower) saveOthers() (tags []fileTag) {
	for tag, left := range f.others {
		if left.isDone && tag.Born != 0 {
			tags = append(tags, tag)
		}
	}
	slices.SortFunc(tags, func(a, b fileTag) int {
		return cmp.Or(cmp.Compare(a.Ino, b.Ino), cmp.Compare(a.Born, b.Born))
	})
	return tags
}

func (f *Follower) restoreOthers(p Position) {
	if f.owners == nil {
		return
	}
	for i, tag := range slices.Concat(p.Others, p.Leave) {
		if _, isOwn := f.owned[ownedOf(f.kind, tag, 0)]; !isOwn {
			f.others[tag] = othersFile{isDone: i < len(p.Others), had: f.now(), seen: f.now()}
		}
	}
}

// A FileTag identifies a file for as long as it exists.
type FileTag = fileTag

// TagOf returns the tag of the file at a path, the zero FileTag if the file is missing.
func TagOf(path string) FileTag { return tagOf(path) }

// Known are the cursors of all files of a position.
func (p Position) Known() []Cursor { return slices.Concat(p.Finished, p.Done, p.Cursors) }

// Last is the part of a position of one path that concerns the current file.
func (p Position) Last() Position { return Position{Cursors: p.Cursors[max(0, len(p.Cursors)-1):]} }

// Tag identifies the file of a cursor.
func (c *Cursor) Tag() FileTag { return c.tag() }

// IsAt reports whether a cursor was read from the file with this tag at a path. Without creation times, the content
// must show it.
func (c *Cursor) IsAt(path string, tag fileTag) bool {
	switch {
	case c.Ino != tag.Ino || tag.Ino == 0:
		return false
	case c.Born != 0 && tag.Born != 0:
		return c.Born == tag.Born
	}
	return Position{Cursors: []Cursor{*c}}.Holds(Literal(path))
}

// Without returns a position in which a file is only evidence of what has been counted: another log has it.
func (p Position) Without(tag fileTag) Position {
	is := func(c Cursor) bool { return c.Tag() == tag }
	var gone []Cursor
	for _, c := range p.Known() {
		if is(c) {
			c.Dev, c.Ino, c.Born, c.Listed = 0, 0, 0, ""
			gone = append(gone, c)
		}
	}
	p.Cursors = slices.DeleteFunc(slices.Clone(p.Cursors), is)
	p.Done = slices.DeleteFunc(slices.Clone(p.Done), is)
	p.Finished = slices.Concat(gone, slices.DeleteFunc(slices.Clone(p.Finished), is))
	return p
}

// Renewed returns a position with a later cursor of one of its files.
func (p Position) Renewed(later Cursor) Position {
	renew := func(cursors []Cursor) []Cursor {
		cursors = slices.Clone(cursors)
		for i, c := range cursors {
			if c.Tag() == later.Tag() {
				cursors[i] = later
				cursors[i].Base, cursors[i].Listed = c.base(), ""
			}
		}
		return cursors
	}
	p.Cursors, p.Finished, p.Done = renew(p.Cursors), renew(p.Finished), renew(p.Done)
	return p
}

// MovedTo returns a position that says where one of its files is now, if that is no longer where it was.
func (p Position) MovedTo(path string, tag fileTag) Position {
	move := func(cursors []Cursor) []Cursor {
		cursors = slices.Clone(cursors)
		for i, c := range cursors {
			if c.Tag() == tag && tagOf(c.Path) != tag {
				cursors[i].Path = path
			}
		}
		return cursors
	}
	p.Cursors, p.Finished, p.Done = move(p.Cursors), move(p.Finished), move(p.Done)
	return p
}

// Adding returns a position that has one more file, at one of the log's paths.
func (p Position) Adding(c Cursor, path string) Position {
	c.Base, c.Path, c.Listed = path, path, ""
	if c.Offset == 0 { // only the current file may be an unread one
		p.Cursors = append(slices.Clip(p.Cursors), c)
	} else {
		p.Finished = append(slices.Clip(p.Finished), c)
	}
	return p
}
