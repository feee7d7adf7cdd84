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
	most           int       // of recent results and of failures
	recent, failed []*Result // latest last; a failure may be in both
}

func (h *history) add(r Result) {
	r.Samples = nil // most of a result's memory
	h.recent = keep(h.recent, &r, h.most)
	if !r.Success {
		h.failed = keep(h.failed, &r, h.most)
	}
}

// limit changes how many results are kept.
func (h *history) limit(most int) {
	h.most = most
	h.recent = slices.Clone(h.recent[max(0, len(h.recent)-most):])
	h.failed = slices.Clone(h.failed[max(0, len(h.failed)-most):])
}

func keep(results []*Result, r *Result, most int) []*Result {
	if len(results) >= most {
		copy(results, results[1:])
		results[len(results)-1] = r
		return results
	}
	return append(results, r)
}

// latestFirst returns all results; failures go back further. Only the recent ones are without gaps.
func (h *history) latestFirst() (all []Result, recent int) {
	for i := len(h.recent) - 1; i >= 0; i-- {
		all = append(all, *h.recent[i])
	}
	for i := len(h.failed) - 1; i >= 0; i-- {
		if h.failed[i].ID < h.recent[0].ID {
			all = append(all, *h.failed[i])
		}
	}
	return all, len(h.recent)
}

// A History is the kept results of a target.
type History struct {
	Probe, Target, Node, Module string
	Address                     string // host:port that the target is at
	Interval                    time.Duration
	Results                     []Result // latest first, logs by WithLog; failures go back further than successes
	Recent                      int      // this many of the results are consecutive
}

// History returns every target with its results.
func (s *Service) History() []History {
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	all := make([]History, 0, len(targets))
	for _, t := range targets {
		t.mu.Lock()
		h := History{Probe: t.probe, Target: t.masked, Node: t.node, Module: t.module.name, Address: Address(t.address),
			Interval: t.every}
		h.Results, h.Recent = t.history.latestFirst()
		t.mu.Unlock()
		all = append(all, h)
	}
	return all
}
