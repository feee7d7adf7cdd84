package accesslog

import (
	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/internal/recent"
)

// Series caches map a combination of values to its series in the ledger, so that a line costs a few loads and no
// lookup of labels. They are bounded and may be dropped at any time. A series is created when it first counts
// something, never before.

// requestSeries are the series of requests of one route, method, status and outcome.
type requestSeries struct {
	key                uint64
	route              string
	own                []string // values of the user's own labels
	outcome            Outcome
	requests, outcomes *ledger.Counter
	duration           *ledger.Histogram
	sent, received     *ledger.Counter
	hour               *recent.Series
}

// A requestCache is a hash table with open addressing; its length is a power of two.
type requestCache struct {
	table []*requestSeries
	count int
}

const maxRequestSeries = 1 << 13

func newRequestCache() requestCache { return requestCache{table: make([]*requestSeries, 64)} }

func requestKey(own, route int, method logformat.Method, code int64, result Outcome) uint64 {
	return uint64(own)<<48 | uint64(route)<<32 | uint64(uint16(code))<<16 | uint64(method)<<8 | uint64(result)
}

// get returns the series with this key, or nil.
func (c *requestCache) get(key uint64) *requestSeries {
	for slot := c.slot(key); ; slot++ {
		s := c.table[slot&uint64(len(c.table)-1)]
		if s == nil || s.key == key {
			return s
		}
	}
}

func (c *requestCache) slot(key uint64) uint64 {
	return key * 0x9e3779b97f4a7c15 >> 32 & uint64(len(c.table)-1)
}

func (c *requestCache) add(s *requestSeries) {
	if c.count == maxRequestSeries {
		*c = newRequestCache()
	}
	if 2*c.count >= len(c.table) {
		c.grow()
	}
	c.insert(s)
	c.count++
}

func (c *requestCache) grow() {
	old := c.table
	c.table = make([]*requestSeries, 2*len(old))
	for _, s := range old {
		if s != nil {
			c.insert(s)
		}
	}
}

func (c *requestCache) insert(s *requestSeries) {
	slot := c.slot(s.key)
	for c.table[slot] != nil {
		slot = (slot + 1) & uint64(len(c.table)-1)
	}
	c.table[slot] = s
}

// serverSeries are the series of the attempts on one server.
type serverSeries struct {
	name                    string
	codes                   []*attemptSeries
	byCode                  [32]*attemptSeries // the last of each remainder of a status
	retries, sent, received *ledger.Counter
	hour                    *recent.Series
	answered                int64 // the last second in which it did, Unix time
}

// attemptSeries are the series of attempts on one server with one status. Statuses of one outcome share all but the
// first series.
type attemptSeries struct {
	code     int64
	outcome  Outcome
	attempts *ledger.Counter
	outcomes *ledger.Counter
	times    *timeSeries
	answered bool // NGINX considers such an attempt successful
}

type timeSeries struct{ response, header, connect *ledger.Histogram }

// attempts returns the series of attempts with this status.
func (s *serverSeries) attempts(l *ledger.Ledger, code int64, result Outcome) *attemptSeries {
	last := &s.byCode[uint64(code)%uint64(len(s.byCode))]
	if a := *last; a != nil && a.code == code && a.outcome == result {
		return a
	}
	*last = s.find(l, code, result)
	return *last
}

func (s *serverSeries) find(l *ledger.Ledger, code int64, result Outcome) *attemptSeries {
	for _, a := range s.codes {
		if a.code == code && a.outcome == result {
			return a
		}
	}
	a := &attemptSeries{code: code, outcome: result, times: &timeSeries{}, answered: isAnswer(code, result)}
	a.attempts = l.Counter(int(metric.Attempts), s.name, CodeName(code), result.String())
	a.outcomes = l.Counter(int(metric.UpstreamOutcomes), s.name, result.String())
	for _, other := range s.codes {
		if other.outcome == result {
			a.times = other.times
		}
	}
	s.codes = append(s.codes, a)
	return a
}

// A serverCache holds the series of servers, by the parser's number for a value of $upstream_addr.
type serverCache struct {
	window     *recent.Window
	generation int
	byName     map[string]*serverSeries
	byID       [][]*serverSeries // of each value its elements, nil for those that are not attempts
}

func newServerCache(w *recent.Window, generation int) serverCache {
	return serverCache{window: w, generation: generation, byName: map[string]*serverSeries{}}
}

// first returns the series of the only element of u.
func (c *serverCache) first(u *logformat.Upstreams) *serverSeries {
	if uint(u.ID) < uint(len(c.byID)) {
		if series := c.byID[u.ID]; series != nil {
			return series[0]
		}
	}
	return c.at(u, 0)
}

// at returns the series of element i of u.
func (c *serverCache) at(u *logformat.Upstreams, i int) *serverSeries {
	if u.ID < 0 {
		return c.named(u.Elements[i].Name)
	}
	if u.ID >= len(c.byID) || c.byID[u.ID] == nil {
		c.insert(u)
	}
	return c.byID[u.ID][i]
}

func (c *serverCache) insert(u *logformat.Upstreams) {
	series := make([]*serverSeries, len(u.Elements))
	for i := range series {
		if u.Elements[i].Kind == logformat.Attempt {
			series[i] = c.named(u.Elements[i].Name)
		}
	}
	for u.ID >= len(c.byID) {
		c.byID = append(c.byID, nil)
	}
	c.byID[u.ID] = series
}

// maxServers limits the names, not the series in use at one moment.
const maxServers = 1 << 13

// named returns the series of a server.
func (c *serverCache) named(name string) *serverSeries {
	if s := c.byName[name]; s != nil {
		return s
	}
	if len(c.byName) == maxServers {
		clear(c.byName)
		c.byID = nil
	}
	s := &serverSeries{name: name, hour: c.window.Server(name)}
	c.byName[name] = s
	return s
}
