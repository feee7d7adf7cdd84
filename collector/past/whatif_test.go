package past_test

import (
	"math"
	"sync"
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/past"
)

// TestWhatIfAgainstNGINX has real NGINX serve the same schedule of arrivals under the settings as they are and under
// four others, and holds what whatif makes of the log of the first against what happened under the others.
func TestWhatIfAgainstNGINX(t *testing.T) {
	t.Parallel() // it mostly waits
	// So slow that being late by what a busy machine is late does not matter.
	schedule := poisson(1, 600, 12.5, 240, 2)
	asItIs := topology{nodes: 2, server: "max_conns=1", zone: "rate=300r/m",
		location: "limit_req zone=clients burst=10 nodelay;"}
	tops := map[string]topology{"": asItIs}
	for try, change := range map[string]func(*topology){
		"max_conns=2": func(top *topology) { top.server = "max_conns=2" },
		"servers=3":   func(top *topology) { top.nodes = 3 },
		"limit_req.nodelay=off,max_conns=4": func(top *topology) {
			top.location, top.server = "limit_req zone=clients burst=10;", "max_conns=4"
		},
		"limit_req.burst=3,balance=least_conn": func(top *topology) {
			top.location, top.upstream = "limit_req zone=clients burst=3 nodelay;", "least_conn;"
		},
	} {
		top := asItIs
		change(&top)
		tops[try] = top
	}
	runs := map[string]*balancer{}
	var running sync.WaitGroup
	for try, top := range tops {
		b := startBalancer(t, top)
		runs[try] = b
		running.Go(func() { b.send(t, schedule) })
	}
	running.Wait()
	var tries []past.Try
	for try := range tops {
		if try != "" {
			parsed, err := past.ParseTry(try)
			if err != nil {
				t.Fatal(err)
			}
			tries = append(tries, parsed)
		}
	}
	answer := whatIf(t, runs[""], tries...)
	t.Logf("log %v\nmodel %v", show(answer.Observed), show(answer.Model))
	if !answer.Trusted {
		t.Errorf("not trusted: %s", answer.Reason)
	}
	if answer.Observed.NoLive < 20 || answer.Observed.Limited < 20 {
		t.Fatalf("the schedule shows nothing: %v", show(answer.Observed))
	}
	for _, s := range answer.Scenarios {
		real := whatIf(t, runs[s.Set.String()]).Observed
		t.Logf("%s: predicted %v, real %v", s.Set, show(s.Figures), show(real))
		nearly(t, s.Set.String()+" no_live", float64(s.NoLive), float64(real.NoLive), deviations(real.NoLive))
		nearly(t, s.Set.String()+" limited", float64(s.Limited), float64(real.Limited), deviations(real.Limited))
		nearly(t, s.Set.String()+" p95", *s.P95, *real.P95, 0)
	}
}

type figures struct {
	requests, ok, noLive, limited, errors int
	p95                                   float64
}

func show(f past.Figures) figures {
	return figures{f.Requests, f.OK, f.NoLive, f.Limited, f.Errors, *f.P95}
}

func whatIf(t *testing.T, b *balancer, tries ...past.Try) *past.WhatIf {
	t.Helper()
	answer, problems, err := past.AskWhatIf(t.Context(), past.Options{Settings: b.settings(t),
		Files: []string{b.log()}}, tries)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	return answer
}

// nearly holds a prediction to 15 % of what happened, or to a number of requests.
func nearly(t *testing.T, what string, predicted, real, within float64) {
	t.Helper()
	if d := math.Abs(predicted - real); d > 0.15*real && d > within {
		t.Errorf("%s: predicted %g, but it is %g", what, predicted, real)
	}
}

// deviations are three standard deviations of a count.
func deviations(n int) float64 { return 3 * math.Sqrt(float64(max(1, n))) }
