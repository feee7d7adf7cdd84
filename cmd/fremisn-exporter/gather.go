package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/web"
	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/probe"
)

// gather reads NGINX's status pages, the logs and the probes, and combines what a verdict depends on.
func (e *exporter) gather(ctx context.Context) (verdict.Input, web.Overview) {
	g := &gathering{
		settings: e.running(), traffic: e.collector.Traffic(ctx), servers: map[string]*verdict.Server{},
		overview: web.Overview{Probes: map[string][]web.ProbeState{}, MoreProbes: map[string]int{},
			Quotas: map[string][]web.QuotaStatus{}},
	}
	g.in = verdict.Input{Now: g.traffic.At, Config: e.reloads.problem()}
	g.addPages()
	g.addLogs()
	g.addKnownServers()
	g.addProbes(e.probes.States())
	g.addTraffic()
	g.addOutages()
	for _, address := range g.order {
		g.in.Servers = append(g.in.Servers, *g.servers[address])
	}
	g.overview.ConnectionLimit = connectionLimit(g.settings.Nginx)
	return g.in, g.overview
}

// A gathering is a call of gather in progress.
type gathering struct {
	settings *settings.Settings
	traffic  collector.Traffic
	in       verdict.Input
	overview web.Overview
	servers  map[string]*verdict.Server // by address
	order    []string
}

// connectionLimit returns how many connections NGINX can have at once, 0 if nginx.conf does not say.
func connectionLimit(conf *nginxconf.Config) int {
	if conf == nil {
		return 0
	}
	workers, err := strconv.Atoi(conf.Workers)
	if err != nil { // auto: assume that NGINX runs on this host
		workers = runtime.NumCPU()
	}
	return workers * conf.WorkerConnections
}

func (g *gathering) addPages() {
	for _, p := range g.traffic.Pages {
		page := verdict.Page{URL: p.URL, Known: true, Up: p.Err == nil}
		if p.Err != nil {
			page.Problem = p.Err.Error()
		} else {
			page.Requests = p.Stats.Requests
			page.Connections = verdict.Connections{
				Active: p.Stats.Active, Reading: p.Stats.Reading, Writing: p.Stats.Writing, Waiting: p.Stats.Waiting,
			}
		}
		g.in.Pages = append(g.in.Pages, page)
	}
}

func (g *gathering) addLogs() {
	for _, l := range g.traffic.Logs {
		g.in.Logs = append(g.in.Logs, verdict.Log{
			Name: l.Name, Path: l.Source, Lines: l.Lines, Malformed: l.Malformed, Lag: l.Lag, Problem: l.Problem,
		})
		if l.Unsaved != "" {
			g.in.State = l.Unsaved
		}
	}
}

// addresses returns those of a server or node that nginx.conf or the config gives by name, or the address itself.
func (g *gathering) addresses(given string) []string {
	if resolved := g.settings.Observed.Resolved[given]; len(resolved) > 0 {
		return resolved
	}
	return []string{given}
}

// server returns the server at an address.
func (g *gathering) server(address string) *verdict.Server {
	s := g.servers[address]
	if s == nil {
		s = &verdict.Server{Address: address, Name: g.traffic.Topology.Node(address),
			Upstream: g.traffic.Topology.Upstream(address)}
		g.servers[address] = s
		g.order = append(g.order, address)
	}
	return s
}

// addKnownServers adds the nodes of the config and the servers of nginx.conf, with their groups.
func (g *gathering) addKnownServers() {
	for _, n := range g.settings.Nodes {
		for _, address := range g.addresses(n.Address) {
			g.server(address).Name = n.Name
		}
	}
	if g.settings.Nginx == nil {
		return
	}
	for _, u := range g.settings.Nginx.Upstreams {
		group := verdict.Group{Name: u.Name}
		for _, declared := range u.Servers {
			for _, address := range g.addresses(declared.Address) {
				s := g.server(address)
				group.Servers = append(group.Servers, address)
				if s.Upstream == u.Name {
					s.Off, s.MaxConns = declared.Down, declared.MaxConns
				}
			}
		}
		g.in.Groups = append(g.in.Groups, group)
	}
}

