package verdict

import (
	"encoding/json"
	"time"
)

// The verdicts.
const (
	Fine     = "fine"
	Degraded = "degraded"
	Down     = "down"
	Unknown  = "unknown"
)

// A Status answers "is it fine now?" for GET /api/v1/status. Times are in UTC, durations in seconds; what is not
// logged or not known is null.
type Status struct {
	Verdict  string                    `json:"verdict"`
	Since    time.Time                 `json:"since"`
	Sentence string                    `json:"sentence"`
	Reasons  []Reason                  `json:"reasons"`
	NGINX    NGINX                     `json:"nginx"`
	Windows  map[string]*RequestWindow `json:"windows"`
	Nodes    []Node                    `json:"nodes"`
	Routes   []RouteStatus             `json:"routes"`
	Failures []FailedRequest           `json:"failures"`
	Logs     []LogStatus               `json:"logs"`
}

// A Reason says why a verdict is not fine.
type Reason struct {
	Kind     string    `json:"kind"`
	Severity string    `json:"severity"` // critical if it alone makes the verdict down, otherwise warning
	Upstream string    `json:"upstream"`
	Server   string    `json:"server"`
	Node     string    `json:"node"`
	Sentence string    `json:"sentence"`
	Since    time.Time `json:"since"`
	Subject  string    `json:"subject,omitempty"` // the log, status page or request that it is about, if any
}

// The kinds of reasons.
const (
	KindNGINXDown      = "nginx_down"
	KindNodeDown       = "node_down"
	KindNodeFailing    = "node_failing"
	KindNodeSlow       = "node_slow"
	KindTakenOut       = "taken_out"
	KindSaturated      = "saturated"
	KindLimited        = "limited"
	KindLogUnread      = "log_unread"
	KindStateNotSaved  = "state_not_saved"
	KindLicence        = "licence"
	KindConfig         = "config"
	KindPoison         = "poison_request"
	KindRequestsFailed = "requests_failed"
)

// The severities of reasons.
const (
	Warning  = "warning"
	Critical = "critical"
)

// NGINX combines its status pages.
type NGINX struct {
	Up                *bool        `json:"up"`
	Connections       *Connections `json:"connections"`
	RequestsPerSecond *float64     `json:"requests_per_second"`
}

// A RequestWindow is the requests of clients in some minutes.
type RequestWindow struct {
	Requests uint64          `json:"requests"`
	Rate     float64         `json:"rate"` // a second
	Outcomes RequestOutcomes `json:"outcomes"`
	P50      *float64        `json:"p50"`
	P95      *float64        `json:"p95"`
}

// RequestOutcomes count requests by outcome. What the log_format does not have is missing here, and null in JSON.
type RequestOutcomes map[string]uint64

// MarshalJSON names every outcome.
func (o RequestOutcomes) MarshalJSON() ([]byte, error) {
	all := map[string]*uint64{}
	for _, name := range outcomeNames {
		all[name] = nil
		if n, logged := o[name]; logged {
			all[name] = &n
		}
	}
	return json.Marshal(all)
}

// A Node is a server behind NGINX.
type Node struct {
	Name     string                 `json:"name"`
	Server   string                 `json:"server"`
	Upstream string                 `json:"upstream"`
	State    string                 `json:"state"`
	Sentence string                 `json:"sentence"`
	Since    time.Time              `json:"since"`
	Probe    *ProbeStatus           `json:"probe"` // null if it is not probed
	Windows  map[string]*NodeWindow `json:"windows"`
	MaxConns *int                   `json:"max_conns"` // null for no limit
	History  []Minute               `json:"history"`   // the last hour, the oldest minute first
	Slow     bool                   `json:"slow"`
	LastOut  *OutStatus             `json:"last_out"` // the latest time in which NGINX passed it over
}

// The states of a node.
const (
	StateUp       = "up"
	StateFailing  = "failing"
	StateDown     = "down"
	StateTakenOut = "taken_out"
	StateOff      = "off"
	StateUnknown  = "unknown"
)

// Title returns the node's name, or its address if it has none.
func (n *Node) Title() string { return titleOf(n.Name, n.Server) }

func titleOf(name, server string) string {
	if name == "" {
		return server
	}
	return name
}

// A ProbeStatus is the worst of a node's probes.
type ProbeStatus struct {
	Success  *bool     `json:"success"` // null before the first has finished
	Since    time.Time `json:"since,omitzero"`
	Sentence string    `json:"sentence"`
}

// A NodeWindow is the attempts on a node in some minutes.
type NodeWindow struct {
	Attempts uint64            `json:"attempts"`
	Outcomes map[string]uint64 `json:"outcomes"`
	P50      *float64          `json:"p50"`
	P95      *float64          `json:"p95"`
	Share    *float64          `json:"share"` // of the attempts of its upstream
	Busy     *float64          `json:"busy"`  // mean number of busy slots
}

// A Minute is one minute of the last hour.
type Minute struct {
	At       time.Time `json:"at"`
	Attempts uint64    `json:"attempts"`
	Errors   uint64    `json:"errors"` // errors and timeouts
}

// An OutStatus is a time in which NGINX passed a node over.
type OutStatus struct {
	From     time.Time  `json:"from"`
	To       *time.Time `json:"to"` // null if it has not ended
	Sentence string     `json:"sentence"`
}

// A RouteStatus is the requests of clients to a route.
type RouteStatus struct {
	Route   string                    `json:"route"`
	Windows map[string]*RequestWindow `json:"windows"`
}

// A FailedRequest is an example of a failed request.
type FailedRequest struct {
	Time      time.Time       `json:"time"`
	Outcome   string          `json:"outcome"`
	RequestID string          `json:"request_id"`
	Method    string          `json:"method"`
	Path      string          `json:"path"`
	Code      int             `json:"code"`
	Duration  *float64        `json:"duration"`
	Attempts  []AttemptStatus `json:"attempts"`
}

// An AttemptStatus is one server's part in a request.
type AttemptStatus struct {
	Server   string   `json:"server"`
	Node     string   `json:"node"`
	Code     *int     `json:"code"`
	Duration *float64 `json:"duration"`
}

// A LogStatus is a log that is followed.
type LogStatus struct {
	Name      string `json:"name"`
	Path      string `json:"path"`
	Lines     uint64 `json:"lines"`
	Malformed uint64 `json:"malformed"`
	LagBytes  int64  `json:"lag_bytes"`
	Problem   string `json:"problem"`
}

// An Incident is a time in which the verdict was not fine, for GET /api/v1/incidents.
type Incident struct {
	From     time.Time         `json:"from"`
	To       *time.Time        `json:"to"` // null if it has not ended
	Verdict  string            `json:"verdict"`
	Sentence string            `json:"sentence"`
	Reasons  []Reason          `json:"reasons"`
	Failed   map[string]uint64 `json:"failed"`
	Requests []FailedRequest   `json:"requests"`
}
