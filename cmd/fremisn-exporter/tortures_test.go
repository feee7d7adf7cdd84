package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// carefully does one of the things that need the writers to be still and all lines to be counted, and after which it
// is looked at once before they write again: by this exporter, or by the next, after a kill -9.
func (x *victim) carefully(w *torturer) {
	x.t.Helper()
	w.mu.Lock()
	x.look()
	x.check(w)
	if w.deleteOldest() {
		x.look()
	}
	events := []struct {
		name string
		do   func(*victim, *torturer)
	}{
		{"cut", (*victim).cut},
		{"cut, and go on", (*victim).cutAndGoOn},
		{"half a line", (*victim).half},
		{"half a line, and rotate", (*victim).halfAndRotate},
		{"half a line for ever", (*victim).halfForEver},
		{"rewrite a part", (*victim).rewrite},
		{"another disk", (*victim).anotherDisk},
	}
	event := events[x.random.Intn(len(events))]
	w.careful++
	w.happened = append(w.happened, fmt.Sprint(event.name, "@", w.serial))
	event.do(x, w)
	if x.held = x.random.Intn(2) == 0; !x.held {
		x.look()
		x.check(w)
		w.mu.Unlock()
	}
}

// deleteOldest keeps as many parts as logrotate with "rotate 40" does, and reports whether it has deleted any. All that
// they hold has been counted; what a late worker writes still stays.
func (w *torturer) deleteOldest() (some bool) {
	const keep = 40
	parts, err := filepath.Glob(w.path(`access.log[.\-]*`))
	w.must(err)
	parts = slices.DeleteFunc(parts, func(name string) bool {
		return strings.HasSuffix(name, ".json") || w.isLate(name)
	})
	slices.SortFunc(parts, func(a, b string) int { return ageOf(a) - ageOf(b) })
	for _, name := range parts[min(len(parts), keep):] {
		w.must(os.Remove(name))
		some = true
	}
	return some
}

// ageOf orders the names of rotated parts: the newest has the lowest.
func ageOf(name string) int {
	suffix := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "access.log"), ".gz")
	n, _ := strconv.Atoi(suffix[1:])
	if suffix[0] == '-' {
		return -n
	}
	return n
}

// isLate reports whether a late worker writes the file still.
func (w *torturer) isLate(name string) bool {
	info, err := os.Stat(name)
	w.must(err)
	return slices.ContainsFunc(w.late, func(l lateWriter) bool {
		late, err := l.file.Stat()
		return err == nil && os.SameFile(late, info)
	})
}

// cut takes the last lines of the log away, as a power failure does.
func (x *victim) cut(w *torturer) {
	text, err := os.ReadFile(w.path("access.log"))
	w.must(err)
	lines := bytes.SplitAfter(text, []byte("\n"))
	lost := 1 + x.random.Intn(30)
	if lost >= len(lines)-20 { // of a file with few lines it is not certain which it is
		return
	}
	kept := len(bytes.Join(lines[:len(lines)-1-lost], nil))
	w.must(os.Truncate(w.path("access.log"), int64(kept)))
}

// cutAndGoOn writes before anybody has looked, so that what is written may be missing.
func (x *victim) cutAndGoOn(w *torturer) {
	x.cut(w)
	lines, sum := w.lines.Load(), w.sum.Load()
	for range 1 + x.random.Intn(100) {
		w.line(w.file)
	}
	w.doubtful.lines += float64(w.lines.Load() - lines)
	w.doubtful.sum += float64(w.sum.Load() - sum)
	w.doubtful.gaps += 2 // the old file is gone, and of the new one it is not certain what was counted
}

// half writes a line in two parts, and lets the exporter look, or die, between.
func (x *victim) half(w *torturer) { x.writeHalves(w, func() {}) }

// halfAndRotate has a worker end the line in a file that was renamed meanwhile.
func (x *victim) halfAndRotate(w *torturer) {
	x.writeHalves(w, func() {
		w.turns++
		w.shift()
		w.late = append(w.late, lateWriter{w.file, w.turns + 2})
		w.file = w.open()
	})
}

func (x *victim) writeHalves(w *torturer, between func()) {
	w.serial++
	text, file := w.text(), w.file
	at := 1 + x.random.Intn(len(text)-2)
	_, err := io.WriteString(file, text[:at])
	w.must(err)
	switch x.random.Intn(3) {
	case 0:
		x.look()
		x.check(w)
	case 1:
		x.kill()
		x.start()
	}
	between()
	_, err = io.WriteString(file, text[at:])
	w.must(err)
	w.wrote()
}

// halfForEver rotates a log away that ends in half a line, which nobody ends.
func (x *victim) halfForEver(w *torturer) {
	w.serial++
	text := w.text()
	_, err := io.WriteString(w.file, text[:1+x.random.Intn(len(text)-2)])
	w.must(err)
	w.turns++
	w.shift()
	w.must(w.file.Close())
	w.file = w.open()
}

// rewrite replaces the addresses in a rotated part, as postrotate scripts do.
func (x *victim) rewrite(w *torturer) {
	parts, err := filepath.Glob(w.path(`access.log[.\-]*`))
	w.must(err)
	parts = slices.DeleteFunc(parts, func(name string) bool {
		info, err := os.Stat(name)
		w.must(err)
		return strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".json") || info.Size() < 1000 ||
			w.isLate(name)
	})
	info, err := w.file.Stat()
	w.must(err)
	if len(parts) == 0 || info.Size() == 0 {
		return
	}
	name := parts[x.random.Intn(len(parts))]
	text, err := os.ReadFile(name)
	w.must(err)
	w.must(os.WriteFile(w.path("new"), bytes.ReplaceAll(text, []byte("10.0.0."), []byte("0.0.0.")), 0o644))
	w.must(os.Rename(w.path("new"), name))
}

// anotherDisk copies the folder while the exporter is down: all files have other inodes and times.
func (x *victim) anotherDisk(w *torturer) {
	x.kill()
	w.must(w.file.Close())
	for _, l := range w.late {
		w.must(l.file.Close())
	}
	w.late = nil
	w.must(os.CopyFS(w.dir+".new", os.DirFS(w.dir)))
	w.must(os.RemoveAll(w.dir))
	w.must(os.Rename(w.dir+".new", w.dir))
	w.file = w.open()
	x.start()
}

// packAgain compresses an archive otherwise.
func (w *torturer) packAgain(name string) {
	packed, err := os.ReadFile(name)
	w.must(err)
	z, err := gzip.NewReader(bytes.NewReader(packed))
	w.must(err)
	var again bytes.Buffer
	fast, err := gzip.NewWriterLevel(&again, gzip.BestSpeed)
	w.must(err)
	n, err := io.Copy(fast, z)
	w.must(err)
	w.must(fast.Close())
	if n == 0 { // of an empty file nothing but its inode is known
		return
	}
	w.must(os.WriteFile(w.path("new"), again.Bytes(), 0o644))
	w.must(os.Rename(w.path("new"), name))
}
