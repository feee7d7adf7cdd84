package follow

import "github.com/fremisn/fremisn-exporter/collector/internal/ledger"

// A sleeper is a Counter of a log to which nothing comes: its state, and what makes it again. With many logs, that is
// a tenth of its memory. What is shown is the last snapshot, which has all that the state has.
type sleeper struct {
	state []byte // nil: it has counted nothing yet
	make  func() (Counter, error)
	last  *Snapshot // nil: it was never awake
}

// An adopter is a Counter that can go on with what a state does not have: exemplars, and since when series are 0.
type adopter interface{ Adopt(*ledger.Snapshot) }

// sleep gives up the Counter, if that can be made again.
func (p *Pipeline) sleep() {
	if p.renew == nil || p.asleep != nil && p.asleep.last != nil {
		return
	}
	counter := p.awake()
	again := p.renew(counter)
	if again == nil {
		return
	}
	last := p.Last()
	if last == nil { // none is published before a position is on disk
		last = p.snapshot()
	}
	p.asleep = &sleeper{counter.AppendState(nil), again, last}
	p.counter = nil
}

// awake returns the Counter.
func (p *Pipeline) awake() Counter {
	if p.asleep == nil {
		return p.counter
	}
	c, err := p.asleep.make()
	if err == nil && p.asleep.state != nil {
		err = c.RestoreState(p.asleep.state)
	}
	if err != nil {
		panic("follow: a counter cannot be made again: " + err.Error()) // both went well before
	}
	if a, ok := c.(adopter); ok && p.asleep.state != nil {
		a.Adopt(p.asleep.last.Series)
	}
	p.counter, p.asleep = c, nil
	return c
}

func (p *Pipeline) appendState(dst []byte) []byte {
	if p.asleep != nil && p.asleep.state != nil {
		return append(dst, p.asleep.state...)
	}
	return p.awake().AppendState(dst)
}
