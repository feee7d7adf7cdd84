package alerts

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

func TestRoutes(t *testing.T) {
	command(t, "amtool", "check-config", "alertmanager.yml")
	for labels, receiver := range map[string]string{
		"alertname=FremisnWatchdog severity=info":         "watchdog",
		"alertname=FremisnAllNodesDown severity=critical": "pager",
		"alertname=FremisnNodeDown severity=warning":      "operators",
		"alertname=FremisnRetriesHigh severity=warning":   "operators",
		"alertname=FremisnTrafficImbalance severity=info": "journal",
		"alertname=AlertOfSomebodyElse":                   "operators",
	} {
		args := append(
			[]string{"config", "routes", "test", "--config.file=alertmanager.yml", "--verify.receivers=" + receiver},
			strings.Fields(labels)...)
		command(t, "amtool", args...)
	}
	text, err := os.ReadFile("alertmanager.yml")
	if err != nil {
		t.Fatal(err)
	}
	if secret := regexp.MustCompile(`(?i)password:|api_key:|token:`).Find(text); secret != nil {
		t.Errorf("a secret in an example: %s", secret)
	}
	text = regexp.MustCompile(`\\\n\s*`).ReplaceAll(text, nil) // lines of YAML that go on
	for _, m := range regexp.MustCompile(`Fremisn\(([^)]*)\)|Fremisn(\w+)`).FindAllSubmatch(text, -1) {
		for _, name := range strings.Split(string(m[1])+string(m[2]), "|") {
			if !slices.Contains(promised, name) {
				t.Errorf("alertmanager.yml names Fremisn%s, which does not exist", name)
			}
		}
	}
}

// TestInhibition sends alerts to a real Alertmanager and looks which it holds back. An alert is written as its name,
// severity and place: node and address follow from the node's name.
func TestInhibition(t *testing.T) {
	dir := t.TempDir()
	alertmanager, err := testenv.StartAlertmanager(t.Context(), dir, "alertmanager.yml")
	if err != nil {
		t.Fatal(err)
	}
	defer alertmanager.Stop()
	// Each instance is a story of its own.
	sent := map[string]string{
		"LoadBalancerDown critical lb1":           "active",
		"AllNodesDown critical lb1":               "suppressed",
		"NodeDown warning lb1 master":             "suppressed",
		"CapacityDegraded warning lb1":            "suppressed",
		"LogPipelineStalled warning lb1":          "suppressed",
		"ServerTakenOut warning lb1 master":       "suppressed",
		"LicenceQuotaHigh warning lb1 master":     "active",
		"RateLimitingHigh warning lb1":            "suppressed",
		"CertificateExpiring critical lb1 master": "active",
		"AvailabilityBudgetBurn critical lb1":     "suppressed",
		"NodeDown warning lb2 master":             "active", // one node down is one message
		"CapacityDegraded warning lb2":            "suppressed",
		"RetriesHigh warning lb2 master":          "suppressed",
		// the log has the address of the host that the probe names
		"RetriesHigh warning lb2 master 10.0.0.1:4005": "suppressed",
		"RetriesHigh warning lb2 slave-1":              "suppressed", // for it fails
		"NodeGrayFailing critical lb2 slave-1":         "active",
		"NodeLatencyOutlier warning lb2 master":        "suppressed",
		"ServerTakenOut warning lb2 master":            "suppressed",
		"AllNodesDown critical lb3":                    "active",
		"NodeDown warning lb3 master":                  "suppressed",
		"CapacityDegraded warning lb3":                 "suppressed",
		"NoLiveUpstreams critical lb3":                 "suppressed",
		"LatencyBudgetBurn warning lb3":                "suppressed",
		"AvailabilityBudgetBurn critical lb4":          "active",
		"AvailabilityBudgetBurn warning lb4":           "suppressed",
		"LicenceQuotaHigh critical lb4 master":         "active",
		"LicenceQuotaHigh warning lb4 master":          "suppressed",
		"LicenceQuotaHigh warning lb4 slave-1":         "active",
		"AvailabilityBudgetBurn warning lb5":           "active",
		"ExporterDown warning lb6":                     "active",
		"NodeDown warning lb6 slave-1":                 "suppressed",
		"CollectorFailing warning lb6":                 "suppressed",
		"LogPipelineStalled warning lb7":               "active",
		"LogCoverageLow warning lb7":                   "suppressed",
		"NodeDown warning lb8 ":                        "active", // a node without a name
		"RetriesHigh warning lb8 ":                     "suppressed",
		"RetriesHigh warning lb8 slave-1":              "active",
		"NoLiveUpstreams critical lb9":                 "active", // saturation is one message
		"SlotsSaturated warning lb9":                   "suppressed",
		"ServerTakenOut warning lb9 master":            "suppressed",
		"AvailabilityBudgetBurn critical lb9":          "suppressed",
		"NodeGrayFailing critical lb10 slave-1":        "active", // so is a gray node
		"ServerTakenOut warning lb10 slave-1":          "suppressed",
		"ServerTakenOut warning lb10 slave-2":          "active",
		"AvailabilityBudgetBurn critical lb10":         "suppressed",
		"NodeLatencyOutlier warning lb11 master":       "active",
		"LatencyBudgetBurn warning lb11":               "suppressed",
		"ConnectionsDropped warning lb12":              "active",
		"WorkerConnectionsHigh warning lb12":           "suppressed",
		"NodeDown warning lb2@jakarta slave-2":         "active", // another site, with an instance of the same name
		"CapacityDegraded warning lb13@jakarta":        "active",
		"NodeDown warning lb13@bandung slave-2":        "active",
		"Watchdog info":                                "active",
	}
	var alerts []map[string]string
	for text := range sent {
		alerts = append(alerts, labelsOf(text))
	}
	if err := alertmanager.Send(alerts...); err != nil {
		t.Fatal(err)
	}
	states := map[string]string{}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		known, err := alertmanager.Alerts()
		if err != nil {
			t.Fatal(err)
		}
		clear(states)
		for _, a := range known {
			states[textOf(a.Labels)] = a.Status.State
		}
		if maps.Equal(states, sent) {
			return
		}
	}
	for text, want := range sent {
		if states[text] != want {
			t.Errorf("%s is %s, not %s", text, states[text], want)
		}
	}
}

func labelsOf(text string) map[string]string {
	words := strings.Split(text, " ")
	l := map[string]string{"alertname": "Fremisn" + words[0], "severity": words[1]}
	if len(words) > 2 {
		l["job"] = "fremisn-exporter"
		l["instance"], l["cluster"], _ = strings.Cut(words[2], "@")
		l["upstream"] = "fremisn_backend"
	}
	if len(words) > 3 {
		l["node"], l["address"], l["server"] = words[3], words[3]+":4005", words[3]+":4005"
	}
	if len(words) > 4 {
		l["address"] = words[4]
	}
	return l
}

func textOf(labels map[string]string) string {
	words := []string{strings.TrimPrefix(labels["alertname"], "Fremisn"), labels["severity"]}
	if labels["instance"] != "" {
		at := labels["instance"]
		if cluster := labels["cluster"]; cluster != "" {
			at += "@" + cluster
		}
		words = append(words, at)
	}
	if address := labels["address"]; address != "" {
		words = append(words, labels["node"])
		if address != labels["node"]+":4005" {
			words = append(words, address)
		}
	}
	return strings.Join(words, " ")
}
