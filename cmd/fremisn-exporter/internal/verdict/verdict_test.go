package verdict_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
)

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*verdict.Input)
		verdict string
		reasons string // kind:severity:node of each, in order
		says    string // a part of the verdict's sentence
	}{
		{"healthy", func(in *verdict.Input) {}, "fine", "", "3 of 3 nodes are up, none of 300 requests failed"},
		{"nothing yet", func(in *verdict.Input) { *in = verdict.Input{Now: start} }, "unknown", "",
			"Nothing has been read"},
		{"NGINX down", func(in *verdict.Input) {
			in.Pages[0].Up, in.Pages[0].Problem = false, "connection refused"
		}, "down", "nginx_down:critical:", "NGINX does not answer"},
		{"one of two pages down", func(in *verdict.Input) {
			in.Pages = append(in.Pages, verdict.Page{URL: "http://127.0.0.1:8082/", Known: true})
		}, "degraded", "nginx_down:warning:", "8082"},
		{"one node down", func(in *verdict.Input) { in.Servers[1].Probes = red(2, "connect") },
			"degraded", "node_down:warning:slave-1", "slave-1 is down. Its probe health has failed since 13:59:00 " +
				"UTC: the connection was refused."},
		{"one failed probe is not yet a node down",
			func(in *verdict.Input) { in.Servers[1].Probes = red(1, "connect") }, "fine", "", ""},
		{"all nodes down", func(in *verdict.Input) {
			for i := range in.Servers {
				in.Servers[i].Probes = red(2, "connect")
			}
		}, "down", "node_down:critical:master node_down:critical:slave-1 node_down:critical:slave-2", "master is down"},
		{"down and out makes the group unusable", func(in *verdict.Input) {
			in.Servers[0].Probes, in.Servers[1].Off = red(2, "connect"), true
			takeOut(in, 2)
		}, "down", "node_down:critical:master taken_out:critical:slave-2", "master"},
		{"all marked down", func(in *verdict.Input) {
			for i := range in.Servers {
				in.Servers[i].Off = true
			}
		}, "down", "node_down:critical:", "marked down in nginx.conf"},
		{"gray node", func(in *verdict.Input) {
			in.Servers[2].Attempts = minutes{window(95, 5, time.Millisecond)}
		}, "degraded", "node_failing:warning:slave-2", "slave-2 fails real requests: 5 of 100 attempts"},
		{"four failures are not a gray node", func(in *verdict.Input) {
			in.Servers[2].Attempts = minutes{window(6, 4, time.Millisecond)}
		}, "fine", "", ""},
		{"less than 5 % is not a gray node", func(in *verdict.Input) {
			in.Servers[2].Attempts = minutes{window(1000, 10, time.Millisecond)}
		}, "fine", "", ""},
		{"slow node", func(in *verdict.Input) {
			in.Servers[0].Attempts = minutes{window(20, 0, 300*time.Millisecond), window(20, 0, 100*time.Millisecond)}
		}, "degraded", "node_slow:warning:master", "master is slow: 95 % of its attempts in the last minute took up " +
			"to 300 ms"},
		{"all became slow: no node is slow alone", func(in *verdict.Input) {
			for i := range in.Servers {
				in.Servers[i].Attempts = minutes{window(100, 0, time.Second), window(100, 0, 50*time.Millisecond)}
				in.Servers[i].Peers = in.Servers[i].Attempts
			}
		}, "fine", "", ""},
		{"always slower than its peers: that is how it is", func(in *verdict.Input) {
			in.Servers[0].Attempts = minutes{window(100, 0, time.Second), window(100, 0, time.Second)}
		}, "fine", "", ""},
		{"too few attempts to call it slow", func(in *verdict.Input) {
			in.Servers[0].Attempts = minutes{window(19, 0, time.Second), window(100, 0, 50*time.Millisecond)}
		}, "fine", "", ""},
		{"taken out", func(in *verdict.Input) { takeOut(in, 1) }, "degraded", "taken_out:warning:slave-1",
			"It was taken out at 13:59:55 UTC after a timeout on POST /v1/face/enrollment, until at least 14:00:05 " +
				"UTC; its probes succeed."},
		{"saturated", func(in *verdict.Input) { in.Requests = requests(verdict.NoLive, 1, 99) }, "degraded",
			"saturated:warning:",
			"NGINX found no free server for 1 of 100 requests in the last minute: every slot (max_conns) was busy."},
		{"saturated beside a node that is down", func(in *verdict.Input) {
			in.Requests, in.Servers[1].Probes = requests(verdict.NoLive, 1, 99), red(2, "connect")
		}, "degraded", "node_down:warning:slave-1 saturated:warning:", "slave-1 is down"},
		{"nodes of which nothing is known", func(in *verdict.Input) {
			for i := range in.Servers {
				in.Servers[i].Probes, in.Servers[i].Attempts = nil, nil
			}
		}, "fine", "", "Everything is fine: NGINX answers, none of 300 requests failed in the last 5 minutes."},
		{"limited", func(in *verdict.Input) { in.Requests = requests(verdict.Limited, 10, 90) }, "degraded",
			"limited:warning:", "rejected 10 of 100"},
		{"a few limited", func(in *verdict.Input) { in.Requests = requests(verdict.Limited, 9, 91) }, "fine", "", ""},
		{"half failed", func(in *verdict.Input) { in.Requests = requests(verdict.Timeout, 5, 5) }, "down",
			"requests_failed:critical:", "5 of 10 requests failed"},
		{"four of four failed", func(in *verdict.Input) { in.Requests = requests(verdict.Timeout, 4, 0) }, "fine", "",
			""},
		{"clients that leave are nobody's failure",
			func(in *verdict.Input) { in.Requests = requests(verdict.Aborted, 90, 10) }, "fine", "", ""},
		{"unreadable log", func(in *verdict.Input) { in.Logs[0].Problem = "permission denied" }, "degraded",
			"log_unread:warning:", "The log access cannot be read: permission denied."},
		{"state not saved", func(in *verdict.Input) { in.State = "no space left on device" }, "degraded",
			"state_not_saved:warning:", "no space left"},
		{"licence", func(in *verdict.Input) {
			in.Servers[0].Probes = red(9, "license")
			in.Licences = []verdict.Licence{{Server: in.Servers[0].Address,
				Sentence: "The licence of master is not initialized."}}
		}, "degraded", "licence:warning:master", "licence of master"},
		{"config", func(in *verdict.Input) { in.Config = "nginx.conf:3: unexpected end" }, "degraded",
			"config:warning:", "nginx.conf:3"},
		{"poison request", func(in *verdict.Input) {
			takeOut(in, 0, 1, 2)
			for i := range in.Outages {
				in.Outages[i].Connection = 42
			}
			in.Requests = requests(verdict.NoLive, 50, 10)
			in.Failures = []verdict.Request{{
				Time: start.Add(-4 * time.Second), Outcome: verdict.Timeout, RequestID: "9f3c", Method: "POST",
				Path: "/v1/face/enrollment",
				Code: 504, Duration: time.Second, Timed: true, Attempts: []verdict.Attempt{{Server: "127.0.0.1:80"},
					{Server: "127.0.0.2:80"}, {Server: "127.0.0.3:80"}},
			}}
		}, "down", "poison_request:critical: requests_failed:critical: taken_out:critical:master " +
			"taken_out:critical:slave-1 taken_out:critical:slave-2 saturated:warning:",
			"One request (POST /v1/face/enrollment, request 9f3c) failed on master, slave-1 and slave-2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := healthy()
			c.change(&in)
			status := verdict.New().Judge(in)
			var reasons []string
			for _, r := range status.Reasons {
				reasons = append(reasons, r.Kind+":"+r.Severity+":"+r.Node)
			}
			if got := strings.Join(reasons, " "); status.Verdict != c.verdict || got != c.reasons {
				t.Errorf("%s because %q, want %s because %q", status.Verdict, got, c.verdict, c.reasons)
			}
			if !strings.Contains(status.Sentence, c.says) {
				t.Errorf("the sentence is %q, want %q in it", status.Sentence, c.says)
			}
		})
	}
}

