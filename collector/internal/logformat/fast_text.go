package logformat

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// A text is the block that a Parser reads from. Parse has checked that the line and Pad bytes after it are part of it,
// and no step begins to read after the newline, so that single loads need no check.
type text struct{ first unsafe.Pointer }

// load returns the eight bytes at i, the first in the lowest bits.
func (t text) load(i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(t.first, i))[:])
}

func (t text) byte(i int) byte { return *(*byte)(unsafe.Add(t.first, i)) }

// slice returns the bytes from i to j.
func (t text) slice(i, j int) []byte { return unsafe.Slice((*byte)(unsafe.Add(t.first, i)), j-i) }

// load is text.load with bounds checks.
func load(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// matches has the top bit set of the lowest byte of w that equals the byte in spread, and zero bits below.
func matches(w, spread uint64) uint64 {
	w ^= spread
	return (w - ones) &^ w & highs
}

// gather moves the top bits of the bytes of m to the lowest eight bits.
func gather(m uint64) uint64 { return m >> 7 * 0x0102040810204080 >> 56 }

// either returns the position of the first byte, from i on, that equals the byte in spread or is a newline.
func (t text) either(i int, spread uint64) int {
	for {
		w := t.load(i)
		if m := matches(w, spread) | matches(w, '\n'*ones); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
}

// stops is matches for what ends a value in the eight bytes at i: the first byte of the literal, or a newline. These
// two differ in the bits of clear alone. So do a few other bytes, at which the literal does not stand.
func (t text) stops(i int, clear, stop uint64) uint64 { return matches(t.load(i)&^clear, stop) }

// stop returns the position of the first byte, from i on, that ends a value.
func (t text) stop(i int, clear, stop uint64) int {
	for {
		if m := t.stops(i, clear, stop); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
}

// stopFar is stop for values whose lengths differ much: it looks at 48 bytes before it branches.
func (t text) stopFar(i int, clear, stop uint64) int {
	for ; ; i += 48 {
		m := gather(t.stops(i, clear, stop)) | gather(t.stops(i+8, clear, stop))<<8 |
			gather(t.stops(i+16, clear, stop))<<16 | gather(t.stops(i+24, clear, stop))<<24 |
			gather(t.stops(i+32, clear, stop))<<32 | gather(t.stops(i+40, clear, stop))<<40
		if m != 0 {
			return i + bits.TrailingZeros64(m)
		}
	}
}

// notWord is 0 only if the bytes of w are all of '0' to 0x7f: it may be wrong otherwise, above the lowest that is not.
func notWord(w uint64) uint64 { return (w - '0'*ones | w) & highs }

// find returns the first occurrence at or after i of the byte in spread, if it is within 32 bytes; otherwise found is
// false and the byte is not before at. It may look beyond the line.
func (t text) find(i int, spread uint64) (at int, found bool) {
	m := matches(t.load(i), spread)
	n := matches(t.load(i+8), spread)
	if m|n != 0 {
		at = i + 8 + bits.TrailingZeros64(n)>>3
		if m != 0 {
			at = i + bits.TrailingZeros64(m)>>3
		}
		return at, true
	}
	m = matches(t.load(i+16), spread)
	n = matches(t.load(i+24), spread)
	if m|n != 0 {
		at = i + 24 + bits.TrailingZeros64(n)>>3
		if m != 0 {
			at = i + 16 + bits.TrailingZeros64(m)>>3
		}
		return at, true
	}
	return i + 32, false
}
