package probe

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/miekg/dns"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// An authority signs the certificates of the test servers.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	a := &authority{dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fremisn test authority"}, IsCA: true,
		BasicConstraintsValid: true,
		NotBefore:             time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write(t, "ca.pem", "CERTIFICATE", der)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(t testing.TB, name, kind string, der []byte) {
	if err := os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificate is one for the names, which ends after the time; it is left as NAME.pem and NAME.key too.
func (a *authority) certificate(t testing.TB, name string, lasts time.Duration, names ...string) tls.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x0a0b0c), Subject: pkix.Name{CommonName: name,
			Organization: []string{"FREMIS, \"N\""}},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(lasts),
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, name+".pem", "CERTIFICATE", der)
	a.write(t, name+".key", "EC PRIVATE KEY", keyDER)
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}
}

// serveConns hands every connection to serve, which need not close it.
func serveConns(t testing.TB, listener net.Listener, serve func(net.Conn)) string {
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

func listen(testing.TB) net.Listener { return listenOn("127.0.0.1:0") }

func listenOn(address string) net.Listener {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		panic(err)
	}
	return listener
}

// raw serves what serve writes once the request has come.
func raw(t testing.TB, serve func(net.Conn)) string {
	return serveConns(t, listen(t), func(conn net.Conn) {
		http.ReadRequest(bufio.NewReader(conn))
		serve(conn)
	})
}

func says(text string) func(net.Conn) {
	return func(conn net.Conn) { io.WriteString(conn, text) }
}

// hangs says a text and then nothing, until the other side goes.
func hangs(text string) func(net.Conn) {
	return func(conn net.Conn) {
		io.WriteString(conn, text)
		io.Copy(io.Discard, conn)
	}
}

func resets(text string) func(net.Conn) {
	return func(conn net.Conn) {
		io.WriteString(conn, text)
		conn.(*net.TCPConn).SetLinger(0)
	}
}

// refused is an address where nobody listens.
func refused(t testing.TB) string {
	t.Helper()
	address, err := testenv.FreeAddress("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return address
}

const modified = "Mon, 02 Jan 2023 15:04:05 GMT"

// site answers as the path wants.
func site() http.Handler {
	mux := http.NewServeMux()
	text := func(path, body string, headers ...string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i+1 < len(headers); i += 2 {
				w.Header().Add(headers[i], headers[i+1])
			}
			io.WriteString(w, body)
		})
	}
	text("/", "up")
	text("/down", "DOWN")
	text("/modified", "up", "Last-Modified", modified)
	text("/good", "up", "X-State", "bad", "X-State", "good")
	text("/bad", "up", "X-State", "bad")
	text("/json", `{"state": "green", "used": "7", "list": [1, 2]}`)
	text("/large", strings.Repeat("0123456789abcdef", 1<<17))
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.WriteHeader(code)
		io.WriteString(w, r.URL.Query().Get("page"))
	})
	mux.HandleFunc("/chunked", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "up")
		w.(http.Flusher).Flush()
		io.WriteString(w, "and running")
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	})
	mux.HandleFunc("/redirect/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		if to := r.URL.Query().Get("to"); to != "" {
			w.Header().Set("Location", to)
		}
		w.WriteHeader(code)
	})
	mux.HandleFunc("/redirects/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		to := "/redirects/" + strconv.Itoa(n-1)
		if n == 0 {
			to = "/modified"
		}
		http.Redirect(w, r, to, http.StatusFound)
	})
	mux.HandleFunc("/cookie", func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("seen"); err != nil {
			http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
			http.Redirect(w, r, "/cookie", http.StatusFound)
		}
	})
	mux.HandleFunc("/request", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Host", r.Host+"/"+r.Header.Get("X-Asked"))
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("Content-Type"), body)
	})
	mux.HandleFunc("/auth", func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		basic := user == "operator" && password == "hunter2"
		bearer := r.Header.Get("Authorization") == "Bearer hunter2"
		if !basic && !bearer && r.Header.Get("X-Secret") != "hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("/packed/{how}", func(w http.ResponseWriter, r *http.Request) {
		var packer io.WriteCloser
		switch r.PathValue("how") {
		case "gzip":
			packer = gzip.NewWriter(w)
		case "br":
			packer = brotli.NewWriter(w)
		case "deflate":
			packer, _ = flate.NewWriter(w, 5)
		}
		w.Header().Set("Content-Encoding", r.PathValue("how"))
		io.WriteString(packer, strings.Repeat("packed ", 500))
		packer.Close()
	})
	return mux
}

