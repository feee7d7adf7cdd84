package probe

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/common/config"
)

// A masker hides, besides what Mask does, the secrets of one module wherever a server or an error repeats them.
type masker struct {
	replacer *strings.Replacer
	files    *secretFiles      // nil where no secret is in a file
	target   *strings.Replacer // of one probe's target
}

func newMasker(m *Module) masker {
	mask := masker{replacer: replacerOf(m.secrets())}
	if files := m.secretFiles(); len(files) > 0 {
		mask.files = &secretFiles{files: files}
		mask.files.look()
	}
	return mask
}

func (m masker) mask(text string) string {
	if m.replacer != nil {
		text = m.replacer.Replace(text)
	}
	if m.target != nil {
		text = m.target.Replace(text)
	}
	if m.files != nil {
		text = m.files.mask(text)
	}
	return strings.ToValidUTF8(Mask(text), "\uFFFD")
}

// of is a masker that knows the secrets of a target, too: servers repeat them without the words by which Mask finds them.
func (m masker) of(target string) masker {
	var secrets []string
	for _, parameter := range secretParam.FindAllStringSubmatch(target, -1) {
		secrets = append(secrets, parameter[2])
		if plain, err := url.QueryUnescape(parameter[2]); err == nil {
			secrets = append(secrets, plain)
		}
	}
	if strings.Contains(target, "@") {
		if u, err := url.Parse(withScheme(target)); err == nil && u.User != nil {
			password, _ := u.User.Password()
			secrets = append(secrets, password, basicCredentials(u.User.Username(), password))
		}
	}
	m.target = replacerOf(secrets)
	return m
}

// shortestSecret is the least length of a secret that is looked for: shorter ones would blot out half of any text.
const shortestSecret = 4

// replacerOf is nil where there is nothing to replace. Secrets are looked for as they are, and as quoted text has them.
func replacerOf(secrets []string) *strings.Replacer {
	var all []string
	for _, secret := range secrets {
		if len(secret) < shortestSecret {
			continue
		}
		all = append(all, secret)
		if quoted := strings.Trim(strconv.Quote(secret), `"`); quoted != secret {
			all = append(all, quoted)
		}
	}
	if all == nil {
		return nil
	}
	// The longest first: a secret that begins another must not leave the other's rest behind.
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, secret := range all {
		pairs = append(pairs, secret, masked)
	}
	return strings.NewReplacer(pairs...)
}

// Bounds of what is remembered of files that hold secrets.
const (
	maxSecretFile = 64 << 10
	maxSeen       = 16
)

// A secretFile holds one secret: for a user, where it is a password.
type secretFile struct{ path, user string }

// secretFiles are the files that a module takes secrets from. They may change while the log of a probe that read the
// old content is still kept: what was seen stays hidden.
type secretFiles struct {
	files []secretFile

	mu       sync.Mutex
	seen     []string
	replacer *strings.Replacer
}

// look reads the files. A file that cannot be read holds no secret, and fails the probe elsewhere.
func (f *secretFiles) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, file := range f.files {
		secret := readSecret(file.path)
		if secret == "" || slices.Contains(f.seen, secret) {
			continue
		}
		f.seen = append(f.seen, secret)
		if file.user != "" {
			f.seen = append(f.seen, basicCredentials(file.user, secret))
		}
		f.seen = f.seen[max(0, len(f.seen)-maxSeen):]
		f.replacer = replacerOf(f.seen)
	}
}

func (f *secretFiles) mask(text string) string {
	f.mu.Lock()
	replacer := f.replacer
	f.mu.Unlock()
	if replacer == nil {
		return text
	}
	return replacer.Replace(text)
}

func readSecret(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSecretFile))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(content))
}

// secretFiles are the files that hold secrets of a module.
func (m *Module) secretFiles() []secretFile {
	client := &m.HTTP.Client
	files := []secretFile{{path: client.BearerTokenFile}}
	if basic := client.BasicAuth; basic != nil {
		files = append(files, secretFile{basic.PasswordFile, basic.Username})
	}
	if client.Authorization != nil {
		files = append(files, secretFile{path: client.Authorization.CredentialsFile})
	}
	if o := client.OAuth2; o != nil {
		files = append(files, secretFile{o.ClientSecretFile, o.ClientID})
	}
	for _, header := range headersOf(client.HTTPHeaders) {
		for _, path := range header.Files {
			files = append(files, secretFile{path: path})
		}
	}
	return slices.DeleteFunc(files, func(f secretFile) bool { return f.path == "" })
}

// secrets are the values of a module that nobody may see.
func (m *Module) secrets() []string {
	client := &m.HTTP.Client
	secrets := []string{string(client.BearerToken)}
	if basic := client.BasicAuth; basic != nil {
		secrets = append(secrets, string(basic.Password), basicCredentials(basic.Username, string(basic.Password)))
	}
	if client.Authorization != nil {
		secrets = append(secrets, string(client.Authorization.Credentials))
	}
	if o := client.OAuth2; o != nil {
		secrets = append(secrets, string(o.ClientSecret), string(o.ClientCertificateKey), basicCredentials(o.ClientID, string(o.ClientSecret)))
		for name, value := range o.EndpointParams {
			if isSecretKey(name) {
				secrets = append(secrets, value)
			}
		}
		secrets = append(secrets, proxySecrets(o.ProxyConfig)...)
		secrets = append(secrets, userinfoOf(o.TokenURL)...)
	}
	secrets = append(secrets, proxySecrets(client.ProxyConfig)...)
	for name, value := range m.HTTP.Headers {
		if IsSecretHeader(name) {
			secrets = append(secrets, value, afterSpace(value))
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
			for _, value := range values {
				secrets = append(secrets, value, afterSpace(value))
			}
		}
	}
	for _, step := range slices.Concat(m.TCP.QueryResponse, m.Unix.QueryResponse) {
		for _, command := range secretCommand.FindAllStringSubmatch(step.Send, -1) {
			words := strings.Fields(command[2])
			secrets = append(secrets, strings.TrimSpace(command[2]), words[len(words)-1]) // LOGIN user password
		}
	}
	return secrets
}

// afterSpace is the token of "Bearer token", "" where there is one word alone.
func afterSpace(value string) string {
	_, rest, _ := strings.Cut(value, " ")
	return rest
}

// basicCredentials are user and password as a server sees them; "" without a password.
func basicCredentials(user, password string) string {
	if password == "" {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
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
		secrets = userinfoOf(proxy.ProxyURL.String())
	}
	for _, values := range proxy.ProxyConnectHeader {
		for _, value := range values {
			secrets = append(secrets, string(value), afterSpace(string(value)))
		}
	}
	return secrets
}
