package tail

import (
	"bytes"
	"io"
)

const (
	blockSize = 256 << 10
	// checkpointBytes is how much is read between two checkpoints.
	checkpointBytes = 256 << 20
)

// A reader cuts files into blocks of whole lines. Its buffer serves all generations.
type reader struct {
	buffer []byte
}

// read hands out whole lines from a file's bytes, which begin at g's offset.
func (r *reader) read(g *generation, from io.Reader, sink Sink) error {
	if r.buffer == nil {
		r.buffer = make([]byte, blockSize)
	}
	kept := 0 // bytes of a line begun, at the buffer's start
	checkpoint := g.Offset + checkpointBytes
	for {
		if kept == len(r.buffer) {
			if kept >= MaxLine {
				sink.TooLong()
				g.Skipping = true
				g.passed(r.buffer[:kept])
				kept = 0
			} else {
				r.buffer = append(r.buffer, make([]byte, len(r.buffer))...)
			}
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
	if len(r.buffer) > blockSize {
		r.buffer = nil // a long line is over; its memory too
	}
	return nil
}

// handOut gives the whole lines among the buffer's first n bytes to sink, and moves the rest to its start.
func (r *reader) handOut(g *generation, n int, sink Sink) (kept int) {
	block := r.buffer[:n]
	if g.Skipping {
		end := bytes.IndexByte(block, '\n')
		if end < 0 {
			g.passed(block)
			return 0
		}
		g.Skipping = false
		g.passed(block[:end+1])
		block = block[end+1:]
	}
	if last := bytes.LastIndexByte(block, '\n'); last >= 0 {
		sink.Lines(block[:last+1])
		g.passed(block[:last+1])
		block = block[last+1:]
	}
	return copy(r.buffer, block)
}
