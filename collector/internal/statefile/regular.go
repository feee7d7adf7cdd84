package statefile

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Somebody may have put anything in the place of a file of the folder. To open a pipe would wait for another process,
// and a device may have no end: whatever is no regular file is refused.

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

func openLock(path string) (*os.File, error) {
	lock, err := create(path, os.O_RDWR)
	if err != nil {
		return nil, fmt.Errorf("storage path: %w; choose another with --storage.path, or \"\" to keep nothing", err)
	}
	return lock, nil
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
