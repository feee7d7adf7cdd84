package past

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"sort"

	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
)

// look reads the lines around the times of changes, and turns them into slots of a second and events.
func (r *reading) look(ctx context.Context, d *detector) error {
	kept, keptEvents := r.slotBudget(), newBudget(maxEvents)
	d.near, d.events = newSlots(kept), &events{budget: keptEvents}
	around := d.around()
	if len(around.list) == 0 {
		return nil
	}
	explorers := newByWorker(r.workers, func(f *formats) *explorer {
		x := newExplorer(r, f, newSlots(kept))
		x.windows, x.events, x.slow = &windows{list: around.list}, &events{budget: keptEvents}, looksAt(d.slow)
		return x
	})
	r.done = nil
	r.jobs = slices.DeleteFunc(r.jobs, func(j *job) bool { return !around.touch(j.times) })
	problems, err := r.run(ctx, func(worker int, f *formats) visitor { return explorers.of(worker, f) })
	if err != nil {
		return err
	}
	if changed := errors.Join(problems...); errors.Is(changed, errChanged) {
		return changed
	}
	for _, x := range explorers.all() {
		d.near.merge(x.slots)
		d.events.merge(x.events)
		for k, i := range d.slow {
			i.looked += x.slow[k].harmed
			i.slowest = append(i.slowest, x.slow[k].slowest...)
		}
	}
	for _, i := range d.slow {
		i.harmed = i.looked
	}
	d.events.sort()
	return nil
}

// windows are disjoint intervals in order.
type windows struct {
	list []interval
	last int // the one that held the last time
}

// have reports whether a time is in one of them.
func (w *windows) have(at int64) bool {
	if i := w.list[w.last]; i.from <= at && at <= i.to {
		return true
	}
	n := sort.Search(len(w.list), func(n int) bool { return w.list[n].to >= at })
	if n == len(w.list) || w.list[n].from > at {
		return false
	}
	w.last = n
	return true
}

// touch reports whether one of them has a time in common with a span.
func (w *windows) touch(s span2) bool {
	n := sort.Search(len(w.list), func(n int) bool { return w.list[n].to >= s.from })
	return s.to != 0 && n < len(w.list) && w.list[n].from <= s.to
}

// around returns the times to examine: those in which something may be wrong, and enough before and after to separate
// cause and effect. It may include times without an incident, but never omits one.
func (d *detector) around() *windows {
	const beside = 60_000
	before, after := d.facts.longestTimeout()+beside, d.facts.longestTimeout()+beside+d.late
	var list []interval
	numbers := d.log.sorted()
	for i, n := range numbers {
		if d.isOdd(numbers, i) {
			list = append(list, interval{n*d.log.width - before, (n+1)*d.log.width + after})
		}
	}
	for _, i := range d.slow {
		list = append(list, interval{i.from - before, i.to + after})
	}
	return &windows{list: merged(list)}
}

// isOdd reports whether something in a slot, with those beside it, may be part of an incident.
func (d *detector) isOdd(numbers []int64, at int) bool {
	one := d.log.slots[numbers[at]]
	if one.spread > 0 || one.outcomes[outcomeNoLive] > 0 {
		return true
	}
	// A long slot may hide a short incident: all its failures may have happened in ten seconds.
	scale := 1.0
	if w := d.log.width; w > slotWidth {
		scale = hotWidth / float64(hotWidth+2*w)
	}
	near := d.beside(numbers, at, hotWidth/2)
	requests, limited, aborted := 0.0, 0.0, 0.0
	for _, s := range near {
		requests += float64(s.requests)
		limited += float64(s.outcomes[outcomeLimited])
		aborted += float64(s.outcomes[outcomeAborted])
	}
	if one.outcomes[outcomeLimited] > 0 && limited >= scale*limitedShare*requests ||
		one.outcomes[outcomeAborted] > 0 && aborted >= scale*abortedShare*requests {
		return true
	}
	for n := range one.servers {
		if one.servers[n].failed > 0 && failedShare(near, n) >= scale*hotShare {
			return true
		}
	}
	return d.hasOddPath(numbers, at, scale)
}