func secureSite(t testing.TB, certificate tls.Certificate, change func(*tls.Config)) string {
	return secureSiteOn(t, listen(t), certificate, change)
}

func secureSiteOn(t testing.TB, listener net.Listener, certificate tls.Certificate, change func(*tls.Config)) string {
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: site()}}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}}
	server.EnableHTTP2 = true
	server.Config.ErrorLog = nil
	server.Config.ErrorLog = quiet
	if change != nil {
		change(server.TLS)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return "https://" + server.Listener.Addr().String()
}

// forwarder is a proxy that passes on requests and tunnels.
func forwarder(t testing.TB) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			tunnel(w, r)
			return
		}
		r.RequestURI = ""
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		w.WriteHeader(response.StatusCode)
		io.Copy(w, response.Body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func tunnel(w http.ResponseWriter, r *http.Request) {
	to, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer to.Close()
	from, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer from.Close()
	io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
	go io.Copy(to, from)
	io.Copy(from, to)
}

// tokens gives OAuth2 tokens to those who know the secret.
func tokens(t testing.TB) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "fremisn" || password != "hunter2" || r.FormValue("scope") != "read" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"access_token": "hunter2", "token_type": "Bearer", "expires_in": 3600}`)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// greeter speaks a little SMTP, and TLS on demand.
func greeter(t testing.TB, listener net.Listener, certificate tls.Certificate) string {
	return serveConns(t, listener, greet(certificate))
}

func greet(certificate tls.Certificate) func(net.Conn) {
	return func(conn net.Conn) {
		io.WriteString(conn, "220 hello there\n")
		lines := bufio.NewScanner(conn)
		for lines.Scan() {
			switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
			case "EHLO":
				io.WriteString(conn, "noise\n250 "+rest+"\n")
			case "SAID":
				io.WriteString(conn, "SAID "+rest+"\n")
			case "STARTTLS":
				io.WriteString(conn, "220 go ahead\n")
				conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}})
				lines = bufio.NewScanner(conn)
			}
		}
	}
}

func secured(certificate tls.Certificate) func(net.Listener) net.Listener {
	return func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}})
	}
}

// nameServer answers over UDP and TCP on one address, and over TLS on another.
func nameServer(t testing.TB, certificate tls.Certificate) (plain, secure string) {
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		answer := new(dns.Msg)
		answer.SetReply(query)
		switch query.Question[0].Name {
		case "silent.example.":
			return
		case "gone.example.":
			answer.Rcode = dns.RcodeNameError
		case "example.":
			answer.Answer = records("example. 60 IN SOA ns.example. root.example. 2023010203 1 2 3 4")
		default:
			answer.Answer = records("node.example. 60 IN A 127.0.0.231", "node.example. 60 IN A 127.0.0.18")
			answer.Ns = records("example. 60 IN NS ns.example.")
			answer.Extra = records("ns.example. 60 IN A 127.0.0.17")
		}
		w.WriteMsg(answer)
	})
	listener := listenOn(testenv.LoopbackAddress(t)) // a port that the kernel gives may be another's by UDP
	packets, err := net.ListenPacket("udp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	secureListener := tls.NewListener(listen(t), &tls.Config{Certificates: []tls.Certificate{certificate}})
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: listener,
		Handler: handler}, {Listener: secureListener, Handler: handler}} {
		go server.ActivateAndServe()
		t.Cleanup(func() { server.Shutdown() })
	}
	return listener.Addr().String(), secureListener.Addr().String()
}

func records(texts ...string) (rrs []dns.RR) {
	for _, text := range texts {
		rr, err := dns.NewRR(text)
		if err != nil {
			panic(err)
		}
		rrs = append(rrs, rr)
	}
	return rrs
}

func healthServer(t testing.TB, listener net.Listener, options ...grpc.ServerOption) string {
	server := grpc.NewServer(options...)
	checks := health.NewServer()
	checks.SetServingStatus("down", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	grpc_health_v1.RegisterHealthServer(server, checks)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}
