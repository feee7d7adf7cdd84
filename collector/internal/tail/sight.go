package tail

import (
	"golang.org/x/sys/unix"
)

// A Sight is the state of the files at a log's paths when all of them had been read. It is immutable. Checking it costs
// one system call per file: with many idle logs, that is the cost of a scrape.
type Sight struct{ files []seenFile }

// A seenFile is a file as it was seen, or a path without a file.
type seenFile struct {
	path     string
	missing  bool
	dev, ino uint64
	size     int64
	changed  int64 // nanoseconds
}

// Sight returns what the last Read has seen, nil before everything was read. Any goroutine may use it.
func (f *Follower) Sight() *Sight { return f.sight }

// lookAround returns the present Sight. It is nil while a check for changes is not enough: a generation may still be
// written under another name, a search is in progress, or the last bytes are too recent for the file's time.
func (f *Follower) lookAround() *Sight {
	if f.isGlob || !f.started {
		return nil
	}
	s := &Sight{}
	for _, b := range f.bases {
		switch {
		case b.search != nil, !b.suspicion.since.IsZero(), b.current != nil && b.current.file == nil:
			return nil
		case b.current == nil:
			s.files = append(s.files, seenFile{path: b.path, missing: true})
		}
	}
	for _, g := range f.generations {
		if f.now().Sub(g.grown) >= quiet {
			g.doze()
		}
		age := f.now().Sub(g.grown)
		switch {
		case g.awaited:
			return nil
		case g.file == nil:
			continue // it is examined now and then
		case g.isCurrent() && age >= verified:
			s.files = append(s.files, g.seen(g.base.path))
		case !g.isCurrent() && age >= quiet:
			g.findName() // its place has moved with each rotation
			s.files = append(s.files, g.seen(g.Path))
		default:
			return nil
		}
	}
	if !s.Holds() {
		return nil
	}
	return s
}

func (g *generation) seen(path string) seenFile {
	return seenFile{path: path, dev: g.Dev, ino: g.Ino, size: g.size, changed: g.changed.UnixNano()}
}

// Holds reports whether nothing has changed. Any goroutine may call it.
func (s *Sight) Holds() bool {
	for i := range s.files {
		if !s.files[i].isStill() {
			return false
		}
	}
	return true
}

func (f *seenFile) isStill() bool {
	var now unix.Stat_t
	err := unix.Stat(f.path, &now)
	if f.missing {
		return err == unix.ENOENT
	}
	return err == nil && uint64(now.Dev) == f.dev && now.Ino == f.ino && now.Size == f.size &&
		now.Mtim.Nano() == f.changed
}
