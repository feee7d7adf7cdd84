package tail

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A seenPlace is a file that was beside the log at the last listing.
type seenPlace struct {
	Rank int64       `json:"rank"`
	Dev  uint64      `json:"dev"`
	Ino  uint64      `json:"ino"`
	Born int64       `json:"born,omitempty"`
	Size int64       `json:"size"`
	Head Fingerprint `json:"head"` // of its first bytes, decompressed; of length -1 if it cannot be read
}

// newest are the newest places of each scheme, the newest first.
type newest map[string][]seenPlace

// keepNewest is how many places of a scheme are remembered: if the newest was deleted or rewritten, the next shows how
// far they have moved. Empty ones do not show it, so others are remembered beside them, and all up to the newest that
// is compressed: the others may get other inodes, all at once.
const (
	keepNewest = 3
	maxNewest  = 16
)

// isAll reports whether every place of a scheme was seen.
func isAll(seen []seenPlace) bool {
	solid := 0
	for _, s := range seen {
		if s.Head.Len != 0 {
			solid++
		}
	}
	return solid < keepNewest && len(seen) < maxNewest
}

// survey records the files beside a base at the first listing: all of it is older than what comes.
func (f *Follower) survey(b *base) {
	if b.newest == nil && b.search == nil {
		f.saveListing(b, f.names.listOnce(b.path, isRelated))
	}
}

// surveyMissing is survey before there is a file: it may come, and be rotated, before it is seen. What was written
// before now comes with a disk that is mounted late.
func (f *Follower) surveyMissing(b *base) {
	if b.current != nil || b.newest != nil || b.search != nil || f.isGlob {
		return
	}
	real := Target(b.path, inRealFolder)
	if _, err := os.Stat(filepath.Dir(real)); err != nil {
		return
	}
	b.real = real
	f.saveListing(b, f.names.listOnce(real, isRelated))
	b.since = f.now().Truncate(time.Second)
}

// reportLeftBehind reports a gap if the symbolic link at a log's path led elsewhere before, and files came there that
// nobody has read.
func (f *Follower) reportLeftBehind(b *base, before string) {
	if before == "" || before == b.real || !f.isUnreadBeside(b, before) {
		return
	}
	f.sink.Gap(GapUncertain, before, 0, -1, "the link at the log's path leads elsewhere by now, and files came where "+
		"it led that were not seen; they are not counted")
}

// isUnreadBeside reports whether the file at a path, or a part that was rotated from there since the last listing, has
// not been read.
func (f *Follower) isUnreadBeside(b *base, path string) bool {
	around := f.names.listOnce(path, isRelated)
	come := slices.DeleteFunc(slices.Clone(around.files), func(p place) bool { return p.path != path })
	for scheme, all := range around.schemes() {
		n, _ := b.newest.since(scheme, all)
		come = append(come, all[:max(0, n)]...)
	}
	return slices.ContainsFunc(come, func(p place) bool {
		return !f.isKnownFile(p) && !f.isKnownCopy(p) && !isEmpty(p)
	})
}

// isEmpty reports whether a place holds nothing, compressed or not.
func isEmpty(p place) bool {
	content, err := openContent(p.path)
	if err != nil {
		return false
	}
	defer content.close()
	start, err := content.start(1)
	return err == nil && len(start) == 0
}

// saveListing records the files beside a base.
func (f *Follower) saveListing(b *base, around folder) {
	f.recordPlaces(b, around)
	b.between = nil
	f.reportRefilled(b)
	b.newest, b.since, b.isAlike = newestOf(around), time.Time{}, false
	if g := b.current; g != nil && g.file != nil {
		if info, err := g.file.Stat(); err == nil {
			b.since = info.ModTime().Truncate(time.Second) // some file systems keep whole seconds
		}
	}
}

// recordPlaces records where the generations of a base are at a listing.
func (f *Follower) recordPlaces(b *base, around folder) {
	for _, g := range f.generations {
		if g.base == b {
			g.Listed = g.nameIn(around)
		}
	}
}

// nameIn returns where a generation's file certainly is in a listing: its rotated name, or atPath; "" if that is not
// certain. A compressed one has another inode: it is where the rotations since the last listing have put it.
func (g *generation) nameIn(around folder) string {
	var at place
	if i := slices.IndexFunc(around.files, g.isAt); i >= 0 {
		at = around.files[i]
	} else if !g.isFound() {
		at, _ = g.placeNow(around)
	}
	switch {
	case at.scheme == "number" && around.isBeyondHole(at):
		return "" // rotation may not move it, or has moved it already while others will follow
	case at.scheme != "":
		return filepath.Base(at.path)
	case at.path != "" && at.path == around.real:
		return atPath
	}
	return ""
}

