package verdict_test

import (
	"fmt"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
)

var start = time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC)

// minutes is a History by the minute, the last first.
type minutes []verdict.Window

func (m minutes) Between(from, to int) verdict.Window {
	var sum verdict.Window
	for _, w := range m[min(from, len(m)):min(to, len(m))] {
		for i, n := range w.Outcomes {
			sum.Outcomes[i] += n
		}
		sum.Timed += w.Timed
		sum.Sum += w.Sum
		sum.P50, sum.P95 = max(sum.P50, w.P50), max(sum.P95, w.P95)
	}
	return sum
}

func (m minutes) Since(moment time.Time) verdict.Outcomes {
	back := int(start.Sub(moment)/time.Minute) + 1
	return m.Between(0, max(1, back)).Outcomes
}

// window is a minute of so many answered and failed, with a p95.
func window(ok, failed uint64, p95 time.Duration) verdict.Window {
	var w verdict.Window
	w.Outcomes[verdict.OK], w.Outcomes[verdict.Error] = ok, failed
	w.Timed, w.P50, w.P95, w.Sum = ok+failed, p95/2, p95, time.Duration(ok+failed)*p95/2
	return w
}

func requests(outcome int, n, ok uint64) minutes {
	var w verdict.Window
	w.Outcomes[verdict.OK] = ok
	w.Outcomes[outcome] += n
	return minutes{w}
}

var green = []verdict.Probe{{Name: "health", Done: true, Success: true, Since: start.Add(-time.Hour)}}

func red(failures int, reason string) []verdict.Probe {
	return []verdict.Probe{{
		Name: "health", Done: true, Failures: failures, Since: start.Add(-time.Minute), Reason: reason,
		Sentence: "the connection was refused",
	}}
}

// healthy is three nodes under light traffic.
func healthy() verdict.Input {
	in := verdict.Input{
		Now:      start,
		Pages:    []verdict.Page{{URL: "http://127.0.0.1:8080/", Known: true, Up: true, Requests: 100}},
		Groups:   []verdict.Group{{Name: "app"}},
		Requests: requests(verdict.OK, 0, 300),
		Logs:     []verdict.Log{{Name: "access", Lines: 300}},
	}
	for i, name := range []string{"master", "slave-1", "slave-2"} {
		address := fmt.Sprintf("127.0.0.%d:80", i+1)
		in.Groups[0].Servers = append(in.Groups[0].Servers, address)
		in.Servers = append(in.Servers, verdict.Server{
			Address: address, Name: name, Upstream: "app", MaxConns: 1, Probes: green, Out: &verdict.Out{},
			Attempts: minutes{window(100, 0, 50*time.Millisecond), window(100, 0, 50*time.Millisecond)},
			Peers:    minutes{window(200, 0, 50*time.Millisecond), window(200, 0, 50*time.Millisecond)},
		})
	}
	return in
}

func takeOut(in *verdict.Input, servers ...int) {
	for _, i := range servers {
		in.Servers[i].Out = &verdict.Out{Unavailable: true, Workers: 1}
		in.Outages = append(in.Outages, verdict.Outage{
			Upstream: "app", Server: in.Servers[i].Address, From: start.Add(-5 * time.Second),
			Until: start.Add(5 * time.Second),
			PID:   7, Connection: int64(100 + i), Event: "read_timeout", Request: "POST /v1/face/enrollment",
		})
	}
}
