package tail

import (
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Of a file from which nothing has been read, no content is known. Only its inode and its creation time identify it,
// and these do not outlast compression, or a copy of the folder.

// A fileTag identifies a file or folder for as long as it exists, across restarts of the machine, which may renumber
// devices.
type fileTag struct {
	Ino  uint64 `json:"ino"`
	Born int64  `json:"born,omitempty"` // nanoseconds; 0 if the file system does not say
}

// tagOf returns the tag of the file at a path, the zero fileTag if there is none.
func tagOf(path string) fileTag {
	var s unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BTIME|unix.STATX_INO, &s) != nil {
		return fileTag{}
	}
	t := fileTag{Ino: s.Ino}
	if s.Mask&unix.STATX_BTIME != 0 {
		t.Born = s.Btime.Sec*1e9 + int64(s.Btime.Nsec)
	}
	return t
}

func (c *Cursor) tag() fileTag { return fileTag{c.Ino, c.Born} }

// isUnreadAt reports whether a place holds the generation's file, from which nothing has been read. Without creation
// times, only a name that rotation gives makes an inode evidence.
func (g *generation) isUnreadAt(p place) bool {
	if idOf(p.info).ino != g.Ino {
		return false
	}
	if born := p.born(); born != 0 && g.Born != 0 {
		return born == g.Born
	}
	return g.is(p.info) && p.scheme != ""
}

// isAccountedFor reports whether nothing is lost with an unread file that was not found: another generation is that
// file; or what is beside the log shows which file is a copy of it.
func (f *Follower) isAccountedFor(g *generation) bool {
	isKnown := slices.ContainsFunc(f.generations, func(other *generation) bool {
		return other != g && other.tag() == g.tag()
	})
	if isKnown || g.Ino == 0 {
		return true
	}
	around, settled := list(g.base.path)
	if !settled {
		return false
	}
	isCopied := g.base.folder != tagOf(filepath.Dir(g.Path)) // the whole folder, to another disk
	if !g.isCurrent() || g.Listed != atPath {
		p, certain := g.placeNow(around)
		return certain && (isCopied || isCompressed(p.path)) && f.restOfUnread(g, p)
	}
	if g.base.isSearching() {
		return false
	}
	places, certain := g.base.newest.rotated(around)
	if len(places) == 0 { // it is the file at the path, unless the folder was made anew
		return isCopied && g.base.newest.isThere(around)
	}
	// Uncompressed and in the same folder, it would still have its inode. The search for unseen files reads it.
	return certain && (isCopied || slices.ContainsFunc(places, func(p place) bool { return isCompressed(p.path) }))
}

// restOfUnread hands out a file that is certainly a copy of an unread generation, unless it is known.
func (f *Follower) restOfUnread(g *generation, p place) bool {
	if f.isKnownFile(p) {
		return true
	}
	return f.isKnownCopy(p) || f.restOfFile(g, p.path)
}

// placeNow returns the place that the file of a generation must have now, after all rotations since the last listing.
func (g *generation) placeNow(around folder) (at place, certain bool) {
	if at, certain := g.base.between.placeNow(g.between, around); certain {
		return at, true // it is the later listing
	}
	return g.base.newest.placeNow(g.Listed, around)
}

// placeNow returns the present place of what was at a name when the folder was listed.
func (n newest) placeNow(listed string, around folder) (at place, certain bool) {
	if listed == atPath { // of what has come since, it is the oldest
		return n.oldestNew(around)
	}
	scheme, rank, ok := placeOf(filepath.Base(around.real), listed)
	all := around.schemes()[scheme]
	count, certain := n.shift(scheme, all)
	if !ok || !certain {
		return place{}, false
	}
	if scheme == "number" {
		rank -= int64(count)
	}
	i := slices.IndexFunc(all, func(p place) bool { return p.rank == rank })
	if i < 0 || scheme == "number" && around.isBeyondHole(all[i]) {
		return place{}, false
	}
	return all[i], true
}

// findCopied reopens the old files of a folder that was copied to another disk: what came late to them may be unread.
func (f *Follower) findCopied(b *base) {
	if b.folder == (fileTag{}) || b.folder == tagOf(filepath.Dir(realPath(b.path))) {
		return
	}
	for _, g := range f.generations {
		if g.base != b || g.Offset == 0 || g.isCurrent() || g.file != nil || !g.isPlaced() {
			continue
		}
		info, err := os.Stat(g.Path)
		p := place{path: g.Path, info: info}
		switch {
		case err != nil || g.is(info) || f.isOpen(info):
		case g.Offset >= fewestCopied && f.recoverFrom(g, p):
		case info.Size() > g.Offset && !isGzip(g.Path) && fits(p, g):
			f.sink.Gap(GapUncertain, g.Path, g.Offset, info.Size(), "the folder was copied, and of a file with so few "+
				"lines it is uncertain whether it is the one that was read")
		}
	}
}
