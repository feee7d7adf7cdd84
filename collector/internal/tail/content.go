package tail

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
)

// A content is the bytes of a file, compressed or not. It opens the file once and reads it from the start as often as
// needed: by a second opening the path might belong to another file.
type content struct {
	file *os.File
	info fs.FileInfo
	gzip bool
}

func openContent(path string) (*content, error) {
	file, info, err := openLog(path)
	if err != nil {
		return nil, err
	}
	return &content{file, info, isGzip(path)}, nil
}

func (c *content) close() { c.file.Close() }

// bytes reads the content from its first byte.
func (c *content) bytes() (io.Reader, error) {
	if !c.gzip {
		return io.NewSectionReader(c.file, 0, c.info.Size()), nil
	}
	return gzip.NewReader(bufio.NewReader(io.NewSectionReader(c.file, 0, c.info.Size())))
}

// start returns up to n of its first bytes.
func (c *content) start(n int) ([]byte, error) {
	from, err := c.bytes()
	if err != nil {
		return nil, err
	}
	start := make([]byte, n)
	n, err = io.ReadFull(from, start)
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return start[:n], err
}

// beginning returns its beginning, up to an offset; of compressed bytes no more than may be of one second.
func (c *content) beginning(offset int64) beginning {
	if !c.gzip {
		return beginningOf(c.file, min(offset, c.info.Size()))
	}
	b, err := c.start(int(max(sampled, min(offset, busySecond))))
	if err != nil {
		return beginning{}
	}
	return beginningIn(b, offset)
}

// isRich reports whether what was counted of it, up to an offset, differs from what other files hold.
func (c *content) isRich(offset int64) bool { return c.beginning(offset).isRich() }

// isTelling reports the same of a file that stands where the counted one may.
func (c *content) isTelling(offset int64) bool { return c.beginning(offset).isTelling() }

// isIntact reports whether it can be read to its end. A file that is being compressed cannot.
func (c *content) isIntact() bool {
	_, whole := c.fits(Cursor{})
	return whole
}

// holds reports whether it is the file that a cursor was read from, or a copy of it.
func (c *content) holds(of Cursor) bool {
	_, fits := c.fits(of)
	return fits
}

// fits reports the same as holds, and the number of bytes. It reads a compressed file to its end: one that is still
// being written does not fit.
func (c *content) fits(of Cursor) (size int64, fits bool) {
	if !c.gzip {
		return c.info.Size(), of.fits(c.file)
	}
	g, rest, err := c.after(of)
	if err != nil {
		return 0, false
	}
	more, err := io.Copy(io.Discard, rest)
	return g.Offset + more, err == nil
}

var errOther = errors.New("it is a different file by now")

// after returns the bytes behind the cursor, which must be of this content or of one that it is a copy of.
func (c *content) after(of Cursor) (*generation, io.Reader, error) {
	g := &generation{Cursor: of, file: c.file}
	if !c.gzip {
		if !g.recall() {
			return nil, nil, errOther
		}
		return g, io.NewSectionReader(c.file, of.Offset, c.info.Size()-of.Offset), nil
	}
	if !of.isSane() {
		return nil, nil, errOther
	}
	rest, err := c.bytes()
	if err != nil {
		return nil, nil, err
	}
	g.beginAnew()
	// The head first: it distinguishes most files, and spares decompressing the rest.
	if _, err := io.CopyN(g, rest, int64(of.Head.Len)); err != nil {
		return nil, nil, err
	}
	if g.Head != of.Head {
		return nil, nil, errOther
	}
	if _, err := io.CopyN(g, rest, of.Offset-int64(of.Head.Len)); err != nil {
		return nil, nil, err
	}
	if g.Last != of.Last {
		return nil, nil, errOther
	}
	g.Skipping = of.Skipping
	return g, rest, nil
}
