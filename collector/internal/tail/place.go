package tail

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A place is a file beside the log whose name is one that rotation gives: access.log.1, access.log-20261124.gz.
type place struct {
	path   string
	info   fs.FileInfo
	scheme string // which way of naming; places of one scheme have an order
	rank   int64  // the higher, the newer
}

var (
	// numbered is what logrotate, Docker and newsyslog put behind a log's name: the lowest is the newest.
	numbered = regexp.MustCompile(`^\.([0-9]{1,5})$`)
	// dated is what logrotate's dateext and the kubelet put there.
	dated = regexp.MustCompile(`^([.-])([0-9]{8})([0-9]{2}|-[0-9]{6})?$`)
)

// compressions are the suffixes of compressed files. Only .gz can be read.
var compressions = []string{".gz", ".bz2", ".xz", ".zst", ".lz4", ".lzma", ".Z", ".zip"}

func isGzip(path string) bool { return strings.HasSuffix(path, ".gz") }

// isOtherwiseCompressed reports whether a file is one that this program cannot read.
func isOtherwiseCompressed(path string) bool {
	extension := filepath.Ext(path)
	return extension != ".gz" && slices.Contains(compressions, extension)
}

// placeOf tells the place that a name is beside a log of the name base; ok is false for a file that is another log as
// far as its name goes.
func placeOf(base, name string) (scheme string, rank int64, ok bool) {
	if extension := filepath.Ext(name); slices.Contains(compressions, extension) {
		name = strings.TrimSuffix(name, extension)
	}
	behind, is := strings.CutPrefix(name, base)
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

// isDate reports whether eight digits are a day.
func isDate(digits string) bool {
	month, day := digits[4:6], digits[6:8]
	return "01" <= month && month <= "12" && "01" <= day && day <= "31"
}

// A folder is what stands beside a log at one moment.
type folder struct {
	real  string // the log's path behind symbolic links
	files []place
}

// maxListings is how often a folder is read again whose files are being renamed meanwhile.
const maxListings = 10

// list reads the folder of a log until two listings agree; settled is false where files were being renamed all the
// time. Files that are no places have an empty scheme.
func list(path string) (f folder, settled bool) {
	before := listOnce(path, isRelated)
	for range maxListings {
		now := listOnce(path, isRelated)
		if maps.Equal(before.ids(), now.ids()) {
			return now, true
		}
		before = now
	}
	return before, false
}

// isRelated reports whether a name begins as that of the log does, up to its first dot.
func isRelated(base, name string) bool {
	if dot := strings.IndexByte(base, '.'); dot > 0 {
		base = base[:dot]
	}
	return strings.HasPrefix(name, base)
}

// isAny is for a file that may have any name.
func isAny(base, name string) bool { return true }

func listOnce(path string, wanted func(base, name string) bool) folder {
	f := folder{real: path}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		f.real = real
	}
	dir, base := filepath.Split(f.real)
	if dir == "" {
		dir = "."
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return f
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !wanted(base, entry.Name()) {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			continue
		}
		scheme, rank, _ := placeOf(base, entry.Name())
		f.files = append(f.files, place{filepath.Join(dir, entry.Name()), info, scheme, rank})
	}
	return f
}

// ids tells which file stands under which name.
func (f folder) ids() map[string]fileID {
	ids := map[string]fileID{}
	for _, file := range f.files {
		ids[file.path] = idOf(file.info)
	}
	return ids
}

// schemes are the places by scheme, the newest first, one for each rank: the plain one where it stands beside one
// that is being compressed, for that may be only half written.
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
			case len(a.path) != len(b.path): // the suffix of a compression makes it longer
				return len(a.path) - len(b.path)
			}
			return strings.Compare(a.path, b.path)
		})
		schemes[scheme] = slices.CompactFunc(places, func(a, b place) bool { return a.rank == b.rank })
	}
	return schemes
}

// copies are the files that may hold what a log held, the likeliest first: places before other names that begin as
// the log's does, plain ones before compressed ones.
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
		return int(min(1, max(-1, b.rank-a.rank)))
	})
	return files
}
