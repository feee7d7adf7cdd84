package follow

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A record belongs to the file that it was read from. It keeps the name of the log that created it even if the log
// gets another name, or its path is spelled differently, becomes a glob, or moves in nginx.conf. So a log finds its
// record by its file, and uses the one of its own name only if no other log has that. Position and counts stay
// together: a log that finds its file in a record that another log continues takes only the position.

// A claim is the record that a log continues.
type claim struct {
	record   string
	isOfFile bool            // its position is of the log's file
	others   []savedPosition // of other records that have the log's files
}

// claim finds the log's record and reserves it.
func (p *Pipeline) claim() claim {
	dir := p.commits.dir
	var found claim
	name := statefile.NameOf(p.source.Name)
	own, err := peek(dir, name)
	if err == nil && own.isAt(p.where()) && dir.Claim(name) {
		found.record, found.isOfFile = name, true
	}
	var peers []savedPosition
	for _, name := range p.records.of(p.where()) {
		saved, err := peek(dir, name)
		isOther := err != nil || saved.Kind != "" && saved.Kind != kindOf(p.source)
		if isOther || name == found.record || !saved.holds(p.where()) {
			continue
		}
		isOfPeer := p.isOfPeer(name, saved)
		switch {
		case isOfPeer && !saved.hasPart(p.where()):
			peers = append(peers, saved)
		case !isOfPeer && found.record == "" && dir.Claim(name):
			found.record, found.isOfFile = name, true
		default:
			found.others = append(found.others, saved)
		}
	}
	if found.record == "" {
		found.record = p.nameOfRecord(own, err == nil)
		if len(found.others) == 0 {
			found.others = peers // it begins where they are, and has its own position later
		}
	}
	return found
}

// isOfPeer reports whether another log continues a record: it has the very path that the record is of, or a glob for
// it, and this log has only another name of the file, such as a link. Of two with that path, it is the one that the
// record is named after.
func (p *Pipeline) isOfPeer(name string, saved savedPosition) bool {
	isNamed := saved.isNamed(p.where())
	return slices.ContainsFunc(p.peers, func(l source.LogSource) bool {
		switch {
		case l.Name == p.source.Name || kindOf(l) != kindOf(p.source):
			return false
		case where(l) == saved.Source:
			return p.where() != saved.Source || statefile.NameOf(l.Name) == name
		}
		return !isNamed && saved.isNamed(where(l))
	})
}

// nameOfRecord returns the log's own name, unless the record of that name belongs to another log.
func (p *Pipeline) nameOfRecord(own savedPosition, exists bool) string {
	dir := p.commits.dir
	isOthers := exists && slices.ContainsFunc(p.peers, func(l source.LogSource) bool {
		return l.Name != p.source.Name && own.holds(where(l))
	})
	if name := statefile.NameOf(p.source.Name); !isOthers && dir.Claim(name) {
		return name
	}
	for i := 2; ; i++ {
		name := statefile.NameOf(fmt.Sprintf("%s-%d", p.source.Name, i))
		if _, err := peek(dir, name); err != nil && dir.Claim(name) {
			return name
		}
	}
}

// hasPart reports whether a record keeps the position of a file that left its glob, for this log.
func (s *savedPosition) hasPart(where string) bool {
	return len(s.Parted.Of(isOf(where)).Cursors) > 0
}

// isAt reports whether a record is of what is read there. The first version's records did not say.
func (s *savedPosition) isAt(where string) bool {
	return s.Source == "" || s.Source == where || resolved(s.Source) == resolved(where)
}

// holds reports whether a record is of a log's file: by its path, or by the content of the present file.
func (s *savedPosition) holds(where string) bool {
	return s.isNamed(where) || !isAddress(where) && s.Position.Holds(where)
}

// isNamed reports whether a record is of a log's path, of a glob that matches it, or of a path that the log's glob
// matches.
func (s *savedPosition) isNamed(where string) bool {
	return s.hasPart(where) || s.Source != "" && (s.isAt(where) || fits(where, s.Source) || fits(s.Source, where))
}

// fits reports whether a glob is meant for a path.
func fits(glob, path string) bool { return path != "" && matches(resolved(glob), resolved(path)) }

// resolved returns a path with the symbolic links of its folder resolved.
func resolved(path string) string {
	if isAddress(path) {
		return path
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return path
	}
	return filepath.Join(dir, filepath.Base(path))
}

func isAddress(where string) bool {
	return strings.HasPrefix(where, "udp://") || strings.HasPrefix(where, "unix:") ||
		strings.HasPrefix(where, "docker:")
}

func kindOf(l source.LogSource) string {
	switch l.Kind {
	case source.Error:
		return "error"
	case source.Stream:
		return "stream"
	}
	return "access"
}

// position combines what is known of the log's files.
func (c claim) position(where string, own savedPosition) (p tail.Position, ok bool) {
	if c.isOfFile {
		p, ok = own.partOf(where), true
	}
	for _, other := range c.others {
		part := other.Counted()
		if other.isNamed(where) {
			part = other.partOf(where)
		}
		p.Cursors = append(p.Cursors, part.Cursors...)
		p.Finished = append(p.Finished, part.Finished...)
		p.Bases = append(p.Bases, part.Bases...)
		ok = true
	}
	p.Cursors = furthest(p.Cursors)
	return p, ok
}

// join combines the positions of different files.
func join(a, b tail.Position) tail.Position {
	return tail.Position{
		Cursors: slices.Concat(a.Cursors, b.Cursors), Done: slices.Concat(a.Done, b.Done),
		Finished: slices.Concat(a.Finished, b.Finished), Bases: slices.Concat(a.Bases, b.Bases),
		Unbegun: slices.Concat(a.Unbegun, b.Unbegun),
	}
}

// furthest keeps the most advanced cursor of each file.
func furthest(cursors []tail.Cursor) (kept []tail.Cursor) {
	for _, c := range cursors {
		i := slices.IndexFunc(kept, func(k tail.Cursor) bool { return k.Dev == c.Dev && k.Ino == c.Ino })
		switch {
		case i < 0:
			kept = append(kept, c)
		case kept[i].Offset < c.Offset:
			kept[i] = c
		}
	}
	return kept
}

// partOf returns the part of a position that concerns a log's own files, if the record is or was of a glob that had
// others, too.
func (s *savedPosition) partOf(where string) tail.Position {
	parted := s.Parted.Of(isOf(where))
	switch {
	case s.isGlobBeside(where):
		return join(parted, s.Position.Of(isOf(where)))
	case s.isOnlyPart(where):
		return parted
	}
	return join(parted, s.Position)
}

// restOf returns what partOf leaves out, for the logs that it concerns.
func (s *savedPosition) restOf(where string) tail.Position {
	isOthers := func(path string) bool { return !isOf(where)(path) }
	rest := s.Parted.Of(isOthers)
	switch {
	case s.isGlobBeside(where):
		return join(rest, s.Position.Of(isOthers))
	case s.isOnlyPart(where):
		return join(rest, s.Position)
	}
	return rest
}

// isOnlyPart reports whether only the position that a record keeps for a log concerns that.
func (s *savedPosition) isOnlyPart(where string) bool {
	return s.hasPart(where) && !s.isAt(where) && !fits(where, s.Source)
}

// isGlobBeside reports whether a record is of a glob, and the log is not that glob.
func (s *savedPosition) isGlobBeside(where string) bool {
	return !s.isAt(where) && isGlob(s.Source)
}

// isOf reports which paths belong to a log.
func isOf(where string) func(path string) bool {
	return func(path string) bool { return resolved(path) == resolved(where) || fits(where, path) }
}
