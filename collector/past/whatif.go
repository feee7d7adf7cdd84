package past

import (
	"fmt"
	"math"
	"slices"

	"github.com/fremisn/fremisn-exporter/collector/past/internal/model"
)

// A WhatIf is the result of whatif: what the log shows, what the model does with the same arrivals under the present
// settings, and under others.
type WhatIf struct {
	Observed    Figures    `json:"observed"`
	Model       Figures    `json:"model"`
	Error       ModelError `json:"error"`
	Trusted     bool       `json:"trusted"`
	Reason      string     `json:"reason,omitempty"` // why it is not trusted
	Upstream    string     `json:"upstream"`
	Assumptions []string   `json:"assumptions"`
	Scenarios   []Scenario `json:"scenarios"`

	utilisation map[string]*float64 // of the present settings
	servers     []string
}

// Figures describe requests. Errors are the outcomes error and timeout; quantiles are seconds of requests with the
// outcome ok.
type Figures struct {
	Requests int      `json:"requests"`
	OK       int      `json:"ok"`
	NoLive   int      `json:"no_live"`
	Limited  int      `json:"limited"`
	Errors   int      `json:"errors"`
	P50      *float64 `json:"p50"`
	P95      *float64 `json:"p95"`
	P99      *float64 `json:"p99"`
}

// A ModelError is the error of the model, relative to what is observed.
type ModelError struct {
	NoLive  float64 `json:"no_live"`
	Limited float64 `json:"limited"`
	P95     float64 `json:"p95"`
}

// A Scenario is the model under other settings. Utilisation is mean busy slots divided by max_conns; null for no
// limit.
type Scenario struct {
	Set Try `json:"set"`
	Figures
	Utilisation map[string]*float64 `json:"utilisation"`
}

// trustedWithin is the maximum error of a trusted model.
const trustedWithin = 0.10

// whatIf runs the model.
func whatIf(w *workload, s settings, tries []Try) *WhatIf {
	w.prepare()
	r := &WhatIf{Observed: w.observedFigures(), Scenarios: []Scenario{}}
	s = r.fitWorkers(w, s)
	r.Model, r.utilisation = w.simulate(s)
	for _, server := range s.group.Servers {
		r.servers = append(r.servers, server.Name)
	}
	r.Error = ModelError{
		off(float64(r.Model.NoLive), float64(r.Observed.NoLive)), off(float64(r.Model.Limited),
			float64(r.Observed.Limited)),
		off(orZero(r.Model.P95), orZero(r.Observed.P95)),
	}
	r.judge()
	for _, t := range tries {
		tried := s.with(t)
		if tried.group.Limit == nil && t.limits() {
			r.Assumptions = append(r.Assumptions, t.String()+" limits nothing: NGINX has no limit_req there; add "+
				"limit_req.rate to it")
		}
		figures, utilisation := w.simulate(tried)
		r.Scenarios = append(r.Scenarios, Scenario{t, figures, utilisation})
	}
	return r
}

// fitWorkers finds how unevenly the workers share connections, if that matters and the log does not show it.
func (r *WhatIf) fitWorkers(w *workload, s settings) settings {
	s.skew = 1
	if s.group.Workers < 2 || s.group.Shared || s.logged {
		return s
	}
	best := math.Inf(1)
	for _, skew := range []float64{1, 0.5, 0.25, 0.1, 0.02} {
		try := s
		try.skew = skew
		f, _ := w.simulate(try)
		if d := math.Abs(float64(f.NoLive - r.Observed.NoLive)); d < best {
			best, s.skew = d, skew
		}
	}
	shares := workerShares(s.group.Workers, s.skew)
	r.Assumptions = append(r.Assumptions,
		fmt.Sprintf("the %d workers share connections unevenly: the busiest takes %s of them, the split of those "+
			"tried that fits the log best; $pid in the log_format would show it",
			s.group.Workers, percent(shares[0])))
	return s
}

