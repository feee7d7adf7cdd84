package past

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"
)

// A Report is the result of analyze. Times are RFC 3339 in UTC, durations seconds; unknown values are null.
type Report struct {
	From      *time.Time      `json:"from"`
	To        *time.Time      `json:"to"`
	Lines     LineCounts      `json:"lines"`
	Requests  []RequestCount  `json:"requests"`
	Servers   []ServerReport  `json:"servers"`
	Routes    []RouteReport   `json:"routes"`
	Upstreams []UpstreamCount `json:"upstreams"`
	Slowest   []SlowRequest   `json:"slowest"`
	Hours     []Hour          `json:"hours"`

	seconds Quantiles // of all requests, for the text
	asked   string    // that was asked for, "" if none was
}

// LineCounts are lines by result.
type LineCounts struct {
	Parsed      uint64 `json:"parsed"`
	Malformed   uint64 `json:"malformed"`
	TooLong     uint64 `json:"too_long"`
	WithoutTime uint64 `json:"without_time"` // excluded under --since and --until

	outside uint64 // lines that fit, before --since or after --until
}

// A RequestCount is a series of nginx_access_requests_total.
type RequestCount struct {
	Route   string `json:"route"`
	Method  string `json:"method"`
	Code    string `json:"code"`
	Outcome string `json:"outcome"`
	Count   uint64 `json:"count"`
}

// A ServerReport is the attempts on a server.
type ServerReport struct {
	Upstream string            `json:"upstream"`
	Server   string            `json:"server"`
	Node     string            `json:"node"`
	Attempts uint64            `json:"attempts"`
	Share    float64           `json:"share"` // of the attempts of its upstream
	Outcomes map[string]uint64 `json:"outcomes"`
	Codes    map[string]uint64 `json:"codes"`
	Retries  uint64            `json:"retries"`
	Response Quantiles         `json:"response"`
	Header   Quantiles         `json:"header"`
	Connect  Quantiles         `json:"connect"`
}

// A RouteReport is the requests of a route.
type RouteReport struct {
	Route    string            `json:"route"`
	Requests uint64            `json:"requests"`
	Outcomes map[string]uint64 `json:"outcomes"`
	Duration Quantiles         `json:"duration"`
	Sent     uint64            `json:"sent_bytes"`
}

// An UpstreamCount is how often no server of a group could be picked.
type UpstreamCount struct {
	Upstream string `json:"upstream"`
	NoLive   uint64 `json:"no_live"`
}

// Quantiles are of durations in seconds, within 5 %; count, sum and max are exact. Without a duration they are null.
type Quantiles struct {
	Count uint64   `json:"count"`
	Sum   float64  `json:"sum"`
	P50   *float64 `json:"p50"`
	P90   *float64 `json:"p90"`
	P99   *float64 `json:"p99"`
	Max   *float64 `json:"max"`
}

// A SlowRequest is one of the ten slowest.
type SlowRequest struct {
	Time      *time.Time    `json:"time"`
	RequestID string        `json:"request_id"`
	Method    string        `json:"method"`
	Path      string        `json:"path"` // without its query
	Code      string        `json:"code"`
	Duration  float64       `json:"duration"`
	Attempts  []SlowAttempt `json:"attempts"`
}

// A SlowAttempt is one attempt of such a request.
type SlowAttempt struct {
	Server   string   `json:"server"`
	Code     string   `json:"code"`
	Duration *float64 `json:"duration"`
}

// An Hour is the requests that ended in it.
type Hour struct {
	From     time.Time `json:"from"`
	Requests uint64    `json:"requests"`
	Errors   uint64    `json:"errors"` // outcome error, timeout or no_live
	P95      *float64  `json:"p95"`
}

// JSON writes the report.
func (r *Report) JSON(w io.Writer) error { return writeJSON(w, r) }

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// outcomes are those of requests, in the order of display; those of attempts are among them.
func outcomes() []string {
	return []string{"ok", "client_error", "error", "timeout", "aborted", "no_live", "limited"}
}

func attemptOutcomes() []string { return []string{"ok", "error", "timeout", "aborted"} }

// CSV writes a table of servers and one of routes, each with its own header.
func (r *Report) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := []string{"table", "name", "upstream", "server", "node", "attempts", "share"}
	head = append(head, attemptOutcomes()...)
	head = append(head, "retries", "codes")
	for _, of := range []string{"response", "header", "connect"} {
		head = append(head, quantileHeads(of)...)
	}
	out.Write(head)
	for i := range r.Servers {
		out.Write(r.Servers[i].row())
	}
	head = append([]string{"table", "name", "requests"}, outcomes()...)
	head = append(append(head, quantileHeads("duration")...), "sent_bytes")
	out.Write(head)
	for i := range r.Routes {
		out.Write(r.Routes[i].row())
	}
	out.Flush()
	return out.Error()
}

func (s *ServerReport) row() []string {
	name := s.Node
	if name == "" {
		name = s.Server
	}
	row := []string{"servers", name, s.Upstream, s.Server, s.Node, digits(s.Attempts), strconv.FormatFloat(s.Share, 'f',
		4, 64)}
	for _, o := range attemptOutcomes() {
		row = append(row, digits(s.Outcomes[o]))
	}
	row = append(row, digits(s.Retries), strings.Join(codeCounts(s.Codes), " "))
	for _, q := range []*Quantiles{&s.Response, &s.Header, &s.Connect} {
		row = append(row, q.row()...)
	}
	return row
}

func (s *RouteReport) row() []string {
	row := []string{"routes", s.Route, digits(s.Requests)}
	for _, o := range outcomes() {
		row = append(row, digits(s.Outcomes[o]))
	}
	return append(append(row, s.Duration.row()...), digits(s.Sent))
}

func quantileHeads(of string) []string {
	var heads []string
	for _, name := range []string{"count", "sum", "p50", "p90", "p99", "max"} {
		heads = append(heads, of+"_"+name)
	}
	return heads
}

func (q *Quantiles) row() []string {
	row := []string{digits(q.Count), strconv.FormatFloat(q.Sum, 'f', 3, 64)}
	for _, p := range []*float64{q.P50, q.P90, q.P99, q.Max} {
		text := ""
		if p != nil {
			text = strconv.FormatFloat(*p, 'f', -1, 64)
		}
		row = append(row, text)
	}
	return row
}

// codeCounts returns text such as "200:3155", the most frequent first.
func codeCounts(codes map[string]uint64) []string {
	names := make([]string, 0, len(codes))
	for name := range codes {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		if a, b := codes[names[i]], codes[names[j]]; a != b {
			return a > b
		}
		return names[i] < names[j]
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s:%d", name, codes[name])
	}
	return names
}

func digits(n uint64) string { return strconv.FormatUint(n, 10) }
