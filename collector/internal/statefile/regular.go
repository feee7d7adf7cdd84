package statefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Somebody may have put anything in the place of a file of the folder. To open a pipe would wait for another process,
// and a device may never end: only regular files are opened.

// openFile opens a file for reading.
func openFile(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil {
		err = regular(path, info)
	}
	if err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
}

func readFile(path string) ([]byte, error) {
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxRecord))
}

// create opens a file for writing, and creates it if it is missing.
func create(path string, flags int) (*os.File, error) {
	if info, err := os.Stat(path); err == nil {
		if err := regular(path, info); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, flags|os.O_CREATE|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0o640)
}

// elsewhere is what helps where the folder cannot be used.
const elsewhere = "choose another with --storage.path, or \"\" to keep nothing"

func openLock(path string) (*os.File, error) {
	lock, err := create(path, os.O_RDWR)
	if errors.Is(err, fs.ErrPermission) {
		return nil, notOurs(filepath.Dir(path), err)
	}
	if err != nil {
		return nil, fmt.Errorf("storage path: %w; %s", err, elsewhere)
	}
	return lock, nil
}

// notOurs says that this user may not use the folder, or a file in it.
func notOurs(folder string, err error) error {
	return fmt.Errorf("storage path: %w; give it to the user of this program (sudo chown -R %d %s), or %s", err,
		os.Geteuid(), folder, elsewhere)
}

// checkAccess reports a file of the folder that this user may not read: as if it had never been written, its log would
// begin anew. Who has started the program once as root has left such files.
func (d *Dir) checkAccess() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return notOurs(d.path, err)
	}
	for _, entry := range entries {
		path := filepath.Join(d.path, entry.Name())
		if isOurs := entry.Name() == "logs" || filepath.Ext(path) == suffix; !isOurs {
			continue
		}
		if unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS) == unix.EACCES {
			return notOurs(d.path, fmt.Errorf("%s cannot be read", path))
		}
	}
	return nil
}

func regular(path string, info fs.FileInfo) error {
	what := "not a regular file"
	switch mode := info.Mode(); {
	case mode.IsRegular() && info.Size() > maxRecord:
		return fmt.Errorf("%s: %d bytes are too many; remove it", path, info.Size())
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		what = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe (FIFO)"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	}
	return fmt.Errorf("%s is %s, not a file of this program; remove it", path, what)
}
