package past

import "sync/atomic"

// A budget bounds what all workers keep together. Each time that it is used up its level rises, and each of them keeps
// half as much of what it has.
type budget struct {
	max   int64
	used  atomic.Int64
	level atomic.Int64
}

func newBudget(most int64) *budget { return &budget{max: most} }

func (b *budget) use(n int64) { b.used.Add(n) }

// raise returns the level that who is at a level has to go to.
func (b *budget) raise(level int64) int64 {
	if b.used.Load() > b.max {
		b.level.CompareAndSwap(level, level+1)
	}
	return b.level.Load()
}
