// Package alerts holds the rules for Prometheus, an example for Alertmanager and the runbooks. There is no code in it
// but tests: of the files' form, of every alert by promtool, and of the alerts on real parts.
package alerts

import (
	"encoding/json"
	"io/fs"
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
var promised = strings.Fields(`LoadBalancerDown AllNodesDown CapacityDegraded NodeDown NodeFlapping NodeGrayFailing
	NodeLatencyOutlier NoLiveUpstreams SlotsSaturated RetriesHigh RateLimitingHigh AvailabilityBudgetBurn
	LatencyBudgetBurn TrafficImbalance ConnectionsDropped NginxRestarted CertificateExpiring LogPipelineStalled
	LogCoverageLow LogParseErrors LogGaps StateNotCommitted CollectorFailing ProbeStale ExporterDown LicenceQuotaHigh
	LicenceQuotaForecast LicenceUnknown Watchdog WorkerConnectionsHigh ServerTakenOut ConfigNotLoaded`)

// felt are the alerts on what clients feel now: only these call a person, by severity critical.
var felt = strings.Fields(`LoadBalancerDown AllNodesDown NoLiveUpstreams NodeGrayFailing
	AvailabilityBudgetBurn LicenceQuotaHigh CertificateExpiring`)

// runbookBase is where runbook links point: this folder on the main branch.
const runbookBase = "https://github.com/fremisn/fremisn-exporter/blob/main/alerts/runbooks/"

type rule struct {
	Alert, Record, Expr string
	For                 string
	Labels, Annotations map[string]string
	KeepFiringFor       string `yaml:"keep_firing_for"`
}

func ruleFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.rules.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rule files: %v", err)
	}
	return files
}

func rules(t *testing.T) []rule {
	t.Helper()
	var all []rule
	for _, file := range ruleFiles(t) {
		var content struct{ Groups []struct{ Rules []rule } }
		readYAML(t, file, &content)
		for _, group := range content.Groups {
			all = append(all, group.Rules...)
		}
	}
	return all
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func TestEveryPromisedAlert(t *testing.T) {
	dashboards := dashboardUIDs(t)
	dashboard := regexp.MustCompile(
		`^/d/(fremisn-[a-z]+)(\?var-cluster={{ \$labels\.cluster }}&var-job={{ \$labels\.job }}&var-instance={{ ` +
			`\$labels\.instance }}({{ with \$labels\.node }}&var-node={{ \. \| urlquery }}{{ end }})?)?$`,
	)
	var found []string
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		name, ok := strings.CutPrefix(r.Alert, "Fremisn")
		if !ok || !slices.Contains(promised, name) {
			t.Errorf("%s is not a promised alert", r.Alert)
		}
		found = append(found, name)
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s has the severity %q", r.Alert, r.Labels["severity"])
		}
		for _, annotation := range []string{"summary", "description"} {
			if r.Annotations[annotation] == "" {
				t.Errorf("%s has no %s", r.Alert, annotation)
			}
		}
		if want := runbookBase + r.Alert + ".md"; r.Annotations["runbook_url"] != want {
			t.Errorf("%s has the runbook %s", r.Alert, r.Annotations["runbook_url"])
		}
		board := dashboard.FindStringSubmatch(r.Annotations["dashboard_url"])
		if board == nil || !slices.Contains(dashboards, board[1]) {
			t.Errorf("%s links to %s; there are the dashboards %v", r.Alert, r.Annotations["dashboard_url"], dashboards)
		}
		// An exporter that is down shows no page.
		link := r.Annotations["incidents_url"]
		if name != "Watchdog" && name != "ExporterDown" && link != "http://{{ $labels.instance }}/incidents" {
			t.Errorf("%s links to the incidents at %q", r.Alert, link)
		}
		if r.Labels["severity"] == "critical" && !slices.Contains(felt, name) {
			t.Errorf("%s calls a person, and is nothing that clients feel now", r.Alert)
		}
		if r.Alert == "FremisnNodeDown" && r.KeepFiringFor != "5m" {
			t.Errorf("FremisnNodeDown fires on for %q, not 5m", r.KeepFiringFor)
		}
		if strings.HasPrefix(name, "Node") &&
			!(strings.Contains(r.Annotations["summary"], "$labels.node") &&
				strings.Contains(r.Annotations["summary"], "$labels.address")) {
			t.Errorf("%s is about a node and does not say which, and where: %s", r.Alert, r.Annotations["summary"])
		}
	}
	for _, name := range promised {
		if !slices.Contains(found, name) {
			t.Errorf("the alert Fremisn%s is missing", name)
		}
	}
}

