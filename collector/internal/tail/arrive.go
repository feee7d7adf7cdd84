package tail

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// arrive handles a file that has appeared at a base's path and is not the open file that was there before.
func (f *Follower) arrive(b *base, file *os.File, info fs.FileInfo) error {
	f.opened = true
	if g := f.returned(b, file, info); g != nil {
		if g != b.current {
			g.unlist() // rotation has not moved it since
		}
		b.current = g
		g.base, g.Base, g.Path = b, b.path, realPath(b.path)
		f.survey(b)
		return nil
	}
	if g := b.current; g != nil && g.is(info) && g.file == nil && !g.finished &&
		g.wasBornAs(descriptorPath(file)) {
		g.file, g.Ended = file, false
		f.rewritten(g, g.size) // in place, or another file has its inode
		return nil
	}
	g := &generation{Cursor: Cursor{Path: realPath(b.path), Base: b.path}, base: b, file: file, grown: f.now()}
	g.identify(info)
	if info.Size() == 0 {
		f.rememberOffsets(g)
	}
	if b.current != nil {
		f.replace(b, g)
	} else if err := f.begin(b, g); err != nil {
		file.Close()
		return err
	}
	return f.passOld(g)
}

// returned returns the known generation that a file is, or nil: it was renamed to a path of the log, or had been
// closed. It closes the file if the generation has it open.
func (f *Follower) returned(b *base, file *os.File, info fs.FileInfo) *generation {
	for _, g := range f.generations {
		if g.file != nil && g.is(info) {
			file.Close()
			return g
		}
	}
	for _, g := range f.generations {
		c := content{file, info, false}
		if g.file != nil || !g.is(info) || g.Offset == 0 && g != b.current || !c.isSame(g) && !c.isRich(g.Offset) {
			continue // nothing but the inode is known of an unread one, and inodes are reused
		}
		if f.reopen(g, file, info) {
			return g
		}
	}
	return nil
}

// reopen continues a closed generation in a file that holds its bytes.
func (f *Follower) reopen(g *generation, file *os.File, info fs.FileInfo) bool {
	g.file = file
	if !info.Mode().IsRegular() || !g.recall() || f.passCounted(g) != nil ||
		!f.take(file, info, g.Offset > 0) {
		g.file = nil
		return false
	}
	if !g.isStill(info) {
		g.grown = f.now()
	}
	// A rotated file that was read to its end waits for a minute after its last byte, not after each restart.
	if isRestored := g.size < 0; isRestored && !g.isCurrent() && info.Size() == g.Offset {
		g.size, g.changed = info.Size(), info.ModTime()
		if g.changed.Before(g.grown) {
			g.grown = g.changed
		}
	}
	g.identify(info)
	g.Ended = false
	g.finished, g.removed, f.opened = false, linksOf(info) == 0, true
	return true
}

// begin starts the first generation of a base.
func (f *Follower) begin(b *base, g *generation) error {
	if b.fromEnd {
		if err := g.skipToEnd(f.reader.framer); err != nil {
			return err
		}
		g.unused = true
		if f.started {
			f.beginLate(b, g)
		}
	} else if err := f.passCounted(g); err != nil {
		return err
	}
	f.generations = append(f.generations, g)
	b.current = g
	if b.newest != nil || f.hasUnseen(b) {
		f.findUnseen(b, nil) // others may have come since the listing
	}
	f.survey(b)
	return nil
}

// beginLate handles a first file that could not be read before, and begins at its end: what came meanwhile is lost.
func (f *Follower) beginLate(b *base, g *generation) {
	if b.unread != nil && idOf(b.unread) == g.id() && b.unread.Size() == g.size {
		f.sink.Moved() // what comes next is counted after a crash, too
		return
	}
	f.sink.Gap(GapUnreadable, g.Path, 0, g.Offset, "it could not be read until now; reading begins at its end")
}

// passCounted skips what has been counted of a file that is a copy of others. If it copies one that was cut, how much
// has been counted is uncertain, and it skips the whole file.
func (f *Follower) passCounted(g *generation) error {
	info, err := g.file.Stat()
	if err != nil {
		return err
	}
	own := f.ownLike(g, info.Size())
	isDoubtful := own.doubtful > own.counted
	g.grows = isDoubtful && f.mayGrow(g, own.like)
	switch {
	case g.grows:
		return nil
	case isDoubtful:
		return f.passAll(g, "the file begins like one that was read: it may be a copy that has "+
			"lost its end, or have new lines that are like the old ones")
	case own.counted > g.Offset || g.Copied && own.copied != nil:
		return g.goToCopied(own.copied, own.counted)
	case g.Offset == 0 && f.beginsLikeForgotten(g):
		return f.passAll(g, "the file begins like one that was read long ago")
	}
	return nil
}

// passAll goes to the end of a file when it is uncertain what has been counted of it.
func (f *Follower) passAll(g *generation, cause string) error {
	info, err := g.file.Stat()
	if err != nil {
		return err
	}
	f.sink.Gap(GapUncertain, g.Path, g.Offset, info.Size(), cause+"; following it from its present end")
	return g.goToDoubtful(info.Size())
}

