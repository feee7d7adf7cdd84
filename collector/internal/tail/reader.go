package tail

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

const (
	blockSize = 256 << 10
	// smallBlock is the block size of a log with little traffic.
	smallBlock = 16 << 10
	// checkpointBytes is how much is read between two checkpoints.
	checkpointBytes = 256 << 20
)

// A Framer recognizes lines that do not simply end in "\n": when a container runtime writes a line in parts, the line
// ends with its last part.
type Framer interface {
	// Complete returns how many of block's first bytes are whole lines. It is called before the Sink gets them.
	Complete(block []byte) int
	// Skip returns how many bytes of block belong to a line that began before it, and whether that line ends there.
	Skip(block []byte) (n int, ended bool)
}

// plain is the Framer of lines that end in "\n".
type plain struct{}

func (plain) Complete(block []byte) int { return bytes.LastIndexByte(block, '\n') + 1 }

func (plain) Skip(block []byte) (n int, ended bool) {
	if end := bytes.IndexByte(block, '\n'); end >= 0 {
		return end + 1, true
	}
	return len(block), false
}

// maxFramed limits how many bytes are kept that do not end a line, when lines are written in parts. The text around
// and between the parts needs more room than MaxLine.
const maxFramed = 8 << 20

// Buffers lend the blocks that files are read into, to many Followers: each needs one only while it reads. The zero
// Buffers is ready. Any goroutine may use it.
type Buffers struct{ small, large sync.Pool }

func (b *Buffers) lend(size int) []byte {
	pool := &b.small
	if size > smallBlock {
		pool, size = &b.large, blockSize
	}
	if block, ok := pool.Get().(*[]byte); ok {
		return *block
	}
	return make([]byte, size)
}

// put takes a block back. One that has grown is let go: a long line is over, its memory too.
func (b *Buffers) put(block []byte) {
	switch len(block) {
	case smallBlock:
		b.small.Put(&block)
	case blockSize:
		b.large.Put(&block)
	}
}

// A reader cuts files into blocks of whole lines.
type reader struct {
	buffers *Buffers
	buffer  []byte // nil while nothing is read
	framer  Framer
	stop    func() bool // asked between blocks; nil: never
}

// errStopped says that reading has ended before its time, between two blocks.
var errStopped = errors.New("there is more to read")

func (r *reader) isStopped() bool { return r.stop != nil && r.stop() }

// maxKept limits a line that has not ended.
func (r *reader) maxKept() int {
	if _, isPlain := r.framer.(plain); isPlain {
		return MaxLine
	}
	return maxFramed
}

// read hands out whole lines from a file's bytes, which begin at g's offset.
func (r *reader) read(g *generation, from io.Reader, sink Sink) error {
	r.buffer = r.buffers.lend(r.room(g.size - g.Offset))
	defer func() {
		r.buffers.put(r.buffer)
		r.buffer = nil
	}()
	kept := 0 // bytes of an unfinished line, at the buffer's start
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
		if r.isStopped() {
			return errStopped
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
	return nil
}

// room returns the size of the buffer: small for a log with little traffic.
func (r *reader) room(unread int64) int {
	if unread <= smallBlock {
		return smallBlock
	}
	return blockSize
}

// grow makes room behind a line that fills the buffer, or drops the line if it is too long.
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
	end := bytes.LastIndexByte(r.buffer, '\n') + 1 // of its parts that are complete
	if end == 0 {
		end = kept
	}
	g.passed(r.buffer[:end])
	return copy(r.buffer, r.buffer[end:])
}

// handOut gives the whole lines among the buffer's first n bytes to sink and moves the rest to the start.
func (r *reader) handOut(g *generation, n int, sink Sink) (kept int) {
	block := r.buffer[:n]
	if g.Skipping {
		skipped, ended := r.framer.Skip(block)
		g.Skipping = !ended
		g.passed(block[:skipped])
		block = block[skipped:]
	}
	if !g.Skipping && len(block) > 0 && block[0] == 0 && g.isHole() {
		hole := len(block) - len(bytes.TrimLeft(block, "\x00"))
		g.passed(block[:hole])
		block = block[hole:]
	}
	if whole := r.framer.Complete(block); whole > 0 && !g.Skipping {
		sink.Lines(block[:whole])
		g.passed(block[:whole])
		block = block[whole:]
	}
	return copy(r.buffer, block)
}
