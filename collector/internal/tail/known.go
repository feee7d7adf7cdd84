package tail

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// isKnownFile reports whether a file is open, or has been read and is unchanged. An inode alone is not evidence: it is
// reused, and in a copied folder all are new.
func (f *Follower) isKnownFile(p place) bool {
	return slices.ContainsFunc(f.generations, func(g *generation) bool {
		return g.is(p.info) && (g.file != nil || g.isStill(p.info) || g.Offset > 0 && f.holds(p, g))
	})
}

// isKnownContent reports whether a content is that of a generation that has been read, or a part of one.
func (f *Follower) isKnownContent(content *content) bool {
	start, err := content.start(sampled)
	if err != nil {
		return false
	}
	head := start[:min(len(start), headLen)]
	seen := f.compare(bytes.NewReader(head), 0, int64(len(head)))
	return slices.ContainsFunc(f.generations, func(g *generation) bool {
		if !seen.mayHold(g) {
			return false
		}
		m, at := g.trace(bytes.NewReader(head), int64(len(head)))
		if m == begins || m == ambiguous {
			at = g.common(bytes.NewReader(head), int64(len(head)))
		}
		switch {
		case m == other || m == edited && !isRichText(head[:min(g.Offset, int64(len(head)))]):
			return false
		case g.like(beginningIn(start, at)).isRich():
			return !g.isFound() || !f.isNewStart(g, start)
		}
		return m != edited && f.isKnownFurther(g, content)
	})
}

// isNewStart reports whether a file that is certainly another one may begin with new lines that are like those of a
// generation.
func (f *Follower) isNewStart(g *generation, start []byte) bool {
	common := g.common(bytes.NewReader(start), int64(len(start)))
	return g.like(beginningIn(start, common)).mayBeNew()
}

// isKnownFurther reports the same of a content that begins as a generation does, with lines of one second that come
// again: what both have may be of more than that second.
func (f *Follower) isKnownFurther(g *generation, content *content) bool {
	start, err := content.start(busySecond)
	if err != nil {
		return false
	}
	common := g.common(bytes.NewReader(start), int64(len(start)))
	return g.like(beginningIn(start, common)).isRich()
}

// isKnownByPlace reports whether a content whose lines are alike is that of a generation that has been read and is not
// found as a file any more. Where the place does not show it, it is doubtful.
func (f *Follower) isKnownByPlace(b *base, p place, content *content) (known, doubtful bool) {
	start, err := content.start(headLen)
	if err != nil {
		return false, false
	}
	isNew := b.search.isFound || b.isNew(p)
	seen := f.compare(bytes.NewReader(start), 0, int64(len(start)))
	for _, g := range f.generations {
		if g.Offset == 0 || !seen.beginsAs(g.Head) {
			continue // most, without decompressing the content for each
		}
		size, fits := content.fits(g.cursor())
		if !fits || g.isFound() {
			continue
		}
		if content.isRich(g.Offset) {
			return true, false
		}
		if isNew && size != g.Offset {
			continue
		}
		if g.isPlacedAt(content) {
			return true, false
		}
		doubtful = true
	}
	return false, doubtful
}

// isNew reports whether a place has certainly come since the last listing.
func (b *base) isNew(p place) bool {
	all := listOnce(b.path, isRelated).schemes()[p.scheme]
	count, certain := b.newest.proven(p.scheme, all)
	return certain && slices.ContainsFunc(all[:count], func(new place) bool { return os.SameFile(new.info, p.info) })
}

// isFound reports whether a generation's file is still there.
func (g *generation) isFound() bool {
	if g.file != nil {
		return g.hasName()
	}
	info, err := os.Stat(g.Path)
	return err == nil && !g.Removed && idOf(info).ino == g.Ino && g.wasBornAs(g.Path)
}

// isAlike reports whether a place holds lines that another file may hold, too.
func isAlike(p place) bool {
	content, err := openContent(p.path)
	if err != nil {
		return false
	}
	defer content.close()
	b := content.beginning(sampled)
	return len(b.sample) > 0 && !b.isRich()
}

// hasLater reports whether there is an unknown file whose name is later than that of a generation, where this was
// renamed to another folder (olddir) or by a scheme that is not known (dateformat -%Y-%m-%d). It may be a file of the
// log that came and went unseen.
func (f *Follower) hasLater(g *generation, around folder) bool {
	dir, name := filepath.Split(g.Path)
	base := filepath.Base(around.real)
	scheme, rank, isPlace := placeOf(base, name)
	if filepath.Clean(dir) != filepath.Dir(around.real) {
		around = listOnce(filepath.Join(dir, base), isRelated)
	} else if isPlace || name == base {
		return false
	}
	return slices.ContainsFunc(around.files, func(p place) bool {
		isLater := isPlace && p.scheme == scheme && p.rank > rank ||
			!isPlace && p.scheme == "" && isLaterName(filepath.Base(p.path), name)
		return isLater && !f.isKnownFile(p) && !f.isKnownCopy(p) && !f.hasOther(p)
	})
}

// isKnownCopy reports whether a place holds what has been read.
func (f *Follower) isKnownCopy(p place) bool {
	content, err := openContent(p.path)
	if err != nil {
		return false
	}
	defer content.close()
	return f.isKnownContent(content)
}

var digit = regexp.MustCompile(`[0-9]`)

// isLaterName reports whether a name differs from another in its digits only, and is greater.
func isLaterName(name, other string) bool {
	name, other = uncompressed(name), uncompressed(other)
	return name > other && digit.ReplaceAllString(name, "0") == digit.ReplaceAllString(other, "0")
}
