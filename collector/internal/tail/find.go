package tail

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// maxSiblings bounds how many files beside the log are looked at.
const maxSiblings = 1024

// clockSlack is how far a file's time of change may lag behind the clock: kernels stamp files by the tick.
const clockSlack = 20 * time.Millisecond

// A sibling is a file beside the log that may be a generation of it: access.log.1, access.log-20261124.gz.
type sibling struct {
	path    string
	info    fs.FileInfo
	changed time.Time
}

func isGzip(path string) bool { return strings.HasSuffix(path, ".gz") }

// siblings are the files whose names begin as the log's does, the oldest first.
func (f *Follower) siblings() []sibling {
	stem := filepath.Base(f.path)
	if i := strings.IndexAny(stem, "*?["); i >= 0 {
		stem = stem[:i]
	} else {
		stem = strings.TrimSuffix(stem, filepath.Ext(stem))
	}
	dir := filepath.Dir(f.path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var found []sibling
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), stem) || len(found) == maxSiblings {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			found = append(found, sibling{path, info, info.ModTime()})
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].changed.Before(found[j].changed) })
	return found
}

// Resume goes on from a saved position. seen is when the log was last looked at: a file that has changed since and
// is none of the saved ones came and went meanwhile.
func (f *Follower) Resume(p Position, seen time.Time) {
	f.started, f.seen, f.finished = true, f.now(), p.Finished
	for _, c := range p.Done {
		f.done[fileID{c.Dev, c.Ino}] = true
	}
	siblings := f.siblings()
	// Those of which something was read first: an inode alone may belong to a copy of one of them by now.
	for _, unread := range []bool{false, true} {
		for _, c := range p.Cursors {
			if unread == (c.Head.Len == 0) {
				f.resume(c, siblings)
			}
		}
	}
	f.takeUnseen(siblings, seen)
	// What stands at the path now is opened at once: it may be renamed before the first Read, which tells what is
	// wrong with it.
	_ = f.discover()
}

// resume finds a saved generation under whatever name it has now, and opens it, or reads the rest of it.
func (f *Follower) resume(c Cursor, siblings []sibling) {
	if c.Head.Len == 0 {
		f.resumeUnread(c, siblings)
		return
	}
	for _, path := range candidates(c, f.path, siblings) {
		if isGzip(path) {
			if f.restOfGzip(c, path) {
				return
			}
			continue
		}
		file, err := openLog(path)
		if err != nil {
			continue
		}
		info, err := file.Stat()
		if err != nil || !info.Mode().IsRegular() || info.Size() < c.Offset || f.isOpen(info) || !c.fits(file) {
			file.Close()
			continue
		}
		c.Path = path
		c.Dev, c.Ino = identity(info)
		f.generations = append(f.generations, &generation{Cursor: c, file: file, grown: f.now(), size: c.Offset})
		return
	}
	f.sink.Gap(GapDeleted, c.Path, c.Offset, -1,
		"the file was deleted, or truncated, while the exporter was down, and no copy of it stands beside the log")
}

// resumeUnread opens a saved generation of which nothing has been read: any file would fit, so it is the inode that
// tells. Where it is gone nothing is: what it held by then is among the files that have not been seen.
func (f *Follower) resumeUnread(c Cursor, siblings []sibling) {
	for _, s := range siblings {
		if idOf(s.info) != (fileID{c.Dev, c.Ino}) || isGzip(s.path) || f.isKnown(s) {
			continue
		}
		if file, err := openLog(s.path); err == nil {
			f.generations = append(f.generations, &generation{Cursor: Cursor{Path: s.path, Dev: c.Dev, Ino: c.Ino}, file: file, grown: f.now()})
		}
		return
	}
}

func (f *Follower) isOpen(info fs.FileInfo) bool {
	for _, g := range f.generations {
		if (fileID{g.Dev, g.Ino}) == idOf(info) {
			return true
		}
	}
	return false
}

// candidates are the files that may be the saved generation, the likeliest first: by inode, then by name, plain ones
// before compressed ones, which may be only half written.
func candidates(c Cursor, path string, siblings []sibling) []string {
	var byInode, plain, compressed []string
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		plain = append(plain, path)
	}
	for _, s := range siblings {
		switch id := idOf(s.info); {
		case isGzip(s.path):
			compressed = append(compressed, s.path)
		case id == (fileID{c.Dev, c.Ino}):
			byInode = append(byInode, s.path)
		default:
			plain = append(plain, s.path)
		}
	}
	return append(append(byInode, plain...), compressed...)
}

