package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"strings"
	"time"
)

// probeTCP connects, and has the conversation that the module describes.
func probeTCP(ctx context.Context, target string, m *prepared, t *trace) *failure {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return failf("other", "%q is not HOST:PORT", target)
	}
	ip, failed := lookup(ctx, host, m.TCP.IPProtocol, m.TCP.IPProtocolFallback, t)
	if failed != nil {
		return failed
	}
	t.phase = "connect"
	begin := time.Now()
	dialer := net.Dialer{}
	if m.TCP.SourceIPAddress != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(m.TCP.SourceIPAddress)}
	}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), port))
	t.took("connect", time.Since(begin))
	if err != nil {
		return classify(ctx, err, "connect")
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	if m.TCP.TLS {
		if conn, failed = handshake(ctx, conn, host, m, t); failed != nil {
			return failed
		}
	}
	return converse(ctx, conn, host, m, t)
}

func handshake(ctx context.Context, conn net.Conn, host string, m *prepared, t *trace) (net.Conn, *failure) {
	t.phase = "tls"
	begin := time.Now()
	settings := m.tls.Clone()
	if settings.ServerName == "" {
		settings.ServerName = host
	}
	secure := tls.Client(conn, settings)
	err := secure.HandshakeContext(ctx)
	t.took("tls", time.Since(begin))
	if err != nil {
		if ctx.Err() != nil {
			return nil, classify(ctx, err, "tls")
		}
		return nil, failf("tls", "TLS: %s", err)
	}
	state := secure.ConnectionState()
	t.tlsMetrics(&state)
	return secure, nil
}

func converse(ctx context.Context, conn net.Conn, host string, m *prepared, t *trace) *failure {
	regexFailed := 0.0
	if len(m.TCP.QueryResponse) > 0 {
		defer func() {
			t.gauge("probe_failed_due_to_regex", "Indicates if probe failed due to regex", regexFailed)
		}()
	}
	lines := bufio.NewScanner(conn)
	for i, step := range m.TCP.QueryResponse {
		t.phase = "processing"
		send := step.Send
		if step.Expect.Regexp != nil {
			match, failed := expect(ctx, lines, step.Expect, t)
			if failed != nil {
				regexFailed = 1
				return failed
			}
			send = string(step.Expect.Expand(nil, []byte(send), lines.Bytes(), match))
		}
		if send != "" {
			t.logf("step %d sends %q", i+1, send)
			if _, err := conn.Write([]byte(send + "\n")); err != nil {
				return classify(ctx, err, t.phase)
			}
		}
		if step.StartTLS {
			secure, failed := handshake(ctx, conn, host, m, t)
			if failed != nil {
				return failed
			}
			conn, lines = secure, bufio.NewScanner(secure)
		}
	}
	return nil
}

// expect reads lines until one matches.
func expect(ctx context.Context, lines *bufio.Scanner, expression Regexp, t *trace) ([]int, *failure) {
	for lines.Scan() {
		line := lines.Bytes()
		t.logf("read %q", strings.ToValidUTF8(string(line[:min(len(line), 200)]), "\uFFFD"))
		if match := expression.FindSubmatchIndex(line); match != nil {
			return match, nil
		}
	}
	if err := lines.Err(); err != nil {
		return nil, classify(ctx, err, t.phase)
	}
	return nil, failf("body", "the connection ended before a line matched %q", expression)
}
