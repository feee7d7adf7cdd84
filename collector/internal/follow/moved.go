package follow

import (
	"slices"

	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
)

// A file that was renamed from the names of one log to those of another stays the first one's.
// While both run, tail.Owners say so. At a start, the logs' positions do: whose position has a file goes on with it,
// and is told where it is now; the others leave it out. What is in no log's position any more goes to the log that has
// the file now.

// A knownFile is a file as a position has it.
type knownFile struct {
	log    *entry // that goes on with it; nil: none
	cursor tail.Cursor
	record *record // that has the position, where no log has
	round  uint64
}

// moved is what is known of the files that logs have.
type moved struct {
	claims map[string]claim
	known  map[uint64][]knownFile // that logs go on with, by inode
	saved  map[uint64][]knownFile // that are in records
	done   map[tail.FileTag]bool  // that a log had left, and another has read to their ends
	first  map[tail.FileTag]*entry
	expect map[*entry][]tail.FileTag // what each log has when it begins
}

// leaveMoved makes logs leave out the files that others go on with.
func (s *sharing) leaveMoved(claims map[string]claim, owners *tail.Owners) {
	m := &moved{claims: claims, first: map[tail.FileTag]*entry{}, expect: map[*entry][]tail.FileTag{}}
	m.readSaved(s.records)
	m.readClaims(s.entries)
	m.dropTwice(s.entries)
	m.renew(s.entries)
	m.readClaims(s.entries)
	for _, e := range s.entries {
		if _, isHere := claims[e.name]; !isHere {
			continue // it is late
		}
		for _, file := range e.files {
			if file.tag.Ino != 0 {
				m.share(e, file)
			}
		}
	}
	for _, e := range s.entries {
		if !e.isRunning() {
			owners.Expect(e.name, e.onlyPath(), e.isGlob, e.kind, m.expect[e])
			owners.ExpectCounted(e.name, e.isGlob, e.kind, m.countedBy(e))
		}
	}
	for _, r := range s.records {
		owners.ExpectCounted("record "+r.name, true, r.saved.Kind, r.countedByNone())
	}
	kinds := map[string]bool{}
	for _, e := range s.entries {
		if !kinds[e.kind] {
			kinds[e.kind] = true
			owners.Spare(e.kind, m.spare(e.kind))
		}
	}
}

// countedBy returns what a log has counted that is about to begin.
func (m *moved) countedBy(e *entry) (cursors []tail.Cursor) {
	if e.late == nil {
		return m.claims[e.name].position.Known()
	}
	for _, share := range e.shares {
		cursors = append(cursors, share.Known()...)
	}
	return cursors
}

// countedByNone returns what was counted of files that no log has.
func (r *record) countedByNone() (cursors []tail.Cursor) {
	for _, share := range r.shares {
		if r.log == nil && !r.isHeld || share.isLeft {
			cursors = append(cursors, share.Known()...)
		}
	}
	return cursors
}

// spare returns what records say of files that no log has.
func (m *moved) spare(kind string) (spare []tail.Cursor) {
	for inode, saved := range m.saved {
		for _, k := range saved {
			is := func(other knownFile) bool { return other.cursor.Tag() == k.cursor.Tag() }
			isKind := func(other knownFile) bool { return is(other) && other.record.isOf(kind) }
			isHad := func(other knownFile) bool { return is(other) && other.log.kind == kind }
			if latest, ok := m.latest(inode, isKind); ok && !slices.ContainsFunc(m.known[inode], isHad) {
				spare = append(spare, latest.cursor)
			}
		}
	}
	return spare
}

// readSaved reads what is in records. Those that a log writes which ends do not say all.
func (m *moved) readSaved(records []*record) {
	m.saved, m.done = map[uint64][]knownFile{}, map[tail.FileTag]bool{}
	for _, r := range records {
		for _, tag := range r.saved.Others {
			m.done[tag] = true
		}
		if r.isHeld && r.log == nil {
			continue
		}
		for _, share := range r.shares {
			for _, c := range share.Known() {
				if c.Ino != 0 { // else it is evidence
					m.saved[c.Ino] = append(m.saved[c.Ino], knownFile{cursor: c, record: r, round: share.round})
				}
			}
		}
	}
}

// readClaims reads what logs go on with. Of one that is late, that is what it has by name; of one that runs, what it
// has saved.
func (m *moved) readClaims(entries []*entry) {
	m.known = map[uint64][]knownFile{}
	for _, e := range entries {
		m.expect[e] = nil
		shares := e.shares
		switch {
		case e.isRunning():
			shares = slices.DeleteFunc(slices.Clone(e.record.shares), func(s *share) bool { return s.isLeft })
		case e.late == nil:
			shares = []*share{{Position: m.claims[e.name].position}}
		}
		for _, share := range shares {
			for _, c := range share.Known() {
				m.add(e, c)
			}
		}
	}
}

// isRunning reports whether a log has begun.
func (e *entry) isRunning() bool { return e.record != nil && e.record.isHeld }

