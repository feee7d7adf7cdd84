package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// TestNginxThatClosesWithoutAnAnswer has a real NGINX return 444 over HTTP/2 and HTTP/1.1, which it logs once for each
// request.
func TestNginxThatClosesWithoutAnAnswer(t *testing.T) {
	a := newAuthority(t)
	a.certificate(t, "nginx", time.Hour, "127.0.0.1")
	address, dir := refused(t), t.TempDir()
	log := filepath.Join(dir, "requests.log")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	nginx, err := testenv.StartNginx(ctx, dir, testenv.Preamble()+"http {"+testenv.TempPaths+`
    access_log `+log+`;
    server { listen `+address+` ssl http2; `+
		`ssl_certificate `+a.path("nginx.pem")+`; ssl_certificate_key `+a.path("nginx.key")+`;
        location / { return 444; }
        location /fine { return 200 "{}"; }
        location /to { return 302 /; }
    }
}
`, address)
	if err != nil {
		t.Fatal(err)
	}
	defer nginx.Stop()
	s := newService(t, strings.ReplaceAll(`
modules:
  h2: {prober: http, timeout: 20s, http: {tls_config: TLS}}
  h1: {prober: http, timeout: 20s, http: {enable_http2: false, tls_config: TLS}}
  post: {prober: http, timeout: 20s, http: {method: POST, body: "{}", tls_config: TLS}}
  grpc: {prober: grpc, timeout: 20s, grpc: {tls: true, tls_config: TLS}}
`, "TLS", "{ca_file: "+a.path("ca.pem")+"}"))
	total := 0
	for _, c := range []struct {
		module, path, reason string
		requests             int
	}{
		{"h2", "/", "connect", 1}, {"h1", "/", "connect", 1}, {"post", "/", "connect", 1}, {"grpc", "", "connect", 1},
		{"h2", "/fine", "", 1}, {"post", "/fine", "", 1}, {"h2", "/to", "connect", 2},
	} {
		t.Run(c.module+c.path, func(t *testing.T) {
			before := requestLines(t, log)
			r, err := s.Once(ctx, c.module, "https://"+address+c.path)
			if err != nil || r.Reason != c.reason {
				t.Errorf("%v, reason %q: %s\n%s", err, r.Reason, r.Sentence, r.Log)
			}
			if c.reason != "" && !strings.Contains(r.Sentence, "closed without an answer") {
				t.Error(r.Sentence)
			}
			if r.Duration > 5*time.Second {
				t.Errorf("it took %s", r.Duration)
			}
			total += c.requests
			// NGINX writes after its answer
			waitFor(t, func() bool { return requestLines(t, log) >= before+c.requests })
		})
	}
	nginx.Stop()
	if n := requestLines(t, log); n != total {
		t.Errorf("%d requests in all, want %d", n, total)
	}
}

func requestLines(t *testing.T, log string) int {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

// frames serves HTTP/2 by hand: answer writes what comes instead of an answer to each request.
func frames(t *testing.T, certificate tls.Certificate, connections, requests *atomic.Int64,
	answer func(*http2.Framer, uint32)) string {
	serve := func(conn net.Conn) {
		connections.Add(1)
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := conn.Read(preface); err != nil {
			return
		}
		framer := http2.NewFramer(conn, conn)
		framer.WriteSettings()
		for {
			frame, err := framer.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					framer.WriteSettingsAck()
				}
			case *http2.HeadersFrame:
				requests.Add(1)
				answer(framer, frame.StreamID)
			}
		}
	}
	return serveConns(t, tls.NewListener(listen(t), &tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"},
	}), serve)
}

// TestNothingIsAskedTwice has servers of HTTP/2 say that a request was not taken, which invites clients to ask again.
func TestNothingIsAskedTwice(t *testing.T) {
	a := newAuthority(t)
	certificate := a.certificate(t, "h2", time.Hour, "127.0.0.1")
	s := newService(t, strings.ReplaceAll(`
modules:
  get: {prober: http, timeout: 5s, http: {tls_config: TLS}}
  post: {prober: http, timeout: 5s, http: {method: POST, body: "{}", tls_config: TLS}}
  grpc: {prober: grpc, timeout: 5s, grpc: {tls: true, tls_config: TLS}}
`, "TLS", "{ca_file: "+a.path("ca.pem")+"}"))
	for name, answer := range map[string]func(*http2.Framer, uint32){
		"REFUSED_STREAM": func(f *http2.Framer, id uint32) { f.WriteRSTStream(id, http2.ErrCodeRefusedStream) },
		"INTERNAL_ERROR": func(f *http2.Framer, id uint32) { f.WriteRSTStream(id, http2.ErrCodeInternal) },
		"GOAWAY":         func(f *http2.Framer, _ uint32) { f.WriteGoAway(0, http2.ErrCodeNo, nil) },
		"GOAWAY in anger": func(f *http2.Framer, _ uint32) {
			f.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm,
				[]byte("calm"))
		},
	} {
		for _, module := range []string{"get", "post", "grpc"} {
			t.Run(fmt.Sprint(name, " ", module), func(t *testing.T) {
				var connections, requests atomic.Int64
				address := frames(t, certificate, &connections, &requests, answer)
				r, err := s.Once(context.Background(), module, "https://"+address+"/")
				if err != nil || r.Reason != "connect" || !strings.Contains(r.Sentence, "closed without an answer") {
					t.Errorf("%v, reason %q: %s", err, r.Reason, r.Sentence)
				}
				if connections.Load() != 1 || requests.Load() != 1 {
					t.Errorf("%d connections, %d requests", connections.Load(), requests.Load())
				}
			})
		}
	}
}

// TestNothingLeftHere has the host run out of descriptors: no node is to blame.
func TestNothingLeftHere(t *testing.T) {
	w := world(t, newAuthority(t))
	s := newService(t, reasonModules)
	resolver := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = resolver })
	net.DefaultResolver = &net.Resolver{PreferGo: true, // as in the released binary; the C library waits
		Dial: (&net.Dialer{Resolver: resolver}).DialContext}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &before) })
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ module, target string }{
		{"http", "{web}"}, {"tcp", "{greeter}"}, {"dns", "{dns}"}, {"grpc", "{grpc}"},
		{"http", "http://node.invalid/"}, {"http_file", "{web}"},
	} {
		r, err := s.Once(context.Background(), c.module, fill(c.target, w))
		if err != nil || r.Reason != "other" {
			t.Errorf("%s %s: %v, reason %q: %s", c.module, c.target, err, r.Reason, r.Sentence)
		}
	}
}

// TestSourceAddress has servers see where a probe comes from.
func TestSourceAddress(t *testing.T) {
	for _, module := range []string{"http", "grpc", "tcp"} {
		t.Run(module, func(t *testing.T) {
			from := make(chan string, 1)
			address := serveConns(t, listen(t), func(conn net.Conn) { from <- conn.RemoteAddr().String() })
			s := newService(t, fmt.Sprintf("modules: {m: {prober: %s, timeout: 20s, %s: {source_ip_address: "+
				"127.0.0.9}}}\n",
				module, module))
			if _, err := s.Once(context.Background(), "m", address); err != nil {
				t.Fatal(err)
			}
			if host, _, _ := net.SplitHostPort(<-from); host != "127.0.0.9" {
				t.Errorf("it came from %s", host)
			}
		})
	}
}