// maxProbedServers limits the addresses that are servers only because they are probed. Failing ones come first.
const maxProbedServers = 200

func (g *gathering) addProbes(states []probe.State) {
	more := 0
	for _, failing := range []bool{true, false} {
		for i := range states { // states are large: leave them in place
			state := &states[i]
			if (state.Done && !state.Success) != failing {
				continue
			}
			for _, address := range g.addresses(state.Address) {
				if g.servers[address] == nil {
					if more++; more > maxProbedServers {
						continue
					}
				}
				g.addProbe(g.server(address), state)
			}
		}
	}
}

// maxShownProbes is how many probes a server's card shows. Failing ones come first.
const maxShownProbes = 10

func (g *gathering) addProbe(s *verdict.Server, state *probe.State) {
	if s.Name == "" {
		s.Name = state.Node
	}
	s.Probes = append(s.Probes, verdict.Probe{
		Name: state.Probe, Done: state.Done, Success: state.Success, Failures: state.Failures, Since: state.Since,
		Reason: state.Last.Reason, Sentence: state.Last.Sentence,
	})
	g.addLicence(s, state)
	if len(g.overview.Probes[s.Address]) == maxShownProbes {
		g.overview.MoreProbes[s.Address]++
		return
	}
	shown := web.ProbeState{
		Name: state.Probe, Target: state.Target, Link: web.TargetLink(state.Probe, state.Target), Done: state.Done,
		Success: state.Success, Duration: state.Last.Duration, When: state.Last.When, Sentence: state.Last.Sentence,
	}
	if state.Done {
		shown.Link += "#" + resultID(state.Last)
	}
	shown.Hour = make([]web.ProbeMinute, 0, len(state.Hour))
	for _, m := range state.Hour {
		shown.Hour = append(shown.Hour, web.ProbeMinute{Succeeded: m.Succeeded, Failed: m.Failed})
	}
	g.overview.Probes[s.Address] = append(g.overview.Probes[s.Address], shown)
}

// quotaNearlyUsed is the share of a quota from which on it is reported, as in the alert FremisnLicenceQuotaHigh.
const quotaNearlyUsed = 0.9

// addLicence adds a licence that the probe found missing, and the quotas that it read.
func (g *gathering) addLicence(s *verdict.Server, state *probe.State) {
	title := s.Name
	if title == "" {
		title = s.Address
	}
	if state.Done && state.Last.Reason == "license" {
		g.in.Licences = append(g.in.Licences, verdict.Licence{Server: s.Address, Name: state.Probe,
			Sentence: fmt.Sprintf("The licence of %s does not work: %s.", title,
				strings.TrimSuffix(state.Last.Sentence, "."))})
	}
	for _, q := range quotas(state.Numbers) {
		g.overview.Quotas[s.Address] = append(g.overview.Quotas[s.Address], q)
		if q.Limit > 0 && q.Used > quotaNearlyUsed*q.Limit {
			g.in.Licences = append(g.in.Licences, verdict.Licence{Server: s.Address, Name: state.Probe + " " + q.Name,
				Sentence: fmt.Sprintf("The licence of %s is nearly used up: %.0f of %.0f for %s.", title, q.Used,
					q.Limit, q.Name)})
		}
	}
}

// quotas pairs the used numbers with the licence's limits.
func quotas(samples []probe.Sample) []web.QuotaStatus {
	var all []web.QuotaStatus
	for _, used := range samples {
		if used.Name != "fremisn_license_used" {
			continue
		}
		for _, limit := range samples {
			if limit.Name == "fremisn_license_limit" && slices.Equal(limit.Labels, used.Labels) {
				all = append(all, web.QuotaStatus{Name: labelOf(used, "quota"), Used: used.Value, Limit: limit.Value})
			}
		}
	}
	return all
}

