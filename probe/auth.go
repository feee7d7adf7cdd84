package probe

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/common/config"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// auth is the credentials that a module sends to its target in headers. It reads files each time: they may change.
type auth struct {
	client *config.HTTPClientConfig
	tokens *tokenSource // nil without oauth2
}

func newAuth(client *config.HTTPClientConfig) auth {
	c := auth{client: client}
	if client.OAuth2 != nil {
		own := *client.OAuth2
		c.tokens = &tokenSource{settings: &own, turn: make(chan struct{}, 1)}
	}
	return c
}

// set adds the credentials to the header of a request. As in prometheus/common, it keeps an existing Authorization,
// except for an OAuth2 token.
func (c *auth) set(ctx context.Context, header http.Header) error {
	for name, values := range headersOf(c.client.HTTPHeaders) {
		if err := addHeader(header, name, values); err != nil {
			return err
		}
	}
	if c.tokens != nil {
		token, err := c.tokens.token(ctx)
		if err == nil {
			header.Set("Authorization", token.Type()+" "+token.AccessToken)
		}
		return err
	}
	if header.Get("Authorization") != "" {
		return nil
	}
	authorization, err := c.authorization()
	if authorization != "" {
		header.Set("Authorization", authorization)
	}
	return err
}

func addHeader(header http.Header, name string, values config.Header) error {
	for _, value := range values.Values {
		header.Add(name, value)
	}
	for _, value := range values.Secrets {
		header.Add(name, string(value))
	}
	for _, file := range values.Files {
		value, err := readBounded(file, maxSecret)
		if err != nil {
			return fmt.Errorf("the header %s cannot be read: %w", name, err)
		}
		header.Add(name, strings.TrimSpace(string(value)))
	}
	return nil
}

// authorization returns the value of the header Authorization, "" without one.
func (c *auth) authorization() (string, error) {
	client := c.client
	switch {
	case client.BasicAuth != nil:
		basic := client.BasicAuth
		user, err := secretOf(basic.Username, basic.UsernameFile, basic.UsernameRef)
		if err != nil {
			return "", err
		}
		password, err := secretOf(string(basic.Password), basic.PasswordFile, basic.PasswordRef)
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)), err
	case client.Authorization != nil:
		own := client.Authorization
		secret, err := secretOf(string(own.Credentials), own.CredentialsFile, own.CredentialsRef)
		return own.Type + " " + secret, err
	case client.BearerToken != "" || client.BearerTokenFile != "":
		secret, err := secretOf(string(client.BearerToken), client.BearerTokenFile, "")
		return "Bearer " + secret, err
	}
	return "", nil
}

// maxSecret is the maximum size of a file with a secret, bytes.
const maxSecret = 1 << 20

// secretOf returns a secret that is in the config, in a file, or in a secret manager, which this program does not
// have.
func secretOf(text, file, ref string) (string, error) {
	switch {
	case ref != "":
		return "", fmt.Errorf("the secret %q is in a secret manager, which this program does not have; name a file",
			ref)
	case file == "":
		return text, nil
	}
	content, err := readBounded(file, maxSecret)
	if err != nil {
		return "", fmt.Errorf("reading a secret failed: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}

// A tokenSource caches the token of a module for as long as it is valid.
type tokenSource struct {
	settings *config.OAuth2
	turn     chan struct{} // held while the fields below are used

	last   *oauth2.Token
	secret string // the settings that the last token was requested with
}

const grantJWTBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// token returns a valid token, and requests one if there is none, within the time of ctx.
func (s *tokenSource) token(ctx context.Context) (*oauth2.Token, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	o := s.settings
	text, file, ref := string(o.ClientSecret), o.ClientSecretFile, o.ClientSecretRef
	if o.GrantType == grantJWTBearer {
		text, file, ref = string(o.ClientCertificateKey), o.ClientCertificateKeyFile, o.ClientCertificateKeyRef
	}
	secret, err := secretOf(text, file, ref)
	if err != nil {
		return nil, err
	}
	if s.last.Valid() && s.secret == secret {
		return s.last, nil
	}
	client, err := s.client()
	if err != nil {
		return nil, failf("tls", "the OAuth2 settings are not usable: %s", err)
	}
	token, err := s.ask(context.WithValue(ctx, oauth2.HTTPClient, client), secret)
	if err != nil {
		if ctx.Err() == nil {
			err = failf("other", "fetching an OAuth2 token failed: %s", err)
		}
		return nil, err
	}
	s.last, s.secret = token, secret
	return token, nil
}

// client requests tokens. A redirect would send the secret elsewhere.
func (s *tokenSource) client() (*http.Client, error) {
	files := s.settings.TLSConfig
	if err := areRegular(files.CAFile, files.CertFile, files.KeyFile); err != nil {
		return nil, err
	}
	secure, err := config.NewTLSConfig(&s.settings.TLSConfig)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		TLSClientConfig: secure, Proxy: s.settings.Proxy(), ProxyConnectHeader: s.settings.GetProxyConnectHeader(),
		DisableKeepAlives: true, TLSHandshakeTimeout: tlsHandshakeTimeout, DialContext: dial,
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("a redirect of the token_url is not followed")
	}}, nil
}

func (s *tokenSource) ask(ctx context.Context, secret string) (*oauth2.Token, error) {
	o := s.settings
	parameters := url.Values{}
	for name, value := range o.EndpointParams {
		parameters.Set(name, value)
	}
	if o.GrantType != grantJWTBearer {
		plain := clientcredentials.Config{
			ClientID: o.ClientID, ClientSecret: secret, Scopes: o.Scopes, TokenURL: o.TokenURL,
			EndpointParams: parameters,
		}
		return plain.Token(ctx)
	}
	algorithm, is := jwt.GetSigningMethod(o.SignatureAlgorithm).(*jwt.SigningMethodRSA)
	if !is {
		algorithm = jwt.SigningMethodRS256
	}
	signed := config.JwtGrantTypeConfig{
		PrivateKey: []byte(secret), PrivateKeyID: o.ClientCertificateKeyID, SigningAlgorithm: algorithm,
		Iss:     cmp.Or(o.Iss, o.ClientID),
		Subject: o.ClientID, Audience: o.Audience, Scopes: o.Scopes, TokenURL: o.TokenURL, PrivateClaims: o.Claims,
		EndpointParams: parameters,
	}
	return signed.TokenSource(ctx).Token()
}

// hasCredentials reports whether a module sends its target something secret.
func (m *Module) hasCredentials() bool {
	client := m.client()
	if client.BasicAuth != nil || client.Authorization != nil || client.OAuth2 != nil ||
		client.BearerToken != "" || client.BearerTokenFile != "" || m.HTTP.BodyFile != "" ||
		mask.HasSecret(m.HTTP.Body) {
		return true
	}
	names := slices.Concat(sortedKeys(m.HTTP.Headers), sortedKeys(headersOf(client.HTTPHeaders)),
		sortedKeys(m.Websocket.Headers.Headers), sortedKeys(m.GRPC.Metadata))
	if slices.ContainsFunc(names, func(name string) bool { return !mask.IsHarmlessHeader(name) }) {
		return true
	}
	for _, settings := range []*config.TLSConfig{
		&client.TLSConfig, &m.TCP.TLSConfig, &m.Unix.TLSConfig, &m.DNS.TLSConfig, &m.GRPC.TLSConfig,
	} {
		if settings.Key != "" || settings.KeyFile != "" || settings.KeyRef != "" {
			return true
		}
	}
	return slices.ContainsFunc(m.steps(), func(step QueryResponse) bool { return len(mask.InCommands(step.Send)) > 0 })
}
