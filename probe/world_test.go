package probe

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// world is all test servers; targets name them as {name}.
func world(t testing.TB, a *authority) map[string]string {
	good := a.certificate(t, "good", 24*time.Hour, "127.0.0.1", "localhost", "node.example", "::1")
	expired := a.certificate(t, "expired", -time.Hour, "127.0.0.1")
	wrong := a.certificate(t, "wrong", 24*time.Hour, "wrong.example")
	named := a.certificate(t, "named", 24*time.Hour, "node.example")
	web := httptest.NewServer(site())
	t.Cleanup(web.Close)
	_, port, _ := net.SplitHostPort(web.Listener.Addr().String())
	w := map[string]string{
		"web":              web.URL,
		"address":          web.Listener.Addr().String(),
		"named":            "http://localhost:" + port,
		"escaped":          url.QueryEscape(web.URL),
		"tls":              secureSite(t, good, nil),
		"tls_expired":      secureSite(t, expired, nil),
		"tls_wrong":        secureSite(t, wrong, nil),
		"tls_named":        secureSite(t, named, nil),
		"tls_client":       secureSite(t, good, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }),
		"tls_old":          secureSite(t, good, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }),
		"tls_hangs":        serveConns(t, listen(t), hangs("")),
		"refused":          refused(t),
		"resets":           raw(t, resets("")),
		"resets_late":      raw(t, resets("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nup")),
		"closes":           raw(t, says("")),
		"hangs":            raw(t, hangs("")),
		"half_head":        raw(t, says("HTTP/1.1 200 OK\r\nX-Half: ")),
		"closes_raw":       serveConns(t, listen(t), says("")),
		"half_line":        serveConns(t, listen(t), hangs("220 and no end")),
		"half_line_closes": serveConns(t, listen(t), says("220 and no end")),
		"tls_says_nothing": serveConns(t, listen(t), func(conn net.Conn) { conn.Read(make([]byte, 20000)) }),
		"hangs_header":     raw(t, hangs("HTTP/1.1 200 OK\r\nX-State: go")),
		"hangs_body":       raw(t, hangs("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nup")),
		"truncated":        raw(t, says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nup")),
		"garbage":          raw(t, says("what is this\r\n\r\n")),
		"old":              raw(t, says("HTTP/1.0 200 OK\r\n\r\nup")),
		"bad_gzip":         raw(t, says("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nnot packed..")),
		"says_bye":         serveConns(t, listen(t), says("221 bye\n")),
		"greeter":          greeter(t, listen(t), good),
		"tls_greeter": serveConns(t, tls.NewListener(listen(t), &tls.Config{Certificates: []tls.Certificate{good}}),
			hangs("220 hello\n")),
		"tls_named_tcp": serveConns(t, tls.NewListener(listen(t), &tls.Config{Certificates: []tls.Certificate{named}}),
			func(conn net.Conn) { conn.(*tls.Conn).Handshake() }),
		"tls6":         secureSiteOn(t, listenOn("[::1]:0"), good, nil),
		"tls_hangs_up": serveConns(t, listen(t), func(conn net.Conn) { conn.Read(make([]byte, 100)) }),
		"resets_raw":   serveConns(t, listen(t), resets("220 hello there\n")),
		"greeter6":     greeter(t, listenOn("[::1]:0"), good),
		"grpc6":        healthServer(t, listenOn("[::1]:0")),
		"grpc":         healthServer(t, listen(t)),
		"grpc_tls":     healthServer(t, listen(t), grpc.Creds(credentials.NewServerTLSFromCert(&good))),
	}
	web6 := &httptest.Server{Listener: listenOn("[::1]:0"), Config: &http.Server{Handler: site()}}
	web6.Start()
	t.Cleanup(web6.Close)
	w["web6"] = web6.URL
	w["tls_localhost"] = strings.Replace(w["tls"], "127.0.0.1", "localhost", 1)
	w["dns"], w["dns_tls"] = nameServer(t, good)
	return w
}

func fill(text string, w map[string]string) string {
	for name, value := range w {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}
