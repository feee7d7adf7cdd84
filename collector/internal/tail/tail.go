package tail

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
	GapUncertain  = "uncertain" // there are files of which it is not certain what they are
)

const (
	// quiet is how long an old generation must not grow before nothing more is expected of it.
	quiet = time.Minute
	// verified is how long after a change a file is compared with what was read, even though its size and time of
	// change stay: file times may be whole seconds.
	verified = 3 * time.Second
	// lateInterval is how often old generations that were closed are looked at.
	lateInterval = 10 * time.Second
	// keepOpen is how many old generations of each path stay open though they are quiet.
	keepOpen = 4
	// maxOpen bounds the files of one log that are open at once.
	maxOpen = 256
	// keepFinished is how many old generations of each path are remembered, so that none is counted anew.
	keepFinished = 32
)

// A Follower follows one log. It belongs to one goroutine.
type Follower struct {
	path      string
	isGlob    bool
	paths     func() ([]string, error) // of a glob: what it fits now
	fromStart bool
	sink      Sink
	now       func() time.Time

	started     bool
	opened      bool // something was, since the last reading began
	bases       []*base
	generations []*generation // oldest first
	reader      reader
	lag         int64
	lateLook    time.Time // when closed generations were last looked at
	seen        time.Time // when the log was last looked at
}

// A base is a path at which files of the log stand, one after the other. A glob has one for each file that matches.
type base struct {
	path    string
	current *generation // what stands there, or stood there last; nil before the first
	fromEnd bool        // the first file is not to be read from its beginning
	since   time.Time   // the time of change of the current file then
	newest  newest      // what stood beside the log when that was last looked at; nil: never looked at
	search  *search     // for generations that have not been seen; nil where there is none under way
}

// New makes a Follower of path, which may be a glob. Where there is no saved position it begins at the end of what
// is there, or at its beginning.
func New(path string, fromStart bool, sink Sink, now func() time.Time) *Follower {
	f := &Follower{path: path, isGlob: strings.ContainsAny(path, "*?["), fromStart: fromStart, sink: sink, now: now}
	f.reader.framer = plain{}
	f.paths = func() ([]string, error) { return filepath.Glob(absolute(path)) }
	if !f.isGlob {
		f.bases = []*base{{path: absolute(path), fromEnd: !fromStart}}
	}
	return f
}

// NewOf makes a Follower of files that are found anew each time. Each is followed as if it stood alone; one that comes
// later is read from its beginning.
func NewOf(paths func() ([]string, error), fromStart bool, sink Sink, now func() time.Time) *Follower {
	f := New("", fromStart, sink, now)
	f.isGlob, f.bases, f.paths = true, nil, paths
	return f
}

// Frame makes framer say what a line is. It must be called before anything is read.
func (f *Follower) Frame(framer Framer) { f.reader.framer = framer }

// absolute is a path by a name that does not depend on the folder that the program was started in.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// Seen is when the log was last looked at for new generations.
func (f *Follower) Seen() time.Time { return f.seen }

// Lag is how many bytes were not read when last looked at.
func (f *Follower) Lag() int64 { return f.lag }

// Close closes all files.
func (f *Follower) Close() {
	for _, g := range f.generations {
		g.close()
	}
}

// Read hands out what has been written until now. Its error says why the log cannot be read, or not all of it; what
// can be read has been handed out.
//
// What is open is read first: a file that is found beside the log is told from known ones by how these begin.
func (f *Follower) Read() error {
	f.seen, f.opened = f.now(), false
	errs := f.readOpen()
	found := f.discover()
	if f.opened || f.isSearching() {
		f.readOpen()
		f.searchOn()
	}
	f.lookAtLate()
	if f.opened { // nothing of what was found is left for the next time
		errs = f.readOpen()
	}
	f.letGo()
	f.measureLag()
	return errors.Join(append(found, errs...)...)
}

func (f *Follower) isSearching() bool {
	return slices.ContainsFunc(f.bases, func(b *base) bool { return b.search != nil })
}

// searchOn goes on with the searches that are under way.
func (f *Follower) searchOn() {
	for _, b := range f.bases {
		if b.search != nil {
			f.goOnSearching(b)
			f.lateLook = time.Time{}
		}
	}
}

