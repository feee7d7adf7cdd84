package tail

import (
	"bytes"
	"io"
	"regexp"
)

// Lines of one second may come again, line for line, as those of a health check do: what two files have in common is
// evidence that one is a copy only if it holds two times, or lines that come only once.

const (
	// sampled is how many bytes are searched for lines that come only once.
	sampled = 256 << 10
	// busySecond is how many bytes a log may get in a second.
	busySecond = 4 << 20
	// fewestRich is how many bytes may differ from those of other files.
	fewestRich = 64
	// fewestKinds is how many different lines differ from those of other files, if they have no time.
	fewestKinds = 8
	// manyOnce is how many lines of one second, each of which comes only once, no other file has in the same order.
	manyOnce = 500
)

// A beginning is what shows whether the first bytes of a file may be those of another file, too.
type beginning struct {
	head   []byte // the first of them
	end    []byte // the last of them
	sample []byte // of the file: lines that come again in the rest come again in other files
}

// beginningOf returns the beginning of a file, of n bytes.
func beginningOf(file io.ReaderAt, n int64) (b beginning) {
	b.sample = readAt(file, 0, sampled)
	b.head = b.sample[:min(n, headLen, int64(len(b.sample)))]
	b.end = readAt(file, max(0, n-tailLen), min(n, tailLen))
	return b
}

// beginningIn returns the beginning of bytes that a file begins with.
func beginningIn(bytes []byte, n int64) beginning {
	n = min(n, int64(len(bytes)))
	return beginning{bytes[:min(n, headLen)], bytes[max(0, n-tailLen):n], bytes[:min(len(bytes), sampled)]}
}

// like returns the beginning that a file and a generation have in common: lines that come again in either prove
// nothing.
func (g *generation) like(b beginning) beginning {
	var counted []byte
	if g.file != nil {
		counted = readAt(g.file, 0, min(g.Offset, sampled))
	}
	for _, sample := range [][]byte{g.head, counted} {
		if len(sample) > len(b.sample) {
			b.sample = sample
		}
	}
	return b
}

// readAt returns up to n bytes of a file from an offset.
func readAt(file io.ReaderAt, offset, n int64) []byte {
	b, _ := io.ReadAll(io.NewSectionReader(file, offset, n)) // most files are shorter
	return b
}

// isRich reports whether it differs from what another log of the same format would have.
func (b beginning) isRich() bool {
	return isRichText(b.head) && (b.hasTwoTimes() || !b.comesAgain())
}

// isTelling reports the same of a file that stands where the other may: there, one line with a time is enough.
func (b beginning) isTelling() bool {
	first, _, _ := bytes.Cut(b.head, []byte("\n"))
	return b.isRich() || timeOrID.Match(first) && !b.comesAgain()
}

// comesAgain reports whether lines come again and again, with few between them that come only once.
func (b beginning) comesAgain() bool {
	once, n := linesIn(b.sample).count()
	return once < fewestKinds && 2*once < n
}

// mayBeNew reports whether a log may begin with it a second time: all lines are of one second, or have no times, and
// not many come only once.
func (b beginning) mayBeNew() bool {
	once, n := linesIn(b.sample).count()
	return !b.hasTwoTimes() && (once < manyOnce || 2*once < n)
}

// hasTwoTimes reports whether the first and the last line have different times. A log is written in the order of time:
// none that begins later has both.
func (b beginning) hasTwoTimes() bool {
	first, _, _ := bytes.Cut(b.head, []byte("\n"))
	end := bytes.TrimSuffix(b.end, []byte("\n"))
	begin, last := clock.Find(first), clock.Find(end[bytes.LastIndexByte(end, '\n')+1:])
	return begin != nil && last != nil && !bytes.Equal(begin, last)
}

// isRichText reports whether bytes are many different lines, or hold something like a time.
func isRichText(b []byte) bool {
	if len(b) < fewestRich {
		return false
	}
	if first, _, _ := bytes.Cut(b, []byte("\n")); timeOrID.Match(first) {
		return true
	}
	return len(linesIn(b)) >= fewestKinds
}

// kinds are how often each line comes, by its fingerprint.
type kinds map[uint64]int

func linesIn(b []byte) kinds {
	k := kinds{}
	for line := range bytes.Lines(b) {
		k[sum(line)]++
	}
	return k
}

// count returns how many lines come only once, and how many there are.
func (k kinds) count() (once, n int) {
	for _, times := range k {
		if n += times; times == 1 {
			once++
		}
	}
	return once, n
}

const aTimeOfDay = `(^|[^0-9a-f:]|[0-9]{4}:)([01][0-9]|2[0-3])(:[0-5][0-9]){2}([^0-9a-f:]|$)`

// clock matches the time of a line: of day, or seconds since 1970 with their thousandths.
var clock = regexp.MustCompile(aTimeOfDay + `|[0-9]{10}\.[0-9]{3}`)

// timeOrID matches what makes a line differ from those of other files: a time of day, seconds since 1970, or an id such
// as $request_id. Addresses and sizes do not: each line may have the same.
var timeOrID = regexp.MustCompile(aTimeOfDay + `|[0-9]{10}|[0-9a-f]{16}`)