// off returns |model − observed| / observed. If nothing is observed, the model's number itself is the error.
func off(model, observed float64) float64 {
	if observed == 0 {
		return model
	}
	return math.Abs(model-observed) / observed
}

func orZero(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

func (r *WhatIf) judge() {
	r.Trusted = true
	for _, e := range []struct {
		what            string
		off             float64
		model, observed string
	}{
		{"no_live", r.Error.NoLive, fmt.Sprint(r.Model.NoLive), fmt.Sprint(r.Observed.NoLive)},
		{"limited", r.Error.Limited, fmt.Sprint(r.Model.Limited), fmt.Sprint(r.Observed.Limited)},
		{"a p95 of", r.Error.P95, inSeconds(r.Model.P95), inSeconds(r.Observed.P95)},
	} {
		if e.off > trustedWithin {
			r.Trusted = false
			if r.Reason != "" {
				r.Reason += "; "
			}
			r.Reason += fmt.Sprintf("with the settings as they are, the model has %s %s where the log has %s", e.what,
				e.model, e.observed)
		}
	}
}

// upgraded is the status of a connection that switched to another protocol: it has a slot for its life, and no
// latency.
const upgraded = 101

func (w *workload) observedFigures() Figures {
	var f Figures
	var times []int64
	for i := range w.samples {
		s := &w.samples[i]
		if s.sub {
			continue
		}
		f.count(s.outcome)
		if s.outcome == "ok" && s.code != upgraded {
			times = append(times, int64(s.millis))
		}
	}
	f.quantiles(times)
	return f
}

func (f *Figures) count(outcome string) {
	f.Requests++
	switch outcome {
	case "ok":
		f.OK++
	case "no_live":
		f.NoLive++
	case "limited":
		f.Limited++
	case "error", "timeout":
		f.Errors++
	}
}

func (f *Figures) quantiles(millis []int64) {
	slices.Sort(millis)
	for _, q := range []struct {
		into **float64
		q    float64
	}{{&f.P50, 0.5}, {&f.P95, 0.95}, {&f.P99, 0.99}} {
		if n := len(millis); n > 0 {
			seconds := float64(millis[max(0, int(math.Ceil(q.q*float64(n)))-1)]) / 1000
			*q.into = &seconds
		}
	}
}

// simulate runs the model with settings.
func (w *workload) simulate(s settings) (Figures, map[string]*float64) {
	requests := w.requests(&s)
	results, busy := model.Run(s.group, requests, w.answerer(&s))
	var f Figures
	var times []int64
	end := w.arrivals[0]
	for i, result := range results {
		end = max(end, requests[i].At+result.Millis)
		if w.samples[i].sub {
			continue
		}
		outcome := w.outcome(i, result)
		f.count(outcome)
		if outcome == "ok" && w.samples[i].code != upgraded {
			times = append(times, result.Millis)
		}
	}
	f.quantiles(times)
	return f, utilisation(&s.group, busy, end-w.arrivals[0])
}

// outcome returns that of a request in the model.
func (w *workload) outcome(i int, r model.Result) string {
	s := &w.samples[i]
	switch {
	case r.Verdict == model.Rejected:
		return "limited"
	case r.Verdict == model.NoLive:
		return "no_live"
	case !s.upstream:
		return s.outcome // it never reached the group
	case r.Code == 499:
		return "aborted"
	case r.Code == 504:
		return "timeout"
	case r.Code >= 500:
		return "error"
	case r.Code >= 400:
		return "client_error"
	case s.outcome == "aborted":
		return s.outcome
	}
	return "ok"
}

// utilisation returns mean busy slots divided by slots.
func utilisation(g *model.Group, busy []int64, span int64) map[string]*float64 {
	shares := map[string]*float64{}
	for i := range g.Servers {
		s := &g.Servers[i]
		shares[s.Name] = nil
		slots := s.MaxConns
		if !g.Shared {
			slots *= max(1, g.Workers)
		}
		if slots > 0 && span > 0 {
			share := float64(busy[i]) / float64(span) / float64(slots)
			shares[s.Name] = &share
		}
	}
	return shares
}
