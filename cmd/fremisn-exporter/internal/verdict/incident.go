package verdict

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

const (
	// keepIncidents is how many incidents are kept.
	keepIncidents = 100
	// keepRequests is how many failed requests are kept of an incident.
	keepRequests = 20
	// lead is how long before the verdict changed requests may have failed for the same cause.
	lead = time.Minute
	// carryAfter is how much of an incident is counted from the last hour, before it is carried over.
	carryAfter = 40 * time.Minute
)

// An incident is an Incident as the engine keeps it. Its counts are Carried plus those of the last hour since Mark.
type incident struct {
	Incident
	Carried Outcomes  `json:"carried"`
	Mark    time.Time `json:"mark"`
}

// remember records since when the verdict holds, and continues the incident.
func (e *Engine) remember(in Input, s *Status) {
	m := &e.memory
	if m.Verdict != s.Verdict {
		m.Verdict, m.Since = s.Verdict, in.Now
	}
	s.Since = m.Since.UTC()
	open := e.openIncident()
	bad := s.Verdict == Degraded || s.Verdict == Down
	switch {
	case bad && open == nil:
		m.Incidents = append(m.Incidents, incident{
			Incident: Incident{From: in.Now, Requests: []FailedRequest{}}, Mark: in.Now.Add(-lead),
		})
		m.Incidents = m.Incidents[max(0, len(m.Incidents)-keepIncidents):]
		open = e.openIncident()
	case !bad && open != nil && s.Verdict == Fine:
		open.count(in)
		to := in.Now
		open.To = &to
		return
	}
	if open != nil && bad {
		open.update(in, s)
	}
}

// openIncident returns the present incident, nil if everything is fine.
func (e *Engine) openIncident() *incident {
	if n := len(e.memory.Incidents); n > 0 && e.memory.Incidents[n-1].To == nil {
		return &e.memory.Incidents[n-1]
	}
	return nil
}

func (i *incident) update(in Input, s *Status) {
	if i.Verdict != Down {
		i.Verdict = s.Verdict
	}
	for _, r := range s.Reasons {
		at := slices.IndexFunc(i.Reasons, func(old Reason) bool { return old.key() == r.key() })
		if at < 0 {
			i.Reasons = append(i.Reasons, r)
			continue
		}
		r.Since = i.Reasons[at].Since
		i.Reasons[at] = r
	}
	slices.SortStableFunc(i.Reasons, func(a, b Reason) int { return cmp.Compare(rank(a), rank(b)) })
	i.Sentence = i.Reasons[0].Sentence
	if n := len(i.Reasons) - 1; n > 0 {
		i.Sentence += fmt.Sprintf(" And %s.", plural(n, "more reason", "more reasons"))
	}
	i.count(in)
	i.keepWorst(s.Failures)
}

// count updates the number of failed requests.
func (i *incident) count(in Input) {
	if in.Requests == nil {
		i.Failed = named(Outcomes{}, Error, Error)
		return
	}
	if in.Now.Sub(i.Mark) > carryAfter {
		mark := in.Now.Add(-carryAfter / 4).Truncate(10 * time.Second)
		i.Carried = i.Carried.plus(in.Requests.Since(i.Mark).minus(in.Requests.Since(mark)))
		i.Mark = mark
	}
	failed := i.Carried.plus(in.Requests.Since(i.Mark))
	i.Failed = map[string]uint64{"error": failed[Error], "timeout": failed[Timeout], "no_live": failed[NoLive]}
}

// keepWorst keeps the worst requests that failed since shortly before the incident, the longest first.
func (i *incident) keepWorst(failures []FailedRequest) {
	all := i.Requests
	for _, f := range failures {
		if f.Time.Before(i.From.Add(-lead)) || slices.ContainsFunc(all, f.same) {
			continue
		}
		all = append(all, f)
	}
	slices.SortStableFunc(all, func(a, b FailedRequest) int {
		return cmp.Or(cmp.Compare(seconds(b.Duration), seconds(a.Duration)), cmp.Compare(len(b.Attempts),
			len(a.Attempts)))
	})
	i.Requests = all[:min(len(all), keepRequests)]
}

func (f *FailedRequest) same(g FailedRequest) bool {
	return f.Time.Equal(g.Time) && f.RequestID == g.RequestID && f.Path == g.Path && f.Code == g.Code &&
		seconds(f.Duration) == seconds(g.Duration)
}

func seconds(s *float64) float64 {
	if s == nil {
		return -1
	}
	return *s
}

// failures returns the latest failed requests, the latest first.
func (j *judgement) failures() []FailedRequest {
	all := []FailedRequest{}
	for _, r := range j.in.Failures {
		f := FailedRequest{
			Time: r.Time.UTC(), Outcome: outcomeNames[r.Outcome], RequestID: r.RequestID, Method: r.Method,
			Path: r.Path, Code: r.Code,
			Duration: timing(r.Duration, r.Timed), Attempts: []AttemptStatus{},
		}
		for _, a := range r.Attempts {
			attempt := AttemptStatus{Server: a.Server, Node: j.names[a.Server], Duration: timing(a.Duration, a.Timed)}
			if a.Code > 0 {
				attempt.Code = &a.Code
			}
			f.Attempts = append(f.Attempts, attempt)
		}
		all = append(all, f)
	}
	slices.SortStableFunc(all, func(a, b FailedRequest) int { return b.Time.Compare(a.Time) })
	return all
}

func timing(d time.Duration, timed bool) *float64 {
	if !timed {
		return nil
	}
	s := d.Seconds()
	return &s
}

// Incidents returns the kept incidents, the latest first.
func (e *Engine) Incidents() []Incident {
	all := []Incident{}
	for _, i := range slices.Backward(e.memory.Incidents) {
		one := i.Incident
		one.Reasons = slices.Clone(one.Reasons)
		one.Requests = slices.Clone(one.Requests)
		all = append(all, one)
	}
	return all
}

// Save returns the engine's memory in the form that Load reads.
func (e *Engine) Save() ([]byte, error) { return json.Marshal(e.memory) }

// Load restores the memory of another engine. After an error the engine is unchanged.
func (e *Engine) Load(saved []byte) error {
	fresh := New().memory
	if err := json.Unmarshal(saved, &fresh); err != nil {
		return fmt.Errorf("reading the incidents: %w", err)
	}
	if len(fresh.Incidents) > keepIncidents {
		fresh.Incidents = fresh.Incidents[len(fresh.Incidents)-keepIncidents:]
	}
	e.memory = fresh.allocated()
	return nil
}

// allocated returns the memory with every map allocated.
func (m memory) allocated() memory {
	if m.Reasons == nil {
		m.Reasons = map[string]time.Time{}
	}
	if m.States == nil {
		m.States = map[string]since{}
	}
	if m.Slow == nil {
		m.Slow = map[string]slow{}
	}
	return m
}