func dashboardUIDs(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	var uids []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var dashboard struct{ UID string }
		if err := json.Unmarshal(text, &dashboard); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		uids = append(uids, dashboard.UID)
	}
	return uids
}

// TestObjectivesAreInOnePlace: the default objectives for an exporter without any are in one rule each.
func TestObjectivesAreInOnePlace(t *testing.T) {
	for what, pattern := range map[string]string{
		"the availability that is promised": `\b0?\.99\b|\b99 ?%`,
		"the latency bound":                 `\+ 2[.]5\b|le="2[.]5"`,
		"the share within the bound":        `\+ 0\.95\b|\b95 ?%`,
	} {
		var places []string
		for _, r := range rules(t) {
			text := r.Expr + strings.Join([]string{r.Annotations["summary"], r.Annotations["description"]}, "\n")
			if regexp.MustCompile(pattern).MatchString(text) {
				places = append(places, r.Record+r.Alert)
			}
		}
		if len(places) != 1 {
			t.Errorf("%s is in %v, want it in one rule", what, places)
		}
	}
}

// TestAlertsReadNoHistograms: recording rules normalise classic and native histograms; alerts read what they record.
func TestAlertsReadNoHistograms(t *testing.T) {
	histogram := regexp.MustCompile(`_(duration|latency)_seconds(_bucket|_sum|_count)?\b`)
	for _, r := range rules(t) {
		if r.Alert != "" && histogram.MatchString(r.Expr) {
			t.Errorf("%s reads a histogram: %s", r.Alert, r.Expr)
		}
	}
}

// TestMixin runs the tests of the mixin and of what is rendered from it, which are in a module of their own.
func TestMixin(t *testing.T) {
	test := exec.Command("go", "test", "-shuffle=on", ".")
	test.Dir = "mixin"
	if output, err := test.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}

var (
	metric = regexp.MustCompile(
		`\b(?:up\b|fremisn:[a-z0-9_:]+|ALERTS\b|(?:nginx|fremisn|probe|process|promhttp)_[a-z_]+\b)`,
	)
	quotedText = regexp.MustCompile(`"[^"]*"`)
	groupings  = regexp.MustCompile(`\b(?:by|on|ignoring|without|group_left|group_right) ?\([^)]*\)`)
)

// metricsIn are the metrics that an expression asks for.
func metricsIn(expr string) []string {
	return metric.FindAllString(groupings.ReplaceAllString(quotedText.ReplaceAllString(expr, `""`), ""), -1)
}

// sources are those of the exporter, without its tests.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, root := range []string{"../collector", "../probe", "../cmd/fremisn-exporter"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			all.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// knownMetrics are those of the exporter, by its sources, of Prometheus itself and of the recording rules.
func knownMetrics(t *testing.T) map[string]bool {
	t.Helper()
	exists := map[string]bool{
		"up": true, "ALERTS": true, "process_start_time_seconds": true,
		"promhttp_metric_handler_requests_total": true,                                         // by client_golang
		"probe_success":                          true, "probe_ssl_earliest_cert_expiry": true, // of the probers
		"fremisn_license_used": true, "fremisn_license_limit": true, // by the config
		"fremisn_exporter_build_info": true,
	}
	output, err := exec.Command("go", "run", "../cmd/fremisn-exporter", "metrics").Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(output)) {
		name, _, _ := strings.Cut(line, "\t")
		names = append(names, name)
	}
	for _, m := range regexp.MustCompile(`"((?:fremisn_exporter|fremisn_objective|probe)_[a-z_]+)"`).
		FindAllStringSubmatch(sources(t), -1) {
		names = append(names, m[1])
	}
	for _, name := range names {
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			exists[name+suffix] = true
		}
	}
	for _, r := range rules(t) {
		exists[r.Record] = true
	}
	return exists
}

// TestMetricsExist holds every metric that a rule names against what the exporter has, so that no alert waits for
// something that never comes.
func TestMetricsExist(t *testing.T) {
	exists := knownMetrics(t)
	for _, r := range rules(t) {
		asked := metricsIn(r.Expr)
		if len(asked) == 0 && !strings.HasPrefix(r.Expr, "vector(") {
			t.Errorf("%s%s asks for no metric: %s", r.Alert, r.Record, r.Expr)
		}
		for _, name := range asked {
			if !exists[name] {
				t.Errorf("%s%s asks for %s, which does not exist", r.Alert, r.Record, name)
			}
		}
	}
}
