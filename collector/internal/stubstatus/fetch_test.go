package stubstatus

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A redirect is followed within the host, at most five times, and credentials are never sent along; another is an error
// with its Location, but not with what may be secret in that.
func TestRedirects(t *testing.T) {
	var leaked string
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked += r.Header.Get("Authorization")
		io.WriteString(w, page)
	}))
	t.Cleanup(secure.Close)
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler) // closes without an answer
	}))
	t.Cleanup(silent.Close)
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	_, securePort, err := net.SplitHostPort(secure.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(r.Host, ":")
		to := strings.TrimPrefix(r.URL.Path, "/to")
		switch {
		case to == "/slash":
			to = "/status/"
		case to == "/https":
			to = "https://" + net.JoinHostPort(name, securePort) + "/status"
		case to == "/userinfo":
			to = "http://user:hunter2@" + r.Host + "/status/"
		case to == "/other":
			to = "http://user:hunter2@other.example:81/status?token=hunter2#hunter2"
		case to == "/silent":
			to = silent.URL + "/status?token=hunter2"
		case to == "/nothing":
			to = "http://127.0.0.1:1/status"
		case r.URL.Path == "/missing":
			http.NotFound(w, r)
			return
		case to == "/missing":
			to = "/missing?token=hunter2"
		case to == "/file":
			to = "file:///etc/passwd"
		case strings.HasPrefix(to, "/5") || strings.HasPrefix(to, "/6"):
			n := len(to) - 2
			if n == 0 {
				to = "/status/"
			} else {
				to = "/to" + to[:len(to)-1]
			}
		default:
			if r.Header.Get("Authorization") != "" && r.URL.Path != "/to/first" {
				leaked += r.Header.Get("Authorization")
			}
			io.WriteString(w, page)
			return
		}
		http.Redirect(w, r, to, http.StatusMovedPermanently)
	}))
	t.Cleanup(plain.Close)
	for _, c := range []struct{ path, host, want string }{
		{"/to/slash", "", ""},
		{"/to/https", "", ""},
		{"/to/https", "example.com", ""}, // the certificate's name, at the address that was asked
		{"/to/userinfo", "", ""},
		{"/to/5xxxx", "", ""},
		{"/to/6xxxxx", "", "more than 5 redirects"},
		{"/to/other", "", "answered 301 Moved Permanently to http://other.example:81/status, another host"},
		{"/to/silent", "", "redirected to " + silent.URL + "/status: the connection was closed without an answer"},
		{"/to/nothing", "", "redirected to http://127.0.0.1:1/status: dial tcp 127.0.0.1:1: connect: connection " +
			"refused"},
		{"/to/missing", "", "redirected to " + plain.URL + "/missing: answered 404 Not Found; is it the location"},
		{"/to/file", "", "to file:///etc/passwd, another host"},
	} {
		t.Run(c.path+c.host, func(t *testing.T) {
			address := strings.Replace(plain.URL, "http://", "http://operator:hunter2@", 1)
			p, err := New(Config{URL: address + c.path, Host: c.host, Timeout: time.Minute,
				TLS: &tls.Config{RootCAs: roots}})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			got, err := p.Fetch(context.Background())
			switch {
			case c.want == "" && (err != nil || got != stats):
				t.Errorf("%+v, %v", got, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) ||
				strings.Contains(err.Error(), "hunter2")):
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if leaked != "" {
		t.Errorf("credentials went along: %s", leaked)
	}
}

// The PROXY header comes before anything else, TLS too.
func TestProxyProtocol(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	said := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		reader := bufio.NewReader(conn)
		header, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		said <- header + " from " + conn.RemoteAddr().String()
		if _, err := http.ReadRequest(reader); err == nil {
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(page), page)
		}
	}()
	p, err := New(Config{URL: "http://" + listener.Addr().String() + "/", Timeout: time.Minute, ProxyProtocol: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	got, err := p.Fetch(context.Background())
	if err != nil || got != stats {
		t.Fatalf("%+v, %v", got, err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	header := <-said
	_, from, _ := strings.Cut(header, " from 127.0.0.1:")
	if want := "PROXY TCP4 127.0.0.1 127.0.0.1 " + from + " " + port + "\r\n"; !strings.HasPrefix(header, want) {
		t.Errorf("said %q, want %q", header, want)
	}
	six := proxyHeader(&net.TCPAddr{IP: net.ParseIP("::1"), Port: 1}, &net.TCPAddr{IP: net.ParseIP("::1"), Port: 2})
	if six != "PROXY TCP6 ::1 ::1 1 2\r\n" {
		t.Errorf("over IPv6: %q", six)
	}
	if socket := proxyHeader(&net.UnixAddr{Name: "/a"}, &net.UnixAddr{Name: "/b"}); socket != "PROXY UNKNOWN\r\n" {
		t.Errorf("through a socket: %q", socket)
	}
}
