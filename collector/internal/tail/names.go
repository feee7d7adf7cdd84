package tail

import (
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fremisn/fremisn-exporter/collector/internal/watch"
)

// Names remember what is in folders, for many Followers: each of a thousand logs of one folder lists that several
// times when it begins, for a few names beside its own. The zero Names is ready; nil remembers nothing. Any goroutine
// may use it.
type Names struct {
	mu      sync.Mutex
	folders map[string]listing
}

const (
	// maxNames is how many names of a folder are remembered.
	maxNames = 10_000
	// maxFolders is how many folders are.
	maxFolders = 1000
	// fileTick is more than what passes between two times that a file system can tell apart, where it has fractions of
	// seconds: the kernel's clock for them ticks every 1 to 10 ms.
	fileTick = 100 * time.Millisecond
)

// A listing is the names in a folder, sorted. It is immutable.
type listing struct {
	state folderState
	names []string
}

// A folderState is another one whenever a name in the folder comes or goes, if the folder's times are fine enough.
type folderState struct{ dev, ino, changed, altered uint64 }

// in returns the wanted names of a folder, sorted.
func (n *Names) in(dir string, wanted func(name string) bool) (names []string) {
	if n == nil {
		return namesIn(dir, wanted)
	}
	state, ok := stateOfFolder(dir)
	n.mu.Lock()
	known := n.folders[dir]
	n.mu.Unlock()
	if !ok || known.state != state {
		known = listing{state, namesIn(dir, func(string) bool { return true })}
		n.keep(dir, known)
	}
	for _, name := range known.names {
		if wanted(name) {
			names = append(names, name)
		}
	}
	return names
}

// keep remembers a listing if every later change of the folder shows: it did not change just now, and it is no other
// machine's.
func (n *Names) keep(dir string, l listing) {
	now, ok := stateOfFolder(dir)
	if !ok || now != l.state || !now.isPast() || len(l.names) > maxNames || !watch.SeesAll(dir) {
		return
	}
	l.names = slices.Clip(l.names)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.folders == nil || len(n.folders) >= maxFolders {
		n.folders = map[string]listing{}
	}
	n.folders[dir] = l
}

// isPast reports whether a change from now on gives the folder another time.
func (s folderState) isPast() bool {
	tick := fileTick
	if s.changed%uint64(time.Second) == 0 || s.altered%uint64(time.Second) == 0 {
		tick = verified // they may be whole seconds
	}
	return time.Since(time.Unix(0, int64(max(s.changed, s.altered)))) >= tick
}

// stateOfFolder opens the folder, as listing it does: some file systems have only then what is true now.
func stateOfFolder(dir string) (state folderState, ok bool) {
	folder, err := os.Open(dir)
	if err != nil {
		return folderState{}, false
	}
	defer folder.Close()
	var s unix.Stat_t
	if err := unix.Fstat(int(folder.Fd()), &s); err != nil {
		return folderState{}, false
	}
	return folderState{uint64(s.Dev), s.Ino, uint64(s.Mtim.Nano()), uint64(s.Ctim.Nano())}, true
}
