package tail

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"os"
)

func headOfAny(path string) (Fingerprint, error) {
	start, err := firstBytes(path, headLen)
	return fingerprint(start), err
}

// firstBytes are up to n bytes of a file's content.
func firstBytes(path string, n int) ([]byte, error) {
	content, err := openContent(path)
	if err != nil {
		return nil, err
	}
	defer content.close()
	from, err := content.fromStart()
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

// A content is a file's bytes, compressed or not. It is one open file, read from its start as often as is needed:
// by the time of a second opening the path may be that of another.
type content struct {
	file *os.File
	gzip bool
}

func openContent(path string) (*content, error) {
	file, err := openLog(path)
	if err != nil {
		return nil, err
	}
	return &content{file, isGzip(path)}, nil
}

func (c *content) close() { c.file.Close() }

// fromStart reads the content from its first byte.
func (c *content) fromStart() (io.Reader, error) {
	if _, err := c.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if !c.gzip {
		return c.file, nil
	}
	return gzip.NewReader(bufio.NewReader(c.file))
}

// end is the cursor at the end of a content of so many bytes.
func (c *content) end(size int64) (Cursor, error) {
	from, err := c.fromStart()
	if err != nil {
		return Cursor{}, err
	}
	head := make([]byte, min(size, headLen))
	if _, err := io.ReadFull(from, head); err != nil {
		return Cursor{}, err
	}
	last := newRing(lastLen)
	last.write(head)
	if _, err := io.Copy(last, from); err != nil {
		return Cursor{}, err
	}
	return Cursor{Offset: size, Head: fingerprint(head), Last: fingerprint(last.bytes())}, nil
}

// fits tells whether a content is what a cursor was read from, and how many bytes it holds. It is read to its end: a
// compressed file that is still being written does not fit.
func (c *content) fits(of Cursor) (size int64, fits bool) {
	if !of.isSane() {
		return 0, false
	}
	from, err := c.fromStart()
	if err != nil {
		return 0, false
	}
	head := make([]byte, of.Head.Len)
	if _, err := io.ReadFull(from, head); err != nil || fingerprint(head) != of.Head {
		return 0, false
	}
	// The bytes before the offset are the cursor's last ones; they may reach into the head.
	last := newRing(lastLen)
	last.write(head)
	if _, err := io.CopyN(last, from, max(0, of.Offset-int64(len(head)))); err != nil {
		return 0, false
	}
	if kept := last.bytes(); fingerprint(kept[len(kept)-min(len(kept), of.Last.Len):]) != of.Last {
		return 0, false
	}
	rest, err := io.Copy(io.Discard, from)
	return max(of.Offset, int64(len(head))) + rest, err == nil
}

// A ring keeps the last bytes that are written to it.
type ring struct {
	kept []byte
	size int
}

func newRing(size int) *ring { return &ring{size: size} }

func (r *ring) write(p []byte) {
	r.kept = append(r.kept, p...)
	if over := len(r.kept) - r.size; over > 0 {
		r.kept = append(r.kept[:0], r.kept[over:]...)
	}
}

func (r *ring) Write(p []byte) (int, error) {
	if len(p) > r.size {
		r.write(p[len(p)-r.size:])
	} else {
		r.write(p)
	}
	return len(p), nil
}

func (r *ring) bytes() []byte { return r.kept }
