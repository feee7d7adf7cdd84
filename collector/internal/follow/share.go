package follow

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
)

// savedPosition is the first part of a record.
type savedPosition struct {
	tail.Position
	Round  uint64        `json:"round,omitempty"`  // of claims, when it was written; 0 in earlier versions
	Left   []leftShares  `json:"left,omitempty"`   // of files that the log no longer has
	Parted tail.Position `json:"parted,omitzero"`  // the same in earlier versions
	Kind   string        `json:"kind,omitempty"`   // of the log; absent in the first version
	Source string        `json:"source,omitempty"` // the path, glob or address that was read
	Seen   time.Time     `json:"seen"`
	Totals Totals        `json:"totals"`
}

// leftShares are positions of files that a log no longer has, kept for the log that has them next.
type leftShares struct {
	Round uint64 `json:"round,omitempty"` // when they were followed last
	tail.Position
}

// A record is what is on disk of a log, without its counts.
type record struct {
	name   string
	saved  savedPosition
	at     string // the resolved source
	shares []*share
	log    *entry // that continues it; nil: none
	isHeld bool   // by a log of this process that still writes it
}

// A share is what a record says of the files that were, one after the other, at one path of a log.
type share struct {
	record *record
	base   string   // the path
	names  []string // of the file: the path, and where it led
	tail.Position
	from   *tail.Position // of all paths
	round  uint64
	isLeft bool     // the record's log no longer had the file when it was written
	logs   []*entry // that have it by one of its names
}

func peek(dir *statefile.Dir, name string) (saved savedPosition, err error) {
	position, err := dir.Position(name)
	if err == nil {
		err = json.Unmarshal(position, &saved)
	}
	return saved, err
}

// newRecord returns a record with its shares.
func newRecord(name string, saved savedPosition, links *links) *record {
	r := &record{name: name, saved: saved, at: links.resolved(saved.Source)}
	add := func(from *tail.Position, round uint64, isLeft bool) {
		parts := from.Split()
		for _, base := range slices.Sorted(maps.Keys(parts)) {
			names := []string{links.resolved(base), links.resolved(parts[base].Real(base))}
			slices.Sort(names)
			r.shares = append(r.shares, &share{record: r, base: base, names: slices.Compact(names),
				Position: *parts[base], from: from, round: round, isLeft: isLeft})
		}
	}
	add(&saved.Position, saved.Round, false)
	for i, left := range saved.Left {
		add(&saved.Left[i].Position, left.Round, true)
	}
	add(&saved.Parted, 0, true)
	return r
}

// isOf reports whether a record is of a kind of log. The first version's records do not say.
func (r *record) isOf(kind string) bool { return r.saved.Kind == "" || r.saved.Kind == kind }
