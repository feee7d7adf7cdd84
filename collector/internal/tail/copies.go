package tail

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// A new file of a glob may be a copy of one that this log or another has counted, and may still grow into one. Nothing
// of it is handed out as long as it holds only what was counted. What it holds beyond that is new once the log of the
// original has counted all there was, and has not found the rest to be its own.

// sameSecond is in which time two logs may begin with like lines, each of them written when it was made.
const sameSecond = 2 * time.Second

// apart returns how long before a file was made what it begins with must have been counted, if it has few lines.
func (f *Follower) apart() int64 {
	if f.owners != nil && f.owners.Apart > 0 {
		return int64(f.owners.Apart)
	}
	return int64(sameSecond)
}

// A wait is for what makes certain whether a file is a copy.
type wait struct {
	since time.Time
	look  uint64 // the last one of all logs when the file was last seen to change
	size  int64  // its size then
}

// A likeness is what a new file may be of one that was counted.
type likeness int

const (
	isNew     likeness = iota
	mayBeCopy          // it begins as a copy, and what of the rest was counted is uncertain
	isCopy
)

// passCopied skips what has been counted of a file from which nothing was handed out, and reports whether the rest has
// to wait.
func (f *Follower) passCopied(g *generation, touched bool) (wait bool) {
	if g.unused && touched {
		g.unused = false
		return !f.use(g)
	}
	if g.Offset > 0 && !g.Copied || !touched && g.waits == nil {
		return false
	}
	before := g.Offset
	_ = f.passCounted(g)
	if g.Offset > before {
		f.sink.Moved()
	}
	if g.Offset > 0 && !g.Copied {
		return false
	}
	if g.Copied && !g.hasLine() {
		g.waits = nil
		return true
	}
	return g.grows || f.waitsForOwn(g, touched) || f.passOthers(g, touched) || !f.use(g)
}

// An ownCopy is how a file relates to others of the log.
type ownCopy struct {
	counted  int64       // bytes that certainly were, as part of copied
	copied   *generation // nil: none
	doubtful int64       // bytes that may have been, as part of like
	like     *generation
}

// ownLike compares a file with the others of the log.
func (f *Follower) ownLike(g *generation, size int64) (own ownCopy) {
	own.counted = g.Offset
	if !slices.ContainsFunc(f.generations, func(other *generation) bool { return other != g }) {
		return own // as at the start of most logs, of which there may be a thousand
	}
	seen, start := f.compare(g.file, g.Offset, size), f.startOf(g)
	for _, original := range f.generations {
		if original == g || g.Copied && original.First != g.First && original.First != 0 || g.isBeside(original) {
			continue
		}
		at, isCopy := int64(0), false
		if original.Offset >= fewestCopied && seen.mayHold(original) {
			at, isCopy = f.copyOf(original, g)
		}
		if at == 0 {
			at, isCopy = f.shortCopyOf(original, g, start)
		}
		switch {
		case isCopy && at >= own.counted:
			own.counted, own.copied = at, original
		case isCopy || at == 0:
		default:
			c := original.cursor()
			if at := cmp.Or(c.lastMark(g.file, at), at); at > own.doubtful {
				own.doubtful, own.like = at, original
			}
		}
	}
	return own
}

// goToCopied goes behind what a file has in common with another of the log. What comes next may be more of the copy, if
// the file was made when its beginning had been counted: else both may be written.
func (g *generation) goToCopied(original *generation, offset int64) error {
	if offset > g.Offset {
		if err := g.goTo(offset); err != nil {
			return err
		}
	}
	g.Copied = g.Born != 0 && original.countedBefore(g.Born) > 0
	g.original = original
	return nil
}

// hasLine reports whether a file holds a line beyond what was passed.
func (g *generation) hasLine() bool {
	n := min(g.size-g.Offset, MaxLine)
	return n == MaxLine || n > 0 && bytes.IndexByte(readAt(g.file, g.Offset, n), '\n') >= 0
}

