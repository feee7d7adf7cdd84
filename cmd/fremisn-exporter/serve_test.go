package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// patience is for what must happen and has no signal to wait for; CI machines are slow.
const patience = 30 * time.Second

func freeAddress(t *testing.T) string { t.Helper(); return freeAddressOn(t, "127.0.0.1") }

func freeAddressOn(t *testing.T, ip string) string {
	t.Helper()
	address, err := testenv.FreeAddress(ip)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// until polls a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in %s: %s", patience, what)
		}
	}
}

// A program is the exporter, run in this process.
type program struct {
	url    string
	data   string // its storage path
	stderr *testenv.Output
	stop   context.CancelFunc
	code   chan int
}

func startProgram(t *testing.T, config string, args ...string) *program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "probes.yml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return startProgramOn(t, file, args...)
}

func startProgramOn(t *testing.T, file string, args ...string) *program {
	t.Helper()
	return startProgramWith(t, append([]string{"--config", file}, args...)...)
}

func startProgramWith(t *testing.T, args ...string) *program {
	t.Helper()
	address, data := freeAddress(t), filepath.Join(t.TempDir(), "data")
	p := startProgramArgs(t, "http://"+address, append([]string{"--storage.path", data, "--web.listen-address",
		address}, args...)...)
	p.data = data
	return p
}

// startProgramArgs starts it with these arguments and no others; it is to listen at url.
func startProgramArgs(t *testing.T, url string, args ...string) *program {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &program{url: url, stderr: &testenv.Output{}, stop: stop, code: make(chan int, 1)}
	go func() { p.code <- run(ctx, args, io.Discard, p.stderr) }()
	t.Cleanup(func() {
		stop()
		if code := <-p.code; code != exitOK {
			t.Errorf("ended with exit code %d:\n%s", code, p.stderr)
		}
	})
	until(t, "the exporter answers", func() bool {
		response, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return p
}

// get asks for a path with headers ("Name: value").
func (p *program) get(t *testing.T, path string, headers ...string) (int, string, http.Header) {
	t.Helper()
	return p.ask(t, http.MethodGet, path, headers...)
}

func (p *program) ask(t *testing.T, method, path string, headers ...string) (int, string, http.Header) {
	t.Helper()
	request, err := http.NewRequest(method, p.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body), response.Header
}

func statusServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "Active connections: 3 \nserver accepts handled requests\n 10 9 20 \nReading: 0 Writing: 1 "+
			"Waiting: 2 \n")
	})}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return "http://" + listener.Addr().String() + "/nginx_status"
}

func TestEndpoints(t *testing.T) {
	p := startProgram(t, fmt.Sprintf("nginx:\n  status: [{url: %q}]\n", statusServer(t)))
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/metrics", 200, "\nnginx_connections_active 3\n"},
		{"GET", "/", 200, "aria-current=\"page\">Overview</a>"},
		{"GET", "/probes", 200, "Nothing is probed"},
		{"GET", "/config", 200, "nginx:\n  status:"},
		{"GET", "/-/healthy", 200, "healthy\n"},
		{"GET", "/-/ready", 200, "ready\n"},
		{"POST", "/-/reload", 403, "--web.enable-lifecycle"},
		{"GET", "/-/reload", 405, "POST"},
		{"GET", "/nothing", 404, "404"},
		{"GET", "/metrics/", 404, "404"},
		{"POST", "/metrics", 405, ""},
		{"GET", "/probe?target=http://127.0.0.1:1&module=none", 400, ""},
	} {
		status, body, _ := p.ask(t, c.method, c.path)
		if status != c.status || !strings.Contains(body, c.body) {
			t.Errorf("%s %s: %d, want %d with %q:\n%.300s", c.method, c.path, status, c.status, c.body, body)
		}
	}
}

