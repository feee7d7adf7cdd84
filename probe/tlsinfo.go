package probe

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

func isTLSError(err error) bool {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var verify *tls.CertificateVerificationError
	var host x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &verify) || errors.As(err, &host) ||
		errors.As(err, &unknown) || errors.As(err, &invalid) || strings.Contains(err.Error(), "tls: ") ||
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// tlsMetrics gives what is known of a connection's certificates.
func (t *trace) tlsMetrics(state *tls.ConnectionState) {
	t.gauge("probe_ssl_earliest_cert_expiry", "Returns last SSL chain expiry in unixtime", float64(earliestExpiry(state).Unix()))
	t.gauge("probe_tls_version_info", "Returns the TLS version used or NaN when unknown", 1, Label{"version", tls.VersionName(state.Version)})
	t.gauge("probe_tls_cipher_info", "Returns the TLS cipher negotiated during handshake", 1, Label{"cipher", tls.CipherSuiteName(state.CipherSuite)})
	t.gauge("probe_ssl_last_chain_expiry_timestamp_seconds", "Returns last SSL chain expiry in timestamp", float64(lastChainExpiry(state).Unix()))
	leaf := state.PeerCertificates[0]
	sum := sha256.Sum256(leaf.Raw)
	t.gauge("probe_ssl_last_chain_info", "Contains SSL leaf certificate information", 1,
		Label{"fingerprint_sha256", hex.EncodeToString(sum[:])},
		Label{"subject", leaf.Subject.String()},
		Label{"issuer", leaf.Issuer.String()},
		Label{"subjectalternative", alternatives(leaf)},
		Label{"serialnumber", serial(leaf)})
}

func earliestExpiry(state *tls.ConnectionState) time.Time {
	var earliest time.Time
	for _, cert := range state.PeerCertificates {
		if earliest.IsZero() || cert.NotAfter.Before(earliest) {
			earliest = cert.NotAfter
		}
	}
	return earliest
}

// lastChainExpiry is the expiry of the chain that lasts longest: each lasts as long as its shortest certificate.
func lastChainExpiry(state *tls.ConnectionState) time.Time {
	var last time.Time
	for _, chain := range state.VerifiedChains {
		var earliest time.Time
		for _, cert := range chain {
			if earliest.IsZero() || cert.NotAfter.Before(earliest) {
				earliest = cert.NotAfter
			}
		}
		if earliest.After(last) {
			last = earliest
		}
	}
	return last
}

func alternatives(cert *x509.Certificate) string {
	names := append([]string{}, cert.DNSNames...)
	names = append(names, cert.EmailAddresses...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	for _, uri := range cert.URIs {
		names = append(names, uri.String())
	}
	return strings.Join(names, ",")
}

func serial(cert *x509.Certificate) string {
	text := cert.SerialNumber.Text(16)
	if len(text)%2 == 1 {
		text = "0" + text
	}
	return strings.ToLower(text)
}
