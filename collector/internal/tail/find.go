package tail

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"
)

// clockSlack is how far a file's time of change may lag behind the clock: kernels stamp files by the tick.
const clockSlack = 20 * time.Millisecond

// Resume goes on from a saved position. seen is when the log was last looked at: a file that has changed since and
// is none of the saved ones came and went meanwhile.
func (f *Follower) Resume(p Position, seen time.Time) {
	f.started, f.seen, f.finished = true, f.now(), p.Finished
	for _, c := range p.Done {
		f.done[fileID{c.Dev, c.Ino}] = true
	}
	siblings := f.siblings()
	// Those of which something was read first: an inode alone may belong to a copy of one of them by now.
	for _, unread := range []bool{false, true} {
		for _, c := range p.Cursors {
			if unread == (c.Head.Len == 0) {
				f.resume(c, siblings)
			}
		}
	}
	f.takeUnseen(siblings, seen)
	if len(f.waiting) > 0 {
		f.seen = seen
	}
	// What stands at the path now is opened at once: it may be renamed before the first Read, which tells what is
	// wrong with it.
	_ = f.discover()
}

// resume finds a saved generation under whatever name it has now, and opens it, or reads the rest of it.
func (f *Follower) resume(c Cursor, siblings []sibling) {
	// A file may be renamed while we look for it: what is not found is looked for again.
	for range 3 {
		if f.find(c, siblings) {
			return
		}
		siblings = f.siblings()
	}
	cause := "the file was deleted, moved to another folder, or truncated while the exporter was down, and no copy of it stands beside the log"
	if other := f.otherwiseCompressed(); other != "" {
		cause += "; " + other + " may be it, but of compressed files only .gz can be read"
	}
	f.sink.Gap(GapDeleted, c.Path, c.Offset, -1, cause)
}

// find opens the file that a cursor was read from, or reads the rest of it where that is compressed.
func (f *Follower) find(c Cursor, siblings []sibling) bool {
	if c.Head.Len == 0 {
		f.resumeUnread(c, siblings)
		return true
	}
	for _, path := range candidates(c, f.path, siblings) {
		if isGzip(path) {
			if f.restOfGzip(c, path) {
				return true
			}
			continue
		}
		file, err := openLog(path)
		if err != nil {
			continue
		}
		g := &generation{Cursor: c, file: file, grown: f.now(), size: c.Offset}
		info, err := file.Stat()
		if err != nil || !info.Mode().IsRegular() || f.isOpen(info) || !g.recall() {
			file.Close()
			continue
		}
		g.Path = path
		g.Dev, g.Ino = identity(info)
		f.generations = append(f.generations, g)
		return true
	}
	return false
}

// resumeUnread opens a saved generation of which nothing has been read: any file would fit, so it is the inode that
// tells. Where it is gone nothing is: what it held by then is among the files that have not been seen.
func (f *Follower) resumeUnread(c Cursor, siblings []sibling) {
	for _, s := range siblings {
		if idOf(s.info) != (fileID{c.Dev, c.Ino}) || isGzip(s.path) || f.isKnown(s) {
			continue
		}
		if file, err := openLog(s.path); err == nil {
			f.generations = append(f.generations, &generation{Cursor: Cursor{Path: s.path, Dev: c.Dev, Ino: c.Ino}, file: file, grown: f.now()})
		}
		return
	}
}

func (f *Follower) isOpen(info fs.FileInfo) bool {
	for _, g := range f.generations {
		if (fileID{g.Dev, g.Ino}) == idOf(info) {
			return true
		}
	}
	return false
}

// candidates are the files that may be the saved generation, the likeliest first: by inode, then by name, plain ones
// before compressed ones, which may be only half written.
func candidates(c Cursor, path string, siblings []sibling) []string {
	var byInode, plain, compressed []string
	for _, name := range []string{path, c.Path} {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			plain = append(plain, name)
		}
	}
	for _, s := range siblings {
		switch id := idOf(s.info); {
		case isGzip(s.path):
			compressed = append(compressed, s.path)
		case id == (fileID{c.Dev, c.Ino}):
			byInode = append(byInode, s.path)
		default:
			plain = append(plain, s.path)
		}
	}
	return append(append(byInode, plain...), compressed...)
}

