package alerts

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestForeignSeries gives the rules the series of every unit test, in which each alert fires, as those of somebody
// else: without fremisn_exporter_build_info beside them, under another job's name. Nothing is recorded of them and
// nothing fires.
func TestForeignSeries(t *testing.T) {
	t.Parallel()
	type series struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	var foreign []series
	named := regexp.MustCompile(`job="[^"]*",instance="[^"]*"`)
	for i, file := range promtoolTests(t) {
		var content struct {
			Tests []struct {
				Series []series `yaml:"input_series"`
			}
		}
		readYAML(t, file, &content)
		if strings.HasPrefix(file, "days") { // another interval between its samples
			continue
		}
		for j, test := range content.Tests {
			for k, s := range test.Series {
				if strings.HasPrefix(s.Series, "fremisn_exporter_build_info") {
					continue
				}
				of := fmt.Sprintf(`job="foreign",instance="foreign-%d-%d"`, i, j)
				if s.Series = named.ReplaceAllString(s.Series, of); !strings.Contains(s.Series, of) {
					t.Fatalf("%s: series %d, %s, is of no job", file, k, s.Series)
				}
				foreign = append(foreign, s)
			}
		}
	}
	if len(foreign) < 300 {
		t.Fatalf("only %d series", len(foreign))
	}
	own := []series{
		{`fremisn_exporter_build_info{job="fremisn-exporter",instance="own",version="1"}`, "1x480"},
		{`up{job="fremisn-exporter",instance="own"}`, "1x480"},
	}
	const nothing = `count by (__name__, alertname) ` +
		`({__name__=~"fremisn:.+|ALERTS",alertname!="FremisnWatchdog",instance!="own"})`
	type expression struct {
		At      string   `yaml:"eval_time"`
		Expr    string   `yaml:"expr"`
		Samples []string `yaml:"exp_samples"`
	}
	var expressions []expression
	for _, at := range []string{"5m", "11m", "13m", "20m", "30m", "1h", "1h30m"} {
		expressions = append(expressions, expression{At: at, Expr: nothing})
	}
	var rules []string
	for _, file := range ruleFiles(t) {
		path, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, path)
	}
	text, err := yaml.Marshal(map[string]any{
		"rule_files": rules, "evaluation_interval": "30s",
		"tests": []any{map[string]any{
			"interval": "15s", "input_series": append(foreign, own...), "promql_expr_test": expressions,
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "foreign_test.yml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	command(t, "promtool", "test", "rules", file)
}
