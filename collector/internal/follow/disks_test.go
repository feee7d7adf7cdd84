package follow

import (
	"errors"
	"math/rand/v2"
	"os"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
)

var errCrashed = errors.New("crashed")

// A crashingDisk is one whose machine dies at its n-th step. What was not synced by then is lost where it is a power
// failure: files keep a random part of what was written to them, and a rename whose folder was not synced is undone.
type crashingDisk struct {
	dies    int
	power   bool
	step    int
	crashed bool
	renamed [2]string // not yet synced: the path, and where the file before it is kept
	files   []*crashingFile
}

// dead counts a step, and reports whether the machine is dead.
func (d *crashingDisk) dead() bool {
	if !d.crashed && d.step == d.dies {
		d.crash()
	}
	d.step++
	return d.crashed
}

func (d *crashingDisk) crash() {
	d.crashed = true
	if !d.power {
		return
	}
	for _, f := range d.files {
		if !f.synced {
			if err := os.Truncate(f.path, rand.Int64N(f.written+1)); err != nil {
				panic(err)
			}
		}
	}
	if path := d.renamed[0]; path != "" {
		if err := os.Rename(d.renamed[1], path); err != nil {
			panic(err)
		}
	}
}

func (d *crashingDisk) Create(path string) (statefile.File, error) {
	if d.dead() {
		return nil, errCrashed
	}
	file, err := os.Create(path)
	f := &crashingFile{File: file, disk: d, path: path}
	d.files = append(d.files, f)
	return f, err
}

func (d *crashingDisk) Rename(from, to string) error {
	if d.dead() {
		return errCrashed
	}
	before := to + ".before"
	if err := os.Link(to, before); err != nil {
		return err
	}
	d.renamed = [2]string{to, before}
	for _, f := range d.files {
		if f.path == from {
			f.path = to
		}
	}
	return os.Rename(from, to)
}

func (d *crashingDisk) SyncDir(string) error {
	if d.dead() {
		return errCrashed
	}
	before := d.renamed[1]
	d.renamed = [2]string{}
	return os.Remove(before)
}

type crashingFile struct {
	*os.File
	disk    *crashingDisk
	path    string
	written int64
	synced  bool
}

func (f *crashingFile) Write(p []byte) (int, error) {
	if f.disk.dead() {
		n, _ := f.File.Write(p[:rand.IntN(len(p))])
		f.written += int64(n)
		return n, errCrashed
	}
	n, err := f.File.Write(p)
	f.written += int64(n)
	return n, err
}

func (f *crashingFile) Sync() error {
	if f.disk.dead() {
		return errCrashed
	}
	f.synced = true
	return f.File.Sync()
}

func (f *crashingFile) Close() error {
	if f.disk.dead() {
		return errors.Join(errCrashed, f.File.Close())
	}
	return f.File.Close()
}

// A fullDisk fails as long as it is full, at a step of its own.
type fullDisk struct {
	full string // the step that fails; "" for none
}

var errFull = errors.New("no space left on device")

func (d *fullDisk) Create(path string) (statefile.File, error) {
	if d.full == "create" {
		return nil, errFull
	}
	file, err := os.Create(path)
	return &fullFile{file, d}, err
}

func (d *fullDisk) Rename(from, to string) error {
	if d.full == "rename" {
		return errFull
	}
	return os.Rename(from, to)
}

func (d *fullDisk) SyncDir(string) error {
	if d.full == "sync of the folder" {
		return errFull
	}
	return nil
}

type fullFile struct {
	*os.File
	disk *fullDisk
}

func (f *fullFile) Write(p []byte) (int, error) {
	if f.disk.full == "write" {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, errFull
	}
	return f.File.Write(p)
}

func (f *fullFile) Sync() error {
	if f.disk.full == "sync" {
		return errFull
	}
	return nil
}

// A hangingDisk answers when it is let go.
type hangingDisk struct {
	fullDisk
	hang chan struct{}
}

func (d *hangingDisk) Rename(from, to string) error {
	<-d.hang
	return os.Rename(from, to)
}
