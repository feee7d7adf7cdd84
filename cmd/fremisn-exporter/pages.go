package main

import (
	"context"
	"fmt"
	"math"
	"sort"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/web"
	"github.com/fremisn/fremisn-exporter/probe"
)

// targets is the probes page: every target with its results. Their logs and phases are worked out for those that are
// shown alone.
func (e *exporter) targets() []web.Target {
	var targets []web.Target
	for _, h := range e.probes.History() {
		t := web.Target{Probe: h.Probe, Target: h.Target, Node: h.Node, Module: h.Module, Interval: h.Interval, Recent: h.Recent}
		for _, r := range h.Results {
			t.Results = append(t.Results, web.Result{ID: resultID(r), When: r.When, Success: r.Success, Reason: r.Reason, Sentence: r.Sentence, Duration: r.Duration})
		}
		t.Detail = func(i int) ([]web.Phase, string) { return phaseBars(h.Results[i]), h.Results[i].WithLog().Log }
		targets = append(targets, t)
	}
	return targets
}

func resultID(r probe.Result) string { return fmt.Sprintf("p%d", r.ID) }

func phaseBars(r probe.Result) (bars []web.Phase) {
	var before time.Duration
	for _, p := range r.Phases {
		bars = append(bars, web.Phase{Name: p.Name, Duration: p.Duration, Start: percent(before, r.Duration), Width: percent(p.Duration, r.Duration)})
		before += p.Duration
	}
	return bars
}

func percent(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return min(100, 100*float64(part)/float64(whole))
}

// overview is the landing page: every node that is named, probed or seen in a log.
func (e *exporter) overview(ctx context.Context) web.Overview {
	s := e.running()
	rows := nodeRows{byAddress: map[string]*web.NodeRow{}}
	for _, n := range s.Nodes {
		rows.at(n.Address).Name = n.Name
	}
	if s.Nginx != nil {
		for _, u := range s.Nginx.Upstreams {
			for _, server := range u.Servers {
				rows.at(server.Address)
			}
		}
	}
	for _, h := range e.probes.History() {
		address := h.Address
		row := rows.at(address)
		state := web.ProbeState{Name: h.Probe, Target: h.Target}
		if len(h.Results) > 0 {
			r := h.Results[0]
			state.Done, state.Success, state.Duration, state.When, state.Sentence = true, r.Success, r.Duration, r.When, r.Sentence
			state.Link = web.TargetLink(h.Probe, h.Target) + "#" + resultID(r)
		}
		row.Probes = append(row.Probes, state)
	}
	families, err := e.scrapes.Families(ctx)
	if err != nil {
		return web.Overview{Nodes: rows.sorted()}
	}
	byName := map[string]*dto.MetricFamily{}
	for _, f := range families {
		byName[f.GetName()] = f
	}
	rows.addTraffic(byName)
	o := web.Overview{Nodes: rows.sorted(), Logs: e.logRows(byName)}
	o.Verdict = overviewVerdict(o, byName["nginx_up"].GetMetric())
	return o
}

// nodeRows are the cards of the landing page by server address.
type nodeRows struct {
	byAddress map[string]*web.NodeRow
	order     []string
}

func (n *nodeRows) at(address string) *web.NodeRow {
	row := n.byAddress[address]
	if row == nil {
		row = &web.NodeRow{Address: address}
		n.byAddress[address] = row
		n.order = append(n.order, address)
	}
	return row
}

func (n *nodeRows) sorted() []web.NodeRow {
	var rows []web.NodeRow
	for _, address := range n.order {
		rows = append(rows, *n.byAddress[address])
	}
	return rows
}

// addTraffic adds what the access logs tell.
func (n *nodeRows) addTraffic(families map[string]*dto.MetricFamily) {
	for _, m := range families["nginx_upstream_attempts_total"].GetMetric() {
		row := n.at(label(m, "server"))
		row.Attempts += m.GetCounter().GetValue()
		if label(m, "outcome") != "ok" {
			row.Errors += m.GetCounter().GetValue()
		}
	}
	for _, m := range families["nginx_upstream_retries_total"].GetMetric() {
		n.at(label(m, "server")).Retries += m.GetCounter().GetValue()
	}
	times := map[string][]*dto.Histogram{}
	for _, m := range families["nginx_upstream_response_duration_seconds"].GetMetric() {
		times[label(m, "server")] = append(times[label(m, "server")], m.GetHistogram())
	}
	for server, histograms := range times {
		row := n.at(server)
		row.P50, row.P95 = quantile(0.5, histograms), quantile(0.95, histograms)
	}
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// quantile is Prometheus' histogram_quantile over the classic buckets of several histograms with the same bounds.
func quantile(q float64, histograms []*dto.Histogram) time.Duration {
	upTo := map[float64]float64{}
	total := 0.0
	for _, h := range histograms {
		for _, b := range h.GetBucket() {
			if !math.IsInf(b.GetUpperBound(), 1) {
				upTo[b.GetUpperBound()] += float64(b.GetCumulativeCount())
			}
		}
		total += float64(h.GetSampleCount())
	}
	bounds := make([]float64, 0, len(upTo))
	for bound := range upTo {
		bounds = append(bounds, bound)
	}
	sort.Float64s(bounds)
	rank, below, lower := q*total, 0.0, 0.0
	for _, bound := range bounds {
		if n := upTo[bound]; n >= rank && n > below {
			return seconds(lower + (bound-lower)*(rank-below)/(n-below))
		}
		below, lower = upTo[bound], bound
	}
	return seconds(lower)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (e *exporter) logRows(families map[string]*dto.MetricFamily) []web.LogRow {
	var rows []web.LogRow
	for _, status := range e.collector.Logs() {
		row := web.LogRow{Name: status.Name, Path: status.Source, From: status.From, Problem: status.Problem, LagBytes: float64(status.Lag)}
		for _, m := range families["fremisn_exporter_log_lines_total"].GetMetric() {
			if label(m, "log") != status.Name {
				continue
			}
			row.Lines += m.GetCounter().GetValue()
			if label(m, "result") != "parsed" {
				row.Malformed += m.GetCounter().GetValue()
			}
		}
		rows = append(rows, row)
	}
	return rows
}
