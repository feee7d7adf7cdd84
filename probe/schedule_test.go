package probe

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gokit "github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
)

// A clock is a prober that notes when it was called, and does what the test says.
type clock struct {
	mu    sync.Mutex
	calls map[string][]time.Time
	now   map[string]int // probes of a target under way
	does  func(ctx context.Context, target string) *failure
}

func (c *clock) probe(ctx context.Context, target string, _ *prepared, _ *trace) *failure {
	c.mu.Lock()
	c.calls[target] = append(c.calls[target], time.Now())
	c.now[target]++
	overlaps := c.now[target] > 1
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.now[target]--
		c.mu.Unlock()
	}()
	if overlaps {
		return failf("other", "two probes of %s at one time", target)
	}
	if c.does == nil {
		return nil
	}
	return c.does(ctx, target)
}

func (c *clock) of(target string) []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls[target])
}

func scheduled(t *testing.T, c *clock, o Options) *Service {
	t.Helper()
	c.calls, c.now = map[string][]time.Time{}, map[string]int{}
	o.Logger = gokit.NewNopLogger()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	c.takeOver(s)
	return s
}

// takeOver makes every target of a service ask the clock.
func (c *clock) takeOver(s *Service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.targets {
		t.mu.Lock()
		own := *t.module
		own.prober = c.probe
		t.module = &own
		t.mu.Unlock()
	}
}

func options(t testing.TB, interval string, targets ...string) Options {
	return Options{Config: parse(t,
		fmt.Sprintf("modules: {m: {prober: icmp, timeout: 500ms}}\nprobes: [{name: p, module: m, interval: %s, "+
			"targets: [%q]}]\n",
			interval, strings.Join(targets, `", "`)))}
}

func withTargets(o Options, n int) Options {
	o.Probes = slices.Clone(o.Probes)
	o.Probes[0].Targets = nil
	for i := range n {
		o.Probes[0].Targets = append(o.Probes[0].Targets, fmt.Sprintf("node-%d:1", i))
	}
	return o
}

// run runs a service for some time of the bubble's clock.
func run(s *Service, during ...func()) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	for _, do := range during {
		do()
	}
	stop()
	running.Wait()
}

func sleep(d time.Duration) func() { return func() { time.Sleep(d) } }

// leavesNothing waits until all goroutines have ended that began after before was taken: those of servers, whose
// connections the probes have closed, take their time on a busy machine.
func leavesNothing(t *testing.T, before goleak.Option) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if err = goleak.Find(before); err == nil {
			return
		}
	}
	t.Error(err)
}

func TestEachTargetKeepsItsClock(t *testing.T) {
	defer leavesNothing(t, goleak.IgnoreCurrent())
	synctest.Test(t, func(t *testing.T) {
		c := &clock{}
		s := scheduled(t, c, withTargets(options(t, "1s", "x:1"), 200))
		run(s, sleep(time.Minute))
		var moments []time.Duration
		for target := range maps.Keys(c.calls) {
			calls := c.of(target)
			if len(calls) < 59 || len(calls) > 61 {
				t.Errorf("%s was probed %d times in a minute", target, len(calls))
			}
			for i := 2; i < len(calls); i++ {
				if gap := calls[i].Sub(calls[i-1]); gap != time.Second {
					t.Errorf("%s was probed %s after the probe before", target, gap)
				}
			}
			moments = append(moments, time.Duration(calls[5].Nanosecond()))
		}
		// Spread over the second: no tenth of it has more than three times its share.
		tenths := map[time.Duration]int{}
		for _, m := range moments {
			tenths[m/(100*time.Millisecond)]++
		}
		for tenth, n := range tenths {
			if n > 60 {
				t.Errorf("%d of 200 targets are probed in tenth %d of the second", n, tenth)
			}
		}
	})
}

func TestJitterIsTheSameAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phase := func() time.Duration {
			c := &clock{}
			run(scheduled(t, c, options(t, "10m", "node:1")), sleep(time.Hour))
			calls := c.of("node:1")
			return time.Duration(calls[len(calls)-1].UnixNano()) % (10 * time.Minute)
		}
		first := phase()
		time.Sleep(173 * time.Second)
		if second := phase(); first != second {
			t.Errorf("the place in the interval was %s, and is %s", first, second)
		}
	})
}

func TestLongIntervalsBeginSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{}
		run(scheduled(t, c, options(t, "24h", "node:1")), sleep(firstWithin))
		if n := len(c.of("node:1")); n != 1 {
			t.Errorf("%d probes", n)
		}
	})
}

func TestShortestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{}
		run(scheduled(t, c, options(t, "100ms", "node:1")), sleep(10*time.Second))
		if n := len(c.of("node:1")); n < 99 || n > 101 {
			t.Errorf("%d probes in ten seconds", n)
		}
	})
}

// TestHangingDelaysNobody has one target hang until its time is over: it never overlaps, and the others never wait.
func TestHangingDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{does: func(ctx context.Context, target string) *failure {
			if target == "node-0:1" {
				<-ctx.Done()
				return failf("timeout", "time ran out")
			}
			return nil
		}}
		o := withTargets(options(t, "200ms", "x:1"), 50)
		s := scheduled(t, c, o)
		run(s, sleep(10*time.Second))
		if n := len(c.of("node-0:1")); n < 15 || n > 18 { // every 600 ms: 500 ms of hanging, then its next place
			t.Errorf("the hanging one was probed %d times", n)
		}
		for i := 1; i < 50; i++ {
			if n := len(c.of(fmt.Sprintf("node-%d:1", i))); n < 49 || n > 51 {
				t.Errorf("node-%d was probed %d times in ten seconds", i, n)
			}
		}
		if reason := s.targets[0].last.reason; reason != "timeout" {
			t.Errorf("reason %s", reason)
		}
	})
}

// gatherer is what the service gives, for what takes a gatherer.
func gatherer(s *Service) prometheus.Gatherer {
	return prometheus.GathererFunc(func() (families []*dto.MetricFamily, err error) {
		for f := range s.Families() {
			families = append(families, proto.CloneOf(f))
		}
		return families, nil
	})
}

// samples gathers what the service gives, by name and labels.
func samples(t *testing.T, s *Service) map[string]*dto.Metric {
	t.Helper()
	if err := s.CheckClock(context.Background()); err != nil {
		t.Error(err)
	}
	families, err := gatherer(s).Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*dto.Metric{}
	for _, f := range families {
		for _, m := range f.Metric {
			key := f.GetName()
			for _, l := range m.Label {
				key += fmt.Sprintf(" %s=%s", l.GetName(), l.GetValue())
			}
			all[key] = m
		}
	}
	return all
}

// TestShortOutageIsSeen has a node fail for two seconds between two scrapes.
func TestShortOutageIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		c := &clock{does: func(context.Context, string) *failure {
			if since := time.Since(begin); since > 20*time.Second && since < 22*time.Second {
				return failf("connect", "the connection was refused")
			}
			time.Sleep(3 * time.Millisecond)
			return nil
		}}
		o := options(t, "500ms", "http://user:pw@node:4005")
		o.Nodes = map[string]string{"node:4005": "master"}
		s := scheduled(t, c, o)
		run(s, sleep(15*time.Second), func() {
			all := samples(t, s)
			for _, reason := range reasons {
				key := "probe_failures_total node=master probe=p reason=" + reason + " target=http://<secret>@node:4005"
				if m := all[key]; m == nil || m.Counter.GetValue() != 0 {
					t.Errorf("%s: %v; it must be there before the first failure", key, m)
				}
			}
		}, sleep(15*time.Second), func() {
			all := samples(t, s)
			at := " node=master probe=p target=http://<secret>@node:4005"
			attempts := all["probe_attempts_total"+at].Counter.GetValue()
			if attempts < 59 || attempts > 61 {
				t.Errorf("%v attempts", attempts)
			}
			if n := all["probe_failures_total node=master probe=p reason=connect "+
				"target=http://<secret>@node:4005"].Counter.GetValue(); n < 3 || n > 4 {
				t.Errorf("%v failures", n)
			}
			h := all["probe_latency_seconds"+at].Histogram
			if n := h.GetSampleCount(); n < 55 || n > 57 || len(h.Bucket) != 13 || h.Schema == nil ||
				len(h.PositiveSpan) == 0 {
				t.Errorf("latency: %v", h)
			}
			if n := all["probe_consecutive_failures"+at].Gauge.GetValue(); n != 0 {
				t.Errorf("%v consecutive failures", n)
			}
			if every := all["probe_interval_seconds"+at].Gauge.GetValue(); every != 0.5 {
				t.Errorf("the interval is %v s", every)
			}
			if last := all["probe_last_success_timestamp_seconds"+
				at].Gauge.GetValue(); last < float64(time.Now().Unix())-2 {
				t.Errorf("last success %v", last)
			}
			if all["probe_success"+at].Gauge.GetValue() != 1 {
				t.Error("the last probe is not given")
			}
		})
	})
}

