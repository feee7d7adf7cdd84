package follow

import (
	"cmp"
	"slices"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
)

// Which log continues which record, and where it begins to read.
//
// A record has counts, which belong to a log, and positions, which belong to files. The positions of all records are
// split into shares: what one record says of the files that were, one after the other, at one path. They are shared
// out, for all logs that begin together, before any of them begins; so the order in which logs begin decides nothing.
//
//   - A share goes to the log that has its file: by name (its path, or where the path led; symbolic links are other
//     names), or else by content, under a name that no record has.
//   - Of several shares of one file, that of the latest round holds: each time that records are shared out is a
//     round, and each record and share has the number of the round in which it was written. Others are stale.
//   - A record goes to the log of its name if it is of the same source; else to one of the same source; else to one
//     whose files it has, a path before a glob; else to one of its name, which goes on with the counts only.
//   - Of a record that a log continues, it keeps the shares that it does not take, until another record has a later
//     share of the file: the latest maxLeft. Of others it only keeps what shows that a file may be one of theirs
//     (tail.Forgotten): such a file begins at its end, with a gap, whichever log has it next.
//   - What another log counts, too (two entries name one file), is not taken from it: a log with no share of its own
//     begins at the end, or where the content shows that nothing was counted.
//   - A file that was renamed from the names of one log to those of another stays the first one's: that is told where
//     it is, and the other leaves it out (moved.go; tail.Owners while both run).
//   - A glob's new file that is a copy of what another log or record has counted is not new (tail.Owners).
//
// A log whose disk does not answer in time is late: it gets what it continues when it does, as one that is added by a
// reload. Until then the others leave it the shares of its path.
//
// Assumptions: nobody but this process writes records (the folder is locked); a log that ends has written its record
// before another begins that may have its files.

// A claim is what a log gets.
type claim struct {
	record   string
	isOfFile bool          // the record is of the log's files, not only of its name
	isAt     bool          // of all of them: a file without a position is new
	position tail.Position // of the log's files
	left     []leftShares  // of others, which the record keeps
}

// claim returns what a log gets.
func (s *sharing) claim(e *entry) claim {
	c := claim{isOfFile: e.isOfFile}
	if e.record != nil {
		c.record, c.isAt = e.record.name, e.isOfFile && e.record.isAt(e)
	} else {
		c.record = s.newName(e)
	}
	taken := s.take(e)
	c.position = e.positionFrom(taken)
	c.position.Forgotten, c.position.Elsewhere = s.forgotten(e)
	if e.record != nil {
		left := s.left(e, taken)
		for _, share := range left[min(maxLeft, len(left)):] {
			c.position.Forgotten = c.position.Forgotten.With(share.Forget(time.Now()))
		}
		c.left = leftOf(left[:min(maxLeft, len(left))])
	}
	for _, share := range e.evidence {
		counted := share.Counted()
		counted.Finished = slices.Concat(counted.Finished, c.position.Finished)
		c.position.Finished = counted.Finished
	}
	return c
}

// positionFrom returns what shares say of a log's files, at the paths that the log has for them. What one position says
// keeps its order: later files follow earlier ones.
func (e *entry) positionFrom(shares []*share) (all tail.Position) {
	done := map[*tail.Position]bool{}
	for _, s := range shares {
		if done[s.from] {
			continue
		}
		done[s.from] = true
		paths := map[string]string{}
		for _, other := range shares {
			if other.from == s.from {
				paths[other.base] = e.pathOf(other)
			}
		}
		part := s.from.Of(func(base string) bool { _, is := paths[base]; return is })
		all = all.With(part.As(func(base string) string { return paths[base] }))
	}
	return all
}

// take returns the shares that hold for a log.
func (s *sharing) take(e *entry) (taken []*share) {
	byPath := map[string][]*share{}
	var paths []string
	for _, share := range s.candidates(e) {
		path := e.pathOf(share)
		if byPath[path] == nil {
			paths = append(paths, path)
		}
		byPath[path] = append(byPath[path], share)
	}
	for _, path := range paths {
		taken = append(taken, e.best(byPath[path])...)
	}
	return taken
}

// candidates are the shares that a log has, and those of its own record that no other has: a container that is made
// again has another path, and the first version gave each file a path of its own.
func (s *sharing) candidates(e *entry) []*share {
	all := slices.Concat(e.shares, e.found)
	if e.record == nil || !e.isOfFile || !e.record.isAt(e) {
		return all
	}
	for _, share := range e.record.shares {
		if !share.isLeft && len(share.logs) == 0 && !slices.Contains(all, share) {
			all = append(all, share)
		}
	}
	return all
}

// best returns those of one file's shares that hold: the latest round's, of one record. What another log goes on with
// is that log's own.
func (e *entry) best(shares []*share) []*share {
	isOthers := func(s *share) bool {
		m := s.record.log
		return m != nil && m != e && !s.isLeft && slices.Contains(s.logs, m)
	}
	var best *share
	for _, s := range shares {
		if !isOthers(s) && (best == nil || e.isBetter(s, best)) {
			best = s
		}
	}
	if best == nil {
		e.evidence = append(e.evidence, shares...)
		return nil
	}
	return slices.DeleteFunc(slices.Clone(shares), func(s *share) bool {
		return s.record != best.record || s.round != best.round || s.isLeft != best.isLeft
	})
}

// isBetter reports whether of two shares of one file the first holds.
func (e *entry) isBetter(a, b *share) bool {
	if order := cmp.Compare(a.round, b.round); order != 0 {
		return order > 0
	}
	if a.round == 0 { // earlier versions wrote no round
		return furthest(a.Position, b.Position) > 0
	}
	return a.record.log == e && b.record.log != e
}

// furthest compares how far a file has been read.
func furthest(a, b tail.Position) int {
	for _, x := range a.Cursors {
		for _, y := range b.Cursors {
			if x.Dev == y.Dev && x.Ino == y.Ino {
				return cmp.Compare(x.Offset, y.Offset)
			}
		}
	}
	return 0
}

// maxLeft is how many shares a record keeps of files that its log does not have.
const maxLeft = 64

// left returns the shares of a log's record whose files no log has, the latest first.
func (s *sharing) left(e *entry, taken []*share) (left []*share) {
	for _, share := range e.record.shares {
		if !slices.Contains(taken, share) && !slices.Contains(share.logs, e) && !s.isStale(share) {
			left = append(left, share)
		}
	}
	slices.SortStableFunc(left, func(a, b *share) int { return cmp.Compare(b.round, a.round) })
	return left
}

// leftOf returns what a log's record keeps of shares.
func leftOf(shares []*share) (left []leftShares) {
	for _, share := range shares {
		i := slices.IndexFunc(left, func(l leftShares) bool { return l.Round == share.round })
		if i < 0 {
			left, i = append(left, leftShares{Round: share.round}), len(left)
		}
		left[i].Position = left[i].Position.With(share.Position)
	}
	return left
}

// forgotten returns what remains of files that the log's own record has forgotten, and of those that others have.
func (s *sharing) forgotten(e *entry) (own, others tail.Forgotten) {
	for _, r := range s.records {
		switch {
		case r == e.record:
			own = r.saved.Forgotten
		case r.isOf(e.kind):
			others = others.With(r.saved.Forgotten)
		}
	}
	return own, others
}

// isStale reports whether another share says more of the same file.
func (s *sharing) isStale(old *share) bool {
	for _, name := range old.names {
		for _, other := range s.index.byName[name] {
			if other.round > old.round && other.record.isOf(old.record.saved.Kind) {
				return true
			}
		}
	}
	return false
}
