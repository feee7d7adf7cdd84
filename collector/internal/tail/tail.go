package tail

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// A Sink receives what a Follower reads.
type Sink interface {
	// Lines receives a block of whole lines. It must not keep it.
	Lines(block []byte)
	// TooLong reports a line of more than MaxLine bytes, once.
	TooLong()
	// Checkpoint is called now and then during a long read, when Position is consistent.
	Checkpoint()
	// Rotated reports a rotation: "renamed" or "truncated".
	Rotated(kind string)
	// Moved reports that Position has changed though no lines were handed out: the log lost its end, was replaced by a
	// copy, or a part of it is finished. After a crash, the position before would not tell what is new from what is
	// lost.
	Moved()
	// Gap reports that lines were lost, or may have been.
	Gap(reason, file string, from, to int64, cause string)
}

// MaxLine is the longest line that is handed out, in bytes.
const MaxLine = 1 << 20

// Reasons of gaps.
const (
	GapDeleted    = "deleted"
	GapTruncated  = "truncated"
	GapUnreadable = "unreadable"
	GapUncertain  = "uncertain" // it is uncertain what some files are
)

const (
	// quiet is how long an old generation must not grow before it counts as finished.
	quiet = time.Minute
	// verified is how long after a change a file is compared with what was read even if its size and modification time
	// stay the same: file times may be whole seconds.
	verified = 3 * time.Second
	// lateInterval is how often closed old generations are examined.
	lateInterval = 10 * time.Second
	// keepOpen is how many quiet old generations of each path stay open.
	keepOpen = 4
	// maxOpen limits the open files of one log.
	maxOpen = 256
	// keepFinished is how many old generations of each path are remembered, so that none is counted again.
	keepFinished = 32
)

// A Follower follows one log. It belongs to one goroutine.
type Follower struct {
	path      string
	isGlob    bool
	paths     func() ([]string, error)      // of a glob: its present matches
	leaveOut  func(paths []string) []string // of a glob: those that are other logs'; nil: none
	left      map[string]bool               // of the present matches those that are
	fromStart bool
	sink      Sink
	now       func() time.Time
	names     *Names // nil: folders are listed each time
	forgotten Forgotten
	elsewhere Forgotten // by other logs
	owners    *Owners
	log, kind string                   // its name, and that of what is counted
	owned     map[ownedFile]ownState   // what it has of owners
	others    map[fileTag]othersFile   // what other logs have
	counted   map[*generation]*counted // that owners knows

	started     bool
	discovered  time.Time              // when files were last looked for
	searched    map[string]folderState // of a glob: its folders, when parts of files that are gone were looked for
	isPublished bool                   // owners knows owned
	isPattern   bool                   // the names of its files are a glob's
	opened      bool                   // something was, since the last read began
	bases       []*base
	generations []*generation // oldest first
	reader      reader
	lag         int64
	lateCheck   time.Time // when closed generations were last examined
	seen        time.Time // when the log was last examined
	sight       *Sight    // what was seen then; nil where more is to be done than to see whether it has changed
}

// A base is a path that files of the log have, one after the other. A glob has one for each file that matches.
type base struct {
	path    string
	current *generation // the file that is, or was last, at the path; nil before the first
	isGone  bool        // a glob no longer has it
	fromEnd bool        // the first file is not read from its beginning
	unread  fs.FileInfo // the first file, when it could not be opened; nil where it could, or is unknown
	came    time.Time   // to a glob: files had been looked for last by then; zero if it had it before
	others  fileTag     // of the file at the path that another log has; zero: none
	since   time.Time   // the modification time of the current file then
	newest  newest      // what was beside the log at the last listing; nil before the first
	folder  fileTag     // of the current file
	real    string      // the path of the current file without symbolic links
	search  *search     // for unseen generations; nil if none is in progress
	missing time.Time   // since when a number is missing among its parts; zero: none is
	between newest      // what was beside the log at a later listing, between two renames; nil: none was made

	isAlike              bool // what was counted since the last listing does not differ from what other files hold
	suspicion            suspicion
	renamed, renamedSeen time.Time // the modification time of the folder, and when it was seen first
}

// New returns a Follower of the files that a pattern stands for. Without a saved position it begins at the end of the
// present files, or at their beginning.
func New(pattern string, fromStart bool, sink Sink, now func() time.Time) *Follower {
	path, isPlain := Plain(pattern)
	f := &Follower{path: pattern, isGlob: !isPlain, fromStart: fromStart, sink: sink, now: now}
	f.reader.framer, f.reader.buffers = plain{}, &Buffers{}
	f.paths = func() ([]string, error) { return Files(absolute(pattern)) }
	if f.isGlob {
		f.searched = map[string]folderState{}
	} else {
		f.bases = []*base{{path: absolute(path), fromEnd: !fromStart}}
	}
	return f
}

