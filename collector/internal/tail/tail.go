// Package tail follows a log through everything that is done to logs, and hands out its bytes in blocks of whole
// lines, each once.
//
// A log is a row of generations: files that stood, one after the other, at the log's path. Rotation by rename makes
// a new one, and NGINX's workers go on writing the old one until each has reopened; so an old generation is read
// until it has been quiet for a while and the new one is in use. Truncation (logrotate's copytruncate) empties a
// generation in place: what was not read by then is in the copy, if that can be found, or lost. Which of these has
// happened is told by device, inode and fingerprints, never by names. While nobody follows, generations are
// renamed, compressed and joined by new ones; they are found again among the files beside the log.
package tail

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A Sink takes what a Follower reads.
type Sink interface {
	// Lines takes a block of whole lines. It must not keep it.
	Lines(block []byte)
	// TooLong tells of a line of more than MaxLine bytes, once.
	TooLong()
	// Checkpoint is called now and then within a long read, when Position is true.
	Checkpoint()
	// Rotated tells of a rotation: "renamed" or "truncated".
	Rotated(kind string)
	// Gap tells that lines are lost, or may be.
	Gap(reason, file string, from, to int64, cause string)
}

// MaxLine is the longest line that is handed out, bytes.
const MaxLine = 1 << 20

// Reasons of gaps.
const (
	GapDeleted    = "deleted"
	GapTruncated  = "truncated"
	GapUnreadable = "unreadable"
)

// quiet is how long an old generation must not grow before it is let go.
const quiet = 10 * time.Second

// maxGenerations bounds the files that are open at once.
const maxGenerations = 32

// A Follower follows one log. It belongs to one goroutine.
type Follower struct {
	path      string
	isGlob    bool
	fromStart bool
	sink      Sink
	now       func() time.Time

	started     bool
	generations []*generation       // oldest first
	done        map[fileID]doneFile // of a glob: files that match and have been finished
	finished    []Cursor            // the last generations that were let go, at their ends
	reader      reader
	lag         int64
	unsure      bool                    // there may be copies that have not been seen
	waiting     map[fileState]time.Time // files that cannot be taken yet, since when
	givenUp     map[fileState]bool      // those that are waited for no longer
	unsettled   bool                    // files were renamed as long as they were looked for
	seen        time.Time               // when the log was last looked at
}

type fileID struct{ dev, ino uint64 }

// New makes a Follower of path, which may be a glob. Where there is no saved position it begins at the end of what
// is there, or at its beginning.
func New(path string, fromStart bool, sink Sink, now func() time.Time) *Follower {
	return &Follower{
		path: path, isGlob: strings.ContainsAny(path, "*?["), fromStart: fromStart, sink: sink, now: now, done: map[fileID]doneFile{},
		givenUp: map[fileState]bool{},
	}
}

// Position is where reading has come to.
type Position struct {
	Cursors  []Cursor `json:"cursors"`
	Done     []Cursor `json:"done,omitempty"`     // of a glob: finished files that still match
	Finished []Cursor `json:"finished,omitempty"` // the last generations that were let go, at their ends
}

// Position tells where reading has come to.
func (f *Follower) Position() Position {
	var p Position
	for _, g := range f.generations {
		p.Cursors = append(p.Cursors, g.Cursor)
	}
	p.Finished = append(p.Finished, f.finished...)
	for _, d := range f.done {
		p.Done = append(p.Done, d.Cursor)
	}
	return p
}

// Seen is when the log was last looked at for new generations.
func (f *Follower) Seen() time.Time { return f.seen }

// Lag is how many bytes were not read when last looked at.
func (f *Follower) Lag() int64 { return f.lag }

// Close closes all files.
func (f *Follower) Close() {
	for _, g := range f.generations {
		g.file.Close()
	}
}

// Read hands out what has been written until now. Its error says why the log cannot be read, or not all of it; what
// can be read has been handed out.
//
// What is open is read first: a file that is found beside the log is told from known ones by how these begin.
func (f *Follower) Read() error {
	begin := f.now()
	f.unsure = f.isWaiting()
	f.readOpen()
	err := f.discover()
	if f.giveUp(); err == nil && !f.isWaiting() {
		f.seen = begin
	}
	errs := append(f.readOpen(), err)
	f.lag = 0
	for _, g := range f.generations {
		f.lag += max(0, g.size-g.Offset)
	}
	f.letGo()
	return errors.Join(errs...)
}

