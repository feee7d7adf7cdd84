package follow

import (
	"errors"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/container"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// newUnwrapper returns what takes a log's lines out of those that a container runtime writes, nil where there is none.
func newUnwrapper(s source.LogSource) *container.Unwrapper {
	wrapping, stream := s.Unwrapping()
	if wrapping == container.None {
		return nil
	}
	return container.New(wrapping, stream, tail.MaxLine)
}

// findInterval is how often a container is looked for: one that is made again has another id, and another log.
const findInterval = 10 * time.Second

// A containerReader follows the json-file log of a container that is given by its name, through the container's being
// removed and made again. The new one's log is read from its beginning, after the old one's end: that stays open,
// though Docker has removed it.
type containerReader struct {
	source source.LogSource
	sink   *Pipeline
	find   func(root, name string) (string, error)

	before  string // the path that the saved position belongs to, "" without one
	saved   tail.Position
	seen    time.Time
	path    string // of the log that is followed, "" before one is found
	current *tail.Follower
	next    time.Time // when to look for the container again
	err     error     // why it has not been found
}

func newContainerReader(s source.LogSource, sink *Pipeline) *containerReader {
	return &containerReader{source: s, sink: sink, find: container.LogOf}
}

// Read hands out what has been written until now.
func (r *containerReader) Read() error {
	if now := r.sink.now(); !now.Before(r.next) {
		r.next = now.Add(findInterval)
		r.look()
	}
	if r.current == nil {
		return r.err
	}
	return errors.Join(r.current.Read(), r.err)
}

// look finds the container's log, and changes to it where it is another.
func (r *containerReader) look() {
	path, err := r.find(r.source.DockerRoot, r.source.Docker)
	if r.err = err; errors.Is(err, container.ErrNone) && r.path != "" {
		r.err = nil // it has been removed, and is waited for
	}
	if err != nil || path == r.path {
		return
	}
	isFirst := r.path == "" && r.before == ""
	r.leave(path)
	r.path = path
	r.current = tail.New(path, r.source.FromStart || !isFirst, r.sink, func() time.Time { return r.sink.now() })
	if path == r.before {
		r.current.Resume(r.saved, r.seen)
	}
	r.before = ""
}

// leave reads the log that was followed so far to its end. One that is gone, since the container was made again while
// nobody followed it, is a gap.
func (r *containerReader) leave(path string) {
	switch {
	case r.current != nil:
		r.current.Read()
	case r.before != "" && r.before != path:
		r.current = tail.New(r.before, true, r.sink, func() time.Time { return r.sink.now() })
		r.current.Resume(r.saved, r.seen)
		r.current.Read()
	default:
		return
	}
	r.current.Close()
	r.sink.Rotated("renamed")
}

// Close closes the log.
func (r *containerReader) Close() {
	if r.current != nil {
		r.current.Close()
	}
}

// Position is where reading has come to.
func (r *containerReader) Position() tail.Position {
	if r.current == nil {
		return r.saved
	}
	return r.current.Position()
}

// Resume is for a position of an earlier run.
func (r *containerReader) Resume(p tail.Position, seen time.Time) { r.saved, r.seen = p, seen }

// Seen is when the log was last looked at.
func (r *containerReader) Seen() time.Time {
	if r.current == nil {
		return r.seen
	}
	return r.current.Seen()
}

// Lag is how many bytes were not read when last looked at.
func (r *containerReader) Lag() int64 {
	if r.current == nil {
		return 0
	}
	return r.current.Lag()
}