// NewOf returns a Follower of files that are listed anew each time. It follows each as if alone, and reads one that
// comes later from its beginning.
func NewOf(paths func() ([]string, error), fromStart bool, sink Sink, now func() time.Time) *Follower {
	f := New("", fromStart, sink, now)
	f.isGlob, f.bases, f.paths = true, nil, paths
	return f
}

// Frame sets the framer that finds the ends of lines. Call it before the first read.
func (f *Follower) Frame(framer Framer) { f.reader.framer = framer }

// StopWhen makes a Read end between two blocks once stop says so. What is left is for the next. It must be called
// before anything is read.
func (f *Follower) StopWhen(stop func() bool) { f.reader.stop = stop }

// LeaveOut makes a glob leave out what others returns of new matches. It must be called before anything is read.
func (f *Follower) LeaveOut(others func(paths []string) []string) {
	f.leaveOut, f.left = others, map[string]bool{}
}

// Borrow makes the Follower read into blocks that others use, too. It must be called before anything is read.
func (f *Follower) Borrow(b *Buffers) { f.reader.buffers = b }

// Share makes the Follower list folders together with others. It must be called before anything is read.
func (f *Follower) Share(n *Names) { f.names = n }

// absolute returns a path that does not depend on the working directory.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// Seen returns when the log was last checked for new generations.
func (f *Follower) Seen() time.Time { return f.discovered }

// Lag returns how many bytes were unread at the last check.
func (f *Follower) Lag() int64 { return f.lag }

// Close closes all files.
func (f *Follower) Close() {
	for _, g := range f.generations {
		g.close()
	}
	f.unpublish()
}

// Read hands out what has been written until now. Its error says why the log cannot be read, or not all of it; what
// can be read has been handed out.
//
// Open files are read first: a file that is found beside the log is distinguished from known ones by their beginnings.
func (f *Follower) Read() error {
	look := f.beginLook()
	if f.isStill() {
		f.endLook(look)
		return nil
	}
	f.dropTaken()
	f.seen, f.opened = f.now(), false
	errs := f.readOpen()
	if f.reader.isStopped() {
		return errors.Join(errs...) // what is unread must neither be let go nor searched for
	}
	f.lookAgain()
	found := f.discover()
	if f.opened || f.isSearching() {
		f.readOpen()
		f.searchOn()
	}
	f.reopenLate()
	if f.opened { // nothing found is left for the next read
		errs = f.readOpen()
	}
	if !f.reader.isStopped() {
		f.letGo()
		f.publish()
	}
	if len(errs) == 0 {
		f.endLook(look)
	}
	f.measureLag()
	err := errors.Join(append(found, errs...)...)
	if err == nil {
		f.sight = f.lookAround()
	}
	return err
}

// isStill reports whether nothing has changed since the last Read, and nothing is due.
func (f *Follower) isStill() bool {
	before := f.sight
	f.sight = nil
	if before == nil || f.now().Sub(f.seen) >= lateInterval || f.now().Before(f.seen) || !before.Holds() {
		return false
	}
	f.sight = before
	return true
}

func (f *Follower) isSearching() bool {
	return slices.ContainsFunc(f.bases, func(b *base) bool { return b.search != nil })
}

