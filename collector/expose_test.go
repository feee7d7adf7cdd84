package collector

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/fremisn/fremisn-exporter/collector/internal/accesslog"
	"github.com/fremisn/fremisn-exporter/collector/internal/exposetest"
	"github.com/fremisn/fremisn-exporter/collector/internal/follow"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// exposedAs gathers the metrics that a snapshot makes.
type exposedAs struct {
	counter follow.Counter
	t       *source.Topology
	x       *logExposer
	descs   *descs
}

func (e exposedAs) snapshot() *follow.Snapshot {
	lines, series := e.counter.Snapshot()
	return &follow.Snapshot{Lines: lines, Series: series}
}

func (e exposedAs) expose(g *gathering) { e.x.expose(e.snapshot(), 0, e.t, emitter{g}) }

// Gather implements prometheus.Gatherer.
func (e exposedAs) Gather() ([]*dto.MetricFamily, error) {
	g := &gathering{descs: e.descs}
	e.expose(g)
	return g.families()
}

func exposing(counter follow.Counter, t *source.Topology) exposedAs {
	return exposedAs{counter, t, &logExposer{log: "access"}, newDescs(false)}
}

func accessCounter(t testing.TB, format string) *accesslog.Counter {
	t.Helper()
	c, err := accesslog.New(accesslog.Config{
		Source:  source.LogSource{Name: "access", Formats: []source.Format{{Text: format}}},
		Buckets: []float64{0.1, 1}, MaxSeries: 10000,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// text is what a scrape in a format would show.
func text(t testing.TB, from prometheus.Gatherer, write func(io.Writer, *dto.MetricFamily) (int, error)) string {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, family := range families {
		if _, err := write(&text, family); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

// TestExemplars wants the request's id with the latest observation of each bucket, and OpenMetrics to take it.
func TestExemplars(t *testing.T) {
	c := accessCounter(t, `$status $request_time $request_id`)
	c.Lines([]byte("200 0.010 first\n200 0.020 0123456789abcdef0123456789abcdef\n200 5.000 \xff\n200 0.500 " +
		strings.Repeat("x", 119) + "\n"))
	got := text(t, exposing(c, &source.Topology{}),
		func(w io.Writer, f *dto.MetricFamily) (int, error) { return expfmt.MetricFamilyToOpenMetrics(w, f) })
	for _, want := range []string{
		`le="0.1"} 2 # {request_id="0123456789abcdef0123456789abcdef"} 0.02 1`,
		`le="1.0"} 3` + "\n",
		`le="+Inf"} 4 # {request_id="` + "\uFFFD" + `"} 5.0 1`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q in\n%s", want, got)
		}
	}
}

// TestLabelsFollowNginxConf: upstream and node are by the nginx.conf of the day, and a series that has not moved is
// given again as it was.
func TestLabelsFollowNginxConf(t *testing.T) {
	c := accessCounter(t, `$status $upstream_addr`)
	c.Lines([]byte("200 127.0.0.231:4005\n"))
	e := exposing(c, &source.Topology{})
	before := text(t, e, expfmt.MetricFamilyToText)
	e.t = source.NewTopology(
		[]nginxconf.Upstream{{Name: "nodes", Servers: []nginxconf.Server{{Address: "127.0.0.231:4005"}}}},
		[]source.Node{{Name: "master", Address: "127.0.0.231:4005"}}, nil)
	after := text(t, e, expfmt.MetricFamilyToText)
	for text, want := range map[string]string{
		before: `nginx_upstream_attempts_total{code="200",log="access",node="",outcome="ok",` +
			`server="127.0.0.231:4005",upstream=""} 1`,
		after: `nginx_upstream_attempts_total{code="200",log="access",node="master",outcome="ok",` +
			`server="127.0.0.231:4005",upstream="nodes"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("missing: %s in\n%s", want, text)
		}
	}
	if again := text(t, e, expfmt.MetricFamilyToText); again != after {
		t.Errorf("it changes without cause:\n%s", again)
	}
}

// TestExposeTestIsTrue holds what tests of the rooms below compare with against what a scrape shows.
func TestExposeTestIsTrue(t *testing.T) {
	c := accessCounter(t, `$status $request_time $upstream_addr $upstream_status`)
	c.Lines([]byte("200 0.010 127.0.0.231:4005 200\n502 0.010 nodes 502\nx\n"))
	lines := text(t, exposing(c, &source.Topology{}), expfmt.MetricFamilyToText)
	for _, line := range exposetest.Lines("access", c, &source.Topology{}) {
		if !strings.Contains(lines, line+"\n") {
			t.Errorf("missing: %s in\n%s", line, lines)
		}
	}
}

// TestMissing names what a format cannot give.
func TestMissing(t *testing.T) {
	missing := func(format string) []MissingMetric {
		check, err := NewFormatCheck(format, "default")
		if err != nil {
			t.Fatal(err)
		}
		return check.Missing()
	}
	if missing := missing(FullLogFormat); len(missing) > 0 {
		t.Errorf("the full format lacks %v", missing)
	}
	ofCombined := missing(nginxconf.CombinedFormat)
	for _, want := range []MissingMetric{
		{"nginx_access_request_duration_seconds", "$request_time"},
		{"nginx_upstream_attempts_total", "$upstream_addr"},
		{"nginx_upstream_response_duration_seconds", "$upstream_response_time"},
		{"nginx_access_limit_req_total", "$limit_req_status"},
		{"exemplars", "$request_id"},
	} {
		if !slices.Contains(ofCombined, want) {
			t.Errorf("%v is not among %v", want, ofCombined)
		}
	}
}