// fewestCopied is how many bytes show that a file is a copy of another: a few lines may be alike by chance.
const fewestCopied = 512

// copyOf reports whether a file is certainly a copy of another, and how much of it was counted; 0 if it is
// not. After a rotation, lines like the last ones before it are new lines: a busy second has many.
func (f *Follower) copyOf(original, g *generation) (counted int64, isCopy bool) {
	info, err := g.file.Stat()
	if err != nil || original.Offset < fewestCopied {
		return 0, false
	}
	from := g.Offset // what is known to be counted need not be looked for
	if original.isPlaced() {
		from = info.Size()
	}
	m, at := original.traceFrom(g.file, from, info.Size())
	if m == other || !isRichText(readAt(g.file, 0, min(at, headLen))) {
		return 0, false
	}
	if m != edited && f.mayBeNew(original, g, info.Size()) {
		isNew := original.base != g.base && original.isFound() || g.isAppended(original, info.Size())
		if isNew {
			at = 0
		}
		return at, false
	}
	if m == edited && original.base != nil && f.isRotated(original.base, original) {
		return 0, false
	}
	isCertain := m > begins && at >= fewestCopied
	if m == edited && original.like(beginningOf(g.file, at)).mayBeNew() {
		isCertain = false // its last lines may have come again
	}
	return at, isCertain
}

// rememberOffsets records how much of each other generation of its path there is while one is empty.
func (f *Follower) rememberOffsets(g *generation) {
	g.before = map[*generation]int64{}
	for _, other := range f.generations {
		if other != g && other.base == g.base {
			g.before[other] = other.Offset
		}
	}
}

// mayBeNew reports whether what a file has in common with an older one may be new lines that are like those. If that
// one was rotated, or this one was there before, a copy is so rare that almost any new lines are as likely.
func (f *Follower) mayBeNew(original, g *generation, size int64) bool {
	common := original.like(beginningOf(g.file, original.common(g.file, size)))
	return !common.isRich() || g.Offset == 0 && common.mayBeNew() && original.base != nil &&
		(g.before != nil || f.isRotated(original.base, original))
}

// isAppended reports whether a file that was empty when it was first seen has since been appended to, and is not a
// copy: that would hold all of the original, or be cut where a block ends while it is made.
func (g *generation) isAppended(original *generation, size int64) bool {
	const block = 512
	had, wasEmpty := g.before[original]
	if common := original.common(g.file, size); !wasEmpty || common >= had {
		return false
	} else if common < size {
		return true
	}
	return size%block != 0
}

// replace handles a new file at a base's path. If the previous file is still there under a rotated name, the log was
// rotated. If it is gone, the new file may be a copy of it, complete or edited.
func (f *Follower) replace(b *base, g *generation) {
	before := b.current
	if before.file != nil {
		_ = f.readOn(before) // to its end: what both files have is counted once
		before.findName()
	}
	isCopy, isDoubtful := false, false
	if at, certain := f.copyOf(before, g); certain && !before.isRatherIn(g, at) {
		isCopy, before.finished = true, true
		_ = g.goToCopied(before, at)
	} else if !f.isRotated(b, before) {
		isCopy, isDoubtful = f.remainder(before, g)
	}
	isLost := !isCopy && before.file == nil && !before.finished
	if isLost {
		f.lost(before)
	}
	f.generations = append(f.generations, g)
	b.current = g
	if isCopy {
		if before.Listed == atPath {
			before.unlist()
			g.Listed = atPath
		}
		if isDoubtful && b.search == nil { // what is beside it may be doubtful too, and is not reported again
			f.saveListing(b, listOnce(b.path, isRelated))
		}
		f.sink.Moved()
		return
	}
	f.sink.Rotated("renamed")
	if before.Offset == 0 && before.file == nil {
		before = nil // nothing is known about it
	}
	f.findUnseen(b, before)
	b.search.isLost = b.search.isLost || isLost && b.search.anchor == before && before != nil
}

// isRotated reports whether the file of a path is now beside it under another name, or in another folder under a
// rotated name, compressed or not.
func (f *Follower) isRotated(b *base, g *generation) bool {
	if g.file != nil && !g.removed || g.file == nil && g.finished {
		return g.isPlaced()
	}
	for range maxListings {
		around := listOnce(b.path, isRelated)
		if at, found := f.whereIs(g, g.mayBeIn(around)); found || around.isStill(b.path) {
			return found && at.scheme != ""
		}
	}
	return false
}

// isPlaced reports whether a generation was last seen under a name that rotation gives, and nothing says that it is
// no longer there.
func (g *generation) isPlaced() bool {
	if g.base == nil || g.file != nil && g.removed || g.file == nil && !g.finished {
		return false
	}
	_, _, ok := placeOf(filepath.Base(realPath(g.base.path)), filepath.Base(g.Path))
	return ok
}

