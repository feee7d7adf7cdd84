package nginxconf

import (
	"context"
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
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// statusConf has a stub_status page at every kind of place. Each says in a header which it is.
const statusConf = `
pid DIR/pid; error_log DIR/error.log; daemon off; events {}
http {
    access_log off;
    client_body_temp_path DIR/1; proxy_temp_path DIR/2; fastcgi_temp_path DIR/3;
    uwsgi_temp_path DIR/4; scgi_temp_path DIR/5;
    server { listen PORT0 default_server; server_name _; location / { return 404; } }
    server {
        listen PORT0; server_name ~^x(.*)$ Status.Example;
        location = /a { add_header Name by-name; stub_status; }
    }
    server { listen PORT0; server_name *.wild.example; location /b { add_header Name by-wildcard; stub_status; } }
    server {
        listen PORT0; server_name .dotted.example;
        location ^~ /c { add_header Name by-dotted-name; stub_status; }
    }
    server {
        listen PORT0; server_name ~^only-an-expression$;
        location /lost { add_header Name unreachable; stub_status; }
    }
    server { listen PORT0; server_name 127.0.0.1; location /d { add_header Name by-address; stub_status; } }
    server { listen 127.0.0.1:PORT1; server_name first; return 404; }
    server {
        listen 127.0.0.1:PORT1 default_server; server_name second;
        location ~ ^/e\.txt$ { add_header Name default-server; stub_status; }
    }
    server { listen *:PORT2; server_name localhost; location ~* /f { add_header Name expression; stub_status; } }
    server { listen [::1]:PORT3; add_header Name whole-server; stub_status; }
    server { listen unix:DIR/socket; location =/h { add_header Name socket; stub_status; allow unix:; deny all; } }
    server {
        listen PORT4 ssl; server_name status.example; ssl_certificate DIR/cert.pem; ssl_certificate_key DIR/key.pem;
        location /i { add_header Name tls; stub_status; }
    }
    server {
        listen PORT5 proxy_protocol; listen 127.0.0.2:PORT5;
        location /j { add_header Name second-listener; stub_status; allow 127.0.0.0/24; deny all; }
        location /k { add_header Name denied; stub_status; deny 127.0.0.0/8; }
        location /l { add_header Name internal; internal; stub_status; }
        location /m { add_header Name password; auth_basic "who?"; auth_basic_user_file DIR/none; stub_status; }
        location /n {
            add_header Name password-or-address; auth_basic "who?"; auth_basic_user_file DIR/none;
            satisfy any; allow 127.0.0.1; deny all; stub_status;
        }
        location /o {
            auth_basic "who?"; auth_basic_user_file DIR/none;
            location /o/p { auth_basic off; add_header Name password-off; stub_status; }
        }
        location ~ ^/q(/|$) { add_header Name a-real-expression; stub_status; }
        location @named { add_header Name named; stub_status; }
    }
}
`

// refused are the pages that this host cannot ask, by the end of their URL, and what is reported.
var refused = map[string]string{
	"/lost":    "another server_name takes its requests",
	"/k":       "does not let this host in; add allow 127.0.0.1;",
	"/l":       "is internal",
	"/m":       "asks for a password (auth_basic)",
	"^/q(/|$)": "has no path that its location lets one derive",
	"@named":   "has no path that its location lets one derive",
}

// Every status page that is found is asked of real NGINX in the way that was read from the configuration.
func TestStatusPagesAnswer(t *testing.T) {
	dir := t.TempDir()
	writeCertificate(t, dir, "status.example")
	text := strings.ReplaceAll(statusConf, "DIR", dir)
	for i := range 6 {
		text = strings.ReplaceAll(text, fmt.Sprintf("PORT%d", i), freePort(t))
	}
	if os.Geteuid() == 0 {
		text = "user root;" + text
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	runNGINX(t, conf, filepath.Join(dir, "socket"))
	c, err := Load(conf)
	if err != nil {
		t.Fatal(err)
	}
	answered, denied := map[string]bool{}, map[string]string{}
	for _, page := range c.StatusPages {
		if page.Denied != "" {
			denied[page.URL[strings.LastIndexAny(page.URL, ":0123456789")+1:]] = page.Denied
			continue
		}
		name, body := ask(t, page)
		if !strings.HasPrefix(body, "Active connections: ") {
			t.Errorf("%s with Host %q answers\n%s", page.URL, page.Host, body)
		}
		answered[name] = true
	}
	for _, name := range []string{"by-name", "by-wildcard", "by-dotted-name", "by-address", "default-server",
		"expression", "whole-server",
		"socket", "tls", "second-listener", "password-or-address", "password-off"} {
		if !answered[name] {
			t.Errorf("the page %s was not asked", name)
		}
		delete(answered, name)
	}
	if len(answered) > 0 {
		t.Errorf("pages that this host should not reach: %v", answered)
	}
	if len(denied) != len(refused) {
		t.Errorf("refused are %v", denied)
	}
	for end, want := range refused {
		if !strings.Contains(denied[end], want) {
			t.Errorf("%s is refused for: %q, want %q", end, denied[end], want)
		}
	}
}

// ask gets a page as the exporter does.
func ask(t *testing.T, page StatusPage) (name, body string) {
	t.Helper()
	url, dialer := page.URL, net.Dialer{}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if rest, ok := strings.CutPrefix(url, "unix:"); ok {
		socket, path, _ := strings.Cut(rest, ":")
		url = "http://localhost" + path
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		}
	}
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = page.Host
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.Header.Get("Name"), string(text)
}

// runNGINX serves conf until the test ends. The socket appears when all listeners are bound.
func runNGINX(t *testing.T, conf, socket string) {
	t.Helper()
	dir := filepath.Dir(conf)
	command := exec.Command(nginxBinary(), "-p", dir, "-c", conf, "-e", filepath.Join(dir, "start.log"))
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var output strings.Builder
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM)
		<-exited
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("NGINX has ended: %v\n%s", err, output.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("NGINX does not listen")
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	address, err := testenv.FreeAddress("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(address, "127.0.0.1:")
}

func writeCertificate(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: certificate}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestListenOnRange: a status page at a range of ports is asked at the first.
func TestListenOnRange(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:8080-8089": "http://127.0.0.1:8080/status",
		"[::1]:8080-8089":     "http://[::1]:8080/status",
		"a-b.example:8080":    "http://a-b.example:8080/status",
	} {
		if got := newListen(&directive{args: []string{address}}).url("/status"); got != want {
			t.Errorf("listen %s: %s, want %s", address, got, want)
		}
	}
}
