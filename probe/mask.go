package probe

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"
)

// masked stands where a secret was.
const masked = "<secret>"

var (
	userinfo = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^/?#\s"'<>]*@`)
	// A target may leave out its scheme. Without a colon it could be a mail address, which is no secret.
	bareUserinfo = regexp.MustCompile(`(^|[\s"'=(\[,])[^/?#\s"'<>:@=(\[,]+:[^/?#\s"'<>@]*@`)
	secretHeader = regexp.MustCompile(`(?i)\b((?:proxy-)?authorization|cookie|set-cookie|x-[a-z-]*(?:key|token|secret|auth)[a-z-]*)(:\s*|=)[^\n]*`)
)

// MaskURL hides user and password of every URL in a text.
func MaskURL(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	text = userinfo.ReplaceAllString(text, "${1}"+masked+"@")
	return bareUserinfo.ReplaceAllString(text, "${1}"+masked+"@")
}

// Mask hides userinfo and the values of headers that carry secrets.
func Mask(text string) string {
	return secretHeader.ReplaceAllString(MaskURL(text), "$1$2"+masked)
}

// IsSecretHeader tells headers whose values are secrets.
func IsSecretHeader(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return secretHeader.MatchString(name + ": x")
}

// A masker hides, besides what Mask does, the secrets of one module wherever a server or an error repeats them.
type masker struct{ replacer *strings.Replacer }

func (m masker) mask(text string) string {
	if m.replacer != nil {
		text = m.replacer.Replace(text)
	}
	return strings.ToValidUTF8(Mask(text), "\uFFFD")
}

// shortestSecret is the least length of a secret that is looked for: shorter ones would blot out half of any text.
const shortestSecret = 4

func newMasker(m *Module) masker {
	var pairs []string
	for _, secret := range m.secrets() {
		if len(secret) >= shortestSecret {
			pairs = append(pairs, secret, masked)
		}
	}
	if pairs == nil {
		return masker{}
	}
	return masker{strings.NewReplacer(pairs...)}
}

// passwordCommands are the words after which protocols of lines take a password.
var passwordCommands = []string{"PASS", "PASSWORD", "AUTH", "LOGIN"}

// secrets are the values of a module that nobody may see.
func (m *Module) secrets() []string {
	var secrets []string
	client := &m.HTTP.Client
	if client.BasicAuth != nil {
		secrets = append(secrets, string(client.BasicAuth.Password))
	}
	if client.Authorization != nil {
		secrets = append(secrets, string(client.Authorization.Credentials))
	}
	if client.OAuth2 != nil {
		secrets = append(secrets, string(client.OAuth2.ClientSecret), string(client.OAuth2.ClientCertificateKey))
		secrets = append(secrets, userinfoOf(client.OAuth2.ProxyURL)...)
	}
	secrets = append(secrets, string(client.BearerToken))
	secrets = append(secrets, userinfoOf(client.ProxyURL)...)
	for name, value := range m.HTTP.Headers {
		if IsSecretHeader(name) {
			secrets = append(secrets, value)
			if _, token, two := strings.Cut(value, " "); two {
				secrets = append(secrets, token)
			}
		}
	}
	for name, header := range headersOf(client.HTTPHeaders) {
		for _, secret := range header.Secrets {
			secrets = append(secrets, string(secret))
		}
		if IsSecretHeader(name) {
			secrets = append(secrets, header.Values...)
		}
	}
	for name, values := range m.GRPC.Metadata {
		if IsSecretHeader(name) {
			secrets = append(secrets, values...)
		}
	}
	for _, step := range slices.Concat(m.TCP.QueryResponse, m.Unix.QueryResponse) {
		if word, rest, two := strings.Cut(step.Send, " "); two && slices.Contains(passwordCommands, strings.ToUpper(word)) {
			secrets = append(secrets, rest)
		}
	}
	// The longest first: a secret that begins another must not leave the other's rest behind.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return secrets
}

func headersOf(h *config.Headers) map[string]config.Header {
	if h == nil {
		return nil
	}
	return h.Headers
}

func userinfoOf(u config.URL) []string {
	if u.URL == nil || u.User == nil {
		return nil
	}
	password, _ := u.User.Password()
	return []string{password}
}

// maskedYAML is the module as it was written, without its secrets.
func (m *Module) maskedYAML() string {
	var document yaml.Node
	if err := document.Encode(m); err != nil {
		return "the module cannot be shown: " + err.Error() + "\n"
	}
	maskNode(&document)
	text, err := yaml.Marshal(&document)
	if err != nil {
		return "the module cannot be shown: " + err.Error() + "\n"
	}
	return newMasker(m).mask(string(text))
}

func maskNode(node *yaml.Node) {
	if node.Kind != yaml.MappingNode {
		for _, element := range node.Content {
			maskNode(element)
		}
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if IsSecretHeader(node.Content[i].Value) {
			*node.Content[i+1] = yaml.Node{Kind: yaml.ScalarNode, Value: masked}
			continue
		}
		maskNode(node.Content[i+1])
	}
}
