// Package verdict answers one question: is it fine now? It is pure: an Input holds everything that is known, a Status
// is the result, and an Engine remembers only since when something holds, and the incidents. Pages, the API and the
// operators' scripts show its results and judge nothing themselves.
package verdict

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// The thresholds. A test compares them with those of the alerts.
const (
	FailingRatio   = 0.05 // of a node's attempts in FailingWindow
	FailingCount   = 5
	FailingMinutes = 5

	SlowOwn      = 3 // times its own p95
	SlowPeers    = 2 // times that of its peers
	SlowAttempts = 20

	LimitedRatio = 0.1 // of the requests in a minute

	MalformedRatio   = 0.01 // of a log's lines in MalformedMinutes
	MalformedMinutes = 5

	DownRatio = 0.5 // of the requests in a minute
	DownCount = 5

	// ProbeFailures in a row make a node down; so does one that has never succeeded.
	ProbeFailures = 2
)

// keepSlow is how long a node stays slow after it has become faster.
const keepSlow = time.Minute

// An Engine judges repeatedly. Its methods must not be called concurrently.
type Engine struct {
	memory memory
	logs   map[string][]logSample
	pages  map[string][]pageSample
}

// memory is what an Engine remembers across restarts.
type memory struct {
	Verdict   string               `json:"verdict"`
	Since     time.Time            `json:"since"`
	Reasons   map[string]time.Time `json:"reasons,omitempty"` // since when, by key
	States    map[string]since     `json:"states,omitempty"`  // of the nodes, by address
	Slow      map[string]slow      `json:"slow,omitempty"`    // by address
	Incidents []incident           `json:"incidents,omitempty"`
}

type since struct {
	State string    `json:"state"`
	Since time.Time `json:"since"`
}

// slow is a node that has become slow.
type slow struct {
	Baseline time.Duration `json:"baseline"` // its own p95 before
	Held     time.Time     `json:"held"`     // when it was last slower than itself or its peers
}

// New returns an Engine without a past.
func New() *Engine {
	return &Engine{memory: memory{}.allocated(), logs: map[string][]logSample{}, pages: map[string][]pageSample{}}
}

// Judge returns whether it is fine at the time of the input.
func (e *Engine) Judge(in Input) Status {
	in.Now = in.Now.UTC()
	e.sample(in)
	j := &judgement{in: in, engine: e, names: map[string]string{}}
	for _, s := range in.Servers {
		j.names[s.Address] = s.Name
	}
	j.judge()
	e.prune(j.names)
	status := j.status()
	e.remember(in, &status)
	return status
}

// prune drops the memory of servers that no longer exist.
func (e *Engine) prune(servers map[string]string) {
	gone := func(address string) bool {
		_, there := servers[address]
		return !there
	}
	maps.DeleteFunc(e.memory.States, func(address string, _ since) bool { return gone(address) })
	maps.DeleteFunc(e.memory.Slow, func(address string, _ slow) bool { return gone(address) })
}

// A judgement is a call of Judge in progress.
type judgement struct {
	in      Input
	engine  *Engine
	names   map[string]string // of the nodes, by address
	nodes   []Node
	reasons []Reason
	down    bool
}

func (j *judgement) judge() {
	j.judgeNGINX()
	j.judgePoison()
	for i := range j.in.Servers {
		j.judgeServer(&j.in.Servers[i])
	}
	j.judgeGroups()
	j.judgeRequests()
	j.judgeExporter()
	j.stamp()
}

func (j *judgement) add(r Reason) { j.reasons = append(j.reasons, r) }

// stamp adds since when each reason holds, and sorts the gravest first.
func (j *judgement) stamp() {
	before := j.engine.memory.Reasons
	now := map[string]time.Time{}
	for i := range j.reasons {
		r := &j.reasons[i]
		if at, held := before[r.key()]; held && r.Since.IsZero() {
			r.Since = at
		}
		if r.Since.IsZero() {
			r.Since = j.in.Now
		}
		r.Since = r.Since.UTC()
		now[r.key()] = r.Since
		if r.Severity == "" {
			r.Severity = Warning
		}
	}
	j.engine.memory.Reasons = now
	slices.SortStableFunc(j.reasons, func(a, b Reason) int { return cmp.Compare(rank(a), rank(b)) })
}

