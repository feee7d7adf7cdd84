package main

import (
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/web"
)

func TestVerdict(t *testing.T) {
	pages := func(up ...float64) []*dto.Metric {
		var all []*dto.Metric
		for _, v := range up {
			all = append(all, &dto.Metric{Gauge: &dto.Gauge{Value: &v}})
		}
		return all
	}
	node := func(name string, done, success bool) web.NodeRow {
		return web.NodeRow{Name: name, Probes: []web.ProbeState{{Done: done, Success: success}}}
	}
	read, unread := web.LogRow{Name: "access"}, web.LogRow{Name: "error", Problem: "may not be read"}
	for _, c := range []struct {
		name  string
		o     web.Overview
		pages []*dto.Metric
		want  web.Verdict
	}{
		{"nothing", web.Overview{}, nil, web.Verdict{Class: "wait", Sentence: "Nothing is known yet."}},
		{"not yet probed", web.Overview{Nodes: []web.NodeRow{node("a", false, false)}}, nil, web.Verdict{Class: "wait", Sentence: "Nothing is known yet."}},
		{"all well", web.Overview{Nodes: []web.NodeRow{node("a", true, true), node("b", true, true)}, Logs: []web.LogRow{read}}, pages(1),
			web.Verdict{Class: "good", Sentence: "NGINX answers, 2 of 2 nodes are up, every log is read."}},
		{"one down", web.Overview{Nodes: []web.NodeRow{node("a", true, false), node("b", true, true), {Address: "10.0.0.1:80"}}, Logs: []web.LogRow{read}}, pages(1),
			web.Verdict{Class: "bad", Sentence: "1 of 2 nodes down: a."}},
		{"all down", web.Overview{Nodes: []web.NodeRow{node("a", true, false), node("b", true, false)}}, pages(1),
			web.Verdict{Class: "bad", Sentence: "No node answers its probes as it should."}},
		{"NGINX gone and a log unread", web.Overview{Nodes: []web.NodeRow{node("a", true, true)}, Logs: []web.LogRow{read, unread}}, pages(0),
			web.Verdict{Class: "bad", Sentence: "NGINX does not answer, log error cannot be read."}},
		{"one page of two", web.Overview{}, pages(0, 1), web.Verdict{Class: "bad", Sentence: "1 of 2 status pages of NGINX do not answer."}},
	} {
		if got := overviewVerdict(c.o, c.pages); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
