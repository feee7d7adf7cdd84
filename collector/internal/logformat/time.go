package logformat

import "time"

// A clock remembers the text of the last second that was read: lines of one second, which come in their thousands,
// cost only a comparison. It serves one of $time_local and $time_iso8601, whose resolution is a second.
type clock struct {
	w0, w1, w2, w3 uint64 // the text: its bytes 0, 8, 16 and its last eight
	millis         int64  // Unix
}

// isLocal reports whether the $time_local at i is that of the last second.
func (c *clock) isLocal(t text, i int) bool {
	return t.load(i) == c.w0 && t.load(i+8) == c.w1 && t.load(i+16) == c.w2 && t.load(i+18) == c.w3
}

// local reads 24/Nov/2026:12:27:30 +0000 at i.
func (c *clock) local(t text, i int) (millis int64, ok bool) {
	const width = 26
	return c.read(t, i, width, t.slice(i, i+width), parseLocal)
}

// iso reads 2026-11-24T12:27:30+00:00 at i.
func (c *clock) iso(t text, i int) (millis int64, ok bool) {
	const width = 25
	return c.read(t, i, width, t.slice(i, i+width), parseISO)
}

func (c *clock) read(t text, i, width int, value []byte, parse func([]byte) (int64, bool)) (int64, bool) {
	w0, w1, w2, w3 := t.load(i), t.load(i+8), t.load(i+16), t.load(i+width-8)
	if w0 == c.w0 && w1 == c.w1 && w2 == c.w2 && w3 == c.w3 {
		return c.millis, true
	}
	millis, ok := parse(value)
	if ok {
		*c = clock{w0, w1, w2, w3, millis}
	}
	return millis, ok
}

// parseLocal reads dd/Mon/yyyy:hh:mm:ss +hhmm.
func parseLocal(v []byte) (int64, bool) {
	if v[2] != '/' || v[6] != '/' || v[11] != ':' || v[14] != ':' || v[17] != ':' || v[20] != ' ' {
		return 0, false
	}
	month := monthOf(v[3], v[4], v[5])
	var n numbers
	day, year := n.read(v[0:2]), n.read(v[7:11])
	hour, minute, second := n.read(v[12:14]), n.read(v[15:17]), n.read(v[18:20])
	zone := n.read(v[22:24])*3600 + n.read(v[24:26])*60
	return n.millis(year, month, day, hour, minute, second, v[21], zone)
}

// parseISO reads yyyy-mm-ddThh:mm:ss+hh:mm.
func parseISO(v []byte) (int64, bool) {
	if v[4] != '-' || v[7] != '-' || v[10] != 'T' || v[13] != ':' || v[16] != ':' || v[22] != ':' {
		return 0, false
	}
	var n numbers
	year, month, day := n.read(v[0:4]), n.read(v[5:7]), n.read(v[8:10])
	hour, minute, second := n.read(v[11:13]), n.read(v[14:16]), n.read(v[17:19])
	zone := n.read(v[20:22])*3600 + n.read(v[23:25])*60
	return n.millis(year, month, day, hour, minute, second, v[19], zone)
}

// numbers reads the numbers of a time, and remembers whether one was invalid.
type numbers struct{ bad bool }

func (n *numbers) read(value []byte) int {
	number := 0
	for _, c := range value {
		if c-'0' > 9 {
			n.bad = true
		}
		number = number*10 + int(c-'0')
	}
	return number
}

// millis combines the parts of a time. A leap second is the first of the next minute.
func (n *numbers) millis(year, month, day, hour, minute, second int, sign byte, zone int) (int64, bool) {
	if n.bad || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 {
		return 0, false
	}
	switch sign {
	case '-':
		zone = -zone
	case '+':
	default:
		return 0, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second-zone, 0, time.UTC).UnixMilli(), true
}

// monthOf returns the number of a month's three letters, 0 for none.
func monthOf(a, b, c byte) int {
	const names = "JanFebMarAprMayJunJulAugSepOctNovDec"
	for i := 0; i < len(names); i += 3 {
		if names[i] == a && names[i+1] == b && names[i+2] == c {
			return i/3 + 1
		}
	}
	return 0
}

// unixMillis reads seconds since 1970 with three decimals.
func unixMillis(value []byte) (int64, bool) {
	const maxDigits = 12
	seconds, n := digits(value)
	if n == 0 || n > maxDigits || n+4 != len(value) || value[n] != '.' {
		return 0, false
	}
	fraction, k := digits(value[n+1:])
	return seconds*1000 + fraction, k == 3
}
