package tail

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"
)

// A doneFile is one of the files that a glob fits, read to its end and followed no longer.
type doneFile struct {
	Cursor
	size    int64 // when last looked at
	changed time.Time
}

// isStill tells whether the file has not changed since.
func (d doneFile) isStill(info fs.FileInfo) bool {
	return d.Ino != 0 && info.Size() == d.size && info.ModTime().Equal(d.changed)
}

// current is the files that stand at the log's path, the newest last: one, or for a glob any number.
func (f *Follower) current() ([]string, error) {
	if !f.isGlob {
		return []string{f.path}, nil
	}
	matches, err := filepath.Glob(f.path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	type dated struct {
		path string
		time time.Time
	}
	var files []dated
	for _, path := range matches {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && !isGzip(path) {
			files = append(files, dated{path, info.ModTime()})
		}
	}
	sort.Slice(files, func(i, j int) bool {
		if files[i].time.Equal(files[j].time) {
			return files[i].path < files[j].path
		}
		return files[i].time.Before(files[j].time)
	})
	f.forgetGone(matches)
	paths := make([]string, len(files))
	for i, file := range files {
		paths[i] = file.path
	}
	if !f.started && len(f.generations) == 0 && !f.fromStart && len(paths) > 1 {
		for _, path := range paths[:len(paths)-1] {
			f.passOver(path)
		}
	}
	return paths, nil
}

// passOver makes a file done that is not to be read: one that was not the newest when the log was first followed.
func (f *Follower) passOver(path string) {
	file, info, err := openLog(path)
	if err != nil {
		return
	}
	defer file.Close()
	g := &generation{Cursor: Cursor{Path: path}, file: file}
	g.Dev, g.Ino = identity(info)
	if err := g.skipToEnd(); err == nil {
		f.done[idOf(info)] = doneFile{g.Cursor, info.Size(), info.ModTime()}
	}
}

// wasDone tells whether a file that has been opened is one that was done: what a worker has written to it since is
// read. One that begins otherwise has only the inode of one that was deleted.
func (f *Follower) wasDone(g *generation, info fs.FileInfo) bool {
	id := idOf(info)
	d, known := f.done[id]
	if !known {
		return false
	}
	again := &generation{Cursor: d.Cursor, file: g.file, grown: g.grown, size: d.Offset}
	isOld := d.Head.Len == 0 // of a version that knew no more than the inode
	switch {
	case !isOld && !again.recall():
		delete(f.done, id)
		return false
	case isOld || info.Size() == d.Offset:
		d.size, d.changed = info.Size(), info.ModTime()
		f.done[id] = d
		g.file.Close()
		return true
	}
	delete(f.done, id)
	again.Path = g.Path
	f.generations = slices.Insert(f.generations, 0, again)
	return true
}

// forgetGone drops finished files that are there no more: their inodes will be used again.
func (f *Follower) forgetGone(matches []string) {
	if len(f.done) == 0 {
		return
	}
	there := map[fileID]bool{}
	for _, path := range matches {
		if info, err := os.Stat(path); err == nil {
			there[idOf(info)] = true
		}
	}
	for id := range f.done {
		if !there[id] {
			delete(f.done, id)
		}
	}
}
