package tail

import (
	"cmp"
	"fmt"
	"maps"
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
	matches = f.withoutLeft(matches)
	there := map[string]bool{}
	for _, path := range matches {
		there[path] = true
	}
	f.bases = slices.DeleteFunc(f.bases, func(b *base) bool {
		delete(there, b.path)
		b.isGone = !slices.Contains(matches, b.path)
		isKnown := b.current != nil && !(b.current.finished && b.current.file == nil)
		return b.isGone && !isKnown && b.search == nil
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
		b := &base{path: d.path, fromEnd: !f.started && !f.fromStart}
		if f.started {
			b.came = f.discovered
		}
		f.bases = append(f.bases, b)
	}
	f.addUnseen(matches)
	return err
}

// withoutLeft returns those of the glob's matches that are not left to other logs. Those that are followed stay.
func (f *Follower) withoutLeft(matches []string) []string {
	if f.leaveOut == nil {
		return matches
	}
	known := map[string]bool{}
	for _, b := range f.bases {
		known[b.path] = true
	}
	isGone := map[string]bool{}
	maps.Copy(isGone, f.left)
	var new []string
	for _, path := range matches {
		delete(isGone, path)
		if !known[path] && !f.left[path] {
			new = append(new, path)
		}
	}
	maps.DeleteFunc(f.left, func(path string, _ bool) bool { return isGone[path] })
	if len(new) > 0 {
		for _, path := range f.leaveOut(new) {
			f.left[path] = true
		}
	}
	return slices.DeleteFunc(matches, func(path string) bool { return f.left[path] })
}
