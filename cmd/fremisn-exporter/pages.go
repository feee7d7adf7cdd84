package main

import (
	"fmt"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/web"
	"github.com/fremisn/fremisn-exporter/probe"
)

// targets returns the data of the probes page: every target with its results. It computes logs and phases only for
// those that are shown.
func (e *exporter) targets() []web.Target {
	var targets []web.Target
	for _, h := range e.probes.History() {
		t := web.Target{Probe: h.Probe, Target: h.Target, Node: h.Node, Module: h.Module, Interval: h.Interval,
			Recent: h.Recent}
		t.Results = make([]web.Result, 0, len(h.Results))
		for _, r := range h.Results {
			t.Results = append(t.Results, web.Result{ID: resultID(r), When: r.When, Success: r.Success,
				Reason: r.Reason, Sentence: r.Sentence, Duration: r.Duration})
		}
		t.Detail = func(i int) ([]web.Phase, string) {
			full := h.Results[i].WithLog()
			return phaseBars(full), full.Log
		}
		targets = append(targets, t)
	}
	return targets
}

func resultID(r probe.Result) string { return fmt.Sprintf("p%d", r.ID) }

func phaseBars(r probe.Result) (bars []web.Phase) {
	var before time.Duration
	for _, p := range r.Phases {
		bars = append(bars, web.Phase{Name: p.Name, Duration: p.Duration, Start: percent(before, r.Duration),
			Width: percent(p.Duration, r.Duration)})
		before += p.Duration
	}
	return bars
}

func percent(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return min(100, 100*float64(part)/float64(whole))
}
