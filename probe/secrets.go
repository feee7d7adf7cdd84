package probe

import (
	"slices"
	"strings"

	"github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// newSecrets returns what hides the secrets of a module.
func newSecrets(m *Module) mask.Secrets { return mask.New(m.secrets(), m.secretFiles()) }

// secretFiles returns the files that hold secrets of a module.
func (m *Module) secretFiles() []mask.File {
	client := m.client()
	files := []mask.File{{Path: client.BearerTokenFile}}
	if basic := client.BasicAuth; basic != nil {
		files = append(files, mask.File{Path: basic.PasswordFile, User: basic.Username})
	}
	if client.Authorization != nil {
		files = append(files, mask.File{Path: client.Authorization.CredentialsFile})
	}
	if o := client.OAuth2; o != nil {
		files = append(files, mask.File{Path: o.ClientSecretFile, User: o.ClientID})
	}
	for _, headers := range []*config.Headers{client.HTTPHeaders, &m.Websocket.Headers} {
		for _, header := range headersOf(headers) {
			for _, path := range header.Files {
				files = append(files, mask.File{Path: path})
			}
		}
	}
	return slices.DeleteFunc(files, func(f mask.File) bool { return f.Path == "" })
}

// secrets returns the values of a module that must not be shown, wherever a server repeats them.
func (m *Module) secrets() []string {
	secrets := append(clientSecrets(&m.HTTP.Client), clientSecrets(&m.Websocket.Client)...)
	secrets = append(secrets, headerSecrets(&m.Websocket.Headers)...)
	for name, value := range m.HTTP.Headers {
		secrets = append(secrets, mask.InValue(name, value)...)
	}
	secrets = append(secrets, mask.InBody(m.HTTP.Body)...)
	for name, values := range m.GRPC.Metadata {
		for _, value := range values {
			secrets = append(secrets, mask.InValue(name, value)...)
		}
	}
	for _, step := range m.steps() {
		secrets = append(secrets, mask.InCommands(step.Send)...)
	}
	return secrets
}

// clientSecrets are those of an HTTP client.
func clientSecrets(client *config.HTTPClientConfig) []string {
	secrets := []string{string(client.BearerToken), string(client.TLSConfig.Key)}
	if basic := client.BasicAuth; basic != nil {
		secrets = append(secrets, string(basic.Password), mask.Basic(basic.Username, string(basic.Password)))
	}
	if client.Authorization != nil {
		secrets = append(secrets, string(client.Authorization.Credentials))
	}
	if o := client.OAuth2; o != nil {
		secrets = append(secrets, string(o.ClientSecret), string(o.ClientCertificateKey), mask.Basic(o.ClientID,
			string(o.ClientSecret)))
		for name, value := range o.EndpointParams {
			secrets = append(secrets, mask.InValue(name, value)...)
		}
		for _, value := range append(slices.Clone(o.Scopes), o.ClientID, o.ClientCertificateKeyID, o.Iss, o.Audience) {
			secrets = append(secrets, mask.InValue("client_id", value)...)
		}
		secrets = append(secrets, proxySecrets(o.ProxyConfig)...)
		secrets = append(secrets, mask.InURL(o.TokenURL)...)
	}
	secrets = append(secrets, headerSecrets(client.HTTPHeaders)...)
	return append(secrets, proxySecrets(client.ProxyConfig)...)
}

func headerSecrets(headers *config.Headers) []string {
	var secrets []string
	for name, header := range headersOf(headers) {
		for _, secret := range header.Secrets {
			secrets = append(secrets, string(secret))
		}
		for _, value := range header.Values {
			secrets = append(secrets, mask.InValue(name, value)...)
		}
	}
	return secrets
}

// afterSpace returns the token of "Bearer token", "" if there is only one word.
func afterSpace(value string) string {
	_, rest, _ := strings.Cut(value, " ")
	return rest
}

// sentSecrets hides all words that a conversation sends: a server may repeat any of them.
func sentSecrets(steps []QueryResponse) mask.Secrets {
	var words []string
	for _, step := range steps {
		words = append(words, step.Send)
		words = append(words, strings.Fields(step.Send)...)
	}
	return mask.New(words, nil)
}

func headersOf(h *config.Headers) map[string]config.Header {
	if h == nil {
		return nil
	}
	return h.Headers
}

// proxySecrets returns what is sent to a proxy.
func proxySecrets(proxy config.ProxyConfig) []string {
	var secrets []string
	if proxy.ProxyURL.URL != nil {
		secrets = append(secrets, mask.InURL(proxy.ProxyURL.String())...)
	}
	for _, values := range proxy.ProxyConnectHeader {
		for _, value := range values {
			secrets = append(secrets, string(value), afterSpace(string(value)))
		}
	}
	return secrets
}

// maskedYAML returns the module as it was written, without its secrets.
func (m *Module) maskedYAML() string {
	var document yaml.Node
	if err := document.Encode(m); err != nil {
		return "showing the module failed: " + err.Error() + "\n"
	}
	mask.YAML(&document)
	text, err := yaml.Marshal(&document)
	if err != nil {
		return "showing the module failed: " + err.Error() + "\n"
	}
	return newSecrets(m).Mask(string(text))
}
