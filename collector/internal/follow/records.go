package follow

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
)

// Records know which files the records of a folder are of, so that each of many logs finds its own without reading all
// of them. They are read once, for all logs that begin at the same time, and show what may be of a log's file: whether
// it is, the record itself says, for others may have written it since.
type Records struct {
	dir  *statefile.Dir
	once sync.Once
	slow sync.Once // says that the folder's disk does not answer

	begins chan struct{} // a token for each log that begins

	byPath  map[string][]string           // of a file or a glob, by its resolved path
	globs   []string                      // of them those that are globs
	byStart map[tail.Fingerprint][]string // of a file that begins so
}

const (
	// maxBegin is how many logs begin at one time. All of a thousand at once would leave scrapes waiting for their turn
	// of the processor.
	maxBegin = 8
	// maxBeginTime is how long one may hold up others: it waits for a disk, or has much to read.
	maxBeginTime = 100 * time.Millisecond
)

// NewRecords returns the records of a folder, which are read when they are first asked for.
func NewRecords(dir *statefile.Dir) *Records {
	return &Records{dir: dir, begins: make(chan struct{}, maxBegin)}
}

// begin waits until a log may begin. done reports that it has.
func (r *Records) begin() (done func()) {
	if r == nil {
		return func() {}
	}
	r.begins <- struct{}{}
	done = sync.OnceFunc(func() { <-r.begins })
	time.AfterFunc(maxBeginTime, done)
	return done
}

func (r *Records) read() {
	r.byPath, r.byStart = map[string][]string{}, map[tail.Fingerprint][]string{}
	names, _ := r.dir.Logs() // Load reports what cannot be read
	for _, name := range names {
		saved, err := peek(r.dir, name)
		if err != nil {
			continue
		}
		for path := range saved.paths() {
			if isGlob(path) && r.byPath[path] == nil {
				r.globs = append(r.globs, path)
			}
			r.byPath[path] = append(r.byPath[path], name)
		}
		for _, start := range saved.Starts() {
			r.byStart[start] = append(r.byStart[start], name)
		}
	}
}

// of returns the names of the records that may be of what is read there, sorted.
func (r *Records) of(where string) []string {
	r.once.Do(r.read)
	names := map[string]bool{}
	add := func(more []string) {
		for _, name := range more {
			names[name] = true
		}
	}
	at := resolved(where)
	add(r.byPath[at])
	for _, glob := range r.globs {
		if matches(glob, at) {
			add(r.byPath[glob])
		}
	}
	if isGlob(at) { // each of a thousand logs looking at all paths would be half of a start
		for path, of := range r.byPath {
			if matches(at, path) {
				add(of)
			}
		}
	}
	if !isAddress(where) {
		for start := range tail.StartsAt(where) {
			add(r.byStart[start])
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// paths are those that a record is of, resolved.
func (s *savedPosition) paths() map[string]bool {
	paths := map[string]bool{}
	if s.Source != "" {
		paths[resolved(s.Source)] = true
	}
	for path := range s.Parted.Paths() {
		paths[resolved(tail.Literal(path))] = true
	}
	return paths
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

func peek(dir *statefile.Dir, record string) (saved savedPosition, err error) {
	position, err := dir.Position(record)
	if err == nil {
		err = json.Unmarshal(position, &saved)
	}
	return saved, err
}
