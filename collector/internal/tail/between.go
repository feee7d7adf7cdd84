package tail

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// Rotation gives numbered parts the next number one after the other, the oldest first: between two of its renames one
// number is missing, and no place is certain. What is in doubt then is looked at again a moment later.

// isMissingOne reports whether one number is missing among the numbered parts.
func (f folder) isMissingOne() bool {
	all := f.schemes()["number"]
	if len(all) == 0 {
		return false
	}
	lowest, highest := min(1, -all[0].rank), -all[len(all)-1].rank
	return highest-lowest == int64(len(all))
}

// isBetweenRenames reports whether a base's parts may be between two renames of a rotation. Where a number is missing
// for longer, somebody has deleted a part.
func (f *Follower) isBetweenRenames(b *base, around folder) bool {
	now := f.now()
	switch {
	case !around.isMissingOne():
		b.missing = time.Time{}
		return false
	case b.missing.IsZero():
		b.missing = now
	}
	since := now.Sub(b.missing)
	return since >= 0 && since < verified
}

// listBetween records a listing that was made between two renames beside the last one, as if the rotation had not
// begun: it has moved the parts behind the missing number, and will move the others.
func (f *Follower) listBetween(b *base, around folder) {
	b.between = newestOf(around)
	for i, seen := range b.between["number"] {
		if around.isBehindMissing(seen.Rank) {
			b.between["number"][i].Rank++
		}
	}
	for _, g := range f.generations {
		switch {
		case g.base != b:
		case g.awaited:
			g.between = "" // it is not known what its file holds
		default:
			g.between = g.nameBefore(around)
		}
	}
}

// useBetween makes that listing the last one.
func (f *Follower) useBetween(b *base, around folder) {
	f.listBetween(b, around)
	newest := b.between
	f.saveListing(b, around)
	b.newest = newest
	for _, g := range f.generations {
		if g.base == b {
			g.Listed = g.between
		}
	}
}

// unlist forgets where a generation was.
func (g *generation) unlist() { g.Listed, g.between = "", "" }

// nameBefore is nameIn before the rotation in progress.
func (g *generation) nameBefore(around folder) string {
	base := filepath.Base(around.real)
	if i := slices.IndexFunc(around.files, g.isAt); i >= 0 {
		at := around.files[i]
		if at.scheme == "number" && around.isBehindMissing(at.rank) {
			return numberedName(base, -at.rank-1)
		}
		return g.nameIn(around)
	}
	scheme, rank, ok := placeOf(base, g.Listed)
	rotations, certain := g.base.newest.proven("number", around.schemes()["number"])
	if !ok || scheme != "number" || !certain {
		return g.nameIn(around)
	}
	return numberedName(base, int64(rotations)-rank)
}

// isBehindMissing reports whether the missing number is lower than that of a numbered place.
func (f folder) isBehindMissing(rank int64) bool {
	return f.isBeyondHole(place{rank: rank}) || f.schemes()["number"][0].rank < -1
}

func numberedName(base string, number int64) string { return fmt.Sprintf("%s.%d", base, number) }

// comesLater reports whether a file that has appeared at a base's path is to be looked at again with the next read: the
// one before is not found, and parts are being renamed.
func (f *Follower) comesLater(b *base, info fs.FileInfo) bool {
	before := b.current
	return before != nil && before.file == nil && !before.finished && !f.isOpen(info) && !f.recover(before) &&
		!before.Ended && f.isBetweenRenames(b, f.names.listOnce(b.path, isRelated))
}

// lostForNow is lost, but while a rotation renames the parts, the generation is looked for again.
func (f *Follower) lostForNow(g *generation) {
	g.awaited = !g.Ended && f.isBetweenRenames(g.base, f.names.listOnce(g.base.path, isRelated))
	if !g.awaited {
		f.lost(g)
	}
}

// rewrittenLater reports whether a file that no longer holds what was counted is to be looked at again: parts are being
// renamed, of which one may be its copy.
func (f *Follower) rewrittenLater(g *generation) bool {
	g.awaited = f.isBetweenRenames(g.base, f.names.listOnce(g.base.path, isRelated))
	if g.awaited {
		g.changed = time.Time{} // it will seem to have changed
	}
	return g.awaited
}

// lookAgain looks for the generations that were not found while a rotation renamed the parts.
func (f *Follower) lookAgain() {
	for _, g := range f.generations {
		if !g.awaited || g.file != nil {
			continue
		}
		g.awaited = false
		if !g.isCurrent() && !g.finished && !f.recover(g) { // a current one is looked for at its path
			f.lostForNow(g)
		}
	}
}

// isAwaiting reports whether a generation of a base is to be looked for again.
func (f *Follower) isAwaiting(b *base) bool {
	return slices.ContainsFunc(f.generations, func(g *generation) bool { return g.base == b && g.awaited })
}
