package statefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"time"
)

// A log that has counted nothing yet has only a position: where its reading begins. These positions stand in one file,
// written once for all who wait for it: a thousand logs that begin together would keep a slow disk busy for many
// seconds otherwise. A log's own record, once there is one, or was, takes the place of its entry.

// startsName is the name of that file, without its suffix, and of its entry in the list. No log's escaped name has a
// dot.
const startsName = "starts.positions"

// startsPause is the time between two writes of the file, which hold all entries: of a thousand logs, each of which
// begins a little later than the one before, many share a write.
const startsPause = 50 * time.Millisecond

// starts are the entries of the file, by the file name of the log's own record.
type starts map[string]json.RawMessage

func (d *Dir) startsFile() string { return filepath.Join(d.path, startsName+suffix) }

// readStarts reads the file when the folder is opened. If it was removed, or is unusable, each log that may have been
// in it gets the error.
func (d *Dir) readStarts() error {
	d.starts, d.starting = starts{}, starts{}
	raw, err := readFile(d.startsFile())
	switch {
	case errors.Is(err, fs.ErrNotExist) && d.listed[startsName]:
		d.startsErr, d.isBroken = ErrLost, true
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("storage path: %w", err)
	}
	record, err := decode(raw)
	if err == nil {
		err = json.Unmarshal(record.Position, &d.starts)
	}
	if err != nil {
		d.starts = starts{}
		d.startsErr, d.isBroken = moveAside(d.startsFile(), asideName(startsName, time.Now()), err), true
	}
	return nil
}

// start returns where the reading of a log that has no record of its own begins.
func (d *Dir) start(log string) (position []byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := fileName(log)
	if position, ok := d.starts[name]; ok && !d.listed[name] {
		return position, nil
	}
	switch {
	case d.listed[name]:
		return nil, ErrLost
	case d.startsErr != nil:
		return nil, d.startsErr
	}
	return nil, ErrNone
}

// begun returns the file names of the logs that have only begun.
func (d *Dir) begun() map[string]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := map[string]bool{}
	for name := range d.starts {
		if !d.listed[name] {
			names[name] = true
		}
	}
	return names
}

// Begin saves where the reading of a log begins that has no record: its position alone. It must not be called of a log
// that has one.
func (d *Dir) Begin(log string, position []byte) error {
	name := fileName(log)
	d.mu.Lock()
	d.starting[name] = position
	d.mu.Unlock()
	d.beginning.Lock()
	defer d.beginning.Unlock()
	if !d.isStarting(name) { // another who waited has written it
		return nil
	}
	time.Sleep(time.Until(d.startsAgain))
	defer func() { d.startsAgain = time.Now().Add(startsPause) }()
	return d.writeStarts()
}

func (d *Dir) isStarting(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, is := d.starting[name]
	return is
}

// writeStarts writes the file with all that is to be added. d.beginning is held.
func (d *Dir) writeStarts() error {
	d.mu.Lock()
	added, all := maps.Clone(d.starting), maps.Clone(d.starts)
	d.mu.Unlock()
	maps.Copy(all, added)
	position, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("saving state: %w", err)
	}
	if err := d.replace(d.startsFile(), encode(Record{Position: position})); err != nil {
		return err
	}
	if err := d.addToList(startsName); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.isBroken = false
	for name, position := range added {
		d.starts[name] = position
		if string(d.starting[name]) == string(position) {
			delete(d.starting, name)
		}
	}
	return nil
}

// hasRecord drops the entry of a log that has a record of its own now. A file that was removed or unusable is written
// anew: by now its logs have been told.
func (d *Dir) hasRecord(log string) error {
	d.mu.Lock()
	delete(d.starts, fileName(log))
	delete(d.starting, fileName(log))
	isBroken := d.isBroken
	d.mu.Unlock()
	if !isBroken {
		return nil
	}
	d.beginning.Lock()
	defer d.beginning.Unlock()
	return d.writeStarts()
}
