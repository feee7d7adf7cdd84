// Command gen writes the dashboards: one JSON file each, the same for import by hand and for provisioning. The file
// with its name has a dashboard's questions and panels; panel.go and board.go have what all share, and query.go the
// queries.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("out", "..", "the folder that the dashboards are written into")
	rules := flag.String("rules", "../../alerts/recording.rules.yml", "the recording rules, which hold the objectives")
	flag.Parse()
	if err := run(*out, *rules); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(out, rules string) error {
	promise, err := readPromise(rules)
	if err != nil {
		return err
	}
	for name, b := range map[string]*board{
		"fleet":       fleet(promise),
		"overview":    overview(promise),
		"node":        node(promise),
		"saturation":  saturation(),
		"exporter":    exporter(),
		"licence-tls": licence(),
	} {
		built, err := b.build()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		text, err := encode(built)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(out, name+".json"), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// encode writes JSON as Grafana exports it, with keys in order, and with < and > unescaped, as in a query.
func encode(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var plain any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&plain); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(plain)
	return b.Bytes(), err
}
