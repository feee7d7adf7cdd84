package past_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/past"
)

// A script is an incident that is made to happen.
type script struct {
	topology topology
	happens  func(t *testing.T, b *balancer)
	kind     string
	server   int    // the node to blame, -1 for none
	route    string // to blame
	harmed   string // what lines of harmed requests hold
	remedy   string // the directive to change
}

// steady is a request each so many milliseconds.
func steady(n int, every time.Duration, work int, method, path string) []arrival {
	var schedule []arrival
	for i := range n {
		schedule = append(schedule, arrival{at: time.Duration(i) * every, work: work, method: method, path: path})
	}
	return schedule
}

// fails makes a node drop the first n requests that fit.
func (n *workNode) fails(times int, path string) {
	var left atomic.Int64
	left.Store(int64(times))
	n.set(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, path) && left.Add(-1) >= 0 {
			reset(w)
			return true
		}
		return false
	})
}

var scripts = map[string]script{
	"saturation": {
		topology: topology{nodes: 3, server: "max_conns=1"},
		happens: func(t *testing.T, b *balancer) {
			schedule := steady(60, 50*time.Millisecond, 20, "POST", "/v1/face/match")
			for range 20 {
				schedule = append(schedule, arrival{at: 3 * time.Second, work: 300, method: "POST",
					path: "/v1/face/recognition"})
			}
			b.send(t, append(schedule, later(3500*time.Millisecond, steady(40, 50*time.Millisecond, 20, "POST",
				"/v1/face/match"))...))
		},
		kind: "saturation", server: -1, harmed: `ua="nodes"`, remedy: "max_conns",
	},
	"taken_out": {
		topology: topology{nodes: 2, server: "max_conns=1 fail_timeout=3s"},
		happens: func(t *testing.T, b *balancer) {
			b.send(t, steady(30, 50*time.Millisecond, 40, "GET", "/v1/face/match"))
			b.nodes[1].fails(1, "/")
			b.send(t, steady(100, 50*time.Millisecond, 70, "GET", "/v1/face/match"))
		},
		kind: "taken_out", server: 1, harmed: `ua="nodes"`, remedy: "fail_timeout",
	},
	"node_failure": {
		topology: topology{nodes: 3, server: "fail_timeout=1s"},
		happens: func(t *testing.T, b *balancer) {
			b.send(t, steady(60, 25*time.Millisecond, 10, "GET", "/v1/face/match"))
			b.nodes[1].fails(1000, "/")
			b.send(t, steady(500, 25*time.Millisecond, 10, "GET", "/v1/face/match"))
			b.nodes[1].set(nil)
			b.send(t, steady(60, 25*time.Millisecond, 10, "GET", "/v1/face/match"))
		},
		kind: "node_failure", server: 1, harmed: `us="502, 200"`, remedy: "down",
	},
	"slow_node": {
		topology: topology{nodes: 3},
		happens: func(t *testing.T, b *balancer) {
			// So few and so slow that being late by what a busy machine is late does not matter.
			b.send(t, steady(180, 30*time.Millisecond, 20, "GET", "/v1/face/match"))
			b.nodes[2].set(func(w http.ResponseWriter, r *http.Request) bool {
				work(r, 60)
				return false
			})
			b.send(t, steady(180, 30*time.Millisecond, 20, "GET", "/v1/face/match"))
			b.nodes[2].set(nil)
			b.send(t, steady(60, 30*time.Millisecond, 20, "GET", "/v1/face/match"))
		},
		kind: "slow_node", server: 2, harmed: ` rt=(0\.[6-9]|[1-9])`, remedy: "least_conn",
	},
	"poison": {
		topology: topology{nodes: 3, server: "fail_timeout=3s"},
		happens: func(t *testing.T, b *balancer) {
			for _, n := range b.nodes {
				n.fails(1000, "/v1/face/enrollment")
			}
			b.send(t, steady(60, 25*time.Millisecond, 10, "GET", "/v1/face/match"))
			b.send(t, []arrival{{work: 10, method: "GET", path: "/v1/face/enrollment?image=1"}})
			b.send(t, steady(250, 25*time.Millisecond, 10, "GET", "/v1/face/match"))
		},
		kind: "poison", server: -1, route: "/v1/face/enrollment", harmed: `" 502 `, remedy: "proxy_next_upstream",
	},
	"rate_limit": {
		topology: topology{nodes: 3, zone: "rate=5r/s", location: "limit_req zone=clients burst=2 nodelay;"},
		happens: func(t *testing.T, b *balancer) {
			b.send(t, steady(10, 250*time.Millisecond, 10, "POST", "/v1/face/match"))
			b.send(t, steady(60, 50*time.Millisecond, 10, "POST", "/v1/face/match"))
		},
		kind: "rate_limit", server: -1, route: "/v1/face/match", harmed: `" 429 `, remedy: "limit_req",
	},
	"client_aborts": {
		topology: topology{nodes: 3},
		happens: func(t *testing.T, b *balancer) {
			b.send(t, steady(60, 20*time.Millisecond, 10, "POST", "/v1/face/match"))
			impatient := steady(12, 50*time.Millisecond, 1000, "POST", "/v1/face/recognition")
			b.sendImpatiently(t, impatient, 300*time.Millisecond)
			b.send(t, steady(60, 20*time.Millisecond, 10, "POST", "/v1/face/match"))
		},
		kind: "client_aborts", server: -1, route: "/v1/face/recognition", harmed: `" 499 `, remedy: "timeout",
	},
}

