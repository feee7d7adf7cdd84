package source

import (
	"github.com/fremisn/fremisn-exporter/collector/internal/container"
)

// dockerRoot is Docker's folder, "" for a log that is no container's.
func dockerRoot(p place) string {
	if p.docker != "" && p.dockerRoot == "" {
		return container.DefaultRoot
	}
	return p.dockerRoot
}

// File is the path or glob of the files that hold the log now: of a container, of its json-file log. It is "" for what
// comes by syslog.
func (l LogSource) File() (string, error) {
	if l.Docker == "" {
		return l.Path, nil
	}
	return container.LogOf(l.DockerRoot, l.Docker)
}

// Unwrap returns the log's own lines of a block of whole lines of its file, without what a container runtime has
// written around them.
func (l LogSource) Unwrap(block []byte) []byte {
	wrapping, stream := l.Unwrapping()
	u := container.New(wrapping, stream)
	lines, _ := u.Lines(block[:u.Whole(block)])
	return lines
}

// Unwrapping is what stands around the log's lines, and the stream that they are of.
func (l LogSource) Unwrapping() (container.Wrapping, string) {
	stream := container.Stdout
	if l.Kind == Error {
		stream = container.Stderr
	}
	wrapping, _ := container.ParseWrapping(l.Wrapping)
	switch {
	case l.Docker != "":
		wrapping = container.Docker
	case l.Syslog != "":
		wrapping = container.None
	}
	return wrapping, stream
}
