package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

func descriptorPath(file *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", file.Fd()) }

// recover finds the file of a closed generation under its present name and opens it, or reads the rest of it if it is
// compressed. A file that is renamed or compressed during the search can be missed under both names: it is gone only
// if the folder did not change during a search.
func (f *Follower) recover(g *generation) bool {
	if f.recoverInPlace(g) {
		return true // as most are at a start, where each of a thousand logs would list its folder
	}
	for range maxListings {
		before := listOnce(g.base.path, isRelated)
		if f.search(g) {
			return true
		}
		if before.isStill(g.base.path) {
			return false
		}
	}
	return false
}

// rescue finds the last file of a path that is now empty, if it is not open: it may have been renamed while it was not
// followed.
func (f *Follower) rescue(b *base) {
	if g := b.current; g != nil && g.file == nil && !g.finished && !f.recover(g) {
		f.lostForNow(g)
	}
}

// recoverInPlace looks only where the file stood.
func (f *Follower) recoverInPlace(g *generation) bool {
	info, err := os.Stat(g.Path)
	return err == nil && f.recoverSame(g, place{path: g.Path, info: info})
}

// recoverSame opens a file as a generation if it is the same by its inode.
func (f *Follower) recoverSame(g *generation, p place) bool {
	isSame := idOf(p.info) == g.id()
	if g.Offset == 0 {
		isSame = g.isUnreadAt(p)
	}
	return isSame && f.recoverFrom(g, p)
}

// search looks once: for the same inode first, then for the same content.
func (f *Follower) search(g *generation) bool {
	for range maxListings {
		folder, settled := list(g.base.path)
		if f.recoverIn(g, folder) {
			return true
		}
		if settled && folder.isStill(g.base.path) {
			break
		}
	}
	if g.Offset == 0 {
		return f.recoverAny(g)
	}
	return f.recoverAny(g) || f.restOfCopy(g, fileID{}) || f.recoverCut(g)
}

// recoverCut continues with the same file although it lost its end, or was rewritten or emptied in place, before it
// was renamed.
func (f *Follower) recoverCut(g *generation) bool {
	for _, p := range listOnce(g.base.path, isRelated).files {
		isSame := idOf(p.info) == g.id() && g.wasBornAs(p.path)
		if p.scheme == "" || isGzip(p.path) || f.isOpen(p.info) {
			continue
		}
		file, info, err := openLog(p.path)
		if err != nil {
			continue
		}
		m, at := g.trace(file, info.Size())
		if !os.SameFile(info, p.info) || !isSame && m != edited || m == other && g.Born == 0 ||
			!f.take(file, info, true) {
			file.Close()
			continue
		}
		if m != prefix && m != edited {
			at = info.Size()
			f.cutGap(g, at)
		}
		if m == other {
			f.remember(g)
		}
		g.file, g.Path, g.grown, f.opened = file, p.path, f.now(), true
		g.Ended = false
		g.identify(info)
		return g.goToDoubtful(at) == nil
	}
	return false
}

// recoverIn looks among related names.
func (f *Follower) recoverIn(g *generation, folder folder) bool {
	candidates := folder.files
	if info, err := os.Stat(g.Path); err == nil {
		candidates = append([]place{{path: g.Path, info: info}}, candidates...)
	}
	for _, p := range candidates {
		if f.recoverSame(g, p) {
			return true
		}
	}
	if g.Offset == 0 {
		return false // any file would match
	}
	for _, p := range candidates { // the device number may have changed
		if idOf(p.info).ino == g.Ino && f.recoverFrom(g, p) {
			return true
		}
	}
	return f.recoverCopy(g, folder)
}

// recoverCopy looks for the same content in another file.
func (f *Follower) recoverCopy(g *generation, folder folder) bool {
	for _, path := range []string{g.base.path, g.Path} {
		if path == g.base.path && (!g.isCurrent() || f.isRatherRotated(g, folder)) {
			continue
		}
		if info, err := os.Stat(path); err == nil && f.recoverFrom(g, place{path: path, info: info}) {
			return true
		}
	}
	for _, p := range folder.copies() {
		if p.path != folder.real && !isGzip(p.path) && f.recoverFrom(g, p) {
			return true
		}
	}
	return false
}

// isRatherRotated reports whether what is at a log's path may be new lines like those that were counted, which a
// rotated part holds, too.
func (f *Follower) isRatherRotated(g *generation, around folder) bool {
	content, err := openContent(g.base.path)
	if err != nil {
		return false
	}
	defer content.close()
	return content.holds(g.cursor()) && content.beginning(g.Offset).mayBeNew() && g.mayBePart(around)
}

// mayBePart reports whether a rotated part holds all that was counted of a generation.
func (g *generation) mayBePart(around folder) bool {
	return slices.ContainsFunc(around.copies(), func(p place) bool {
		return p.scheme != "" && p.path != around.real && fits(p, g)
	})
}

// wasBornAs reports whether a file was created when the generation was. Both have one inode, which may be reused.
func (g *generation) wasBornAs(path string) bool {
	born, ok := birth(path)
	return !ok || g.Born == 0 || g.Born == born.UnixNano()
}

// isFileOf reports whether a content that fits a generation is certainly its file, or a copy of that. Like lines are in
// many files: among those, the creation time or the place must show which it is.
func (c *content) isFileOf(g *generation) bool {
	return c.isSame(g) || c.isTelling(g.Offset) || g.isPlacedAt(c)
}

// isFileOf reports the same of what a place holds.
func (f *Follower) isFileOf(p place, g *generation) bool {
	content, err := openContent(p.path)
	if err != nil {
		return false
	}
	defer content.close()
	return content.isFileOf(g)
}

// isSame reports whether it is the very file of a generation. An inode may be reused, and a device have another number.
func (c *content) isSame(g *generation) bool {
	return !g.Removed && idOf(c.info).ino == g.Ino && g.wasBornAs(descriptorPath(c.file))
}

// isPlacedAt reports whether a content has the place that the rotations since the last listing gave the generation.
func (g *generation) isPlacedAt(c *content) bool {
	p, certain := g.placeNow(listOnce(g.base.path, isRelated))
	return certain && os.SameFile(p.info, c.info)
}

// recoverAny looks for the same inode among all names in the folder.
func (f *Follower) recoverAny(g *generation) bool {
	dirs := []string{filepath.Dir(realPath(g.base.path)), filepath.Dir(g.Path)}
	for _, dir := range slices.Compact(dirs) {
		for _, p := range listOnce(filepath.Join(dir, "x"), isAny).files {
			if f.recoverSame(g, p) {
				return true
			}
		}
	}
	return false
}

// recoverFrom opens a file as a generation if it holds what that has read. For an unread generation it must not be a
// copy of another.
func (f *Follower) recoverFrom(g *generation, p place) bool {
	if isGzip(p.path) || !p.info.Mode().IsRegular() {
		return false
	}
	file, info, err := openLog(p.path)
	if err != nil {
		return false
	}
	isCertain := g.Offset == 0 || (&content{file, info, false}).isFileOf(g)
	if !isCertain || f.isOpen(info) || !os.SameFile(info, p.info) || !f.reopen(g, file, info) {
		file.Close()
		return false
	}
	if g.Offset == 0 && f.isCounted(p, file) {
		g.close()
		return false
	}
	g.Path = p.path
	return true
}

func (f *Follower) isOpen(info os.FileInfo) bool {
	for _, g := range f.generations {
		if g.file != nil && g.is(info) {
			return true
		}
	}
	return false
}

// isCounted reports whether a file has the same beginning as a generation of which something has been read.
func (f *Follower) isCounted(p place, file *os.File) bool {
	return f.isKnownContent(&content{file, p.info, false})
}

// restOfCopy hands out what a copy of a generation holds after the bytes read, and records where the copy is. A copy
// that is renamed between listing and opening is looked for again.
func (f *Follower) restOfCopy(g *generation, not fileID) bool {
	return slices.ContainsFunc(g.homes(), func(path string) bool { return f.restOfCopyBeside(g, path, not) })
}

// homes are the paths beside which a generation's copy may be: the log's, and the one that the generation had, if the
// symbolic link at the log's path led elsewhere then.
func (g *generation) homes() []string {
	real, own := realPath(g.base.path), g.Path
	if _, _, isPart := placeOf(filepath.Base(real), filepath.Base(own)); isPart || own == real {
		return []string{g.base.path}
	}
	if log, isPart := PartOf(own); isPart {
		own = log
	}
	return []string{g.base.path, own}
}

func (f *Follower) restOfCopyBeside(g *generation, path string, not fileID) bool {
	for range maxListings {
		folder, settled := list(path)
		for _, p := range folder.copies() {
			if idOf(p.info) == not || p.path == folder.real || f.isOpen(p.info) ||
				p.info.Size() == 0 || !f.isFileOf(p, g) {
				continue
			}
			if f.restOfFile(g, p.path) {
				return true
			}
		}
		if settled && folder.isStill(path) {
			return false
		}
	}
	return false
}

// restOfFile hands out what a file holds after the generation's offset, if it holds what that was read from. It
// finishes the generation: nobody appends to a copy or to a compressed file.
func (f *Follower) restOfFile(g *generation, path string) bool {
	content, err := openContent(path)
	if err != nil {
		return false
	}
	defer content.close()
	if !content.holds(g.Cursor) || !f.take(content.file, content.info, g.Offset > 0) {
		return false
	}
	g.Path = path
	f.restOf(g, content)
	return true
}

// restOf hands out what a content holds after the generation's offset.
func (f *Follower) restOf(g *generation, content *content) {
	g.finished = true
	read, rest, err := content.after(g.Cursor)
	if err == nil {
		// No checkpoint on the way: it would commit the cursor of the log, not of its copy.
		// Nor an end before its time.
		whole := f.reader
		whole.stop = nil
		err = whole.read(read, rest, noCheckpoints{f.sink})
		read.mark()
		g.Offset, g.Head, g.Last, g.Skipping = read.Offset, read.Head, read.Last, read.Skipping
		g.head, g.tail, g.Marks = read.head, read.tail, mergeMarks(g.Marks, read.Marks)
		saved := g.cursor()
		g.Marks, g.Lines, g.head, g.tail = saved.Marks, saved.Lines, nil, nil
	}
	g.Dev, g.Ino = identity(content.info)
	g.Removed = false
	g.Born = tagOf(descriptorPath(content.file)).Born
	g.size, g.changed = content.info.Size(), content.info.ModTime()
	if err != nil {
		f.sink.Gap(GapUnreadable, g.Path, g.Offset, -1, err.Error())
	}
}

// noCheckpoints is a Sink for content that is not a generation of its own.
type noCheckpoints struct{ Sink }

func (noCheckpoints) Checkpoint() {}
