package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fremisn/fremisn-exporter/probe"
)

const masked = "<secret>"

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
	maskNode(&document, "")
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return fmt.Sprintf("# cannot be shown: %s\n", err)
	}
	return out.String()
}

func maskNode(node *yaml.Node, key string) {
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
	switch {
	case node.Kind == yaml.AliasNode:
		// What it stands for is masked where it is.
	case isSecretKey(key):
		*node = yaml.Node{Kind: yaml.ScalarNode, Value: masked, Anchor: node.Anchor}
	case node.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			maskNode(node.Content[i], "")
			maskNode(node.Content[i+1], node.Content[i].Value)
		}
	case node.Kind == yaml.ScalarNode:
		node.Value = probe.MaskURL(node.Value)
	default:
		for _, element := range node.Content {
			maskNode(element, key)
		}
	}
}

// isSecretKey tells keys whose values are secrets: passwords and tokens, and the headers that carry them. Keys that
// end in _file name a file, which is no secret.
func isSecretKey(key string) bool {
	switch strings.ToLower(key) {
	case "password", "bearer_token", "credentials", "client_secret", "secrets", "private_key", "key":
		return true
	}
	return probe.IsSecretHeader(http.CanonicalHeaderKey(key))
}
