package web

import (
	"io"
	"sync"
)

// pieceSize is that of the pieces of a body.
const pieceSize = 64 << 10

type piece [pieceSize]byte

// A body is an answer in pieces: in one piece it would need the room of two while it grows. Its methods give no error.
type body struct {
	pool   *sync.Pool // of *piece
	pieces []*piece
	size   int
}

// Write implements io.Writer.
func (b *body) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		at := b.size % pieceSize
		if at == 0 {
			b.pieces = append(b.pieces, b.pool.Get().(*piece))
		}
		written := copy(b.pieces[len(b.pieces)-1][at:], p)
		b.size += written
		p = p[written:]
	}
	return n, nil
}

// sendTo writes the whole to a client, as far as that takes it.
func (b *body) sendTo(w io.Writer) {
	for left, i := b.size, 0; left > 0; i++ {
		n := min(left, pieceSize)
		if _, err := w.Write(b.pieces[i][:n]); err != nil {
			return
		}
		left -= n
	}
}

// held is the memory that the body takes, in bytes.
func (b *body) held() int { return len(b.pieces) * pieceSize }

// free gives the pieces back.
func (b *body) free() {
	for _, p := range b.pieces {
		b.pool.Put(p)
	}
	b.pieces, b.size = nil, 0
}
