package accesslog

import (
	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
)

// switchingProtocols is the status of a connection that was upgraded, such as a WebSocket: its times are the life of a
// connection, not the latency of an answer.
const switchingProtocols = 101

// count counts a line that fits completely.
func (c *Counter) count(r *logformat.Record) {
	if c.isStream {
		c.lines.Parsed++
		c.hour.At(r.Time)
		c.countAttempts(r, ledger.RefTo(r.IDAt, r.IDLen))
		c.countSession(r)
		return
	}
	f, route := &c.rules.formats[r.Format], c.routes.without
	if f.path {
		route = c.routes.find(r)
	}
	if c.routes.ignored(route) {
		c.lines.Ignored++
		return
	}
	c.lines.Parsed++
	var ref ledger.Ref
	if !c.whole {
		c.hour.At(r.Time)
		ref = ledger.RefTo(r.IDAt, r.IDLen)
	}
	noLive := c.countAttempts(r, ref)
	switch {
	case c.cfg.Source.Subrequests && c.rules.IsSubrequest(r):
		c.countSubrequest(r)
	case f.isTraffic():
		c.countTraffic(r, route)
	default:
		c.countRequest(r, route, c.rules.Request(r, noLive), ref)
	}
}

func (c *Counter) countRequest(r *logformat.Record, route int, result Outcome, ref ledger.Ref) {
	own := c.own.of(r)
	s := c.seriesOf(r, own, route, result)
	s.requests.Value++
	s.outcomes.Value++
	if !c.whole {
		s.hour.Add(int(result), latency(r.Millis, r.Code))
		if result != OK || r.Elements > 1 {
			c.keepFailure(r, result)
		}
	}
	if r.Millis >= 0 && r.Code != switchingProtocols {
		if s.duration == nil {
			s.duration = c.ledger.Histogram(int(metric.RequestDuration), s.with(s.route, result.String())...)
		}
		s.duration.Observe(r.Millis, ref)
	}
	c.countBytes(r, s)
	if r.LimitReq != logformat.NoWord {
		c.countWord(metric.LimitReq, r.LimitReq, own)
	}
	if r.LimitConn != logformat.NoWord {
		c.countWord(metric.LimitConn, r.LimitConn, own)
	}
	if r.Cache != logformat.NoWord {
		c.countWord(metric.Cache, r.Cache, own)
	}
	if w := c.cfg.Watcher; w != nil {
		w.Request(r, c.block, s.route, result)
	}
}

// with returns labels with the user's own labels appended.
func (s *requestSeries) with(labels ...string) []string { return append(labels, s.own...) }

func (c *Counter) countBytes(r *logformat.Record, s *requestSeries) {
	if r.Sent >= 0 {
		if s.sent == nil {
			s.sent = c.ledger.Counter(int(metric.SentBytes), s.with(s.route)...)
		}
		s.sent.Add(uint64(r.Sent))
	}
	if r.Received >= 0 {
		if s.received == nil {
			s.received = c.ledger.Counter(int(metric.ReceivedBytes), s.with(s.route)...)
		}
		s.received.Add(uint64(r.Received))
	}
}

// seriesOf returns the series of a request.
func (c *Counter) seriesOf(r *logformat.Record, own, route int, result Outcome) *requestSeries {
	code := c.rules.Code(r)
	key := requestKey(own, route, r.Method, code, result)
	if s := c.requests.get(key); s != nil {
		return s
	}
	name := c.routes.names[route]
	s := &requestSeries{key: key, route: name, own: c.own.values[own], outcome: result}
	if !c.rules.formats[r.Format].isTraffic() {
		s.hour = c.hour.Route(name)
		s.requests = c.ledger.Counter(int(metric.Requests),
			s.with(name, r.Method.String(), CodeName(code), result.String())...)
		s.outcomes = c.ledger.Counter(int(metric.AccessOutcomes), s.with(name, result.String())...)
	}
	c.requests.add(s)
	return s
}

// trafficMethod is not a method: it is the key of the series of a format that has only bytes.
const trafficMethod logformat.Method = 255

// countTraffic counts the bytes of a request that another log counts.
func (c *Counter) countTraffic(r *logformat.Record, route int) {
	r.Method = trafficMethod
	c.countBytes(r, c.seriesOf(r, c.own.of(r), route, OK))
}

// countSubrequest counts a line that is not a client's request; its attempts have been counted.
func (c *Counter) countSubrequest(r *logformat.Record) {
	if len(c.own.labels) == 0 && c.subrequests != nil {
		c.subrequests.Value++
		return
	}
	c.subrequests = c.ledger.Counter(int(metric.Subrequests), c.own.values[c.own.of(r)]...)
	c.subrequests.Value++
}

// wordCounters are the series of the statuses of limit_req, limit_conn and the cache, looked up once.
type wordCounters [3][logformat.WordCount]*ledger.Counter

