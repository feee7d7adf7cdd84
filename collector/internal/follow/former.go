package follow

import (
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
)

// Without a disk, a log that a reload ends and a later one gives back goes on with what is in memory.

// An end is where a log of files has ended.
type end struct {
	position tail.Position
	seen     time.Time
}

func (p *Pipeline) endOf() end {
	if p.commits.dir != nil || p.follower == nil {
		return end{}
	}
	return end{p.follower.Position(), p.follower.Seen()}
}

// goOn takes up the counts of the former pipeline, if that has ended, and returns what goes on with its position, or
// nil without one.
func (p *Pipeline) goOn() (resume func()) {
	former := p.former
	p.former = nil
	if former == nil || !former.hasEnded() || p.awake().RestoreState(former.appendState(nil)) != nil {
		return nil
	}
	p.totals = former.totals
	if a, ok := p.counter.(adopter); ok && former.Last() != nil {
		a.Adopt(former.Last().Series)
	}
	end := former.end
	switch {
	case p.follower == nil || !p.source.Same(former.source) || end.position.IsEmpty():
		return nil
	case !p.isShared:
		return func() { p.follower.Resume(end.position, end.seen) }
	case p.source.IsGlob() || p.source.Docker != "" || !p.isRotatedAway(end.position):
		return nil // what others have read is known of each file
	}
	return func() {
		p.Gap(tail.GapUncertain, p.source.Path, 0, -1, "the log was rotated while it was not followed, and without a "+
			"storage path it is uncertain what other logs have counted of it; it is read where start: says")
	}
}

// isRotatedAway reports whether the file that was at a log's path last is no longer there, and no other log has gone on
// with it.
func (p *Pipeline) isRotatedAway(position tail.Position) bool {
	for _, c := range position.Last().Cursors {
		return c.Tag() != tail.TagOf(p.source.Path) && !p.owners.HasGoneOn(kindOf(p.source), c)
	}
	return false
}
