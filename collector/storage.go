package collector

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-kit/log/level"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

const (
	// storagePatience is how long the storage path may take at the start until the log names it: nothing is served
	// before.
	storagePatience = 5 * time.Second
	// storageLimit is how long it may take at all.
	storageLimit = 30 * time.Second
)

// errHangs says that a disk has not answered in time.
var errHangs = errors.New("the disk does not answer")

// A storage is an open storage path, and the settings with what the last run has left there for them.
type storage struct {
	state    *statefile.Dir
	settings *source.Settings
}

// openState opens the storage path, if there is one, and returns the settings to go on with.
func (c *Collector) openState(o Options) (*source.Settings, error) {
	if o.StoragePath == "" {
		return o.Settings, nil
	}
	found, err := c.awaitStorage(o.StoragePath, func() (found storage, err error) {
		if found.state, err = statefile.Open(o.StoragePath); err == nil {
			found.settings = c.recall(found.state, o.Settings)
		}
		return found, err
	})
	c.state = found.state
	return found.settings, err
}

// awaitStorage returns what open returns. Its disk may hang.
func (c *Collector) awaitStorage(path string, open func() (storage, error)) (storage, error) {
	defer time.AfterFunc(storagePatience, func() {
		level.Error(c.logger).Log("msg", "still opening the storage path: its disk does not answer; nothing is served "+
			"before it does, or --storage.path names another", "path", path)
	}).Stop()
	found, err := within(storageLimit, open)
	if errors.Is(err, errHangs) {
		err = fmt.Errorf("storage path %s: %w; repair it, or choose another folder with --storage.path", path, err)
	}
	return found, err
}

// within returns what do returns, or errHangs if that takes too long: it asks a disk.
func within[T any](limit time.Duration, do func() (T, error)) (value T, err error) {
	done := make(chan struct{})
	var found T
	var failed error
	go func() {
		found, failed = do()
		close(done)
	}()
	patience := time.NewTimer(limit)
	defer patience.Stop()
	select {
	case <-done:
		return found, failed
	case <-patience.C:
		return value, errHangs
	}
}
