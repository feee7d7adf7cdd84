package probe

import (
	"net/url"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// isSecretKey tells keys of a config whose values are secrets: passwords, tokens, and the headers that carry them.
// Keys that end in _file name a file, which is no secret.
func isSecretKey(key string) bool {
	switch strings.ToLower(key) {
	case "password", "bearer_token", "credentials", "client_secret", "client_certificate_key", "secrets", "private_key", "key",
		"proxy_connect_header", "token", "refresh_token", "assertion", "client_assertion", "api_key":
		return true
	}
	return IsSecretHeader(key)
}

// quoted is what an error message repeats of a config.
var quoted = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`|\\[[^\\]]*\\]")

// MaskFault hides what the message of a config error repeats of a secret: a password in a wrong place is one still.
func MaskFault(path, msg string) string {
	for _, key := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		if isSecretKey(key) || key == "basic_auth" || key == "oauth2" {
			msg = quoted.ReplaceAllLiteralString(msg, masked)
		}
	}
	return Mask(msg)
}

// MaskYAML hides the secrets of a config file, and its comments, which may hold some too.
func MaskYAML(node *yaml.Node) { maskNode(node, "") }

func maskNode(node *yaml.Node, key string) {
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
	switch {
	case node.Kind == yaml.AliasNode:
		// What it stands for is masked where it is.
	case key != "" && isSecretKey(key):
		*node = yaml.Node{Kind: yaml.ScalarNode, Value: masked, Anchor: node.Anchor}
	case node.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			maskNode(node.Content[i], "")
			maskNode(node.Content[i+1], node.Content[i].Value)
		}
	case node.Kind == yaml.ScalarNode && key == "send":
		node.Value = secretCommand.ReplaceAllString(node.Value, "${1}"+masked)
	case node.Kind == yaml.ScalarNode:
		node.Value = MaskURL(node.Value)
	default:
		for _, element := range node.Content {
			maskNode(element, key)
		}
	}
}

// maskedYAML is the module as it was written, without its secrets.
func (m *Module) maskedYAML() string {
	var document yaml.Node
	if err := document.Encode(m); err != nil {
		return "the module cannot be shown: " + err.Error() + "\n"
	}
	MaskYAML(&document)
	text, err := yaml.Marshal(&document)
	if err != nil {
		return "the module cannot be shown: " + err.Error() + "\n"
	}
	return newMasker(m).mask(string(text))
}

// userinfoOf is the password in a URL.
func userinfoOf(text string) []string {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return nil
	}
	password, _ := u.User.Password()
	return []string{password}
}
