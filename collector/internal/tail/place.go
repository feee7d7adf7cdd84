package tail

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A place is a file beside the log with a name that rotation gives: access.log.1, access.log-20261124.gz.
type place struct {
	path   string
	info   fs.FileInfo
	scheme string // the naming scheme; places of one scheme are ordered
	rank   int64  // higher is newer
}

var (
	// numbered matches the suffixes of logrotate, Docker and newsyslog: the lowest number is the newest.
	numbered = regexp.MustCompile(`^\.([0-9]{1,5})$`)
	// dated matches those of logrotate's dateext and of the kubelet.
	dated = regexp.MustCompile(`^([.-])([0-9]{8})([0-9]{2}|-[0-9]{6})?$`)
)

// compressions lists the suffixes of compressed files. Only .gz can be read.
var compressions = []string{".gz", ".bz2", ".xz", ".zst", ".lz4", ".lzma", ".Z", ".zip"}

func isGzip(path string) bool { return strings.HasSuffix(path, ".gz") }

// isOtherwiseCompressed reports whether a file has a compression that this program cannot read.
func isOtherwiseCompressed(path string) bool {
	return !isGzip(path) && isCompressed(path)
}

func isCompressed(path string) bool { return slices.Contains(compressions, filepath.Ext(path)) }

// uncompressed returns a name without the suffix of its compression.
func uncompressed(name string) string {
	if isCompressed(name) {
		return strings.TrimSuffix(name, filepath.Ext(name))
	}
	return name
}

// placeOf returns the place of a name beside a log named base; ok is false if the name belongs to another log.
func placeOf(base, name string) (scheme string, rank int64, ok bool) {
	behind, is := strings.CutPrefix(uncompressed(name), base)
	if !is {
		return "", 0, false
	}
	if m := numbered.FindStringSubmatch(behind); m != nil {
		rank, err := strconv.ParseInt(m[1], 10, 64)
		return "number", -rank, err == nil
	}
	if m := dated.FindStringSubmatch(behind); m != nil && isDate(m[2]) {
		rank, err := strconv.ParseInt(m[2]+strings.TrimPrefix(m[3], "-"), 10, 64)
		return m[1] + strconv.Itoa(len(m[3])), rank, err == nil
	}
	return "", 0, false
}

// suffixed matches a name that rotation may have given.
var suffixed = regexp.MustCompile(`^(.+?)([.-][0-9]{8}(?:[0-9]{2}|-[0-9]{6})?|\.[0-9]{1,5})$`)

// PartOf returns the log that a path is a rotated part of, if its name is one that rotation gives.
func PartOf(path string) (log string, ok bool) {
	dir, name := filepath.Split(path)
	if extension := filepath.Ext(name); slices.Contains(compressions, extension) {
		name = strings.TrimSuffix(name, extension)
	}
	m := suffixed.FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	if _, _, ok := placeOf(m[1], name); !ok {
		return "", false
	}
	return dir + m[1], true
}

// isDate reports whether eight digits are a date.
func isDate(digits string) bool {
	month, day := digits[4:6], digits[6:8]
	return "01" <= month && month <= "12" && "01" <= day && day <= "31"
}

// A folder is a listing of a log's folder.
type folder struct {
	real   string // the log's path with symbolic links resolved
	files  []place
	moving bool   // a listed file had lost its name before it was looked at
	names  *Names // those that it was listed by
}

// maxListings is how often a folder is listed again while its files are being renamed.
const maxListings = 10

// list reads the folder of a log until two listings agree; settled is false if files were being renamed all the time.
// Files that are not places have an empty scheme.
func list(path string) (f folder, settled bool) { return (*Names)(nil).list(path) }

func (n *Names) list(path string) (f folder, settled bool) {
	before := n.listOnce(path, isRelated)
	for range maxListings {
		now := n.listOnce(path, isRelated)
		if before.agrees(now) {
			return now, true
		}
		before = now
	}
	return before, false
}