func (r *Reason) key() string { return r.Kind + "|" + r.Upstream + "|" + r.Server + "|" + r.Subject }

// rank puts a poison request first, then what makes the verdict down, then the rest by its cost for clients.
func rank(r Reason) int {
	order := []string{
		KindPoison, KindNGINXDown, KindRequestsFailed, KindNodeDown, KindTakenOut, KindSaturated, KindNodeFailing,
		KindNodeSlow,
		KindLimited, KindLicence, KindLogUnread, KindConfig, KindStateNotSaved,
	}
	place := slices.Index(order, r.Kind)
	if r.Severity != Critical && r.Kind != KindPoison {
		place += len(order)
	}
	return place
}

func (j *judgement) status() Status {
	s := Status{
		Reasons: j.reasons, NGINX: j.nginx(), Nodes: j.nodes, Windows: map[string]*RequestWindow{"1m": nil, "5m": nil,
			"1h": nil},
		Routes: []RouteStatus{}, Logs: j.logs(), Failures: j.failures(),
	}
	if j.in.Requests != nil {
		s.Windows = requestWindows(j.in.Requests, j.in.Unlogged)
	}
	if s.Reasons == nil {
		s.Reasons = []Reason{}
	}
	if s.Nodes == nil {
		s.Nodes = []Node{}
	}
	for _, route := range j.in.Routes {
		windows := requestWindows(route.Requests, j.in.Unlogged)
		s.Routes = append(s.Routes, RouteStatus{Route: route.Name, Windows: windows})
	}
	switch {
	case j.down:
		s.Verdict = Down
	case len(j.reasons) > 0:
		s.Verdict = Degraded
	case j.nothingKnown():
		s.Verdict = Unknown
	default:
		s.Verdict = Fine
	}
	s.Sentence = j.sentence(s.Verdict)
	return s
}

// nothingKnown reports whether nothing has been read or probed yet.
func (j *judgement) nothingKnown() bool {
	for _, p := range j.in.Pages {
		if p.Known {
			return false
		}
	}
	for _, s := range j.in.Servers {
		if slices.ContainsFunc(s.Probes, func(p Probe) bool { return p.Done }) {
			return false
		}
	}
	for _, l := range j.in.Logs {
		if l.Lines > 0 {
			return false
		}
	}
	return true
}

// sentence returns the verdict in a line.
func (j *judgement) sentence(verdict string) string {
	switch verdict {
	case Unknown:
		return "Nothing has been read or probed yet."
	case Fine:
		return "Everything is fine: " + j.fine() + "."
	}
	more := ""
	if n := len(j.reasons) - 1; n > 0 {
		more = fmt.Sprintf(" And %s.", plural(n, "more reason", "more reasons"))
	}
	return j.reasons[0].Sentence + more
}

// fine lists what is known to be fine.
func (j *judgement) fine() string {
	text := ""
	add := func(part string) {
		if text != "" {
			text += ", "
		}
		text += part
	}
	if up := j.nginx().Up; up != nil && *up {
		add("NGINX answers")
	}
	up, n := 0, 0
	for _, node := range j.nodes {
		if node.State == StateUp {
			up++
		}
		if node.State != StateUnknown {
			n++
		}
	}
	if n > 0 {
		add(fmt.Sprintf("%d of %s up", up, plural(n, "node is", "nodes are")))
	}
	if j.in.Requests != nil {
		window := j.in.Requests.Between(0, 5)
		total, failed := window.Outcomes.Total(), window.Outcomes.Failed()
		switch {
		case total == 0:
			add("no requests in the last 5 minutes")
		case failed == 0:
			add(fmt.Sprintf("none of %s failed in the last 5 minutes", plural(int(total), "request", "requests")))
		default:
			add(fmt.Sprintf("%d of %s failed in the last 5 minutes", failed, plural(int(total), "request", "requests")))
		}
	}
	if text == "" {
		return "nothing is wrong"
	}
	return text
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
