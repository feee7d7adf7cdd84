package tail

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxSiblings bounds how many files beside the log are looked at.
const maxSiblings = 1024

// A sibling is a file beside the log that may be a generation of it: access.log.1, access.log-20261124.gz.
type sibling struct {
	path    string
	info    fs.FileInfo
	changed time.Time
	rotated bool // its name is one that rotation gives; another file is a generation only if its content says so
}

var (
	// behindName is what rotation puts behind a log's name: .1, -20261124, .2026-11-24_00, .old.
	behindName = regexp.MustCompile(`^[._-](.*[0-9].*|old|bak|prev|orig|save)$`)
	// withinName is what logrotate's extension directive puts before the suffix: access.1.log, access-20261124.log.
	// A short number behind a dash is no rotation: access-2.log may be another log.
	withinName = regexp.MustCompile(`^([._][0-9]+|[._-][0-9][0-9T:._-]{5,})$`)
)

func isGzip(path string) bool { return strings.HasSuffix(path, ".gz") }

// isOtherwiseCompressed tells of files that this program cannot read.
func isOtherwiseCompressed(path string) bool {
	return slices.Contains([]string{".bz2", ".xz", ".zst", ".lz4", ".lzma", ".Z", ".zip"}, filepath.Ext(path))
}

// isSibling tells whether a file of this name may be a generation of the log, and whether its name says so.
// access-api.log beside access.log is another log.
func (f *Follower) isSibling(name string) (may, rotated bool) {
	name = strings.TrimSuffix(name, ".gz")
	base := filepath.Base(f.path)
	if f.isGlob {
		matches, err := filepath.Match(base, name)
		return err == nil && matches, matches
	}
	if behind, is := strings.CutPrefix(name, base); is {
		return behind == "" || strings.ContainsAny(behind[:1], "._-"), behind == "" || behindName.MatchString(behind)
	}
	suffix := filepath.Ext(base)
	within, is := strings.CutPrefix(name, strings.TrimSuffix(base, suffix))
	within, ends := strings.CutSuffix(within, suffix)
	rotated = is && ends && withinName.MatchString(within)
	return rotated, rotated
}

// siblings are the files beside the log that may be generations of it, the oldest first.
func (f *Follower) siblings() []sibling {
	var found []sibling
	f.beside(func(path string, rotated bool) {
		if isOtherwiseCompressed(path) || len(found) == maxSiblings {
			return
		}
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			found = append(found, sibling{path, info, info.ModTime(), rotated})
		}
	})
	slices.SortStableFunc(found, func(a, b sibling) int { return a.changed.Compare(b.changed) })
	return found
}

// maxLooks is how often files are looked for that are being renamed meanwhile.
const maxLooks = 10

// search looks for something among the files beside the log until it is found, or all have been seen: while files are
// renamed, each may stand under no name that was listed.
func (f *Follower) search(look func([]sibling) bool) (found, settled bool) {
	for range maxLooks {
		siblings := f.siblings()
		if look(siblings) {
			return true, true
		}
		if maps.Equal(idsByName(siblings), idsByName(f.siblings())) {
			return false, true
		}
	}
	return false, false
}

// idsByName tells which file stands under which name.
func idsByName(siblings []sibling) map[string]fileID {
	ids := map[string]fileID{}
	for _, s := range siblings {
		ids[s.path] = idOf(s.info)
	}
	return ids
}

// otherwiseCompressed names a file that may hold what is missed, and cannot be read.
func (f *Follower) otherwiseCompressed() (path string) {
	f.beside(func(p string, rotated bool) {
		if rotated && isOtherwiseCompressed(p) {
			path = p
		}
	})
	return path
}

// beside calls visit for every file beside the log that may be a generation of it.
func (f *Follower) beside(visit func(path string, rotated bool)) {
	dir := filepath.Dir(f.path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if may, rotated := f.isSibling(entry.Name()); may {
			visit(filepath.Join(dir, entry.Name()), rotated)
		}
	}
}

// plainFirst puts compressed files last: one beside its original may be only half written.
func plainFirst(siblings []sibling) []sibling {
	sorted := slices.Clone(siblings)
	slices.SortStableFunc(sorted, func(a, b sibling) int {
		switch {
		case isGzip(a.path) == isGzip(b.path):
			return 0
		case isGzip(b.path):
			return -1
		}
		return 1
	})
	return sorted
}
