package probe

import (
	"slices"
	"strings"

	"github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// newSecrets is what hides the secrets of a module.
func newSecrets(m *Module) mask.Secrets { return mask.New(m.secrets(), m.secretFiles()) }

// secretFiles are the files that hold secrets of a module.
func (m *Module) secretFiles() []mask.File {
	client := &m.HTTP.Client
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
	for _, header := range headersOf(client.HTTPHeaders) {
		for _, path := range header.Files {
			files = append(files, mask.File{Path: path})
		}
	}
	return slices.DeleteFunc(files, func(f mask.File) bool { return f.Path == "" })
}

// secrets are the values of a module that nobody may see.
func (m *Module) secrets() []string {
	client := &m.HTTP.Client
	secrets := []string{string(client.BearerToken)}
	if basic := client.BasicAuth; basic != nil {
		secrets = append(secrets, string(basic.Password), mask.Basic(basic.Username, string(basic.Password)))
	}
	if client.Authorization != nil {
		secrets = append(secrets, string(client.Authorization.Credentials))
	}
	if o := client.OAuth2; o != nil {
		secrets = append(secrets, string(o.ClientSecret), string(o.ClientCertificateKey), mask.Basic(o.ClientID, string(o.ClientSecret)))
		for name, value := range o.EndpointParams {
			if mask.IsSecretKey(name) {
				secrets = append(secrets, value)
			}
		}
		secrets = append(secrets, proxySecrets(o.ProxyConfig)...)
		secrets = append(secrets, mask.Password(o.TokenURL))
	}
	secrets = append(secrets, proxySecrets(client.ProxyConfig)...)
	for name, value := range m.HTTP.Headers {
		if mask.IsSecretHeader(name) {
			secrets = append(secrets, value, afterSpace(value))
		}
	}
	for name, header := range headersOf(client.HTTPHeaders) {
		for _, secret := range header.Secrets {
			secrets = append(secrets, string(secret))
		}
		if mask.IsSecretHeader(name) {
			secrets = append(secrets, header.Values...)
		}
	}
	for name, values := range m.GRPC.Metadata {
		if mask.IsSecretHeader(name) {
			for _, value := range values {
				secrets = append(secrets, value, afterSpace(value))
			}
		}
	}
	for _, step := range slices.Concat(m.TCP.QueryResponse, m.Unix.QueryResponse) {
		secrets = append(secrets, mask.InCommands(step.Send)...)
	}
	return secrets
}

// afterSpace is the token of "Bearer token", "" where there is one word alone.
func afterSpace(value string) string {
	_, rest, _ := strings.Cut(value, " ")
	return rest
}

func headersOf(h *config.Headers) map[string]config.Header {
	if h == nil {
		return nil
	}
	return h.Headers
}

// proxySecrets are what a proxy is told.
func proxySecrets(proxy config.ProxyConfig) []string {
	var secrets []string
	if proxy.ProxyURL.URL != nil {
		secrets = append(secrets, mask.Password(proxy.ProxyURL.String()))
	}
	for _, values := range proxy.ProxyConnectHeader {
		for _, value := range values {
			secrets = append(secrets, string(value), afterSpace(string(value)))
		}
	}
	return secrets
}

// maskedYAML is the module as it was written, without its secrets.
func (m *Module) maskedYAML() string {
	var document yaml.Node
	if err := document.Encode(m); err != nil {
		return "the module cannot be shown: " + err.Error() + "\n"
	}
	mask.YAML(&document)
	text, err := yaml.Marshal(&document)
	if err != nil {
		return "the module cannot be shown: " + err.Error() + "\n"
	}
	return newSecrets(m).Mask(string(text))
}
