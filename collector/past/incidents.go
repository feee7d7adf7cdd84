package past

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// Kinds of incidents.
const (
	saturation    = "saturation"
	takenOut      = "taken_out"
	nodeFailure   = "node_failure"
	slowNode      = "slow_node"
	poison        = "poison"
	rateLimit     = "rate_limit"
	clientAborts  = "client_aborts"
	leastHarmed   = 5
	gapMillis     = 60_000 // what is further apart is two incidents
	burstGap      = 30_000 // the same, for requests that found no server
	hotWidth      = 10_000
	hotShare      = 0.2 // of a server's attempts in ten seconds
	failingShare  = 0.1 // of a server's attempts in the incident
	limitedShare  = 0.1
	abortedShare  = 0.05
	aboveUsual    = 3 // times as often as in the rest of the log
	poisonShare   = 0.8
	maxIncidents  = 100
	maxRequestIDs = 20
)

// An incident is a time in which one thing went wrong.
type incident struct {
	kind     string
	from, to int64 // Unix milliseconds
	upstream string
	server   string
	route    string
	path     string // of poison, or the pattern of its paths
	harmed   int    // requests
	lost     int    // of these, those whose client got no answer
	events   []*event

	noLive      int        // of harmed: requests that found no server because of it
	outs        []interval // when servers were passed over because of it
	servers     []string   // on which requests failed
	before, now int64      // of a slow node: its p95, milliseconds
	peers       int64
	attempts    int // on the slow node
	nextSlot    int // of the slow node, that is not counted yet
	looked      int // requests on the slow node that took longer than was usual
	slowest     []slowID
	share       float64 // of requests or attempts
}

// A detector finds the incidents of a log.
type detector struct {
	facts  *facts
	log    *slots          // the log as a whole
	slow   []*incident     // found in it
	late   int64           // milliseconds: the longest from a failed attempt to the end of its request
	near   *slots          // the log around the times in which something changed
	events *events         // of these times
	used   map[*event]bool // explained by an incident
	sums   []attemptSum    // of log, by the number of the server; nil before they are asked for

	namesServers bool // a format has variables of upstream servers
}

// detect returns the incidents, the worst first. A request that fails wherever it goes explains the servers that it
// takes out, and a failing server those that find the others full: so it looks for causes before their effects.
func (d *detector) detect() []*incident {
	d.used = map[*event]bool{}
	var all []*incident
	all = append(all, d.poisons()...)
	all = append(all, d.failingNodes()...)
	all = append(all, d.withoutServer(all)...)
	all = append(all, d.limits()...)
	all = append(all, d.aborts()...)
	all = append(all, d.slow...)
	all = slices.DeleteFunc(all, func(i *incident) bool { return i.harmed < leastHarmed })
	slices.SortStableFunc(all, func(a, b *incident) int {
		return cmp.Or(cmp.Compare(b.lost, a.lost), cmp.Compare(b.harmed, a.harmed), cmp.Compare(a.from, b.from))
	})
	return all[:min(len(all), maxIncidents)]
}

// clusters splits sorted events where they are further apart than gap.
func clusters(list []*event, gap int64) [][]*event {
	var parts [][]*event
	for i, e := range list {
		if i == 0 || e.at-list[i-1].at > gap {
			parts = append(parts, nil)
		}
		last := len(parts) - 1
		parts[last] = append(parts[last], e)
	}
	return parts
}

func (d *detector) filter(is func(*event) bool) []*event {
	var list []*event
	for _, e := range d.events.list {
		if !d.used[e] && is(e) {
			list = append(list, e)
		}
	}
	return list
}

// between returns the events of a time.
func (d *detector) between(from, to int64) []*event {
	list := d.events.list
	begin := sort.Search(len(list), func(i int) bool { return list[i].at >= from })
	end := sort.Search(len(list), func(i int) bool { return list[i].at > to })
	return list[begin:max(begin, end)]
}

// foundNone returns the unexplained requests that found no server while servers were passed over.
func (d *detector) foundNone(outs []interval) []*event {
	var list []*event
	for _, out := range merged(outs) {
		for _, e := range d.between(out.from, out.to) {
			if e.outcome == "no_live" && !d.used[e] {
				list = append(list, e)
			}
		}
	}
	return list
}

// build returns an incident of events.
func (d *detector) build(kind string, list []*event) *incident {
	i := &incident{kind: kind, from: list[0].at - max(0, list[0].millis), to: list[len(list)-1].at}
	i.add(d, list)
	return i
}

// add adds events to an incident.
func (i *incident) add(d *detector, list []*event) {
	every := d.events.every()
	for _, e := range list {
		if d.used[e] {
			continue
		}
		d.used[e] = true
		i.events = append(i.events, e)
		i.harmed += every
		if e.lost() {
			i.lost += every
		}
		i.from, i.to = min(i.from, e.at-max(0, e.millis)), max(i.to, e.at)
	}
}

// requests returns all requests that ended in a time, and those with an outcome among them.
func (d *detector) requests(from, to int64, outcome string) (all, with int) {
	o := slices.Index(outcomes(), outcome)
	for n := floorDiv(from, d.near.width); n <= floorDiv(to, d.near.width); n++ {
		if s := d.near.slots[n]; s != nil {
			all += int(s.requests)
			if o >= 0 {
				with += int(s.outcomes[o])
			}
		}
	}
	return all, with
}

