package dashboards

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// promised reads the objectives from where they stand.
func promised(t *testing.T) (availability, fast, bound float64) {
	t.Helper()
	rules, err := os.ReadFile("../alerts/recording.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	number := func(pattern string) float64 {
		found := regexp.MustCompile(pattern).FindSubmatch(rules)
		if found == nil {
			t.Fatalf("nothing fits %s", pattern)
		}
		value, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	return number(`fremisn:availability:objective\n +expr: vector\(([0-9.]+)\)`),
		number(`fremisn:latency:objective\n +expr: vector\(([0-9.]+)\)`),
		number(`request_duration_seconds_bucket\{outcome="ok",le=~?"([0-9.]+)`)
}

// TestThresholdsAtObjective: what is promised is where colours and lines change, and is said in words.
func TestThresholdsAtObjective(t *testing.T) {
	availability, fast, bound := promised(t)
	near := func(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 }
	for _, want := range []struct {
		file, panel string
		value       float64
		word        string
	}{
		{"overview.json", "Served now", availability, strconv.FormatFloat(100*availability, 'g', 6, 64) + " %"},
		{"overview.json", "p95 latency now", bound, ""},
		{"overview.json", "Latency of served requests", bound, strconv.FormatFloat(bound, 'g', -1, 64) + " s"},
		{"overview.json", "p95 latency by route", bound, ""},
		{"overview.json", "p95 latency by node", bound, ""},
		{"overview.json", "Slow requests", 1 - fast, strconv.FormatFloat(bound, 'g', -1, 64) + " s"},
		{"overview.json", "Error budget left, 30 days", 0, ""},
		{"node.json", "p95 response time", bound, ""},
		{"node.json", "Response time, quantiles", bound, ""},
	} {
		p := named(t, want.file).panel(t, want.panel)
		if p.FieldConfig.Defaults.Thresholds == nil || !slices.ContainsFunc(p.FieldConfig.Defaults.Thresholds.Steps, func(s threshold) bool { return s.Value != nil && near(*s.Value, want.value) }) {
			t.Errorf("%s/%s: no threshold at %g", want.file, want.panel, want.value)
		}
		if !strings.Contains(p.Description, want.word) {
			t.Errorf("%s/%s does not say %q", want.file, want.panel, want.word)
		}
	}
}

// TestNothingIsNeitherGoodNorBad: where there is no value, Grafana takes the colour of the first threshold.
func TestNothingIsNeitherGoodNorBad(t *testing.T) {
	for _, b := range shipped(t) {
		for _, p := range b.drawn() {
			steps := p.FieldConfig.Defaults.Thresholds
			if p.Type == "stat" && (steps == nil || steps.Steps[0].Value != nil || steps.Steps[0].Color != "#6e7079") {
				t.Errorf("%s/%s: thresholds %+v", b.file, p.Title, steps)
			}
			for _, o := range p.FieldConfig.Overrides {
				for _, property := range o.Properties {
					var own struct{ Steps []threshold }
					if property.ID != "thresholds" {
						continue
					}
					if err := json.Unmarshal(property.Value, &own); err != nil {
						t.Fatal(err)
					}
					if own.Steps[0].Value != nil || own.Steps[0].Color != "#6e7079" {
						t.Errorf("%s/%s/%s: thresholds %+v", b.file, p.Title, o.Matcher.Options, own.Steps)
					}
				}
			}
		}
	}
}

// TestOneColourANode: a line a node has the node's colour, on every panel.
func TestOneColourANode(t *testing.T) {
	want := map[string]string{"master": "blue", "slave-1": "orange", "slave-2": "purple"}
	seen := 0
	for _, b := range shipped(t) {
		for _, p := range b.drawn() {
			if p.Type != "timeseries" || !strings.HasPrefix(p.Targets[0].LegendFormat, "{{node}} {{server}}") {
				continue
			}
			seen++
			for node, colour := range want {
				series := node + " 192.168.100.1:4005 · lb:9113"
				if got := colourOf(t, p, series); got != colour {
					t.Errorf("%s/%s: %s is %q, not %s", b.file, p.Title, series, got, colour)
				}
			}
			if got := colourOf(t, p, "old-master-2 192.168.100.1:4005 · lb:9113"); got != "" {
				t.Errorf("%s/%s: another node has the colour of one of ours, %s", b.file, p.Title, got)
			}
		}
	}
	if seen < 8 {
		t.Errorf("only %d panels with a line a node", seen)
	}
}

// colourOf is the fixed colour of a series, by name; the last override that fits wins.
func colourOf(t *testing.T, p panel, series string) string {
	t.Helper()
	colour := ""
	for _, o := range p.FieldConfig.Overrides {
		if o.Matcher.ID != "byRegexp" || !regexp.MustCompile(strings.Trim(o.Matcher.Options, "/")).MatchString(series) {
			continue
		}
		for _, property := range o.Properties {
			var fixed struct{ FixedColor string }
			if property.ID != "color" {
				continue
			}
			if err := json.Unmarshal(property.Value, &fixed); err != nil {
				t.Fatal(err)
			}
			colour = fixed.FixedColor
		}
	}
	return colour
}

// TestTablesLeadToTheNode: who clicks a node in a table gets its page, by name, or by address where it has none.
func TestTablesLeadToTheNode(t *testing.T) {
	for _, want := range []struct{ file, panel, column, variable string }{
		{"overview.json", "Nodes", "Node", "var-node=${__value.text}"},
		{"overview.json", "Nodes", "Address", "var-server=${__value.text}"},
		{"licence-tls.json", "Quotas", "Node", "var-node=${__value.text}"},
	} {
		url := ""
		columns := map[string]bool{}
		p := named(t, want.file).panel(t, want.panel)
		for _, o := range p.FieldConfig.Overrides {
			for _, property := range o.Properties {
				var links []link
				if property.ID != "links" || o.Matcher.Options != want.column {
					continue
				}
				if err := json.Unmarshal(property.Value, &links); err != nil || len(links) != 1 {
					t.Fatalf("%s: %v", property.Value, err)
				}
				url = links[0].URL
			}
		}
		for _, transformation := range p.Transformations {
			if include, is := transformation.Options["include"].(map[string]any); is {
				for _, name := range include["names"].([]any) {
					columns[name.(string)] = true
				}
			}
		}
		if !strings.HasPrefix(url, "/d/fremisn-node?") || !strings.HasSuffix(url, "&${__url_time_range}") || !strings.Contains(url, "&"+want.variable+"&") {
			t.Errorf("%s/%s/%s leads to %q", want.file, want.panel, want.column, url)
		}
		for _, field := range regexp.MustCompile(`__data\.fields\.(\w+)`).FindAllStringSubmatch(url, -1) {
			if !columns[field[1]] {
				t.Errorf("%s/%s: the link needs the column %s, which is thrown away", want.file, want.panel, field[1])
			}
		}
	}
}
