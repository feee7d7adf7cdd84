package probe

import (
	"slices"
	"time"
)

// The results that are kept of each target. Failures are kept for longer: the latest ones stay, however many successes
// have come since.
const (
	keepRecent = 20
	keepFailed = 20
)

type history struct {
	most           int     // of recent and of failed ones
	recent, failed []*kept // latest last; a failure may be in both
}

func (h *history) add(r *Result) *kept {
	k := keep(r, h.recent[max(0, len(h.recent)-maxCompared):])
	h.recent = appendLatest(h.recent, k, h.most)
	if !k.success() {
		h.failed = appendLatest(h.failed, k, h.most)
	}
	return k
}

// limit changes how many results are kept.
func (h *history) limit(most int) {
	h.most = most
	h.recent = slices.Clone(h.recent[max(0, len(h.recent)-most):])
	h.failed = slices.Clone(h.failed[max(0, len(h.failed)-most):])
}

func appendLatest(results []*kept, r *kept, most int) []*kept {
	if len(results) >= most {
		copy(results, results[1:])
		results[len(results)-1] = r
		return results
	}
	return append(results, r)
}

// latestFirst returns all results; failures go back further. Only the recent ones are without gaps.
func (h *history) latestFirst() (all []Result, recent int) {
	all = make([]Result, 0, len(h.recent)+len(h.failed))
	for i := len(h.recent) - 1; i >= 0; i-- {
		all = append(all, h.recent[i].brief())
	}
	for i := len(h.failed) - 1; i >= 0; i-- {
		if h.failed[i].id < h.recent[0].id {
			all = append(all, h.failed[i].brief())
		}
	}
	return all, len(h.recent)
}

// A History is the kept results of a target.
type History struct {
	Probe, Target, Node, Module string
	Address                     string // host:port that the target is at
	Interval                    time.Duration
	// latest first, phases and logs by WithLog; failures go back further than successes
	Results []Result
	Recent  int // this many of the results are consecutive
}

// History returns every target with its results.
func (s *Service) History() []History {
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	all := make([]History, 0, len(targets))
	for _, t := range targets {
		t.mu.Lock()
		h := History{Probe: t.probe, Target: t.masked, Node: t.node, Module: t.module.name, Address: t.at,
			Interval: t.every}
		h.Results, h.Recent = t.history.latestFirst()
		t.mu.Unlock()
		all = append(all, h)
	}
	return all
}
