package tail

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// A generation is one file of the log.
type generation struct {
	Cursor
	file    *os.File
	grown   time.Time // when it was last seen to grow
	size    int64     // when last looked at
	changed time.Time // its time of change then

	// What the cursor's fingerprints are of. They are taken from what was handed out, never from the file again: that
	// may have been truncated, or rewritten, since.
	head, last []byte
}

// passed goes on behind bytes that have been read.
func (g *generation) passed(b []byte) {
	g.Offset += int64(len(b))
	if missing := headLen - len(g.head); missing > 0 {
		g.head = append(g.head, b[:min(len(b), missing)]...)
		g.Head = fingerprint(g.head)
	}
	g.last = append(g.last, b[max(0, len(b)-lastLen):]...)
	if over := len(g.last) - lastLen; over > 0 {
		g.last = append(g.last[:0], g.last[over:]...)
	}
	g.Last = fingerprint(g.last)
}

// Write makes a generation pass what is copied to it.
func (g *generation) Write(b []byte) (int, error) {
	g.passed(b)
	return len(b), nil
}

// recall tells whether the file is the one that the cursor was read from, and if so takes up its bytes.
func (g *generation) recall() bool {
	if !g.isSane() {
		return false
	}
	head, err := bytesAt(g.file, 0, min(g.Offset, headLen))
	if err != nil || fingerprint(head[:min(len(head), g.Head.Len)]) != g.Head {
		return false
	}
	last, err := bytesAt(g.file, max(0, g.Offset-lastLen), min(g.Offset, lastLen))
	if err != nil || fingerprint(last) != g.Last {
		return false
	}
	g.head, g.last, g.Head = head, last, fingerprint(head)
	return true
}

// beginAnew goes to the beginning of a file that was truncated.
func (g *generation) beginAnew() {
	g.Offset, g.Head, g.Last, g.Skipping = 0, Fingerprint{}, Fingerprint{}, false
	g.head, g.last = nil, nil
}

// skipToEnd goes behind the last whole line.
func (g *generation) skipToEnd() error {
	info, err := g.file.Stat()
	if err != nil {
		return err
	}
	end := info.Size()
	tail, err := bytesAt(g.file, max(0, end-MaxLine), min(end, MaxLine))
	if err != nil {
		return fmt.Errorf("%s: %w", g.Path, err)
	}
	whole := strings.LastIndexByte(string(tail), '\n') + 1
	if whole == 0 && int64(len(tail)) < end {
		g.Skipping = true
		whole = len(tail)
	}
	head, err := bytesAt(g.file, 0, min(end, headLen))
	if err != nil {
		return fmt.Errorf("%s: %w", g.Path, err)
	}
	g.size = end
	g.Offset = end - int64(len(tail))
	if g.Offset > 0 {
		g.head = head
		g.Head = fingerprint(head)
	}
	g.passed(tail[:whole])
	return nil
}
