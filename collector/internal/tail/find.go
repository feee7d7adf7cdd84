package tail

import (
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
		f.done[fileID{c.Dev, c.Ino}] = doneFile{Cursor: c, size: -1}
	}
	// Those of which something was read first: an inode alone may belong to a copy of one of them by now.
	for _, unread := range []bool{false, true} {
		for _, c := range p.Cursors {
			if unread == (c.Head.Len == 0) {
				f.resume(c)
			}
		}
	}
	f.takeUnseen(seen)
	if f.isWaiting() {
		f.seen = seen
	}
	// What stands at the path now is opened at once: it may be renamed before the first Read, which tells what is
	// wrong with it.
	_ = f.discover()
}

// resume finds a saved generation under whatever name it has now, and opens it, or reads the rest of it.
func (f *Follower) resume(c Cursor) {
	if found, _ := f.search(func(siblings []sibling) bool { return f.find(c, siblings) }); found {
		return
	}
	if c.Head.Len == 0 {
		return
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
		return f.resumeUnread(c, siblings)
	}
	for _, path := range candidates(c, f.path, siblings) {
		if isGzip(path) {
			if f.restOfFile(c, path) {
				return true
			}
			continue
		}
		file, info, err := openLog(path)
		if err != nil {
			continue
		}
		g := &generation{Cursor: c, file: file, grown: f.now(), size: c.Offset}
		if !info.Mode().IsRegular() || f.isOpen(info) || !g.recall() {
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
func (f *Follower) resumeUnread(c Cursor, siblings []sibling) bool {
	for _, s := range siblings {
		if idOf(s.info) != (fileID{c.Dev, c.Ino}) || isGzip(s.path) || f.isOpen(s.info) {
			continue
		}
		content, err := openContent(s.path)
		if err != nil {
			return false
		}
		if !os.SameFile(content.info, s.info) || f.isKnown(content) {
			content.close()
			return false
		}
		g := &generation{Cursor: Cursor{Path: s.path}, file: content.file, grown: f.now()}
		g.Dev, g.Ino = identity(content.info)
		f.generations = append(f.generations, g)
		return true
	}
	return false
}

// opened is the generation that a file is, nil where it is none.
func (f *Follower) opened(info fs.FileInfo) *generation {
	for _, g := range f.generations {
		if (fileID{g.Dev, g.Ino}) == idOf(info) {
			return g
		}
	}
	return nil
}

func (f *Follower) isOpen(info fs.FileInfo) bool { return f.opened(info) != nil }

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
// is just being compressed, is waited for: the next look goes back as far as this one.
func (f *Follower) takeUnseen(seen time.Time) {
	_, settled := f.search(func(siblings []sibling) bool {
		f.takeUnseenOf(siblings, seen)
		return false
	})
	f.unsettled = !settled
}

func (f *Follower) takeUnseenOf(siblings []sibling, seen time.Time) {
	heads := f.heads()
	current, _ := os.Stat(f.path)
	waited := f.waiting
	f.waiting = map[fileState]time.Time{}
	for _, s := range plainFirst(siblings) {
		isPast := s.changed.Before(seen.Add(-clockSlack))
		isCurrent := current != nil && os.SameFile(current, s.info)
		if !s.rotated || isPast || isCurrent || f.isGlob && !isGzip(s.path) || f.isOpen(s.info) {
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
	content, err := openContent(s.path)
	if err != nil {
		return false
	}
	taken := false
	defer func() {
		if !taken {
			content.close()
		}
	}()
	switch {
	case !os.SameFile(content.info, s.info): // it was renamed meanwhile, and is looked for again
		return false
	case !content.isWhole(): // first, for what is half written now may be whole a moment later, and is like nothing that is known
		return false
	case f.isKnown(content):
		return true
	}
	start, err := content.start(headLen)
	if err != nil {
		return false
	}
	head := fingerprint(start)
	if head.Len > 0 && heads[head] {
		return true
	}
	heads[head] = true
	var from Cursor
	if grown := f.grownSince(content); grown >= 0 {
		from = f.finished[grown]
		f.finished = slices.Delete(f.finished, grown, grown+1)
	} else {
		f.sink.Rotated("renamed")
	}
	taken = f.take(from, s.path, content)
	return true
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

// isWaiting tells whether files must be looked for again.
func (f *Follower) isWaiting() bool {
	for state := range f.waiting {
		if !f.givenUp[state] {
			return true
		}
	}
	return f.unsettled
}

// grownSince is which of the generations that were let go has been written since, by a worker that is very late; -1
// where it is none of them.
func (f *Follower) grownSince(content *content) int {
	return slices.IndexFunc(f.finished, func(c Cursor) bool { return c.Offset > 0 && content.holds(c) })
}

// take reads or opens a generation from a cursor on; the zero Cursor is its beginning. It tells whether the file is
// kept open.
func (f *Follower) take(c Cursor, path string, content *content) (opened bool) {
	c.Path = path
	g := &generation{Cursor: c, file: content.file, grown: f.now(), size: c.Offset}
	if content.gzip || !g.recall() {
		f.restOf(c, content)
		return false
	}
	g.Dev, g.Ino = identity(content.info)
	f.insert(g)
	return true
}

// isKnown tells whether a file is a copy of a generation that is followed, or one that was, and nothing more.
func (f *Follower) isKnown(content *content) bool {
	for _, g := range f.generations {
		if g.Head.Len > 0 && content.holds(g.Cursor) {
			return true
		}
	}
	for _, c := range f.finished {
		if c.Offset == 0 {
			continue
		}
		if size, fits := content.fits(c); fits && size == c.Offset {
			return true
		}
	}
	return false
}

// readCopy hands out what a truncated generation held behind its cursor, if a copy of it stands beside the log.
func (f *Follower) readCopy(g *generation) bool {
	found, _ := f.search(func(siblings []sibling) bool {
		for _, s := range slices.Backward(siblings) {
			if idOf(s.info) != (fileID{g.Dev, g.Ino}) && s.info.Size() > 0 && f.restOfFile(g.Cursor, s.path) {
				return true
			}
		}
		return false
	})
	return found
}

// restOfFile hands out what a file holds behind the cursor, if it holds what that was read from.
func (f *Follower) restOfFile(c Cursor, path string) bool {
	content, err := openContent(path)
	if err != nil {
		return false
	}
	defer content.close()
	if _, fits := content.fits(c); !fits {
		return false
	}
	c.Path = path
	f.restOf(c, content)
	return true
}

// restOf hands out what a content holds behind the cursor. It is not followed further: a copy is not written, nor is
// what has been compressed.
func (f *Follower) restOf(c Cursor, content *content) {
	g, rest, err := content.after(c)
	if err == nil {
		// No checkpoint on the way: the cursor that would be committed is that of the log, not of its copy.
		err = f.reader.read(g, rest, noCheckpoints{f.sink})
		c = g.Cursor
	}
	if err != nil {
		f.sink.Gap(GapUnreadable, c.Path, c.Offset, -1, err.Error())
	}
	f.finish(c)
}

// noCheckpoints is a Sink for what is no generation of its own.
type noCheckpoints struct{ Sink }

func (noCheckpoints) Checkpoint() {}
