package alerts

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// promised are the alerts that users' routes and runbooks rely on.
var promised = strings.Fields(`LoadBalancerDown AllNodesDown CapacityDegraded NodeDown NodeFlapping NodeGrayFailing NodeLatencyOutlier
	NoLiveUpstreams SlotsSaturated RetriesHigh RateLimitingHigh AvailabilityBudgetBurn LatencyBudgetBurn TrafficImbalance ConnectionsDropped NginxRestarted
	CertificateExpiring LogPipelineStalled LogCoverageLow LogParseErrors LogGaps StateNotCommitted CollectorFailing ProbeStale ExporterDown LicenceQuotaHigh
	LicenceQuotaForecast LicenceUnknown Watchdog`)

// runbookBase is where runbook links point: this folder on the main branch.
const runbookBase = "https://github.com/fremisn/fremisn-exporter/blob/main/alerts/runbooks/"

type rule struct {
	Alert, Record, Expr string
	Labels, Annotations map[string]string
	KeepFiringFor       string `yaml:"keep_firing_for"`
}

func rules(t *testing.T) []rule {
	t.Helper()
	files, err := filepath.Glob("*.rules.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rule files: %v", err)
	}
	var all []rule
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var content struct{ Groups []struct{ Rules []rule } }
		if err := yaml.Unmarshal(text, &content); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, group := range content.Groups {
			all = append(all, group.Rules...)
		}
	}
	return all
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	output, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
	return string(output)
}

func TestPromtool(t *testing.T) {
	files, err := filepath.Glob("*.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	command(t, "promtool", append([]string{"check", "rules"}, files...)...)
	tests, err := filepath.Glob("*_test.yml")
	if err != nil || len(tests) == 0 {
		t.Fatalf("no promtool tests: %v", err)
	}
	command(t, "promtool", append([]string{"test", "rules"}, tests...)...)
}

func TestEveryPromisedAlert(t *testing.T) {
	tests, err := os.ReadFile("alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		name, ok := strings.CutPrefix(r.Alert, "Fremisn")
		if !ok || !slices.Contains(promised, name) {
			t.Errorf("%s is no alert that was promised", r.Alert)
		}
		found = append(found, name)
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s has the severity %q", r.Alert, r.Labels["severity"])
		}
		for _, annotation := range []string{"summary", "description", "runbook_url", "dashboard_url"} {
			if r.Annotations[annotation] == "" {
				t.Errorf("%s has no %s", r.Alert, annotation)
			}
		}
		if want := runbookBase + r.Alert + ".md"; r.Annotations["runbook_url"] != want {
			t.Errorf("%s has the runbook %s", r.Alert, r.Annotations["runbook_url"])
		}
		if r.Alert == "FremisnNodeDown" && r.KeepFiringFor != "5m" {
			t.Errorf("FremisnNodeDown fires on for %q, not 5m", r.KeepFiringFor)
		}
		fires := regexp.MustCompile(`(?m)alertname: ` + r.Alert + `\n +exp_alerts:\n +- exp_labels`)
		if !fires.Match(tests) {
			t.Errorf("no promtool test in which %s fires", r.Alert)
		}
		if silent := strings.Count(string(tests), "alertname: "+r.Alert+", exp_alerts: []"); r.Alert != "FremisnWatchdog" && silent < 4 {
			t.Errorf("%s is tested to be silent %d times; too early, in health twice, and without traffic would be 4", r.Alert, silent)
		}
	}
	for _, name := range promised {
		if !slices.Contains(found, name) {
			t.Errorf("the alert Fremisn%s is missing", name)
		}
	}
}

func TestRunbooks(t *testing.T) {
	files, err := filepath.Glob("runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(promised) {
		t.Errorf("%d runbooks for %d alerts", len(files), len(promised))
	}
	for _, name := range promised {
		text, err := os.ReadFile("runbooks/Fremisn" + name + ".md")
		if err != nil {
			t.Error(err)
			continue
		}
		for _, heading := range []string{"# Fremisn" + name, "## Meaning", "## Impact", "## Diagnosis", "## Mitigation"} {
			if !strings.Contains(string(text), heading+"\n") {
				t.Errorf("the runbook of %s has no %q", name, heading)
			}
		}
	}
}

// TestMetricsExist holds every metric that a rule names against what the exporter has, so that no alert waits for
// something that never comes.
func TestMetricsExist(t *testing.T) {
	known := map[string]bool{"up": true, "process_start_time_seconds": true, "probe_success": true, "probe_ssl_earliest_cert_expiry": true,
		"fremisn_license_used": true, "fremisn_license_limit": true}
	sources, err := filepath.Glob("../collector/*.go")
	if err != nil {
		t.Fatal(err)
	}
	probes, err := filepath.Glob("../probe/*.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`"((?:nginx|fremisn_exporter|probe)_[a-z_]+)"`)
	for _, file := range append(sources, probes...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			known[m[1]] = true
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				known[m[1]+suffix] = true
			}
		}
	}
	all := rules(t)
	for _, r := range all {
		known[r.Record] = true
	}
	metric := regexp.MustCompile(`\b(?:up\b|fremisn:[a-z0-9_:]+|(?:nginx|fremisn|probe|process)_[a-z_]+\b)`)
	quotedText := regexp.MustCompile(`"[^"]*"`)
	for _, r := range all {
		for _, name := range metric.FindAllString(quotedText.ReplaceAllString(r.Expr, `""`), -1) {
			if !known[name] {
				t.Errorf("%s%s asks for %s, which there is not", r.Alert, r.Record, name)
			}
		}
	}
}

func TestAlertmanager(t *testing.T) {
	command(t, "amtool", "check-config", "alertmanager.yml")
	for labels, receiver := range map[string]string{
		"alertname=FremisnWatchdog severity=info":         "watchdog",
		"alertname=FremisnNodeDown severity=critical":     "pager",
		"alertname=FremisnRetriesHigh severity=warning":   "operators",
		"alertname=FremisnTrafficImbalance severity=info": "journal",
	} {
		args := append([]string{"config", "routes", "test", "--config.file=alertmanager.yml", "--verify.receivers=" + receiver}, strings.Fields(labels)...)
		command(t, "amtool", args...)
	}
	text, err := os.ReadFile("alertmanager.yml")
	if err != nil {
		t.Fatal(err)
	}
	if secret := regexp.MustCompile(`(?i)password:|api_key:|token:`).Find(text); secret != nil {
		t.Errorf("a secret in an example: %s", secret)
	}
}