// wasRotated reports whether a generation had been rotated when the folder was listed. What came later does not
// include it.
func (g *generation) wasRotated() bool { return g.Listed != "" && g.Listed != atPath }

// isAt reports whether a place certainly holds the generation's file. An inode alone may be reused.
func (g *generation) isAt(p place) bool {
	return g.is(p.info) && (g.file != nil || g.isStill(p.info) || g.Born != 0 && p.born() == g.Born)
}

func newestOf(folder folder) newest {
	all := newest{}
	for scheme, places := range folder.schemes() {
		young := places[:min(len(places), maxNewest)]
		lasting := slices.IndexFunc(young, func(p place) bool { return isCompressed(p.path) })
		for i, p := range places {
			seen := seenPlace{Rank: p.rank, Size: p.info.Size(), Head: headOf(p), Born: p.born()}
			seen.Dev, seen.Ino = identity(p.info)
			all[scheme] = append(all[scheme], seen)
			if i >= lasting && !isAll(all[scheme]) {
				break
			}
		}
	}
	return all
}

// headOf returns the fingerprint of a file's first bytes, of length -1 if they cannot be read, or the name is another
// file's by now.
func headOf(p place) Fingerprint {
	unreadable := Fingerprint{Len: -1}
	content, err := openContent(p.path)
	if err != nil {
		return unreadable
	}
	defer content.close()
	start, err := content.start(headLen)
	if err != nil || isOtherwiseCompressed(p.path) || !os.SameFile(content.info, p.info) {
		return unreadable
	}
	return fingerprint(start)
}

// isFile reports whether a place holds the file that was seen.
func (s seenPlace) isFile(p place) bool {
	if idOf(p.info).ino != s.Ino {
		return false
	}
	born := p.born()
	return born != 0 && s.Born == born || p.info.Size() == s.Size && (born == 0 || s.Born == 0)
}

// mayBeIn returns a listing without the files that were beside the log when the generation was certainly still at its
// path: their lines may be the same.
func (g *generation) mayBeIn(around folder) folder {
	if g.Listed == atPath {
		around.files = slices.DeleteFunc(slices.Clone(around.files), func(p place) bool {
			return slices.ContainsFunc(g.base.newest[p.scheme], func(s seenPlace) bool { return s.isFile(p) })
		})
	}
	return around
}

// isCopy reports whether a place holds a file with the beginning of the one that was seen.
func (s seenPlace) isCopy(p place) bool { return s.Head.Len >= 0 && headOf(p) == s.Head }

// isRichCopy is isCopy, but for a file of which there may be others with the same beginning.
func (s seenPlace) isRichCopy(p place) bool {
	content, err := openContent(p.path)
	if err != nil {
		return false
	}
	defer content.close()
	return s.Head.Len > 0 && s.isCopy(p) && content.isRich(headLen)
}

// since returns how many places of a scheme, the newest first, have come since the last listing. It is certain if what
// was there then still is, or if the names are dates.
func (n newest) since(scheme string, places []place) (count int, certain bool) {
	seen := n[scheme]
	if n == nil || len(seen) == 0 {
		return len(places), false
	}
	if scheme != "number" {
		for count < len(places) && places[count].rank > seen[0].Rank {
			count++
		}
		return count, true
	}
	if count, certain := moved(seen, places); certain {
		return count, true
	}
	for _, s := range seen {
		if s.Head.Len > 0 && slices.ContainsFunc(places, s.isCopy) {
			return len(places), false // lines are alike: it may be there, or not
		}
	}
	return sinceEmpty(seen, places)
}

// moved returns how many numbered places have come, by the number of rotations that have moved a file that was seen.
// Each rotation must have left a place.
func moved(seen []seenPlace, places []place) (count int, certain bool) {
	for _, isIt := range []func(seenPlace, place) bool{seenPlace.isFile, seenPlace.isRichCopy} {
		for k, s := range seen {
			i := slices.IndexFunc(places, func(p place) bool { return isIt(s, p) })
			if i < 0 || s.Rank != seen[0].Rank-int64(k) || places[0].rank-places[i].rank != int64(i) {
				continue // beyond a hole, rotation may not move it, or has moved it already
			}
			rotations, count := s.Rank-places[i].rank, 0
			for count < len(places) && places[count].rank > seen[0].Rank-rotations {
				count++
			}
			if int64(count) == rotations {
				return count, true
			}
		}
	}
	return 0, false
}

