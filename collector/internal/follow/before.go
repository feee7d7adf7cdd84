package follow

import (
	"context"
	"slices"

	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// Each file is counted once. One that a log names by its path is that log's, and one that several globs match is the
// first one's; with a file go its rotated parts. Two entries that both name a file count it both.

// before are the logs that come before a glob.
type before struct {
	names map[string]bool // of the files that others name
	globs []*entry
}

// beforeOf returns the logs that come before a glob among entries, which are in their order.
func beforeOf(e *entry, entries []*entry) before {
	b := before{names: map[string]bool{}}
	for _, other := range entries {
		switch {
		case other == e:
			return b
		case other.kind != e.kind:
		case other.isGlob:
			b.globs = append(b.globs, other)
		default:
			for name := range other.byName {
				b.names[name] = true
			}
		}
	}
	return b
}

// has reports whether a file with these names is another log's, or a rotated part of one.
func (b before) has(names []string) bool {
	isAnothers := func(name string) bool {
		return b.names[name] || slices.ContainsFunc(b.globs, func(g *entry) bool { return g.has([]string{name}) })
	}
	return slices.ContainsFunc(names, func(name string) bool {
		whole, isPart := tail.PartOf(name)
		return isAnothers(name) || isPart && isAnothers(whole)
	})
}

// newEntries returns the entries of logs, a path before a glob.
func newEntries(logs []source.LogSource, links *links) (entries []*entry) {
	answers := make([]*answer[*entry], len(logs))
	for i, l := range logs {
		answers[i] = ask(func() *entry { return newEntry(l, links) })
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxAnswer)
	defer cancel()
	for _, isGlob := range []bool{false, true} {
		for i, l := range logs {
			switch a := answers[i]; {
			case l.IsGlob() != isGlob:
			case a.comesWithin(ctx):
				entries = append(entries, a.value)
			default:
				e := newEntry(l, literal())
				e.late = a.come
				entries = append(entries, e)
			}
		}
	}
	for _, e := range entries {
		if e.isGlob {
			e.before = beforeOf(e, entries)
			e.leaveOut()
		}
	}
	return entries
}

// leaveOut drops the files that are other logs'.
func (e *entry) leaveOut() {
	e.files = slices.DeleteFunc(e.files, func(file *namedFile) bool { return e.before.has(file.names) })
	for name, file := range e.byName {
		if !slices.Contains(e.files, file) {
			delete(e.byName, name)
		}
	}
}

// leavesOut returns a function that returns which of some paths a glob leaves to other logs. What it has left stays
// left while it runs: the other has counted it.
func leavesOut(l source.LogSource, logs []source.LogSource) func(paths []string) []string {
	return func(paths []string) []string {
		links := &links{}
		var earlier before
		for _, e := range newEntries(logs, links) {
			if e.name == l.Name {
				earlier = e.before
			}
		}
		return slices.DeleteFunc(slices.Clone(paths), func(path string) bool { return !earlier.has(links.names(path)) })
	}
}

// MayShare reports whether two logs may have a file of which one leaves the other the counting: one is a glob.
func MayShare(a, b source.LogSource) bool {
	isOne := a.IsGlob() || b.IsGlob() || where(a) == where(b)
	return a.Kind == b.Kind && a.Syslog == "" && b.Syslog == "" && isOne
}

// Await waits for those to end that may have had the log's files, and reports whether they have: the log begins where
// they have ended. One of them may hang. If ctx ends first, the log has ended without a Run, and nothing of it is lost.
func (p *Pipeline) Await(ctx context.Context, before []<-chan struct{}) bool {
	for _, ended := range before {
		select {
		case <-ended:
			continue
		default:
		}
		select {
		case <-ended:
		case <-ctx.Done():
			close(p.done)
			return false
		}
		p.records = nil // what was read of them has changed
	}
	return true
}
