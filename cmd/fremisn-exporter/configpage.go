package main

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// runningConfig is the config as it runs, without its secrets and without comments, which may hold some too.
func (e *exporter) runningConfig() string {
	e.mu.Lock()
	l := e.loaded
	e.mu.Unlock()
	if l.file == "" {
		return fmt.Sprintf("# No config file: everything is found from %s.\n", l.conf.Path)
	}
	return maskConfig(l.text)
}

// maskConfig is a config file's text with its secrets replaced.
func maskConfig(text []byte) string {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return "" // a text that does not parse does not run
	}
	mask.YAML(&document)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return fmt.Sprintf("# cannot be shown: %s\n", err)
	}
	return out.String()
}