// proven is shift, but empty files are not evidence.
func (n newest) proven(scheme string, all []place) (count int, certain bool) {
	if scheme == "number" {
		return moved(n[scheme], all)
	}
	return n.shift(scheme, all)
}

// oldestNew returns the oldest place that has come since the last listing.
func (n newest) oldestNew(around folder) (at place, certain bool) {
	for scheme, all := range around.schemes() {
		count, certain := n.proven(scheme, all)
		isUsed := len(n[scheme]) > 0 || len(n) == 0
		switch {
		case !certain && isUsed, certain && count > 0 && at.path != "":
			return place{}, false
		case certain && count > 0:
			at = all[count-1]
		}
	}
	return at, at.path != ""
}

// sinceEmpty is since if of all that was seen only empty files may be there still. Any empty file may be one of them:
// they may fit in several ways. It is certain if these have the same non-empty files before them, or if there were no
// others then.
func sinceEmpty(seen []seenPlace, places []place) (count int, certain bool) {
	isEmpty := make([]bool, len(places))
	for i, p := range places {
		isEmpty[i] = seenPlace{}.isCopy(p)
	}
	first, last := -1, -1
	for n := range places {
		if isEmptyWhere(seen, isEmpty[n:]) {
			last = n
			if first < 0 {
				first = n
			}
		}
	}
	switch {
	case first >= 0 && !slices.Contains(isEmpty[first:last], false):
		return first, true
	case first >= 0 && isAll(seen):
		return last, true
	}
	return len(places), false
}

// isOnlyEmpty reports whether none of the numbered files that were seen is there, but for empty ones that may be any.
func (n newest) isOnlyEmpty(scheme string, places []place) bool {
	return scheme == "number" && !slices.ContainsFunc(n[scheme], func(s seenPlace) bool {
		return slices.ContainsFunc(places, func(p place) bool {
			return s.isFile(p) || s.isRichCopy(p) || s.Head.Len == 0 && isCompressed(p.path) && s.isCopy(p)
		})
	})
}

// isEmptyWhere reports whether there are empty files where empty files were seen.
func isEmptyWhere(seen []seenPlace, isEmpty []bool) (fits bool) {
	for k, s := range seen[:min(len(seen), len(isEmpty))] {
		if s.Head.Len != 0 {
			continue
		}
		if !isEmpty[k] {
			return false
		}
		fits = true
	}
	return fits
}

// rotated returns the places that have come since the last listing. It is certain that these are all only if a file of
// that listing is still there: rotation deletes the oldest first. A file of a scheme that the log does not use is
// somebody else's.
func (n newest) rotated(around folder) (places []place, certain bool) {
	schemes := around.schemes()
	certain = true
	for _, scheme := range slices.Sorted(maps.Keys(schemes)) {
		all := schemes[scheme]
		count, isCertain := n.shift(scheme, all)
		if count > 0 && (isCertain || len(n[scheme]) > 0 || len(n) == 0) {
			places, certain = append(places, all[:count]...), certain && isCertain
		}
	}
	return places, certain
}

// hasMoreThan reports whether places older than the one of the log's last file may have come since the last listing:
// the file may have been copied and emptied before it was renamed.
func (n newest) hasMoreThan(all []place, at place) bool {
	older := 0
	for _, p := range all {
		if p.rank < at.rank {
			older++
		}
	}
	count, certain := n.since(at.scheme, all)
	if certain {
		return count+older > len(all)
	}
	return n != nil && older > 0 && (older > len(n[at.scheme]) || !isAll(n[at.scheme]))
}

// isThere reports whether a file of the last listing is still there.
func (n newest) isThere(around folder) bool {
	for scheme, all := range around.schemes() {
		if _, certain := n.shift(scheme, all); certain {
			return true
		}
	}
	return false
}

// shift is since, but certain only if a file of the last listing is still there.
func (n newest) shift(scheme string, all []place) (count int, certain bool) {
	count, certain = n.since(scheme, all)
	if scheme != "number" {
		certain = slices.ContainsFunc(n[scheme], func(s seenPlace) bool {
			return slices.ContainsFunc(all, func(p place) bool { return s.Rank == p.rank })
		})
	}
	return count, certain
}