// readOpen reads every generation to its end. Where one was truncated, others may have come and gone as copies.
func (f *Follower) readOpen() []error {
	var errs []error
	for _, g := range f.generations {
		if err := f.readOn(g); err != nil {
			errs = append(errs, err)
		}
	}
	if f.unsure {
		f.unsure = false
		f.takeUnseen(f.seen)
		for _, g := range f.generations {
			if err := f.readOn(g); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errs
}

// discover looks for new generations.
func (f *Follower) discover() error {
	paths, err := f.current()
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := f.look(path); err != nil {
			return err
		}
	}
	f.started = true
	return nil
}

func idOf(info fs.FileInfo) fileID {
	dev, ino := identity(info)
	return fileID{dev, ino}
}

// look opens the file at path if it is a new generation.
func (f *Follower) look(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it will come
	}
	if err != nil {
		return fmt.Errorf("cannot be looked at: %w", err)
	}
	if err := regular(path, info); err != nil {
		return err
	}
	name := path
	// The name behind a symbolic link: the link may point elsewhere by the time that the file is looked for.
	if real, err := filepath.EvalSymlinks(path); err == nil {
		name = real
	}
	if f.isOpenAt(name, info) || f.done[idOf(info)].isStill(info) {
		return nil
	}
	file, info, err := openLog(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// It may be another file by now than the one that was looked at.
	if err := regular(path, info); err != nil || f.isOpenAt(name, info) {
		file.Close()
		return err
	}
	g := &generation{Cursor: Cursor{Path: name}, file: file, grown: f.now()}
	g.Dev, g.Ino = identity(info)
	if f.wasDone(g, info) {
		return nil
	}
	if !f.started && !f.fromStart && len(f.generations) == 0 {
		if err := g.skipToEnd(); err != nil {
			file.Close()
			return err
		}
	}
	f.add(g)
	return nil
}

// isOpenAt tells whether a file is followed, and if so notes its name.
func (f *Follower) isOpenAt(path string, info fs.FileInfo) bool {
	g := f.opened(info)
	if g != nil {
		g.Path = path
	}
	return g != nil
}

// add makes g the newest generation. Others may have come and gone since the log was last looked at.
func (f *Follower) add(g *generation) {
	f.generations = append(f.generations, g)
	if len(f.generations) > 1 {
		f.sink.Rotated("renamed")
	}
	if f.started && !f.isGlob {
		f.takeUnseen(f.seen)
	}
}

// insert adds a generation that is older than the one at the log's path, if that is open.
func (f *Follower) insert(g *generation) {
	last := len(f.generations) - 1
	info, err := os.Stat(f.path)
	if last < 0 || err != nil || idOf(info) != (fileID{f.generations[last].Dev, f.generations[last].Ino}) {
		f.generations = append(f.generations, g)
		return
	}
	f.generations = append(f.generations[:last:last], g, f.generations[last])
}

// readOn reads a generation to its end.
func (f *Follower) readOn(g *generation) error {
	info, err := g.file.Stat()
	if err != nil {
		return fmt.Errorf("%s: %w", g.Path, err)
	}
	before := g.size
	touched := info.Size() != before || !info.ModTime().Equal(g.changed)
	g.size, g.changed = info.Size(), info.ModTime()
	if touched {
		g.grown = f.now()
	}
	switch {
	case g.size < g.Offset, touched && !g.fits(g.file):
		f.truncated(g, before)
		f.unsure = true
	case touched && g.Offset == 0:
		f.unsure = true // nothing of it was read: it may have been filled, copied and truncated
	}
	if g.size == g.Offset {
		return nil
	}
	if err := f.reader.read(g, io.NewSectionReader(g.file, g.Offset, g.size-g.Offset), f.sink); err != nil {
		return fmt.Errorf("%s: %w", g.Path, err)
	}
	return nil
}

// truncated begins a generation anew that was emptied or rewritten in place. logrotate's copytruncate has left a
// copy of what stood there: what was not read is read from it.
func (f *Follower) truncated(g *generation, seen int64) {
	f.sink.Rotated("truncated")
	if !f.readCopy(g) {
		f.sink.Gap(GapTruncated, g.Path, g.Offset, max(seen, g.Offset),
			"the file was truncated or rewritten in place, and no copy of it was found; rotate by rename and USR1 instead of copytruncate")
	}
	g.beginAnew()
}

// letGo closes old generations that are quiet while the newest is in use.
func (f *Follower) letGo() {
	if len(f.generations) < 2 {
		return
	}
	newest := f.generations[len(f.generations)-1]
	kept := f.generations[:0]
	for i, g := range f.generations {
		old := g != newest && g.Offset >= g.size && f.now().Sub(g.grown) >= quiet && newest.size > 0
		if old || len(f.generations)-i > maxGenerations {
			if f.isGlob {
				f.done[fileID{g.Dev, g.Ino}] = doneFile{g.Cursor, g.size, g.changed}
			}
			f.finish(g.Cursor)
			g.file.Close()
			continue
		}
		kept = append(kept, g)
	}
	f.generations = kept
}

// keepFinished is how many generations that were let go are remembered, so that none is taken for a new one.
const keepFinished = 16

func (f *Follower) finish(c Cursor) {
	f.finished = append(f.finished, c)
	if over := len(f.finished) - keepFinished; over > 0 {
		f.finished = append(f.finished[:0], f.finished[over:]...)
	}
}

// regular refuses what cannot be followed.
func regular(path string, info fs.FileInfo) error {
	mode := info.Mode()
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return fmt.Errorf("%s is a folder; name the file in it, or a glob such as %s", path, filepath.Join(path, "*.log"))
	case mode&fs.ModeNamedPipe != 0:
		return fmt.Errorf("%s is a pipe (FIFO), which has no position to come back to; let NGINX send syslog instead (access_log syslog:server=…), or write a file", path)
	case mode&fs.ModeCharDevice != 0:
		return fmt.Errorf("%s is a character device, not a file; a container image that links its log to stdout is the usual cause: give NGINX a volume for the log's folder, or let it send syslog", path)
	}
	return fmt.Errorf("%s is no regular file (%s)", path, mode.Type())
}

// openLog opens a file, and tells which one it is: by the time of opening, a path may be that of another than before.
func openLog(path string) (*os.File, fs.FileInfo, error) {
	// Not blocking: between Stat and Open the path may have become a pipe.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil, fmt.Errorf("%s may not be read by this user (uid %d); let it be in the file's group, on Debian: adduser USER adm", path, os.Getuid())
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot be opened: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return file, info, nil
}
