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
// It gives the metrics of the lookup.
func lookup(ctx context.Context, host, preferred string, fallback bool, t *trace) (*net.IPAddr, *failure) {
	if preferred == "" {
		preferred = "ip6"
	}
	t.phase = "resolve"
	begin := time.Now()
	ip, failed := resolve(ctx, host, preferred, fallback)
	took := time.Since(begin)
	t.took("resolve", took)
	t.gauge("probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds", took.Seconds())
	protocol, hash := 0.0, 0.0
	if ip != nil {
		protocol = 6
		if ip.IP.To4() != nil {
			protocol = 4
		}
		sum := fnv.New32a()
		sum.Write(ip.IP)
		hash = float64(sum.Sum32())
		t.logf("%s is %s", host, ip)
	}
	t.gauge("probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6", protocol)
	t.gauge("probe_ip_addr_hash", "Specifies the hash of IP address. It's useful to detect if the IP address changes.", hash)
	return ip, failed
}

func resolve(ctx context.Context, host, preferred string, fallback bool) (*net.IPAddr, *failure) {
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, lookupFailure(ctx, host, err)
	}
	var other *net.IPAddr
	for i := range ips {
		is4 := ips[i].IP.To4() != nil
		if is4 == (preferred == "ip4") {
			return &ips[i], nil
		}
		if other == nil {
			other = &ips[i]
		}
	}
	if other == nil || !fallback {
		return nil, failf("dns", "%s has no %s address", host, preferred)
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

// classify says why a connection, or a request over it, failed.
func classify(ctx context.Context, err error, phase string) *failure {
	var timeout interface{ Timeout() bool }
	var op *net.OpError
	var tlsError interface{ isTLS() }
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return failf("timeout", "time ran out %s", during(phase))
	case errors.As(err, &tlsError), isTLSError(err):
		return failf("tls", "TLS: %s", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return failf("connect", "the connection was refused")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return failf("timeout", "time ran out %s", during(phase))
	case errors.As(err, &op) && op.Op == "dial", phase == "connect":
		return failf("connect", "no connection: %s", err)
	}
	return failf("other", "%s", err)
}

func during(phase string) string {
	switch phase {
	case "connect":
		return "while connecting"
	case "tls":
		return "in the TLS handshake"
	case "processing":
		return "while waiting for the answer"
	case "transfer":
		return "while the body was read"
	case "resolve":
		return "while the host was looked up"
	}
	return "while " + phase
}
