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

// A text is where a Parser reads: the block that the line is in. Parse has checked that the line and Pad bytes after it
// are part of it, and no step begins to read after the newline, so that loads need no check each.
type text struct{ first unsafe.Pointer }

// load returns the eight bytes at i, the first in the lowest bits.
func (t text) load(i int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(t.first, i))[:])
}

func (t text) byte(i int) byte { return *(*byte)(unsafe.Add(t.first, i)) }

// slice is the bytes from i to j.
func (t text) slice(i, j int) []byte { return unsafe.Slice((*byte)(unsafe.Add(t.first, i)), j-i) }

// untilQuery is where the path that begins at i ends: at the query, the next word, or the end of both at j.
func (t text) untilQuery(i, j int) int {
	for ; i < j; i += 8 {
		w := t.load(i)
		if m := matches(w, ' '*ones) | matches(w, '?'*ones); m != 0 {
			return min(i+bits.TrailingZeros64(m)>>3, j)
		}
	}
	return j
}

// load is text.load for what is checked.
func load(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// matches has the top bit set of the lowest byte of w that equals the byte which spread repeats, and zero bits below.
func matches(w, spread uint64) uint64 {
	w ^= spread
	return (w - ones) &^ w & highs
}

// find is the first place at or after i of the byte that spread repeats, if it is within 32 bytes; else found is
// false and it is not before at. It may look beyond the line.
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

// quickNumber reads the digits at the low end of w, up to seven, and says how many there are: none or eight if there are
// more or it is not known.
func quickNumber(w uint64) (number int64, n int) {
	x := w ^ '0'*ones
	// The top bit of each byte that is no digit.
	no := (x + 0x76*ones | x) & highs
	n = bits.TrailingZeros64(no) >> 3
	x <<= 64 - 8*uint(n) // the digits at the high end, zeros before them
	x = x*10 + x>>8
	number = int64((x&0x000000ff000000ff*0x000f424000000064 + x>>16&0x000000ff000000ff*0x0000271000000001) >> 32)
	return number, n
}

// status reads three digits from the low bytes of w, Absent if they are none.
func status(w uint64) int64 {
	x := w ^ 0x303030
	if (x|(x+0x060606))&0xf0f0f0 != 0 {
		return Absent
	}
	return int64(x&0xff)*100 + int64(x>>8&0xff)*10 + int64(x>>16&0xff)
}

// quickMillis reads "s.mmm" with one digit of seconds from the low five bytes of w, Absent if it is not that.
func quickMillis(w uint64) int64 {
	x := w ^ 0x3030302e30
	if (x|(x+0x0606060006))&0xf0f0f0fff0 != 0 {
		return Absent
	}
	return int64(x&0xff)*1000 + int64(x>>16&0xff)*100 + int64(x>>24&0xff)*10 + int64(x>>32&0xff)
}

// maxSeconds is the number of digits of seconds that are still a time: thirty years.
const maxSeconds = 9

// millis reads seconds with up to three decimals.
func millis(value []byte) (ms int64, ok bool) {
	seconds, n := digits(value)
	if n == 0 || n > maxSeconds {
		return 0, false
	}
	ms = seconds * 1000
	if n == len(value) {
		return ms, true
	}
	if value[n] != '.' {
		return 0, false
	}
	fraction, k := digits(value[n+1:])
	if k == 0 || k > 3 || n+1+k != len(value) {
		return 0, false
	}
	return ms + fraction*[4]int64{0, 100, 10, 1}[k], true
}

// size reads a whole number that fits 63 bits.
func size(value []byte) (int64, bool) {
	number, n := digits(value)
	return number, n > 0 && n == len(value)
}

// digits reads the digits that value begins with and says how many they are; none, if the number does not fit.
func digits(value []byte) (number int64, n int) {
	for n < len(value) {
		d := value[n] - '0'
		if d > 9 {
			break
		}
		if number > (1<<63-1-int64(d))/10 {
			return 0, 0
		}
		number = number*10 + int64(d)
		n++
	}
	return number, n
}

// isNothing tells "-" and the empty value of escape=json: NGINX had no value.
func isNothing(value []byte) bool {
	return len(value) == 0 || len(value) == 1 && value[0] == '-'
}