// countWord counts the status of a limit or the cache.
func (c *Counter) countWord(id metric.ID, word logformat.Word, own int) {
	for own >= len(c.words) {
		c.words = append(c.words, new(wordCounters))
	}
	counter := &c.words[own][id-metric.LimitReq][word]
	if *counter == nil {
		*counter = c.ledger.Counter(int(id), append([]string{word.String()}, c.own.values[own]...)...)
	}
	(*counter).Value++
}

// countAttempts counts the attempts. It reports whether the last element is the name of a group without a usable
// server.
func (c *Counter) countAttempts(r *logformat.Record, ref ledger.Ref) (noLive bool) {
	if r.Elements == 0 {
		return false
	}
	if !c.rules.formats[r.Format].addresses {
		c.countUnknown(r, ref)
		return false
	}
	if c.parser.Generation() != c.servers.generation {
		c.clearCaches()
	}
	u := r.Upstreams
	if len(u.Elements) == 1 && u.Elements[0].Kind == logformat.Attempt {
		c.attempt(r, c.servers.first(u), 0, true, ref)
		return false
	}
	return c.countElements(r, u, ref)
}

func (c *Counter) countElements(r *logformat.Record, u *logformat.Upstreams, ref ledger.Ref) (noLive bool) {
	last := len(u.Elements) - 1
	for last >= 0 && u.Elements[last].Kind != logformat.Attempt {
		last--
	}
	for i := range u.Elements {
		e := &u.Elements[i]
		switch e.Kind {
		case logformat.Group:
			c.noLiveOf(e.Name).Value++
		case logformat.Attempt:
			server := c.servers.at(u, i)
			c.attempt(r, server, i, i == last, ref)
			if e.Retry {
				c.retry(server)
			}
		}
	}
	return u.Elements[len(u.Elements)-1].Kind == logformat.Group
}

// maxGroups limits how many names of groups are remembered.
const maxGroups = 1 << 10

// noLiveOf returns the series of a group by its name as logged.
func (c *Counter) noLiveOf(logged string) *ledger.Counter {
	if counter := c.noLive[logged]; counter != nil {
		return counter
	}
	if c.noLive == nil || len(c.noLive) == maxGroups {
		c.noLive = map[string]*ledger.Counter{}
	}
	counter := c.ledger.Counter(int(metric.NoLive), c.groupName(logged))
	c.noLive[logged] = counter
	return counter
}

func (c *Counter) groupName(logged string) string {
	if c.cfg.GroupName == nil {
		return logged
	}
	return c.cfg.GroupName(logged)
}

// countUnknown counts attempts of a format without addresses.
func (c *Counter) countUnknown(r *logformat.Record, ref ledger.Ref) {
	server := c.servers.named(UnknownServer)
	for i := range r.Elements {
		c.attempt(r, server, i, i == r.Elements-1, ref)
		if r.Separator(i) == ',' {
			c.retry(server)
		}
	}
}

// attempt counts element i on its server.
func (c *Counter) attempt(r *logformat.Record, server *serverSeries, i int, last bool, ref ledger.Ref) {
	code, result := c.rules.Attempt(r, i, last)
	a := server.attempts(c.ledger, code, result)
	a.attempts.Value++
	a.outcomes.Value++
	ms := r.At(logformat.UpstreamResponseTime, i)
	if !c.whole {
		server.hour.AddAttempt(int(result), latency(ms, code), a.answered)
		if a.answered {
			c.markAnswer(server)
		}
	}
	if ms >= 0 && code != switchingProtocols {
		if a.times.response == nil {
			a.times.response = c.ledger.Histogram(int(metric.ResponseDuration), server.name, result.String())
		}
		a.times.response.Observe(ms, ref)
	}
	if ms := r.At(logformat.UpstreamHeaderTime, i); ms >= 0 {
		if a.times.header == nil {
			a.times.header = c.ledger.Histogram(int(metric.HeaderDuration), server.name, result.String())
		}
		a.times.header.Observe(ms, ref)
	}
	if ms := r.At(logformat.UpstreamConnectTime, i); ms >= 0 {
		if a.times.connect == nil {
			a.times.connect = c.ledger.Histogram(int(metric.ConnectDuration), server.name, result.String())
		}
		a.times.connect.Observe(ms, ref)
	}
	c.attemptBytes(r, server, i)
}

func (c *Counter) attemptBytes(r *logformat.Record, server *serverSeries, i int) {
	if n := r.At(logformat.UpstreamBytesSent, i); n >= 0 {
		if server.sent == nil {
			server.sent = c.ledger.Counter(int(metric.UpstreamSentBytes), server.name)
		}
		server.sent.Add(uint64(n))
	}
	f := &c.rules.formats[r.Format]
	if !f.hasReceived {
		return
	}
	if n := r.At(f.received, i); n >= 0 {
		if server.received == nil {
			server.received = c.ledger.Counter(int(metric.UpstreamReceivedBytes), server.name)
		}
		server.received.Add(uint64(n))
	}
}

func (c *Counter) retry(server *serverSeries) {
	if server.retries == nil {
		server.retries = c.ledger.Counter(int(metric.Retries), server.name)
	}
	server.retries.Value++
}
