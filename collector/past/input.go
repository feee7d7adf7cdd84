package past

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fremisn/fremisn-exporter/collector/internal/container"
)

// Stdin is the path of standard input.
const Stdin = "-"

// A File is one file to read.
type File struct {
	Path string

	kept *os.File    // a copy of what can be read only once
	held *os.File    // the file itself: it may be renamed, compressed and removed while it is read
	seen fs.FileInfo // when it was read before
}

// maxHeld limits the files that stay open until all are read; of more, it is those that rotation comes to first.
const maxHeld = 256

// name is what a person calls the file.
func (f *File) name() string {
	if f.Path == Stdin {
		return "standard input"
	}
	return f.Path
}

// open returns a file that is not kept. It is an error if it is shorter than before, or another one.
func (f *File) open() (*os.File, error) {
	file := f.held
	if file == nil {
		var err error
		if file, err = os.Open(f.Path); err != nil && f.seen != nil && errors.Is(err, fs.ErrNotExist) {
			return nil, f.changed()
		} else if err != nil {
			return nil, openError(f.Path, err)
		}
	}
	if f.seen == nil {
		return file, nil
	}
	if info, err := file.Stat(); err != nil || !os.SameFile(info, f.seen) || info.Size() < f.seen.Size() {
		f.done(file)
		return nil, f.changed()
	}
	return file, nil
}

func (f *File) changed() error { return fmt.Errorf("%s: %w; ask again", f.Path, errChanged) }

// done closes what open has returned, unless it stays open.
func (f *File) done(file *os.File) {
	if file != f.held {
		file.Close()
	}
}

var errChanged = errors.New("it was rotated or cut while it was read")

// magics are the first bytes of compressed files, and the programs for those that this one does not decompress.
var magics = []struct{ begin, tool string }{
	{"\x1f\x8b", ""},
	{"BZh", "bzip2 -dc"},
	{"\xfd7zXZ\x00", "xz -dc"},
	{"\x28\xb5\x2f\xfd", "zstd -dc"},
}

// inspect examines a file before it is read: its size, and whether it can only be read from its beginning. A file to
// hold stays open.
func (f *File) inspect(hold bool) (size int64, stream bool, err error) {
	file := f.kept
	if file == nil {
		var once bool
		if once, err = f.readsOnce(); err != nil || once {
			return 0, once, err // a pipe is not to be opened twice
		}
		if file, err = f.open(); err != nil {
			return 0, false, err
		}
		if hold {
			f.held = file
		}
		defer f.done(file)
	}
	if f.seen, err = file.Stat(); err != nil {
		return 0, false, openError(f.Path, err)
	}
	head := make([]byte, 64<<10)
	n, err := file.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return 0, false, openError(f.Path, err)
	}
	if stream, err = isCompressed(head[:min(n, 512)], f.name()); err != nil {
		return 0, false, named(f.name(), err)
	}
	line, _, _ := bytes.Cut(head[:n], []byte{'\n'})
	return f.seen.Size(), stream || container.IsWrapped(line), nil // the parts of a wrapped line belong together
}

// readsOnce reports whether a file can be read only once, as a pipe. A folder or a missing file is an error.
func (f *File) readsOnce() (bool, error) {
	if f.Path == Stdin {
		return true, nil
	}
	info, err := os.Stat(f.Path)
	switch {
	case err != nil:
		return false, openError(f.Path, err)
	case info.IsDir():
		return false, fmt.Errorf("%s: this is a folder; name the files in it, such as %s", f.Path,
			filepath.Join(f.Path, "*.log"))
	}
	return !info.Mode().IsRegular(), nil
}

// isCompressed reports whether a file that begins with head must be decompressed. The error says that it is not a log.
func isCompressed(head []byte, path string) (bool, error) {
	for _, m := range magics {
		if !bytes.HasPrefix(head, []byte(m.begin)) {
			continue
		}
		if m.tool != "" {
			return false,
				fmt.Errorf("this compression is not supported; decompress it: %s %s | "+
					"fremisn-exporter … -", m.tool, path)
		}
		return true, nil
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return false, errors.New("this is a binary file, not a log")
	}
	return false, nil
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: no such file", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: permission denied; run this as a user that may read it, for example with sudo", path)
	}
	var fault *fs.PathError
	if errors.As(err, &fault) {
		err = fault.Err
	}
	return fmt.Errorf("%s: cannot be read: %w", path, err)
}

// decompressed returns a stream, decompressed if it is compressed.
func decompressed(r io.Reader, p *progress) (io.Reader, error) {
	c := counted{r, p}
	head := make([]byte, 512)
	n, err := io.ReadFull(c, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	whole := io.MultiReader(bytes.NewReader(head[:n]), c)
	if compressed, err := isCompressed(head[:n], "FILE"); err != nil || !compressed {
		return whole, err
	}
	return gzip.NewReader(whole)
}

// A counted reader reports the read bytes to the progress.
type counted struct {
	io.Reader
	progress *progress
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.progress.add(int64(n))
	return n, err
}
