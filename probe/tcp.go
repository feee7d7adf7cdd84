package probe

import (
	"context"
	"net"
	"strings"
)

// probeTCP connects, and runs the module's conversation.
func probeTCP(ctx context.Context, target string, m *prepared, t *trace) *failure {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return failf("other", "%q is not HOST:PORT", target)
	}
	found, failed := lookup(ctx, host, m.TCP.IPProtocol, m.TCP.IPProtocolFallback, t)
	if failed != nil {
		return failed
	}
	ip := found.chosen
	dialer := net.Dialer{}
	if m.TCP.SourceIPAddress != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(m.TCP.SourceIPAddress)}
	}
	t.enter("connect")
	conn, err := dialer.DialContext(ctx, network("tcp", ip), net.JoinHostPort(ip.String(), port))
	if err != nil {
		return classify(ctx, err, "connect")
	}
	defer conn.Close()
	t.logf("connected to %s from %s", conn.RemoteAddr(), conn.LocalAddr())
	if m.hostname != "" {
		host = m.hostname
	}
	return converse(ctx, conversation{conn: conn, host: host, m: m, t: t, steps: m.TCP.QueryResponse}, m.TCP.TLS)
}

// probeUnix is probeTCP for a stream socket of this host, named by its path, or as in NGINX: unix:/path.
func probeUnix(ctx context.Context, target string, m *prepared, t *trace) *failure {
	t.enter("connect")
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", strings.TrimPrefix(target, "unix:"))
	if err != nil {
		return classify(ctx, err, "connect")
	}
	defer conn.Close()
	return converse(ctx, conversation{conn: conn, m: m, t: t, steps: m.Unix.QueryResponse}, m.Unix.TLS)
}
