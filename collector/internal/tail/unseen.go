package tail

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A search looks for generations that came and went between two listings. It continues while files are being renamed
// or compressed.
type search struct {
	anchor  *generation // the generation read last before; nil if unknown
	waits   map[fileState]time.Time
	givenUp map[fileState]bool

	isFound    bool // anchor was: what came after it has not been read
	isMoving   bool // parts are between two renames
	isListed   bool // it has ended, but for another listing: in the last, parts were between two renames
	isLost     bool // it has been reported that anchor is gone
	isDoubtful bool // it has been reported that it is uncertain which files came after anchor
}

// A fileState distinguishes an unchanged file from all others.
type fileState struct {
	fileID
	path    string
	size    int64
	changed time.Time
}

func stateOf(p place) fileState {
	return fileState{idOf(p.info), p.path, p.info.Size(), p.info.ModTime()}
}

// patience is how long to wait for a file that cannot be read yet, from its last change.
const patience = time.Minute

// findUnseen starts a search for generations that came after anchor and before the present file. All open files have
// been read by then: copies of them are recognized by content.
func (f *Follower) findUnseen(b *base, anchor *generation) {
	if !b.isSearching() {
		b.search = &search{anchor: anchor, waits: map[fileState]time.Time{}, givenUp: map[fileState]bool{}}
	}
}

// isSearching reports whether a search may find more than it has found.
func (b *base) isSearching() bool { return b.search != nil && !b.search.isListed }

// goOnSearching reads the generations that can be read now. The search ends when none is left to wait for.
func (f *Follower) goOnSearching(b *base) {
	s := b.search
	var around folder
	settled := false
	for range maxListings {
		around, settled = f.names.list(b.path)
		if !settled {
			continue
		}
		f.updateNames(around)
		places, doubtful := f.unseen(b, around)
		if settled = around.isStill(b.path); !settled { // what is renamed was missed, or taken for another
			continue
		}
		s.isMoving = f.isBetweenRenames(b, around)
		if s.isMoving {
			f.listBetween(b, around)
		}
		if doubtful && s.isMoving || f.isAwaiting(b) {
			return // the next listing shows more
		}
		if doubtful {
			f.doubt(b)
		}
		waited := s.waits
		s.waits = map[fileState]time.Time{}
		for _, p := range places {
			if ok := f.readPlace(b, p); ok {
				continue
			}
			since, waits := waited[stateOf(p)]
			if !waits {
				since = f.now()
			}
			s.waits[stateOf(p)] = since
		}
		if len(s.waits) == 0 || around.isStill(b.path) {
			break
		}
		settled = false
	}
	f.giveUp(s)
	if settled && len(s.waits) == len(s.givenUp) {
		f.endSearch(b, around)
	}
}

// endSearch ends a search and records the listing. While parts are being renamed, there will be another.
func (f *Follower) endSearch(b *base, around folder) {
	if b.search.isMoving {
		f.useBetween(b, around)
		b.search.isListed = true
		return
	}
	b.search = nil
	f.saveListing(b, around)
}

// doubt reports, once in a search, that it is uncertain what is beside a log.
func (f *Follower) doubt(b *base) {
	if b.search.isDoubtful {
		return
	}
	b.search.isDoubtful = true
	cause := "the followed file is gone, and it is uncertain which of the rotated files beside the log came after " +
		"it, and whether others did; those of which it is uncertain are not counted"
	if b.hasCome() {
		cause = "the glob has not had this log before, and it is uncertain which of the rotated files beside it came " +
			"since files were last looked for; those of which it is uncertain are not counted"
	}
	f.sink.Gap(GapUncertain, b.path, 0, -1, cause)
}

// updateNames records the present names of old generations, so that a very late worker's lines are found.
func (f *Follower) updateNames(around folder) {
	for _, g := range f.generations {
		if g.isCurrent() {
			continue
		}
		for _, p := range around.files {
			if g.is(p.info) && (g.file != nil || g.wasBornAs(p.path)) {
				g.Path = p.path
			}
		}
	}
}

// giveUp stops waiting for files that have been unchanged for too long: they are damaged, or unreadable.
func (f *Follower) giveUp(s *search) {
	maps.DeleteFunc(s.givenUp, func(state fileState, _ bool) bool { return s.waits[state].IsZero() })
	for state, since := range s.waits {
		if s.givenUp[state] || f.now().Sub(since) < patience && !isOtherwiseCompressed(state.path) {
			continue
		}
		s.givenUp[state] = true
		f.sink.Gap(GapUnreadable, state.path, 0, -1, "it is a rotated part of the log but cannot be read or "+
			"decompressed")
	}
}

