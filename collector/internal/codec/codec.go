// Package codec is the encoding of all saved counts: a row of unsigned varints, and of strings with their lengths
// before them. A writer begins with a version number; a reader must be able to read all earlier versions.
package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Append functions append one value to dst and return it.

// AppendUint appends a number.
func AppendUint(dst []byte, n uint64) []byte { return binary.AppendUvarint(dst, n) }

// AppendString appends a string.
func AppendString(dst []byte, s string) []byte { return append(AppendUint(dst, uint64(len(s))), s...) }

// AppendTime appends a time after 1970, with its nanoseconds, or the zero time.
func AppendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return AppendUint(dst, 0)
	}
	return AppendUint(dst, uint64(max(t.UnixNano(), 0)))
}

// ErrCorrupt reports a state that no version can have written.
var ErrCorrupt = errors.New("the state is corrupt")

// A Reader reads what the Append functions wrote. States may hold anything: after its first error a Reader returns
// zeros.
type Reader struct {
	rest []byte
	err  error
}

// NewReader returns a Reader of a state.
func NewReader(state []byte) *Reader { return &Reader{rest: state} }

// Err returns the first error, which is an ErrCorrupt.
func (r *Reader) Err() error { return r.err }

// Fail makes why the reader's error unless it has one.
func (r *Reader) Fail(why string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrCorrupt, why)
	}
	r.rest = nil
}

// End fails if there is something left.
func (r *Reader) End() {
	if len(r.rest) > 0 {
		r.Fail("longer than its length field")
	}
}

// Uint reads a number.
func (r *Reader) Uint() uint64 {
	n, length := binary.Uvarint(r.rest)
	if length <= 0 {
		r.Fail("cut short")
		return 0
	}
	r.rest = r.rest[length:]
	return n
}

// UpTo reads a number of at most so much.
func (r *Reader) UpTo(most uint64) uint64 {
	n := r.Uint()
	if n > most {
		r.Fail("a number is too large")
		return 0
	}
	return n
}

// Count reads a number of items that take at least size bytes each (size is 1 or more). There are not more than the
// rest of the state has room for.
func (r *Reader) Count(size int) int {
	n := r.Uint()
	if n > uint64(len(r.rest)/max(size, 1)) {
		r.Fail("shorter than its length field")
		return 0
	}
	return int(n)
}

// CountUpTo is Count for at most so many items.
func (r *Reader) CountUpTo(most, size int) int {
	n := r.Count(size)
	if n > most {
		r.Fail("too many items")
		return 0
	}
	return n
}

// Bytes reads n bytes. They are part of the state.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.Fail("cut short")
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// Rest returns the unread bytes.
func (r *Reader) Rest() []byte { return r.rest }

// String reads a string.
func (r *Reader) String() string { return string(r.Bytes(r.Count(1))) }

// Time reads a time.
func (r *Reader) Time() time.Time {
	n := r.UpTo(1<<63 - 1)
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(n))
}
