package dashboards

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// TestCentralStore sends what one site's Prometheus knows to central stores, by the examples in compose/prometheus:
// remote write to Prometheus and to VictoriaMetrics, and federation. What the dashboards show there is what they show
// at the source.
func TestCentralStore(t *testing.T) {
	const receive = "--web.enable-remote-write-receiver"
	receiver, err := testenv.StartPrometheus(t.Context(), t.TempDir(), "global: {}\n", "", receive)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { receiver.Stop() })
	victoria, err := testenv.StartVictoriaMetrics(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { victoria.Stop() })
	s := newScene(t, func(config string) string {
		config = strings.Replace(config, "global: {", "global: {external_labels: {cluster: jakarta}, ", 1)
		return config + remoteWrite(t, receiver.URL, victoria.URL)
	})
	config := federation(t, strings.TrimPrefix(s.prometheus.URL, "http://"))
	federated, err := testenv.StartPrometheus(t.Context(), t.TempDir(), config, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { federated.Stop() })
	for round := range 16 {
		s.trouble(t, round)
	}
	for name, store := range map[string]central{
		"Prometheus":      {receiver, 1e-9, true},
		"VictoriaMetrics": {victoria, 1e-9, false},
		"federation":      {federated, 0.5, true},
	} {
		t.Run(name, func(t *testing.T) { s.await(t, func() error { return s.same(t, store) }) })
	}
}

// central is a store and how far its answers may be off. Federation has a sample's time from the source, but may miss
// one. VictoriaMetrics has every sample, and another rate() and increase(): it does not extrapolate, and takes the
// birth of a counter for a rise from 0. They agree on series older than their window, which here are none; what rules
// have recorded is the same.
type central struct {
	*testenv.Prometheus
	tolerance float64
	promQL    bool // its rate is Prometheus'
}

// remoteWrite is the example, to these stores.
func remoteWrite(t *testing.T, stores ...string) string {
	t.Helper()
	var example struct {
		RemoteWrite []map[string]any `yaml:"remote_write"`
	}
	readExample(t, "remote-write.example.yml", &example)
	var all []map[string]any
	for i, store := range stores {
		to := maps.Clone(example.RemoteWrite[0])
		delete(to, "basic_auth")
		to["name"], to["url"] = fmt.Sprintf("central-%d", i), store+"/api/v1/write"
		all = append(all, to)
	}
	text, err := yaml.Marshal(map[string]any{"remote_write": all})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// federation is the example, from this source, as often as the source scrapes.
func federation(t *testing.T, source string) string {
	t.Helper()
	var example map[string]any
	readExample(t, "federation.example.yml", &example)
	job := example["scrape_configs"].([]any)[0].(map[string]any)
	job["scrape_interval"], job["scrape_timeout"] = "500ms", "500ms"
	job["static_configs"] = []any{map[string]any{"targets": []string{source}}}
	text, err := yaml.Marshal(example)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readExample(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile("../compose/prometheus/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// same returns where a store's answers differ from the source's, at one moment that both have.
func (s *scene) same(t *testing.T, store central) error {
	t.Helper()
	at := time.Now().Add(-5 * time.Second).Unix()
	asked, answered, off := 0, 0, []string{}
	for _, b := range shipped(t) {
		for _, p := range b.drawn() {
			for _, q := range p.Targets {
				path := fmt.Sprintf("/api/v1/query?time=%d&query=%s", at, url.QueryEscape(s.all().in(t, q.Expr)))
				source := query(t, s.prometheus, path)
				asked++
				if len(source) == 0 {
					continue
				}
				answered++
				tolerance := store.tolerance
				if !store.promQL && rateInText.MatchString(q.Expr) {
					tolerance = math.Inf(1) // the same series
				}
				found := query(t, store.Prometheus, path)
				if strings.Contains(q.Expr, "topk by") ||
					strings.Contains(q.Expr, "bottomk by") { // of equals either may be taken
					source, found = nameless(source), nameless(found)
				}
				if why := differs(source, found, tolerance); why != "" {
					off = append(off, fmt.Sprintf("%s/%s/%s: %s", b.file, p.Title, q.RefID, why))
				}
			}
		}
	}
	if answered*2 < asked {
		return fmt.Errorf("only %d of %d queries have an answer at the source", answered, asked)
	}
	if len(off) > 0 {
		return fmt.Errorf("%d of %d answers differ:\n%s", len(off), answered, strings.Join(off, "\n"))
	}
	return nil
}

var rateInText = regexp.MustCompile(`\b(rate|increase)\(`)

func nameless(all []series) []series {
	var without []series
	for _, one := range all {
		without = append(without, series{values: one.values})
	}
	return without
}

// withoutSite leaves out the site, and what a link makes of it.
func withoutSite(labels map[string]string) map[string]string {
	without := maps.Clone(labels)
	delete(without, "cluster")
	delete(without, "choice")
	return without
}

// differs returns why an answer differs; the store adds the site's label.
func differs(source, store []series, tolerance float64) string {
	if len(source) != len(store) {
		return fmt.Sprintf("%d series, not %d", len(store), len(source))
	}
	for _, want := range source {
		i := slices.IndexFunc(store, func(got series) bool {
			return maps.Equal(withoutSite(got.labels), withoutSite(want.labels))
		})
		if i < 0 {
			return fmt.Sprintf("no %v", want.labels)
		}
		a, b := want.values[0], store[i].values[0]
		if math.IsNaN(a) && math.IsNaN(b) || a == b {
			continue
		}
		if !(math.Abs(a-b) <= tolerance*max(math.Abs(a), math.Abs(b), 0.1)) {
			return fmt.Sprintf("%g, not %g, of %v", b, a, want.labels)
		}
	}
	return ""
}
