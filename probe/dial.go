package probe

import (
	"context"
	"errors"
	"hash/fnv"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// addresses are those of a host.
type addresses struct {
	chosen *net.IPAddr
	others []net.IPAddr
	took   time.Duration // the lookup
}

// all returns the chosen address, then the others.
func (a addresses) all() []net.IPAddr { return append([]net.IPAddr{*a.chosen}, a.others...) }

// lookup resolves a host as blackbox_exporter does: it prefers one protocol, and falls back to the other if that is
// allowed. It adds the metrics of the lookup.
func lookup(ctx context.Context, host, preferred string, fallback bool, t *trace) (addresses, *failure) {
	t.enter("resolve")
	begin := time.Now()
	found, failed := resolve(ctx, host, ipProtocol(preferred), fallback)
	found.took = time.Since(begin)
	t.gauge("probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds",
		found.took.Seconds())
	protocol, hash := 0.0, 0.0
	if ip := found.chosen; ip != nil {
		protocol, hash = 6, ipHash(ip.IP.To16())
		if ip4 := ip.IP.To4(); ip4 != nil {
			protocol, hash = 4, ipHash(ip4)
		}
		t.logf("%s is %s", host, ip)
	}
	t.gauge("probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6", protocol)
	t.gauge("probe_ip_addr_hash", "Specifies the hash of IP address. It's useful to detect if the IP address changes.",
		hash)
	return found, failed
}

// ipProtocol reads preferred_ip_protocol as blackbox_exporter does: anything but empty or ip6 is ip4.
func ipProtocol(preferred string) string {
	if preferred == "" || preferred == "ip6" {
		return "ip6"
	}
	return "ip4"
}

func ipHash(ip net.IP) float64 {
	sum := fnv.New32a()
	sum.Write(ip)
	return float64(sum.Sum32())
}

// resolve chooses the first address of the preferred protocol, or the last of the other.
func resolve(ctx context.Context, host, preferred string, fallback bool) (addresses, *failure) {
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return addresses{}, lookupFailure(ctx, host, err)
	}
	at := slices.IndexFunc(ips, func(ip net.IPAddr) bool { return (ip.IP.To4() != nil) == (preferred == "ip4") })
	if at < 0 && fallback {
		at = len(ips) - 1
	}
	if at < 0 {
		return addresses{}, failf("dns", "%s has no %s address, and ip_protocol_fallback is off", host, preferred)
	}
	return addresses{chosen: &ips[at], others: slices.Concat(ips[:at], ips[at+1:])}, nil
}

func lookupFailure(ctx context.Context, host string, err error) *failure {
	if exhausted(err) {
		return exhaustedFailure(err)
	}
	if ctx.Err() != nil {
		return failf("timeout", "time ran out while %s was looked up", host)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return failf("dns", "host %s does not exist", host)
	}
	return failf("dns", "looking up %s failed: %s", host, err)
}

// network returns "tcp" or "udp" with the digit for the address.
func network(base string, ip *net.IPAddr) string {
	if ip.IP.To4() == nil {
		return base + "6"
	}
	return base + "4"
}

// classify returns the reason why a connection, or an exchange over it, failed.
func classify(ctx context.Context, err error, phase string) *failure {
	var classified *failure
	var timeout net.Error
	var dns *net.DNSError
	switch {
	case errors.As(err, &classified):
		return classified
	case exhausted(err):
		return exhaustedFailure(err)
	case errors.As(err, &dns): // of a redirect, or of a proxy
		return lookupFailure(ctx, dns.Name, dns)
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return failf("timeout", "time ran out %s", during(phase))
	case isReset(err):
		return failf("connect", "the connection was reset %s", during(phase))
	case isTLSError(err):
		return failf("tls", "the TLS handshake failed: %s", tlsText(err))
	}
	return classifyConnection(err, phase)
}

// classifyConnection is classify for an error that only the phase explains.
func classifyConnection(err error, phase string) *failure {
	var op *net.OpError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return failf("connect", "the connection was refused")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return failf("connect", "no route to the host: %s", err)
	case errors.As(err, &op) && op.Op == "dial", phase == "connect":
		return failf("connect", "no connection: %s", err)
	case phase == "tls" && isClosed(err):
		return failf("connect", "the connection was closed in the TLS handshake")
	case phase == "tls":
		return failf("tls", "the TLS handshake failed: %s", tlsText(err))
	case phase == "resolve" || phase == "": // only of http: an unreadable file or no token
		return failf("other", "the request could not be sent: %s", err)
	case isClosed(err) && (phase == "processing" || phase == "check" || phase == "request"):
		return closedFailure()
	}
	return failf("other", "the connection broke %s: %s", during(phase), err)
}

func closedFailure() *failure { return failf("connect", "the connection was closed without an answer") }

// exhausted reports whether the cause is this host: no descriptors, ports or memory left.
func exhausted(err error) bool {
	for _, want := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS,
		syscall.EADDRNOTAVAIL} {
		// For a lookup, keep only the text of its error.
		if errors.Is(err, want) || strings.Contains(err.Error(), want.Error()) {
			return true
		}
	}
	return false
}

func exhaustedFailure(err error) *failure {
	return failf("other", "sending from this host failed: %s", err)
}

// isReset reports whether the peer has closed the connection. net/http hides some of these errors from errors.Is.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), syscall.ECONNRESET.Error()) || strings.Contains(err.Error(),
		syscall.EPIPE.Error())
}

// closings are net/http's errors for a connection, or a request's stream on it, that the peer closed without an
// answer.
var closings = []string{
	"server closed idle connection", "server sent GOAWAY", "received GOAWAY", "Server's graceful shutdown GOAWAY",
	"received from peer", "client conn not usable", "client conn could not be established", "client connection lost",
}

func isClosed(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || isQUICClosed(err) {
		return true
	}
	text := err.Error()
	return strings.HasSuffix(text, "EOF") || slices.ContainsFunc(closings,
		func(c string) bool { return strings.Contains(text, c) })
}

func during(phase string) string {
	switch phase {
	case "resolve":
		return "while the host was looked up"
	case "connect":
		return "while connecting"
	case "tls":
		return "in the TLS handshake"
	case "processing", "request", "check", "rtt":
		return "while waiting for the answer"
	case "transfer":
		return "while the body was read"
	case "conversation":
		return "in the conversation"
	}
	return "before anything was sent"
}
