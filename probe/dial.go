package probe

import (
	"context"
	"errors"
	"hash/fnv"
	"net"
	"os"
	"syscall"
	"time"
)

// lookup resolves a host as blackbox_exporter does: the preferred protocol, else the other where that is allowed.
// It gives the metrics of the lookup and how long it took.
func lookup(ctx context.Context, host, preferred string, fallback bool, t *trace) (*net.IPAddr, time.Duration, *failure) {
	if preferred == "" {
		preferred = "ip6"
	}
	t.enter("resolve")
	begin := time.Now()
	ip, failed := resolve(ctx, host, preferred, fallback)
	took := time.Since(begin)
	t.gauge("probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds", took.Seconds())
	protocol, hash := 0.0, 0.0
	if ip != nil {
		protocol, hash = 6, ipHash(ip.IP.To16())
		if ip4 := ip.IP.To4(); ip4 != nil {
			protocol, hash = 4, ipHash(ip4)
		}
		t.logf("%s is %s", host, ip)
	}
	t.gauge("probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6", protocol)
	t.gauge("probe_ip_addr_hash", "Specifies the hash of IP address. It's useful to detect if the IP address changes.", hash)
	return ip, took, failed
}

func ipHash(ip net.IP) float64 {
	sum := fnv.New32a()
	sum.Write(ip)
	return float64(sum.Sum32())
}

// resolve gives the first address of the preferred protocol, else the last of the other.
func resolve(ctx context.Context, host, preferred string, fallback bool) (*net.IPAddr, *failure) {
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, lookupFailure(ctx, host, err)
	}
	var other *net.IPAddr
	for i := range ips {
		if is4 := ips[i].IP.To4() != nil; is4 == (preferred == "ip4") {
			return &ips[i], nil
		}
		other = &ips[i]
	}
	if other == nil || !fallback {
		return nil, failf("dns", "%s has no %s address, and ip_protocol_fallback is off", host, preferred)
	}
	return other, nil
}

func lookupFailure(ctx context.Context, host string, err error) *failure {
	if ctx.Err() != nil {
		return failf("timeout", "time ran out while %s was looked up", host)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return failf("dns", "there is no host %s", host)
	}
	return failf("dns", "%s could not be looked up: %s", host, err)
}

// network is "tcp" or "udp" with the digit that the address asks for.
func network(base string, ip *net.IPAddr) string {
	if ip.IP.To4() == nil {
		return base + "6"
	}
	return base + "4"
}

// classify says why a connection, or what went over it, failed.
func classify(ctx context.Context, err error, phase string) *failure {
	var known *failure
	var timeout net.Error
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &dns): // of a redirect, or of a proxy
		return lookupFailure(ctx, dns.Name, dns)
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return failf("timeout", "time ran out %s", during(phase))
	case isTLSError(err):
		return failf("tls", "the TLS handshake failed: %s", tlsText(err))
	case errors.Is(err, syscall.ECONNREFUSED):
		return failf("connect", "the connection was refused")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return failf("connect", "there is no way to the host: %s", err)
	case errors.As(err, &op) && op.Op == "dial", phase == "connect":
		return failf("connect", "no connection: %s", err)
	case errors.Is(err, syscall.ECONNRESET):
		return failf(afterConnect(phase), "the connection was reset %s", during(phase))
	case phase == "tls":
		return failf("tls", "the TLS handshake failed: %s", tlsText(err))
	}
	if phase == "resolve" || phase == "" { // of http alone: a file or a token that cannot be had
		return failf("other", "the request could not be made: %s", err)
	}
	return failf("other", "it broke off %s: %s", during(phase), err)
}

// afterConnect is the reason for a connection that ended in a phase.
func afterConnect(phase string) string {
	if phase == "tls" {
		return "tls"
	}
	return "other"
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
