package probe

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// nginxCounts are the connections and requests that a real NGINX has seen, those of asking included.
func nginxCounts(t *testing.T, status string) (connections, requests int) {
	t.Helper()
	var handled int
	_, rest, _ := strings.Cut(get(t, status), "requests")
	if _, err := fmt.Sscan(rest, &connections, &handled, &requests); err != nil {
		t.Fatal(err)
	}
	return connections, requests
}

// TestOneConnectionAndOneRequest has NGINX count what a probe does, by the clock and on demand, well answered or not.
func TestOneConnectionAndOneRequest(t *testing.T) {
	a := newAuthority(t)
	a.certificate(t, "nginx", time.Hour, "127.0.0.1")
	plain, secure, status := refused(t), refused(t), refused(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	nginx, err := testenv.StartNginx(ctx, t.TempDir(), testenv.Preamble()+"http {"+testenv.TempPaths+`
    access_log off;
    server { listen `+plain+`; listen `+secure+` ssl http2; `+
		`ssl_certificate `+a.path("nginx.pem")+`; ssl_certificate_key `+a.path("nginx.key")+`;
        location / { return 200 "{}"; }
        location /bad { return 503; }
        location /to { return 302 /landed; }
    }
    server { listen `+status+`; location / { stub_status; } }
}
`, plain, secure, status)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	s := newService(t, `
modules:
  plain: {prober: http, timeout: 30s}
  tls: {prober: http, timeout: 30s, http: {tls_config: {ca_file: `+a.path("ca.pem")+`}}}
  tls1: {prober: http, timeout: 30s, http: {enable_http2: false, tls_config: {ca_file: `+a.path("ca.pem")+`}}}
  strict: {prober: http, timeout: 30s}
  post: {prober: http, timeout: 30s, http: {method: POST, body: "{}", fail_if_body_matches_regexp: ["{}"]}}
probes:
  - {name: plain, module: plain, interval: 1h, targets: ["http://`+plain+`", "http://`+plain+`/bad"]}
  - {name: tls, module: tls, interval: 1h, targets: ["https://`+secure+`"]}
  - {name: tls1, module: tls1, interval: 1h, targets: ["https://`+secure+`/bad"]}
  - {name: strict, module: strict, interval: 1h, targets: ["https://`+secure+`"]}
  - {name: post, module: post, interval: 1h, targets: ["http://`+plain+`/"]}
  - {name: redirect, module: plain, interval: 1h, targets: ["http://`+plain+`/to"]}
`)
	requests := map[string]int{"strict": 0, "redirect": 2} // "strict" knows no authority: the handshake fails
	for _, target := range s.targets {
		t.Run(target.probe+" "+target.asked.address, func(t *testing.T) {
			const probes = 10
			connectionsBefore, requestsBefore := nginxCounts(t, "http://"+status)
			for range probes {
				target.probeOnce(ctx)
			}
			connectionsAfter, requestsAfter := nginxCounts(t, "http://"+status)
			want, ok := requests[target.probe]
			if !ok {
				want = 1
			}
			if n := requestsAfter - requestsBefore - 1; n != want*probes {
				t.Errorf("%d requests in %d probes: %s", n, probes, target.last.sentence)
			}
			// http.Get keeps its connection, so asking for the counts makes none.
			if n := connectionsAfter - connectionsBefore; n != max(1, want)*probes {
				t.Errorf("%d connections in %d probes: %s", n, probes, target.last.sentence)
			}
		})
	}
}

// TestBrokenOffOnce counts what a probe does to a server that breaks off: it does not try again.
func TestBrokenOffOnce(t *testing.T) {
	s := newService(t, reasonModules)
	for _, module := range []string{"http", "http_short", "tcp", "grpc_short", "https_short"} {
		t.Run(module, func(t *testing.T) {
			connections := make(chan struct{}, 100)
			address := serveConns(t, listen(t), func(conn net.Conn) {
				connections <- struct{}{}
				conn.Read(make([]byte, 1000))
			})
			if _, err := s.Once(context.Background(), module, address); err != nil {
				t.Fatal(err)
			}
			<-connections // the kernel had it before the server
			if n := len(connections); n != 0 {
				t.Errorf("%d connections more", n)
			}
		})
	}
}

func TestOneQuestion(t *testing.T) {
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var questions atomic.Int64
	server := &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(func(dns.ResponseWriter,
		*dns.Msg) {
		questions.Add(1)
	})}
	go server.ActivateAndServe()
	t.Cleanup(func() { server.Shutdown() })
	s := newService(t, reasonModules)
	if r, err := s.Once(context.Background(), "dns_short", packets.LocalAddr().String()); err != nil ||
		r.Reason != "timeout" {
		t.Errorf("%v %s", err, r.Sentence)
	}
	if n := questions.Load(); n != 1 {
		t.Errorf("%d questions", n)
	}
}

