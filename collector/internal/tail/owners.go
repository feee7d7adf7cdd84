package tail

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Owners say which log has a file, for logs that count one thing and may find it under their names: a file that was
// renamed from the names of one to those of another is counted by the first alone. Two paths that name one file both
// count it. The zero Owners is ready; nil knows nothing. Any goroutine may use it; it asks no disk.
type Owners struct {
	Apart time.Duration // between a count and the making of a copy that has few lines; 0: two seconds, as lines have

	mu       sync.Mutex
	of       map[ownedFile][]owner
	expected map[string][]ownedFile    // of logs that have not begun
	spare    map[ownedFile]Cursor      // of files that no log has any more
	released []ownedFile               // those in spare that running logs have lost, the oldest first
	taken    map[*Follower][]ownedFile // files of which nothing was counted, and that were found to be another's

	hasGlob  atomic.Bool // one of the logs is a glob
	counted  map[countedKey][]*counted
	ended    map[string][]*counted // those of logs that do not run
	look     uint64                // how many there were
	lastLook map[string]uint64     // that each log has ended
}

// maxReleased bounds Owners.released: most have been deleted.
const maxReleased = 1024

// An ownedFile is one whose creation time is known, or that is open: an inode alone is reused once it is free.
type ownedFile struct {
	kind string // of what is counted
	fileTag
	dev uint64 // 0 where the creation time is known
}

func ownedOf(kind string, tag fileTag, dev uint64) ownedFile {
	if tag.Born != 0 {
		dev = 0
	}
	return ownedFile{kind, tag, dev}
}

// An owner is a log that has a file.
type owner struct {
	log      string
	isGlob   bool
	path     string    // of a log that is not a glob's
	follower *Follower // nil: it has not begun, and its saved position has the file
	ownState
}

// An ownState says how far a log is that has a file.
type ownState struct {
	isDone   bool // it has read the file to its end
	isUnused bool // it has counted nothing of it
}

func (o owner) is(f *Follower) bool { return o.follower == f || o.follower == nil && o.log == f.log }

// Expect says which files a log has that is about to begin.
func (o *Owners) Expect(log, path string, isGlob bool, kind string, files []fileTag) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dropExpected(log)
	for _, tag := range files {
		file := ownedOf(kind, tag, 0)
		o.add(file, owner{log: log, isGlob: isGlob, path: path})
		o.expected[log] = append(o.expected[log], file)
	}
}

func (o *Owners) dropExpected(log string) {
	for _, file := range o.expected[log] {
		o.drop(file, func(owner owner) bool { return owner.log == log && owner.follower == nil })
	}
	delete(o.expected, log)
}

func (o *Owners) add(file ownedFile, by owner) {
	if o.of == nil {
		o.of, o.expected = map[ownedFile][]owner{}, map[string][]ownedFile{}
	}
	o.of[file] = append(o.of[file], by)
}

func (o *Owners) drop(file ownedFile, isGone func(owner) bool) {
	o.of[file] = slices.DeleteFunc(o.of[file], isGone)
	if len(o.of[file]) == 0 {
		delete(o.of, file)
	}
}

// other returns another log that has a file, of which one is a glob.
func (o *Owners) other(f *Follower, file ownedFile) (other owner, has bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.otherOf(f, file)
}

// ofPaths returns the other logs of one path each that have a file.
func (o *Owners) ofPaths(f *Follower, file ownedFile) (owners []owner) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, by := range o.of[file] {
		if !by.is(f) && by.path != "" {
			owners = append(owners, by)
		}
	}
	return owners
}

func (o *Owners) otherOf(f *Follower, file ownedFile) (other owner, has bool) {
	i := slices.IndexFunc(o.of[file], func(by owner) bool { return !by.is(f) && (by.isGlob || f.isPattern) })
	if i < 0 {
		return owner{}, false
	}
	return o.of[file][i], true
}

