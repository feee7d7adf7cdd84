package main

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
)

// alertExpr returns the expression of the first alert of that name.
func alertExpr(t *testing.T, name string) string {
	t.Helper()
	for _, file := range []string{"nodes", "traffic", "exporter", "balancer"} {
		text, err := os.ReadFile("../../alerts/" + file + ".rules.yml")
		if err != nil {
			t.Fatal(err)
		}
		var rules struct {
			Groups []struct {
				Rules []struct{ Alert, Expr string }
			}
		}
		if err := yaml.Unmarshal(text, &rules); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, group := range rules.Groups {
			for _, rule := range group.Rules {
				if rule.Alert == name {
					return strings.Join(strings.Fields(rule.Expr), " ")
				}
			}
		}
	}
	t.Fatalf("no alert %s", name)
	return ""
}

// What the verdict calls failing, limited, not understood or nearly used, the alerts do from the same number on. The
// verdict waits for less: what an alert does by `for`, and by a least number of requests, is not compared.
func TestVerdictAndAlertsDrawTheSameLines(t *testing.T) {
	for _, c := range []struct {
		alert, pattern string
		want           float64
	}{
		{"FremisnNodeGrayFailing", `node_errors:ratio_rate5m, .*?\) >= ([\d.]+)`, verdict.FailingRatio},
		{"FremisnNodeGrayFailing", `\(increase\(.*?\[5m\]\)\) >= (\d+)`, verdict.FailingCount},
		{"FremisnNodeGrayFailing", `\(increase\(.*?\[(\d+)m\]`, verdict.FailingMinutes},
		{"FremisnNodeLatencyOutlier", `p95_5m > (\d+) \*`, verdict.SlowPeers},
		{"FremisnRateLimitingHigh", `> 0\) >= ([\d.]+)`, verdict.LimitedRatio},
		{"FremisnLogParseErrors", `> 0\) >= ([\d.]+)`, verdict.MalformedRatio},
		{"FremisnLogParseErrors", `\(rate\(.*?\[(\d+)m\]`, verdict.MalformedMinutes},
		{"FremisnLicenceQuotaHigh", `> 0\) > ([\d.]+)`, quotaNearlyUsed},
	} {
		expr := alertExpr(t, c.alert)
		match := regexp.MustCompile(c.pattern).FindStringSubmatch(expr)
		if match == nil {
			t.Errorf("%s has nothing like %s:\n%s", c.alert, c.pattern, expr)
			continue
		}
		if got, err := strconv.ParseFloat(match[1], 64); err != nil || got != c.want {
			t.Errorf("%s: %s is %s, the verdict has %g", c.alert, c.pattern, match[1], c.want)
		}
	}
}

// The dashboards colour a node from the same share on.
func TestDashboardsDrawTheVerdictsLine(t *testing.T) {
	text, err := os.ReadFile("../../dashboards/gen/query.go")
	if err != nil {
		t.Fatal(err)
	}
	want := "const failing = " + strconv.FormatFloat(verdict.FailingRatio, 'g', -1, 64) + "\n"
	if !strings.Contains(string(text), want) {
		t.Errorf("dashboards/gen/query.go has no %q", want)
	}
}
