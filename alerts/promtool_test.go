package alerts

import (
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	output, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
	return string(output)
}

func promtoolTests(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*_test.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no promtool tests: %v", err)
	}
	return files
}

func TestPromtool(t *testing.T) {
	t.Parallel()
	command(t, "promtool", append([]string{"check", "rules", "--lint-fatal"}, ruleFiles(t)...)...)
	for _, file := range promtoolTests(t) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			command(t, "promtool", "test", "rules", file)
		})
	}
}

// A unitTest is one of promtool's.
type unitTest struct {
	Name   string
	Series []struct{ Series string } `yaml:"input_series"`
	Alerts []struct {
		At     string `yaml:"eval_time"`
		Name   string `yaml:"alertname"`
		Expect []struct {
			Labels      map[string]string `yaml:"exp_labels"`
			Annotations map[string]string `yaml:"exp_annotations"`
		} `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
	Expressions []struct {
		At      string `yaml:"eval_time"`
		Expr    string
		Samples []struct{ Labels string } `yaml:"exp_samples"`
	} `yaml:"promql_expr_test"`
}

type unitTests struct {
	Evaluated string `yaml:"evaluation_interval"`
	Tests     []unitTest
}

// TestEveryAlertHasUnitTests: each rule, one for each severity, fires in a test that lists its labels and annotations
// in full, and did not an evaluation before that.
func TestEveryAlertHasUnitTests(t *testing.T) {
	type proof struct{ fires, notYet bool }
	proofs := map[string]*proof{}
	for _, r := range rules(t) {
		if r.Alert != "" {
			proofs[r.Alert+" "+r.Labels["severity"]] = &proof{}
		}
	}
	for _, file := range promtoolTests(t) {
		var content unitTests
		readYAML(t, file, &content)
		step := duration(t, content.Evaluated)
		for _, test := range content.Tests {
			silent := map[string]bool{}
			for _, a := range test.Alerts {
				if len(a.Expect) == 0 {
					silent[a.Name+" "+duration(t, a.At).String()] = true
				}
			}
			for _, a := range test.Alerts {
				for _, e := range a.Expect {
					p := proofs[a.Name+" "+e.Labels["severity"]]
					if p == nil {
						t.Errorf("%s, %s: no %s of severity %s", file, test.Name, a.Name, e.Labels["severity"])
						continue
					}
					for _, annotation := range []string{"summary", "description", "runbook_url", "dashboard_url"} {
						if e.Annotations[annotation] == "" {
							t.Errorf("%s, %s: %s is not expected with its %s", file, test.Name, a.Name, annotation)
						}
					}
					p.fires = true
					p.notYet = p.notYet || silent[a.Name+" "+(duration(t, a.At)-step).String()]
				}
			}
		}
	}
	// Two rules whose lower step fires before the upper, at the same place: they cannot be inhibited by name.
	for _, name := range []string{"FremisnLicenceQuotaHigh critical", "FremisnCertificateExpiring critical"} {
		proofs[name].notYet = true
	}
	proofs["FremisnWatchdog info"].notYet = true // it always fires
	for _, name := range slices.Sorted(maps.Keys(proofs)) {
		if p := proofs[name]; !p.fires || !p.notYet {
			t.Errorf("%s: a test in which it fires: %v; and in which it does not yet: %v", name, p.fires, p.notYet)
		}
	}
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := model.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(d)
}

// TestHealthyMeansAllMetrics: silence proves something only where the rules have something to look at, so that the
// first healthy test must have every metric that an alert reads, and the watchdog must be seen.
func TestHealthyMeansAllMetrics(t *testing.T) {
	var content unitTests
	readYAML(t, "healthy_test.yml", &content)
	given := map[string]bool{}
	for _, s := range content.Tests[0].Series {
		name, _, _ := strings.Cut(s.Series, "{")
		given[name] = true
	}
	for _, r := range rules(t) {
		for _, name := range metricsIn(r.Expr) {
			// promtool of Prometheus 2.42 cannot write native histograms.
			native := strings.HasSuffix(name, "_duration_seconds")
			if !strings.HasPrefix(name, "fremisn:") && !given[name] && !native {
				t.Errorf("%s%s reads %s, which the healthy test lacks", r.Alert, r.Record, name)
			}
		}
	}
	const nothingButTheWatchdog = `{__name__="ALERTS",alertname!="FremisnWatchdog"}`
	for _, test := range content.Tests {
		silent, watched := 0, false
		for _, e := range test.Expressions {
			switch {
			case e.Expr == nothingButTheWatchdog && len(e.Samples) == 0:
				silent++
			case e.Expr == "ALERTS" && len(e.Samples) == 1 && strings.Contains(e.Samples[0].Labels, "FremisnWatchdog"):
				watched = true
			}
		}
		if test.Name != "the watchdog" && (silent < 10 || !watched) {
			t.Errorf("%s: silent %d times, watched over: %v", test.Name, silent, watched)
		}
	}
}