// unseen returns the places that must hold generations that were never read, the oldest first. A place qualifies if,
// in the order of its scheme, it comes before what was known at the last listing. With doubtful, it is uncertain
// whether there are any.
func (f *Follower) unseen(b *base, around folder) (places []place, doubtful bool) {
	if b.hasCome() {
		return f.cameSince(b, around)
	}
	schemes := around.schemes()
	anchor := b.search.anchor
	at, found := f.whereIs(anchor, around)
	if anchor != nil && anchor.Offset == 0 {
		anchor, at, found = nil, place{}, false // it may have been filled, copied and truncated
	}
	b.search.isFound = found
	isProven := false
	for _, scheme := range slices.Sorted(maps.Keys(schemes)) {
		all := schemes[scheme]
		n, certain := b.newest.since(scheme, all)
		if anchor != nil && anchor.removed && b.newest.isOnlyEmpty(scheme, all) {
			certain = false // the log was followed all the time: what was seen is there, or was rotated away
		}
		if found && at.scheme == scheme {
			n, certain = slices.IndexFunc(all, func(p place) bool { return p.rank == at.rank }), true
		}
		// The first rotation shows the log's scheme. Later files of another scheme are not the log's.
		isFirst := b.newest != nil && len(b.newest) == 0 && at.scheme == "" && (anchor == nil || found)
		if !certain && !isFirst {
			isUsed := len(b.newest[scheme]) > 0 || len(b.newest) == 0 && b.newest != nil
			n = 0
			if isUsed {
				n = f.inOrder(b, all)
			}
			isProven = isProven || n > 0
			isKnown := len(b.newest[scheme]) > 0 || len(b.newest) == 0 && anchor != nil
			doubtful = doubtful || isKnown &&
				slices.ContainsFunc(all[n:], func(p place) bool { return !f.isKnownFile(p) })
		}
		for _, p := range all[:max(0, n)] {
			if certain || !p.info.ModTime().Before(b.since) { // somebody put there what is older
				places = append(places, p)
			}
		}
	}
	slices.SortStableFunc(places, func(x, y place) int { return x.info.ModTime().Compare(y.info.ModTime()) })
	switch {
	case isProven:
		return places, doubtful || anchor != nil && anchor.file != nil // more may have come between
	case found:
		isMore := (b.isAlike || isAlike(at)) && b.newest.hasMoreThan(schemes[at.scheme], at)
		return places, at.scheme != "" && isMore || f.hasLater(anchor, around)
	case len(places) > 0 && (anchor == nil || anchor.wasRotated()):
		return places, false
	case len(places) > 0 && isAlike(places[0]):
		return nil, true // it may have been emptied and filled again before
	case len(places) > 0:
		return places[1:], false // the oldest is the anchor, rewritten
	}
	return nil, doubtful && !(b.search.isLost && f.areRewritten(b, b.search.anchor, schemes))
}

// whereIs finds the place of a generation by its name, its inode or its content. If its file was moved elsewhere, it
// is found without a place.
func (f *Follower) whereIs(g *generation, around folder) (at place, found bool) {
	if g == nil {
		return place{}, false
	}
	for _, p := range around.files {
		if p.scheme != "" && g.is(p.info) && (g.file != nil && !g.removed || g.Offset > 0 && f.holds(p, g)) {
			return p, true
		}
	}
	if g.hasName() {
		return place{}, true
	}
	if g.Offset == 0 {
		return place{}, false
	}
	for _, p := range around.copies() {
		if p.scheme != "" && p.path != around.real && f.holds(p, g) {
			f.adopt(p, g)
			return p, true
		}
	}
	for _, p := range around.copies() {
		if p.scheme != "" && p.path != around.real && !f.isOpen(p.info) && f.isEdited(p, g) {
			return p, true
		}
	}
	return place{}, false
}

// isEdited reports whether a file holds the last lines counted of a generation, among others.
func (f *Follower) isEdited(p place, g *generation) bool {
	content, err := openContent(p.path)
	if err != nil || content.gzip {
		return false
	}
	defer content.close()
	m, _ := g.trace(content.file, content.info.Size())
	return m == edited
}

// adopt follows a copy of a generation that took its place and was rotated before it was seen.
func (f *Follower) adopt(p place, g *generation) {
	isFollowed := slices.ContainsFunc(f.generations, func(g *generation) bool {
		return g.is(p.info) && (g.file != nil || g.isStill(p.info) || g.wasBornAs(p.path) && f.holds(p, g))
	})
	if isFollowed || isGzip(p.path) && f.isKnownFile(p) {
		return
	}
	if isGzip(p.path) {
		c := &generation{Cursor: g.cursor(), base: g.base, grown: f.now()}
		if f.restOfFile(c, p.path) {
			f.insert(c)
		}
		return
	}
	file, info, err := openLog(p.path)
	if err != nil {
		return
	}
	c := &generation{Cursor: Cursor{Path: p.path, Base: g.Base}, base: g.base, file: file, grown: f.now()}
	c.identify(info)
	if !os.SameFile(info, p.info) || c.goTo(g.Offset) != nil || !f.take(file, info, true) {
		file.Close()
		return
	}
	f.insert(c)
	f.opened = true
}

