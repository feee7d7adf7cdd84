package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/web"
	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/probe"
)

// TestOutcomesAreTheSame: gather hands over counts by their place alone.
func TestOutcomesAreTheSame(t *testing.T) {
	if diff := cmp.Diff(collector.Outcomes(), verdict.OutcomeNames()); diff != "" {
		t.Error(diff)
	}
}

// TestCardShowsSomeProbes: a server that is probed in many ways has them all judged, and some of them shown.
func TestCardShowsSomeProbes(t *testing.T) {
	g := &gathering{overview: web.Overview{Probes: map[string][]web.ProbeState{}, MoreProbes: map[string]int{}}}
	s := &verdict.Server{Address: "127.0.0.1:80"}
	for range 3 * maxShownProbes {
		g.addProbe(s, &probe.State{Probe: "p", Done: true})
	}
	shown, more := g.overview.Probes[s.Address], g.overview.MoreProbes[s.Address]
	if len(s.Probes) != 3*maxShownProbes ||
		len(shown) != maxShownProbes || more != 2*maxShownProbes {
		t.Errorf("%d probes, %d shown and %d more", len(s.Probes), len(shown), more)
	}
}
