package follow

import (
	"os"
	"slices"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// An entry is a log that records are shared out to.
type entry struct {
	name   string
	own    string // the name of a record of its own
	kind   string
	where  string
	at     string // where, resolved
	isGlob bool
	files  []*namedFile
	byName map[string]*namedFile

	before before // the logs that come before it, of a glob

	shares   []*share // that it has by name
	found    []*share // of a file of no such share, by its content
	evidence []*share // of content that may have been counted
	record   *record  // that it continues; nil: none
	isOfFile bool     // the record is of its files; otherwise only its counts are continued

	late <-chan struct{} // closed when the log's disk answers, which it has not in time; nil: it has
}

// A namedFile is one that is, or may come to be, at a log's path.
type namedFile struct {
	path  string
	names []string
	inode uint64 // 0: there is none
	tag   tail.FileTag
}

// newEntry returns a log's entry. If links are literal, it has no files, and only the names that need no disk.
func newEntry(l source.LogSource, links *links) *entry {
	e := &entry{name: l.Name, own: statefile.NameOf(l.Name), kind: kindOf(l), where: where(l),
		byName: map[string]*namedFile{}}
	e.at = links.resolved(e.where)
	e.isGlob = l.IsGlob()
	var paths []string
	switch path, _ := tail.Plain(e.where); {
	case links.isLiteral && (e.isGlob || l.Docker != ""):
	case l.Docker != "":
		paths, _ = l.Files() // what is wrong with it, reading it reports
	case e.isGlob:
		paths, _ = tail.Files(e.where)
	case !isAddress(e.where):
		paths = []string{path}
	}
	for _, path := range paths {
		file := &namedFile{path: path, names: links.names(path)}
		if !links.isLiteral {
			file.inode, file.tag = inodeOf(path), tail.TagOf(path)
		}
		e.files = append(e.files, file)
		for _, name := range file.names {
			if other := e.byName[name]; other == nil || len(file.names) < len(other.names) {
				e.byName[name] = file // rather the file than a link to it
			}
		}
	}
	return e
}

func inodeOf(path string) uint64 {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return tail.Inode(info)
}

// onlyPath returns the path of a log that has one, and no other.
func (e *entry) onlyPath() string {
	path, isPlain := tail.Plain(e.where)
	if !isPlain || isAddress(e.where) {
		return ""
	}
	return path
}

// has reports whether a file with these names is the log's, or was.
func (e *entry) has(names []string) bool {
	return e.fileOf(names) != nil || e.isGlob && slices.ContainsFunc(names, e.matches)
}

func (e *entry) matches(name string) bool { return matches(e.at, name) }

// fileOf returns the log's file that has one of the names, nil if there is none.
func (e *entry) fileOf(names []string) (found *namedFile) {
	for _, name := range names {
		if file := e.byName[name]; file != nil && (found == nil || len(file.names) < len(found.names)) {
			found = file
		}
	}
	return found
}

// pathOf returns the log's own path for the files of a share.
func (e *entry) pathOf(s *share) string {
	if file := e.fileOf(s.names); file != nil {
		return file.path
	}
	if i := slices.IndexFunc(s.names, e.matches); e.isGlob && i >= 0 && !e.matches(s.base) {
		return s.names[i]
	}
	return s.base
}
