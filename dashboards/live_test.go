package dashboards

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// TestLive runs every query of every panel on real Prometheus, that scrapes the real exporter, that watches real NGINX.
func TestLive(t *testing.T) {
	s := newScene(t, nil)
	s.withNative(t)
	boards := shipped(t)
	s.await(t, func() error { // what happens before the first scrape is not an increase of any counter
		if up := query(t, s.prometheus, "/api/v1/query?query="+url.QueryEscape("min_over_time(up[2s]) == 1")); len(
			up,
		) != 3 {
			return fmt.Errorf("scraped: %v", up)
		}
		return nil
	})
	s.untilShown(t, boards)
	t.Run("native histograms", func(t *testing.T) { s.nativeHistograms(t, boards) })
	t.Run("choices", func(t *testing.T) { s.choices(t, boards) })
	t.Run("variables", func(t *testing.T) { s.variables(t, boards) })
	t.Run("annotations", func(t *testing.T) {
		for _, b := range boards {
			for _, a := range b.Annotations.List {
				run(t, s.prometheus, a.Target, s.all())
			}
		}
	})
	t.Run("two load balancers", func(t *testing.T) { s.bothBalancers(t, boards) })
	t.Run("events add up", s.eventsAddUp)
	t.Run("states", s.states)
}

// untilShown makes trouble until at least 95 of 100 panels have something to show, and every query of a shown panel
// that is there for a count of something has its explicit zero or more.
func (s *scene) untilShown(t *testing.T, boards []board) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for round := 0; ; round++ {
		s.trouble(t, round)
		empty, all := s.empty(t, boards)
		if round >= 8 && len(empty)*20 <= all {
			t.Logf("%d of %d panels show something after %d rounds; not: %q", all-len(empty), all, round, empty)
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d panels show nothing: %q", len(empty), all, empty)
		}
	}
}

// empty are the panels with a query that gives nothing, or nothing but NaN.
func (s *scene) empty(t *testing.T, boards []board) (empty []string, all int) {
	t.Helper()
	for _, b := range boards {
		for _, p := range b.drawn() {
			all++
			for _, q := range p.Targets {
				if !someValue(run(t, s.prometheus, q, s.all())) {
					empty = append(empty, fmt.Sprintf("%s/%s/%s", b.file, p.Title, q.RefID))
					break
				}
			}
		}
	}
	return empty, all
}

func someValue(all []series) bool {
	return slices.ContainsFunc(all, func(one series) bool {
		return slices.ContainsFunc(one.values, func(v float64) bool { return !math.IsNaN(v) })
	})
}

// nativeHistograms: where Prometheus keeps native histograms in place of classic ones, every panel and every
// recorded series that shows something does so there, too, and the rules agree on how many requests are slow.
func (s *scene) nativeHistograms(t *testing.T, boards []board) {
	if classic := query(t, s.native, "/api/v1/query?query="+
		url.QueryEscape(`{__name__=~"(nginx|probe)_.+_seconds_(bucket|sum|count)",job="fremisn-exporter"}`)); len(
		classic,
	) > 0 {
		t.Fatalf("Prometheus keeps classic histograms, too: %v", classic[0])
	}
	s.await(t, func() error {
		var errs []error
		for _, b := range boards {
			for _, p := range b.drawn() {
				for _, q := range p.Targets {
					if someValue(run(t, s.prometheus, q, s.all())) && !someValue(run(t, s.native, q, s.all())) {
						errs = append(errs, fmt.Errorf("%s/%s/%s shows nothing: %s", b.file, p.Title, q.RefID, q.Expr))
					}
				}
			}
		}
		names := func(p *testenv.Prometheus) map[string]bool {
			found := map[string]bool{}
			for _, one := range query(t, p, "/api/v1/query?query="+
				url.QueryEscape(`count by (__name__) ({__name__=~"fremisn:.+"})`)) {
				found[one.labels["__name__"]] = true
			}
			return found
		}
		native := names(s.native)
		for name := range names(s.prometheus) {
			if !native[name] {
				errs = append(errs, fmt.Errorf("%s is not recorded", name))
			}
		}
		return errors.Join(errs...)
	})
	if output := s.native.Output(); strings.Contains(output, "discarded") { // a histogram is rounded, and not recorded
		t.Error(output)
	}
	// The same scrapes would give the same; two Prometheus scrape at different moments, and a native bucket is a
	// tenth wide.
	for _, metric := range []string{"fremisn:requests_served:rate5m", "fremisn:requests_within:rate5m",
		"fremisn:request_seconds:p95_5m", "fremisn:node_busy_slots:mean5m"} {
		s.await(t, func() error {
			expr := "/api/v1/query?query=" + url.QueryEscape(
				fmt.Sprintf(
					`sum by (cluster, job, instance, upstream, server, node, route) (%s{job="fremisn-exporter"})`,
					metric,
				),
			)
			classic, native := query(t, s.prometheus, expr), query(t, s.native, expr)
			if len(classic) == 0 || len(classic) != len(native) {
				return fmt.Errorf("%s: %v and %v", metric, classic, native)
			}
			for _, c := range classic {
				i := slices.IndexFunc(native, func(n series) bool { return maps.Equal(n.labels, c.labels) })
				if i < 0 {
					return fmt.Errorf("%s: no %v", metric, c.labels)
				}
				if a, b := c.values[0], native[i].values[0]; math.Abs(a-b) > 0.25*max(a, b)+0.05 {
					return fmt.Errorf(
						"%s of %v is %g with classic histograms and %g with native ones",
						metric,
						c.labels,
						a,
						b,
					)
				}
			}
			return nil
		})
	}
}