// startOf returns what a glob's new file begins with, nothing if that has no time.
func (f *Follower) startOf(g *generation) (start []byte) {
	if f.isGlob && (g.Offset == 0 || g.Copied) {
		start = readAt(g.file, 0, headLen)
	}
	if b := (beginning{head: start}); !b.isTimed() {
		return nil
	}
	return start
}

// isBeside reports whether a file of a glob is a log for itself beside another, however alike they are: it was made
// before anything of that was counted. Earlier versions did not record when that was.
func (g *generation) isBeside(other *generation) bool {
	return g.base != other.base && g.Born != 0 && len(other.Counted) > 0 && other.countedBefore(g.Born) == 0
}

// shortCopyOf is copyOf of a file that is certainly a copy, although it has few lines: it was made seconds after what
// it begins with had been counted.
func (f *Follower) shortCopyOf(original, g *generation, start []byte) (at int64, isCertain bool) {
	if start == nil || original.First != firstLine(start) || original.First == 0 {
		return 0, false
	}
	info, err := g.file.Stat()
	if err != nil {
		return 0, false
	}
	now := *g
	now.size = info.Size()
	if o := original.originalOf(&now, f.apart()); o.likeness == isCopy {
		return o.at, true
	}
	return 0, false
}

// mayGrow reports whether a file that begins like another, which is gone, may become a copy of it that is being made.
func (f *Follower) mayGrow(g, like *generation) bool {
	info, err := g.file.Stat()
	if err != nil || !f.isGlob || g.Offset > 0 || info.Size() >= like.Offset || like.isFound() {
		return false
	}
	if g.waits == nil || g.waits.size != info.Size() {
		g.waits = &wait{since: f.now(), size: info.Size()}
	}
	return f.now().Sub(g.waits.since) < patience
}

// waitsForOwn reports whether what a file holds beyond a copy has to wait for the log's own files: they may have got it
// before it was copied, since they were last read. A file that is written all the time does not wait for long.
func (f *Follower) waitsForOwn(g *generation, touched bool) bool {
	original := g.original
	if original != nil && touched && original.isCurrent() && original.file != nil && !original.removed &&
		!f.hasWaited(g) {
		f.waitFor(g)
		return true
	}
	return false
}

// waitFor begins to wait, or records that a file which waits has changed.
func (f *Follower) waitFor(g *generation) {
	if g.waits == nil {
		g.waits = &wait{since: f.now()}
	}
	g.waits.size = g.size
	if f.owners != nil {
		g.waits.look = f.owners.beginLook()
	}
}

// hasWaited reports whether a file has waited while all logs were looked at more than once.
func (f *Follower) hasWaited(g *generation) bool {
	return g.waits != nil && f.now().Sub(g.waits.since) >= verified
}

// passOthers skips what other logs have counted of a glob's file.
func (f *Follower) passOthers(g *generation, touched bool) (wait bool) {
	if f.owners == nil || !f.isPattern {
		return false
	}
	switch o := f.originalOf(g); o.likeness {
	case isCopy:
		if o.at > g.Offset && g.goTo(o.at) == nil {
			f.sink.Moved()
		}
		g.Copied = true
		if !g.hasLine() {
			g.waits = nil
			return true
		}
		return f.waitsForCopied(g, o, touched)
	case mayBeCopy:
		return f.waitsForLike(g)
	}
	return false
}

// waitsForCopied reports whether what a file holds beyond the copy of another's file has to wait.
func (f *Follower) waitsForCopied(g *generation, o original, touched bool) bool {
	switch {
	case g.waits != nil && (!touched || f.hasWaited(g)) && f.owners.haveLooked(o.logs, g.waits.look):
		return false
	case g.waits == nil || touched && !f.hasWaited(g):
		f.waitFor(g)
	case f.now().Sub(g.waits.since) >= patience:
		_ = f.passAll(g, "the file is a copy of one of another log, which does not say what it has counted")
		g.Copied = true
	}
	return true
}

// waitsForLike reports whether a file has to wait that begins as a copy: it may still be made.
func (f *Follower) waitsForLike(g *generation) bool {
	if g.waits == nil {
		f.waitFor(g)
		return true
	}
	if f.now().Sub(g.waits.since) < patience {
		return true
	}
	_ = f.passAll(g, "the file begins as a copy of one of another log, and goes on otherwise")
	return false
}

