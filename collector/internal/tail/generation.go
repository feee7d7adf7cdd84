package tail

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	// tailLen is how many of the last bytes are kept, so that a cut within them is located exactly.
	tailLen = 4096
	// maxLines is how many of the last lines have a fingerprint each.
	maxLines = 16
	// maxLineMarks is how many of the last line ends have a mark.
	maxLineMarks = 48
)

// A generation is one file of the log. It belongs to the Follower; its file is nil while it is closed.
type generation struct {
	Cursor
	base     *base
	file     *os.File
	finished bool      // no more lines are expected: losing it is not a gap
	removed  bool      // it has lost its name
	between  string    // Listed, but at base.between
	awaited  bool      // it was not found, or was rewritten, while parts were being renamed
	lost     time.Time // when it was not found; zero if it was
	released bool      // another log may have it since
	grown    time.Time // when it was last seen to change
	size     int64     // when it was last examined
	changed  time.Time // its modification time then

	waits    *wait       // until it is certain whether it is a copy; nil: it is
	grows    bool        // it may become a copy that is being made
	original *generation // of the same log, of which it is a copy so far
	unused   bool        // nothing was handed out since it was begun at its end

	before map[*generation]int64 // how much of each other one there was when this one was empty; nil if it never was

	// The bytes that the cursor's fingerprints cover. They are kept from what was handed out and never read again from
	// the file, which may have been truncated or rewritten since.
	head, tail []byte
	saved      Cursor // the Cursor with the marks of tail, at saved.Offset
}

// passed advances past bytes that have been read.
func (g *generation) passed(b []byte) {
	g.Offset += int64(len(b))
	if missing := headLen - len(g.head); missing > 0 {
		g.head = append(g.head, b[:min(len(b), missing)]...)
		g.Head = fingerprint(g.head)
		g.began()
	}
	g.tail = append(g.tail, b[max(0, len(b)-tailLen):]...)
	if over := len(g.tail) - tailLen; over > 0 {
		g.tail = append(g.tail[:0], g.tail[over:]...)
	}
	g.Last = fingerprint(g.tail[max(0, len(g.tail)-lastLen):])
}

// Write advances the generation past the bytes copied to it.
func (g *generation) Write(b []byte) (int, error) {
	g.passed(b)
	return len(b), nil
}

// isHole reports whether all that has been read is the hole at the beginning that a writer without O_APPEND leaves when
// its log is truncated.
func (g *generation) isHole() bool { return isZero(g.head) && isZero(g.tail) }

func isZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

// mark keeps a fingerprint of the bytes before the present offset.
func (g *generation) mark() {
	if n := len(g.Marks); g.Offset == 0 || n > 0 && g.Marks[n-1].Offset >= g.Offset {
		return
	}
	g.Marks = append(g.Marks, markOf(g.tail, g.Offset)).thin(g.Offset)
}

// cursor returns what to save: the Cursor, with marks of the first and last lines.
func (g *generation) cursor() Cursor {
	if len(g.tail) == 0 { // restored, and not opened since
		return g.Cursor
	}
	if g.saved.Offset != g.Offset || g.saved.Skipping != g.Skipping {
		ladder, lines := g.ladder(), g.lineMarks()
		g.saved = g.Cursor
		g.saved.Marks = mergeMarks(ladder, g.Marks, lines)
		g.saved.Lines = lastLines(g.tail)
	}
	c := g.saved
	c.Path, c.Base, c.Dev, c.Ino, c.Born, c.Listed = g.Path, g.Base, g.Dev, g.Ino, g.Born, g.Listed
	c.First, c.Copied, c.Counted = g.First, g.Copied, g.Counted
	return c
}

// ladder returns marks of the first line ends, so that a file that was cut to a few lines is recognized.
func (g *generation) ladder() (marks Marks) {
	end := 0
	for line := range bytes.Lines(g.head) {
		end += len(line)
		if line[len(line)-1] == '\n' {
			marks = append(marks, markOf(g.head[:end], int64(end)))
		}
	}
	return marks
}

// lineMarks returns marks of the last line ends.
func (g *generation) lineMarks() (marks Marks) {
	start := g.Offset - int64(len(g.tail))
	for end := len(g.tail); end > 0 && len(marks) < maxLineMarks; {
		if start > 0 && end < lastLen {
			break
		}
		marks = append(Marks{markOf(g.tail[:end], start+int64(end))}, marks...)
		end = bytes.LastIndexByte(g.tail[:end-1], '\n') + 1
	}
	return marks
}

// mergeMarks merges marks of one file, one per offset.
func mergeMarks(lists ...Marks) Marks {
	merged := slices.Concat(lists...)
	slices.SortFunc(merged, func(a, b Mark) int { return cmp.Compare(a.Offset, b.Offset) })
	return slices.CompactFunc(merged, func(a, b Mark) bool { return a.Offset == b.Offset })
}

// lastLines returns the keys of the last whole lines of b.
func lastLines(b []byte) (keys []uint64) {
	for len(keys) < maxLines {
		end := bytes.LastIndexByte(b, '\n')
		if end < 0 {
			break
		}
		start := bytes.LastIndexByte(b[:end], '\n') + 1
		if start == 0 { // its beginning may be missing
			break
		}
		keys = append(keys, lineKey(b[start:end]))
		b = b[:start]
	}
	return keys
}