// searchOn continues the searches in progress.
func (f *Follower) searchOn() {
	for _, b := range f.bases {
		if b.search != nil {
			f.goOnSearching(b)
			f.lateCheck = time.Time{}
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

// discover looks for new files at the log's path. An error with one does not stop the others.
func (f *Follower) discover() []error {
	var errs []error
	begun := time.Now().Round(0) // files are created by the same clock, which may jump
	if f.isGlob {
		if err := f.expand(); err != nil {
			errs = append(errs, err)
		}
	}
	for _, b := range f.bases {
		if err := f.checkPath(b); err != nil {
			errs = append(errs, err)
		}
	}
	f.started, f.discovered = true, begun
	return errs
}

// checkPath opens the file at a base's path if it is a new generation.
func (f *Follower) checkPath(b *base) error {
	info, err := os.Stat(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		b.fromEnd = false // it will come, and will be new then
		f.surveyMissing(b)
		f.rescue(b)
		return nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s: a folder of its path cannot be entered by this user (uid %d); add the user to the "+
			"folder's group, on Debian: adduser USER adm", b.path, os.Getuid())
	}
	if err != nil {
		return fmt.Errorf("cannot be examined: %w", err)
	}
	if err := regular(b.path, info); err != nil {
		return err
	}
	if g := b.current; g != nil && (g.file != nil && g.is(info) || g.isStill(info)) {
		return nil
	}
	if f.isLeft(b, info) {
		return nil
	}
	there := info
	file, info, err := openLog(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		if b.unread == nil {
			b.unread = there
		}
		return err
	}
	// It may be a different file by now.
	err = regular(b.path, info)
	if err == nil && isOutput(info) {
		err = fmt.Errorf("%s is what this program itself writes its messages to; a link to /dev/stdout is the usual "+
			"cause: give NGINX a volume for the log's folder, or let it send syslog", b.path)
	}
	if err != nil {
		file.Close()
		return err
	}
	if f.leaves(b, file, info) || f.comesLater(b, info) {
		file.Close()
		return nil
	}
	if err := f.arrive(b, file, info); err != nil {
		return err
	}
	f.takeLeft(b)
	before := b.real
	b.real = realPath(b.path)
	b.folder = tagOf(filepath.Dir(b.real))
	f.reportLeftBehind(b, before)
	return nil
}

// readOn reads a generation to its end.
func (f *Follower) readOn(g *generation) error {
	g.awaited = false
	info, err := g.file.Stat()
	if err != nil {
		return fmt.Errorf("%s: %w", g.Path, err)
	}
	touched := info.Size() != g.size || !info.ModTime().Equal(g.changed)
	before := g.size
	if linksOf(info) == 0 && !g.removed {
		f.sink.Moved() // it is not to be looked for after a crash
	}
	g.size, g.changed, g.removed = info.Size(), info.ModTime(), linksOf(info) == 0
	if touched {
		g.grown, g.finished = f.now(), false
		if len(g.tail) == 0 && g.Offset > 0 {
			g.recall() // what it no longer holds is rewritten
		}
	}
	isUnread := touched && g.Offset == 0 && g.isCurrent()
	waits := f.passCopied(g, touched)
	isRecent := f.now().Sub(g.grown) < verified
	switch {
	case g.size < g.Offset || isRecent && !g.fits(g.file):
		if f.rewrittenLater(g) {
			return nil
		}
		f.rewritten(g, before)
	case isRecent || !g.base.suspicion.since.IsZero():
		f.suspectRefill(g)
	}
	if !waits {
		err = f.readRest(g)
	}
	if g.Offset > 0 {
		g.before = nil
	}
	if isUnread { // it may have been filled, copied and truncated since
		f.findUnseen(g.base, nil)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", g.Path, err)
	}
	return nil
}

func (f *Follower) readRest(g *generation) error {
	if g.size <= g.Offset || f.join(g) {
		return nil
	}
	err := f.reader.read(g, io.NewSectionReader(g.file, g.Offset, g.size-g.Offset), f.sink)
	g.mark()
	return err
}

// regular rejects what cannot be followed.
func regular(path string, info fs.FileInfo) error {
	mode := info.Mode()
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return fmt.Errorf("%s is a folder; name the file in it, or a glob such as %s",
			path, filepath.Join(path, "*.log"))
	case mode&fs.ModeNamedPipe != 0:
		return fmt.Errorf("%s is a pipe (FIFO), which has no position to return to; "+
			"let NGINX send syslog instead (access_log syslog:server=…), or write a file", path)
	case mode&fs.ModeCharDevice != 0:
		return fmt.Errorf("%s is a character device, not a file; a container image that links its log to stdout "+
			"is the usual cause: give NGINX a volume for the log's folder, or let it send syslog", path)
	}
	return fmt.Errorf("%s is not a regular file (%s)", path, mode.Type())
}

// isOutput reports whether a file is this process's own stdout or stderr: each message would be a line, and report
// the one before. /dev/stdout in nginx.conf is NGINX's, not this program's.
func isOutput(file fs.FileInfo) bool {
	for _, output := range []*os.File{os.Stdout, os.Stderr} {
		if info, err := output.Stat(); err == nil && os.SameFile(file, info) {
			return true
		}
	}
	return false
}

// openLog opens a file and returns its identity: the path may belong to another file by now.
func openLog(path string) (*os.File, fs.FileInfo, error) {
	// Non-blocking: the path may have become a pipe between Stat and Open.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil, fmt.Errorf("%s cannot be read by this user (uid %d); add the user to the file's group, "+
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
