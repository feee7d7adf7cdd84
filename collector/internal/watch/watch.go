// Package watch hints to the readers of logs that a log may have changed, so that they need not poll an idle log.
//
// It watches folders, since logs are renamed and re-created. It only hints: the kernel may drop events, and some file
// systems (NFS, those of virtual machines) have none. So a reader also polls its log, only less often.
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
	// noisy is how many events of a folder in a second are too many: its busy logs are read each second anyway, and
	// polling the others costs less than their events.
	noisy = 200
	// restTime is how long a noisy folder, or one that could not be watched, is not watched.
	restTime = time.Minute
	// maxBases limits the log names that a rotated part may belong to.
	maxBases = 4
)

// A Watcher watches the folders of logs. Any goroutine may use it. A nil Watcher watches nothing.
type Watcher struct {
	mu      sync.Mutex
	events  *fsnotify.Watcher // nil before the first log, and on systems without events
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
	// C has a value when the file, or a rotated part of it, may have changed.
	C chan struct{}

	watcher *Watcher
	folder  *folder
	name    string
}

// New returns a Watcher, which uses no system resources before the first log.
func New() *Watcher { return &Watcher{folders: map[string]*folder{}} }

// Close ends all watching. A nil Watcher watches nothing.
func (w *Watcher) Close() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.events != nil {
		w.events.Close()
	}
}

// Log returns the hints for the file at a path. It must be closed.
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

// Works reports whether changes of the log will be hinted from now on. A nil Log gets no hints. It may take as long as
// the log's disk does, but holds up no other log.
func (l *Log) Works() bool {
	if l == nil {
		return false
	}
	works, events := l.watcher.isWatched(l.folder)
	if events == nil {
		return works
	}
	works = SeesAll(l.folder.path) && events.Add(l.folder.path) == nil
	l.watcher.mu.Lock()
	defer l.watcher.mu.Unlock()
	l.folder.works = works
	return works
}

// isWatched reports whether a folder is watched. If the caller has to try that now, it returns the watcher to use.
func (w *Watcher) isWatched(f *folder) (works bool, events *fsnotify.Watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if f.works || now.Before(f.retry) || w.closed {
		return f.works, nil
	}
	f.retry = now.Add(restTime) // no other goroutine tries meanwhile
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
			w.dispatch(e)
		case _, open := <-events.Errors: // some events are lost; it is unknown which
			if !open {
				return
			}
			w.wakeAll()
		}
	}
}

// dispatch wakes the readers of an event's log.
func (w *Watcher) dispatch(e fsnotify.Event) {
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

// wake wakes the readers of a file, which may be a rotated part of their log: access.log.2.gz belongs to access.log.
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

func (w *Watcher) wakeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.folders {
		f.wakeAll()
	}
}

// SeesAll reports whether the kernel sees every change of a folder: files of other machines are written without it.
func SeesAll(folder string) bool {
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