func TestStatesOfANode(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*verdict.Server)
		state  string
	}{
		{"up", func(*verdict.Server) {}, "up"},
		{"off before down", func(s *verdict.Server) { s.Off, s.Probes = true, red(3, "connect") }, "off"},
		{"down before taken out", func(s *verdict.Server) { s.Out.Unavailable, s.Probes = true, red(3, "connect") },
			"down"},
		{"taken out before failing", func(s *verdict.Server) {
			s.Out.Unavailable = true
			s.Attempts = minutes{window(1, 50, 0)}
		}, "taken_out"},
		{"failing", func(s *verdict.Server) { s.Attempts = minutes{window(1, 50, 0)} }, "failing"},
		{"not probed, but busy", func(s *verdict.Server) { s.Probes = nil }, "up"},
		{"unknown", func(s *verdict.Server) { s.Probes, s.Attempts = nil, nil }, "unknown"},
		{"a failed licence probe does not make a node down", func(s *verdict.Server) { s.Probes = red(3, "license") },
			"up"},
	} {
		in := healthy()
		c.change(&in.Servers[0])
		if node := verdict.New().Judge(in).Nodes[0]; node.State != c.state || node.Sentence == "" {
			t.Errorf("%s: state %q (%s), want %q", c.name, node.State, node.Sentence, c.state)
		}
	}
}

