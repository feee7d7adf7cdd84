package mask

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// IsSecretKey reports whether the values of a config's key are secrets: passwords, tokens, and the headers that carry
// them. Keys that end in _file name a file, which is no secret.
func IsSecretKey(key string) bool {
	switch strings.ToLower(key) {
	case "password", "bearer_token", "credentials", "client_secret", "client_certificate_key", "secrets", "private_key",
		"key", "proxy_connect_header", "token", "refresh_token", "assertion", "client_assertion", "api_key":
		return true
	}
	return IsSecretHeader(key)
}

// quoted is what an error message repeats of a config.
var quoted = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`|\\[[^\\]]*\\]")

// ConfigError hides what the message of a config error about the key at path repeats of a secret: a password in a
// wrong place is one still.
func ConfigError(path, msg string) string {
	for _, key := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		if IsSecretKey(key) || key == "basic_auth" || key == "oauth2" {
			msg = quoted.ReplaceAllLiteralString(msg, Placeholder)
		}
	}
	return Text(msg)
}

// YAML hides the secrets of a config, and its comments, which may hold some too.
func YAML(node *yaml.Node) { maskNode(node, "") }

func maskNode(node *yaml.Node, key string) {
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
	switch {
	case node.Kind == yaml.AliasNode:
		// What it stands for is masked where it is.
	case key != "" && IsSecretKey(key):
		*node = yaml.Node{Kind: yaml.ScalarNode, Value: Placeholder, Anchor: node.Anchor}
	case node.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			maskNode(node.Content[i], "")
			maskNode(node.Content[i+1], node.Content[i].Value)
		}
	case node.Kind == yaml.ScalarNode && key == "send":
		node.Value = secretCommand.ReplaceAllString(node.Value, "${1}"+Placeholder)
	case node.Kind == yaml.ScalarNode:
		node.Value = URL(node.Value)
	default:
		for _, element := range node.Content {
			maskNode(element, key)
		}
	}
}
