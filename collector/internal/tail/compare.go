package tail

import (
	"bytes"
	"io"
)

// A comparison is of one file with many generations. It reads the file once, and rules out without reading more those
// with which the file certainly has nothing in common: most, where a glob has hundreds of files.
type comparison struct {
	follower *Follower
	file     io.ReaderAt
	from     int64 // where single lines are looked for
	size     int64
	start    []byte          // the first bytes of the file
	first    int             // where its first line ends in them, or they do
	sums     []uint64        // of all that the file begins with, up to headLen, by length
	lines    map[uint64]bool // the keys of its lines that may be those of a generation; nil before they are needed
}

const (
	// compared is how many first bytes of a file are kept: more than its first line, as a rule.
	compared = 8 << 10
	// fewLines is how many bytes have so few lines that the keys of all are kept.
	fewLines = 256 << 10
)

// compare begins a comparison of the first size bytes of a file. Single lines are looked for from an offset on.
func (f *Follower) compare(file io.ReaderAt, from, size int64) *comparison {
	c := &comparison{follower: f, file: file, from: from, size: size, start: readAt(file, 0, min(compared, size))}
	if c.first = bytes.IndexByte(c.start, '\n') + 1; c.first == 0 {
		c.first = len(c.start)
	}
	c.sums = append(make([]uint64, 0, headLen+1), 0)
	for start := range starts(c.start[:min(headLen, len(c.start))]) {
		c.sums = append(c.sums, start.Sum)
	}
	return c
}

// mayHold reports whether the file may hold something that was counted of a generation. If not, trace finds nothing.
func (c *comparison) mayHold(g *generation) bool {
	if g.Offset == 0 || c.size == 0 {
		return false
	}
	of := g.cursor()
	return c.beginsAs(of.Head) || c.mayBeginAs(g, of.Marks) || c.hasMost(of.Lines)
}

// beginsAs reports whether the file has a beginning.
func (c *comparison) beginsAs(head Fingerprint) bool {
	if head.Len < 0 || head.Len > headLen {
		return true // no reading can have produced it
	}
	return head.Len < len(c.sums) && c.sums[head.Len] == head.Sum
}

// mayBeginAs reports whether a file may have its first line, or the bytes at the first mark, in common with a
// generation.
func (c *comparison) mayBeginAs(g *generation, marks Marks) bool {
	known := int64(len(c.start))
	isMarked := len(marks) > 0 && marks[0].Offset > 0 && marks[0].Offset <= c.size
	switch {
	case isMarked && marks[0].Offset > known:
		return true // as far as is known
	case isMarked && markOf(c.start[:marks[0].Offset], marks[0].Offset) == marks[0]:
		return true
	case isMarked && marks[0].Offset <= int64(c.first):
		return false
	case len(g.head) > 0:
		n := min(c.first, len(g.head))
		return bytes.Equal(c.start[:n], g.head[:n])
	}
	return g.file != nil // which can be compared
}

// hasMost reports whether the file has so many of the last lines of a generation that findLines may find them.
func (c *comparison) hasMost(last []uint64) bool {
	if len(last) < fewestLines || c.from >= c.size {
		return false
	}
	if c.lines == nil {
		c.lines = c.keys()
	}
	has := 0
	for _, key := range last {
		if c.lines[key] {
			has++
		}
	}
	return has > len(last)/2
}

// keys are those of the file's lines; of many lines, only those that are among the last of a generation.
func (c *comparison) keys() map[uint64]bool {
	keys, last := map[uint64]bool{}, map[uint64]bool{}
	isFew := c.size-c.from <= fewLines
	if !isFew {
		last = c.follower.lastLines()
	}
	eachLine(c.file, c.from, c.size, func(line []byte, _ int64) {
		if key := lineKey(line); isFew || last[key] {
			keys[key] = true
		}
	})
	return keys
}

// lastLines are the keys of the last lines of all generations.
func (f *Follower) lastLines() map[uint64]bool {
	keys := map[uint64]bool{}
	for _, g := range f.generations {
		for _, key := range g.cursor().Lines {
			keys[key] = true
		}
	}
	return keys
}
