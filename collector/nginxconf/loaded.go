package nginxconf

import (
	"os"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A LoadWatch decides whether NGINX has loaded its configuration as it is on disk: whether each worker was started
// after the files had changed for the last time. It remembers what it has seen, on the clock of the workers' starts,
// which nobody sets. The times of files decide only what happened between two looks, and before the first: the clock
// may have been set since, the files may be another host's, and a file may have been moved here with an old time.
//
// A worker that NGINX starts in place of one that crashed has what the crashed one had. It is taken for one that has
// loaded the files.
type LoadWatch struct {
	last atomic.Pointer[look]
}

// HasLoaded looks at the files, and reports whether all workers that take requests have loaded them. The workers must
// have been found before.
func (w *LoadWatch) HasLoaded(conf *Config, running Running) bool {
	before := w.last.Load()
	now := before.next(conf, running.Active)
	hasLoaded := now.isLoaded()
	if hasLoaded {
		now.loaded = &look{state: now.state, changed: now.changed, workers: now.workers, stale: now.stale}
	}
	w.last.CompareAndSwap(before, now) // otherwise another look was faster
	return hasLoaded
}

// A look is the state of the files at one moment. It is immutable once it is the last. Times are since the host's
// start.
type look struct {
	conf    *Config
	workers []Worker      // that took requests, found before the look began
	began   time.Duration // before the first file was looked at
	state   string        // of the files
	changed time.Duration // when they came to this state, as far as it is known
	stale   []Worker      // those that ran before
	loaded  *look         // the last at which all workers had loaded the files
}

// next looks again. The receiver is nil before the first look.
func (l *look) next(conf *Config, workers []Worker) *look {
	now := &look{conf: conf, workers: workers, began: sinceBoot()}
	now.state = conf.stampNow()
	if l == nil || l.conf.Path != conf.Path {
		now.changed = conf.changedBetween(0, sinceBoot())
		return now
	}
	now.loaded = l.loaded
	switch {
	case l.isUnchanged(conf, now.state):
		now.changed, now.stale = l.changed, l.stale
	case l.loaded.isRestored(now):
		now.changed, now.stale = l.loaded.changed, l.loaded.stale
	default:
		now.changed, now.stale = conf.changedBetween(l.began, sinceBoot()), l.workers
	}
	return now
}

// isUnchanged reports whether the files are as they were at the look; state is that of conf's files. Another reading of
// the same files may list them in another way.
func (l *look) isUnchanged(conf *Config, state string) bool {
	if l.conf != conf {
		state = l.conf.stampNow()
	}
	return state == l.state
}

// isRestored reports whether the files are again what the workers loaded.
func (l *look) isRestored(now *look) bool {
	return l != nil && l.state == now.state && !slices.ContainsFunc(now.workers, func(w Worker) bool {
		return !slices.Contains(l.workers, w)
	})
}

func (l *look) isLoaded() bool {
	return !slices.ContainsFunc(l.workers, func(w Worker) bool {
		return w.Started+tick < l.changed || slices.Contains(l.stale, w)
	})
}

// changedBetween returns when the files were changed for the last time, by their own times within the limits.
func (c *Config) changedBetween(earliest, latest time.Duration) time.Duration {
	var newest time.Time
	for _, file := range c.Files {
		for _, stat := range []func(string) (os.FileInfo, error){os.Stat, os.Lstat} {
			if info, err := stat(file); err == nil && info.ModTime().After(newest) {
				newest = info.ModTime()
			}
		}
	}
	now, boot := clocks()
	return min(max(boot-now.Sub(newest), earliest), latest)
}

// clocks returns the time of day and the time since the host's start at the same moment.
func clocks() (now time.Time, boot time.Duration) {
	best := time.Duration(-1)
	for range 5 { // one that was not interrupted between the two
		before, at := sinceBoot(), time.Now().Round(0)
		if took := sinceBoot() - before; best < 0 || took < best {
			now, boot, best = at, before, took
		}
	}
	return now, boot
}

// sinceBoot returns the time since the host's start, which /proc/PID/stat counts in, too; /proc/uptime may be a
// container's.
func sinceBoot() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // it is there since Linux 2.6.39
	return time.Duration(t.Nano())
}
