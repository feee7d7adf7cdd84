package logformat

// The fast path.
//
// fastSteps reads most values of most lines: one loop, no calls, loads of eight bytes at a time without bounds
// checks. That is five times as fast as reading byte by byte, and it is kept in files of its own because it rests on
// rules that the compiler does not check:
//
//  1. What may be read. A block has a last newline, and Pad bytes after it that may be read and mean nothing (Next
//     checks both). A load at i reads i to i+7. No step begins after its line's newline, and none reads more than 63
//     bytes beyond a place that is known to be in the line. So every load stays within Pad.
//  2. No value has a newline. A search stops at one; numbers, words, times and ids have none; an address is taken only
//     if it has been read before. No literal but the last has a newline, and the last has it at its end: so a match of
//     the last literal is the end of the line, and whatever matches before lies within it. That is how the end of a
//     line is found: looking for it first would cost a sixth of the time.
//  3. What a step promises. It has read a value of its kind and the literal after it, as the slow path would have:
//     the shortest value that its literal ends, and for an unquoted list the one that its grammar gives. Or it has
//     read nothing, and the slow path begins at the same position. In the latter case what it has put into the Record
//     is of no use and is written again.
//  4. Nothing is kept of a value that was not taken: where the literal does not match, p.shapes is as before it.
//  5. The search of bytes by arithmetic (matches) is exact for the lowest match of a word, and may be wrong above it.
//     So only the lowest set bit of a mask is used, also where masks are joined by "or".
//  6. A search may stop too early, never too late: at bytes that differ from what it looks for in the bits of s.clear
//     alone, such as an asterisk for a quote. The literal does not stand there, and the slow path reads on.
//
// To add a kind of value: give it a kind and a row in variables.go; a case in store (what the slow path makes of it)
// and in advance (which ends the second reading tries); its shape in logtest.Reference. That is enough. If it stands
// in most lines, add a fast, choose it in fastOf where no literal can make it ambiguous, and read it in fastSteps.
// The fuzz targets FuzzParse and FuzzCompile run both ways on the same line, FuzzReference the reference beside them:
// add a format that has the kind to their seeds.

// A fast is how the fast path reads a value of the usual form. The slow path reads all other forms.
type fast uint8

const (
	fastNone fast = iota
	fastMark
	fastCapture
	fastText
	fastAnyText
	fastToken
	fastFixed
	fastRequest
	fastID
	fastStatus
	fastTime
	fastSize
	fastWord
	fastLocalTime
	fastISOTime
	fastUnixTime
	fastAddresses
	fastListStatus
	fastListTime
	fastListSize
)

// fastOf chooses the fast form of a step.
func fastOf(s *step) fast {
	switch s.kind {
	case kindFixed:
		if s.width == 0 {
			return fastFixed
		}
	case kindRequest:
		if s.first == '"' {
			return fastRequest
		}
	case kindID:
		if s.first < '0' && s.literal != "" {
			return fastID
		}
	case kindStatus:
		return fastStatus
	case kindTime:
		return fastTime
	case kindSize:
		if s.first-'0' > 9 {
			return fastSize // otherwise the number might end before its last digit
		}
	case kindWord:
		return fastWord
	case kindAddresses:
		return fastAddresses
	case kindListStatus:
		return fastListStatus
	case kindListTime:
		return fastListTime
	case kindListSize:
		if s.first-'0' > 9 {
			return fastListSize
		}
	case kindLocalTime:
		return fastLocalTime
	case kindISOTime:
		return fastISOTime
	case kindUnixTime:
		return fastUnixTime
	case kindToken:
		if s.first == ' ' || s.first == '"' {
			return fastToken
		}
	case kindMark:
		return fastMark
	case kindCapture:
		return fastCapture
	case kindText, kindURI:
		if s.clear != 0 {
			return fastText
		}
		if s.literal != "" {
			return fastAnyText
		}
	}
	return fastNone
}
