package logformat

import (
	"encoding/binary"
	"math/bits"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

func load(b []byte, i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }

// find is the first byte at or after i that equals the byte that spread repeats, or some index past the newline that
// ends the line, or of it. It looks at eight bytes at a time for a short value.
func find(b []byte, i int, spread uint64) int {
	for range 4 {
		w := load(b, i) ^ spread
		if m := (w - ones) &^ w & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	return -i
}

// status reads three digits from the low bytes of w, Absent if they are none.
func status(w uint64) int64 {
	x := w ^ 0x303030
	if x&0xf0f0f0 != 0 || (x+0x060606)&0xf0f0f0 != 0 {
		return Absent
	}
	return int64(x&0xff)*100 + int64(x>>8&0xff)*10 + int64(x>>16&0xff)
}

// quickMillis reads "s.mmm" with one digit of seconds from the low five bytes of w, Absent if it is not that.
func quickMillis(w uint64) int64 {
	x := w ^ 0x3030302e30
	if x&0xf0f0f0fff0 != 0 || (x+0x0606060006)&0xf0f0f0fff0 != 0 {
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
