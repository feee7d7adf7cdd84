package tail

import (
	"hash/crc64"
	"io"
	"os"
	"syscall"
)

// A Cursor is how far one generation of a log has been read. Inode numbers are used again, and files are copied,
// compressed and rewritten in place: it is the fingerprints that tell whether a file is the one that was read.
type Cursor struct {
	Path     string      `json:"path"` // the name under which it was last seen
	Dev      uint64      `json:"dev"`
	Ino      uint64      `json:"ino"`
	Offset   int64       `json:"offset"`         // bytes of whole lines that have been handed out
	Head     Fingerprint `json:"head"`           // of the file's first bytes
	Last     Fingerprint `json:"last"`           // of the bytes that end at Offset
	Skipping bool        `json:"skip,omitempty"` // Offset is within a line that is too long
}

// A Fingerprint is a checksum of so many bytes.
type Fingerprint struct {
	Len int    `json:"len"`
	Sum uint64 `json:"sum"`
}

const (
	headLen = 1024
	lastLen = 256
)

var checksums = crc64.MakeTable(crc64.ECMA)

func fingerprint(b []byte) Fingerprint { return Fingerprint{len(b), crc64.Checksum(b, checksums)} }

// bytesAt are n bytes of a file from an offset on, all of them.
func bytesAt(file io.ReaderAt, offset, n int64) ([]byte, error) {
	b := make([]byte, n)
	read, err := file.ReadAt(b, offset)
	if read == len(b) {
		err = nil
	}
	return b, err
}

// fits tells whether file is the one that the cursor was read from: it begins as that did, and what stands before
// the offset is what was read last.
func (c *Cursor) fits(file io.ReaderAt) bool {
	if !c.isSane() {
		return false
	}
	head, err := bytesAt(file, 0, int64(c.Head.Len))
	if err != nil || fingerprint(head) != c.Head {
		return false
	}
	last, err := bytesAt(file, c.Offset-int64(c.Last.Len), int64(c.Last.Len))
	return err == nil && fingerprint(last) == c.Last
}

// isSane refuses a cursor that no reading can have made.
func (c *Cursor) isSane() bool {
	return c.Offset >= 0 && c.Head.Len >= 0 && c.Head.Len <= headLen && int64(c.Head.Len) <= c.Offset &&
		int64(c.Last.Len) == min(c.Offset, lastLen)
}

// identity is the device and the inode of a file.
func identity(info os.FileInfo) (dev, ino uint64) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Dev), stat.Ino
	}
	return 0, 0
}
