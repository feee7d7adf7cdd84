package follow

import (
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// where identifies what a log is read from, independent of the working directory: an address, or a pattern.
func where(l source.LogSource) string {
	if l.Path == "" {
		return l.Where()
	}
	path, err := filepath.Abs(l.Pattern())
	if err != nil {
		return l.Pattern()
	}
	return path
}

func isAddress(where string) bool {
	return where == "" || strings.HasPrefix(where, "udp://") || strings.HasPrefix(where, "unix:") ||
		strings.HasPrefix(where, "docker:")
}

func isGlob(pattern string) bool {
	_, isPlain := tail.Plain(pattern)
	return !isPlain
}

// matches reports whether a path, or a pattern that stands for it alone, is one that a glob is for. Both are resolved.
func matches(glob, path string) bool {
	if plain, ok := tail.Plain(path); ok {
		path = plain
	}
	is, err := filepath.Match(glob, path)
	return err == nil && is && path != ""
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

// links resolves symbolic links, those of each folder once. Any goroutine may use it.
type links struct {
	isLiteral bool     // it asks no disk, and takes paths as they are
	folders   sync.Map // where each leads
}

func literal() *links { return &links{isLiteral: true} }

// resolved returns a path, or a pattern, with the symbolic links of its folder resolved.
func (l *links) resolved(path string) string {
	switch {
	case isAddress(path):
		return path
	case l.isLiteral:
		return filepath.Clean(path)
	}
	dir, name := filepath.Split(path)
	if real, ok := l.folders.Load(dir); ok {
		return filepath.Join(real.(string), name)
	}
	real := filepath.Clean(dir)
	if at, err := filepath.EvalSymlinks(real); err == nil {
		real = at
	}
	l.folders.Store(dir, real)
	return filepath.Join(real, name)
}

// real returns where a path leads, whether there is a file or not.
func (l *links) real(path string) string {
	if l.isLiteral {
		return path
	}
	return tail.Target(path, l.resolved)
}

// names are those that a path has: its own, and the one that it leads to.
func (l *links) names(path string) []string {
	names := []string{l.resolved(path), l.real(path)}
	slices.Sort(names)
	return slices.Compact(names)
}
