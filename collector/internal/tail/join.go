package tail

// join hands out a line whose parts stand in two files, because the container's runtime has rotated its log between
// them: both files are passed up to its end at once. It reports whether that has to be waited for: the line's last part
// has not been written. The generation has not been read yet.
func (f *Follower) join(g *generation) (wait bool) {
	before := f.unfinishedBefore(g)
	if before == nil {
		return false
	}
	rest, err := bytesAt(before.file, before.Offset, before.size-before.Offset)
	if err != nil || rest[len(rest)-1] != '\n' || f.reader.framer.Whole(rest) > 0 {
		return false // it ends within a part, which nobody ends
	}
	room := max(0, maxFramed-int64(len(rest)))
	start, err := bytesAt(g.file, 0, min(g.size, room))
	if err != nil {
		return false
	}
	both := append(rest[:len(rest):len(rest)], start...)
	whole := f.reader.framer.Whole(both)
	if whole <= len(rest) {
		return g.size < room
	}
	f.sink.Lines(both[:whole])
	before.passed(rest)
	before.mark()
	g.passed(start[:whole-len(rest)])
	return false
}

// unfinishedBefore returns the generation before one at its path, if that ends within a line of several parts.
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
	if before == nil || before.file == nil || before.Skipping || before.size <= before.Offset ||
		before.size-before.Offset > maxFramed || len(before.tail) == 0 && before.Offset > 0 && !before.recall() {
		return nil
	}
	return before
}
