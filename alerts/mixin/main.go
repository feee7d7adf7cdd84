// Command mixin renders ../mixin.libsonnet: it writes the PrometheusRule for Kubernetes, which has all rules of this
// repository. It is a module of its own, so that the exporter does not depend on jsonnet.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-jsonnet"
	"sigs.k8s.io/yaml"
)

const header = `# All rules of alerts/ for the Prometheus operator. Made by "make kubernetes" from ` +
	`alerts/mixin.libsonnet; do not edit.
`

func main() {
	out := flag.String("out", "../../compose/kubernetes/prometheusrule.yaml", "the file to write")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "mixin:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	text, err := prometheusRule("..")
	if err != nil {
		return err
	}
	return os.WriteFile(out, text, 0o644)
}

// prometheusRule renders the PrometheusRule of the mixin in folder.
func prometheusRule(folder string) ([]byte, error) {
	var groups []any
	for _, field := range []string{"prometheusRules", "prometheusAlerts"} {
		var rendered struct{ Groups []any }
		if err := render(folder, "", "."+field, &rendered); err != nil {
			return nil, err
		}
		groups = append(groups, rendered.Groups...)
	}
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "monitoring.coreos.com/v1",
		"kind":       "PrometheusRule",
		"metadata": map[string]any{
			"name":   "fremisn-exporter",
			"labels": map[string]string{"app": "fremisn-loadbalancer"},
		},
		"spec": map[string]any{"groups": groups},
	})
	return append([]byte(header), text...), err
}

// render evaluates the mixin in folder with a config ("" is the shipped one) and unmarshals what the path selects.
func render(folder, config, path string, into any) error {
	mixin := fmt.Sprintf("(import %q)", filepath.Join(folder, "mixin.libsonnet"))
	if config != "" {
		mixin = "(" + mixin + " + { _config+:: " + config + " })"
	}
	text, err := jsonnet.MakeVM().EvaluateAnonymousSnippet("mixin", mixin+path)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), into)
}