// use reports whether what is in a file may be counted from now on: another log may have found that it is its own.
func (f *Follower) use(g *generation) bool {
	g.Copied, g.waits, g.original = false, nil, nil
	file, ok := f.ownedBy(g)
	if !ok || f.owners == nil || f.owners.use(f, file) {
		return true
	}
	g.Copied = true // until it is dropped
	return false
}

// dropTaken drops the files that others have found to be their own.
func (f *Follower) dropTaken() {
	if f.owners == nil {
		return
	}
	for _, file := range f.owners.takenFrom(f) {
		f.generations = slices.DeleteFunc(f.generations, func(g *generation) bool {
			owned, ok := f.ownedBy(g)
			if !ok || owned != file {
				return false
			}
			f.others[g.tag()] = othersFile{had: f.now(), seen: f.now()}
			if g.isCurrent() {
				g.base.current, g.base.others = nil, g.tag()
			}
			g.close()
			f.sink.Moved()
			return true
		})
		delete(f.owned, file)
	}
}

// An original is a file of another log that one of a glob is like.
type original struct {
	likeness
	of   *counted
	logs []string // that have such a file
	at   int64    // how much of it was counted in the glob's file
}

// originalOf returns the file of another log that a glob's file is like most.
func (f *Follower) originalOf(g *generation) (best original) {
	b := beginningOf(g.file, g.size)
	line := firstLine(b.head)
	if line == 0 || !isRichText(b.head) && !b.isTimed() {
		return original{}
	}
	for _, c := range f.owners.countedLike(f, line) {
		if n := int64(c.Head.Len); n <= g.size && fingerprint(b.head[:n]) != c.Head {
			continue
		}
		o := c.originalOf(g, f.apart())
		logs := best.logs
		if o.likeness > isNew {
			logs = append(logs, c.log)
		}
		if o.likeness > best.likeness || o.likeness == best.likeness && o.at > best.at {
			best = o
		}
		best.logs = logs
	}
	return best
}

// originalOf returns what a file is of the one that was counted.
func (c *counted) originalOf(g *generation, apart int64) original {
	of := c.open(g.Dev)
	defer of.close()
	o := of.originalOf(g, apart)
	o.of = c
	return o
}

// originalOf returns what a file is of a generation's. It is a copy if it was made after what it begins with had been
// counted, and that is more than what two logs of one server may get: a health check of one second, or the same lines
// all the time.
func (of *generation) originalOf(g *generation, apart int64) original {
	if g.Born == 0 || of.countedBefore(g.Born) == 0 {
		return original{}
	}
	m, common := of.trace(g.file, g.size)
	if m == begins || m == ambiguous {
		common = of.common(g.file, g.size)
	}
	b := of.like(beginningOf(g.file, common))
	if m == other || common == 0 || !b.isRich() && (!b.isTimed() || b.comesAgain()) {
		return original{}
	}
	before := of.like(beginningOf(g.file, min(common, of.countedBefore(g.Born))))
	isOld := before.isTimed() && of.countedBefore(g.Born-apart) > 0
	switch {
	case !isOld && !before.isDistinct():
		return original{}
	case m == begins:
		return original{likeness: mayBeCopy, at: common}
	}
	return original{likeness: isCopy, at: common}
}

// isTimed reports whether its first line has a time.
func (b beginning) isTimed() bool {
	first, _, _ := bytes.Cut(b.head, []byte("\n"))
	return clock.Match(first)
}

// isDistinct reports whether no other log begins with it that was made later.
func (b beginning) isDistinct() bool {
	isSampled := len(b.head) == headLen && !b.mayBeNew() // else most of the sample may be in one of the files only
	return b.hasTwoTimes() || isSampled || b.isTimed() && b.onceInHead() >= fewestKinds
}

// onceInHead returns how many of its first lines come only once.
func (b beginning) onceInHead() (once int) {
	sample := linesIn(b.sample)
	for line := range linesIn(b.head) {
		if sample[line] == 1 {
			once++
		}
	}
	return once
}
