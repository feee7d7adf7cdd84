package follow

import (
	"slices"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
)

// A sharing shares out records.
type sharing struct {
	dir     *statefile.Dir
	links   links
	records []*record
	entries []*entry
	index   index
	looks   *looks
}

// share shares out all records of the folder.
func (r *Records) share() map[string]claim {
	s := &sharing{dir: r.dir, links: links{}, looks: &r.looks}
	s.read()
	s.entries = newEntries(r.logs, s.links)
	s.index = newIndex(s.records)
	s.findOwners()
	for _, e := range s.entries {
		s.findByContent(e)
	}
	s.assign()
	claims := map[string]claim{}
	for _, e := range s.entries {
		claims[e.name] = s.claim(e)
	}
	return claims
}

// read reads the positions of all records.
func (s *sharing) read() {
	names, _ := s.dir.Logs() // Load reports what cannot be read
	last := uint64(0)
	for _, name := range names {
		s.looks.records++
		saved, err := peek(s.dir, name)
		if err != nil {
			continue
		}
		r := newRecord(name, saved, s.links)
		_, r.isHeld = s.dir.ClaimedBy(name)
		s.records = append(s.records, r)
		last = max(last, saved.Round)
	}
	s.dir.NextRound(last)
}

// findOwners finds the shares that logs have by name.
func (s *sharing) findOwners() {
	for _, e := range s.entries {
		for _, share := range s.named(e) {
			if share.record.isOf(e.kind) && !slices.Contains(share.logs, e) && !e.before.has(share.names) {
				share.logs = append(share.logs, e)
			}
		}
	}
	for _, r := range s.records {
		for _, share := range r.shares {
			for _, e := range share.logs {
				e.shares = append(e.shares, share)
			}
			if len(share.logs) > 0 {
				continue
			}
			for _, start := range share.Starts() {
				s.index.unowned[start] = append(s.index.unowned[start], share)
			}
		}
	}
}

// named returns the shares whose files have a name of a log's.
func (s *sharing) named(e *entry) (named []*share) {
	for name := range e.byName {
		named = append(named, s.index.byName[name]...)
	}
	if !e.isGlob {
		return named
	}
	for name, shares := range s.index.byName {
		if e.matches(name) {
			named = append(named, shares...)
		}
	}
	return named
}

// findByContent finds shares of a log's files that stood elsewhere, where those that it has by name are not of the
// present file.
func (s *sharing) findByContent(e *entry) {
	named := map[*namedFile][]*share{}
	for _, share := range e.shares {
		file := e.fileOf(share.names)
		named[file] = append(named[file], share)
	}
	for _, file := range e.files {
		own := named[file]
		isThere := func(share *share) bool { return slices.Contains(share.Inodes(), file.inode) }
		if file.inode == 0 || slices.ContainsFunc(own, isThere) {
			continue
		}
		for _, share := range s.alike(e, file, len(own) > 0) {
			isFree := len(share.logs) == 0 && len(own) == 0
			switch {
			case isFree && !slices.Contains(e.found, share):
				e.found = append(e.found, share)
				share.names = append(share.names, file.names...)
			case !isFree && !slices.Contains(e.evidence, share):
				e.evidence = append(e.evidence, share)
			}
		}
	}
}

// alike returns the shares that say of a log's present file how far it has been read. Where the log has shares of the
// file's name, those that other logs have by name are looked at only if the inode is the same: logs of one format may
// all begin alike.
func (s *sharing) alike(e *entry, file *namedFile, hasOwn bool) (alike []*share) {
	candidates := slices.Clone(s.index.byInode[file.inode])
	byStart := s.index.byStart
	if hasOwn {
		byStart = s.index.unowned
	}
	if len(byStart) > 0 {
		for start := range tail.StartsAt(file.path) {
			candidates = append(candidates, byStart[start]...)
		}
	}
	seen := map[*share]bool{}
	for _, share := range candidates {
		if seen[share] || !share.record.isOf(e.kind) || slices.Contains(e.shares, share) {
			continue
		}
		seen[share] = true
		s.looks.contents++
		if share.Holds(file.path) {
			alike = append(alike, share)
		}
	}
	return alike
}

// An index finds shares without looking at all of them.
type index struct {
	byName  map[string][]*share
	byInode map[uint64][]*share
	byStart map[tail.Fingerprint][]*share
	unowned map[tail.Fingerprint][]*share // those of byStart that no log has by name
}

func newIndex(records []*record) index {
	x := index{map[string][]*share{}, map[uint64][]*share{}, map[tail.Fingerprint][]*share{},
		map[tail.Fingerprint][]*share{}}
	for _, r := range records {
		for _, s := range r.shares {
			for _, name := range s.names {
				x.byName[name] = append(x.byName[name], s)
			}
			for _, inode := range s.Inodes() {
				x.byInode[inode] = append(x.byInode[inode], s)
			}
			for _, start := range s.Starts() {
				x.byStart[start] = append(x.byStart[start], s)
			}
		}
	}
	return x
}