// attempts returns those on a server that ended in a time, and the failed ones among them.
func (d *detector) attempts(server string, from, to int64) (all, failed int) {
	number, ok := d.near.numbers[server]
	if !ok {
		return 0, 0
	}
	for n := floorDiv(from, d.near.width); n <= floorDiv(to, d.near.width); n++ {
		if s := d.near.slots[n]; s != nil && number < len(s.servers) {
			all += int(s.servers[number].attempts)
			failed += int(s.servers[number].failed)
		}
	}
	return all, failed
}

// failures returns the failed attempts of events, by server, in the order of time.
func (d *detector) failures(list []*event) map[string][]int64 {
	failures := map[string][]int64{}
	for _, e := range list {
		for i := range e.attempts {
			if a := &e.attempts[i]; a.failed() {
				failures[a.server] = append(failures[a.server], a.at)
			}
		}
	}
	for _, times := range failures {
		slices.Sort(times)
	}
	return failures
}

// withoutServer handles the unexplained requests that found no server: saturation, unless a server was passed over.
func (d *detector) withoutServer(known []*incident) []*incident {
	var found []*incident
	byGroup := map[string][]*event{}
	for _, e := range d.filter(func(e *event) bool { return e.outcome == "no_live" }) {
		byGroup[e.group] = append(byGroup[e.group], e)
	}
	for _, group := range sortedKeys(byGroup) {
		for _, part := range clusters(byGroup[group], burstGap) {
			i := d.build(saturation, part)
			i.upstream = group
			d.whoWasOut(i, group)
			for _, other := range known { // the same trouble, seen from the other side
				if other.upstream == group && other.from <= i.to+burstGap && other.to >= i.from-burstGap &&
					i.kind == takenOut && slices.Contains(other.servers, i.server) {
					other.harmed, other.lost, other.noLive = other.harmed+i.harmed, other.lost+i.lost,
						other.noLive+i.harmed
					other.from, other.to = min(other.from, i.from), max(other.to, i.to)
					other.events = append(other.events, i.events...)
					i = nil
					break
				}
			}
			if i != nil {
				found = append(found, i)
			}
		}
	}
	return found
}

// whoWasOut turns a saturation into a taken_out if most of its requests came while a server was passed over.
func (d *detector) whoWasOut(i *incident, group string) {
	from := i.from - d.facts.longestTimeout() - 1000
	failures := map[string][]int64{}
	for _, e := range d.between(from, i.to) {
		for k := range e.attempts {
			if a := &e.attempts[k]; a.failed() && d.facts.upstream(a.server) == group {
				failures[a.server] = append(failures[a.server], a.at)
			}
		}
	}
	worst := 0
	for _, server := range sortedKeys(failures) {
		slices.Sort(failures[server])
		outs := d.facts.outs(map[string][]int64{server: failures[server]})
		n := 0
		for _, e := range i.events {
			if covered(outs, e.at) {
				n++
			}
		}
		if n > worst {
			worst = n
			i.server, i.outs = server, outs
		}
		if n > 0 {
			i.servers = append(i.servers, server)
		}
	}
	if 2*worst >= len(i.events) && worst > 0 {
		i.kind = takenOut
		i.noLive = i.harmed
		return
	}
	i.server, i.servers, i.outs = "", nil, nil
}

// limits finds times in which a large part of the requests is rejected.
func (d *detector) limits() []*incident {
	return d.outcomeIncidents(rateLimit, "limited", limitedShare)
}

// aborts finds times in which a large part of the clients does not wait for the answer.
func (d *detector) aborts() []*incident {
	return d.outcomeIncidents(clientAborts, "aborted", abortedShare)
}

func (d *detector) outcomeIncidents(kind, outcome string, least float64) []*incident {
	list := d.filter(func(e *event) bool { return e.outcome == outcome })
	list = slices.DeleteFunc(list, func(e *event) bool {
		all, with := d.requests(e.at-hotWidth/2, e.at+hotWidth/2, outcome)
		return float64(with) < least*float64(all)
	})
	var found []*incident
	for _, part := range clusters(list, gapMillis) {
		all, with := d.requests(part[0].at, part[len(part)-1].at, outcome)
		if len(part) < leastHarmed || float64(with) < least*float64(all) {
			continue
		}
		i := d.build(kind, part)
		i.share = float64(with) / float64(max(1, all))
		i.route = commonRoute(part)
		i.server, i.upstream = d.commonServer(part)
		found = append(found, i)
	}
	return found
}

// commonRoute returns the route of all events, "" for several.
func commonRoute(list []*event) string {
	for _, e := range list {
		if e.route != list[0].route {
			return ""
		}
	}
	return list[0].route
}

// commonPath returns the path of events of one pattern, or the pattern where they have several.
func commonPath(list []*event) string {
	for _, e := range list {
		if e.path != list[0].path {
			return list[0].pattern
		}
	}
	return list[0].path
}

// commonServer returns the server of all events, with its group, "" for several.
func (d *detector) commonServer(list []*event) (server, upstream string) {
	servers := map[string]bool{}
	for _, e := range list {
		for _, a := range e.attempts {
			servers[a.server] = true
			upstream = d.facts.upstream(a.server)
		}
	}
	if len(servers) == 1 {
		server = sortedKeys(servers)[0]
	}
	return server, strings.TrimSpace(upstream)
}
