package tail

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc64"
	"iter"
	"slices"
	"time"
)

const (
	// keepGone is how many generations are remembered of paths that a glob no longer has.
	keepGone = 128
	// keepHeads is how many more are remembered by what they began with.
	keepHeads = 1024
)

// Forgotten is what is known of files of which nothing else is remembered. An unknown file may be one of them, and have
// been counted, if it begins like one or is as old as the last, or older.
type Forgotten struct {
	Heads Heads `json:"heads,omitempty"`
	Born  int64 `json:"born,omitempty"` // creation of the youngest, nanoseconds; 0 if not known
}

// Heads are checksums of what files began with, the latest last.
type Heads []uint64

// MarshalText packs checksums.
func (h Heads) MarshalText() ([]byte, error) {
	var packed []byte
	for _, sum := range h {
		packed = binary.BigEndian.AppendUint64(packed, sum)
	}
	return base64.RawStdEncoding.AppendEncode(nil, packed), nil
}

// UnmarshalText reads what MarshalText wrote.
func (h *Heads) UnmarshalText(text []byte) error {
	packed, err := base64.RawStdEncoding.AppendDecode(nil, text)
	if err != nil || len(packed)%8 != 0 {
		return errMarks
	}
	*h = nil
	for ; len(packed) > 0; packed = packed[8:] {
		*h = append(*h, binary.BigEndian.Uint64(packed))
	}
	return nil
}

// With returns what is forgotten here or there.
func (f Forgotten) With(other Forgotten) Forgotten {
	if len(other.Heads) > 0 {
		f.Heads = slices.Concat(f.Heads, other.Heads)
		f.Heads = f.Heads[max(0, len(f.Heads)-keepHeads):]
	}
	f.Born = max(f.Born, other.Born)
	return f
}

// Forget returns what remains of a position's files. Clocks jump: no file was made after now.
func (p Position) Forget(now time.Time) (f Forgotten) {
	for _, c := range slices.Concat(p.Finished, p.Done, p.Cursors) {
		if c.Offset == 0 {
			continue
		}
		f.Heads = append(f.Heads, c.Head.Sum)
		f.Born = max(f.Born, min(c.Born, now.UnixNano()))
	}
	return f
}

// beginsLikeForgotten reports whether a file begins like one that was forgotten. Lines that other files may hold, too,
// are not evidence.
func (f *Follower) beginsLikeForgotten(g *generation) bool {
	head := make([]byte, headLen)
	n, _ := g.file.ReadAt(head, 0)
	return f.isForgotten(head[:n])
}

// isForgotten reports the same of the first bytes of a file.
func (f *Follower) isForgotten(head []byte) bool {
	known := map[uint64]bool{}
	for _, sum := range slices.Concat(f.forgotten.Heads, f.elsewhere.Heads) {
		known[sum] = true
	}
	if len(known) == 0 {
		return false
	}
	for start := range starts(head) {
		if known[start.Sum] && isRichText(head[:start.Len]) {
			return true
		}
	}
	return false
}

// passOld goes to the end of a file that has come with what was written to it long ago: it may have been forgotten.
func (f *Follower) passOld(g *generation) error {
	info, err := g.file.Stat()
	if err != nil || g.Offset > 0 || info.Size() == 0 {
		return err
	}
	born := info.ModTime().UnixNano()
	if g.Born != 0 {
		born = min(born, g.Born)
	}
	if born > max(f.forgotten.Born, f.elsewhere.Born) {
		return nil
	}
	return f.passAll(g, "the file is older than some that were read long ago")
}

// starts are the fingerprints of all that bytes begin with.
func starts(b []byte) iter.Seq[Fingerprint] {
	return func(yield func(Fingerprint) bool) {
		print := Fingerprint{}
		for i := range b {
			print.Len++
			print.Sum = crc64.Update(print.Sum, checksums, b[i:i+1])
			if !yield(print) {
				return
			}
		}
	}
}

// isGone reports whether a glob no longer has the path of a generation to which no more is written.
func (g *generation) isGone() bool { return g.base.isGone && g.finished && g.file == nil }

// forgetGone forgets the oldest of many generations whose paths a glob no longer has, and to which nothing comes. While
// it has no path at all, a disk may not be mounted yet.
func (f *Follower) forgetGone() {
	isThere := func(b *base) bool { return !b.isGone }
	if !f.isGlob || len(f.generations) <= keepGone || !slices.ContainsFunc(f.bases, isThere) {
		return
	}
	isGone := func(g *generation) bool {
		return g.base.isGone && (g.finished || g.isCurrent() && f.now().Sub(g.grown) >= quiet)
	}
	gone := 0
	for _, g := range f.generations {
		if isGone(g) {
			gone++
		}
	}
	f.generations = slices.DeleteFunc(f.generations, func(g *generation) bool {
		if gone <= keepGone || !isGone(g) {
			return false
		}
		gone--
		g.close()
		if g.isCurrent() {
			g.base.current = nil
		}
		f.forgotten = f.forgotten.With(Position{Cursors: []Cursor{g.Cursor}}.Forget(f.now()))
		return true
	})
}
