package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// A Target is a probe's target with its history, latest first.
type Target struct {
	Probe, Target, Node, Module string
	Interval                    time.Duration
	Results                     []Result
	// this many of the results are consecutive; the rest are earlier failures
	Recent int
	Detail func(i int) ([]Phase, string) // phases and log of a result
}

// A Result is one finished probe.
type Result struct {
	ID       string
	When     time.Time
	Success  bool
	Reason   string
	Sentence string
	Duration time.Duration
	Phases   []Phase
	Log      string
}

// A Phase is a part of a probe's time.
type Phase struct {
	Name     string
	Duration time.Duration
	Start    float64 // share of the probe's whole time before it, percent
	Width    float64 // share of the probe's whole time, percent
}

// maxDetailed is how many targets are shown with all their results. A longer page has a line for each.
const maxDetailed = 24

// maxListed is how many targets have a line. Of more, those that fail come first.
const maxListed = 1000

// A probesPage is /probes, complete or filtered by ?probe=, ?target= and ?node=.
type probesPage struct {
	Targets  []Target
	Filtered bool
	Detailed bool
	Failing  int
	Fit      int // of the targets that the address names
	All      int
}

func (s *site) probes(w http.ResponseWriter, r *http.Request) {
	s.show(w, "probes.html", "Probes", "/probes", newProbesPage(s.Targets(), r.URL.Query()))
}

func newProbesPage(all []Target, query url.Values) probesPage {
	page := probesPage{All: len(all)}
	for _, t := range all {
		if fits(query, "probe", t.Probe) && fits(query, "target", t.Target) && fits(query, "node", t.Node) {
			page.Targets = append(page.Targets, t)
		}
	}
	page.Fit = len(page.Targets)
	page.Filtered = len(page.Targets) < len(all)
	page.Detailed = len(page.Targets) <= maxDetailed
	for _, t := range page.Targets {
		if t.Class() == "bad" {
			page.Failing++
		}
		for i := range t.Results {
			if page.Detailed {
				t.Results[i].Phases, t.Results[i].Log = t.Detail(i)
			}
		}
	}
	if !page.Detailed { // on a long page, failures come first
		slices.SortStableFunc(page.Targets, func(a, b Target) int { return rank(a) - rank(b) })
		page.Targets = page.Targets[:min(len(page.Targets), maxListed)]
	}
	return page
}

func fits(query url.Values, name, value string) bool {
	return !query.Has(name) || query.Get(name) == value
}

func rank(t Target) int {
	return map[string]int{"bad": 0, "wait": 1, "good": 2}[t.Class()]
}

// TargetLink returns the page of one target. It consists of labels, so that an alert can build it too.
func TargetLink(probe, target string) string {
	return "probes?" + url.Values{"probe": {probe}, "target": {target}}.Encode()
}

// Link returns the page of the target.
func (t Target) Link() string { return TargetLink(t.Probe, t.Target) }

// Title returns the target's node, or the target if it has none.
func (t Target) Title() string { return cmp.Or(t.Node, t.Target) }

// Class returns the colour of a target: the result of its last probe.
func (t Target) Class() string {
	switch {
	case len(t.Results) == 0:
		return "wait"
	case t.Results[0].Success:
		return "good"
	}
	return "bad"
}

// Latest returns the last result, nil before the first.
func (t Target) Latest() *Result {
	if len(t.Results) == 0 {
		return nil
	}
	return &t.Results[0]
}

// Lately returns the recent results, the oldest first, for a strip.
func (t Target) Lately() []Result {
	recent := slices.Clone(t.Results[:t.Recent])
	slices.Reverse(recent)
	return recent
}

// Earlier returns the failures before the recent results.
func (t Target) Earlier() []Result { return t.Results[t.Recent:] }

// Now returns the recent results, latest first.
func (t Target) Now() []Result { return t.Results[:t.Recent] }

// A Run is consecutive results of one kind.
type Run struct {
	Success bool
	Count   int
}

// Runs returns the recent results, the oldest first, as runs.
func (t Target) Runs() (runs []Run) {
	for _, r := range t.Lately() {
		if n := len(runs); n == 0 || runs[n-1].Success != r.Success {
			runs = append(runs, Run{Success: r.Success})
		}
		runs[len(runs)-1].Count++
	}
	return runs
}
