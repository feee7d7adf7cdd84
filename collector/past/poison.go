package past

import (
	"math"
	"slices"
)

// poisons are requests of one route that fail wherever they go, on servers that answer others at the same time.
func (d *detector) poisons() []*incident {
	var found []*incident
	failed := d.filter(func(e *event) bool { return e.failedEverywhere() })
	gap := max(gapMillis, 2*d.facts.longestTimeout())
	for _, part := range clusters(failed, gap) {
		byRoute := map[string][]*event{}
		for _, e := range part {
			byRoute[e.method+" "+e.path] = append(byRoute[e.method+" "+e.path], e)
		}
		for _, route := range sortedKeys(byRoute) {
			if i := d.poison(byRoute[route], part); i != nil {
				found = append(found, i)
			}
		}
	}
	return found
}

// poison makes an incident of the requests of one route that failed, nil where something else may be to blame.
func (d *detector) poison(list, all []*event) *incident {
	servers := map[string]bool{}
	healthy, attempts := 0, 0
	for _, e := range list {
		for _, a := range e.attempts {
			servers[a.server] = true
			attempts++
			if d.answersOthers(a.server, a.at) {
				healthy++
			}
		}
	}
	if len(servers) < 2 || float64(healthy) < poisonShare*float64(attempts) ||
		float64(len(list)) < poisonShare*float64(len(all)) {
		return nil
	}
	outs := d.facts.outs(d.failures(list))
	// What found no server while these were passed over is part of it.
	noLive := slices.DeleteFunc(d.foundNone(outs), func(e *event) bool { return len(e.attempts) > 0 })
	if !d.onSeveral(list) && !d.wholeRoute(list) && !(len(noLive) >= leastHarmed && d.noChance(list)) {
		return nil
	}
	i := d.build(poison, list)
	i.route, i.servers, i.outs = list[0].route, sortedKeys(servers), outs
	i.upstream = d.facts.upstream(i.servers[0])
	i.take(d, noLive)
	i.noLive = i.harmed - len(list)*max(1, d.events.every)
	return i
}

// onSeveral reports whether most of the requests failed on several servers each, and hardly any of the route was helped
// by the next server.
func (d *detector) onSeveral(list []*event) bool {
	several, helped := 0, 0
	for _, e := range list {
		servers := map[string]bool{}
		for _, a := range e.attempts {
			servers[a.server] = true
		}
		if len(servers) > 1 {
			several++
		}
	}
	from, to := list[0].at-gapMillis/2, list[len(list)-1].at+gapMillis/2
	for _, e := range d.between(from, to) {
		if len(e.attempts) > 1 && !e.failedEverywhere() && e.path == list[0].path {
			helped++
		}
	}
	return float64(several) >= poisonShare*float64(len(list)) && float64(several) >= poisonShare*float64(several+helped)
}

// wholeRoute reports whether most requests of the route failed, and hardly any others.
func (d *detector) wholeRoute(list []*event) bool {
	own, ownFailed, others, othersFailed := d.ofRoute(list)
	return ownFailed >= leastHarmed && 2*ownFailed >= own && others >= leastHarmed && 10*othersFailed <= others
}

// noChance reports whether it is unlikely that failures that have nothing to do with the route all hit it.
func (d *detector) noChance(list []*event) bool {
	own, _, others, othersFailed := d.ofRoute(list)
	share := float64(own) / float64(max(1, own+others))
	return othersFailed == 0 && math.Pow(share, float64(len(list))) < 0.05
}

// ofRoute counts the requests of a route, and all others, in the time of its failures.
func (d *detector) ofRoute(list []*event) (own, ownFailed, others, othersFailed int) {
	from, to := list[0].at-gapMillis/2, list[len(list)-1].at+gapMillis/2
	number, known := d.slots.pathIDs[list[0].method+" "+list[0].path]
	for n := floorDiv(from, d.slots.width); n <= floorDiv(to, d.slots.width); n++ {
		s := d.slots.slots[n]
		if s == nil {
			continue
		}
		for i, p := range s.paths {
			if known && i == number {
				own, ownFailed = own+int(p.requests), ownFailed+int(p.failed)
			} else {
				others, othersFailed = others+int(p.requests), othersFailed+int(p.failed)
			}
		}
	}
	return own, ownFailed, others, othersFailed
}

// answersOthers reports whether a server gave answers shortly before or after a failure, not counting the time in which
// NGINX passes it over.
func (d *detector) answersOthers(server string, at int64) bool {
	before, failedBefore := d.attempts(server, at-10_000, at)
	after, failedAfter := d.attempts(server, at, at+d.facts.timeout(server)+10_000)
	return before > failedBefore || after > failedAfter
}
