package past

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// errorEvidence is what the error log has about servers.
type errorEvidence struct{ entries []errorEntry }

// An errorEntry is an entry about a server, or about a group without one.
type errorEntry struct {
	at     int64 // Unix milliseconds; until align as if the log's clock were UTC
	event  string
	server string
}

// maxErrorEntries limits what is kept of an error log.
const maxErrorEntries = 500_000

// align finds the zone of the error log's clock, and sets the entries to the time of the access log: the one in which
// most entries fall into the seconds of failures. If several are equal, it is this host's local one. Another host's
// clocks may have changed within the log, once, by an hour.
func (e *errorEvidence) align(failures []int64, local *time.Location) {
	near := map[int64]bool{}
	for _, at := range failures {
		second := floorDiv(at, 1000)
		near[second-1], near[second], near[second+1] = true, true, true
	}
	best, most := e.localTimes(local, near), 0
	for _, at := range best {
		if near[floorDiv(at, 1000)] {
			most++
		}
	}
	const hour = 60 * 60 * 1000
	zone, inZone := int64(0), 0
	for quarter := int64(-56); quarter <= 56; quarter++ {
		if n, _ := e.hits(near, quarter*hour/4, quarter*hour/4); n > inZone {
			zone, inZone = quarter*hour/4, n
		}
	}
	for _, z := range [][2]int64{{zone, zone}, {zone, zone + hour}, {zone, zone - hour}, {zone + hour, zone},
		{zone - hour, zone}} {
		if n, first := e.hits(near, z[0], z[1]); n > most {
			most, best = n, e.shifted(first, z[0], z[1])
		}
	}
	for i, at := range best {
		e.entries[i].at = at
	}
}

// localTimes returns when the entries were written by clocks of a zone. One that may have been written in either of two
// hours was so in that in which something failed, else not before the entry that precedes it.
func (e *errorEvidence) localTimes(zone *time.Location, near map[int64]bool) []int64 {
	list := make([]int64, len(e.entries))
	last := int64(math.MinInt64)
	for i, entry := range e.entries {
		times := instants(time.UnixMilli(entry.at).UTC(), zone)
		first, second := times[0].UnixMilli(), times[len(times)-1].UnixMilli()
		list[i] = first
		isFirst, isSecond := near[floorDiv(first, 1000)], near[floorDiv(second, 1000)]
		if isSecond && !isFirst || isFirst == isSecond && first < last-1000 {
			list[i] = second
		}
		last = list[i]
	}
	return list
}

// hits returns how many entries fall into seconds of failures at best, if the first of them are off by before and the
// others by after, and how many the first are.
func (e *errorEvidence) hits(near map[int64]bool, before, after int64) (most, first int) {
	n := 0
	for _, entry := range e.entries {
		if near[floorDiv(entry.at+after, 1000)] {
			n++
		}
	}
	if most = n; before == after {
		return most, 0
	}
	for i, entry := range e.entries {
		if near[floorDiv(entry.at+before, 1000)] {
			n++
		}
		if near[floorDiv(entry.at+after, 1000)] {
			n--
		}
		if n > most {
			most, first = n, i+1
		}
	}
	return most, first
}

// shifted returns the times of the entries, so many of the first off by before, the others by after.
func (e *errorEvidence) shifted(first int, before, after int64) []int64 {
	list := make([]int64, len(e.entries))
	for i, entry := range e.entries {
		list[i] = entry.at + after
		if i < first {
			list[i] = entry.at + before
		}
	}
	return list
}

// in returns the entries on servers in a time, with a second on both sides: the error log has only whole seconds.
func (e *errorEvidence) in(servers []string, from, to int64) []errorEntry {
	var list []errorEntry
	for _, entry := range e.entries {
		if at := entry.at; at >= floorDiv(from, 1000)*1000-1000 && at <= to+1000 && (len(servers) == 0 ||
			slices.Contains(servers, entry.server)) {
			list = append(list, entry)
		}
	}
	return list
}

func (e *errorEvidence) count(event string, servers []string, from, to int64) int {
	n := 0
	for _, entry := range e.in(servers, from, to) {
		if entry.event == event {
			n++
		}
	}
	return n
}

// events returns text such as "12 × connect_refused", the most frequent first.
func (e *errorEvidence) events(servers []string, from, to int64) []string {
	counts := map[string]uint64{}
	for _, entry := range e.in(servers, from, to) {
		counts[entry.event]++
	}
	names := sortedKeys(counts)
	slices.SortStableFunc(names, func(a, b string) int { return int(counts[b]) - int(counts[a]) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%d × %s", counts[name], name)
	}
	return names[:min(4, len(names))]
}
