package dashboards

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A queryTest gives a query of a panel series by hand and says what it must answer.
type queryTest struct {
	name        string
	file, panel string
	mark        string // an annotation instead of a panel
	target      int
	series      map[string]string
	at          string
	want        map[string]float64 // labels as promtool writes them → value
}

// expr is the expression under test.
func (q queryTest) expr(t *testing.T) string {
	t.Helper()
	b := named(t, q.file)
	if q.mark == "" {
		return b.panel(t, q.panel).Targets[q.target].Expr
	}
	for _, a := range b.Annotations.List {
		if a.Name == q.mark {
			return a.Expr
		}
	}
	t.Fatalf("no annotation %q", q.mark)
	return ""
}

var jobAndInstance = regexp.MustCompile(`(?:cluster="[^"]*",)?job="[^"]*",instance="[^"]*"`)

// buildInfos accompany the series of each load balancer, so that the rules select them.
func buildInfos(series map[string]string) []string {
	all := map[string]bool{}
	for name := range series {
		if labels := jobAndInstance.FindString(name); labels != "" {
			all["fremisn_exporter_build_info{"+labels+"}"] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// TestQueries has promtool answer queries of the panels, with the recording rules, for series made by hand.
func TestQueries(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal(err)
	}
	type sample struct {
		Labels string  `yaml:"labels"`
		Value  float64 `yaml:"value"`
	}
	type queryCase struct {
		Expr     string   `yaml:"expr"`
		EvalTime string   `yaml:"eval_time"`
		Samples  []sample `yaml:"exp_samples"`
	}
	type input struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	type unit struct {
		Interval string      `yaml:"interval"`
		Input    []input     `yaml:"input_series"`
		Queries  []queryCase `yaml:"promql_expr_test"`
	}
	window := everything()
	window["__rate_interval"], window["__interval"], window["__range"] = "1m", "15s", "4m"
	for _, test := range queryTests {
		t.Run(test.name, func(t *testing.T) {
			u := unit{Interval: "15s"}
			for _, series := range buildInfos(test.series) {
				u.Input = append(u.Input, input{series, "1x2000"})
			}
			for series, values := range test.series {
				u.Input = append(u.Input, input{series, values})
			}
			c := queryCase{Expr: "round(" + window.in(t, test.expr(t)) + ", 0.001)", EvalTime: test.at}
			for labels, value := range test.want {
				c.Samples = append(c.Samples, sample{labels, value})
			}
			u.Queries = append(u.Queries, c)
			content, err := yaml.Marshal(
				map[string]any{"rule_files": recordingRules(t), "evaluation_interval": "15s", "tests": []unit{u}},
			)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "query_test.yml")
			if err := os.WriteFile(file, content, 0o644); err != nil {
				t.Fatal(err)
			}
			if output, err := exec.Command(promtool, "test", "rules", file).CombinedOutput(); err != nil {
				t.Errorf("%s\n%s", c.Expr, output)
			}
		})
	}
}

// TestQueriesParse has promtool read every query, as a rule.
func TestQueriesParse(t *testing.T) {
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var rules []rule
	add := func(expr string) {
		rules = append(rules, rule{fmt.Sprintf("query:%d", len(rules)), everything().in(t, expr)})
	}
	for _, b := range shipped(t) {
		for _, p := range b.drawn() {
			for _, q := range p.Targets {
				add(q.Expr)
			}
		}
		for _, a := range b.Annotations.List {
			add(a.Expr)
		}
	}
	content, err := yaml.Marshal(map[string]any{"groups": []map[string]any{{"name": "queries", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "queries.yml")
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command("promtool", "check", "rules", file).CombinedOutput()
	if err != nil || !strings.Contains(string(output), fmt.Sprintf("%d rules found", len(rules))) {
		t.Errorf("%v\n%s", err, output)
	}
}