// hasOddPath reports whether most requests of a path failed wherever they came.
func (d *detector) hasOddPath(numbers []int64, at int, scale float64) bool {
	var near []*slot
	for n, p := range d.log.slots[numbers[at]].paths {
		if p.failed == 0 {
			continue
		}
		if near == nil {
			near = d.beside(numbers, at, gapMillis/2)
		}
		all, failed := 0.0, 0.0
		for _, s := range near {
			if n < len(s.paths) {
				all += float64(s.paths[n].requests)
				failed += float64(s.paths[n].failed)
			}
		}
		if 2*failed >= scale*all {
			return true
		}
	}
	return false
}

func failedShare(near []*slot, server int) float64 {
	all, failed := 0.0, 0.0
	for _, s := range near {
		if server < len(s.servers) {
			all += float64(s.servers[server].attempts)
			failed += float64(s.servers[server].failed)
		}
	}
	return failed / max(1, all)
}

// beside returns the slots of the log up to so many milliseconds before and after one.
func (d *detector) beside(numbers []int64, at int, millis int64) []*slot {
	reach := (millis + d.log.width - 1) / d.log.width
	first, last := at, at
	for first > 0 && numbers[at]-numbers[first-1] <= reach {
		first--
	}
	for last < len(numbers)-1 && numbers[last+1]-numbers[at] <= reach {
		last++
	}
	list := make([]*slot, 0, last-first+1)
	for _, n := range numbers[first : last+1] {
		list = append(list, d.log.slots[n])
	}
	return list
}

// A slowLook is what one worker finds of an incident of a slow node.
type slowLook struct {
	server      string
	from, to    int64
	above       int64 // milliseconds: what took less is usual there
	harmed      int
	slowest     []slowID // the slowest first
	leastMillis int64
}

type slowID struct {
	millis int64
	id     string
}

func looksAt(slow []*incident) []slowLook {
	var list []slowLook
	for _, i := range slow {
		list = append(list, slowLook{server: i.server, from: i.from, to: i.to, above: afterBucket(i.before)})
	}
	return list
}

// add takes in an attempt.
func (l *slowLook) add(server string, at, millis int64, r *logformat.Record, block []byte) {
	if millis < l.above || at < l.from || at >= l.to || server != l.server {
		return
	}
	l.harmed++
	if r.IDLen > 0 && (millis > l.leastMillis || len(l.slowest) < maxRequestIDs) {
		l.keep(slowID{millis, string(idOf(r, block))})
	}
}

func (l *slowLook) keep(one slowID) {
	l.slowest = append(l.slowest, one)
	slices.SortStableFunc(l.slowest, func(a, b slowID) int { return cmp.Compare(b.millis, a.millis) })
	l.slowest = l.slowest[:min(len(l.slowest), maxRequestIDs)]
	l.leastMillis = math.MinInt64
	if len(l.slowest) == maxRequestIDs {
		l.leastMillis = l.slowest[maxRequestIDs-1].millis
	}
}

// requestIDs returns the requests of an incident to examine: the slowest on a slow node; otherwise those that failed
// on a server or that a client cancelled, before those that found no server, of which it takes some from beginning to
// end.
func (i *incident) requestIDs() []string {
	list := []string{}
	slices.SortStableFunc(i.slowest, func(a, b slowID) int { return cmp.Compare(b.millis, a.millis) })
	for _, s := range i.slowest[:min(len(i.slowest), maxRequestIDs)] {
		list = append(list, s.id)
	}
	var causes, victims []*event
	for _, e := range i.events {
		switch {
		case e.id == "":
		case e.outcome == "no_live" && len(e.attempts) == 0:
			victims = append(victims, e)
		default:
			causes = append(causes, e)
		}
	}
	for _, events := range [][]*event{causes, victims} {
		slices.SortStableFunc(events, func(a, b *event) int { return cmp.Compare(a.at, b.at) })
		for _, e := range evenly(events, maxRequestIDs-len(list)) {
			list = append(list, e.id)
		}
	}
	return list
}

// evenly returns at most n of a list, from its first to its last.
func evenly(list []*event, n int) []*event {
	if len(list) <= n {
		return list
	}
	var some []*event
	for k := range n {
		some = append(some, list[k*(len(list)-1)/max(1, n-1)])
	}
	return some
}