func (m *moved) add(e *entry, c tail.Cursor) {
	if c.Ino == 0 {
		return // it is evidence
	}
	m.known[c.Ino] = append(m.known[c.Ino], knownFile{log: e, cursor: c})
	if c.Born != 0 {
		m.expect[e] = append(m.expect[e], c.Tag())
	}
}

// dropTwice leaves a file that several logs would go on with to the one that has read most of it.
func (m *moved) dropTwice(entries []*entry) {
	for i, e := range entries {
		c, isHere := m.claims[e.name]
		for _, cursor := range c.position.Known() {
			isMore := func(k knownFile) bool {
				return k.cursor.Tag() == cursor.Tag() && leavesTo(e, k.log) && (k.cursor.Offset > cursor.Offset ||
					k.cursor.Offset == cursor.Offset && slices.Index(entries, k.log) < i)
			}
			if isHere && cursor.Born != 0 && slices.ContainsFunc(m.known[cursor.Ino], isMore) {
				c.position = c.position.Without(cursor.Tag())
			}
		}
		if isHere {
			m.claims[e.name] = c
		}
	}
}

// renew replaces what a log would go on with by what a record of a later round says of the same file, which had another
// name then.
func (m *moved) renew(entries []*entry) {
	for _, e := range entries {
		c, isHere := m.claims[e.name]
		if !isHere {
			continue
		}
		for _, cursor := range c.position.Known() {
			isIt := func(k knownFile) bool { return k.cursor.Tag() == cursor.Tag() }
			isAnothers := func(k knownFile) bool { return k.log != e && isIt(k) }
			if cursor.Born == 0 || slices.ContainsFunc(m.known[cursor.Ino], isAnothers) {
				continue
			}
			isOf := func(k knownFile) bool { return isIt(k) && k.record.isOf(e.kind) }
			isSame := func(k knownFile) bool { return isOf(k) && k.cursor.Offset == cursor.Offset }
			own, _ := m.latest(cursor.Ino, isSame)
			if later, _ := m.latest(cursor.Ino, isOf); later.round > own.round {
				c.position = c.position.Renewed(later.cursor)
			}
		}
		m.claims[e.name] = c
	}
}

// leavesTo reports whether a log leaves another what that has counted.
func leavesTo(e, other *entry) bool {
	return other != nil && other != e && other.kind == e.kind && (other.isGlob || e.isGlob)
}

// lacks reports whether a log of one path has had a file of a kind that has another name now.
func (e *entry) lacks(file *namedFile, kind string) bool {
	isIt := func(other *namedFile) bool { return other.tag == file.tag }
	return e.onlyPath() != "" && e.kind == kind && e.late == nil && !slices.ContainsFunc(e.files, isIt)
}

// share decides who has a log's file.
func (m *moved) share(e *entry, file *namedFile) {
	if m.first[file.tag] == nil {
		m.first[file.tag] = e
	}
	known := m.at(file)
	isOwn := func(k knownFile) bool { return k.log == e }
	if slices.ContainsFunc(known, isOwn) {
		return
	}
	c := m.claims[e.name]
	i := slices.IndexFunc(known, func(k knownFile) bool { return leavesTo(e, k.log) || k.log.lacks(file, e.kind) })
	first := m.first[file.tag]
	saved, isSaved := m.latest(file.tag.Ino, func(k knownFile) bool {
		return k.record.isOf(e.kind) && k.cursor.IsAt(file.path, file.tag)
	})
	switch {
	case i >= 0:
		c.position.Leave = append(slices.Clip(c.position.Leave), file.tag)
		m.tell(known[i].log, file)
	case len(known) > 0: // two paths name it
	case file.tag.Born != 0 && leavesTo(e, first):
		c.position.Leave = append(slices.Clip(c.position.Leave), file.tag)
		m.expect[first] = append(m.expect[first], file.tag)
	case isSaved:
		c.position = c.position.Adding(saved.cursor, file.path)
		m.add(e, saved.cursor)
	case m.done[file.tag]:
		c.position.Others = append(slices.Clip(c.position.Others), file.tag)
	}
	m.claims[e.name] = c
}

// at returns what logs know of a file.
func (m *moved) at(file *namedFile) (known []knownFile) {
	for _, k := range m.known[file.tag.Ino] {
		if k.cursor.IsAt(file.path, file.tag) {
			known = append(known, k)
		}
	}
	return known
}

// latest returns what the latest record says of a file.
func (m *moved) latest(inode uint64, isIt func(knownFile) bool) (latest knownFile, ok bool) {
	for _, k := range m.saved[inode] {
		isLater := !ok || k.round > latest.round || k.round == latest.round && k.cursor.Offset > latest.cursor.Offset
		if isLater && isIt(k) {
			latest, ok = k, true
		}
	}
	return latest, ok
}

// tell makes a log's position say where its file is.
func (m *moved) tell(e *entry, file *namedFile) {
	if c, isHere := m.claims[e.name]; isHere {
		c.position = c.position.MovedTo(file.path, file.tag)
		m.claims[e.name] = c
	}
}
