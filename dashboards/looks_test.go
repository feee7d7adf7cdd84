package dashboards

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// promised reads the objectives from the rules.
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
	return number(`fremisn:availability:objective\n +expr: \|[^-]*\+ ([0-9.]+)`),
		number(`fremisn:latency:objective\n +expr: \|[^-]*\+ ([0-9.]+)`),
		number(`fremisn:latency_bound:seconds\n +expr: \|[^-]*\+ ([0-9.]+)`)
}

// TestThresholdsAtObjective: the default objective is where colours change, and descriptions name it; lines are what
// the exporter says, for an objective may be another.
func TestThresholdsAtObjective(t *testing.T) {
	availability, fast, bound := promised(t)
	near := func(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 }
	for _, want := range []struct {
		file, panel string
		value       float64
		word        string
	}{
		{"overview.json", "Success rate, last 5 min", availability, strconv.FormatFloat(100*availability, 'g', 6, 64) +
			" %"},
		{"overview.json", "p95, last 5 min", bound, ""},
		{"overview.json", "Error budget, 30 days", 0, ""},
		{"fleet.json", "Success rate, last 5 min", availability, ""},
		{"fleet.json", "Error ratio", 1 - availability, ""},
		{"node.json", "p95, last 5 min", bound, ""},
		{"node.json", "Response time, quantiles", bound, ""},
	} {
		p := named(t, want.file).panel(t, want.panel)
		if p.FieldConfig.Defaults.Thresholds == nil ||
			!slices.ContainsFunc(
				p.FieldConfig.Defaults.Thresholds.Steps,
				func(s threshold) bool { return s.Value != nil && near(*s.Value, want.value) },
			) {
			t.Errorf("%s/%s: no threshold at %g", want.file, want.panel, want.value)
		}
		if !strings.Contains(p.Description, want.word) {
			t.Errorf("%s/%s does not say %q", want.file, want.panel, want.word)
		}
	}
	words := strconv.FormatFloat(100*fast, 'g', 6, 64) + " % within " + strconv.FormatFloat(bound, 'g', -1, 64) + " s"
	if p := named(t, "overview.json").panel(t, "Response time of served requests"); !strings.Contains(
		p.Description,
		words,
	) {
		t.Errorf("%s does not say %q", p.Title, words)
	}
	for panel, metric := range map[string]string{
		"Response time of served requests": "fremisn:latency_bound:seconds",
		"p95 response time by route":       "fremisn:latency_bound:seconds",
		"p95 response time by node":        "fremisn:latency_bound:seconds",
		"Slow requests":                    "fremisn:latency:objective",
		"Error budget burn rate":           "fremisn:availability:objective",
	} {
		p := named(t, "overview.json").panel(t, panel)
		if !slices.ContainsFunc(p.Targets, func(q target) bool { return strings.Contains(q.Expr, metric) }) {
			t.Errorf("%s has no line at %s", panel, metric)
		}
	}
}

// TestNothingIsNeitherGoodNorBad: without a value, Grafana uses the colour of the first threshold.
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
				t.Errorf("%s/%s: another node has the colour of a known one, %s", b.file, p.Title, got)
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
		{"fleet.json", "Load balancers, the worst first", "Load balancer", "var-instance=${__value.text}"},
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
		if !strings.HasPrefix(url, "/d/fremisn-node?") && want.file != "fleet.json" ||
			!strings.HasSuffix(url, "&${__url_time_range}") ||
			!strings.Contains(url, "&"+want.variable+"&") {
			t.Errorf("%s/%s/%s leads to %q", want.file, want.panel, want.column, url)
		}
		for _, field := range regexp.MustCompile(`__data\.fields\.(\w+)`).FindAllStringSubmatch(url, -1) {
			if !columns[field[1]] {
				t.Errorf("%s/%s: the link needs the column %s, which is thrown away", want.file, want.panel, field[1])
			}
		}
	}
}

// TestLinesOfAlerts: where an alert fires is where the panel that shows why has its line or colour.
func TestLinesOfAlerts(t *testing.T) {
	files, err := filepath.Glob("../alerts/*.rules.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	alerts := map[string]string{}
	for _, file := range files {
		var content struct {
			Groups []struct {
				Rules []struct{ Alert, Expr string }
			}
		}
		read(t, file, &content)
		for _, group := range content.Groups {
			for _, rule := range group.Rules {
				alerts[rule.Alert] += strings.Join(strings.Fields(rule.Expr), " ") + " "
			}
		}
	}
	for _, want := range []struct {
		alert, in   string // verbatim from the alert's expression, without line breaks
		file, panel string
		value       float64
	}{
		{"NodeGrayFailing", ">= 0.05 ", "overview.json", "Failed attempts by node", 0.05},
		{"NodeGrayFailing", ">= 0.05 ", "node.json", "Failed, last 5 min", 0.05},
		{"SlotsSaturated", "> 0.8", "saturation.json", "Busy slots, last 5 min", 0.8},
		{"SlotsSaturated", "> 0.8", "saturation.json", "Utilisation by node", 0.8},
		{"TrafficImbalance", "> 0.2 ", "saturation.json", "Share of traffic against the fair share", 0.2},
		{"RateLimitingHigh", ">= 0.1 ", "saturation.json", "Rejected, last 5 min", 0.1},
		{"AvailabilityBudgetBurn", "(14.4 * (1 -", "overview.json", "Error budget burn rate", 14.4},
		{"AvailabilityBudgetBurn", "(6 * (1 -", "overview.json", "Error budget burn rate", 6},
		{"AvailabilityBudgetBurn", "> on (cluster, job, instance, route) (1 -", "overview.json",
			"Error budget burn rate", 1},
		{"LicenceQuotaHigh", "> 0.9", "licence-tls.json", "Used share of each quota", 0.9},
		{"LicenceQuotaHigh", "> 0.9", "licence-tls.json", "Fullest quota", 0.9},
		{"LicenceQuotaForecast", "predict14d", "licence-tls.json", "First quota full in", 14 * 86400},
		{"CertificateExpiring", "< 14 * 86400", "licence-tls.json", "First certificate expires in", 14 * 86400},
		{"CertificateExpiring", "< 14 * 86400", "licence-tls.json", "Certificate time left", 14 * 86400},
		{"LogCoverageLow", "< 0.5", "exporter.json", "Coverage, last 15 min", 0.5},
	} {
		if !strings.Contains(alerts["Fremisn"+want.alert], want.in) {
			t.Errorf("Fremisn%s does not hold %q: %s", want.alert, want.in, alerts["Fremisn"+want.alert])
		}
		p := named(t, want.file).panel(t, want.panel)
		if p.FieldConfig.Defaults.Thresholds == nil ||
			!slices.ContainsFunc(
				p.FieldConfig.Defaults.Thresholds.Steps,
				func(s threshold) bool { return s.Value != nil && *s.Value == want.value },
			) {
			t.Errorf("%s/%s: no threshold at %g, where Fremisn%s fires", want.file, want.panel, want.value, want.alert)
		}
	}
}
