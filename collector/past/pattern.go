package past

import (
	"bytes"
	"strings"
)

// idPattern replaces a segment of a path that names one of many objects, such as /faces/123.
const idPattern = "{id}"

func isPattern(name string) bool { return strings.Contains(name, idPattern) }

// appendPattern appends a path to a buffer, its segments of digits, hexadecimal digits and UUIDs replaced by
// idPattern, and reports whether there are any. A suffix such as .jpg stays.
func appendPattern(to, path []byte) (pattern []byte, replaced bool) {
	for {
		segment, rest, more := bytes.Cut(path, []byte{'/'})
		id, suffix := segment, []byte(nil)
		if dot := bytes.IndexByte(segment, '.'); dot >= 0 {
			id, suffix = segment[:dot], segment[dot:]
		}
		if isID(id) {
			to, replaced = append(append(to, idPattern...), suffix...), true
		} else {
			to = append(to, segment...)
		}
		if !more {
			return to, replaced
		}
		to, path = append(to, '/'), rest
	}
}

// leastHex is the number of hexadecimal digits from which on a segment is not a word.
const leastHex = 8

// isID reports whether a segment is a number, or hexadecimal digits, in groups as a UUID has or in one, with a digit
// among them.
func isID(segment []byte) bool {
	digits, letters, dashes := 0, 0, 0
	for _, c := range segment {
		switch {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
			letters++
		case c == '-':
			dashes++
		default:
			return false
		}
	}
	switch {
	case digits == 0:
		return false
	case dashes > 0:
		return dashes == 4 && digits+letters == 32
	}
	return letters == 0 || digits+letters >= leastHex
}