func TestSlowEndsAMinuteAfterBothAreOver(t *testing.T) {
	engine := verdict.New()
	slowAt := func(second int, own, peers time.Duration) bool {
		in := healthy()
		in.Now = start.Add(time.Duration(second) * time.Second)
		in.Servers[0].Attempts = minutes{window(100, 0, own), window(100, 0, 50*time.Millisecond)}
		in.Servers[0].Peers = minutes{window(100, 0, peers)}
		return engine.Judge(in).Nodes[0].Slow
	}
	fast, slow := 50*time.Millisecond, 500*time.Millisecond
	for _, step := range []struct {
		second     int
		own, peers time.Duration
		want       bool
	}{
		{0, fast, fast, false},
		{10, slow, fast, true},
		{100, slow, slow, true},                   // slower than itself before: it continues
		{200, 140 * time.Millisecond, fast, true}, // slower than its peers: it continues
		{210, fast, fast, true},                   // over, but not for a minute
		{259, fast, fast, true},
		{260, fast, fast, false},
		{270, slow, slow, false}, // both must hold for it to begin
	} {
		if got := slowAt(step.second, step.own, step.peers); got != step.want {
			t.Errorf("second %d: slow %v, want %v", step.second, got, step.want)
		}
	}
}

func TestMalformedLinesOfFiveMinutes(t *testing.T) {
	engine := verdict.New()
	at := func(second int, lines, malformed uint64) string {
		in := healthy()
		in.Now = start.Add(time.Duration(second) * time.Second)
		in.Logs[0].Lines, in.Logs[0].Malformed = lines, malformed
		return engine.Judge(in).Verdict
	}
	for _, step := range []struct {
		second           int
		lines, malformed uint64
		want             string
	}{
		{0, 1000, 500, "fine"},      // what was before is not of now
		{10, 1100, 500, "fine"},     //
		{20, 1200, 501, "fine"},     // 1 of 200
		{30, 1250, 503, "degraded"}, // 3 of 250
		{340, 2000, 503, "fine"},    // all of it is more than five minutes ago
	} {
		if got := at(step.second, step.lines, step.malformed); got != step.want {
			t.Errorf("second %d: %s, want %s", step.second, got, step.want)
		}
	}
}

