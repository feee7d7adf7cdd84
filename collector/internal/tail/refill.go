package tail

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Where all lines are alike, a file that was emptied by copytruncate and has grown to its former size looks as if it
// had only grown. The copy beside it shows that it may have been emptied.

// A suspicion is that a log was emptied and filled again.
type suspicion struct {
	copied fileState // the newest file that came
	since  time.Time // when it was first seen so; zero if it was not

	isEmptied bool // the log has been written since, and not all that was copied is in it
}

// isOf reports whether the rest of a generation, read from the copy, shows that the log had been emptied before: lines
// that came then were counted as those of the copy.
func (s suspicion) isOf(g *generation) bool {
	return s.isEmptied && s.copied == fileState{g.id(), g.Path, g.size, g.changed}
}

// isOlder reports whether a copy cannot be of what is in the log now: a log that is only copied is not shorter, and was
// not written later unless it is longer.
func (p place) isOlder(log fs.FileInfo) bool {
	return log.ModTime().After(p.info.ModTime()) || !isCompressed(p.path) && log.Size() < p.info.Size()
}

// wasCopied reports whether it is certain that a file that has become shorter was copied and emptied, although by its
// lines it may just have lost its end: rotation has given it a place, and what is there holds what was counted.
func (f *Follower) wasCopied(g *generation) bool {
	p, certain := g.placeNow(listOnce(g.base.path, isRelated))
	return certain && fits(p, g)
}

// mayBeRefilled reports whether a file that begins as the log did may be one that was copied and emptied, and has got
// like lines again.
func (f *Follower) mayBeRefilled(g *generation, common int64) bool {
	if !g.like(beginningOf(g.file, common)).mayBeNew() {
		return false
	}
	places, _ := g.base.newest.rotated(listOnce(g.base.path, isRelated))
	return len(places) > 0
}

// suspectRefill reports a gap if a log may have been emptied and filled again since it was last read. What is in it
// behind the lines that were counted has not been counted either way. It waits for as long as the copy is being made:
// the log may be emptied only then.
func (f *Follower) suspectRefill(g *generation) {
	b := g.base
	if !g.isCurrent() || g.Offset == 0 || b.newest == nil || b.search != nil || g.isRich() {
		return
	}
	b.isAlike = true
	if !f.hasNewNames(b) && b.suspicion.since.IsZero() {
		return
	}
	around := listOnce(b.path, isRelated)
	places, _ := b.newest.rotated(around)
	isRenamed := slices.ContainsFunc(places, func(p place) bool { return g.is(p.info) })
	info, err := os.Stat(b.path)
	if err != nil || !g.is(info) || isRenamed || len(places) == 0 {
		b.suspicion = suspicion{}
		return
	}
	if s := stateOf(places[0]); b.suspicion.copied != s || b.suspicion.since.IsZero() {
		b.suspicion = suspicion{copied: s, since: f.now()}
	}
	b.suspicion.isEmptied = b.suspicion.isEmptied || places[0].isOlder(info)
	if f.now().Sub(b.suspicion.since) < patience {
		return
	}
	f.sink.Gap(GapUncertain, g.Path, 0, g.Offset, "rotated parts have come beside the log, whose lines are all alike: "+
		"it may have been copied, emptied and filled again; put $time_iso8601 or $request_id into its log_format")
	f.saveListing(b, around)
}

// isRich reports whether what was counted of an open file differs from what other files hold.
func (g *generation) isRich() bool {
	b := beginning{g.head, g.tail, g.head}
	if len(g.head) < headLen {
		b.sample = readAt(g.file, 0, headLen)
	}
	return b.isRich()
}

// hasNewNames reports whether names in a base's folder may have changed since the last call.
func (f *Follower) hasNewNames(b *base) bool {
	info, err := os.Stat(filepath.Dir(realPath(b.path)))
	if err != nil {
		return true
	}
	if !info.ModTime().Equal(b.renamed) {
		b.renamed, b.renamedSeen = info.ModTime(), f.now()
	}
	return f.now().Sub(b.renamedSeen) < verified // another change may have the same time
}
