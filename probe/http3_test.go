package probe_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"go.uber.org/goleak"
)

// http3Server is a real server of HTTP/3 with a certificate for 127.0.0.1.
func http3Server(t *testing.T, certificate tls.Certificate, handler http.Handler) string {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http3.Server{Handler: handler,
		TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate}})}
	done := make(chan struct{})
	go func() { server.Serve(socket); close(done) }()
	t.Cleanup(func() { server.Close(); socket.Close(); <-done })
	return socket.LocalAddr().String()
}

func TestHTTP3(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(web.Close)
	var requests atomic.Int64
	var seen atomic.Pointer[http.Request]
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		seen.Store(r)
		switch r.URL.Path {
		case "/bad":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/to":
			http.Redirect(w, r, r.URL.RawQuery, http.StatusFound)
		case "/aborts":
			panic(http.ErrAbortHandler)
		default:
			w.Write([]byte(`{"n": 7}`))
		}
	})
	address := http3Server(t, web.TLS.Certificates[0], handler)
	elsewhere := http3Server(t, web.TLS.Certificates[0], handler)
	closing := quicListener(t, web.TLS.Certificates[0])
	cert, _ := certificate(t, web)
	p := newProber(t, strings.ReplaceAll(`
modules:
  h3: {prober: http, timeout: 20s, http: {enable_http3: true, enable_http2: false, valid_http_versions: [HTTP/3.0],
	tls_config: {ca_file: CA},
    headers: {X-Api-Key: hunter2-key}, metrics: [{name: n, path: n}]}}
  post: {prober: http, timeout: 20s, http: {method: POST, body: "{}", enable_http3: true, enable_http2: false,
	tls_config: {ca_file: CA}}}
  stranger: {prober: http, timeout: 20s, http: {enable_http3: true, enable_http2: false}}
  short: {prober: http, timeout: 500ms, http: {enable_http3: true, enable_http2: false, tls_config: {ca_file: CA}}}
  proxied: {prober: http, timeout: 20s, http: {enable_http3: true, enable_http2: false,
	proxy_url: "http://127.0.0.1:1"}}
`, "CA", cert))
	for _, server := range []string{address, elsewhere} { // until they serve
		if r, err := p.Once(context.Background(), "post", "https://"+server+"/"); err != nil || !r.Success {
			t.Fatal(err, r.Sentence)
		}
	}
	before := goleak.IgnoreCurrent()
	for _, c := range []struct {
		module, target, reason, text string
		requests                     int64
	}{
		{"h3", "https://" + address + "/", "", "probe_http_version 3", 1},
		{"h3", "http://" + address + "/", "", "probe_http_ssl 1", 1},
		{"h3", address, "", "\nn 7", 1},
		{"h3", "https://" + address + "/to?/landed", "", "probe_http_redirects 1", 2},
		{"h3", "https://" + address + "/bad", "status", "answered 503", 1},
		{"h3", "https://" + address + "/to?http://127.0.0.1:1/", "other", "HTTP/3 needs https", 1},
		{"h3", "https://" + address + "/aborts", "connect", "closed without an answer", 1},
		{"post", "https://" + address + "/aborts", "connect", "closed without an answer", 1},
		{"post", "https://" + address + "/", "", "probe_http_status_code 200", 1},
		{"h3", "https://" + closing + "/", "connect", "closed without an answer", 0},
		{"stranger", "https://" + address + "/", "tls", "unknown authority", 0},
		{"short", "https://127.0.0.1:1/", "timeout", "time ran out", 0},
		{"proxied", "https://" + address + "/", "other", "does not go through a proxy", 0},
	} {
		t.Run(c.module+" "+c.target, func(t *testing.T) {
			requests.Store(0)
			r, err := p.Once(context.Background(), c.module, c.target)
			text := r.Sentence
			for _, s := range r.Samples {
				text += "\n" + s.String()
			}
			if err != nil || r.Reason != c.reason || !strings.Contains(text, c.text) {
				t.Errorf("%v, reason %q: %s\n%s", err, r.Reason, text, r.Log)
			}
			if n := requests.Load(); n != c.requests {
				t.Errorf("%d requests", n)
			}
		})
	}
	if r, err := p.Once(context.Background(), "h3", "https://"+address+"/to?https://"+elsewhere+"/"); err != nil ||
		!r.Success || seen.Load().Header.Get("X-Api-Key") != "" {
		t.Errorf("%v %s %v", err, r.Sentence, seen.Load().Header)
	}
	http.DefaultClient.CloseIdleConnections()
	var left error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if left = goleak.Find(before); left == nil {
			return
		}
	}
	t.Error(left)
}

// quicListener takes QUIC connections and closes them when a request comes.
func quicListener(t *testing.T, certificate tls.Certificate) string {
	listener, err := quic.ListenAddr("127.0.0.1:0",
		http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate}}), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				conn.AcceptStream(context.Background())
				conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
			}()
		}
	}()
	return listener.Addr().String()
}
