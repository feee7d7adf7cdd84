package model_test

import (
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/past/internal/model"
)

// group is a group of servers named a, b, c and so on with NGINX's defaults.
func group(n int, change ...func(*model.Group)) model.Group {
	g := model.Group{Workers: 1, Next: model.Next{On: map[model.Failure]bool{model.ConnectError: true,
		model.TimedOut: true}}}
	for i := range n {
		g.Servers = append(g.Servers, model.Server{Name: string(rune('a' + i)), Weight: 1, MaxFails: 1,
			FailTimeout: 10})
	}
	for _, c := range change {
		c(&g)
	}
	return g
}

func weights(w ...int) func(*model.Group) {
	return func(g *model.Group) {
		for i := range w {
			g.Servers[i].Weight = w[i]
		}
	}
}

func maxConns(n int) func(*model.Group) {
	return func(g *model.Group) {
		for i := range g.Servers {
			g.Servers[i].MaxConns = n
		}
	}
}

// at are requests that go upstream at these milliseconds.
func at(times ...int64) []model.Request {
	var requests []model.Request
	for _, t := range times {
		requests = append(requests, model.Request{At: t, Upstream: true, Limited: true})
	}
	return requests
}

func post(requests []model.Request) []model.Request {
	for i := range requests {
		requests[i].NonIdempotent = true
	}
	return requests
}