// later is a schedule that begins later.
func later(by time.Duration, schedule []arrival) []arrival {
	for i := range schedule {
		schedule[i].at += by
	}
	return schedule
}

// sendImpatiently is send with clients that do not wait long.
func (b *balancer) sendImpatiently(t *testing.T, schedule []arrival, patience time.Duration) {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
	var running sync.WaitGroup
	for _, a := range schedule {
		running.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			ask(ctx, client, b.address, a)
		})
	}
	running.Wait()
}

// TestExplainScripted makes incidents happen behind real NGINX, and holds what explain says of the log against the
// script: one incident, its kind, its time, whom it blames, how many requests it harmed, and what is to be changed
// where.
func TestExplainScripted(t *testing.T) {
	for name, s := range scripts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBalancer(t, s.topology)
			began := time.Now()
			s.happens(t, b)
			ended := time.Now()
			for _, errorLogs := range [][]string{nil, {filepath.Join(b.dir, "error.log")}} {
				e := explain(t, b, errorLogs)
				if len(e.Incidents) != 1 {
					t.Fatalf("%d incidents, want one:\n%s", len(e.Incidents), text(t, e))
				}
				s.hold(t, b, e, began, ended)
			}
			if t.Failed() {
				t.Log(text(t, explain(t, b, nil)))
			}
		})
	}
}

func (s *script) hold(t *testing.T, b *balancer, e *past.Explanation, began, ended time.Time) {
	t.Helper()
	i := e.Incidents[0]
	server := ""
	if s.server >= 0 {
		server = b.nodes[s.server].address
	}
	if i.Kind != s.kind || i.Server != server || s.route != "" && i.Route != s.route {
		t.Errorf("%s of %q on %q, want %s of %q on %q", i.Kind, i.Route, i.Server, s.kind, s.route, server)
	}
	log, err := os.ReadFile(b.log())
	if err != nil {
		t.Fatal(err)
	}
	if harmed := len(regexp.MustCompile(s.harmed).FindAll(log, -1)); !closeTo(i.Requests, harmed) {
		t.Errorf("%d requests harmed, the log has %d", i.Requests, harmed)
	}
	if i.From.Before(began.Add(-time.Second)) || i.To.After(ended.Add(time.Second)) || i.To.Before(i.From) {
		t.Errorf("from %s to %s; the script ran from %s to %s", i.From, i.To, began.UTC(), ended.UTC())
	}
	if !strings.Contains(i.Remedy, s.remedy) || s.kind != "client_aborts" &&
		!regexp.MustCompile(`nginx\.conf:\d+`).MatchString(i.Remedy) {
		t.Errorf("remedy %q, want one with %s and its place", i.Remedy, s.remedy)
	}
	if len(i.RequestIDs) == 0 || !slices.ContainsFunc(i.RequestIDs,
		func(id string) bool { return strings.Contains(string(log), "id="+id) }) {
		t.Errorf("request ids %q, not in the log", i.RequestIDs)
	}
}

// closeTo allows for a slow machine, on which a few more requests take long or find no server.
func closeTo(told, logged int) bool {
	d := told - logged
	return told > 0 && d*d <= max(9, logged*logged/25)
}

func explain(t *testing.T, b *balancer, errorLogs []string) *past.Explanation {
	t.Helper()
	e, problems, err := past.Explain(t.Context(), past.Options{Settings: b.settings(t), Files: []string{b.log()}},
		errorLogs)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	return e
}

func text(t *testing.T, e *past.Explanation) string {
	t.Helper()
	var out strings.Builder
	if err := e.Text(&out, 0); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint("\n", out.String())
}
