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

// shownOfOAuth2 are the keys of oauth2 whose values are shown; those of all others are parameters of a login.
var shownOfOAuth2 = []string{
	"token_url", "grant_type", "signature_algorithm", "tls_config", "proxy_url", "proxy_from_environment", "no_proxy",
	"client_secret_file", "client_certificate_key_file", "client_secret_ref", "client_certificate_key_ref",
}

// expectations are the keys that say what an answer should contain. They are shown, except what repeats a secret.
var expectations = []string{
	"fail_if_body_matches_regexp", "fail_if_body_not_matches_regexp", "fail_if_body_json_matches_cel",
	"fail_if_body_json_not_matches_cel", "fail_if_matches_regexp", "fail_if_all_match_regexp",
	"fail_if_not_matches_regexp", "fail_if_none_matches_regexp", "regexp", "expect", "expect_bytes",
}

// delicate are keys below which an error message must not quote the config.
var delicate = []string{"basic_auth", "oauth2", "headers", "http_headers", "metadata", "body", "authorization",
	"http_config"}

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
func YAML(node *yaml.Node) {
	var m masking
	m.mask(node, nil)
	secrets := New(m.hidden, nil)
	for _, expected := range m.expected {
		expected.Value = secrets.Mask(expected.Value)
	}
}

// A masking is one config while its secrets are being hidden.
type masking struct {
	hidden   []string     // values that were hidden
	expected []*yaml.Node // what answers should contain
}

// hide hides everything below a node.
func (m *masking) hide(node *yaml.Node) {
	var collect func(*yaml.Node)
	collect = func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode {
			m.hidden = append(m.hidden, n.Value)
		}
		for _, inner := range n.Content {
			collect(inner)
		}
	}
	collect(node)
	*node = yaml.Node{Kind: yaml.ScalarNode, Value: Placeholder, Anchor: node.Anchor}
}

// isAboutSecretHeader reports whether a node says what the value of a header that holds a secret should be.
func isAboutSecretHeader(node *yaml.Node) bool {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == "header" && IsSecretName(node.Content[i+1].Value) {
			return true
		}
	}
	return false
}

// mask masks the value below a path of keys.
func (m *masking) mask(node *yaml.Node, path []string) {
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
	key := below(path, 0)
	switch {
	case node.Kind == yaml.AliasNode:
		// The value of an alias is masked at its anchor.
	case isHidden(path, node.Kind):
		m.hide(node)
	case node.Kind == yaml.MappingNode:
		namesHeader := isAboutSecretHeader(node)
		for i := 0; i+1 < len(node.Content); i += 2 {
			m.mask(node.Content[i], nil)
			if namesHeader && node.Content[i].Value == "regexp" {
				m.hide(node.Content[i+1])
			}
			m.mask(node.Content[i+1], append(path[:len(path):len(path)], node.Content[i].Value))
		}
	case node.Kind == yaml.ScalarNode && key == "body":
		m.hidden = append(m.hidden, InBody(node.Value)...)
		node.Value, node.Style = Body(node.Value), 0
	case node.Kind == yaml.ScalarNode && slices.Contains(expectations, key):
		m.expected = append(m.expected, node)
	case node.Kind == yaml.ScalarNode && slices.Contains([]string{"url", "targets", "token_url", "proxy_url"}, key):
		node.Value = Target(node.Value)
	case node.Kind == yaml.ScalarNode:
		node.Value = URL(node.Value)
	default:
		for _, element := range node.Content {
			m.mask(element, path)
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
	case parent == "oauth2":
		return !slices.Contains(shownOfOAuth2, key)
	case key == "values" && (grandparent == "headers" || grandparent == "http_headers"):
		return !IsHarmlessHeader(parent)
	}
	return isSecretKey(key)
}
