package past

import (
	"fmt"
	"slices"
	"time"
)

// errorEvidence is what the error log has about servers.
type errorEvidence struct {
	entries []errorEntry
	offset  int64 // milliseconds to add to the log's clock, which has no zone, to get that of the access log
}

// An errorEntry is an entry about a server, or about a group without one.
type errorEntry struct {
	at     int64 // Unix milliseconds, if the log's clock were UTC
	event  string
	server string
}

// maxErrorEntries limits what is kept of an error log.
const maxErrorEntries = 500_000

// align finds the zone of the error log: the one in which most of its entries fall into the seconds of failures. If
// several are equal, it is this host's local one.
func (e *errorEvidence) align(failures []int64, local *time.Location) {
	seconds := map[int64]bool{}
	for _, at := range failures {
		second := floorDiv(at, 1000)
		seconds[second-1], seconds[second], seconds[second+1] = true, true, true
	}
	score := func(offset int64) int {
		n := 0
		for _, entry := range e.entries {
			if seconds[floorDiv(entry.at+offset, 1000)] {
				n++
			}
		}
		return n
	}
	if len(e.entries) == 0 {
		return
	}
	_, east := time.UnixMilli(e.entries[0].at).In(local).Zone()
	e.offset = -int64(east) * 1000
	best := score(e.offset)
	for quarter := int64(-56); quarter <= 56; quarter++ {
		if offset := quarter * 15 * 60 * 1000; score(offset) > best {
			best, e.offset = score(offset), offset
		}
	}
}

// in returns the entries on servers in a time, with a second on both sides: the error log has only whole seconds.
func (e *errorEvidence) in(servers []string, from, to int64) []errorEntry {
	var list []errorEntry
	for _, entry := range e.entries {
		at := entry.at + e.offset
		if at >= floorDiv(from, 1000)*1000-1000 && at <= to+1000 && (len(servers) == 0 || slices.Contains(servers,
			entry.server)) {
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
