package source

import (
	"github.com/fremisn/fremisn-exporter/collector/internal/container"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
)

// dockerRoot returns Docker's folder, "" for a log that is not a container's.
func dockerRoot(p place) string {
	if p.docker != "" && p.dockerRoot == "" {
		return container.DefaultRoot
	}
	return p.dockerRoot
}

// File returns the path or glob of the files that have the log now: for a container, of its json-file log. It returns
// "" for syslog.
func (l LogSource) File() (string, error) {
	if l.Docker == "" {
		return l.Path, nil
	}
	return container.LogOf(l.DockerRoot, l.Docker)
}

// Files returns the present files of the log, in the order of their names; none for syslog.
func (l LogSource) Files() ([]string, error) {
	if l.Docker == "" {
		return tail.Files(l.Pattern())
	}
	path, err := l.File()
	return []string{path}, err
}

// IsGlob reports whether Path is a pattern. What nginx.conf names is one file, whatever is in its name.
func (l LogSource) IsGlob() bool {
	_, isPlain := tail.Plain(l.Pattern())
	return !isPlain
}

// Pattern returns Path in the syntax of filepath.Match.
func (l LogSource) Pattern() string {
	if l.Found {
		return tail.Literal(l.Path)
	}
	return l.Path
}

// Unwrap returns the log's own lines of a block of whole lines of its file, without the wrapping of a container
// runtime.
func (l LogSource) Unwrap(block []byte) []byte {
	wrapping, stream := l.Unwrapping()
	u := container.New(wrapping, stream)
	lines, _ := u.Lines(block[:u.Complete(block)])
	return lines
}

// Unwrapping returns the wrapping of the log's lines, and their stream.
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
