package logformat

import "math/bits"

// fastNumber reads the digits at the low end of w, up to seven, and returns their number: none or eight if there are
// more or it cannot say.
func fastNumber(w uint64) (number int64, n int) {
	x := w ^ '0'*ones
	// The top bit of each byte that is not a digit.
	no := (x + 0x76*ones | x) & highs
	n = bits.TrailingZeros64(no) >> 3
	x <<= (64 - 8*uint(n)) & 63 // the digits at the high end, zeros before them
	x = x*10 + x>>8
	number = int64((x&0x000000ff000000ff*0x000f424000000064 + x>>16&0x000000ff000000ff*0x0000271000000001) >> 32)
	return number, n
}

// status reads three digits from the low bytes of w, Absent if they are not digits.
func status(w uint64) int64 {
	x := w ^ 0x303030
	if (x|(x+0x060606))&0xf0f0f0 != 0 {
		return Absent
	}
	return int64(x&0xff)*100 + int64(x>>8&0xff)*10 + int64(x>>16&0xff)
}

// fastMillis reads "s.mmm" with one digit of seconds from the low five bytes of w, or returns Absent.
func fastMillis(w uint64) int64 {
	x := w ^ 0x3030302e30
	if (x|(x+0x0606060006))&0xf0f0f0fff0 != 0 {
		return Absent
	}
	return int64(x&0xff)*1000 + int64(x>>16&0xff)*100 + int64(x>>24&0xff)*10 + int64(x>>32&0xff)
}

// fastUnixMillis reads "ssssssssss.mmm", ten digits of seconds, from w, its first eight bytes, and v, the eight bytes
// from the sixth on, or returns Absent.
func fastUnixMillis(w, v uint64) int64 {
	x, y := w^'0'*ones, v^0x3030302e30303030
	if (x|(x+0x06*ones)|y|(y+0x0606060006060606))&0xf0f0f0f0f0f0f0f0 != 0 || y&(0xff<<32) != 0 {
		return Absent
	}
	x = x*10 + x>>8
	high := int64((x&0x000000ff000000ff*0x000f424000000064 + x>>16&0x000000ff000000ff*0x0000271000000001) >> 32)
	low := int64(y>>16&0xff)*10 + int64(y>>24&0xff)
	return (high*100+low)*1000 + int64(y>>40&0xff)*100 + int64(y>>48&0xff)*10 + int64(y>>56)
}
