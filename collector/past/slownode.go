package past

import (
	"math"
	"slices"
)

const (
	slowWindow  = 60_000    // milliseconds
	slowPast    = 3_600_000 // what a server is compared with
	slowLeast   = 20        // attempts in a window
	slowTimes   = 3         // times as slow as in the past
	slowPeers   = 2         // times as slow as the others
	slowSurplus = 8         // standard deviations more than usual are slower than usual
	slowEnough  = 40        // attempts while it is slow: fewer may be chance
)

// slowNodes finds servers that become slow while the others do not.
func (d *detector) slowNodes() []*incident {
	var found []*incident
	numbers := d.log.sorted()
	for server := range d.log.servers {
		if len(d.log.servers) > 1 {
			found = append(found, d.slowNode(server, numbers)...)
		}
	}
	return found
}

// slowNode visits the slots with the shortest window before each that has enough attempts. The usual times are those
// before the window, and before any suspicious slots.
func (d *detector) slowNode(server int, numbers []int64) []*incident {
	var found []*incident
	var open *incident
	var waiting []int // slots that are not yet part of the usual times
	suspect := -1     // the first suspicious slot
	past := &pastTimes{width: d.log.width}
	for at := range numbers {
		own, from := d.window(server, numbers, at)
		waiting = append(waiting, at)
		switch {
		case own == nil || past.sum.total() < slowLeast || !isSuspect(own, &past.sum):
			for len(waiting) > 0 && waiting[0] < from {
				past.add(numbers[waiting[0]], d.timesOf(server, numbers[waiting[0]]))
				waiting = waiting[1:]
			}
			suspect = -1
			continue
		case suspect < 0:
			suspect = at
		}
		peers := d.peers(server, numbers, from, at)
		if peers == nil || !isSlow(own, peers, &past.sum) {
			continue
		}
		first := min(suspect, from)
		waiting = slices.DeleteFunc(waiting, func(slot int) bool { return slot >= first })
		if begin := numbers[first] * d.log.width; open == nil || begin-open.to > slowWindow {
			open = d.newSlowNode(server, begin, past.sum.quantile(0.95))
			open.nextSlot = first
			found = append(found, open)
		}
		open.now, open.peers = max(open.now, own.quantile(0.95)), peers.quantile(0.95)
		d.extend(open, server, numbers[:at+1])
	}
	return slices.DeleteFunc(found, func(i *incident) bool {
		return i.attempts < slowEnough ||
			3*i.harmed < i.attempts
	})
}

func (d *detector) newSlowNode(server int, begin, usual int64) *incident {
	name := d.log.servers[server]
	return &incident{
		kind: slowNode, from: begin, to: begin, server: name, before: usual,
		upstream: d.facts.upstream(name), servers: []string{name},
	}
}

// extend adds the slots that an incident does not have yet.
func (d *detector) extend(i *incident, server int, numbers []int64) {
	for ; i.nextSlot < len(numbers); i.nextSlot++ {
		t := d.timesOf(server, numbers[i.nextSlot])
		if t == nil {
			continue
		}
		i.attempts += int(t.timed)
		i.harmed += t.above(i.before)
	}
	i.to = (numbers[len(numbers)-1] + 1) * d.log.width
}

// timesOf is what a server did in a slot, nil where nobody knows how long that took.
func (d *detector) timesOf(server int, number int64) *serverSlot {
	if s := d.log.slots[number]; s != nil && server < len(s.servers) && s.servers[server].timed > 0 {
		return &s.servers[server]
	}
	return nil
}

// window returns the shortest time up to slot at, at most a minute, in which the server has enough attempts, and its
// first slot; nil and the slot itself for none.
func (d *detector) window(server int, numbers []int64, at int) (own *times, from int) {
	n := 0
	for i := at; i >= 0 && (numbers[at]-numbers[i])*d.log.width < slowWindow; i-- {
		if t := d.timesOf(server, numbers[i]); t != nil {
			n += int(t.timed)
		}
		if n >= slowLeast {
			own = &times{}
			for k := i; k <= at; k++ {
				own.add(d.timesOf(server, numbers[k]))
			}
			return own, i
		}
	}
	return nil, at
}

// peers returns the other servers of the group in a window, or in a longer one up to a minute if they have too few
// attempts; nil if they have too few even then.
func (d *detector) peers(server int, numbers []int64, from, at int) *times {
	group := d.facts.upstream(d.log.servers[server])
	sum := &times{}
	for i := at; i >= 0 && (numbers[at]-numbers[i])*d.log.width < slowWindow; i-- {
		if i < from && sum.total() >= slowLeast {
			break
		}
		s := d.log.slots[numbers[i]]
		for n := range s.servers {
			if n != server && d.facts.upstream(d.log.servers[n]) == group {
				sum.add(&s.servers[n])
			}
		}
	}
	if sum.total() < slowLeast {
		return nil
	}
	return sum
}

func isSlow(own, peers, usual *times) bool {
	now := own.quantile(0.95)
	return now >= slowTimes*max(1, usual.quantile(0.95)) && now >= slowPeers*max(1, peers.quantile(0.95)) &&
		surplus(own, usual) >= slowSurplus && surplus(own, peers) >= slowSurplus
}

func isSuspect(own, usual *times) bool { return surplus(own, usual) >= slowSurplus/2 }

// surplus returns how many standard deviations more of a server's attempts are slower than nearly all of others than
// would be by chance.
func surplus(own, others *times) float64 {
	p95 := others.quantile(0.95)
	n, slower := float64(own.total()), float64(own.above(p95))
	usually := float64(others.above(p95)) / float64(others.total())
	return (slower - usually*n) / math.Sqrt(max(usually*(1-usually), 0.01)*n)
}

// pastTimes returns a server's times of the last hour in which it was not slow.
type pastTimes struct {
	width   int64
	numbers []int64
	slots   []*serverSlot
	sum     times
}

func (p *pastTimes) add(number int64, t *serverSlot) {
	if t == nil {
		return
	}
	p.numbers, p.slots = append(p.numbers, number), append(p.slots, t)
	p.sum.add(t)
	for (number-p.numbers[0])*p.width > slowPast {
		p.sum.remove(p.slots[0])
		p.numbers, p.slots = p.numbers[1:], p.slots[1:]
	}
}