// takeUnseen adds generations that have come and gone since the log was last looked at. A file that was finished
// before has not changed since; a copy of a known one begins as that does.
func (f *Follower) takeUnseen(siblings []sibling, seen time.Time) {
	heads := map[Fingerprint]bool{}
	current, _ := os.Stat(f.path)
	for _, s := range siblings {
		if s.changed.Before(seen.Add(-clockSlack)) || current != nil && os.SameFile(current, s.info) {
			continue
		}
		if f.isGlob && !isGzip(s.path) || f.done[idOf(s.info)] || f.isKnown(s) {
			continue
		}
		head, err := headOfAny(s.path)
		if err != nil || head.Len > 0 && heads[head] {
			continue
		}
		heads[head] = true
		if c, grown := f.grownSince(s); grown {
			f.takeFrom(c, s)
			continue
		}
		f.sink.Rotated("renamed")
		f.takeFrom(Cursor{}, s)
	}
}

// grownSince is the end of a generation that was let go and has been written since, by a worker that is very late.
func (f *Follower) grownSince(s sibling) (Cursor, bool) {
	for i, c := range f.finished {
		if c.Offset > 0 && f.holds(s.path, c, false) {
			f.finished = append(f.finished[:i:i], f.finished[i+1:]...)
			return c, true
		}
	}
	return Cursor{}, false
}

// takeFrom reads or opens a generation from a cursor on; the zero Cursor is its beginning.
func (f *Follower) takeFrom(c Cursor, s sibling) {
	c.Path = s.path
	if isGzip(s.path) {
		f.restOfGzip(c, s.path)
		return
	}
	file, err := openLog(s.path)
	if err != nil {
		f.sink.Gap(GapUnreadable, s.path, c.Offset, s.info.Size(), err.Error())
		return
	}
	c.Dev, c.Ino = identity(s.info)
	f.insert(&generation{Cursor: c, file: file, grown: f.now(), size: c.Offset})
}

// isKnown tells whether a file is a generation that is followed, or was, or a copy of one.
func (f *Follower) isKnown(s sibling) bool {
	for _, g := range f.generations {
		if (fileID{g.Dev, g.Ino}) == idOf(s.info) || g.Head.Len > 0 && f.holds(s.path, g.Cursor, false) {
			return true
		}
	}
	for _, c := range f.finished {
		if c.Offset > 0 && f.holds(s.path, c, true) {
			return true
		}
	}
	return false
}

// holds tells whether a file holds what was read up to a cursor; whole asks that there is nothing behind it.
func (f *Follower) holds(path string, c Cursor, whole bool) bool {
	if isGzip(path) {
		size, fits := gzipFits(c, path)
		return fits && (!whole || size == c.Offset)
	}
	file, err := openLog(path)
	if err != nil {
		return false
	}
	defer file.Close()
	info, err := file.Stat()
	return err == nil && info.Size() >= c.Offset && (!whole || info.Size() == c.Offset) && c.fits(file)
}

func headOfAny(path string) (Fingerprint, error) {
	start, err := firstBytes(path, headLen)
	return fingerprint(start), err
}

// firstBytes are up to n bytes of a file's content, compressed or not.
func firstBytes(path string, n int) ([]byte, error) {
	content, closeAll, err := openContent(path)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	start := make([]byte, n)
	n, err = io.ReadFull(content, start)
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return start[:n], err
}

func openContent(path string) (io.Reader, func(), error) {
	file, err := openLog(path)
	if err != nil {
		return nil, nil, err
	}
	if !isGzip(path) {
		return file, func() { file.Close() }, nil
	}
	z, err := gzip.NewReader(bufio.NewReader(file))
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return z, func() { z.Close(); file.Close() }, nil
}

// restOfGzip hands out what a compressed generation holds behind the cursor, if it is that generation. A compressed
// file is never written again: one that can be read to its end is whole.
func (f *Follower) restOfGzip(c Cursor, path string) bool {
	size, fits := gzipFits(c, path)
	if !fits {
		return false
	}
	content, closeAll, err := openContent(path)
	if err != nil {
		return false
	}
	defer closeAll()
	if _, err := io.CopyN(io.Discard, content, c.Offset); err != nil {
		return false
	}
	g := &generation{Cursor: c}
	if err := f.reader.stream(g, content, f.sink); err != nil {
		f.sink.Gap(GapUnreadable, path, c.Offset, size, err.Error())
	}
	if end, err := endOfGzip(path, size); err == nil {
		f.finish(end)
	}
	return true
}

