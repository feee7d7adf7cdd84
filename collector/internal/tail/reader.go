package tail

import (
	"bufio"
	"bytes"
	"errors"
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

// read hands out g's whole lines from its offset up to end.
func (r *reader) read(g *generation, end int64, sink Sink) error {
	if r.buffer == nil {
		r.buffer = make([]byte, blockSize)
	}
	kept := 0 // bytes of a line begun, at the buffer's start
	at := g.Offset
	checkpoint := at + checkpointBytes
	for at < end {
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
		space := r.buffer[kept:min(int64(len(r.buffer)), int64(kept)+end-at)]
		n, err := g.file.ReadAt(space, at)
		at += int64(n)
		if n > 0 {
			kept = r.handOut(g, kept+n, sink)
		}
		if g.Offset >= checkpoint {
			sink.Checkpoint()
			checkpoint = g.Offset + checkpointBytes
		}
		if err == io.EOF || n == 0 {
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

// stream hands out what is left of a stream; g tells where it begins.
func (r *reader) stream(g *generation, content io.Reader, sink Sink) error {
	lines := bufio.NewReaderSize(content, blockSize)
	var block []byte
	for {
		line, err := lines.ReadSlice('\n')
		block = append(block, line...)
		switch {
		case err == nil && g.Skipping:
			g.Skipping, block = false, block[:0]
		case err == nil && len(block) >= blockSize/2:
			sink.Lines(block)
			block = block[:0]
		case errors.Is(err, bufio.ErrBufferFull):
			if last := bytes.LastIndexByte(block, '\n'); last >= 0 && !g.Skipping {
				sink.Lines(block[:last+1])
				block = append(block[:0], block[last+1:]...)
			}
			if len(block) >= MaxLine && !g.Skipping {
				sink.TooLong()
				g.Skipping = true
			}
			if g.Skipping {
				block = block[:0]
			}
		case err == io.EOF:
			if last := bytes.LastIndexByte(block, '\n'); last >= 0 && !g.Skipping {
				sink.Lines(block[:last+1])
			}
			return nil
		case err != nil:
			return err
		}
	}
}
