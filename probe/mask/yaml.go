package mask

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// isSecretKey reports whether the values of a config's key are secrets: passwords and tokens, and what a module sends.
// Keys that end in _file name a file, which is not a secret.
func isSecretKey(key string) bool {
	switch strings.ToLower(key) {
	case "password", "bearer_token", "credentials", "client_secret", "client_certificate_key", "secrets", "private_key",
		"key", "proxy_connect_header", "token", "refresh_token", "assertion", "client_assertion", "api_key", "send",
		"endpoint_params", "claims":
		return true
	}
	return secretHeader.MatchString(key + ": x")
}

// delicate are keys below which an error message must not quote the config.
var delicate = []string{"basic_auth", "oauth2", "headers", "http_headers", "metadata", "body", "authorization"}

var (
	// quoted matches what an error message quotes from a config.
	quoted = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`|\\[[^\\]]*\\]")
	anchor = regexp.MustCompile(`(unknown anchor )'[^']*'`) // a password that begins with a star
)

// ConfigError hides what the message of a config error about the key at path quotes of a secret: a password in the
// wrong place is still a password.
func ConfigError(path, msg string) string {
	for _, key := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		if isSecretKey(key) || slices.Contains(delicate, key) {
			msg = quoted.ReplaceAllLiteralString(msg, Placeholder)
		}
	}
	return Text(anchor.ReplaceAllString(msg, "${1}"+Placeholder))
}

// YAML hides the secrets of a config, and its comments, which may contain some.
func YAML(node *yaml.Node) { maskNode(node, nil) }

// maskNode masks the value below a path of keys.
func maskNode(node *yaml.Node, path []string) {
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
	key := below(path, 0)
	switch {
	case node.Kind == yaml.AliasNode:
		// The value of an alias is masked at its anchor.
	case isHidden(path, node.Kind):
		*node = yaml.Node{Kind: yaml.ScalarNode, Value: Placeholder, Anchor: node.Anchor}
	case node.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			maskNode(node.Content[i], nil)
			maskNode(node.Content[i+1], append(path[:len(path):len(path)], node.Content[i].Value))
		}
	case node.Kind == yaml.ScalarNode && key == "body":
		node.Value, node.Style = Body(node.Value), 0
	case node.Kind == yaml.ScalarNode && slices.Contains([]string{"url", "targets", "token_url", "proxy_url"}, key):
		node.Value = Target(node.Value)
	case node.Kind == yaml.ScalarNode:
		node.Value = URL(node.Value)
	default:
		for _, element := range node.Content {
			maskNode(element, path)
		}
	}
}

// below returns the key n levels above the last of a path, "" if there is none.
func below(path []string, n int) string {
	if len(path) <= n {
		return ""
	}
	return path[len(path)-1-n]
}

// isHidden reports whether a value is hidden completely. Keys below headers are the names of headers, with their
// values there or one level deeper, in values, secrets and files.
func isHidden(path []string, kind yaml.Kind) bool {
	key, parent, grandparent := below(path, 0), below(path, 1), below(path, 2)
	switch {
	case key == "":
		return false
	case parent == "metadata", parent == "headers" && kind != yaml.MappingNode, parent == "http_headers" &&
		kind != yaml.MappingNode:
		return !IsHarmlessHeader(key)
	case parent == "headers", parent == "http_headers":
		return false
	case key == "values" && (grandparent == "headers" || grandparent == "http_headers"):
		return !IsHarmlessHeader(parent)
	}
	return isSecretKey(key)
}
