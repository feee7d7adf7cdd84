package probe

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/config"
)

func isTLSError(err error) bool {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var verify *tls.CertificateVerificationError
	return errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &verify) ||
		strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "x509: ") ||
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") ||
		strings.Contains(err.Error(), "specified CA cert") || strings.Contains(err.Error(), "specified client cert")
}

// settingsFailure is for unusable TLS settings, such as an unreadable file.
func settingsFailure(err error) *failure {
	if exhausted(err) {
		return exhaustedFailure(err)
	}
	return failf("tls", "the TLS settings are not usable: %s", err)
}

// tlsText describes a TLS error in words.
func tlsText(err error) string {
	var record tls.RecordHeaderError
	if errors.As(err, &record) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return "the server does not speak TLS"
	}
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), "remote error: "), "tls: ")
}

// A tlsSource is the TLS settings of a module. They are built once, and again when the CA file has changed;
// certificate and key are read at each handshake.
type tlsSource struct {
	settings *config.TLSConfig

	mu    sync.Mutex
	built *tlsSettings
}

// tlsSettings are TLS settings built from one state of the CA file. They are immutable.
type tlsSettings struct {
	config   *tls.Config
	modified time.Time
	size     int64
}

// get returns a copy for one connection to host.
func (s *tlsSource) get(host string) (*tls.Config, error) {
	built, err := s.load()
	if err != nil {
		return nil, err
	}
	own := built.config.Clone()
	if own.ServerName == "" {
		own.ServerName = host
	}
	return own, nil
}

// load returns the current settings: the same pointer as before if nothing has changed.
func (s *tlsSource) load() (*tlsSettings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := tlsSettings{}
	if err := areRegular(s.settings.CAFile, s.settings.CertFile, s.settings.KeyFile); err != nil {
		return nil, err
	}
	if s.settings.CAFile != "" {
		info, err := os.Stat(s.settings.CAFile)
		if err != nil {
			return nil, err
		}
		now.modified, now.size = info.ModTime(), info.Size()
	}
	if s.built != nil && s.built.modified.Equal(now.modified) && s.built.size == now.size {
		return s.built, nil
	}
	var err error
	if now.config, err = config.NewTLSConfig(s.settings); err != nil {
		return nil, err
	}
	s.built = &now
	return s.built, nil
}

const (
	helpEarliestExpiry = "Returns last SSL chain expiry in unixtime"
	helpChainExpiry    = "Returns last SSL chain expiry in timestamp"
	helpChainInfo      = "Contains SSL leaf certificate information"
	helpTLSVersion     = "Returns the TLS version used or NaN when unknown"
	// not in blackbox_exporter
	helpNotBefore = "Returns when the last of the certificates became valid, in unixtime"
	helpTLSCipher = "Returns the TLS cipher negotiated during handshake"
)

// leafMetrics adds the metrics of a TLS connection that all probers have.
func (t *trace) leafMetrics(state *tls.ConnectionState) {
	t.gauge("probe_ssl_earliest_cert_expiry", helpEarliestExpiry, float64(earliestExpiry(state).Unix()))
	t.gauge("probe_ssl_latest_cert_not_before_timestamp_seconds", helpNotBefore, float64(latestStart(state).Unix()))
	t.gauge("probe_tls_version_info", helpTLSVersion, 1, Label{"version", tlsVersion(state.Version)})
	if len(state.PeerCertificates) == 0 {
		return
	}
	leaf := state.PeerCertificates[0]
	sum := sha256.Sum256(leaf.Raw)
	t.gauge("probe_ssl_last_chain_info", helpChainInfo, 1,
		Label{"fingerprint_sha256", hex.EncodeToString(sum[:])},
		Label{"subject", leaf.Subject.String()},
		Label{"issuer", leaf.Issuer.String()},
		Label{"subjectalternative", strings.Join(leaf.DNSNames, ",")},
		Label{"serialnumber", fmt.Sprintf("%x", leaf.SerialNumber.Bytes())})
}

func (t *trace) chainMetrics(state *tls.ConnectionState) {
	t.leafMetrics(state)
	t.gauge("probe_ssl_last_chain_expiry_timestamp_seconds", helpChainExpiry, float64(lastChainExpiry(state).Unix()))
}

func tlsVersion(version uint16) string {
	if version < tls.VersionTLS10 || version > tls.VersionTLS13 {
		return "unknown"
	}
	return tls.VersionName(version)
}

func earliestExpiry(state *tls.ConnectionState) time.Time { return earliest(state.PeerCertificates) }

func earliest(certificates []*x509.Certificate) time.Time {
	var first time.Time
	for _, c := range certificates {
		if first.IsZero() || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}

// latestStart returns when the last certificate became valid: all of them are valid from then on.
func latestStart(state *tls.ConnectionState) time.Time {
	var last time.Time
	for _, c := range state.PeerCertificates {
		if c.NotBefore.After(last) {
			last = c.NotBefore
		}
	}
	return last
}

// lastChainExpiry returns the expiry of the chain that lasts longest: each lasts as long as its shortest certificate.
func lastChainExpiry(state *tls.ConnectionState) time.Time {
	var last time.Time
	for _, chain := range state.VerifiedChains {
		if end := earliest(chain); end.After(last) {
			last = end
		}
	}
	return last
}

func tlsCipher(state *tls.ConnectionState) string { return tls.CipherSuiteName(state.CipherSuite) }
