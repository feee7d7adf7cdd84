package past

import "slices"

// A suspect is a server whose attempts fail for a while, and the requests that it failed at.
type suspect struct {
	server string
	list   []*event
}

func (s *suspect) from() int64 { return s.list[0].at }
func (s *suspect) to() int64   { return s.list[len(s.list)-1].at }

// failingNodes are servers whose attempts fail.
func (d *detector) failingNodes() []*incident {
	var suspects []*suspect
	for _, server := range slices.Sorted(slices.Values(d.near.servers)) {
		list := d.filter(func(e *event) bool { return e.failedOn(server) })
		list = d.hot(list, server)
		for _, part := range clusters(list, max(gapMillis, 3*d.facts.timeout(server))) {
			if d.isFailing(server, part) {
				suspects = append(suspects, &suspect{server, part})
			}
		}
	}
	var found []*incident
	for len(suspects) > 0 {
		var i *incident
		if all := d.wholeGroup(suspects); all != nil {
			i = d.failingGroup(all)
			suspects = slices.DeleteFunc(suspects, func(s *suspect) bool { return slices.Contains(all, s) })
		} else {
			i = d.failingNode(suspects[0], suspects[1:])
			suspects = suspects[1:]
		}
		if i != nil {
			found = append(found, i)
		}
	}
	return found
}

// wholeGroup are the first and those that failed at the same time, if they are all servers of a group of several; nil
// if they are not.
func (d *detector) wholeGroup(suspects []*suspect) []*suspect {
	first := suspects[0]
	group := d.facts.upstream(first.server)
	together := slices.DeleteFunc(slices.Clone(suspects), func(o *suspect) bool {
		return d.facts.upstream(o.server) != group || o.from() > first.to() || o.to() < first.from()
	})
	servers := map[string]bool{}
	for _, o := range together {
		servers[o.server] = true
	}
	if n := d.facts.size(group); n < 2 || len(servers) < n {
		return nil
	}
	return together
}

// failingGroup returns one incident for a group whose servers all failed at the same time.
func (d *detector) failingGroup(all []*suspect) *incident {
	failures, servers := map[string][]int64{}, map[string]bool{}
	i := &incident{kind: nodeFailure, from: all[0].from(), to: all[0].to(), upstream: d.facts.upstream(all[0].server)}
	for _, s := range all {
		servers[s.server] = true
		failures[s.server] = append(failures[s.server], d.failures(s.list)[s.server]...)
		i.add(d, s.list)
	}
	i.servers, i.outs = sortedKeys(servers), d.facts.outs(failures)
	return d.withoutChoice(i)
}

// withoutChoice adds to an incident the requests that found no server because of it. It is nil if it harmed few.
func (d *detector) withoutChoice(i *incident) *incident {
	failures := i.harmed
	i.add(d, d.foundNone(i.outs))
	i.noLive = i.harmed - failures
	if i.harmed < leastHarmed {
		d.release(i)
		return nil
	}
	return i
}

// isFailing reports whether failures are a good part of a server's attempts, and more than is usual there.
func (d *detector) isFailing(server string, list []*event) bool {
	from, to := list[0].at, list[len(list)-1].at
	all, failed := d.attempts(server, from, to)
	return all > 0 && float64(failed) >= failingShare*float64(all) && d.unusual(server, from, to)
}

// hot keeps the failures of ten seconds in which a good part of a server's attempts failed.
func (d *detector) hot(list []*event, server string) []*event {
	return slices.DeleteFunc(slices.Clone(list), func(e *event) bool {
		all, failed := d.attempts(server, e.at-hotWidth/2, e.at+hotWidth/2)
		return float64(failed) < hotShare*float64(all)
	})
}

// failingNode makes an incident of one. A request that failed on several of the suspects is the first one's.
func (d *detector) failingNode(s *suspect, others []*suspect) *incident {
	list := slices.DeleteFunc(slices.Clone(s.list), func(e *event) bool {
		first := e.firstFailed()
		return d.used[e] || first != s.server && slices.ContainsFunc(others, func(o *suspect) bool {
			return o.server == first && o.from() <= e.at && e.at <= o.to()
		})
	})
	if len(list) == 0 {
		return nil
	}
	outs := d.facts.outs(map[string][]int64{s.server: d.failures(s.list)[s.server]})
	if i := d.passedOver(s.server, list, outs); i != nil {
		return i
	}
	i := &incident{kind: nodeFailure, from: s.from(), to: s.to(), server: s.server,
		upstream: d.facts.upstream(s.server), outs: outs, servers: []string{s.server}}
	all, failed := d.attempts(s.server, i.from, i.to)
	i.share = float64(failed) / float64(max(1, all))
	i.add(d, list)
	return d.withoutChoice(i)
}

// passedOver is an incident in which a server failed for a moment, and NGINX passing it over did more harm than that:
// it was well again when it was tried the next time.
func (d *detector) passedOver(server string, list []*event, outs []interval) *incident {
	times := d.failures(list)[server]
	if len(outs) == 0 || times[len(times)-1]-times[0] > d.facts.timeout(server) {
		return nil
	}
	noLive := d.foundNone(outs)
	if len(noLive) < leastHarmed || len(noLive) <= len(list) {
		return nil
	}
	i := d.build(takenOut, list)
	i.add(d, noLive)
	i.noLive = i.harmed - len(list)*d.events.every()
	i.server, i.upstream, i.outs, i.servers = server, d.facts.upstream(server), outs, []string{server}
	return i
}

func (d *detector) release(i *incident) {
	for _, e := range i.events {
		delete(d.used, e)
	}
}

// unusual reports whether a server fails more often in a time than in the rest of the log.
func (d *detector) unusual(server string, from, to int64) bool {
	all, failed := d.attempts(server, from, to)
	total, totalFailed := d.totals(server)
	rest, restFailed := total-all, totalFailed-failed
	if rest < 100 {
		return true
	}
	return float64(failed)/float64(all) >= aboveUsual*float64(restFailed)/float64(rest)
}

// totals counts the attempts on a server in the whole log, and the failed ones among them.
func (d *detector) totals(server string) (all, failed int) {
	if d.sums == nil {
		d.sums = make([]attemptSum, len(d.log.servers))
		for _, s := range d.log.slots {
			for n := range s.servers {
				d.sums[n].attempts += int(s.servers[n].attempts)
				d.sums[n].failed += int(s.servers[n].failed)
			}
		}
	}
	number, ok := d.log.numbers[server]
	if !ok {
		return 0, 0
	}
	return d.sums[number].attempts, d.sums[number].failed
}

// An attemptSum is how many attempts there were, and how many of them failed.
type attemptSum struct{ attempts, failed int }
