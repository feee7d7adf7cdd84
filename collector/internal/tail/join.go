package tail

import "io"

// join hands out a line whose parts are in two files, because the container's runtime has rotated its log between
// them: both files are passed up to its end at once. It reports whether that has to be waited for: the line's last part
// has not been written. The generation has not been read yet.
func (f *Follower) join(g *generation) (wait bool) {
	before := f.unfinishedBefore(g)
	if before == nil {
		return false
	}
	rest, err := f.restBefore(before)
	if err != nil || len(rest) == 0 || rest[len(rest)-1] != '\n' || f.reader.framer.Complete(rest) > 0 {
		return false // it ends within a part, which nobody ends
	}
	room := max(0, maxFramed-int64(len(rest)))
	start, err := bytesAt(g.file, 0, min(g.size, room))
	if err != nil {
		return false
	}
	both := append(rest[:len(rest):len(rest)], start...)
	whole := f.reader.framer.Complete(both)
	if whole <= len(rest) {
		return g.size < room
	}
	f.sink.Lines(both[:whole])
	before.passed(rest)
	before.mark()
	if before.file == nil {
		before.doze()
	}
	g.passed(start[:whole-len(rest)])
	return false
}

// unfinishedBefore returns the generation before one at its path, if that may end within a line of several parts.
func (f *Follower) unfinishedBefore(g *generation) *generation {
	if _, isPlain := f.reader.framer.(plain); isPlain || g.Offset > 0 || !g.isCurrent() {
		return nil
	}
	var before *generation
	for _, other := range f.generations {
		if other.base == g.base && other != g {
			before = other
		}
	}
	switch {
	case before == nil || before.Skipping:
		return nil
	case before.file == nil && isGzip(before.Path):
		return before
	case before.file == nil || before.size <= before.Offset || before.size-before.Offset > maxFramed ||
		len(before.tail) == 0 && before.Offset > 0 && !before.recall():
		return nil
	}
	return before
}

// restBefore returns what a file holds behind the last line that was handed out, nothing if it is too long for a line.
func (f *Follower) restBefore(g *generation) ([]byte, error) {
	if g.file != nil {
		return bytesAt(g.file, g.Offset, g.size-g.Offset)
	}
	content, err := openContent(g.Path)
	if err != nil {
		return nil, err
	}
	defer content.close()
	read, rest, err := content.after(g.cursor())
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(rest, maxFramed+1))
	if err != nil || len(b) > maxFramed {
		return nil, err
	}
	g.head, g.tail = read.head, read.tail
	return b, nil
}
