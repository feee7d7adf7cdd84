package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// roundTripHTTP3 is RoundTrip for a module with enable_http3: one request on one QUIC connection.
func (h *httpRun) roundTripHTTP3(request *http.Request, sni string, foreign bool) (*http.Response, error) {
	if request.URL.Scheme != "https" {
		return nil, failf("other", "HTTP/3 needs https, and the redirect leads to %s", request.URL.Scheme)
	}
	if client := &h.m.HTTP.Client; client.ProxyURL.URL != nil || client.ProxyFromEnvironment {
		return nil, failf("other", "HTTP/3 does not go through a proxy; remove proxy_url, or enable_http3")
	}
	address, failed := h.udpAddress(request)
	if failed != nil {
		return nil, failed
	}
	secure, err := h.m.tls.get(request.URL.Hostname())
	if err != nil {
		return nil, settingsFailure(err)
	}
	if sni != "" && h.m.HTTP.Client.TLSConfig.ServerName == "" {
		secure.ServerName = sni
	}
	if foreign {
		secure.Certificates, secure.GetClientCertificate = nil, nil
		secure.ServerName = request.URL.Hostname()
	}
	conn, err := h.dialQUIC(request.Context(), address, secure)
	if err != nil {
		return nil, err
	}
	h.times.connected(h.t)
	transport := &http3.Transport{DisableCompression: true}
	return transport.NewClientConn(conn).RoundTrip(request)
}

// udpAddress returns where a request goes: the address of the first host has been looked up.
func (h *httpRun) udpAddress(request *http.Request) (*net.UDPAddr, *failure) {
	text := request.URL.Port()
	if text == "" {
		text = defaultPorts["https"]
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, failf("other", "%q is not a valid port", text)
	}
	begin := time.Now()
	found, failed := resolve(request.Context(), request.URL.Hostname(), ipProtocol(h.m.HTTP.IPProtocol), true)
	if failed != nil {
		return nil, failed
	}
	if h.redirects > 0 {
		h.times.resolved(time.Since(begin))
	}
	return &net.UDPAddr{IP: found.chosen.IP, Zone: found.chosen.Zone, Port: port}, nil
}

// dialQUIC connects. QUIC and TLS share a handshake: the time counts as TLS.
func (h *httpRun) dialQUIC(ctx context.Context, address *net.UDPAddr, secure *tls.Config) (*quic.Conn, error) {
	h.t.enter("connect")
	h.times.mark(func(e *exchange, now time.Time) { e.start = now })
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(h.m.HTTP.SourceIPAddress)})
	if err != nil {
		return nil, err
	}
	h.closers = append(h.closers, func() { socket.Close() })
	h.t.enter("tls")
	h.times.mark(func(e *exchange, now time.Time) { e.connectDone, e.tlsStart = now, now })
	settings := &quic.Config{}
	if deadline, ok := ctx.Deadline(); ok {
		settings.HandshakeIdleTimeout = max(time.Until(deadline), time.Millisecond)
	}
	secure.NextProtos, secure.MinVersion = []string{http3.NextProtoH3}, tls.VersionTLS13
	transport := &quic.Transport{Conn: plainPackets{socket}}
	conn, err := transport.Dial(ctx, address, secure, settings)
	h.closers = append(h.closers, func() { transport.Close() })
	if err != nil {
		return nil, err
	}
	h.closers = append(h.closers, func() { conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "") })
	h.times.mark(func(e *exchange, now time.Time) { e.tlsDone = now })
	return conn, nil
}

// plainPackets hides from quic-go that its socket could have larger buffers: a probe needs none, and the library would
// write a line to the standard log if it failed to enlarge them.
type plainPackets struct{ net.PacketConn }

func (plainPackets) SetReadBuffer(int) error  { return nil }
func (plainPackets) SetWriteBuffer(int) error { return nil }

// isQUICClosed reports whether the peer closed a QUIC connection or a stream without an answer.
func isQUICClosed(err error) bool {
	var application *quic.ApplicationError
	var stream *quic.StreamError
	var h3 *http3.Error
	var reset *quic.StatelessResetError
	var transport *quic.TransportError
	switch {
	case errors.As(err, &transport):
		return transport.Remote && !transport.ErrorCode.IsCryptoError()
	case errors.As(err, &h3):
		return h3.Remote
	case errors.As(err, &application):
		return application.Remote
	case errors.As(err, &stream):
		return stream.Remote
	}
	return errors.As(err, &reset)
}