// endOfGzip is the cursor at the end of a compressed generation of so many bytes.
func endOfGzip(path string, size int64) (Cursor, error) {
	content, closeAll, err := openContent(path)
	if err != nil {
		return Cursor{}, err
	}
	defer closeAll()
	head := make([]byte, min(size, headLen))
	if _, err := io.ReadFull(content, head); err != nil {
		return Cursor{}, err
	}
	last := newRing(lastLen)
	last.write(head)
	if _, err := io.Copy(last, content); err != nil {
		return Cursor{}, err
	}
	return Cursor{Path: path, Offset: size, Head: fingerprint(head), Last: fingerprint(last.bytes())}, nil
}

// gzipFits tells whether a compressed file is the generation that the cursor was read from, and how many bytes it
// holds. The file is read to its end: one that is still being written does not fit.
func gzipFits(c Cursor, path string) (size int64, fits bool) {
	if !c.isSane() {
		return 0, false
	}
	content, closeAll, err := openContent(path)
	if err != nil {
		return 0, false
	}
	defer closeAll()
	head := make([]byte, c.Head.Len)
	if _, err := io.ReadFull(content, head); err != nil || fingerprint(head) != c.Head {
		return 0, false
	}
	// The bytes before the offset are the cursor's last ones; they may reach into the head.
	last := newRing(lastLen)
	last.write(head)
	if _, err := io.CopyN(last, content, max(0, c.Offset-int64(len(head)))); err != nil {
		return 0, false
	}
	if kept := last.bytes(); fingerprint(kept[len(kept)-min(len(kept), c.Last.Len):]) != c.Last {
		return 0, false
	}
	rest, err := io.Copy(io.Discard, content)
	return max(c.Offset, int64(len(head))) + rest, err == nil
}

// A ring keeps the last bytes that are written to it.
type ring struct {
	kept []byte
	size int
}

func newRing(size int) *ring { return &ring{size: size} }

func (r *ring) write(p []byte) {
	r.kept = append(r.kept, p...)
	if over := len(r.kept) - r.size; over > 0 {
		r.kept = append(r.kept[:0], r.kept[over:]...)
	}
}

func (r *ring) Write(p []byte) (int, error) {
	if len(p) > r.size {
		r.write(p[len(p)-r.size:])
	} else {
		r.write(p)
	}
	return len(p), nil
}

func (r *ring) bytes() []byte { return r.kept }

// readCopy hands out what a truncated generation held behind its cursor, if a copy of it stands beside the log.
func (f *Follower) readCopy(g *generation) bool {
	siblings := f.siblings()
	for i := len(siblings) - 1; i >= 0; i-- {
		s := siblings[i]
		if idOf(s.info) == (fileID{g.Dev, g.Ino}) || s.info.Size() == 0 {
			continue
		}
		if isGzip(s.path) {
			if f.restOfGzip(g.Cursor, s.path) {
				return true
			}
			continue
		}
		file, err := openLog(s.path)
		if err != nil {
			continue
		}
		whole := s.info.Size() >= g.Offset && g.fits(file)
		if whole {
			copied := &generation{Cursor: g.Cursor, file: file}
			if err = f.reader.read(copied, s.info.Size(), f.sink); err == nil {
				err = copied.remember()
			}
			f.finish(copied.Cursor)
		}
		file.Close()
		if whole && err == nil {
			return true
		}
	}
	return false
}

// stream hands out what is left of a stream; g tells where it begins.
func (r *reader) stream(g *generation, content io.Reader, sink Sink) error {
	lines := bufio.NewReaderSize(content, blockSize)
	var block []byte
	for {
		line, err := lines.ReadSlice('\n')
		block = append(block, line...)
		switch {
		case err == nil && g.Skipping:
			g.Skipping, block = false, block[:0]
		case err == nil && len(block) >= blockSize/2:
			sink.Lines(block)
			block = block[:0]
		case errors.Is(err, bufio.ErrBufferFull):
			if last := bytes.LastIndexByte(block, '\n'); last >= 0 && !g.Skipping {
				sink.Lines(block[:last+1])
				block = append(block[:0], block[last+1:]...)
			}
			if len(block) >= MaxLine && !g.Skipping {
				sink.TooLong()
				g.Skipping = true
			}
			if g.Skipping {
				block = block[:0]
			}
		case err == io.EOF:
			if last := bytes.LastIndexByte(block, '\n'); last >= 0 && !g.Skipping {
				sink.Lines(block[:last+1])
			}
			return nil
		case err != nil:
			return err
		}
	}
}
