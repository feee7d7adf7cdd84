package follow

import (
	"context"
	"slices"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
)

// A sharing shares out records.
type sharing struct {
	dir     *statefile.Dir
	links   *links
	records []*record
	entries []*entry
	index   index
	looks   *looks
}

// share shares out all records of the folder. Logs whose disks do not answer in time are late: others leave them what
// they have by the names that they are known by, and they get theirs when they have come.
func (r *Records) share(owners *tail.Owners) shared {
	s := &sharing{dir: r.dir, links: &links{}, looks: &r.looks}
	s.read()
	s.entries = newEntries(r.logs, s.links)
	s.index = newIndex(s.records)
	s.findOwners()
	s.findByContent()
	s.assign()
	out := shared{map[string]claim{}, map[string]<-chan struct{}{}}
	for _, e := range s.entries {
		if e.late != nil {
			out.late[e.name] = e.late
		} else {
			out.claims[e.name] = s.claim(e)
		}
	}
	s.leaveMoved(out.claims, owners)
	return out
}

// read reads the positions of all records. What the folder of one leads to is a question to another disk.
func (s *sharing) read() {
	names, _ := s.dir.Logs() // Load reports what cannot be read
	last := uint64(0)
	var answers []*answer[*record]
	for _, name := range names {
		s.looks.records++
		saved, err := peek(s.dir, name)
		if err != nil {
			continue
		}
		r := newRecord(name, saved, literal())
		_, r.isHeld = s.dir.ClaimedBy(name)
		s.records = append(s.records, r)
		answers = append(answers, ask(func() *record { return newRecord(name, saved, s.links) }))
		last = max(last, saved.Round)
	}
	s.dir.NextRound(last)
	ctx, cancel := context.WithTimeout(context.Background(), maxAnswer)
	defer cancel()
	for i, a := range answers {
		if a.comesWithin(ctx) {
			a.value.isHeld = s.records[i].isHeld
			s.records[i] = a.value
		}
	}
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

// findByContent finds shares of logs' files that stood elsewhere, where those that a log has by name are not of the
// present file.
func (s *sharing) findByContent() {
	answers := make([]*answer[[]*search], len(s.entries))
	for i, e := range s.entries {
		if searches := e.searches(); len(searches) > 0 {
			answers[i] = ask(func() []*search {
				for _, search := range searches {
					s.alike(e, search)
				}
				return searches
			})
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxAnswer)
	defer cancel()
	for i, e := range s.entries {
		switch a := answers[i]; {
		case a == nil:
		case a.comesWithin(ctx):
			for _, search := range a.value {
				s.looks.contents += search.looked
				e.add(search)
			}
		default:
			e.late = a.come
		}
	}
}

// A search is one for shares of a log's present file that stood elsewhere.
type search struct {
	file   *namedFile
	hasOwn bool     // the log has shares of the file's name
	found  []*share // whose files it was
	older  []*share // the same, but it is no longer the current file
	looked int      // at how many contents
}

func (e *entry) searches() (searches []*search) {
	if e.late != nil {
		return nil
	}
	named := map[*namedFile][]*share{}
	for _, share := range e.shares {
		file := e.fileOf(share.names)
		named[file] = append(named[file], share)
	}
	for _, file := range e.files {
		own := named[file]
		isThere := func(share *share) bool { return slices.Contains(share.Inodes(), file.inode) }
		if file.inode != 0 && !slices.ContainsFunc(own, isThere) {
			searches = append(searches, &search{file: file, hasOwn: len(own) > 0})
		}
	}
	return searches
}

// add adds what was found of a file: it is the log's, or evidence of what has been counted.
func (e *entry) add(found *search) {
	for _, share := range slices.Concat(found.found, found.older) {
		isFree := len(share.logs) == 0 && !found.hasOwn && !slices.Contains(found.older, share)
		switch {
		case isFree && !slices.Contains(e.found, share):
			e.found = append(e.found, share)
			share.names = append(share.names, found.file.names...)
		case !isFree && !slices.Contains(e.evidence, share):
			e.evidence = append(e.evidence, share)
		}
	}
}

// alike finds the shares that say of a log's present file how far it has been read. Where the log has shares of the
// file's name, those that other logs have by name are looked at only if the inode is the same: logs of one format may
// all begin alike.
func (s *sharing) alike(e *entry, search *search) {
	file := search.file
	candidates := slices.Clone(s.index.byInode[file.inode])
	byStart := s.index.byStart
	if search.hasOwn {
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
		search.looked++
		switch {
		case share.Last().Holds(file.path):
			search.found = append(search.found, share)
		case share.Holds(file.path):
			search.older = append(search.older, share)
		}
	}
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