// remainder skips what was counted of a new file as part of one that is gone, and reports whether there was any, and
// whether that is doubtful.
func (f *Follower) remainder(before, g *generation) (any, isDoubtful bool) {
	info, err := g.file.Stat()
	if err != nil || before.file == nil && before.finished {
		return false, false
	}
	m, at := before.trace(g.file, info.Size())
	if m == other {
		return false, false
	}
	before.finished = true
	isRich := before.like(beginningOf(g.file, at)).isRich()
	if m > begins && isRich && !before.isRatherIn(g, at) {
		_ = g.goToCopied(before, at)
		return true, false
	}
	f.sink.Gap(GapUncertain, g.Path, min(before.Offset, at), at, "the log has lost its end, "+
		"or was replaced by another that begins the same; following it from its present end")
	_ = g.goToDoubtful(at)
	return true, true
}

// isRatherIn reports whether what a new file begins with may be new lines like those of a generation, which a rotated
// part holds, too.
func (g *generation) isRatherIn(new *generation, common int64) bool {
	return g.like(beginningOf(new.file, common)).mayBeNew() && g.mayBePart(listOnce(g.base.path, isRelated))
}

// findName records the present name of an open file.
func (g *generation) findName() {
	info, err := g.file.Stat()
	if err != nil {
		return
	}
	g.removed = linksOf(info) == 0
	if g.removed {
		return
	}
	for range maxListings { // it may be renamed between the two calls
		// The kernel knows the name of an open file in any folder.
		name, err := os.Readlink(descriptorPath(g.file))
		if err != nil || strings.HasSuffix(name, " (deleted)") {
			return
		}
		if there, err := os.Stat(name); err == nil && os.SameFile(there, info) {
			g.Path = name
			return
		}
	}
}

// lost reports a generation that was not found again.
func (f *Follower) lost(g *generation) {
	g.finished, g.lost = true, f.now()
	if g.Ended {
		return // reported before the restart; at each start it would raise an alert again
	}
	if g.Offset == 0 && f.isAccountedFor(g) {
		return
	}
	cause := "the file was deleted, rewritten, moved to another folder, or truncated while the exporter was down, " +
		"and the log's folder has no copy of it"
	if g.Offset == 0 {
		cause = "the file, which was empty when it was last read, was deleted, replaced or moved to another folder " +
			"while the exporter was down, and no file in the log's folder is certain to be it"
	}
	for _, file := range listOnce(g.base.path, isRelated).files {
		if file.scheme != "" && isOtherwiseCompressed(file.path) {
			cause += "; " + file.path + " may be it, but of compressed files only .gz can be read"
			break
		}
	}
	f.sink.Gap(GapDeleted, g.Path, g.Offset, -1, cause)
}

// rewritten continues a generation whose file no longer holds what was counted: it was cut, edited in place, or
// emptied by copytruncate, which has left a copy.
func (f *Follower) rewritten(g *generation, seen int64) {
	info, err := g.file.Stat()
	if err != nil {
		return
	}
	size := info.Size()
	g.identify(info)
	m, at := g.trace(g.file, size)
	if m <= ambiguous && !g.isCurrent() {
		m, at = edited, size // a rotated file is not written anew
	}
	if m == prefix && f.mayBeRefilled(g, at) {
		m, at = ambiguous, size
	}
	switch {
	case m > begins:
		_ = g.goTo(at)
		f.sink.Moved()
	case m == begins || m == ambiguous && !f.wasCopied(g):
		f.cutGap(g, at)
		_ = g.goToDoubtful(at)
		if m == ambiguous && g.base.search == nil { // the next rotation is certain
			f.saveListing(g.base, listOnce(g.base.path, isRelated))
		}
	default:
		f.truncated(g, seen)
	}
}

// cutGap reports that lines may be missing before the end of a file that was cut.
func (f *Follower) cutGap(g *generation, end int64) {
	f.sink.Gap(GapTruncated, g.Path, min(g.Offset, end), max(g.Offset, end),
		"the file has lost its end; following it from its present end")
}

// truncated restarts a generation whose file was emptied. It reads the unread rest from the copy.
func (f *Follower) truncated(g *generation, seen int64) {
	if g.Offset == 0 {
		return
	}
	f.sink.Rotated("truncated")
	old := f.remember(g)
	g.beginAnew()
	if copied := f.restOfCopy(old, g.id()); !copied {
		f.sink.Gap(GapTruncated, g.Path, old.Offset, max(seen, old.Offset),
			"the file was truncated or rewritten in place, and no copy of it was found; "+
				"rotate by rename and USR1 instead of copytruncate")
	}
	if g.size == 0 {
		f.rememberOffsets(g)
	}
	f.findUnseen(g.base, old)
}

// remember keeps what was read of a generation whose file no longer holds it, as a finished generation.
func (f *Follower) remember(g *generation) *generation {
	old := &generation{Cursor: g.cursor(), base: g.base, finished: true, grown: f.now()}
	old.Dev, old.Ino, old.Born = 0, 0, 0
	old.between = g.between
	g.unlist()
	f.insert(old)
	return old
}

// insert adds a generation that is older than the current one of its base.
func (f *Follower) insert(g *generation) {
	for i, other := range f.generations {
		if other == g.base.current {
			f.generations = append(f.generations[:i:i], append([]*generation{g}, f.generations[i:]...)...)
			return
		}
	}
	f.generations = append(f.generations, g)
}
