package probe

import (
	"net/http"
	"sync"

	"github.com/prometheus/common/config"
)

// transports are a module's ways to ask: one for each name that a certificate is held against. They are built once and
// used by all probes: each probe has connections of its own all the same, for none is kept.
type transports struct {
	settings config.HTTPClientConfig

	mu     sync.Mutex
	byName map[string]http.RoundTripper
}

// maxTransports bounds them: names come from /probe too.
const maxTransports = 2000

// get gives the transport for a name; "" is the name that the URL has. server_name of the module holds for the first
// host alone: a redirect elsewhere goes by the URL.
func (s *transports) get(name string) (http.RoundTripper, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if transport := s.byName[name]; transport != nil {
		return transport, nil
	}
	settings := s.settings
	if name == "" || settings.TLSConfig.ServerName == "" {
		settings.TLSConfig.ServerName = name
	}
	transport, err := config.NewRoundTripperFromConfig(settings, "probe", config.WithKeepAlivesDisabled(), config.WithDialContextFunc(dial))
	if err != nil {
		return nil, err
	}
	if len(s.byName) >= maxTransports || s.byName == nil {
		s.byName = map[string]http.RoundTripper{}
	}
	s.byName[name] = transport
	return transport, nil
}

// resolves tells whether the exporter looks the target up itself, and not the proxy.
func (m *prepared) resolves() bool {
	client := &m.HTTP.Client
	proxied := client.ProxyURL.URL != nil || client.ProxyFromEnvironment
	return !m.HTTP.SkipResolvePhaseWithProxy || !proxied
}
