package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/sim"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

func TestSceneHealthy(t *testing.T) {
	t.Parallel()
	c := startScene(t, setup{})
	for range 30 {
		if code := c.ask("/v1/face/match"); code != http.StatusOK {
			t.Fatalf("answered %d", code)
		}
	}
	s := c.until("30 requests", func(s verdict.Status) bool {
		return allProbed(s) && s.Windows["1m"] != nil && s.Windows["1m"].Requests == 30
	})
	if s.Verdict != verdict.Fine || len(s.Reasons) != 0 || s.Windows["5m"].Outcomes["ok"] != 30 ||
		s.Windows["1h"].P95 == nil {
		t.Errorf("%s because %+v; %+v", s.Verdict, s.Reasons, s.Windows["5m"])
	}
	for i, name := range sceneNodes {
		n := node(s, name)
		served := c.nodes[i].Served()["POST /v1/face/match 200"]
		if n.State != verdict.StateUp || int(n.Windows["1m"].Attempts) != served ||
			*n.Windows["5m"].Share != float64(served)/30 || *n.MaxConns != 1 {
			t.Errorf("%s served %d: %+v, %+v", name, served, n, n.Windows["1m"])
		}
	}
	if s.NGINX.Up == nil || !*s.NGINX.Up || s.NGINX.Connections == nil {
		t.Errorf("NGINX: %+v", s.NGINX)
	}
	var incidents []verdict.Incident
	if c.get("/api/v1/incidents", &incidents); len(incidents) != 0 {
		t.Errorf("%+v", incidents)
	}
}

func TestSceneOneNodeDown(t *testing.T) {
	t.Parallel()
	c := startScene(t, setup{})
	c.until("a good start", func(s verdict.Status) bool { return allProbed(s) && s.Verdict == verdict.Fine })
	c.nodes[1].Refuse()
	s := c.until("slave-1 down", hasReason("node_down", "slave-1"))
	if n := node(s, "slave-1"); s.Verdict != verdict.Degraded || n.State != verdict.StateDown || *n.Probe.Success ||
		!strings.Contains(n.Sentence, "refused") {
		t.Errorf("%s: %+v %+v", s.Verdict, n, n.Probe)
	}
	for _, i := range []int{0, 2} {
		c.nodes[i].Refuse()
	}
	s = c.until("all down", func(s verdict.Status) bool { return s.Verdict == verdict.Down })
	if s.Reasons[0].Severity != verdict.Critical {
		t.Errorf("%+v", s.Reasons)
	}
	for _, n := range c.nodes {
		if err := n.Listen(); err != nil {
			t.Fatal(err)
		}
	}
	c.until("all up again", func(s verdict.Status) bool { return s.Verdict == verdict.Fine })
	var incidents []verdict.Incident
	c.get("/api/v1/incidents", &incidents)
	if len(incidents) != 1 || incidents[0].Verdict != verdict.Down || incidents[0].To == nil {
		t.Fatalf("%+v", incidents)
	}
	// It is known after the program was killed, too.
	c.exporter.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	config, err := os.ReadFile(c.exporter.Config)
	if err != nil {
		t.Fatal(err)
	}
	if c.exporter, err = testenv.StartExporter(ctx, c.binary, c.dir, string(config), ""); err != nil {
		t.Fatal(err)
	}
	var again []verdict.Incident
	if c.get("/api/v1/incidents", &again); len(again) != 1 || !again[0].From.Equal(incidents[0].From) {
		t.Errorf("after a kill: %+v", again)
	}
}

// A gray node fails real requests while its probes succeed.
func TestSceneGrayNode(t *testing.T) {
	t.Parallel()
	c := startScene(t, setup{})
	c.nodes[0].Set(sim.Fault{Kind: "fail", Path: "/v1/face/"})
	failed := 0
	for range 30 {
		if c.ask("/v1/face/match") == http.StatusInternalServerError {
			failed++
		}
	}
	s := c.until("master failing", func(s verdict.Status) bool {
		return allProbed(s) &&
			s.Windows["1m"].Requests == 30
	})
	n := node(s, "master")
	if !hasReason("node_failing", "master")(s) || n.State != verdict.StateFailing || !*n.Probe.Success ||
		int(n.Windows["5m"].Outcomes["error"]) != failed {
		t.Errorf("%d failed: %s %+v; %+v", failed, s.Verdict, s.Reasons, n.Windows["5m"])
	}
	if len(s.Failures) == 0 || s.Failures[0].Attempts[0].Node != "master" || s.Failures[0].Path != "/v1/face/match" ||
		s.Failures[0].RequestID == "" {
		t.Errorf("%+v", s.Failures)
	}
	var incidents []verdict.Incident
	c.get("/api/v1/incidents", &incidents)
	if len(incidents) != 1 || int(incidents[0].Failed["error"]) != failed || len(incidents[0].Requests) == 0 {
		t.Errorf("%+v", incidents)
	}
}