// choices: what Grafana writes for one value or several must be good PromQL, and must find what was chosen.
func (s *scene) choices(t *testing.T, boards []board) {
	one := s.all()
	one["job"], one["instance"], one["upstream"] = chosen(
		"fremisn-exporter",
	), chosen(
		s.exporter.Address,
	), chosen(
		"fremisn_backend",
	)
	one["node"] = chosen("master")
	several := s.all()
	several["job"], several["instance"] = chosen("fremisn-exporter", "another"), chosen(s.exporter.Address, second)
	several["upstream"], several["node"] = chosen("fremisn_backend", "another"), chosen("slave-1", "slave-2")
	byAddress := s.all()
	byAddress["server"] = chosen(s.nodes[3].Address)
	for _, b := range boards {
		for _, p := range b.drawn() {
			for _, q := range p.Targets {
				for name, c := range map[string]choice{"one": one, "several": several} {
					for _, found := range run(t, s.prometheus, q, c) {
						instance, node := found.labels["instance"], found.labels["node"]
						if name == "one" && instance == second ||
							node != "" && !slices.Contains(map[string][]string{"one": {"master"},
								"several": {"slave-1", "slave-2"}}[name], node) &&
								strings.Contains(q.Expr, "$node") {
							t.Errorf("%s/%s/%s: %s chosen, %v found", b.file, p.Title, q.RefID, name, found.labels)
						}
					}
				}
				if b.file != "node.json" {
					continue
				}
				for _, found := range run(t, s.prometheus, q, byAddress) {
					if server, is := found.labels["server"]; is && server != s.nodes[3].Address {
						t.Errorf(
							"%s/%s/%s: %s chosen, %v found",
							b.file,
							p.Title,
							q.RefID,
							s.nodes[3].Address,
							found.labels,
						)
					}
				}
			}
		}
	}
	state := named(t, "node.json").panel(t, "State").Targets[0]
	s.await(t, func() error {
		if found := run(t, s.prometheus, state, byAddress); len(found) != 2 {
			return fmt.Errorf("a server without a name is found by its address on both load balancers: %v", found)
		}
		return nil
	})
	probes := named(t, "node.json").panel(t, "Probes").Targets[0]
	for _, found := range run(t, s.prometheus, probes, byAddress) {
		if !strings.Contains(found.labels["target"], s.nodes[3].Address) {
			t.Errorf("a probe of another server: %v", found.labels)
		}
	}
}

// variables: each query of a variable offers what there is.
func (s *scene) variables(t *testing.T, boards []board) {
	want := map[string][]string{
		"job": {"fremisn-exporter"}, "instance": {s.exporter.Address, second}, "upstream": {"fremisn_backend"},
		"node": {"master", "slave-1", "slave-2"},
	}
	var servers []string
	for _, node := range s.nodes {
		servers = append(servers, node.Address)
	}
	want["server"] = servers
	for _, b := range boards {
		for _, v := range b.Templating.List {
			if v.Type == "datasource" {
				continue
			}
			inner := strings.TrimSuffix(strings.TrimPrefix(v.Definition, "label_values("), ")")
			cut := strings.LastIndex(inner, ",")
			selector, label := s.all().in(t, inner[:cut]), strings.TrimSpace(inner[cut+1:])
			var answer struct{ Data []string }
			path := fmt.Sprintf("/api/v1/label/%s/values?match[]=%s", label, url.QueryEscape(selector))
			if err := s.prometheus.Get(path, &answer); err != nil {
				t.Fatal(err)
			}
			slices.Sort(answer.Data)
			slices.Sort(want[v.Name])
			if !slices.Equal(answer.Data, want[v.Name]) {
				t.Errorf("%s $%s: %q, not %q", b.file, v.Name, answer.Data, want[v.Name])
			}
		}
	}
}