// take makes a file a Follower's, and reports whether it is: another may have it. If a log had it that has it no more,
// it returns how far that has read it. A file that is certain to be the Follower's is taken from a log that has counted
// nothing of it.
func (o *Owners) take(f *Follower, file ownedFile, isCertain bool) (spare *Cursor, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if other, has := o.otherOf(f, file); has {
		if !isCertain || !other.isUnused {
			return nil, false
		}
		o.drop(file, func(by owner) bool { return by.log == other.log && by.follower == other.follower })
		if other.follower != nil {
			o.hasTaken(other.follower, file)
		}
	}
	o.add(file, owner{log: f.log, isGlob: f.isPattern, path: f.onlyPath(), follower: f})
	if c, is := o.spare[file]; is {
		delete(o.spare, file)
		o.released = slices.DeleteFunc(o.released, func(r ownedFile) bool { return r == file })
		spare = &c
	}
	return spare, true
}

func (o *Owners) hasTaken(from *Follower, file ownedFile) {
	if o.taken == nil {
		o.taken = map[*Follower][]ownedFile{}
	}
	o.taken[from] = append(o.taken[from], file)
}

// takenFrom returns the files that others have taken from a Follower since it asked last.
func (o *Owners) takenFrom(f *Follower) []ownedFile {
	o.mu.Lock()
	defer o.mu.Unlock()
	taken := o.taken[f]
	delete(o.taken, f)
	return taken
}

// use says that a Follower counts what is in a file from now on, and reports whether it may: it may have been taken.
func (o *Owners) use(f *Follower, file ownedFile) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if slices.Contains(o.taken[f], file) {
		return false
	}
	for i := range o.of[file] {
		if o.of[file][i].follower == f {
			o.of[file][i].isUnused = false
		}
	}
	return true
}

// Spare says what is known of the files of a kind that no log has. Files without a creation time are left out.
func (o *Owners) Spare(kind string, cursors []Cursor) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.DeleteFunc(o.spare, func(file ownedFile, _ Cursor) bool { return file.kind == kind })
	for _, c := range cursors {
		o.keep(kind, c)
	}
}

func (o *Owners) keep(kind string, c Cursor) {
	if o.spare == nil {
		o.spare = map[ownedFile]Cursor{}
	}
	if c.Ino != 0 && c.Born != 0 {
		c.Marks, c.Lines = nil, nil
		o.spare[ownedOf(kind, c.Tag(), 0)] = c
	}
}

// HasGoneOn reports whether another log has gone on with a file that one had read up to a cursor.
func (o *Owners) HasGoneOn(kind string, c Cursor) bool {
	if o == nil {
		return false
	}
	file := ownedOf(kind, c.Tag(), 0)
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.of[file]) > 0 || o.spare[file].Offset > c.Offset
}

// isReleased reports whether a running log had a file and has lost it.
func (o *Owners) isReleased(file ownedFile) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Contains(o.released, file)
}

// release keeps how far a Follower has read a file that it has lost.
func (o *Owners) release(f *Follower, c Cursor) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keep(f.kind, c)
	o.released = append(o.released, ownedOf(f.kind, c.Tag(), 0))
	if len(o.released) > maxReleased {
		delete(o.spare, o.released[0])
		o.released = slices.Delete(o.released, 0, 1)
	}
}

// handOver keeps what a Follower knows of its files, which ends.
func (o *Owners) handOver(f *Follower) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, g := range f.generations {
		o.keep(f.kind, g.cursor())
	}
}

// set replaces the files that a Follower has.
func (o *Owners) set(f *Follower, before, files map[ownedFile]ownState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dropExpected(f.log)
	for file := range before {
		o.drop(file, func(by owner) bool { return by.follower == f })
	}
	for file, state := range files {
		if !state.isUnused || !slices.Contains(o.taken[f], file) {
			o.add(file, owner{log: f.log, isGlob: f.isPattern, path: f.onlyPath(), follower: f, ownState: state})
		}
	}
}