// isRelated reports whether a name has the same beginning as the log's, up to the first dot.
func isRelated(base, name string) bool {
	if dot := strings.IndexByte(base, '.'); dot > 0 {
		base = base[:dot]
	}
	return strings.HasPrefix(name, base)
}

// isAny accepts every name.
func isAny(base, name string) bool { return true }

func listOnce(path string, wanted func(base, name string) bool) folder {
	return (*Names)(nil).listOnce(path, wanted)
}

func (n *Names) listOnce(path string, wanted func(base, name string) bool) folder {
	f := folder{real: path, names: n}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		f.real = real
	}
	dir, base := filepath.Split(f.real)
	if dir == "" {
		dir = "."
	}
	for _, name := range n.in(dir, func(name string) bool { return wanted(base, name) }) {
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		f.moving = f.moving || errors.Is(err, fs.ErrNotExist)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		scheme, rank, _ := placeOf(base, name)
		f.files = append(f.files, place{path, info, scheme, rank})
	}
	return f
}

// namesIn returns the wanted names of a folder, sorted.
func namesIn(dir string, wanted func(name string) bool) []string {
	folder, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return nil
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !wanted(name) })
	slices.Sort(names)
	return names
}

// isStill reports whether a later listing gives the same: what was looked for under its names was not renamed or
// compressed meanwhile, so that it was missed under both names.
func (f folder) isStill(path string) bool {
	return f.agrees(f.names.listOnce(path, isRelated))
}

// agrees reports whether two listings have the same files under the same names, and certainly all of them.
func (f folder) agrees(with folder) bool {
	return !f.moving && !with.moving && maps.Equal(f.ids(), with.ids())
}

// ids maps each file to its name.
func (f folder) ids() map[string]fileID {
	ids := map[string]fileID{}
	for _, file := range f.files {
		ids[file.path] = idOf(file.info)
	}
	return ids
}

// schemes returns the places by scheme, the newest first, one per rank: the plain file rather than the compressed one
// beside it, which may be incomplete.
func (f folder) schemes() map[string][]place {
	schemes := map[string][]place{}
	for _, file := range f.files {
		if file.scheme != "" {
			schemes[file.scheme] = append(schemes[file.scheme], file)
		}
	}
	for scheme, places := range schemes {
		slices.SortStableFunc(places, func(a, b place) int {
			switch {
			case a.rank != b.rank:
				return int(min(1, max(-1, b.rank-a.rank)))
			case len(a.path) != len(b.path): // a compression's suffix makes it longer
				return len(a.path) - len(b.path)
			}
			return strings.Compare(a.path, b.path)
		})
		schemes[scheme] = slices.CompactFunc(places, func(a, b place) bool { return a.rank == b.rank })
	}
	return schemes
}

// isBeyondHole reports whether a number is missing between a numbered place and the newest.
func (f folder) isBeyondHole(at place) bool {
	all := f.schemes()["number"]
	i := slices.IndexFunc(all, func(p place) bool { return p.rank == at.rank })
	return i < 0 || all[0].rank-at.rank != int64(i)
}

// copies returns the files that may hold what a log held, the most likely first: places before other related names,
// plain files before compressed ones.
func (f folder) copies() []place {
	var files []place
	for _, file := range f.files {
		if !isOtherwiseCompressed(file.path) {
			files = append(files, file)
		}
	}
	class := func(p place) (n int) {
		if isGzip(p.path) {
			n += 2
		}
		if p.scheme == "" {
			n++
		}
		return n
	}
	slices.SortStableFunc(files, func(a, b place) int {
		if order := class(a) - class(b); order != 0 {
			return order
		}
		if a.scheme != b.scheme {
			return strings.Compare(a.scheme, b.scheme)
		}
		if a.scheme == "" { // of copies made one after the other, the last holds most
			return cmp.Compare(b.info.Size(), a.info.Size())
		}
		return int(min(1, max(-1, b.rank-a.rank)))
	})
	return files
}