// takeUnseen adds generations that have come and gone since the log was last looked at. A file that was finished
// before has not changed since; a copy of a known one begins as that does. A file that cannot be taken yet, one that
// is just being compressed or renamed, is waited for: the next look goes back as far as this one.
func (f *Follower) takeUnseen(siblings []sibling, seen time.Time) {
	heads := f.heads()
	current, _ := os.Stat(f.path)
	waited := f.waiting
	f.waiting = map[fileState]time.Time{}
	for _, s := range plainFirst(siblings) {
		isPast := s.changed.Before(seen.Add(-clockSlack))
		isCurrent := current != nil && os.SameFile(current, s.info)
		if !s.rotated || isPast || isCurrent || f.isGlob && !isGzip(s.path) || f.done[idOf(s.info)] {
			continue
		}
		state := stateOf(s)
		since, waits := waited[state]
		if waits && isGzip(s.path) || !f.takeIfUnseen(s, heads) {
			if !waits {
				since = f.now()
			}
			f.waiting[state] = since
		}
	}
	maps.DeleteFunc(f.givenUp, func(state fileState, _ bool) bool { return f.waiting[state].IsZero() })
}

// heads are the fingerprints of what is open: a generation that has not been read yet is known by nothing else.
func (f *Follower) heads() map[Fingerprint]bool {
	heads := map[Fingerprint]bool{}
	for _, g := range f.generations {
		start := make([]byte, headLen)
		if n, _ := g.file.ReadAt(start, 0); n > 0 {
			heads[fingerprint(start[:n])] = true
		}
	}
	return heads
}

// takeIfUnseen takes a file that is like nothing that is known. It is false where that cannot be told, or done, yet.
func (f *Follower) takeIfUnseen(s sibling, heads map[Fingerprint]bool) bool {
	// First, for what is half written now may be whole a moment later, and is like nothing that is known.
	if isGzip(s.path) && !isWhole(s.path) {
		return false
	}
	if f.isKnown(s) {
		return true
	}
	head, err := headOfAny(s.path)
	if err != nil {
		return false
	}
	if head.Len > 0 && heads[head] {
		return true
	}
	var from Cursor
	grown := f.grownSince(s)
	if grown >= 0 {
		from = f.finished[grown]
	}
	if !f.takeFrom(from, s) {
		return false
	}
	heads[head] = true
	if grown >= 0 {
		f.finished = slices.DeleteFunc(f.finished, func(c Cursor) bool { return c == from })
	} else {
		f.sink.Rotated("renamed")
	}
	return true
}

// isWhole tells whether a compressed file can be read to its end.
func isWhole(path string) bool {
	content, err := openContent(path)
	if err != nil {
		return false
	}
	defer content.close()
	_, whole := content.fits(Cursor{})
	return whole
}

// A fileState tells a file that has not changed since from all others.
type fileState struct {
	fileID
	path    string
	size    int64
	changed time.Time
}

func stateOf(s sibling) fileState {
	return fileState{idOf(s.info), s.path, s.info.Size(), s.changed}
}

// patience is how long a file that cannot be taken is waited for, from when it last changed.
const patience = time.Minute

// giveUp stops waiting for files that have not changed for too long: they are damaged, or may not be read.
func (f *Follower) giveUp() {
	for state, since := range f.waiting {
		if f.now().Sub(since) < patience || f.givenUp[state] {
			continue
		}
		f.givenUp[state] = true
		f.sink.Gap(GapUnreadable, state.path, 0, -1, "it may be a rotated part of the log, and cannot be read or decompressed")
	}
}

// isWaiting tells whether files are waited for.
func (f *Follower) isWaiting() bool {
	for state := range f.waiting {
		if !f.givenUp[state] {
			return true
		}
	}
	return false
}

// grownSince is which of the generations that were let go has been written since, by a worker that is very late; -1
// where it is none of them.
func (f *Follower) grownSince(s sibling) int {
	return slices.IndexFunc(f.finished, func(c Cursor) bool { return c.Offset > 0 && f.holds(s.path, c, false) })
}

