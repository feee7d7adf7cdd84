package logformat

// The fast path.
//
// fastSteps reads most values of most lines: two loops that hardly call anything, loads of eight bytes at a time
// without bounds checks. That is five times as fast as reading byte by byte. fastCombined reads the first values of the
// usual log_formats without a loop, which saves another 3 to 5 % of the time. The fast path has its own files because
// it relies on rules that the compiler does not check:
//
//  1. What may be read. A block has a last newline, and Pad bytes after it that may be read and have no meaning (Next
//     checks both). A load at i reads i to i+7. No step begins after its line's newline, and none reads more than 63
//     bytes beyond a position that is known to be in the line: a text and a literal are read no further than they
//     match. So every load stays within Pad.
//  2. No value has a newline. A search stops at one; numbers, words, times and ids have none; an address is accepted
//     only if it has been read before. Only the last literal has a newline, at its end: so a match of the last literal
//     is the end of the line, and all matches before are within the line. That is how the end of a line is found:
//     looking for it first would cost a sixth of the time.
//  3. What a step promises. Either it has read a value of its kind and the literal after it, exactly as the slow path
//     would: the shortest value that its literal ends, and for an unquoted list the one that its grammar allows. Or it
//     has read nothing, and the slow path begins at the same position; what it has put into the Record is then invalid
//     and is written again.
//  4. Nothing is kept of a rejected value: if the literal does not match, p.shapes is unchanged.
//  5. The search of bytes by arithmetic (matches) is exact for the lowest match of a word, and may be wrong above it.
//     So only the lowest set bit of a mask is used, also of masks joined by "or".
//  6. A search may stop too early, never too late: at bytes that differ from what it looks for only in the bits of
//     s.clear, such as an asterisk for a quote. The literal does not match there, and the slow path reads on.
//
// To add a kind of value: add a kind and a row in variables.go; a case in store (how the slow path stores it) and in
// advance (which ends the second reading tries); and its shape in logtest.Reference. If most lines have it, add a fast,
// too, choose it in fastOf unless a literal can make it ambiguous, and read it in fastValues or fastLists; in fastRare
// if few formats have it. The fuzz targets FuzzParse and FuzzCompile compare both paths on the same line, FuzzReference
// compares them with the reference: add a format with the new kind to their seeds.

// A fast is how the fast path reads a value of the usual form. The slow path reads all other forms.
type fast uint8

const (
	fastNone fast = iota
	fastMark
	fastCapture
	fastFixed
	fastUnixTime
	fastText
	fastAnyText
	fastToken
	fastRequest
	fastStatus
	fastTime
	fastSize
	fastLocalTime
	fastISOTime
	fastAddresses
	fastListStatus
	fastListTime
	fastListSize
	fastID
	fastWord

	firstFastList = fastAddresses // what fastLists reads
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
