package tail

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc64"
	"io"
	"os"
	"syscall"
)

// A Cursor says how far one generation of a log has been read. Inode numbers are reused, device numbers change when a
// machine boots, and files are copied, compressed and rewritten: only the fingerprints show which bytes of a file have
// been counted. The first version wrote no Base, Marks and Lines; without them less is certain.
type Cursor struct {
	Path     string      `json:"path"`           // the last known name
	Base     string      `json:"base,omitempty"` // the log's path that it had
	Dev      uint64      `json:"dev"`
	Ino      uint64      `json:"ino"`
	Born     int64       `json:"born,omitempty"`  // creation of the file, nanoseconds; 0 if not known
	Offset   int64       `json:"offset"`          // bytes of whole lines handed out
	Head     Fingerprint `json:"head"`            // of the file's first bytes
	Last     Fingerprint `json:"last"`            // of the bytes that end at Offset
	Marks    Marks       `json:"marks,omitempty"` // of bytes between the two, ascending
	Lines    []uint64    `json:"lines,omitempty"` // of the last lines, without their first words
	Skipping bool        `json:"skip,omitempty"`  // Offset is within a line that is too long
	Ended    bool        `json:"ended,omitempty"` // the file is gone, and its loss was reported or its rest read

	// Listed is the rotated name that the file had when the folder was last listed, or atPath; empty if it is unknown.
	Listed string `json:"listed,omitempty"`
	// First is the checksum of the first line, 0 if it was not recorded; Counted is when the first bytes were counted.
	First   uint64    `json:"first,omitempty"`
	Counted []reached `json:"counted,omitempty"`
	// Copied says that nothing of the file was handed out: so far it is a copy of what was counted.
	Copied bool `json:"copied,omitempty"`
	// Removed says that the file had lost its name: once it is closed, its inode is another file's.
	Removed bool `json:"removed,omitempty"`
}

// atPath says that a file was at the log's path.
const atPath = "."

// A Fingerprint is a checksum and the number of bytes that it covers.
type Fingerprint struct {
	Len int    `json:"len"`
	Sum uint64 `json:"sum"`
}

const (
	headLen = 1024
	lastLen = 256
)

var checksums = crc64.MakeTable(crc64.ECMA)

func sum(b []byte) uint64 { return crc64.Checksum(b, checksums) }

func fingerprint(b []byte) Fingerprint { return Fingerprint{len(b), sum(b)} }

// A Mark is the checksum of the bytes, at most lastLen, that end at Offset.
type Mark struct {
	Offset int64
	Sum    uint64
}

// markOf returns the mark at the end of b, which ends at offset in its file.
func markOf(b []byte, offset int64) Mark {
	return Mark{offset, sum(b[max(0, len(b)-lastLen):])}
}

// Marks are the marks of one file, ascending.
type Marks []Mark

// MarshalText packs marks: the distance from the previous mark as a varint, then the checksum.
func (m Marks) MarshalText() ([]byte, error) {
	var packed []byte
	before := int64(0)
	for _, mark := range m {
		packed = binary.AppendUvarint(packed, uint64(mark.Offset-before))
		packed = binary.BigEndian.AppendUint64(packed, mark.Sum)
		before = mark.Offset
	}
	return base64.RawStdEncoding.AppendEncode(nil, packed), nil
}

var errMarks = errors.New("the fingerprints of a position are corrupt")

// UnmarshalText reads what MarshalText wrote.
func (m *Marks) UnmarshalText(text []byte) error {
	packed, err := base64.RawStdEncoding.AppendDecode(nil, text)
	if err != nil {
		return errMarks
	}
	*m = nil
	before := int64(0)
	for len(packed) > 0 {
		distance, n := binary.Uvarint(packed)
		if n <= 0 || len(packed) < n+8 || distance > 1<<50 || len(*m) > 1024 {
			return errMarks
		}
		before += int64(distance)
		*m = append(*m, Mark{before, binary.BigEndian.Uint64(packed[n:])})
		packed = packed[n+8:]
	}
	return nil
}

// thin drops marks so that they are denser towards the end: the distance to the end grows by at least half from one
// mark to the next. A file of any size has a few dozen.
func (m Marks) thin(end int64) Marks {
	kept, next := len(m), end
	for i := len(m) - 1; i >= 0; i-- {
		if next-m[i].Offset >= (end-next)/2 && m[i].Offset < next {
			kept--
			m[kept] = m[i]
			next = m[i].Offset
		}
	}
	return append(m[:0], m[kept:]...)
}

// bytesAt reads exactly n bytes of a file from an offset.
func bytesAt(file io.ReaderAt, offset, n int64) ([]byte, error) {
	b := make([]byte, n)
	read, err := file.ReadAt(b, offset)
	if read == len(b) {
		err = nil
	}
	return b, err
}

// fits reports whether file holds all that the cursor was read from: it has the same beginning, and the bytes before
// the offset are those that were read last.
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

// isSane rejects a cursor that no reading can have produced.
func (c *Cursor) isSane() bool {
	return c.Offset >= 0 && c.Head.Len >= 0 && c.Head.Len <= headLen && int64(c.Head.Len) <= c.Offset &&
		int64(c.Last.Len) == min(c.Offset, lastLen)
}

// lastMark returns how many of a file's first size bytes are known to match the cursor: the offset of the last mark
// before the first that differs, or 0.
func (c *Cursor) lastMark(file io.ReaderAt, size int64) (offset int64) {
	for _, mark := range c.Marks {
		if mark.Offset > size || mark.Offset <= 0 {
			break
		}
		n := min(mark.Offset, lastLen)
		b, err := bytesAt(file, mark.Offset-n, n)
		if err != nil || sum(b) != mark.Sum {
			break
		}
		offset = mark.Offset
	}
	if n := int64(c.Head.Len); n <= size && n > offset {
		if head, err := bytesAt(file, 0, n); err == nil && fingerprint(head) == c.Head {
			offset = n
		}
	}
	return offset
}

// A fileID identifies a file for as long as it exists and its file system stays mounted.
type fileID struct{ dev, ino uint64 }

// base returns the log's path that the file had. The first version wrote only the last known name.
func (c *Cursor) base() string { return cmp.Or(c.Base, c.Path) }

func (c *Cursor) id() fileID { return fileID{c.Dev, c.Ino} }

func idOf(info os.FileInfo) fileID {
	dev, ino := identity(info)
	return fileID{dev, ino}
}

// identity returns the device and inode of a file.
func identity(info os.FileInfo) (dev, ino uint64) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Dev), stat.Ino
	}
	return 0, 0
}

// Inode returns the inode of a file.
func Inode(info os.FileInfo) uint64 {
	_, ino := identity(info)
	return ino
}

// linksOf returns the number of a file's names; 0 means that it was removed.
func linksOf(info os.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink)
	}
	return 1
}
