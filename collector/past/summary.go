package past

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
)

// A summary is the counts of all workers.
type summary struct {
	reading  *reading
	fitting  uint64
	lines    LineCounts
	misfit   *misfit
	from, to int64
	hours    map[int64]*hour
	slowest  []SlowRequest
	requests map[RequestCount]uint64
	servers  map[string]*serverSum
	routes   map[string]*routeSum
	noLive   map[string]uint64
	seconds  *distribution
}

type serverSum struct {
	ServerReport
	response, header, connect *distribution
}

type routeSum struct {
	RouteReport
	duration *distribution
}

func newSummary(r *reading) *summary {
	s := &summary{
		reading: r, hours: map[int64]*hour{}, requests: map[RequestCount]uint64{}, servers: map[string]*serverSum{},
		routes: map[string]*routeSum{}, noLive: map[string]uint64{}, seconds: newDistribution(),
	}
	for _, group := range r.Settings.Topology().Groups() {
		s.noLive[group] = 0
	}
	return s
}

func (s *summary) server(name string) *serverSum {
	one := s.servers[name]
	if one == nil {
		one = &serverSum{response: newDistribution(), header: newDistribution(), connect: newDistribution()}
		one.Server, one.Outcomes, one.Codes = name, map[string]uint64{}, map[string]uint64{}
		one.Upstream, one.Node = s.reading.facts.upstream(name), s.reading.facts.topology.Node(name)
		s.servers[name] = one
	}
	return one
}

func (s *summary) route(name string) *routeSum {
	one := s.routes[name]
	if one == nil {
		one = &routeSum{duration: newDistribution()}
		one.Route, one.Outcomes = name, map[string]uint64{}
		s.routes[name] = one
	}
	return one
}

// add adds the counts of one worker.
func (s *summary) add(a *analyzer) {
	lines, counts := a.Snapshot()
	s.fitting += a.fitting
	s.lines.add(LineCounts{Parsed: lines.Parsed, Malformed: lines.Malformed, TooLong: lines.TooLong,
		WithoutTime: a.withoutTime, outside: a.outside})
	if s.misfit == nil {
		s.misfit = a.misfit
	}
	if a.to != 0 {
		if s.to == 0 || a.from < s.from {
			s.from = a.from
		}
		s.to = max(s.to, a.to)
	}
	s.slowest = slowestOf(append(s.slowest, a.slowest...))
	for from, h := range a.hours {
		s.addHour(from, h)
	}
	s.addCounters(counts)
	s.addTimes(counts)
	for server, l := range a.servers.byServer {
		one := s.server(server)
		one.response.most = max(one.response.most, l.response)
		one.header.most, one.connect.most = max(one.header.most, l.header), max(one.connect.most, l.connect)
	}
	for _, l := range a.routes {
		one := s.route(l.route)
		one.duration.most = max(one.duration.most, l.took)
		s.seconds.most = max(s.seconds.most, l.took)
	}
}

func (s *summary) addHour(from int64, h *hour) {
	into := s.hours[from]
	if into == nil {
		s.hours[from] = h
		return
	}
	into.requests += h.requests
	into.errors += h.errors
	for i, n := range h.times.counts {
		into.times.counts[i] += n
	}
}

func (s *summary) addCounters(counts *ledger.Snapshot) {
	for _, c := range counts.Counters(int(metric.Requests)) {
		s.requests[RequestCount{Route: c.Labels[0], Method: c.Labels[1], Code: c.Labels[2],
			Outcome: c.Labels[3]}] += c.Value
		r := s.route(c.Labels[0])
		r.Requests += c.Value
		r.Outcomes[c.Labels[3]] += c.Value
	}
	for _, c := range counts.Counters(int(metric.SentBytes)) {
		s.route(c.Labels[0]).Sent += c.Value
	}
	for _, c := range counts.Counters(int(metric.Attempts)) {
		one := s.server(c.Labels[0])
		one.Attempts += c.Value
		one.Codes[c.Labels[1]] += c.Value
		one.Outcomes[c.Labels[2]] += c.Value
	}
	for _, c := range counts.Counters(int(metric.Retries)) {
		if c.Value > 0 {
			s.server(c.Labels[0]).Retries += c.Value
		}
	}
	for _, c := range counts.Counters(int(metric.NoLive)) {
		s.noLive[c.Labels[0]] += c.Value
	}
}

func (s *summary) addTimes(counts *ledger.Snapshot) {
	for _, h := range counts.Histograms(int(metric.RequestDuration)) {
		s.route(h.Labels[0]).duration.add(h)
		s.seconds.add(h)
	}
	for _, h := range counts.Histograms(int(metric.ResponseDuration)) {
		s.server(h.Labels[0]).response.add(h)
	}
	for _, h := range counts.Histograms(int(metric.HeaderDuration)) {
		s.server(h.Labels[0]).header.add(h)
	}
	for _, h := range counts.Histograms(int(metric.ConnectDuration)) {
		s.server(h.Labels[0]).connect.add(h)
	}
}

// report sorts the sums into a report.
func (s *summary) report() *Report {
	r := &Report{
		Lines: s.lines, Slowest: s.slowest, seconds: s.seconds.quantiles(), asked: s.reading.asked(),
		Requests: []RequestCount{}, Servers: []ServerReport{}, Routes: []RouteReport{}, Upstreams: []UpstreamCount{},
		Hours: []Hour{},
	}
	if r.Slowest == nil {
		r.Slowest = []SlowRequest{}
	}
	if s.to != 0 {
		from, to := time.UnixMilli(s.from).UTC(), time.UnixMilli(s.to).UTC()
		r.From, r.To = &from, &to
	}
	for c, n := range s.requests {
		c.Count = n
		r.Requests = append(r.Requests, c)
	}
	slices.SortFunc(r.Requests, func(a, b RequestCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Method, b.Method),
			cmp.Compare(a.Code, b.Code), cmp.Compare(a.Outcome, b.Outcome))
	})
	s.reportServers(r)
	for _, name := range sortedKeys(s.routes) {
		one := s.routes[name]
		if one.Requests > 0 || one.Sent > 0 {
			one.Duration = one.duration.quantiles()
			r.Routes = append(r.Routes, one.RouteReport)
		}
	}
	slices.SortStableFunc(r.Routes, func(a, b RouteReport) int { return cmp.Compare(b.Requests, a.Requests) })
	for _, from := range sortedKeys(s.hours) {
		h := s.hours[from]
		r.Hours = append(r.Hours, Hour{time.UnixMilli(from).UTC(), h.requests, h.errors, h.times.quantile(0.95)})
	}
	return r
}

func (s *summary) reportServers(r *Report) {
	ofUpstream := map[string]uint64{}
	for _, one := range s.servers {
		ofUpstream[one.Upstream] += one.Attempts
	}
	for _, name := range sortedKeys(s.servers) {
		one := s.servers[name]
		if one.Attempts == 0 {
			continue
		}
		one.Share = math.Round(1e6*float64(one.Attempts)/float64(ofUpstream[one.Upstream])) / 1e6
		one.Response, one.Header, one.Connect = one.response.quantiles(), one.header.quantiles(),
			one.connect.quantiles()
		r.Servers = append(r.Servers, one.ServerReport)
	}
	slices.SortStableFunc(r.Servers, func(a, b ServerReport) int { return cmp.Compare(a.Upstream, b.Upstream) })
	for _, name := range sortedKeys(s.noLive) {
		r.Upstreams = append(r.Upstreams, UpstreamCount{name, s.noLive[name]})
	}
}
