package tail

import (
	"bufio"
	"bytes"
	"io"
	"slices"
)

// A match is how a file relates to what a generation was read from.
type match int

const (
	other     match = iota // no evidence that it holds what was counted
	ambiguous              // it has the same beginning, but its lines are such that any file may have
	begins                 // it has the generation's beginning; how much more was counted is uncertain
	edited                 // it holds the last counted lines among others
	prefix                 // everything up to an offset was counted, and nothing after it
	whole                  // it holds everything that was counted
)

// trace returns how much of a file has been counted as part of the generation: bytes before offset must never be
// counted again. It compares byte by byte with the generation's own file if that is open.
func (g *generation) trace(file io.ReaderAt, size int64) (m match, offset int64) {
	return g.traceFrom(file, 0, size)
}

// traceFrom is trace that looks for single lines from an offset on, for that reads all of the file.
func (g *generation) traceFrom(file io.ReaderAt, from, size int64) (m match, offset int64) {
	switch {
	case g.Offset == 0 || size == 0:
		return other, 0
	case size >= g.Offset && g.fits(file):
		return whole, g.Offset
	}
	c := g.cursor()
	common, certain := g.extend(file, c.lastMark(file, size), size)
	if common > 0 && lineStart(file, common) == 0 {
		common = 0 // less than a line may begin like another
	}
	isRich := common > 0 && g.like(beginningOf(file, common)).isRich()
	if common == size && isRich {
		return prefix, common
	}
	if at, found := c.findLines(file, from, size); found {
		return edited, at
	}
	switch {
	case common == 0:
		return other, 0
	case !isRich:
		return ambiguous, size
	case certain:
		return prefix, lineStart(file, common)
	}
	return begins, size
}

// common returns how many of a file's first size bytes are certainly those that were counted.
func (g *generation) common(file io.ReaderAt, size int64) int64 {
	if size >= g.Offset && g.fits(file) {
		return g.Offset
	}
	c := g.cursor()
	at, _ := g.extend(file, c.lastMark(file, size), size)
	return lineStart(file, at)
}

// lineStart returns where the line begins that holds the byte at offset.
func lineStart(file io.ReaderAt, offset int64) int64 {
	from := max(0, offset-MaxLine)
	b, err := bytesAt(file, from, offset-from)
	if err != nil {
		return offset
	}
	return from + int64(bytes.LastIndexByte(b, '\n')) + 1
}

// extend looks for more beyond an offset up to which file is what was counted. The end is certain if the generation's
// own file, which must not be the same file, could be compared.
func (g *generation) extend(file io.ReaderAt, from, size int64) (common int64, certain bool) {
	end := min(size, g.Offset)
	if n := int64(len(g.head)); from < n {
		from += commonPrefix(file, bytes.NewReader(g.head), from, min(end, n)-from, from)
	}
	if from == end {
		return from, false
	}
	if start := g.Offset - int64(len(g.tail)); from >= start && len(g.tail) > 0 {
		n := commonPrefix(file, bytes.NewReader(g.tail), from, end-from, from-start)
		return from + n, false
	}
	if g.file == nil || io.ReaderAt(g.file) == file || !g.fits(g.file) {
		return from, false
	}
	n := commonPrefix(file, g.file, from, end-from, from)
	return from + n, true
}

// commonPrefix returns how many of at most n bytes from two offsets are equal in two files.
func commonPrefix(a, b io.ReaderAt, atA, n, atB int64) (equal int64) {
	const most = 64 << 10
	// Little at first: files that differ mostly do in their first lines.
	for block := int64(512); equal < n; block = min(8*block, most) {
		size := min(n-equal, block)
		as, errA := bytesAt(a, atA+equal, size)
		bs, errB := bytesAt(b, atB+equal, size)
		if errA != nil || errB != nil {
			return equal
		}
		if !bytes.Equal(as, bs) {
			for i := range as {
				if as[i] != bs[i] {
					return equal + int64(i)
				}
			}
		}
		equal += size
	}
	return equal
}

// fewestLines is how many of the last lines show that a file was edited.
const fewestLines = 4

// findLines looks for the last lines that were counted, from the beginning of a line on, and returns where the last of
// them ends. Most must be present; lines that repeat, or may come again, are not evidence.
func (c *Cursor) findLines(file io.ReaderAt, from, size int64) (end int64, found bool) {
	keys := slices.Clone(c.Lines)
	slices.Sort(keys)
	if len(keys) < fewestLines || len(slices.Compact(keys)) < len(c.Lines) {
		return 0, false
	}
	seen, count := map[uint64]lineSeen{}, 0
	eachLine(file, from, size, func(line []byte, end int64) {
		count++
		if key := lineKey(line); slices.Contains(c.Lines, key) {
			seen[key] = lineSeen{end: end, times: seen[key].times + 1, isTelling: timeOrID.Match(line)}
		}
	})
	evident := 0
	for _, s := range seen {
		if s.isTelling || s.times == 1 && count >= manyLines {
			evident, end = evident+1, max(end, s.end)
		}
	}
	return end, evident > len(c.Lines)/2
}

// eachLine calls do with each line of a file, without its end, and the offset behind that, from the beginning of a line
// on.
func eachLine(file io.ReaderAt, from, size int64, do func(line []byte, end int64)) {
	const block = 256 << 10
	if from >= size {
		return
	}
	lines := bufio.NewReaderSize(io.NewSectionReader(file, from, size-from), int(min(block, size-from+1)))
	for at := from; ; {
		line, err := lines.ReadSlice('\n')
		at += int64(len(line))
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			return
		}
		do(line[:len(line)-1], at)
	}
}

// manyLines is in how many lines those of a few kinds come again.
const manyLines = 64

// A lineSeen is where a line was found.
type lineSeen struct {
	end       int64 // the offset after it, the last time
	times     int
	isTelling bool // it has a time or an id
}
