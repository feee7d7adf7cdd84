package source

import (
	"fmt"
	"slices"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// A covering says which candidates are followed, so that each request is counted once.
type covering struct {
	followed map[int]bool
	instead  map[int]int // of one that is not followed, which one has its requests
}

// cover chooses candidates. Sets are the candidates that one request is written to, by their indexes. Where a set has
// one alone, that one is followed; of several, one that is followed already, else the most informative. A candidate
// of no set is followed.
func cover(candidates []candidate, sets [][]int) covering {
	c := covering{followed: map[int]bool{}, instead: map[int]int{}}
	inSet := map[int]bool{}
	for _, set := range sets {
		for _, i := range set {
			inSet[i] = true
		}
		if len(set) == 1 {
			c.followed[set[0]] = true
		}
	}
	for i := range candidates {
		c.followed[i] = c.followed[i] || !inSet[i]
	}
	for _, set := range sets {
		best := slices.IndexFunc(set, func(i int) bool { return c.followed[i] })
		if best < 0 {
			best = bestOf(candidates, set)
			c.followed[set[best]] = true
		}
		for _, i := range set {
			c.instead[i] = set[best]
		}
	}
	return c
}

// bestOf returns the index in a set of the most informative candidate, of equals the first.
func bestOf(candidates []candidate, set []int) int {
	best := 0
	for at := range set {
		if better(candidates[set[at]], candidates[set[best]]) {
			best = at
		}
	}
	return best
}

// setsOfCandidates are the candidates that the requests of each block are written to, by their indexes.
func setsOfCandidates(candidates []candidate, logSets []nginxconf.LogSet) [][]int {
	index := map[[2]string]int{}
	for i, c := range candidates {
		index[[2]string{c.source.Path, c.format().Name}] = i
	}
	return setsOf(logSets, func(log nginxconf.AccessLog) int {
		if i, ok := index[[2]string{log.Path, log.Format}]; ok {
			return i
		}
		return -1
	})
}

// setsOf are the sets of what index finds, which is -1 for a log that does not matter.
func setsOf(logSets []nginxconf.LogSet, index func(nginxconf.AccessLog) int) [][]int {
	var sets [][]int
	for _, set := range logSets {
		var members []int
		for _, log := range set.Logs {
			if i := index(log); i >= 0 && !slices.Contains(members, i) {
				members = append(members, i)
			}
		}
		if len(members) > 0 {
			sets = append(sets, members)
		}
	}
	return sets
}

// better reports whether a log is more informative than another. One with all requests goes before one with some.
func better(a, b candidate) bool {
	if a.whole != b.whole {
		return a.whole
	}
	return a.score > b.score
}

// withRepeats marks those formats of one log in which nginx.conf writes requests that it writes in another of them as
// well, and puts them behind the others. writes reports whether a directive writes the log.
func (d directives) withRepeats(formats []Format, writes func(nginxconf.AccessLog) bool,
	score func(Format) int) []Format {
	if len(formats) < 2 {
		return formats
	}
	var candidates []candidate
	for _, f := range formats {
		whole := slices.ContainsFunc(d.logs, func(log nginxconf.AccessLog) bool {
			return writes(log) && log.Format == f.Name && log.Condition == ""
		})
		log := LogSource{Formats: []Format{f}}
		candidates = append(candidates, candidate{source: log, score: score(f), whole: whole})
	}
	c := cover(candidates, setsOf(d.sets, func(log nginxconf.AccessLog) int {
		if !writes(log) {
			return -1
		}
		return slices.IndexFunc(formats, func(f Format) bool { return f.Name == log.Format })
	}))
	var first, repeats []Format
	for i, f := range formats {
		if f.Repeats = !c.followed[i]; f.Repeats {
			repeats = append(repeats, f)
		} else {
			first = append(first, f)
		}
	}
	return append(first, repeats...)
}

// countedTwice reports requests that NGINX writes twice to one log in lines that look alike, or to two logs of which
// each is another server's only one. index has the places of the followed logs by their paths.
func (s *Settings) countedTwice(d directives, followed []LogSource, index map[string]int) {
	counts := func(log nginxconf.AccessLog) bool {
		at, ok := index[log.Path]
		return ok && slices.ContainsFunc(followed[at].Formats, func(f Format) bool {
			return f.Name == log.Format && !f.Repeats
		})
	}
	for _, set := range d.sets {
		for i, log := range set.Logs {
			for _, other := range set.Logs[:i] {
				if text := d.bothCount(other, log, counts); text != "" {
					s.ignore(log.Pos, "access_log", "remove one of the two", "%s", text)
					s.Ignored[len(s.Ignored)-1].Twice = true
				}
			}
		}
	}
}

// bothCount says why the requests of a block count in two logs, "" where they count in one.
func (d directives) bothCount(a, b nginxconf.AccessLog, counts func(nginxconf.AccessLog) bool) string {
	first, second := d.formats[a.Format], d.formats[b.Format]
	looksAlike := first.Format == second.Format && first.Escape == second.Escape
	switch {
	case a.Path == b.Path && looksAlike && (counts(a) || counts(b)):
		return fmt.Sprintf("%s is named in line %d, too: NGINX writes each request twice, and it counts twice", b.Path,
			a.Line)
	case counts(a) && counts(b):
		return fmt.Sprintf("what is written to %s in log_format %s (line %d) is written to %s in log_format %s as "+
			"well, "+
			"and others write to each alone: it counts twice", a.Path, a.Format, a.Line, b.Path, b.Format)
	}
	return ""
}

// Counted is the log with the formats alone whose lines are counted.
func (l LogSource) Counted() LogSource {
	l.Formats = slices.DeleteFunc(slices.Clone(l.Formats), func(f Format) bool { return f.Repeats })
	return l
}
