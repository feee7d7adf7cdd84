package tail

import (
	"os"
	"slices"
)

// reopenLate reopens closed generations to which a very late worker has written.
func (f *Follower) reopenLate() {
	if f.now().Sub(f.lateCheck) < lateInterval {
		return
	}
	f.lateCheck = f.now()
	for _, g := range f.generations {
		if g.file != nil || g.isCurrent() || isGzip(g.Path) {
			continue
		}
		info, err := os.Stat(g.Path)
		// Another file may have its inode by now: a copy of it, whose rest has been counted.
		if err != nil || !g.is(info) || g.isStill(info) || f.isOpen(info) || !g.wasBornAs(g.Path) {
			continue
		}
		if file, info, err := openLog(g.Path); err == nil && (!g.is(info) || !f.reopen(g, file, info)) {
			file.Close()
		}
	}
}

// letGo closes files that nobody writes to now: a removed file a minute after its last byte, others except the last
// few. It remembers closed ones for a while, so that none is counted again.
func (f *Follower) letGo() {
	older := map[*base]int{}
	kept := []*generation{}
	for _, g := range slices.Backward(f.generations) {
		isQuiet := f.now().Sub(g.grown) >= quiet
		if g.isCurrent() {
			if f.isGlob && isQuiet && g.removed {
				g.finished, g.Removed = true, true
				g.close()
				g.base.current = nil
			}
			kept = append(kept, g)
			continue
		}
		if g.file == nil && g.Offset == 0 && (g.removed || g.Born == 0) && !g.isAnchor() && !g.awaited {
			continue // any file would match it
		}
		older[g.base]++
		if isQuiet && !g.finished {
			g.finished = true
			f.sink.Moved() // who deletes it now takes nothing away
		}
		if g.file != nil && isQuiet && (g.removed || older[g.base] > keepOpen) {
			g.letGo()
		}
		if g.file != nil || !g.finished || older[g.base] <= keepFinished || g.isAnchor() {
			kept = append(kept, g)
		}
	}
	slices.Reverse(kept)
	f.generations = kept
	f.forgetGone()
	f.closeIdle()
}

// isAnchor reports whether a search in progress starts at the generation.
func (g *generation) isAnchor() bool { return g.base.search != nil && g.base.search.anchor == g }

// closeIdle bounds the number of open files: it closes those that have been unchanged for longest. A closed file that
// is renamed is found by its inode.
func (f *Follower) closeIdle() {
	var open []*generation
	for _, g := range f.generations {
		if g.file != nil {
			open = append(open, g)
		}
	}
	if len(open) <= maxOpen {
		return
	}
	slices.SortStableFunc(open, func(a, b *generation) int { return a.grown.Compare(b.grown) })
	for _, g := range open[:len(open)-maxOpen] {
		g.letGo()
	}
}

// letGo closes a generation's file, which may be found again unless it has lost its name.
func (g *generation) letGo() {
	g.findName()
	g.Removed = g.removed
	g.close()
}
