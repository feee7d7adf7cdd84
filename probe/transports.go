package probe

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/common/config"
)

// As in prometheus/common, whose transports blackbox_exporter uses.
const (
	tlsHandshakeTimeout   = 10 * time.Second
	expectContinueTimeout = time.Second
)

// transports are a module's transports: one for each name that certificates are verified against. All probes share
// them, but each opens connections of its own: the transports keep none.
type transports struct {
	client    *config.HTTPClientConfig
	protocols http.Protocols
	tls       *tlsSource

	mu     sync.Mutex
	cached map[transportKey]cachedTransport
}

// A transportKey is the name for certificates ("" is the one in the URL), and whether the module's own certificate is
// omitted.
type transportKey struct {
	name    string
	foreign bool
}

type cachedTransport struct {
	*http.Transport
	built *tlsSettings // what it was made from
}

// maxTransports limits them: names also come from /probe.
const maxTransports = 2000

// newTransports returns those of a module. A grpc module uses only HTTP/2, with or without TLS, and a websocket module
// HTTP/1.1.
func newTransports(m *Module, tls *tlsSource) *transports {
	client := *m.client() // a copy: it remembers how it chooses a proxy, and modules are copied for each /probe
	s := &transports{client: &client, tls: tls}
	if m.Prober == "grpc" {
		s.client = &config.HTTPClientConfig{}
		s.protocols.SetHTTP2(true)
		s.protocols.SetUnencryptedHTTP2(true)
		return s
	}
	s.protocols.SetHTTP1(true)
	s.protocols.SetHTTP2(s.client.EnableHTTP2 && m.Prober == "http")
	return s
}

// get returns the transport for a name. The module's server_name applies only to the first host: a redirect elsewhere
// uses the URL. A foreign host does not get the module's certificate.
func (s *transports) get(name string, foreign bool) (*http.Transport, error) {
	built, err := s.tls.load()
	if err != nil {
		return nil, err
	}
	key := transportKey{name, foreign}
	s.mu.Lock()
	defer s.mu.Unlock()
	if cached := s.cached[key]; cached.built == built {
		return cached.Transport, nil
	}
	if len(s.cached) >= maxTransports || s.cached == nil {
		s.cached = map[transportKey]cachedTransport{}
	}
	transport := s.build(key, built)
	s.cached[key] = cachedTransport{transport, built}
	return transport, nil
}

func (s *transports) build(key transportKey, built *tlsSettings) *http.Transport {
	secure := built.config.Clone()
	if key.name == "" || secure.ServerName == "" {
		secure.ServerName = key.name
	}
	if key.foreign {
		secure.Certificates, secure.GetClientCertificate = nil, nil
	}
	return &http.Transport{
		Proxy:                 proxyOf(s.client.Proxy()),
		ProxyConnectHeader:    s.client.GetProxyConnectHeader(),
		DisableKeepAlives:     true,
		DisableCompression:    true,
		TLSClientConfig:       secure,
		TLSHandshakeTimeout:   tlsHandshakeTimeout,
		ExpectContinueTimeout: expectContinueTimeout,
		DialContext:           dial,
		WriteBufferSize:       1 << 10, // most requests are smaller, and a connection carries one
		ReadBufferSize:        2 << 10,
		Protocols:             &s.protocols,
	}
}

type requestKey struct{}

// proxyOf chooses a proxy by the request that a connection is for: NewClientConn knows only its host.
func proxyOf(choose func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	if choose == nil {
		return nil
	}
	return func(r *http.Request) (*url.URL, error) {
		if request, is := r.Context().Value(requestKey{}).(*http.Request); is {
			r = request
		}
		return choose(r)
	}
}

// connect opens a connection for one request. The transport's own RoundTrip would connect and retry thousands of times
// if an HTTP/2 server closes without an answer.
func connect(ctx context.Context, transport *http.Transport, request *http.Request) (*http.ClientConn, error) {
	port := request.URL.Port()
	if port == "" {
		port = defaultPorts[request.URL.Scheme]
	}
	host := request.URL.Hostname()
	if ascii, ok := normalHost(host); ok {
		host = ascii
	}
	if transport.Proxy != nil {
		ctx = context.WithValue(ctx, requestKey{}, request)
	}
	return transport.NewClientConn(ctx, request.URL.Scheme, net.JoinHostPort(host, port))
}

// resolves reports whether the exporter, not the proxy, looks up the target.
func (m *prepared) resolves() bool {
	client := &m.HTTP.Client
	proxied := client.ProxyURL.URL != nil || client.ProxyFromEnvironment
	return !m.HTTP.SkipResolvePhaseWithProxy || !proxied
}