// takeFrom reads or opens a generation from a cursor on; the zero Cursor is its beginning. It is false where the file
// is not whole yet, or is no longer the one that was looked at.
func (f *Follower) takeFrom(c Cursor, s sibling) bool {
	c.Path = s.path
	if isGzip(s.path) {
		return f.restOfGzip(c, s.path)
	}
	file, err := openLog(s.path)
	if err != nil {
		return false
	}
	g := &generation{Cursor: c, file: file, grown: f.now(), size: c.Offset}
	info, err := file.Stat()
	if err != nil || !os.SameFile(info, s.info) || !g.recall() {
		file.Close()
		return false
	}
	g.Dev, g.Ino = identity(info)
	f.insert(g)
	return true
}

// isKnown tells whether a file is a generation that is followed, or was, or a copy of one.
func (f *Follower) isKnown(s sibling) bool {
	for _, g := range f.generations {
		if (fileID{g.Dev, g.Ino}) == idOf(s.info) || g.Head.Len > 0 && f.holds(s.path, g.Cursor, false) {
			return true
		}
	}
	for _, c := range f.finished {
		if c.Offset > 0 && f.holds(s.path, c, true) {
			return true
		}
	}
	return false
}

// holds tells whether a file holds what was read up to a cursor; whole asks that there is nothing behind it.
func (f *Follower) holds(path string, c Cursor, whole bool) bool {
	content, err := openContent(path)
	if err != nil {
		return false
	}
	defer content.close()
	if content.gzip {
		size, fits := content.fits(c)
		return fits && (!whole || size == c.Offset)
	}
	info, err := content.file.Stat()
	return err == nil && info.Size() >= c.Offset && (!whole || info.Size() == c.Offset) && c.fits(content.file)
}

// restOfGzip hands out what a compressed generation holds behind the cursor, if it is that generation. A compressed
// file is never written again: one that can be read to its end is whole.
func (f *Follower) restOfGzip(c Cursor, path string) bool {
	content, err := openContent(path)
	if err != nil {
		return false
	}
	defer content.close()
	size, fits := content.fits(c)
	if !fits {
		return false
	}
	end, err := content.end(size)
	if err != nil {
		return false
	}
	from, err := content.fromStart()
	if err != nil {
		return false
	}
	if _, err := io.CopyN(io.Discard, from, c.Offset); err != nil {
		return false
	}
	g := &generation{Cursor: c}
	if err := f.reader.stream(g, from, f.sink); err != nil {
		f.sink.Gap(GapUnreadable, path, c.Offset, size, err.Error())
	}
	end.Path = path
	f.finish(end)
	return true
}

// readCopy hands out what a truncated generation held behind its cursor, if a copy of it stands beside the log.
func (f *Follower) readCopy(g *generation) bool {
	for _, s := range slices.Backward(f.siblings()) {
		switch {
		case idOf(s.info) == (fileID{g.Dev, g.Ino}), s.info.Size() == 0:
		case isGzip(s.path):
			if f.restOfGzip(g.Cursor, s.path) {
				return true
			}
		case f.restOfCopy(g.Cursor, s):
			return true
		}
	}
	return false
}

// restOfCopy hands out what a plain copy holds behind the cursor, if it is a copy of what that was read from.
func (f *Follower) restOfCopy(c Cursor, s sibling) bool {
	file, err := openLog(s.path)
	if err != nil {
		return false
	}
	defer file.Close()
	copied := &generation{Cursor: c, file: file}
	if !copied.recall() {
		return false
	}
	copied.Path = s.path
	// No checkpoint on the way: the cursor that would be committed is that of the log, not of its copy.
	if err := f.reader.read(copied, s.info.Size(), noCheckpoints{f.sink}); err != nil {
		f.sink.Gap(GapUnreadable, s.path, copied.Offset, s.info.Size(), err.Error())
	}
	f.finish(copied.Cursor)
	return true
}

// noCheckpoints is a Sink for what is no generation of its own.
type noCheckpoints struct{ Sink }

func (noCheckpoints) Checkpoint() {}
