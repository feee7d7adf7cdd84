package past

import (
	"cmp"
	"math"
	"slices"
)

// alike returns what requests have in common that may be poison: the method, and the path or its pattern.
type alike func(e *event) string

func alikeByPattern(e *event) string { return e.method + " " + e.pattern }

func alikeByPath(e *event) string { return e.method + " " + e.path }

// poisons are requests of one method and path that fail wherever they go, on servers that answer others at the same
// time, whatever else happens: /faces/1, /faces/2 and so on, or of these /faces/1 alone.
func (d *detector) poisons() []*incident {
	return append(d.poisonsBy(alikeByPattern), d.poisonsBy(alikeByPath)...)
}

func (d *detector) poisonsBy(common alike) []*incident {
	var found []*incident
	byCommon := map[string][]*event{}
	for _, e := range d.filter(func(e *event) bool { return e.failedEverywhere() }) {
		byCommon[common(e)] = append(byCommon[common(e)], e)
	}
	gap := max(gapMillis, 2*d.facts.longestTimeout())
	for _, key := range sortedKeys(byCommon) {
		for _, part := range clusters(byCommon[key], gap) {
			if i := d.poison(part, common); i != nil {
				found = append(found, i)
			}
		}
	}
	return found
}

// poison makes an incident of requests alike that failed, nil where something else may be to blame.
func (d *detector) poison(list []*event, common alike) *incident {
	hit, sick := d.attemptsOf(list), d.sickServers(list)
	if len(hit) < 2 || !d.answeredOthers(list, sick) || d.spared(list, hit, sick) {
		return nil
	}
	own, ownFailed, others := d.ofPath(list, common)
	othersFailed := d.othersFailed(list, sick, common)
	if others < leastHarmed || 10*othersFailed > others ||
		math.Pow(float64(own)/float64(own+others), float64(len(list))) > byChance {
		return nil
	}
	outs := d.facts.outs(d.failures(list))
	// Requests that found no server while these were passed over are part of it.
	noLive := slices.DeleteFunc(d.foundNone(outs), func(e *event) bool { return len(e.attempts) > 0 })
	wholePath := ownFailed >= leastHarmed && 2*ownFailed >= own
	if !wholePath && len(noLive) < leastHarmed && !d.onSeveral(list, sick, common) {
		return nil
	}
	i := d.build(poison, list)
	i.path, i.servers, i.outs = commonPath(list), sortedKeys(hit), outs
	i.route = cmp.Or(commonRoute(list), i.path)
	i.upstream = d.facts.upstream(i.servers[0])
	i.add(d, noLive)
	i.noLive = i.harmed - len(list)*d.events.every()
	return i
}

const (
	// byChance is how unlikely something has to be by chance.
	byChance = 0.05
	// sickShare is from which share of failed attempts on a server is not well.
	sickShare = 0.2
)

// attemptsOf counts the attempts of events by server.
func (d *detector) attemptsOf(list []*event) map[string]int {
	n := map[string]int{}
	for _, e := range list {
		for _, a := range e.attempts {
			n[a.server] += d.events.every()
		}
	}
	return n
}

// sickServers are the servers that fail at other requests, too, while those of a list fail.
func (d *detector) sickServers(list []*event) map[string]bool {
	own, sick := d.attemptsOf(list), map[string]bool{}
	for _, server := range d.near.servers {
		all, failed := d.attempts(server, list[0].at, list[len(list)-1].at)
		all, failed = all-own[server], failed-own[server]
		sick[server] = float64(failed) > sickShare*float64(max(0, all))
	}
	return sick
}

// answeredOthers reports whether the servers at which requests failed, as far as they are well, answered others at
// nearly all of these times.
func (d *detector) answeredOthers(list []*event, sick map[string]bool) bool {
	answered, attempts := 0, 0
	for _, e := range list {
		for _, a := range e.attempts {
			if sick[a.server] {
				continue // it proves nothing
			}
			attempts++
			if d.answersOthers(a.server, a.at) {
				answered++
			}
		}
	}
	return attempts > 0 && float64(answered) >= poisonShare*float64(attempts)
}

// spared reports whether a server that is well had its share of requests at the time, and none of the list failed
// there: then it is not the requests that are to blame.
func (d *detector) spared(list []*event, hit map[string]int, sick map[string]bool) bool {
	group := d.facts.upstream(list[0].attempts[0].server)
	attempts, total := map[string]int{}, 0
	for _, server := range d.near.servers {
		if d.facts.upstream(server) == group {
			attempts[server], _ = d.attempts(server, list[0].at, list[len(list)-1].at)
			total += attempts[server]
		}
	}
	for server, n := range attempts {
		if hit[server] == 0 && !sick[server] &&
			math.Pow(1-float64(n)/float64(max(1, total)), float64(len(list))) <= byChance {
			return true
		}
	}
	return false
}

// onSeveral reports whether most of the requests failed on several servers each, one of which is healthy, and hardly
// any like them was helped by the next server.
func (d *detector) onSeveral(list []*event, sick map[string]bool, common alike) bool {
	several, helped := 0, 0
	for _, e := range list {
		servers, well := map[string]bool{}, false
		for _, a := range e.attempts {
			servers[a.server] = true
			well = well || !sick[a.server]
		}
		if len(servers) > 1 && well {
			several++
		}
	}
	for _, e := range d.atTheTimeOf(list) {
		if len(e.attempts) > 1 && !e.failedEverywhere() && common(e) == common(list[0]) {
			helped++
		}
	}
	return float64(several) >= poisonShare*float64(len(list)) && float64(several) >= poisonShare*float64(several+helped)
}

// atTheTimeOf are the events around those of a list.
func (d *detector) atTheTimeOf(list []*event) []*event {
	return d.between(list[0].at-gapMillis/2, list[len(list)-1].at+gapMillis/2)
}

// othersFailed counts the other requests that failed everywhere, one of their servers being well.
func (d *detector) othersFailed(list []*event, sick map[string]bool, common alike) int {
	n := 0
	for _, e := range d.atTheTimeOf(list) {
		if e.failedEverywhere() && common(e) != common(list[0]) &&
			slices.ContainsFunc(e.attempts, func(a eventAttempt) bool { return !sick[a.server] }) {
			n += d.events.every()
		}
	}
	return n
}

// ofPath counts the requests like those of a list, of these those that failed everywhere, and all other requests, in
// the time of its failures.
func (d *detector) ofPath(list []*event, common alike) (own, ownFailed, others int) {
	from, to := list[0].at-gapMillis/2, list[len(list)-1].at+gapMillis/2
	number, ok := d.near.pathIDs[common(list[0])]
	for n := floorDiv(from, d.near.width); n <= floorDiv(to, d.near.width); n++ {
		s := d.near.slots[n]
		if s == nil {
			continue
		}
		others += int(s.asked)
		if ok && number < len(s.paths) {
			own, ownFailed = own+int(s.paths[number].requests), ownFailed+int(s.paths[number].failed)
		}
	}
	return own, ownFailed, others - own
}

// answersOthers reports whether a server answered shortly before or after a failure, excluding the time in which NGINX
// passes it over.
func (d *detector) answersOthers(server string, at int64) bool {
	before, failedBefore := d.attempts(server, at-10_000, at)
	after, failedAfter := d.attempts(server, at, at+d.facts.timeout(server)+10_000)
	return before > failedBefore || after > failedAfter
}