// lineKey returns the fingerprint of a line without its first word: the client's address, which anonymisers replace.
func lineKey(line []byte) uint64 {
	if _, rest, found := bytes.Cut(line, []byte(" ")); found {
		line = rest
	}
	return sum(line)
}

// recall reports whether the file holds what the cursor was read from, and if so loads the bytes of the fingerprints.
func (g *generation) recall() bool {
	if !g.isSane() {
		return false
	}
	head, err := bytesAt(g.file, 0, min(g.Offset, headLen))
	if err != nil || fingerprint(head[:min(len(head), g.Head.Len)]) != g.Head {
		return false
	}
	tail, err := bytesAt(g.file, max(0, g.Offset-tailLen), min(g.Offset, tailLen))
	if err != nil || fingerprint(tail[max(0, len(tail)-lastLen):]) != g.Last {
		return false
	}
	g.head, g.tail, g.Head, g.First, g.saved = head, tail, fingerprint(head), firstLine(head), Cursor{}
	return true
}

// beginAnew goes to the beginning of a file that was truncated.
func (g *generation) beginAnew() {
	g.Offset, g.Head, g.Last, g.Skipping = 0, Fingerprint{}, Fingerprint{}, false
	g.Marks, g.Lines, g.head, g.tail, g.saved = nil, nil, nil, nil, Cursor{}
	g.First, g.Counted, g.Copied, g.waits, g.grows, g.original = 0, nil, false, nil, false, nil
}

// goTo goes to an offset of the file without reading what precedes it.
func (g *generation) goTo(offset int64) error {
	head, err := bytesAt(g.file, 0, min(offset, headLen))
	if err != nil {
		return fmt.Errorf("%s: %w", g.Path, err)
	}
	tail, err := bytesAt(g.file, max(0, offset-tailLen), min(offset, tailLen))
	if err != nil {
		return fmt.Errorf("%s: %w", g.Path, err)
	}
	g.beginAnew()
	g.Offset = offset
	g.head, g.tail = head, tail
	g.Head, g.Last = fingerprint(head), fingerprint(tail[max(0, len(tail)-lastLen):])
	g.began()
	g.mark()
	return nil
}

// goToDoubtful goes to an offset before which there may be uncounted bytes. It does not hand out a partial line there.
// Zeros that a power failure has left are no part of a line: the next begins behind them.
func (g *generation) goToDoubtful(offset int64) error {
	err := g.goTo(offset)
	g.Skipping = err == nil && len(g.tail) > 0 && strings.IndexByte("\n\x00", g.tail[len(g.tail)-1]) < 0
	return err
}

// skipToEnd goes past the last whole line.
func (g *generation) skipToEnd(framer Framer) error {
	info, err := g.file.Stat()
	if err != nil {
		return err
	}
	g.size = info.Size()
	n := int64(MaxLine)
	if _, isPlain := framer.(plain); isPlain {
		n = smallBlock // most lines are short, and many logs may begin at one time
	}
	for {
		n = min(n, g.size)
		from := g.size - n
		tail, err := bytesAt(g.file, from, n)
		if err != nil {
			return fmt.Errorf("%s: %w", g.Path, err)
		}
		start := 0
		if from > 0 { // it may begin within a line
			start, _ = framer.Skip(tail)
		}
		whole := start + framer.Complete(tail[start:])
		if whole > start || from == 0 {
			return g.goTo(from + int64(whole))
		}
		if n >= MaxLine {
			break
		}
		n = MaxLine
	}
	if err := g.goTo(g.size); err != nil {
		return err
	}
	g.Skipping = true // within a line that is longer than the bytes examined
	return nil
}

// identify records which file the open generation has.
func (g *generation) identify(info os.FileInfo) {
	g.Dev, g.Ino = identity(info)
	g.Born, g.Removed = 0, false
	if born, ok := birth(descriptorPath(g.file)); ok {
		g.Born = born.UnixNano()
	}
}

// is reports whether the generation last had this file.
func (g *generation) is(info os.FileInfo) bool {
	return g.Ino != 0 && !g.Removed && g.id() == idOf(info)
}

// hasName reports whether the open file has a name now. Since the last read it may have lost it, as a part that is
// compressed does, so that a listing made meanwhile has only what came of it.
func (g *generation) hasName() bool {
	if g.file == nil || g.removed {
		return false
	}
	info, err := g.file.Stat()
	return err == nil && linksOf(info) > 0
}

// isStill reports whether the file has not changed since it was last examined.
func (g *generation) isStill(info os.FileInfo) bool {
	return g.is(info) && info.Size() == g.size && info.ModTime().Equal(g.changed)
}

// doze gives back the bytes of which the fingerprints are: they are read again when something comes.
func (g *generation) doze() {
	if len(g.tail) == 0 {
		return
	}
	g.saved = g.cursor()
	g.Marks, g.Lines = g.saved.Marks, g.saved.Lines
	g.head, g.tail = nil, nil
}

// close closes the file.
func (g *generation) close() {
	if g.file != nil {
		g.doze()
		g.file.Close()
		g.file, g.head, g.tail = nil, nil, nil
	}
}

// measureLag counts the unread bytes. What is left of an old file is a partial line that nobody will finish.
func (f *Follower) measureLag() {
	f.lag = 0
	for _, g := range f.generations {
		if g.isCurrent() {
			f.lag += max(0, g.size-g.Offset)
		}
	}
}

func (g *generation) isCurrent() bool { return g.base != nil && g.base.current == g }
