package collector

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/logtest"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// registered gives a registry what a gathering has.
type registered struct{ *gathering }

func (r registered) Describe(chan<- *prometheus.Desc) {}
func (r registered) Collect(metrics chan<- prometheus.Metric) {
	for _, of := range append(r.logs, logSamples{samples: r.loose}) {
		for _, s := range of.samples {
			metrics <- registeredSample(s)
		}
	}
}

type registeredSample sample

func (s registeredSample) Desc() *prometheus.Desc {
	of := metric.Get(s.id)
	return prometheus.NewDesc(of.Name, of.Help, append(of.Labels, of.Optional...), nil)
}

func (s registeredSample) Write(out *dto.Metric) error {
	(*sample)(&s).write(out)
	return nil
}

// A scrape shows what a registry of client_golang makes of the same metrics, and that finds no fault with them.
func TestGatheringIsThatOfARegistry(t *testing.T) {
	counter := accessCounter(t, logtest.Full)
	w := logtest.NewMixed(logtest.Formats()[0], 1)
	e := exposing(counter, &source.Topology{})
	for range 3 {
		var block []byte
		for len(block) < 16<<10 {
			block = w.Append(block)
		}
		counter.Lines(block)
		g := &gathering{descs: e.descs}
		e.expose(g)
		to := emitter{g}
		to.counter(metric.StateCommits, 2, "ok")
		to.counter(metric.StateCommits, 0, "failed")
		to.gauge(metric.CollectorSuccess, 1, "stub_status")
		to.gauge(metric.CollectorSuccess, 1, "access_log")
		to.untyped(metric.ConnectionsAccepted, 7)
		registry := prometheus.NewRegistry()
		registry.MustRegister(registered{g})
		want, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got, err := g.families()
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" || err != nil {
			t.Errorf("%v; the registry has -, this has +:\n%s", err, diff)
		}
	}
}

// Two series with the same labels are an error in the log of every scrape, and one of them is shown.
func TestSeriesWithTheSameLabels(t *testing.T) {
	d := newDescs(false)
	var f exposedFamily
	for _, server := range []string{"b:80", "a:80", "b:80"} {
		f.series = append(f.series, exposedSeries{labels: []*dto.LabelPair{pair("server", server)}})
	}
	f.sort(metric.Retries)
	if f.err == nil || !slices.Equal(f.sorted, []int32{1, 0}) {
		t.Errorf("%v, error %v", f.sorted, f.err)
	}
	counter := accessCounter(t, `$status`)
	e := exposing(counter, &source.Topology{})
	e.expose(&gathering{descs: e.descs})
	e.x.families[metric.Retries].err = f.err
	counter.Lines([]byte("200\n"))
	s, again := e.snapshot(), &gathering{descs: e.descs}
	for range 2 {
		e.x.expose(s, 0, e.t, emitter{again})
		again.logs = nil
	}
	_, err := again.families()
	if err == nil || strings.Count(err.Error(), "log access: nginx_upstream_retries_total has two series") != 2 {
		t.Errorf("error %v", err)
	}
	g := &gathering{descs: d}
	to := emitter{g}
	to.gauge(metric.CollectorSuccess, 1, "probe")
	to.gauge(metric.CollectorSuccess, 0, "probe")
	families, err := g.families()
	if err == nil || len(families) != 1 || len(families[0].Metric) != 1 {
		t.Errorf("%v, error %v", families, err)
	}
}

// A scrape of a log to which nothing comes allocates a few pieces of memory for all series together.
func TestAllocationsOfAScrape(t *testing.T) {
	allocations := func(servers int) (n float64, series int) {
		counter := accessCounter(t, logtest.Full)
		var lines strings.Builder
		for i := range servers {
			fmt.Fprintf(&lines, "10.20.30.40 - - [24/Nov/2026:10:00:00 +0700] \"GET / HTTP/1.1\" 200 100 \"-\" \"-\" "+
				"rt=0.100 rl=100 bs=300 lr=\"PASSED\" id=x ua=\"10.0.%d.%d:80\" us=\"200\" uct=\"0.000\" "+
				"uht=\"0.100\" urt=\"0.100\"\n", i/256, i%256)
		}
		counter.Lines([]byte(lines.String()))
		e := exposing(counter, &source.Topology{})
		g := &gathering{descs: e.descs}
		shown := e.snapshot()
		n = testing.AllocsPerRun(10, func() {
			g.logs, g.loose = nil, nil
			e.x.expose(shown, 0, e.t, emitter{g})
			families, err := g.families()
			if err != nil {
				t.Fatal(err)
			}
			series = 0
			for _, f := range families {
				series += len(f.Metric)
			}
		})
		if e.x.families != nil {
			t.Error("what only changes need is kept though nothing comes")
		}
		return n, series
	}
	few, fewSeries := allocations(2)
	many, manySeries := allocations(300)
	if manySeries < 10*fewSeries || many > few+10 {
		t.Errorf("%.0f allocations for %d series, %.0f for %d", few, fewSeries, many, manySeries)
	}
}

// A fault of the program's own costs the scrape in which it shows, and not the program.
func TestPanicAtAScrape(t *testing.T) {
	c, err := New(Options{Settings: &source.Settings{}, Logger: log.NewNopLogger(),
		Others: []Other{{Name: "probe", Check: func(context.Context) error { return nil }}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := c.Gatherer(ctx, false).Gather(); err != nil {
		t.Fatal(err)
	}
	c.reports = nil
	if _, err := c.Gatherer(ctx, false).Gather(); err == nil || !strings.Contains(err.Error(), "nil pointer") {
		t.Errorf("error %v", err)
	}
}
