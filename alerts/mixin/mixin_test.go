package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// TestMixinIsTheFiles: rendered unchanged, the mixin has exactly the shipped rules and dashboards.
func TestMixinIsTheFiles(t *testing.T) {
	var rendered map[string]any
	if err := render("..", "", ".ruleFiles", &rendered); err != nil {
		t.Fatal(err)
	}
	shipped, err := filepath.Glob("../*.rules.yml")
	if err != nil || len(shipped) == 0 || len(shipped) != len(rendered) {
		t.Fatalf("%d files are rendered, %q shipped: %v", len(rendered), shipped, err)
	}
	for _, file := range shipped {
		var want any
		readYAML(t, file, &want)
		if !reflect.DeepEqual(rendered[filepath.Base(file)], want) {
			t.Errorf("%s is rendered otherwise", file)
		}
	}
	var dashboards map[string]any
	if err := render("..", "", ".grafanaDashboards", &dashboards); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../dashboards/*.json")
	if err != nil || len(files) == 0 || len(files) != len(dashboards) {
		t.Fatalf("%d dashboards are rendered, %q shipped: %v", len(dashboards), files, err)
	}
	for _, file := range files {
		var want any
		readYAML(t, file, &want)
		if !reflect.DeepEqual(dashboards["fremisn-"+filepath.Base(file)], want) {
			t.Errorf("%s is rendered otherwise", file)
		}
	}
}

// TestMixinConfig: every rule concerned has the config's values, and Prometheus accepts it.
func TestMixinConfig(t *testing.T) {
	const config = `{ selector: 'job=~"lb-.+"', job: 'lb', clusterLabel: 'site',
		alertLabels: { team: 'faces' }, recordLabels: { from: 'mixin' },
		severities: { FremisnExporterDown: 'critical' }, runbookBase: 'https://wiki/', dashboardBase: 'https://grafana',
		objectives: { availability: 0.999, latency: { within: 0.5, ratio: 0.9 } } }`
	var all []group
	for _, field := range []string{".prometheusRules", ".prometheusAlerts"} {
		var rendered struct{ Groups []group }
		if err := render("..", config, field, &rendered); err != nil {
			t.Fatal(err)
		}
		all = append(all, rendered.Groups...)
	}
	text, err := json.Marshal(map[string]any{"groups": all})
	if err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]bool{
		`fremisn_exporter_build_info{job=~\"lb-.+\"}`: true, `up{job=\"lb\"}`: true, `"team":"faces"`: true,
		`"from":"mixin"`: true,
		`* 0 + 0.999\n`:  true, `* 0 + 0.5\n`: true, `* 0 + 0.9\n`: true,
		`https://wiki/FremisnNodeDown.md`: true, `https://grafana/d/fremisn-overview?`: true,
		"fremisn_exporter_build_info ": false, "fremisn_exporter_build_info)": false,
		"(cluster,": false, "labels.cluster": false, "github.com": false,
	} {
		escaped := strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`).Replace(what)
		if bytes.Contains(text, []byte(escaped)) != want {
			t.Errorf("%s is in the rules: %v", what, !want)
		}
	}
	for _, g := range all {
		for _, r := range g.Rules {
			if r.Alert == "FremisnExporterDown" && r.Labels["severity"] != "critical" {
				t.Errorf("FremisnExporterDown is %s", r.Labels["severity"])
			}
		}
	}
	file := filepath.Join(t.TempDir(), "mixin.rules.yml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command("promtool", "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

type group struct {
	Name     string `json:"name"`
	Interval string `json:"interval,omitempty"`
	Rules    []struct {
		Alert         string            `json:"alert,omitempty"`
		Record        string            `json:"record,omitempty"`
		Expr          string            `json:"expr"`
		For           string            `json:"for,omitempty"`
		KeepFiringFor string            `json:"keep_firing_for,omitempty"`
		Labels        map[string]string `json:"labels,omitempty"`
		Annotations   map[string]string `json:"annotations,omitempty"`
	} `json:"rules"`
}

const kubernetes = "../../compose/kubernetes/"

// TestPrometheusRule: compose/kubernetes has the mixin's output.
func TestPrometheusRule(t *testing.T) {
	want, err := prometheusRule("..")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(kubernetes + "prometheusrule.yaml")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("prometheusrule.yaml is not what the mixin gives (%v); run make kubernetes", err)
	}
}

// TestKubernetesSchemas has the types of Kubernetes and of the Prometheus operator read the files: no field that they
// do not know.
func TestKubernetesSchemas(t *testing.T) {
	kinds := map[string]func() any{
		"PrometheusRule": func() any { return &monitoring.PrometheusRule{} },
		"PodMonitor":     func() any { return &monitoring.PodMonitor{} },
		"ServiceMonitor": func() any { return &monitoring.ServiceMonitor{} },
		"Deployment":     func() any { return &apps.Deployment{} },
		"ConfigMap":      func() any { return &core.ConfigMap{} },
		"Service":        func() any { return &core.Service{} },

		"PersistentVolumeClaim": func() any { return &core.PersistentVolumeClaim{} },
	}
	seen := map[string]bool{}
	files, err := filepath.Glob(kubernetes + "*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range bytes.Split(text, []byte("\n---\n")) {
			var head struct{ APIVersion, Kind string }
			if err := yaml.Unmarshal(document, &head); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			kind, ok := kinds[head.Kind]
			if !ok {
				t.Errorf("%s: the kind %q has no schema here", file, head.Kind)
				continue
			}
			seen[head.Kind] = true
			if err := yaml.UnmarshalStrict(document, kind()); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	for _, kind := range []string{"PrometheusRule", "PodMonitor", "Deployment", "ConfigMap", "Service"} {
		if !seen[kind] {
			t.Errorf("%s is missing", kind)
		}
	}
}

// TestKubernetesFits: the PodMonitor selects the pods of the Deployment, by a port that they have, and keeps classic
// histograms where it takes native ones; both containers see one log folder; the runbooks' names are those used.
func TestKubernetesFits(t *testing.T) {
	var deployment apps.Deployment
	var monitor monitoring.PodMonitor
	decode(t, "sidecar.yaml", "Deployment", &deployment)
	decode(t, "podmonitor.yaml", "PodMonitor", &monitor)
	pod := deployment.Spec.Template
	for label, value := range monitor.Spec.Selector.MatchLabels {
		if pod.Labels[label] != value {
			t.Errorf("the PodMonitor wants %s=%s, the pods have %v", label, value, pod.Labels)
		}
	}
	containers := map[string]core.Container{}
	for _, c := range pod.Spec.Containers {
		containers[c.Name] = c
	}
	for _, name := range []string{"nginx", "fremisn-exporter"} {
		mounted := ""
		for _, v := range containers[name].VolumeMounts {
			if v.MountPath == "/var/log/nginx" {
				mounted = v.Name
			}
		}
		if mounted == "" {
			t.Errorf("%s has no /var/log/nginx", name)
		}
	}
	if containers["fremisn-exporter"].ReadinessProbe != nil {
		t.Error("an exporter that is not ready takes NGINX out of the Service")
	}
	if deployment.Name != "fremisn-loadbalancer" || pod.Labels["app"] != "fremisn-loadbalancer" {
		t.Errorf("the runbooks name fremisn-loadbalancer, not %s, %v", deployment.Name, pod.Labels)
	}
	for _, endpoint := range monitor.Spec.PodMetricsEndpoints {
		found := false
		for _, port := range containers["fremisn-exporter"].Ports {
			found = found || endpoint.Port != nil && port.Name == *endpoint.Port
		}
		if !found {
			t.Errorf("the exporter has no port %v", endpoint.Port)
		}
	}
	native, classic := monitor.Spec.ScrapeNativeHistograms, monitor.Spec.ScrapeClassicHistograms
	if native != nil && *native && (classic == nil || !*classic) {
		t.Error("native histograms without the classic ones")
	}
}

func decode(t *testing.T, file, kind string, into any) {
	t.Helper()
	text, err := os.ReadFile(kubernetes + file)
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		if bytes.Contains(document, []byte("\nkind: "+kind+"\n")) {
			if err := yaml.UnmarshalStrict(document, into); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("%s holds no %s", file, kind)
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
