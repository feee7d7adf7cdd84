package collector

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/accesslog"
	"github.com/fremisn/fremisn-exporter/collector/internal/errorlog"
	"github.com/fremisn/fremisn-exporter/collector/internal/follow"
	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/recent"
	"github.com/fremisn/fremisn-exporter/collector/internal/stubstatus"
	"github.com/fremisn/fremisn-exporter/collector/internal/takenout"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// The sources of the last hour.
type (
	Hour    = recent.Hour
	Tally   = recent.Tally
	Failure = recent.Failure
	Outage  = takenout.Outage
)

// Outcomes are the labels of the outcomes, by their index in a Tally.
func Outcomes() []string {
	var names []string
	for o := range accesslog.Outcome(recent.Outcomes) {
		names = append(names, o.String())
	}
	return names
}

// Traffic is the last hour of NGINX's status pages and logs.
type Traffic struct {
	At       time.Time
	Pages    []PageStatus
	Logs     []LogStatus
	Followed bool             // an access log is followed
	Servers  bool             // one of them has the servers that answered
	Limits   bool             // one of them has the requests that limits rejected
	Hour     *recent.Snapshot // of all access logs; without series if none is followed
	Out      []takenout.State // which servers NGINX passes over
	Outages  []Outage         // the latest times in which it did, the latest last
	Topology *source.Topology
}

// A PageStatus is the answer of a status page.
type PageStatus struct {
	URL   string // masked
	Stats stubstatus.Stats
	Err   error // why no answer came
}

// Traffic reads all status pages and all logs, and returns what they answer within ctx. A log that has not answered by
// then is missing in it, as at a scrape.
func (c *Collector) Traffic(ctx context.Context) Traffic {
	now := c.observed()
	t := Traffic{At: time.Now(), Topology: now.topology, Followed: len(now.logsOf(source.Access)) > 0}
	t.Pages = make([]PageStatus, len(now.status.pages))
	summaries := make([]logSummary, len(now.logs))
	still := c.askStill(ctx)
	var asking sync.WaitGroup
	for i, p := range now.status.pages {
		asking.Go(func() {
			stats, err := p.stats.ask(ctx)
			t.Pages[i] = PageStatus{URL: p.name, Stats: stats, Err: err}
		})
	}
	for i, f := range now.logs {
		if v := f.summary.lastValid(); v.holds(f, still) {
			summaries[i] = v
			continue
		}
		asking.Go(func() { summaries[i] = f.look(ctx) })
	}
	asking.Wait()
	t.Logs = c.Logs()
	var hours []*recent.Snapshot
	lines := map[string]ledger.Lines{}
	for i, v := range summaries {
		if v.hour != nil {
			hours = append(hours, v.hour)
		}
		t.Out = append(t.Out, v.out...)
		t.Outages = append(t.Outages, v.outages...)
		t.Servers = t.Servers || v.servers
		t.Limits = t.Limits || v.limits
		lines[now.logs[i].source.Name] = v.lines
	}
	t.setLines(lines)
	t.Out = mergeStates(t.Out)
	t.Hour = recent.Merge(hours)
	t.Hour.At = t.At
	return t
}

// setLines sets how many lines each log has, by its name.
func (t *Traffic) setLines(lines map[string]ledger.Lines) {
	for i := range t.Logs {
		n := lines[t.Logs[i].Name]
		t.Logs[i].Lines = n.Parsed + n.Malformed + n.TooLong + n.Ignored
		t.Logs[i].Malformed = n.Malformed + n.TooLong
	}
}

// A logSummary is the last hour of one log.
type logSummary struct {
	lines   ledger.Lines
	servers bool // it has the servers that answered
	limits  bool // it has the requests that limits rejected
	hour    *recent.Snapshot
	out     []takenout.State
	outages []Outage

	of      *follow.Snapshot // the last one then: nil, where there was none
	isStill bool             // it stays so while nothing is written: time changes nothing in it
}

// holds reports whether a log would say the same again.
func (v *logSummary) holds(f *followed, still stillLogs) bool {
	return v.isStill && still[f.pipeline] && v.of == f.pipeline.Last()
}

// look asks the goroutine that owns the log. If that does not answer in time, its last answer is good enough.
func (f *followed) look(ctx context.Context) logSummary {
	v, err := f.summary.ask(ctx)
	if err != nil {
		return f.summary.lastValid()
	}
	return v
}

// summaryTask returns work that reads a log's last hour once everything written before is counted.
func summaryTask(p *follow.Pipeline) func(ctx context.Context) (logSummary, error) {
	return func(ctx context.Context) (logSummary, error) {
		answer := make(chan logSummary, 1)
		if err := p.Inspect(ctx, func(c follow.Counter) {
			v := summaryOf(c, time.Now())
			v.of = p.Last()
			answer <- v
		}); err != nil {
			return logSummary{}, err
		}
		return <-answer, nil
	}
}

func summaryOf(c follow.Counter, now time.Time) logSummary {
	switch c := c.(type) {
	case *accesslog.Counter:
		hour := c.Hour(now.UnixMilli())
		return logSummary{lines: c.LineCounts(), servers: c.HasServers(), limits: c.HasLimits(), hour: hour,
			isStill: hour.IsEmpty()}
	case *errorlog.Counter:
		out := c.TakenOut(now)
		isOut := slices.ContainsFunc(out, func(s takenout.State) bool { return s.Unavailable })
		return logSummary{lines: c.LineCounts(), out: out, outages: c.Outages(), isStill: !isOut}
	}
	return logSummary{}
}

// Remember saves the state of another part of the program, under a name of its own, beside positions and counters.
// Without a storage path it does nothing.
func (c *Collector) Remember(name string, data []byte) error {
	if c.state == nil {
		return nil
	}
	return c.state.WriteBeside(name, data)
}

// Recall returns what Remember has saved under a name, or nil. It waits only a while for a disk.
func (c *Collector) Recall(name string) ([]byte, error) {
	if c.state == nil {
		return nil, nil
	}
	return within(noteWait, func() ([]byte, error) { return c.state.ReadBeside(name) })
}