// fits reports whether a place holds everything that was counted of a generation. So may another file, if lines are
// alike.
func fits(p place, g *generation) bool {
	content, err := openContent(p.path)
	if err != nil {
		return false
	}
	defer content.close()
	return content.holds(g.cursor())
}

// holds reports whether a file is certainly that of a generation, or a copy of it, with everything that was counted.
func (f *Follower) holds(p place, g *generation) bool {
	content, err := openContent(p.path)
	if err != nil {
		return false
	}
	defer content.close()
	return content.holds(g.cursor()) && content.isFileOf(g)
}

// inOrder returns how many of the places, the newest first, are certainly generations that came and went, although
// nothing of the last listing is left: each was created before the one that followed it at the log's path.
// What is rewritten, compressed or restored is created after that.
func (f *Follower) inOrder(b *base, places []place) (n int) {
	if b.current == nil || b.folder == (fileTag{}) || b.folder != tagOf(filepath.Dir(realPath(b.path))) {
		return 0
	}
	next := b.current.Born
	for _, p := range places {
		born := p.born()
		if born == 0 || born >= next || isCompressed(p.path) {
			break
		}
		n, next = n+1, born
	}
	return n
}

// areRewritten reports whether all unknown places were created after the present file. A generation that was renamed is
// older than the present file; a younger one was rewritten or compressed. So is a copy of the present file, as it was
// before it was emptied: where no gap has been reported, its age says nothing.
func (f *Follower) areRewritten(b *base, anchor *generation, schemes map[string][]place) bool {
	if b.current == nil || b.current.file == nil {
		return false
	}
	current, found := birth(descriptorPath(b.current.file))
	mayBeNew := func(p place) bool {
		born, ok := birth(p.path)
		return !f.isKnownFile(p) && (!found || !ok || !born.After(current))
	}
	mayBeCopy := func(p place) bool { return isAlike(p) || anchor != nil && fits(p, anchor) }
	for _, places := range schemes {
		if slices.ContainsFunc(places, mayBeNew) || slices.ContainsFunc(places, mayBeCopy) {
			return false
		}
	}
	return true
}

// birth returns when a file was created, if its file system says.
func birth(path string) (time.Time, bool) {
	born, _, ok := birthOf(path)
	return born, ok
}

// born returns when a place's file was created, in nanoseconds; 0 if the file system does not say, or the name is
// another file's by now.
func (p place) born() int64 {
	if born, ino, ok := birthOf(p.path); ok && ino == idOf(p.info).ino {
		return born.UnixNano()
	}
	return 0
}

func birthOf(path string) (born time.Time, ino uint64, ok bool) {
	var s unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BTIME|unix.STATX_INO, &s)
	if err != nil || s.Mask&unix.STATX_BTIME == 0 {
		return time.Time{}, 0, false
	}
	return time.Unix(s.Btime.Sec, int64(s.Btime.Nsec)), s.Ino, true
}

// readPlace reads a generation that has not been seen. It returns false if that is not possible, or uncertain, yet.
func (f *Follower) readPlace(b *base, p place) (ok bool) {
	if f.isKnownFile(p) {
		return true
	}
	if isOtherwiseCompressed(p.path) {
		return false
	}
	content, err := openContent(p.path)
	if err != nil {
		return false
	}
	g := &generation{Cursor: Cursor{Path: p.path, Base: b.path}, base: b, grown: f.now()}
	keep := false
	defer func() {
		if !keep {
			content.close()
		}
	}()
	// It may have been renamed meanwhile; and what is incomplete now may be complete a moment later.
	if !os.SameFile(content.info, p.info) || !content.isIntact() {
		return false
	}
	if f.isKnownContent(content) {
		return true
	}
	if known, doubtful := f.isKnownByPlace(b, p, content); known || doubtful {
		if doubtful && b.search.isMoving {
			return false
		}
		if doubtful {
			f.doubt(b)
		}
		return true
	}
	if !f.takePlace(b, content.file, content.info, p.path) {
		return true
	}
	f.sink.Rotated("renamed")
	if content.gzip {
		f.restOf(g, content)
	} else {
		keep, g.file, f.opened = true, content.file, true
		g.identify(content.info)
	}
	f.insert(g)
	return true
}