// TestSequences holds the model against sequences worked out by hand from NGINX's source.
func TestSequences(t *testing.T) {
	answers := func(ms int64) model.Answerer {
		return func(int, int, int, int64) model.Attempt { return model.Attempt{Millis: ms, Code: 200} }
	}
	failsOn := func(bad string, f model.Failure, unsent bool) model.Answerer {
		return func(_, server, _ int, _ int64) model.Attempt {
			if strings.ContainsRune(bad, rune('a'+server)) {
				return model.Attempt{Millis: 1, Code: 502, Failure: f, Unsent: unsent}
			}
			return model.Attempt{Millis: 10, Code: 200}
		}
	}
	leastConn := func(g *model.Group) { g.LeastConn = true }
	for _, test := range []struct {
		name     string
		group    model.Group
		requests []model.Request
		answer   model.Answerer
		want     string // a request a word: the servers that it came to, then what became of it unless it is 200
	}{
		{"smooth weights of 5, 1 and 1", group(3, weights(5, 1, 1)), at(0, 20, 40, 60, 80, 100, 120), answers(1),
			"a a b a c a a"},
		{"equal weights in turn", group(3), at(0, 20, 40, 60), answers(1), "a b c a"},
		{"three slots, five at once", group(3, maxConns(1)), at(0, 1, 2, 3, 4), answers(100), "a b c no_live no_live"},
		{"a slot is free in the millisecond in which its attempt ends", group(1, maxConns(1)), at(0, 100, 150),
			answers(100), "a a no_live"},
		{"two workers count for themselves", group(1, maxConns(1), func(g *model.Group) { g.Workers = 2 }),
			workers(at(0, 1, 2, 3), 0, 1, 0, 1), answers(100), "a a no_live no_live"},
		{"a zone is for all workers", group(1, maxConns(1), func(g *model.Group) { g.Workers, g.Shared = 2, true }),
			workers(at(0, 1, 2, 3), 0, 1, 0, 1), answers(100), "a no_live no_live no_live"},
		// a fails at second 0, and NGINX compares whole seconds: it is out to the end of second 10. Then it has an
		// effective weight of 0 and a current one of -1, against 1 of b: only the third turn after that is its own.
		{"out for fail_timeout, compared in whole seconds", group(2), at(0, 5000, 10_999, 11_000, 12_000, 13_000,
			14_000), failsOn("a", model.ConnectError, true), "ab b b b b ab b"},
		{"one server is never passed over", group(1), at(0, 100, 200), failsOn("a", model.ConnectError, true),
			"a=502 a=502 a=502"},
		{"all out: nobody is asked", group(2), at(0, 100, 200), failsOn("ab", model.ConnectError, true),
			"ab=502 no_live no_live"},
		{"max_fails=0 is never out", group(2, func(g *model.Group) { g.Servers[0].MaxFails = 0 }), at(0, 100, 200, 300),
			failsOn("a", model.ConnectError, true), "ab b ab b"},
		{"max_fails=2 loses weight with each failure", group(2, weights(2, 1),
			func(g *model.Group) { g.Servers[0].MaxFails = 2 }), at(0, 100, 200, 300), failsOn("a", model.ConnectError,
			true), "ab b ab b"},
		{"a POST that was sent is not sent again", group(2), post(at(0, 100)), failsOn("a", model.TimedOut, false),
			"a=502 b"},
		{"a POST that was not sent is", group(2), post(at(0, 100)), failsOn("a", model.ConnectError, true), "ab b"},
		{"non_idempotent", group(2, func(g *model.Group) { g.Next.NonIdempotent = true }), post(at(0, 100)),
			failsOn("a", model.TimedOut, false), "ab b"},
		{"an answer is not a failure unless proxy_next_upstream says so", group(2), at(0, 100, 200), failsOn("a",
			"http_502", false), "a=502 b a=502"},
		{"http_502 tries the next", group(2, func(g *model.Group) { g.Next.On["http_502"] = true }), at(0, 100, 200),
			failsOn("a", "http_502", false), "ab b b"},
		// b's answer is the last that the first request may have. The second still has a try when b answers, and a is
		// out.
		{"the last server's answer is not a failure", group(2, func(g *model.Group) { g.Next.On["http_502"] = true }),
			at(0, 100, 200), failsOn("ab", "http_502", false), "ab=502 bno_live no_live"},
		{"http_404 tries the next and blames nobody", group(2, func(g *model.Group) { g.Next.On["http_404"] = true }),
			at(0, 100, 200), failsOn("a", "http_404", false), "ab b ab"},
		{"proxy_next_upstream_tries", group(3, func(g *model.Group) { g.Next.Tries = 2 }), at(0), failsOn("abc",
			model.ConnectError, true), "ab=502"},
		{"proxy_next_upstream_timeout", group(3, func(g *model.Group) { g.Next.Timeout = 1 }), at(0), failsOn("abc",
			model.ConnectError, true), "a=502"},
		{"proxy_next_upstream off", group(2, func(g *model.Group) { g.Next.On = nil }), at(0, 100), failsOn("a",
			model.ConnectError, true), "a=502 b"},
		{"a backup is for when no other is left", group(2, maxConns(1),
			func(g *model.Group) { g.Servers[1].Backup = true }), at(0, 1, 2, 200), answers(100), "a b no_live a"},
		{"down", group(3, func(g *model.Group) { g.Servers[1].Down = true }), at(0, 20, 40), answers(1), "a c a"},
		{"least_conn takes the idle one", group(2, leastConn), at(0, 10, 20, 130), func(_, server, _ int,
			_ int64) model.Attempt {
			return model.Attempt{Millis: []int64{1000, 5}[server], Code: 200}
		}, "a b b b"},
		{"least_conn takes turns among equals", group(3, leastConn), at(0, 20, 40, 60), answers(1), "a b c a"},
		{"no limit without one", group(1), at(0, 0, 0), answers(1), "a a a"},
		{"burst=2 nodelay", limited(10, 2, 0, true), at(0, 0, 0, 0, 100, 100), answers(1), "a a a limited a limited"},
		{"a rejected request costs nothing", limited(10, 0, 0, false), at(0, 50, 99, 100, 150), answers(1),
			"a limited limited a limited"},
		{"a rate below one a second", limited(0.5, 0, 0, false), at(0, 1999, 2000), answers(1), "a limited a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := trace(test.group, test.requests, test.answer); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func limited(rate float64, burst, delay int, nodelay bool) model.Group {
	return group(1, func(g *model.Group) {
		g.Limit = &model.Limit{Rate: rate, Burst: burst, Delay: delay, NoDelay: nodelay}
	})
}

func workers(requests []model.Request, w ...int) []model.Request {
	for i := range requests {
		requests[i].Worker = w[i]
	}
	return requests
}

// trace is a run as a text.
func trace(g model.Group, requests []model.Request, answer model.Answerer) string {
	visited := make([]string, len(requests))
	results, _ := model.Run(g, requests, func(i, server, attempt int, now int64) model.Attempt {
		visited[i] += g.Servers[server].Name
		return answer(i, server, attempt, now)
	})
	for i, r := range results {
		switch {
		case r.Verdict == model.NoLive:
			visited[i] += "no_live"
		case r.Verdict == model.Rejected:
			visited[i] += "limited"
		case r.Code != 200:
			visited[i] += "=502"
		}
	}
	return strings.Join(visited, " ")
}

// TestDelays holds how long a limit keeps requests against the arithmetic of its module.
func TestDelays(t *testing.T) {
	for _, test := range []struct {
		name  string
		group model.Group
		want  []int64
	}{
		{"all of the burst waits", limited(10, 3, 0, false), []int64{1, 101, 201, 301}},
		{"delay=1 lets one through at once", limited(10, 3, 1, false), []int64{1, 1, 101, 201}},
		{"nodelay", limited(10, 3, 0, true), []int64{1, 1, 1, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			results, _ := model.Run(test.group, at(0, 0, 0, 0), func(int, int, int, int64) model.Attempt {
				return model.Attempt{Millis: 1, Code: 200}
			})
			for i, r := range results {
				if r.Millis != test.want[i] {
					t.Errorf("request %d took %d ms, want %d", i, r.Millis, test.want[i])
				}
			}
		})
	}
}

// TestTimes holds durations and busy slots against sums by hand.
func TestTimes(t *testing.T) {
	requests := []model.Request{
		{At: 0, Upstream: true, Before: 5, After: 3},
		{At: 2, Upstream: true},
		{At: 4, Before: 7, Code: 304},
	}
	results, busy := model.Run(group(2), requests, func(_, server, _ int, _ int64) model.Attempt {
		if server == 1 {
			return model.Attempt{Millis: 20, Code: 502, Failure: model.TimedOut}
		}
		return model.Attempt{Millis: 10, Code: 200}
	})
	// The second comes first to a server, for the first is held for 5 ms: it has a, the first has b, fails there, and
	// has a.
	want := []model.Result{{Code: 200, Millis: 5 + 20 + 10 + 3, Attempts: 2}, {Code: 200, Millis: 10, Attempts: 1},
		{Code: 304, Millis: 7}}
	for i := range want {
		if results[i] != want[i] {
			t.Errorf("request %d: %+v, want %+v", i, results[i], want[i])
		}
	}
	if busy[0] != 20 || busy[1] != 20 {
		t.Errorf("busy for %v ms, want 20 each", busy)
	}
}