// TestCredentialsAreReadAnew changes every kind of file that a module may take a secret from, while the service runs.
func TestCredentialsAreReadAnew(t *testing.T) {
	w := world(t, newAuthority(t))
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("wrong")
	s := newService(t, strings.NewReplacer("FILE", file, "TOKEN", tokens(t)).Replace(`
modules:
  credentials: {prober: http, timeout: 30s, http: {authorization: {credentials_file: FILE}}}
  bearer: {prober: http, timeout: 30s, http: {bearer_token_file: FILE}}
  basic: {prober: http, timeout: 30s, http: {basic_auth: {username: operator, password_file: FILE}}}
  header: {prober: http, timeout: 30s, http: {http_headers: {X-Secret: {files: [FILE]}}}}
  oauth2: {prober: http, timeout: 30s, http: {oauth2: {client_id: fremisn, client_secret_file: FILE,
	token_url: "TOKEN", scopes: [read]}}}
`))
	for _, module := range []string{"credentials", "bearer", "basic", "header", "oauth2"} {
		t.Run(module, func(t *testing.T) {
			for _, c := range []struct {
				secret  string
				success bool
			}{{"wrong", false}, {"hunter2\n", true}, {"wrong again", false}} {
				write(c.secret)
				r, err := s.Once(context.Background(), module, w["web"]+"/auth")
				if err != nil || r.Success != c.success {
					t.Errorf("%q: %v %v %s", c.secret, err, r.Success, r.Sentence)
				}
				if strings.Contains(r.Log, "hunter2") {
					t.Errorf("a secret is shown: %s", r.Log)
				}
			}
		})
	}
}

// TestCertificatesAreReadAnew exchanges the authority that a module trusts, and the certificate that it shows.
func TestCertificatesAreReadAnew(t *testing.T) {
	first, second := newAuthority(t), newAuthority(t)
	w := world(t, first)
	dir := t.TempDir()
	copyFile := func(from, to string) {
		t.Helper()
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	copyFile(second.path("ca.pem"), "ca.pem")
	copyFile(first.path("good.pem"), "cert.pem")
	copyFile(first.path("good.key"), "key.pem")
	const tlsConfig = "{ca_file: DIR/ca.pem, cert_file: DIR/cert.pem, key_file: DIR/key.pem}"
	s := newService(t, strings.NewReplacer("TLS", tlsConfig).Replace(strings.ReplaceAll(`
modules:
  http: {prober: http, timeout: 30s, http: {tls_config: TLS}}
  tcp: {prober: tcp, timeout: 30s, tcp: {tls: true, tls_config: TLS}}
  dns: {prober: dns, timeout: 30s, dns: {query_name: node.example, transport_protocol: tcp, dns_over_tls: true,
	tls_config: TLS}}
  grpc: {prober: grpc, timeout: 30s, grpc: {tls: true, tls_config: TLS}}
`, "TLS", strings.ReplaceAll(tlsConfig, "DIR", dir))))
	targets := map[string]string{"http": w["tls_client"], "tcp": w["tls_greeter"], "dns": w["dns_tls"],
		"grpc": w["grpc_tls"]}
	expect := func(when string, success bool) {
		t.Helper()
		for module, target := range targets {
			if r, err := s.Once(context.Background(), module, target); err != nil || r.Success != success || !success &&
				r.Reason != "tls" {
				t.Errorf("%s: %s: %v %v %s", when, module, err, r.Success, r.Sentence)
			}
		}
	}
	expect("an authority that signed nothing", false)
	copyFile(first.path("ca.pem"), "ca.pem")
	expect("the right authority", true)
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect("a file that holds none", false)
	copyFile(first.path("ca.pem"), "ca.pem")
	expect("the right authority again", true)
}
