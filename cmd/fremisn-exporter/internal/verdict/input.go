package verdict

import "time"

// An Input is everything that a verdict depends on, at one moment.
type Input struct {
	Now      time.Time
	Pages    []Page    // NGINX's status pages
	Servers  []Server  // every server in nginx.conf, every node, every address that is probed or logged
	Groups   []Group   // of nginx.conf
	Requests Requests  // of all access logs; nil if none is followed
	Routes   []Route   // of all access logs
	Unlogged []int     // outcomes that no access log can have, for its format lacks their variables
	Failures []Request // the latest failed requests
	Rescued  []Request // the latest that failed on a server and were answered by another
	Outages  []Outage  // the latest times in which NGINX passed a server over
	Logs     []Log
	Licences []Licence
	Config   string // the fault of the configuration; "" if there is none
	State    string // why positions and counters are not saved; "" if they are
}

// Outcomes count requests or attempts by their outcome.
type Outcomes [7]uint64

// The outcomes, in the order of collector.Outcomes.
const (
	OK = iota
	Error
	Timeout
	Aborted
	ClientError
	NoLive
	Limited
)

var outcomeNames = [len(Outcomes{})]string{"ok", "error", "timeout", "aborted", "client_error", "no_live", "limited"}

// OutcomeNames returns the outcomes' labels, in their order.
func OutcomeNames() []string { return outcomeNames[:] }

// Total returns the sum of all outcomes.
func (o Outcomes) Total() uint64 {
	var sum uint64
	for _, n := range o {
		sum += n
	}
	return sum
}

// Failed returns the number of failures. A client that leaves is not a failure.
func (o Outcomes) Failed() uint64 { return o[Error] + o[Timeout] + o[NoLive] }

func (o Outcomes) plus(other Outcomes) Outcomes {
	for i, n := range other {
		o[i] += n
	}
	return o
}

func (o Outcomes) minus(other Outcomes) Outcomes {
	for i, n := range other {
		o[i] -= min(o[i], n)
	}
	return o
}

// A Window is what happened in a span of time.
type Window struct {
	Outcomes Outcomes
	Timed    uint64        // the number with a duration; 0 if the log has none
	Sum      time.Duration // of their durations
	P50, P95 time.Duration // of their durations
}

// A History is the last hour of a server or a route. Time is counted back from the Input's time.
type History interface {
	// Between returns what happened from one minute to another, exclusive: 0 and 1 are the last minute.
	Between(from, to int) Window
}

// Requests are the last hour of all requests.
type Requests interface {
	History
	// Since returns the outcomes from a time on, rounded down to ten seconds.
	Since(moment time.Time) Outcomes
}

// A Page is a status page of NGINX.
type Page struct {
	URL         string // masked
	Known       bool   // it was asked
	Up          bool
	Problem     string // why it does not answer
	Connections Connections
	Requests    uint64 // since NGINX started
}

// Connections are those of a status page.
type Connections struct {
	Active  uint64 `json:"active"`
	Reading uint64 `json:"reading"`
	Writing uint64 `json:"writing"`
	Waiting uint64 `json:"waiting"`
}

// A Group is an upstream of nginx.conf.
type Group struct {
	Name    string
	Servers []string // addresses
}

// A Server is one address behind NGINX.
type Server struct {
	Address  string
	Name     string // of the node; "" for none
	Upstream string // the first group that holds it; "" for none
	Off      bool   // down in nginx.conf
	MaxConns int    // 0 for no limit
	Probes   []Probe
	Attempts History // nil if no access log has requests to it
	Peers    History // of the other servers of its group; nil for none
	Out      *Out    // nil if unknown
}

// A Probe is the state of one probe of a server.
type Probe struct {
	Name     string
	Done     bool // it has finished at least once
	Success  bool
	Failures int       // in a row
	Since    time.Time // when it began to succeed, or to fail
	Reason   string    // of a failure, as the label of probe_failures_total
	Sentence string    // of a failure
}

// An Out says whether NGINX passes a server over.
type Out struct {
	Unavailable bool
	Workers     int // how many workers pass it over
}

// A Route is one value of the label route.
type Route struct {
	Name     string
	Requests History
}

// A Request is a failed request.
type Request struct {
	Time      time.Time
	Outcome   int
	RequestID string
	Method    string
	Path      string // without the query
	Code      int    // 0 if unknown
	Duration  time.Duration
	Timed     bool // the duration is known
	Attempts  []Attempt
}

// An Attempt is one server's part in a Request.
type Attempt struct {
	Server   string
	Code     int // 0 for none
	Duration time.Duration
	Timed    bool
}

// An Outage is a time in which NGINX passed a server over.
type Outage struct {
	Upstream, Server string
	From             time.Time
	Until            time.Time // the end of fail_timeout
	Ended            time.Time // when it was back; zero before
	Logged           bool      // NGINX itself logged it
	PID              int       // of the worker, and
	Connection       int64     // of the client, of the failure that caused it
	Event            string    // of that failure
	Request          string    // its method and path
}

// A Log is an access, error or stream log that is followed.
type Log struct {
	Name, Path string
	Lines      uint64 // that were read, malformed ones included
	Malformed  uint64
	Lag        int64  // bytes
	Problem    string // why it cannot be read
}

// A Licence is a node whose licence has a problem.
type Licence struct {
	Server, Name string
	Sentence     string
}
