package past

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/accesslog"
	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// Analyze reads logs and reports what happened in them. Problems are files that could not be read,
// and malformed lines.
func Analyze(ctx context.Context, o Options) (report *Report, problems []error, err error) {
	r, err := newReading(o)
	if err != nil {
		return nil, nil, err
	}
	defer r.close()
	analyzers := newByWorker(r.workers, func(f *formats) *analyzer { return newAnalyzer(r, f) })
	if problems, err = r.run(ctx, func(worker int, f *formats) visitor { return analyzers.of(worker, f) }); err != nil {
		return nil, nil, err
	}
	sum := newSummary(r)
	for _, a := range analyzers.all() {
		sum.add(a)
	}
	if sum.fitting == 0 {
		return nil, problems, r.nothing(problems, sum.misfit, sum.lines)
	}
	return sum.report(), append(problems, r.malformed(sum.lines, sum.misfit)...), nil
}

// slowestKept is how many of the slowest requests are reported.
const slowestKept = 10

// An analyzer counts the lines of one worker as serve does, and records what no counter keeps: the times, the longest
// durations, the slowest requests.
type analyzer struct {
	*accesslog.Counter
	reading *reading

	fitting     uint64 // lines
	withoutTime uint64
	outside     uint64 // of the bounds
	misfit      *misfit
	formats     *formats
	from, to    int64 // Unix milliseconds, 0 if no line has a time
	hours       map[int64]*hour
	current     *hour
	currentFrom int64
	slowest     []SlowRequest
	threshold   int64 // milliseconds: faster requests are not among the slowest
	servers     longestTimes
	routes      []longestOf
}

// An hour is the requests that ended in it.
type hour struct {
	requests, errors uint64
	times            hourTimes
}

// longestOf is the longest request of a route.
type longestOf struct {
	route string
	took  int64
}

const hourMillis = 3_600_000

// maxSeries limits what one worker counts, in series as Prometheus has them: several thousand histograms.
const maxSeries = 1_000_000

func newAnalyzer(r *reading, f *formats) *analyzer {
	a := &analyzer{reading: r, formats: f, hours: map[int64]*hour{}, threshold: -1, servers: newLongestTimes()}
	var err error
	a.Counter, err = accesslog.New(r.counting(f, fineBounds(), maxSeries, a))
	if err != nil {
		panic("past: a format that was compiled before does not compile: " + err.Error())
	}
	return a
}

// counting is the configuration of a Counter of complete logs.
func (r *reading) counting(f *formats, buckets []float64, maxSeries int, w accesslog.Watcher) accesslog.Config {
	limitReq, limitConn := r.Settings.LimitStatuses()
	return accesslog.Config{
		Source:  source.LogSource{Name: f.log, Formats: f.list, Subrequests: f.subrequests, Programs: &r.compiled},
		Routes:  r.Settings.Routes,
		Buckets: buckets, MaxSeries: maxSeries,
		LimitReqStatus: limitReq, LimitConnStatus: limitConn, Watcher: w, GroupName: r.facts.topology.GroupName,
	}
}

// Accept implements accesslog.Watcher.
func (a *analyzer) Accept(r *logformat.Record) bool {
	a.fitting++
	if at := r.Time; at != 0 {
		if a.reading.bounded() && !a.reading.within(at) {
			a.outside++
			return false
		}
		if at > a.to {
			a.to = at
		}
		if a.from == 0 || at < a.from {
			a.from = at
		}
	} else if a.reading.bounded() {
		a.withoutTime++
		return false
	}
	a.servers.add(r)
	return true
}

// Refuse implements accesslog.Watcher.
func (a *analyzer) Refuse(line []byte) {
	if a.misfit == nil {
		a.misfit = newMisfit(a.formats, line)
	}
}

// Request implements accesslog.Watcher.
func (a *analyzer) Request(r *logformat.Record, block []byte, route string, result accesslog.Outcome) {
	took := r.Millis
	if r.Code == 101 {
		took = -1
	}
	if r.Time != 0 {
		h := a.hourOf(r.Time)
		h.requests++
		if result == accesslog.Failed || result == accesslog.Timeout || result == accesslog.NoLive {
			h.errors++
		}
		if took >= 0 {
			h.times.add(took)
		}
	}
	if took < 0 {
		return
	}
	if took > a.threshold {
		a.keep(r, block)
	}
	for i := range a.routes {
		if l := &a.routes[i]; l.route == route {
			l.took = max(l.took, took)
			return
		}
	}
	a.routes = append(a.routes, longestOf{route, took})
}

// maxHours bounds the hours of one worker: ten years.
const maxHours = 10 * 366 * 24

func (a *analyzer) hourOf(at int64) *hour {
	if a.current != nil && uint64(at-a.currentFrom) < hourMillis {
		return a.current
	}
	from := floorDiv(at, hourMillis) * hourMillis
	h := a.hours[from]
	if h == nil {
		h = &hour{}
		if len(a.hours) < maxHours {
			a.hours[from] = h
		}
	}
	a.current, a.currentFrom = h, from
	return h
}

// keep keeps one of the slowest requests.
func (a *analyzer) keep(r *logformat.Record, block []byte) {
	s := SlowRequest{
		Method: r.Method.String(), Path: plain(ledger.LabelText(r.Path())),
		Code:      accesslog.CodeName(a.Rules().Code(r)),
		Duration:  float64(r.Millis) / 1000,
		RequestID: plain(string(block[r.IDAt : r.IDAt+r.IDLen])), Attempts: []SlowAttempt{},
	}
	if r.Time != 0 {
		at := time.UnixMilli(r.Time).UTC()
		s.Time = &at
	}
	last := lastAttempt(r)
	for i := range r.Elements {
		name := accesslog.UnknownServer
		if r.Upstreams != nil {
			e := &r.Upstreams.Elements[i]
			if name = e.Name; e.Kind != logformat.Attempt {
				continue
			}
		}
		code, _ := a.Rules().Attempt(r, i, i == last)
		attempt := SlowAttempt{Server: name, Code: accesslog.CodeName(code)}
		if ms := r.At(logformat.UpstreamResponseTime, i); ms >= 0 {
			seconds := float64(ms) / 1000
			attempt.Duration = &seconds
		}
		s.Attempts = append(s.Attempts, attempt)
	}
	a.slowest = slowestOf(append(a.slowest, s))
	if len(a.slowest) == slowestKept {
		a.threshold = r.Millis
		for _, other := range a.slowest {
			a.threshold = min(a.threshold, int64(other.Duration*1000+0.5))
		}
	}
}

// slowestOf are the slowest of a list, the slowest first; of equal ones the earlier.
func slowestOf(list []SlowRequest) []SlowRequest {
	slices.SortStableFunc(list, func(a, b SlowRequest) int {
		if c := cmp.Compare(b.Duration, a.Duration); c != 0 || a.Time == nil || b.Time == nil {
			return c
		}
		return a.Time.Compare(*b.Time)
	})
	return list[:min(len(list), slowestKept)]
}