// bothBalancers: every query whose answer names the load balancer names both; soon, for they are not scraped at once.
func (s *scene) bothBalancers(t *testing.T, boards []board) {
	s.await(t, func() error {
		var errs []error
		for _, b := range boards {
			for _, p := range b.drawn() {
				for _, q := range p.Targets {
					if strings.Contains(q.Expr, "topk by (cluster)") ||
						strings.Contains(q.Expr, "bottomk by (cluster)") {
						continue
					}
					lines := map[string]int{}
					for _, found := range run(t, s.prometheus, q, s.all()) {
						if job, is := found.labels["job"]; is && job != "fremisn-exporter" {
							t.Fatalf("%s/%s/%s: another exporter is shown: %v", b.file, p.Title, q.RefID, found.labels)
						}
						if instance, is := found.labels["instance"]; is {
							lines[instance]++
						}
					}
					if len(lines) > 0 && (lines[second] == 0 || lines[s.exporter.Address] == 0 || len(lines) > 2) {
						errs = append(
							errs,
							fmt.Errorf("%s/%s/%s: lines by load balancer: %v", b.file, p.Title, q.RefID, lines),
						)
					}
				}
			}
		}
		return errors.Join(errs...)
	})
}

// eventsAddUp: bars count what the counter counts, from its very first on.
func (s *scene) eventsAddUp(t *testing.T) {
	bars := named(t, "saturation.json").panel(t, "Requests without a free node").Targets[0]
	shown := map[string]float64{}
	end := time.Now().Unix() - 2
	expr := s.all().in(t, bars.Expr)
	for _, found := range query(t, s.prometheus,
		fmt.Sprintf("/api/v1/query_range?start=%d&end=%d&step=1&query=%s", end-600, end, url.QueryEscape(expr))) {
		for _, v := range found.values {
			shown[found.labels["instance"]] += v
		}
	}
	counted := query(
		t,
		s.prometheus,
		fmt.Sprintf(
			"/api/v1/query?time=%d&query=%s",
			end,
			url.QueryEscape(
				`sum by (instance) (last_over_time(nginx_upstream_no_live_total{job="fremisn-exporter"}[30s]))`,
			),
		),
	)
	if len(counted) != 2 {
		t.Fatalf("counters: %v", counted)
	}
	for _, found := range counted {
		if got := shown[found.labels["instance"]]; got != found.values[0] || got == 0 {
			t.Errorf("%s: the bars add up to %g, the counter is %g", found.labels["instance"], got, found.values[0])
		}
	}
}

// states: the table's verdict on each node follows what happens to it.
func (s *scene) states(t *testing.T) {
	for _, node := range s.nodes {
		node.Clear()
	}
	state := named(t, "overview.json").panel(t, "Nodes").Targets[0]
	up := named(t, "overview.json").panel(t, "Nodes up").Targets[0]
	s.nodes[3].Refuse()
	s.await(t, func() error {
		for _, found := range run(t, s.prometheus, state, s.all()) {
			if down := found.labels["server"] == s.nodes[3].Address; down != (found.values[0] == 0) {
				return fmt.Errorf("state of %v is %g", found.labels, found.values[0])
			}
		}
		return nil
	})
	s.await(t, func() error {
		for _, found := range run(t, s.prometheus, up, s.all()) {
			if found.labels["up"] != "3" || found.labels["all"] != "4" {
				return fmt.Errorf("nodes up: %v", found)
			}
		}
		return nil
	})
	if err := s.nodes[3].Listen(); err != nil {
		t.Fatal(err)
	}
}

// await asks until it is so.
func (s *scene) await(t *testing.T, so func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := so()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// TestEmpty runs every query on a Prometheus that knows nothing but the recording rules: no error, nothing that is not
// a number, and a text for what is not there.
func TestEmpty(t *testing.T) {
	config := fmt.Sprintf(
		"global: {evaluation_interval: 1s}\nrule_files: [%s]\n",
		strings.Join(recordingRules(t), ", "),
	)
	prometheus, err := testenv.StartPrometheus(t.Context(), t.TempDir(), config, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { prometheus.Stop() })
	for _, b := range shipped(t) {
		for _, a := range b.Annotations.List {
			if found := run(t, prometheus, a.Target, everything()); len(found) > 0 {
				t.Errorf("%s: a mark %q without data: %v", b.file, a.Name, found)
			}
		}
		for _, p := range b.drawn() {
			for _, q := range p.Targets {
				found := run(t, prometheus, q, everything())
				if len(found) > 0 {
					t.Errorf(
						"%s/%s/%s shows %v without data, not %q",
						b.file,
						p.Title,
						q.RefID,
						found,
						p.FieldConfig.Defaults.NoValue,
					)
				}
			}
		}
	}
}