// readOpen reads every open generation to its end.
func (f *Follower) readOpen() []error {
	var errs []error
	for _, g := range slices.Clone(f.generations) {
		if g.file == nil {
			continue
		}
		if err := f.readOn(g); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// measureLag counts what has not been read. What is left of an old file is half a line, which nobody ends.
func (f *Follower) measureLag() {
	f.lag = 0
	for _, g := range f.generations {
		if g.isCurrent() {
			f.lag += max(0, g.size-g.Offset)
		}
	}
}

func (g *generation) isCurrent() bool { return g.base != nil && g.base.current == g }

// discover looks for new files at the log's path. What is wrong with one keeps no other from being read.
func (f *Follower) discover() []error {
	var errs []error
	if f.isGlob {
		if err := f.expand(); err != nil {
			errs = append(errs, err)
		}
	}
	for _, b := range f.bases {
		if err := f.look(b); err != nil {
			errs = append(errs, err)
		}
	}
	f.started = true
	return errs
}

// look opens the file at a base's path if it is a new generation.
func (f *Follower) look(b *base) error {
	info, err := os.Stat(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		b.fromEnd = false // it will come, and is new then
		f.rescue(b)
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot be looked at: %w", err)
	}
	if err := regular(b.path, info); err != nil {
		return err
	}
	if g := b.current; g != nil && (g.file != nil && g.is(info) || g.isStill(info)) {
		return nil
	}
	file, info, err := openLog(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// It may be another file by now than the one that was looked at.
	if err := regular(b.path, info); err != nil {
		file.Close()
		return err
	}
	return f.arrive(b, file, info)
}

// rescue finds the last file of a path at which nothing stands, where it is not open: it may have been renamed while
// nobody followed.
func (f *Follower) rescue(b *base) {
	if g := b.current; g != nil && g.file == nil && !g.finished && !f.recover(g) {
		f.lost(g)
	}
}

// readOn reads a generation to its end.
func (f *Follower) readOn(g *generation) error {
	info, err := g.file.Stat()
	if err != nil {
		return fmt.Errorf("%s: %w", g.Path, err)
	}
	touched := info.Size() != g.size || !info.ModTime().Equal(g.changed)
	before := g.size
	g.size, g.changed, g.removed = info.Size(), info.ModTime(), linksOf(info) == 0
	if touched {
		g.grown, g.finished = f.now(), false
	}
	isUnread := touched && g.Offset == 0 && g.isCurrent()
	if touched && g.Offset == 0 {
		_ = f.passCounted(g)
	}
	if g.size < g.Offset || f.now().Sub(g.grown) < verified && !g.fits(g.file) {
		f.rewritten(g, before)
	}
	if err := f.readRest(g); err != nil {
		return fmt.Errorf("%s: %w", g.Path, err)
	}
	if isUnread { // it may have been filled, copied and truncated since
		f.findUnseen(g.base, nil)
	}
	return nil
}

func (f *Follower) readRest(g *generation) error {
	if g.size <= g.Offset {
		return nil
	}
	err := f.reader.read(g, io.NewSectionReader(g.file, g.Offset, g.size-g.Offset), f.sink)
	g.mark()
	return err
}

// regular refuses what cannot be followed.
func regular(path string, info fs.FileInfo) error {
	mode := info.Mode()
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return fmt.Errorf("%s is a folder; name the file in it, or a glob such as %s",
			path, filepath.Join(path, "*.log"))
	case mode&fs.ModeNamedPipe != 0:
		return fmt.Errorf("%s is a pipe (FIFO), which has no position to come back to; "+
			"let NGINX send syslog instead (access_log syslog:server=…), or write a file", path)
	case mode&fs.ModeCharDevice != 0:
		return fmt.Errorf("%s is a character device, not a file; a container image that links its log to stdout "+
			"is the usual cause: give NGINX a volume for the log's folder, or let it send syslog", path)
	}
	return fmt.Errorf("%s is no regular file (%s)", path, mode.Type())
}

// openLog opens a file, and tells which one it is: by the time of opening, a path may be that of another than before.
func openLog(path string) (*os.File, fs.FileInfo, error) {
	// Not blocking: between Stat and Open the path may have become a pipe.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil, fmt.Errorf("%s may not be read by this user (uid %d); let it be in the file's group, "+
			"on Debian: adduser USER adm",
			path, os.Getuid())
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