func labelOf(s probe.Sample, name string) string {
	for _, l := range s.Labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// addTraffic adds the requests of the access logs.
func (g *gathering) addTraffic() {
	t := &g.traffic
	if !t.Followed {
		return
	}
	requests := &requestHistory{tallies: tallies{of: &collector.Hour{}}, traffic: t}
	for i := range t.Hour.Routes {
		route := &t.Hour.Routes[i]
		requests.of.Add(route)
		g.in.Routes = append(g.in.Routes, verdict.Route{Name: route.Name, Requests: tallies{of: route}})
	}
	g.in.Requests = requests
	if !t.Limits {
		g.in.Unlogged = append(g.in.Unlogged, verdict.Limited)
	}
	if !t.Servers {
		g.in.Unlogged = append(g.in.Unlogged, verdict.NoLive)
	}
	for _, f := range t.Hour.Failures {
		g.in.Failures = append(g.in.Failures, requestOf(f))
	}
	for _, f := range t.Hour.Rescued {
		g.in.Rescued = append(g.in.Rescued, requestOf(f))
	}
	if t.Servers {
		g.addAttempts()
	}
}

// addAttempts adds the attempts on each server, and those on the others of its group.
func (g *gathering) addAttempts() {
	hours, groups := map[string]*collector.Hour{}, map[string]*collector.Hour{}
	for i := range g.traffic.Hour.Servers {
		hour := &g.traffic.Hour.Servers[i]
		tally := hour.Last(60)
		if hour.Name == "other" || hour.Name == "unknown" || g.servers[hour.Name] == nil && tally.Total() == 0 {
			continue
		}
		s := g.server(hour.Name)
		hours[s.Address] = hour
		if groups[s.Upstream] == nil {
			groups[s.Upstream] = &collector.Hour{}
		}
		groups[s.Upstream].Add(hour)
	}
	for address, s := range g.servers {
		own := hours[address]
		if own == nil {
			own = &collector.Hour{}
		}
		s.Attempts = tallies{of: own}
		if group := groups[s.Upstream]; group != nil && s.Upstream != "" {
			s.Peers = tallies{of: group, less: own}
		}
	}
}

// addOutages adds the servers that NGINX passes over.
func (g *gathering) addOutages() {
	for _, state := range g.traffic.Out {
		for _, address := range g.addresses(state.Server.Address) {
			if s := g.servers[address]; s != nil && s.Upstream == state.Server.Upstream {
				s.Out = &verdict.Out{Unavailable: state.Unavailable, Workers: state.Workers}
			}
		}
	}
	for _, o := range g.traffic.Outages {
		g.in.Outages = append(g.in.Outages, verdict.Outage{
			Upstream: o.Upstream, Server: o.Server, From: o.From, Until: o.Until, Ended: o.Ended, Logged: o.IsLogged(),
			PID: o.Cause.PID, Connection: o.Cause.Connection, Event: o.Cause.Event, Request: o.Cause.Request,
		})
	}
}

// tallies is a verdict.History: an hour, less a part of it.
type tallies struct{ of, less *collector.Hour }

// Between implements verdict.History.
func (t tallies) Between(from, to int) verdict.Window {
	tally := t.of.Between(from, to)
	if t.less != nil {
		part := t.less.Between(from, to)
		tally.Sub(&part)
	}
	w := verdict.Window{Outcomes: tally.Counts, Timed: tally.Timed(),
		Sum: time.Duration(tally.SumMillis) * time.Millisecond}
	w.P50, _ = tally.Quantile(0.5)
	w.P95, _ = tally.Quantile(0.95)
	return w
}

// A requestHistory is a verdict.Requests.
type requestHistory struct {
	tallies
	traffic *collector.Traffic
}

// Since implements verdict.Requests.
func (r *requestHistory) Since(moment time.Time) verdict.Outcomes {
	return r.traffic.Hour.RequestsSince(moment)
}

func requestOf(f collector.Failure) verdict.Request {
	r := verdict.Request{
		Time: time.UnixMilli(f.Millis), Outcome: f.Outcome, RequestID: f.RequestID, Method: f.Method, Path: f.Path,
		Code:     f.Code,
		Duration: time.Duration(max(f.Duration, 0)) * time.Millisecond, Timed: f.Duration >= 0,
	}
	for _, a := range f.Attempts {
		r.Attempts = append(r.Attempts, verdict.Attempt{
			Server: a.Server, Code: a.Code, Duration: time.Duration(max(a.Duration,
				0)) * time.Millisecond, Timed: a.Duration >= 0,
		})
	}
	return r
}
