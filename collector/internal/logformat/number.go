package logformat

// maxSeconds is the maximum number of digits of seconds in a time: thirty years.
const maxSeconds = 9

// millis reads seconds with three decimals.
func millis(value []byte) (ms int64, ok bool) {
	n := len(value) - 4
	if n < 1 || n > maxSeconds || value[n] != '.' {
		return 0, false
	}
	seconds, k := digits(value[:n])
	fraction, l := digits(value[n+1:])
	return seconds*1000 + fraction, k == n && l == 3
}

// size reads a whole number that fits into 63 bits.
func size(value []byte) (int64, bool) {
	number, n := digits(value)
	return number, n > 0 && n == len(value)
}

// digits reads the digits that value begins with and returns their number; none if the number does not fit.
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

// isNothing reports whether NGINX had no value: it writes "-", or nothing under escape=json and none.
func isNothing(value []byte) bool {
	return len(value) == 0 || len(value) == 1 && value[0] == '-'
}
