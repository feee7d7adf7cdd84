package follow

import (
	"fmt"
	"slices"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
)

// assign gives each log the record that it continues.
func (s *sharing) assign() {
	s.assignHeld()
	ways := []func(e *entry) *record{
		func(e *entry) *record { return s.find(e, func(r *record) bool { return r.isAt(e) && r.isNamed(e) }) },
		func(e *entry) *record { return s.find(e, func(r *record) bool { return r.isAt(e) }) },
		func(e *entry) *record { return s.holding(e, e.shares, false) },
		func(e *entry) *record { return s.holding(e, e.found, false) },
		func(e *entry) *record { return s.holding(e, slices.Concat(e.shares, e.found), true) },
		func(e *entry) *record { return s.find(e, func(r *record) bool { return r.isNear(e) }) },
	}
	for _, way := range ways {
		for _, e := range s.entries {
			if e.record != nil {
				continue
			}
			if r := way(e); r != nil {
				e.record, r.log, e.isOfFile = r, e, true
			}
		}
	}
	for _, e := range s.entries {
		if e.record == nil {
			e.record = s.find(e, func(r *record) bool { return r.isNamed(e) })
			if e.record != nil {
				e.record.log = e
			}
		}
	}
}

// assignHeld finds the records that logs of this process are writing.
func (s *sharing) assignHeld() {
	for _, r := range s.records {
		log, _ := s.dir.ClaimedBy(r.name)
		i := slices.IndexFunc(s.entries, func(e *entry) bool { return e.name == log })
		if r.isHeld && i >= 0 && r.isOf(s.entries[i].kind) {
			s.entries[i].record, r.log, s.entries[i].isOfFile = r, s.entries[i], true
		}
	}
}

// isFree reports whether a log may continue a record.
func (r *record) isFree(e *entry) bool { return r.log == nil && !r.isHeld && r.isOf(e.kind) }

// isNamed reports whether a record has the name of a log.
func (r *record) isNamed(e *entry) bool { return r.name == e.own }

// isAt reports whether a record is of what is read there. The first version's records did not say.
func (r *record) isAt(e *entry) bool {
	return r.at == e.at || r.saved.Source == "" && r.isNamed(e)
}

// isNear reports whether a record is of a glob that matches a log's path, or of a path that the log's glob matches.
func (r *record) isNear(e *entry) bool {
	return isGlob(r.at) && matches(r.at, e.at) || e.isGlob && matches(e.at, r.at)
}

// find returns the first free record that fits, in the order of their names.
func (s *sharing) find(e *entry, fits func(*record) bool) *record {
	for _, r := range s.records {
		if r.isFree(e) && fits(r) {
			return r
		}
	}
	return nil
}

// holding returns the first free record whose share of a log's file holds.
func (s *sharing) holding(e *entry, shares []*share, isLeft bool) *record {
	for _, share := range shares {
		if share.isLeft == isLeft && share.record.isFree(e) && !s.isStale(share) {
			return share.record
		}
	}
	return nil
}

// newName returns the name of a record that does not exist: the log's own, unless the record of that name belongs to
// another.
func (s *sharing) newName(e *entry) string {
	isTaken := func(name string) bool {
		_, isHeld := s.dir.ClaimedBy(name)
		return isHeld || slices.ContainsFunc(s.records, func(r *record) bool { return r.name == name })
	}
	name := e.own
	for i := 2; isTaken(name); i++ {
		name = statefile.NameOf(fmt.Sprintf("%s-%d", e.name, i))
	}
	return name
}
