// Package watch tells who reads logs that something has happened to them, so that nobody has to look again and again at
// a log to which nothing comes.
//
// It watches folders, for logs are renamed and made again. What it tells is a hint: the kernel may drop events, and
// some file systems (NFS, those of virtual machines) have none. Whoever reads a log looks at it without a hint, too,
// only less often.
package watch

import (
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

const (
	// noisy is how many events of a folder in a second are too many: its busy logs are looked at each second anyway,
	// and the others cost less than their events.
	noisy = 200
	// restTime is how long a folder that is noisy, or could not be watched, is left alone.
	restTime = time.Minute
	// maxBases is how many names a rotated part is tried to be of.
	maxBases = 4
)

// A Watcher watches the folders of logs. Any goroutine may use it. A nil Watcher watches nothing.
type Watcher struct {
	mu      sync.Mutex
	events  *fsnotify.Watcher // nil before the first log is to be watched, and where this system has no events
	closed  bool
	folders map[string]*folder
}

type folder struct {
	path    string
	logs    map[string]map[*Log]bool // by the name of their files
	works   bool                     // it is watched
	retry   time.Time                // when to try again
	second  int64                    // Unix time of the events that are counted
	counted int
}

// A Log is a file that is watched, under its name.
type Log struct {
	// C has a value when something has happened to the file, or to a rotated part of it.
	C chan struct{}

	watcher *Watcher
	folder  *folder
	name    string
}

// New returns a Watcher, which takes nothing of the system before the first log is to be watched.
func New() *Watcher { return &Watcher{folders: map[string]*folder{}} }

// Close ends all watching.
func (w *Watcher) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.events != nil {
		w.events.Close()
	}
}

// Log returns what tells of the file at a path. It must be closed.
func (w *Watcher) Log(path string) *Log {
	if w == nil {
		return nil
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	dir, name := filepath.Split(path)
	dir = filepath.Clean(dir)
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.folders[dir]
	if f == nil {
		f = &folder{path: dir, logs: map[string]map[*Log]bool{}}
		w.folders[dir] = f
	}
	l := &Log{C: make(chan struct{}, 1), watcher: w, folder: f, name: name}
	if f.logs[name] == nil {
		f.logs[name] = map[*Log]bool{}
	}
	f.logs[name][l] = true
	return l
}

// Works reports whether what happens to the log will be told from now on. A nil Log is told nothing. It may take as
// long as the log's disk does, and holds up no other log.
func (l *Log) Works() bool {
	if l == nil {
		return false
	}
	works, events := l.watcher.isWatched(l.folder)
	if events == nil {
		return works
	}
	works = tellsOfChanges(l.folder.path) && events.Add(l.folder.path) == nil
	l.watcher.mu.Lock()
	defer l.watcher.mu.Unlock()
	l.folder.works = works
	return works
}

// isWatched reports whether a folder is watched. Where the caller has to try that now, it returns what with.
func (w *Watcher) isWatched(f *folder) (works bool, events *fsnotify.Watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if f.works || now.Before(f.retry) || w.closed {
		return f.works, nil
	}
	f.retry = now.Add(restTime) // nobody else tries meanwhile
	if w.events == nil {
		made, err := fsnotify.NewWatcher()
		if err != nil { // the limit of instances is reached: it is tried again
			return false, nil
		}
		w.events = made
		go w.run(made)
	}
	return false, w.events
}

// Close ends the watching of a log.
func (l *Log) Close() {
	if l == nil {
		return
	}
	f := l.folder
	l.watcher.mu.Lock()
	defer l.watcher.mu.Unlock()
	delete(f.logs[l.name], l)
	if len(f.logs[l.name]) == 0 {
		delete(f.logs, l.name)
	}
}

// leave stops watching a folder for a while.
func (w *Watcher) leave(f *folder) {
	f.works, f.retry = false, time.Now().Add(restTime)
	go w.events.Remove(f.path) // it may be gone, and its disk may hang
}

func (w *Watcher) run(events *fsnotify.Watcher) {
	for {
		select {
		case e, open := <-events.Events:
			if !open {
				return
			}
			w.tell(e)
		case _, open := <-events.Errors: // some events are lost, nobody knows which
			if !open {
				return
			}
			w.tellAll()
		}
	}
}

// tell wakes those whose log an event is about.
func (w *Watcher) tell(e fsnotify.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	isGone := e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename)
	if f := w.folders[e.Name]; f != nil && isGone { // the folder itself
		w.leave(f)
		f.wakeAll()
	}
	dir, name := filepath.Split(e.Name)
	f := w.folders[filepath.Clean(dir)]
	if f == nil || !f.works {
		return
	}
	if second := time.Now().Unix(); second != f.second {
		f.second, f.counted = second, 0
	}
	if f.counted++; f.counted > noisy || len(f.logs) == 0 {
		w.leave(f)
		f.wakeAll()
		return
	}
	f.wake(name)
}

// wake wakes those of a file, which may be a rotated part of theirs: access.log.2.gz is of access.log.
func (f *folder) wake(name string) {
	for range maxBases {
		for l := range f.logs[name] {
			l.wake()
		}
		end := strings.LastIndexAny(name, ".-")
		if end <= 0 {
			return
		}
		name = name[:end]
	}
}

func (f *folder) wakeAll() {
	for _, logs := range f.logs {
		for l := range logs {
			l.wake()
		}
	}
}

func (l *Log) wake() {
	select {
	case l.C <- struct{}{}:
	default: // it is woken already
	}
}

func (w *Watcher) tellAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.folders {
		f.wakeAll()
	}
}

// tellsOfChanges reports whether the kernel sees all that happens to a folder: files of other machines are written
// without it.
func tellsOfChanges(folder string) bool {
	var s unix.Statfs_t
	if unix.Statfs(folder, &s) != nil {
		return false
	}
	switch uint32(s.Type) {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC,
		unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC:
		return false
	}
	return true
}