// madeLines are lines in the format of the scenes: one a second on each node, ending before a moment.
func madeLines(c []string, until time.Time, seconds, millis, status int) string {
	var b strings.Builder
	for i := range seconds {
		at := until.Add(time.Duration(i-seconds) * time.Second)
		for _, server := range c {
			fmt.Fprintf(&b, `127.0.0.1 - - [%s] "GET /v1/face/match HTTP/1.1" %d 5 "-" "-" id="%032x" rt=0.%03d `+
				`rl=80 bs=200 lr=PASSED lc=- cs=- `+
				`ua="%s" us="%d" uct="0.000" uht="0.%03d" urt="0.%03d" ubs="80" ubr="200"`+"\n",
				at.Format("02/Jan/2006:15:04:05 -0700"), status, i, millis, server, status, millis, millis)
		}
	}
	return b.String()
}

// Yesterday's failures are not those of now, though they are read now.
func TestSceneBacklog(t *testing.T) {
	t.Parallel()
	yesterday := time.Now().Add(-24 * time.Hour)
	c := startScene(t, setup{log: madeLines([]string{"127.0.0.1:81"}, yesterday, 500, 3, 504)})
	s := c.until("the log read", func(s verdict.Status) bool { return allProbed(s) && s.Logs[0].Lines == 500 })
	if s.Verdict != verdict.Fine || s.Windows["1h"].Requests != 0 || len(s.Failures) != 0 {
		t.Errorf("%s %+v: %+v", s.Verdict, s.Reasons, s.Windows["1h"])
	}
}

func TestSceneSlowNode(t *testing.T) {
	t.Parallel()
	c := startScene(t, setup{})
	var addresses []string
	for _, n := range c.nodes {
		addresses = append(addresses, n.Address)
	}
	// What the log holds of the last ten minutes, as NGINX would have written it.
	log, err := os.OpenFile(filepath.Join(c.dir, "full.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if _, err := log.WriteString(madeLines(addresses, time.Now().Add(-2*time.Minute), 200, 3, 200)); err != nil {
		t.Fatal(err)
	}
	c.nodes[2].Set(sim.Fault{Kind: "slow", Delay: 400 * time.Millisecond, Path: "/v1/face/"})
	for range 80 {
		c.ask("/v1/face/match")
	}
	s := c.until("slave-2 slow", hasReason("node_slow", "slave-2"))
	if n := node(s, "slave-2"); s.Verdict != verdict.Degraded || n.State != verdict.StateUp ||
		*n.Windows["1m"].P95 < 0.1 || len(s.Reasons) != 1 {
		t.Errorf("%s %+v: %+v", s.Verdict, s.Reasons, n)
	}
}

func TestSceneSaturation(t *testing.T) {
	t.Parallel()
	c := startScene(t, setup{topology: testenv.Topology{Server: "max_conns=1 max_fails=0"}})
	for _, n := range c.nodes {
		n.Set(sim.Fault{Kind: "hang", Path: "/v1/face/hold"})
	}
	var held sync.WaitGroup
	for range 3 {
		held.Go(func() { c.ask("/v1/face/hold") })
	}
	defer func() {
		for _, n := range c.nodes {
			n.Clear()
		}
		held.Wait()
	}()
	eventuallyHeld(t, c.nodes)
	for range 4 {
		if code := c.ask("/v1/face/match"); code != http.StatusBadGateway {
			t.Fatalf("a full load balancer answered %d", code)
		}
	}
	s := c.until("saturation", func(s verdict.Status) bool { return s.Windows["1m"].Outcomes["no_live"] == 4 })
	if !hasReason("saturated", "")(s) || !strings.Contains(fmt.Sprint(s.Reasons),
		"NGINX found no free server for 4 of 4 requests") {
		t.Errorf("%+v: %+v", s.Reasons, s.Windows["1m"])
	}
}

// eventuallyHeld waits until each node holds a request.
func eventuallyHeld(t *testing.T, nodes []*sim.Node) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		waiting := 0
		for _, n := range nodes {
			waiting += n.Waiting()
		}
		if waiting == len(nodes) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d requests are held", waiting)
		}
	}
}

