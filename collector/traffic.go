package collector

import (
	"context"
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
	Hour     *recent.Snapshot // of all access logs; without series if none is followed
	Out      []takenout.State // which servers NGINX passes over
	Outages  []Outage         // the latest times in which it did, the latest last
	Topology *source.Topology
}

// A PageStatus is the answer of a status page.
type PageStatus struct {
	URL   string // masked
	Stats stubstatus.Stats
	Err   error // why there is no answer
}

// Traffic reads all status pages and all logs, and returns what they answer within ctx. A log that has not answered by
// then is missing in it, as at a scrape.
func (c *Collector) Traffic(ctx context.Context) Traffic {
	now := c.observed()
	t := Traffic{At: time.Now(), Topology: now.topology, Followed: len(now.logsOf(source.Access)) > 0}
	t.Pages = make([]PageStatus, len(now.status.pages))
	views := make([]logView, len(now.logs))
	var asking sync.WaitGroup
	for i, p := range now.status.pages {
		asking.Go(func() {
			stats, err := p.stats.ask(ctx)
			t.Pages[i] = PageStatus{URL: p.name, Stats: stats, Err: err}
		})
	}
	for i, f := range now.logs {
		asking.Go(func() { views[i] = f.look(ctx) })
	}
	asking.Wait()
	t.Logs = c.Logs()
	var hours []*recent.Snapshot
	for i, v := range views {
		if v.hour != nil {
			hours = append(hours, v.hour)
		}
		t.Out = append(t.Out, v.out...)
		t.Outages = append(t.Outages, v.outages...)
		t.Servers = t.Servers || v.servers
		t.setLines(now.logs[i].source.Name, v.lines)
	}
	t.Out = mergeStates(t.Out)
	t.Hour = recent.Merge(hours)
	t.Hour.At = t.At
	return t
}

func (t *Traffic) setLines(log string, lines ledger.Lines) {
	for i := range t.Logs {
		if t.Logs[i].Name == log {
			t.Logs[i].Lines = lines.Parsed + lines.Malformed + lines.TooLong + lines.Ignored
			t.Logs[i].Malformed = lines.Malformed + lines.TooLong
		}
	}
}

// A logView is the last hour of one log.
type logView struct {
	lines   ledger.Lines
	servers bool // it has the servers that answered
	hour    *recent.Snapshot
	out     []takenout.State
	outages []Outage
}

// look asks the goroutine that owns the log. If that does not answer in time, its last answer is good enough.
func (f *followed) look(ctx context.Context) logView {
	v, err := f.view.ask(ctx)
	if err != nil {
		return f.view.lastGood()
	}
	return v
}

// viewTask returns work that reads a log's last hour once everything written before is counted.
func viewTask(p *follow.Pipeline) func(ctx context.Context) (logView, error) {
	return func(ctx context.Context) (logView, error) {
		answer := make(chan logView, 1)
		if err := p.Look(ctx, func(c follow.Counter) { answer <- viewOf(c, time.Now()) }); err != nil {
			return logView{}, err
		}
		return <-answer, nil
	}
}

func viewOf(c follow.Counter, now time.Time) logView {
	switch c := c.(type) {
	case *accesslog.Counter:
		return logView{lines: c.LineCounts(), servers: c.HasServers(), hour: c.Hour(now.UnixMilli())}
	case *errorlog.Counter:
		return logView{lines: c.LineCounts(), out: c.TakenOut(now), outages: c.Outages()}
	}
	return logView{}
}

// Remember saves the state of another part of the program, under a name of its own, beside positions and counters.
// Without a storage path it does nothing.
func (c *Collector) Remember(name string, data []byte) error {
	if c.state == nil {
		return nil
	}
	return c.state.WriteBeside(name, data)
}

// Recall returns what Remember has saved under a name, or nil.
func (c *Collector) Recall(name string) ([]byte, error) {
	if c.state == nil {
		return nil, nil
	}
	return c.state.ReadBeside(name)
}