func TestNumbersOfTheStatus(t *testing.T) {
	engine := verdict.New()
	in := healthy()
	engine.Judge(in)
	in.Now = start.Add(10 * time.Second)
	in.Pages[0].Requests = 150
	in.Pages[0].Connections = verdict.Connections{Active: 3, Waiting: 2}
	status := engine.Judge(in)
	if r := status.NGINX.RequestsPerSecond; r == nil || *r != 5 {
		t.Errorf("requests a second: %v, want 5", r)
	}
	if c := status.NGINX.Connections; c == nil || c.Active != 3 {
		t.Errorf("connections: %+v", c)
	}
	if w := status.Windows["1m"]; w.Requests != 300 || w.Rate != 5 || w.Outcomes["ok"] != 300 || w.P95 != nil {
		t.Errorf("the last minute: %+v", w)
	}
	w := status.Nodes[0].Windows["1m"]
	if w.Attempts != 100 || *w.Share != 1./3 || *w.P95 != 0.05 || *w.Busy != 2.5/60 {
		t.Errorf("the last minute of a node: %+v, share %g, p95 %g, busy %g", w, *w.Share, *w.P95, *w.Busy)
	}
	if h := status.Nodes[0].History; len(h) != 60 || h[59].Attempts != 100 ||
		!h[59].At.Equal(in.Now.Add(-time.Minute)) {
		t.Errorf("history: %d minutes, the last %+v", len(h), h[len(h)-1])
	}
	in.Requests, in.Servers[0].Attempts = nil, nil
	in.Pages[0] = verdict.Page{URL: "x"}
	text, err := json.Marshal(engine.Judge(in))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"windows":{"1h":null,"1m":null,"5m":null}`, `"up":null`, `"connections":null`,
		`"requests_per_second":null`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("what is not known is not null: %s is missing in %s", want, text)
		}
	}
}

func TestSinceHoldsUntilItChanges(t *testing.T) {
	engine := verdict.New()
	in := healthy()
	for _, step := range []struct {
		second int
		gray   bool
		since  int
	}{{0, false, 0}, {10, false, 0}, {20, true, 20}, {30, true, 20}, {40, false, 40}} {
		in.Now = start.Add(time.Duration(step.second) * time.Second)
		in.Servers[0].Attempts = minutes{window(100, 0, 0)}
		if step.gray {
			in.Servers[0].Attempts = minutes{window(50, 50, 0)}
		}
		status := engine.Judge(in)
		want := start.Add(time.Duration(step.since) * time.Second)
		if !status.Since.Equal(want) || step.gray && (!status.Reasons[0].Since.Equal(want) ||
			!status.Nodes[0].Since.Equal(want)) {
			t.Errorf("second %d: since %v, want %v (%+v)", step.second, status.Since, want, status.Reasons)
		}
	}
}

func TestIncidents(t *testing.T) {
	engine := verdict.New()
	in := healthy()
	engine.Judge(in)
	in.Requests = requests(verdict.Timeout, 30, 10)
	for i := range 40 {
		in.Failures = append(in.Failures, verdict.Request{
			Time: start, Outcome: verdict.Timeout, RequestID: fmt.Sprint(i), Method: "GET", Path: "/x", Code: 504,
			Timed:    true,
			Duration: time.Duration(i) * time.Second, Attempts: []verdict.Attempt{{Server: "127.0.0.1:80", Code: 504}},
		})
	}
	in.Failures = append(in.Failures, verdict.Request{Time: start.Add(-time.Hour), RequestID: "old",
		Duration: time.Hour, Timed: true})
	in.Now = start.Add(10 * time.Second)
	engine.Judge(in)
	in.Servers[1].Probes = red(2, "connect")
	engine.Judge(in)

	// It continues after a restart.
	saved, err := engine.Save()
	if err != nil {
		t.Fatal(err)
	}
	engine = verdict.New()
	if err := engine.Load(saved); err != nil {
		t.Fatal(err)
	}
	if incidents := engine.Incidents(); len(incidents) != 1 || incidents[0].To != nil {
		t.Fatalf("after a restart: %+v", incidents)
	}
	in = healthy()
	in.Now = start.Add(30 * time.Second)
	engine.Judge(in)
	incident := engine.Incidents()[0]
	if incident.Verdict != "down" || !incident.From.Equal(start.Add(10*time.Second)) || incident.To == nil ||
		!incident.To.Equal(in.Now) {
		t.Errorf("%+v", incident)
	}
	if kinds := fmt.Sprintln(incident.Reasons[0].Kind, incident.Reasons[1].Kind,
		len(incident.Reasons)); kinds != "requests_failed node_down 2\n" {
		t.Errorf("reasons: %s", kinds)
	}
	if len(incident.Requests) != 20 || incident.Requests[0].RequestID != "39" ||
		incident.Requests[19].RequestID != "20" {
		t.Errorf("the worst requests are not the 20 longest: %+v", incident.Requests)
	}
	if a := incident.Requests[0].Attempts[0]; a.Node != "master" || *a.Code != 504 {
		t.Errorf("attempt: %+v", a)
	}
}

func TestAHundredIncidentsAreKept(t *testing.T) {
	engine := verdict.New()
	for i := range 250 {
		in := healthy()
		in.Now = start.Add(time.Duration(i) * time.Minute)
		if i%2 == 1 {
			in.State = "disk full"
		}
		engine.Judge(in)
	}
	incidents := engine.Incidents()
	if len(incidents) != 100 || !incidents[0].From.Equal(start.Add(249*time.Minute)) {
		t.Errorf("%d incidents are kept, the latest from %v", len(incidents), incidents[0].From)
	}
}

// An incident that is longer than what the last hour holds counts all of its failures.
func TestFailuresOfALongIncident(t *testing.T) {
	engine := verdict.New()
	log := &growing{}
	for second := 0; second < 3*3600; second += 10 {
		log.now = second / 10
		in := healthy()
		in.Now = start.Add(time.Duration(second) * time.Second)
		in.Requests = log
		in.State = "disk full"
		engine.Judge(in)
	}
	want := uint64(3*360 + 6) // and the minute before it was seen
	if got := engine.Incidents()[0].Failed["error"]; got < want-1 || got > want+1 {
		t.Errorf("%d failures are counted, want %d", got, want)
	}
}

// growing fails once in each slot of ten seconds.
type growing struct{ now int }

func (g *growing) Between(from, to int) verdict.Window { return window(100, 1, time.Millisecond) }

func (g *growing) Since(moment time.Time) (o verdict.Outcomes) {
	back := g.now - int(moment.Sub(start)/(10*time.Second)) + 1
	o[verdict.Error] = uint64(min(back, 360))
	return o
}

func TestOutageSaysItsRequest(t *testing.T) {
	in := healthy()
	takeOut(&in, 1)
	in.Rescued = []verdict.Request{
		{Time: start, RequestID: "other", Method: "POST", Path: "/v1/face/enrollment",
			Attempts: []verdict.Attempt{{Server: "127.0.0.1:80"}}},
		{Time: start, RequestID: "9f3c", Method: "POST", Path: "/v1/face/enrollment",
			Attempts: []verdict.Attempt{{Server: "127.0.0.2:80"}}},
	}
	node := verdict.New().Judge(in).Nodes[1]
	if !strings.Contains(node.Sentence, "(request 9f3c)") || node.LastOut == nil || node.LastOut.To != nil {
		t.Errorf("%q %+v", node.Sentence, node.LastOut)
	}
	in.Servers[1].Out = &verdict.Out{}
	in.Outages[0].Ended = start.Add(-time.Second)
	node = verdict.New().Judge(in).Nodes[1]
	if node.State != "up" || node.LastOut.To == nil || !strings.Contains(node.LastOut.Sentence,
		", until 13:59:59 UTC.") {
		t.Errorf("%s %+v", node.State, node.LastOut)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"incidents":[{"from":"2026-11-25T14:00:00Z","reasons":null}]}`))
	f.Add([]byte(`{"states":null,"slow":null,"reasons":null}`))
	f.Fuzz(func(t *testing.T, saved []byte) {
		engine := verdict.New()
		if engine.Load(saved) != nil {
			return
		}
		in := healthy()
		in.Servers[0].Attempts = minutes{window(50, 50, time.Second), window(100, 0, time.Millisecond)}
		status := engine.Judge(in)
		if !slices.Contains([]string{"fine", "degraded", "down", "unknown"}, status.Verdict) {
			t.Errorf("verdict %q", status.Verdict)
		}
		engine.Incidents()
	})
}

// TestSaturationWithServersOut: servers that have no limit cannot be busy.
func TestSaturationWithServersOut(t *testing.T) {
	in := healthy()
	in.Requests = requests(verdict.NoLive, 1, 99)
	takeOut(&in, 1)
	limited := saturation(t, in)
	for i := range in.Servers {
		in.Servers[i].MaxConns = 0
	}
	unlimited := saturation(t, in)
	const start = "NGINX found no free server for 1 of 100 requests in the last minute: "
	if limited != start+"it passes over 1 server after failures, and the others were busy." ||
		unlimited != start+"it passes over 1 server after failures." {
		t.Errorf("%s\n%s", limited, unlimited)
	}
}

func saturation(t *testing.T, in verdict.Input) string {
	t.Helper()
	for _, r := range verdict.New().Judge(in).Reasons {
		if r.Kind == verdict.KindSaturated {
			return r.Sentence
		}
	}
	t.Fatal("it is not saturated")
	return ""
}
