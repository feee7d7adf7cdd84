package tail

import (
	"bytes"
	"io"
)

const (
	blockSize = 256 << 10
	// smallBlock is the block of a log to which little comes.
	smallBlock = 16 << 10
	// checkpointBytes is how much is read between two checkpoints.
	checkpointBytes = 256 << 20
)

// A Framer knows what else is a line than what ends in "\n": where a container's runtime has written lines in parts, a
// line ends with its last part.
type Framer interface {
	// Whole returns how many of block's first bytes are whole lines. It is called before the Sink is given them.
	Whole(block []byte) int
	// Skip returns how many bytes of block belong to a line that has begun before it, and whether that ends there.
	Skip(block []byte) (n int, ended bool)
}

// plain is the Framer of lines that end in "\n".
type plain struct{}

func (plain) Whole(block []byte) int { return bytes.LastIndexByte(block, '\n') + 1 }

func (plain) Skip(block []byte) (n int, ended bool) {
	if end := bytes.IndexByte(block, '\n'); end >= 0 {
		return end + 1, true
	}
	return len(block), false
}

// maxFramed is how much of a file is kept that ends no line, where lines are written in parts, bytes. What stands
// around the parts, and between them, takes more room than MaxLine.
const maxFramed = 8 << 20

// A reader cuts files into blocks of whole lines. Its buffer serves all generations.
type reader struct {
	buffer []byte
	framer Framer
}

// maxKept is how long a line that has not ended may be.
func (r *reader) maxKept() int {
	if _, isPlain := r.framer.(plain); isPlain {
		return MaxLine
	}
	return maxFramed
}

// read hands out whole lines from a file's bytes, which begin at g's offset.
func (r *reader) read(g *generation, from io.Reader, sink Sink) error {
	if want := r.room(g.size - g.Offset); len(r.buffer) < want {
		r.buffer = make([]byte, want)
	}
	kept := 0 // bytes of a line begun, at the buffer's start
	begin := g.Offset
	checkpoint := begin + checkpointBytes
	for {
		if kept == len(r.buffer) {
			kept = r.grow(g, sink)
		}
		n, err := from.Read(r.buffer[kept:])
		if n > 0 {
			kept = r.handOut(g, kept+n, sink)
		}
		if g.Offset >= checkpoint {
			sink.Checkpoint()
			checkpoint = g.Offset + checkpointBytes
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if len(r.buffer) > blockSize || len(r.buffer) > smallBlock && r.room(g.Offset-begin) == smallBlock {
		r.buffer = nil // a long line, or a burst, is over; its memory too
	}
	return nil
}

// room is how large a buffer is worth its memory: a log to which little comes has a small one.
func (r *reader) room(unread int64) int {
	if unread <= smallBlock {
		return smallBlock
	}
	return blockSize
}

// grow makes room behind a line that fills the buffer, or gives it up if it is too long.
func (r *reader) grow(g *generation, sink Sink) (kept int) {
	kept = len(r.buffer)
	if kept < r.maxKept() {
		r.buffer = append(r.buffer, make([]byte, len(r.buffer))...)
		return kept
	}
	if !g.Skipping {
		sink.TooLong()
	}
	g.Skipping = true
	end := bytes.LastIndexByte(r.buffer, '\n') + 1 // of its parts that are whole
	if end == 0 {
		end = kept
	}
	g.passed(r.buffer[:end])
	return copy(r.buffer, r.buffer[end:])
}

// handOut gives the whole lines among the buffer's first n bytes to sink, and moves the rest to its start.
func (r *reader) handOut(g *generation, n int, sink Sink) (kept int) {
	block := r.buffer[:n]
	if g.Skipping {
		skipped, ended := r.framer.Skip(block)
		g.Skipping = !ended
		g.passed(block[:skipped])
		block = block[skipped:]
	}
	if whole := r.framer.Whole(block); whole > 0 && !g.Skipping {
		sink.Lines(block[:whole])
		g.passed(block[:whole])
		block = block[whole:]
	}
	return copy(r.buffer, block)
}