func TestSceneLimiter(t *testing.T) {
	t.Parallel()
	c := startScene(t, setup{topology: testenv.Topology{Rate: "1r/m", Burst: 1}})
	limited := 0
	for range 20 {
		if c.ask("/v1/face/match") == http.StatusServiceUnavailable {
			limited++
		}
	}
	s := c.until("the limiter", func(s verdict.Status) bool { return s.Windows["1m"].Requests == 20 })
	if !hasReason("limited", "")(s) || int(s.Windows["1m"].Outcomes["limited"]) != limited ||
		s.Verdict != verdict.Degraded || len(s.Reasons) != 1 {
		t.Errorf("%d limited: %s %+v", limited, s.Verdict, s.Reasons)
	}
}

func TestSceneNGINXDown(t *testing.T) {
	t.Parallel()
	c := startScene(t, setup{})
	c.until("a good start", func(s verdict.Status) bool { return allProbed(s) && s.Verdict == verdict.Fine })
	c.nginx.Stop()
	s := c.until("NGINX down", hasReason("nginx_down", ""))
	if s.Verdict != verdict.Down || *s.NGINX.Up || s.Reasons[0].Severity != verdict.Critical {
		t.Errorf("%s %+v", s.Verdict, s.Reasons)
	}
}

func TestSceneLogsWithoutEvidence(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]setup{
		"a folder":     {access: "{path: DIR/html, format: full}"},
		"wrong format": {access: `{path: DIR/full.log, start: beginning, format: "$remote_addr only $status"}`},
	} {
		t.Run(name, func(t *testing.T) {
			c := startScene(t, s)
			c.until("the first look", func(s verdict.Status) bool { return allProbed(s) })
			for range 5 {
				c.ask("/v1/face/match")
			}
			if s := c.until("log_unread", hasReason("log_unread", "")); s.Verdict != verdict.Degraded {
				t.Errorf("%s %+v", s.Verdict, s.Reasons)
			}
		})
	}
}

// A poison request makes each node that it reaches close the connection, and NGINX takes all of them out.
func TestScenePoisonRequest(t *testing.T) {
	t.Parallel()
	for name, level := range map[string]string{"said at warn": "warn", "replayed at error": "error"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startScene(t, setup{
				topology: testenv.Topology{Server: "max_fails=1 fail_timeout=10s"},
				replace:  [2]string{"error.log warn;", "error.log " + level + ";"},
			})
			c.until("a good start", func(s verdict.Status) bool { return allProbed(s) && s.Verdict == verdict.Fine })
			for _, n := range c.nodes {
				n.Set(sim.Fault{Kind: "reset", Path: "/v1/face/poison"})
			}
			if code := c.askWithGet("/v1/face/poison?secret=1"); code != http.StatusBadGateway {
				t.Fatalf("the poison request was answered %d", code)
			}
			s := c.until("the poison request named", hasReason("poison_request", ""))
			if s.Verdict != verdict.Down || s.Reasons[0].Kind != "poison_request" {
				t.Errorf("%s %+v", s.Verdict, s.Reasons)
			}
			id := s.Failures[0].RequestID
			if want := "One request (GET /v1/face/poison, request " + id + ")"; !strings.HasPrefix(s.Sentence, want) ||
				strings.Contains(fmt.Sprint(s), "secret") {
				t.Errorf("the sentence %q does not begin with %q", s.Sentence, want)
			}
			for _, n := range s.Nodes {
				if n.State != verdict.StateTakenOut || !*n.Probe.Success || !strings.Contains(n.Sentence,
					"its probes succeed") {
					t.Errorf("%+v", n)
				}
			}
			for _, n := range c.nodes {
				n.Clear()
			}
			s = c.until("all back after fail_timeout", func(s verdict.Status) bool {
				c.ask("/v1/face/match")
				return !slices.ContainsFunc(s.Nodes,
					func(n verdict.Node) bool { return n.State == verdict.StateTakenOut })
			})
			if out := s.Nodes[0].LastOut; out == nil || out.To == nil || out.To.Sub(out.From) < 10*time.Second {
				t.Errorf("the last time out: %+v", out)
			}
			text, err := c.exporter.Metrics()
			if err != nil {
				t.Fatal(err)
			}
			evidence := map[string]string{"warn": "logged", "error": "replayed"}[level]
			for i, name := range sceneNodes {
				labels := fmt.Sprintf(`{evidence=%q,node=%q,server=%q,upstream="fremisn_backend"} 1`, evidence, name,
					c.nodes[i].Address)
				if want := "nginx_upstream_server_unavailable_total" + labels; !strings.Contains(text, want) {
					t.Errorf("no %s in\n%s", want, text)
				}
			}
		})
	}
}

// askWithGet asks with GET, which NGINX tries again on another server.
func (c *scene) askWithGet(path string) int {
	c.t.Helper()
	response, err := http.Get(c.balancer + path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.StatusCode
}