func TestNamesHoldInEveryFormat(t *testing.T) {
	p := startProgram(t, fmt.Sprintf("nginx:\n  status: [{url: %q}]\n", statusServer(t)))
	for _, c := range []struct{ accept, contentType, line string }{
		{"text/plain", "text/plain; version=0.0.4",
			"# TYPE nginx_connections_accepted counter\nnginx_connections_accepted 10\n"},
		{"application/openmetrics-text;version=1.0.0", "application/openmetrics-text; version=1.0.0",
			"# TYPE nginx_connections_accepted unknown\nnginx_connections_accepted 10.0\n"},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
			"application/vnd.google.protobuf", "nginx_connections_accepted"},
	} {
		status, body, header := p.get(t, "/metrics", "Accept: "+c.accept)
		if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), c.contentType) {
			t.Errorf("%s: %d %s", c.accept, status, header.Get("Content-Type"))
		}
		if !strings.Contains(body, c.line) || strings.Contains(body, "nginx_connections_accepted_total") {
			t.Errorf("%s: the names of the old exporter do not hold", c.accept)
		}
		if strings.Contains(body, "nginx_http_requests_created") {
			t.Errorf("%s: _created lines without being asked for", c.accept)
		}
	}
}

func TestStatusPageGone(t *testing.T) {
	p := startProgram(t, fmt.Sprintf("nginx:\n  status: [{url: \"http://%s/nginx_status\"}]\n", freeAddress(t)))
	status, body, _ := p.get(t, "/metrics")
	if status != http.StatusOK || !strings.Contains(body, "\nnginx_up 0\n") || strings.Contains(body,
		"nginx_connections") {
		t.Errorf("%d:\n%s", status, body)
	}
	for _, complete := range []string{"go_goroutines ", "process_cpu_seconds_total ",
		"promhttp_metric_handler_requests_total", "fremisn_exporter_build_info",
		`fremisn_exporter_collector_success{collector="stub_status"} 0`,
		"fremisn_exporter_config_last_reload_successful 1"} {
		if !strings.Contains(body, complete) {
			t.Errorf("%s is missing", complete)
		}
	}
	p.get(t, "/metrics")
	if told := strings.Count(p.stderr.String(), "collector failed"); told != 1 {
		t.Errorf("logged %d times:\n%s", told, p.stderr)
	}
}

func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "probes.yml")
	write := func(config string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("nodes: [{name: one, address: \"127.0.0.1:1\"}]\n")
	p := startProgramOn(t, file, "--web.enable-lifecycle")

	write("nodes: [{name: two, address: \"127.0.0.1:1\"}]\n")
	if status, body, _ := p.ask(t, "POST", "/-/reload"); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if _, body, _ := p.get(t, "/config"); !strings.Contains(body, "name: two") {
		t.Errorf("after a reload the config is\n%s", body)
	}
	write("nodes: [{name: three}]\n")
	want := file + ":1: nodes[0].address: the address is missing; write HOST:PORT\n"
	if status, body, _ := p.ask(t, "POST", "/-/reload"); status != http.StatusInternalServerError || body != want {
		t.Errorf("%d %s, want %s", status, body, want)
	}
	if _, body, _ := p.get(t, "/config"); !strings.Contains(body, "name: two") {
		t.Errorf("a bad config has replaced the good one:\n%s", body)
	}
	if _, body, _ := p.get(t, "/metrics"); !strings.Contains(body,
		"fremisn_exporter_config_last_reload_successful 0\n") {
		t.Error("a failed reload is not reported")
	}
	write("nodes: [{name: four, address: \"127.0.0.1:1\"}]\n")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "SIGHUP reloads", func() bool {
		_, body, _ := p.get(t, "/config")
		return strings.Contains(body, "name: four")
	})
}

func TestTakenPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file := filepath.Join(t.TempDir(), "probes.yml")
	if err := os.WriteFile(file, []byte("nodes: []\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var stderr testenv.Output
	code := run(context.Background(), []string{"--config", file, "--storage.path", "", "--web.listen-address",
		listener.Addr().String()}, io.Discard, &stderr)
	if code != exitFailed || !strings.Contains(stderr.String(), "address already in use") {
		t.Errorf("exit code %d:\n%s", code, stderr.String())
	}
}

// answering is a server that gives the same body to everybody.
func answering(t *testing.T, body string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w,
			body)
	}))
	t.Cleanup(server.Close)
	return server
}

// selfSigned returns a certificate for 127.0.0.1 and its key.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	if certificate, err = x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey,
		private); err != nil {
		t.Fatal(err)
	}
	if key, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		t.Fatal(err)
	}
	return certificate, key
}
