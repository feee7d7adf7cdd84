package tail

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"time"
)

// expand keeps a base for each file that the glob matches, the oldest first, and drops those that are gone.
func (f *Follower) expand() error {
	matches, err := f.paths()
	if err != nil && f.path != "" {
		err = fmt.Errorf("%s: %w", f.path, err)
	}
	there := map[string]bool{}
	for _, path := range matches {
		there[path] = true
	}
	f.bases = slices.DeleteFunc(f.bases, func(b *base) bool {
		delete(there, b.path)
		return !slices.Contains(matches, b.path) && (b.current == nil || b.current.finished && b.current.file == nil)
	})
	type dated struct {
		path string
		time time.Time
	}
	var added []dated
	for path := range there {
		info, err := os.Stat(path)
		if err == nil && !info.Mode().IsRegular() || isGzip(path) || isOtherwiseCompressed(path) {
			continue
		}
		d := dated{path: path}
		if err == nil {
			d.time = info.ModTime()
		}
		added = append(added, d)
	}
	slices.SortFunc(added, func(a, b dated) int { return cmp.Or(a.time.Compare(b.time), cmp.Compare(a.path, b.path)) })
	for _, d := range added {
		f.bases = append(f.bases, &base{path: d.path, fromEnd: !f.started && !f.fromStart})
	}
	return err
}
