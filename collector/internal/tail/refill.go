package tail

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Where all lines are alike, or of one second, a file that was emptied by copytruncate and has grown to its former size
// looks as if it had only grown. The copy beside it shows that it may have been emptied.

// A suspicion is that a log was emptied and filled again.
type suspicion struct {
	copied fileState // the newest file that came
	since  time.Time // when it was first seen so; zero if it was not

	isEmptied bool // the log has been written since, and not all that was copied is in it
}

// A refilled is a suspicion as it is saved.
type refilled struct {
	Path    string `json:"path"` // of the newest file that came
	Dev     uint64 `json:"dev"`
	Ino     uint64 `json:"ino"`
	Size    int64  `json:"size"`
	Changed int64  `json:"changed"` // nanoseconds
	Emptied bool   `json:"emptied,omitempty"`
}

func (s suspicion) save() *refilled {
	if s.since.IsZero() {
		return nil
	}
	return &refilled{s.copied.path, s.copied.dev, s.copied.ino, s.copied.size, s.copied.changed.UnixNano(),
		s.isEmptied}
}

// suspicion returns what was saved, the zero suspicion if that was nil. The copy is waited for anew.
func (r *refilled) suspicion(now time.Time) suspicion {
	if r == nil {
		return suspicion{}
	}
	copied := fileState{fileID{r.Dev, r.Ino}, r.Path, r.Size, time.Unix(0, r.Changed)}
	return suspicion{copied, now, r.Emptied}
}

// reportRefilled reports a gap if the log had been written since the copy came which it is suspected to be emptied for:
// lines that came then may have been counted as those of the copy.
func (f *Follower) reportRefilled(b *base) {
	if b.suspicion.isEmptied {
		f.sink.Gap(GapUncertain, b.path, 0, -1, "the file may have been copied, emptied and filled again before it "+
			"was rotated, and its lines are such that this does not show; put $time_iso8601 or $request_id into "+
			"its log_format")
	}
	b.suspicion = suspicion{}
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
	if !g.isCurrent() || g.Offset == 0 || b.newest == nil || b.search != nil {
		return
	}
	isRich := g.isRich()
	b.isAlike = b.isAlike || !isRich
	isSuspect := !b.suspicion.since.IsZero()
	if !isSuspect && (isRich && g.begins().hasTwoTimes() || !f.hasNewNames(b)) {
		return
	}
	around := listOnce(b.path, isRelated)
	places, areAll := b.newest.rotated(around)
	isRenamed := slices.ContainsFunc(places, func(p place) bool { return g.is(p.info) })
	info, err := os.Stat(b.path)
	isCertain := err != nil || !g.is(info) || isRenamed || len(places) == 0
	if isCertain || !isSuspect && isRich && !g.like(beginningOf(g.file, g.Offset)).mayBeNew() {
		f.reportRefilled(b)
		return
	}
	if s := stateOf(places[0]); b.suspicion.copied != s || b.suspicion.since.IsZero() {
		b.suspicion = suspicion{copied: s, since: f.now()}
	}
	if (areAll || len(b.newest) == 0) && places[0].isOlder(info) { // else a rotation may be under way
		b.suspicion.isEmptied = true
	}
	if f.now().Sub(b.suspicion.since) < patience {
		return
	}
	f.sink.Gap(GapUncertain, g.Path, 0, g.Offset, "rotated parts have come beside the log, whose lines are alike, "+
		"or of one second: it may have been copied, emptied and filled again; put $time_iso8601 or $request_id into "+
		"its log_format")
	b.suspicion = suspicion{}
	f.saveListing(b, around)
}

// isRich reports whether what was counted of an open file differs from what other files hold.
func (g *generation) isRich() bool { return g.begins().isRich() }

// begins returns the beginning of an open file, up to what was counted.
func (g *generation) begins() beginning {
	b := beginning{g.head, g.tail, g.head}
	if len(g.head) < headLen {
		b.sample = readAt(g.file, 0, headLen)
	}
	return b
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