func TestReloadKeepsWhatStays(t *testing.T) {
	defer leavesNothing(t, goleak.IgnoreCurrent())
	synctest.Test(t, func(t *testing.T) {
		c := &clock{}
		o := withTargets(options(t, "1s", "x:1"), 3)
		s := scheduled(t, c, o)
		reload := func(n int, interval time.Duration) func() {
			return func() {
				changed := withTargets(o, n)
				changed.Probes[0].Interval = interval
				changed.Logger = gokit.NewNopLogger()
				if err := s.Reload(changed); err != nil {
					t.Error(err)
				}
				c.takeOver(s)
			}
		}
		run(s, sleep(10*time.Second+time.Millisecond), reload(2, time.Second), sleep(10*time.Second), func() {
			calls := c.of("node-0:1")
			for i := 2; i < len(calls); i++ {
				if calls[i].Sub(calls[i-1]) != time.Second {
					t.Errorf("the reload moved the clock: %s", calls[i].Sub(calls[i-1]))
				}
			}
			if n := samples(t,
				s)["probe_attempts_total node= probe=p target=node-0:1"].Counter.GetValue(); int(n) != len(calls) {
				t.Errorf("%v attempts counted, %d made", n, len(calls))
			}
			if n := len(c.of("node-2:1")); n > 11 {
				t.Errorf("what was taken out was probed %d times", n)
			}
		}, reload(4, 5*time.Second), sleep(30*time.Second), func() {
			calls := c.of("node-0:1")
			if gap := calls[len(calls)-1].Sub(calls[len(calls)-2]); gap != 5*time.Second {
				t.Errorf("the new interval is not kept: %s", gap)
			}
			if n := len(c.of("node-3:1")); n < 6 {
				t.Errorf("what was put in was probed %d times", n)
			}
		})
	})
}

// TestFirstProbeComesSoonAllTheSame changes the interval before the first probe.
func TestFirstProbeComesSoonAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{}
		o := options(t, "1h", "node:1")
		s := scheduled(t, c, o)
		run(s, func() {
			synctest.Wait()
			o.Probes[0].Interval = 24 * time.Hour
			o.Logger = gokit.NewNopLogger()
			if err := s.Reload(o); err != nil {
				t.Error(err)
			}
			c.takeOver(s)
		}, sleep(firstWithin))
		if n := len(c.of("node:1")); n != 1 {
			t.Errorf("%d probes", n)
		}
	})
}

func TestReloadIsAllOrNothing(t *testing.T) {
	s := newService(t, "modules: {m: {prober: tcp}}\nprobes: [{name: p, module: m, interval: 1s, targets: ['a:1']}]")
	bad := Options{Config: Config{Modules: map[string]Module{"x": {Prober: "smoke"}}}, Logger: gokit.NewNopLogger()}
	if err := s.Reload(bad); err == nil {
		t.Fatal("a bad config was taken")
	}
	if len(s.targets) != 1 || s.modules["m"] == nil {
		t.Error("the old config does not run on")
	}
}

func TestStuckProbeIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := &clock{does: func(context.Context, string) *failure { <-release; return nil }} // heeds no time limit
		s := scheduled(t, c, options(t, "1s", "node:1"))
		run(s, sleep(10*time.Second), func() {
			if err := s.CheckClock(context.Background()); err == nil || !strings.Contains(err.Error(),
				"p node:1") {
				t.Errorf("error %v", err)
			}
			close(release)
		})
	})
}

func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		c := &clock{does: func(context.Context, string) *failure {
			if time.Since(begin) < 30*time.Second {
				return failf("status", "answered 503, not 2xx")
			}
			return nil
		}}
		s := scheduled(t, c, options(t, "1s", "node:1"))
		run(s, sleep(10*time.Minute), func() {
			h := s.History()[0]
			if len(h.Results) != keepRecent+keepFailed || h.Probe != "p" || h.Module != "m" ||
				h.Interval != time.Second {
				t.Fatalf("%d results of %s", len(h.Results), h.Probe)
			}
			for i, r := range h.Results {
				if i > 0 && r.ID >= h.Results[i-1].ID {
					t.Error("not the latest first")
				}
				if r.Success != (i < keepRecent) || len(r.Samples) > 0 || !strings.Contains(r.WithLog().Log,
					"probing node:1 with module m") {
					t.Errorf("%d: %v, log %s", i, r.Success, r.Log)
				}
			}
		})
	})
}
