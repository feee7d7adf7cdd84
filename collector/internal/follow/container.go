package follow

import (
	"errors"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/container"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// newFollower returns the Follower of a log's files, which strips what a container runtime has written around lines.
func newFollower(l source.LogSource, sink *Pipeline) *tail.Follower {
	now := func() time.Time { return sink.now() }
	wrapping, stream := l.Unwrapping()
	if wrapping == container.None {
		return tail.New(l.Pattern(), l.FromStart, sink, now)
	}
	u := container.New(wrapping, stream)
	unwrapped := &unwrapSink{sink, u}
	f := tail.New(l.Pattern(), l.FromStart, unwrapped, now)
	if l.Docker != "" {
		f = tail.NewOf((&finder{source: l, now: now}).paths, l.FromStart, unwrapped, now)
	}
	f.Frame(u)
	return f
}

// An unwrapSink passes the lines of blocks to a pipeline after its Unwrapper has found their length.
type unwrapSink struct {
	*Pipeline
	unwrapper *container.Unwrapper
}

// Lines counts the lines of a block of wrapped lines.
func (s *unwrapSink) Lines(block []byte) {
	lines, tooLong := s.unwrapper.Lines(block)
	for range tooLong {
		s.TooLong()
	}
	if len(lines) > 0 {
		s.Pipeline.Lines(lines)
	}
	s.totals.ReadBytes += uint64(len(block) - min(len(block), len(lines)))
	s.dirty = true // the position has changed even if there is no line of this stream
}

// findInterval is how often a container is looked up: a re-created one has another id, and another log.
const findInterval = 10 * time.Second

// A finder finds the json-file log of a container by the container's name. The log of a removed container stays open
// until it is read to its end; that of a re-created one is read from its beginning.
type finder struct {
	source source.LogSource
	now    func() time.Time

	found []string
	err   error
	next  time.Time // when to look again
}

// paths returns the file of the container.
func (f *finder) paths() ([]string, error) {
	if f.now().Before(f.next) {
		return f.found, f.err
	}
	f.next = f.now().Add(findInterval)
	path, err := f.source.File()
	switch {
	case err == nil:
		f.found = []string{path}
	case errors.Is(err, container.ErrNone) && f.found != nil:
		err = nil // it was removed, and may come back
	}
	f.err = err
	return f.found, f.err
}
