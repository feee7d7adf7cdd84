package statefile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// listFile lists the logs that have a record, one per line: a listed record that is missing was removed.
func (d *Dir) listFile() string { return filepath.Join(d.path, "logs") }

func (d *Dir) readList() error {
	d.listed = map[string]bool{}
	text, err := readFile(d.listFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("storage path: %w", err)
	}
	for name := range strings.Lines(string(text)) {
		d.listed[strings.TrimSuffix(name, "\n")] = true
	}
	return nil
}

// addToList adds the name of a record's file. The list is written once for all who wait for it: each of a thousand logs
// that begin together would wait for the others otherwise.
func (d *Dir) addToList(name string) error {
	if d.isListed(name) {
		return nil
	}
	d.mu.Lock()
	d.unlisted[name] = true
	d.mu.Unlock()
	d.listing.Lock()
	defer d.listing.Unlock()
	if d.isListed(name) { // by another who waited
		return nil
	}
	return d.writeList()
}

// writeList writes the list with all that is to be added. d.listing is held.
func (d *Dir) writeList() error {
	d.mu.Lock()
	added := slices.Collect(maps.Keys(d.unlisted))
	names := slices.AppendSeq(slices.Clone(added), maps.Keys(d.listed))
	d.mu.Unlock()
	slices.Sort(names)
	if err := d.replace(d.listFile(), []byte(strings.Join(names, "\n")+"\n")); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range added {
		d.listed[name] = true
		delete(d.unlisted, name)
	}
	return nil
}

func (d *Dir) isListed(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.listed[name]
}

// Logs returns the names of all records.
func (d *Dir) Logs() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("saved state: %w", err)
	}
	names := d.begun()
	for _, entry := range entries {
		if name, is := strings.CutSuffix(entry.Name(), suffix); is && name != startsName {
			names[name] = true
		}
	}
	var logs []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if log, err := unescape(name); err == nil {
			logs = append(logs, log)
		}
	}
	return logs, nil
}
