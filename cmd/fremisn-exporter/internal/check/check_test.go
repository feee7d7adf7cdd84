package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
)

// A host is what check looks at: a status page, a node, logs and a config, all stopped cleanly.
type host struct {
	dir, config  string
	access       string
	status, node *httptest.Server
}

func answering(t *testing.T, body string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w,
			body)
	}))
	t.Cleanup(server.Close)
	return server
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{dir: t.TempDir()}
	h.status = answering(t, "Active connections: 3 \nserver accepts handled requests\n 10 10 42 \nReading: 0 "+
		"Writing: 1 Waiting: 2 \n")
	h.node = answering(t, "{}")
	h.access = filepath.Join(h.dir, "access.log")
	h.write(t, h.access, strings.Repeat("200 0.001\n", 1500))
	h.write(t, filepath.Join(h.dir, "error.log"), "2026/11/24 01:01:01 [error] 12#12: *1 connect() failed\n")
	h.write(t, filepath.Join(h.dir, "nginx.conf"), strings.ReplaceAll(nothingToFind, "LOGS", h.dir))
	h.config = filepath.Join(h.dir, "probes.yml")
	h.write(t, h.config, fmt.Sprintf(`nginx:
  config: nginx.conf
  status: [{url: %s}]
nodes: [{name: master, address: "%s"}]
modules: {alive: {prober: http, timeout: 5s}}
probes: [{name: health, module: alive, interval: 5s, targets: [%s]}]
`, h.status.URL, strings.TrimPrefix(h.node.URL, "http://"), h.node.URL))
	return h
}

func (h *host) write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

type checked struct {
	ok        bool
	text      string
	machineOK bool
	findings  []finding
}

// check reports for people and for machines.
func (h *host) check(t *testing.T) checked {
	t.Helper()
	app := kingpin.New("check", "")
	flags := kingpinflag.AddFlags(app, freeAddress(t))
	if _, err := app.Parse(nil); err != nil {
		t.Fatal(err)
	}
	report := Run(context.Background(), Options{
		Source: settings.Source{ConfigFile: h.config}, StoragePath: filepath.Join(h.dir, "data"), Web: flags,
	})
	var text, machine bytes.Buffer
	report.Text(&text)
	if err := report.JSON(&machine); err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		OK    bool
		Lines []finding
	}
	if err := json.Unmarshal(machine.Bytes(), &parsed); err != nil {
		t.Fatalf("%v in\n%s", err, &machine)
	}
	if _, err := os.Stat(filepath.Join(h.dir, "data")); err == nil {
		t.Error("check has made the state directory")
	}
	return checked{report.OK(), text.String(), parsed.OK, parsed.Lines}
}

// find is the only line of the section with that verdict and text.
func (c checked) find(t *testing.T, section string, v status, text string) finding {
	t.Helper()
	for _, l := range c.findings {
		if l.Section == section && l.Status == v && strings.Contains(l.Text, text) {
			return l
		}
	}
	t.Fatalf("no line %s %s %q in\n%s", section, v, text, c.text)
	return finding{}
}

func TestCheckFindsAllGood(t *testing.T) {
	h := newHost(t)
	c := h.check(t)
	if !c.ok || !c.machineOK {
		t.Errorf("ok %t, for machines %t\n%s", c.ok, c.machineOK, c.text)
	}
	c.find(t, sectionConfig, statusOK, h.config)
	c.find(t, sectionConfig, statusOK, "nginx.conf: 1 file, 1 upstream, 2 log formats")
	if l := c.find(t, sectionStatus, statusOK, "active connections: 3, requests: 42"); l.From != h.config {
		t.Errorf("status page from %s", l.From)
	}
	if l := c.find(t, sectionLogs, statusOK,
		"all of the last 1000 lines fit log_format main"); !strings.HasSuffix(l.From, "nginx.conf:5") {
		t.Errorf("log from %s", l.From)
	}
	c.find(t, sectionLogs, statusOK, "the only line begins as entries do")
	if l := c.find(t, sectionNodes, statusOK, ": alive in "); l.Subject != "master" {
		t.Errorf("node %q", l.Subject)
	}
	c.find(t, sectionSystem, statusOK, "will be created")
	c.find(t, sectionSystem, statusOK, "free")
	l := c.find(t, sectionLogs, statusWarn, "log_format main lacks what 15 metrics need")
	if l.Missing["nginx_upstream_attempts_total"] != "$upstream_addr" || l.Missing["exemplars"] != "$request_id" {
		t.Errorf("%+v", l)
	}
	l = c.find(t, sectionFormats, statusNote, "")
	if !strings.HasPrefix(l.Verbatim, "log_format fremisn\n'$status $request_time") || !strings.Contains(l.Remedy,
		"write at nginx.conf:5: access_log "+h.access+" fremisn;") {
		t.Errorf("%+v", l)
	}
	if words := strings.Join(strings.Fields(c.text), " "); strings.Contains(c.text, "\x1b") ||
		!strings.HasSuffix(words, " of 28 metrics are missing: do this: use log_format fremisn. 0 errors, 1 "+
			"warning, 8 OK.") {
		t.Errorf("text\n%s", c.text)
	}
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		spoil   func(*testing.T, *host)
		section string
		text    string
		remedy  string
	}{
		"status page is HTML": {func(t *testing.T, h *host) {
			h.status.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter,
				_ *http.Request) {
				io.WriteString(w, "<html>Welcome to nginx!</html>")
			})
		}, sectionStatus, "not a stub_status page", "curl -i http://"},
		"status page is forbidden": {func(t *testing.T, h *host) {
			h.status.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter,
				_ *http.Request) {
				w.WriteHeader(http.StatusForbidden)
			})
		}, sectionStatus, "answered 403", "allow this host"},
		"status page is down": {func(t *testing.T, h *host) { h.status.Close() }, sectionStatus,
			"nothing listens there", "is NGINX running"},
		"node is down": {func(t *testing.T, h *host) { h.node.Close() }, sectionNodes, "refused",
			"fremisn-exporter --config "},
		"log in another format": {func(t *testing.T, h *host) {
			h.write(t, h.access, `127.0.0.1 - - [x] "GET / HTTP/1.1" 200`+"\n")
		}, sectionLogs, "0 of the last 1 line fit", "malformed"},
		"log is a folder": {func(t *testing.T, h *host) {
			if err := errors.Join(os.Remove(h.access), os.Mkdir(h.access, 0o755)); err != nil {
				t.Fatal(err)
			}
		}, sectionLogs, "is a folder", "access-*.log"},
		"log links to stdout": {func(t *testing.T, h *host) {
			if err := errors.Join(os.Remove(h.access), os.Symlink("/dev/stdout", h.access)); err != nil {
				t.Fatal(err)
			}
		}, sectionLogs, "", "mount a volume on"},
		"log is a FIFO": {func(t *testing.T, h *host) {
			if err := errors.Join(os.Remove(h.access), syscall.Mkfifo(h.access, 0o644)); err != nil {
				t.Fatal(err)
			}
		}, sectionLogs, "is not a regular file", "mount a volume on"},
		"no error log but text": {func(t *testing.T, h *host) {
			h.write(t, filepath.Join(h.dir, "error.log"), "hello\n")
		}, sectionLogs, "0 of the last 1 line begin as entries do", "error_log of NGINX"},
		"config": {func(t *testing.T, h *host) { h.write(t, h.config, "nodes: [{name: a, adress: x}]\n") },
			sectionConfig, "probes.yml:1: nodes[0].adress", "the other checks depend on it"},
		"nginx.conf": {func(t *testing.T, h *host) {
			h.write(t, filepath.Join(h.dir, "nginx.conf"), "http {\n")
		}, sectionConfig, "nginx.conf:2: unexpected end of file, expecting \"}\"", "nginx -t says the same"},
		"nginx.conf is a folder": {func(t *testing.T, h *host) {
			conf := filepath.Join(h.dir, "nginx.conf")
			if err := errors.Join(os.Remove(conf), os.Mkdir(conf, 0o755)); err != nil {
				t.Fatal(err)
			}
		}, sectionConfig, "nginx.conf: is a directory", "correct the path; the rest can be checked"},
		"state directory is a file": {func(t *testing.T, h *host) {
			h.dir = filepath.Join(h.dir, "access.log")
		}, sectionSystem, "access.log is not a folder", "--storage.path"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			test.spoil(t, h)
			c := h.check(t)
			if c.ok || c.machineOK {
				t.Errorf("ok %t, for machines %t", c.ok, c.machineOK)
			}
			if l := c.find(t, test.section, statusFail, test.text); !strings.Contains(l.Remedy, test.remedy) {
				t.Errorf("remedy %q", l.Remedy)
			}
		})
	}
}

// While nginx.conf is broken, check still reports everything else: that is when it is needed.
func TestCheckProbesWithoutNginxConf(t *testing.T) {
	h := newHost(t)
	h.write(t, filepath.Join(h.dir, "nginx.conf"), "http {\n")
	h.check(t).find(t, sectionNodes, statusOK, h.node.URL+": alive in ")
	h.write(t, h.config, fmt.Sprintf("nginx: {config: nginx.conf}\nnodes: [{name: master, address: %q}]\n",
		strings.TrimPrefix(h.node.URL, "http://")))
	if l := h.check(t).find(t, sectionNodes, statusOK, h.node.URL+"/: alive in "); l.Subject != "master" {
		t.Errorf("%+v", l)
	}
}

// A log that nobody writes may be one that NGINX no longer has.
func TestCheckReportsAnOldLog(t *testing.T) {
	h := newHost(t)
	if err := os.Chtimes(h.access, time.Time{}, time.Now().Add(-3*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	h.check(t).find(t, sectionLogs, statusOK, "lines fit log_format main; last written 3 days ago")
	for d, want := range map[time.Duration]string{time.Hour: "1 hour", 47 * time.Hour: "47 hours",
		49 * time.Hour: "2 days"} {
		if got := roughly(d); got != want {
			t.Errorf("%s is %s, want %s", d, got, want)
		}
	}
}

func TestCheckReportsEveryConfigError(t *testing.T) {
	h := newHost(t)
	h.write(t, h.config, "nodes: [{name: a, adress: x}]\nprobe: []\n")
	c := h.check(t)
	c.find(t, sectionConfig, statusFail, "probes.yml:1: nodes[0].adress: unknown key; did you mean address?")
	if l := c.find(t, sectionConfig, statusFail, "probes.yml:2: probe: unknown key; "+
		"did you mean probes?"); l.Remedy == "" {
		t.Error("without remedy")
	}
	if c.ok || !strings.Contains(c.text, "2 errors (config)") {
		t.Errorf("ok %t\n%s", c.ok, c.text)
	}
}

// A node that no probe names is asked once all the same.
func TestCheckProbesEveryNode(t *testing.T) {
	h := newHost(t)
	address := strings.TrimPrefix(h.node.URL, "http://")
	h.write(t, h.config, fmt.Sprintf("nginx: {config: nginx.conf, status: [{url: %s}]}\nprobes: []\nnodes: [{name: "+
		"master, address: %q}, {name: slave, address: %q}]\n",
		h.status.URL, address, freeAddress(t)))
	c := h.check(t)
	c.find(t, sectionNodes, statusWarn, h.node.URL+"/: alive in ")
	c.find(t, sectionNodes, statusFail, "refused (connect); no probe names it")
	if c.ok {
		t.Errorf("ok %t", c.ok)
	}
}

// What nginx.conf has but cannot be observed is reported with a remedy.
func TestCheckReportsWhatIsLeftOut(t *testing.T) {
	h := newHost(t)
	h.write(t, filepath.Join(h.dir, "nginx.conf"), `events {}
error_log stderr;
http {
  access_log syslog:server=127.0.0.1:5514,tag=x;
  server { location /status { stub_status; deny all; } }
}
`)
	h.write(t, h.config, "nginx: {config: nginx.conf}\n")
	c := h.check(t)
	if l := c.find(t, sectionStatus, statusWarn, "does not let this host in"); l.Remedy != "add allow 127.0.0.1;" ||
		!strings.HasSuffix(l.From, "nginx.conf:5") {
		t.Errorf("%+v", l)
	}
	const remedy = `to receive it, name it in nginx.access_logs: {syslog: "udp://127.0.0.1:5514", format: combined}`
	if l := c.find(t, sectionLogs, statusWarn, "what is sent to syslog"); l.Remedy != remedy {
		t.Errorf("%+v", l)
	}
	c.find(t, sectionLogs, statusWarn, "stderr is not a file")
	c.find(t, sectionLogs, statusWarn, "none is followed")
	if !c.ok {
		t.Errorf("ok %t\n%s", c.ok, c.text)
	}
}

// A warning does not fail the check.
func TestCheckBearsOddities(t *testing.T) {
	h := newHost(t)
	h.write(t, h.access, "200 0.001\n200 garbage\n200 0.002\n")
	if err := os.Remove(filepath.Join(h.dir, "error.log")); err != nil {
		t.Fatal(err)
	}
	h.write(t, filepath.Join(h.dir, "nginx.conf"), strings.ReplaceAll(strings.Replace(nothingToFind, "zone nodes 64k;",
		"", 1), "LOGS", h.dir))
	c := h.check(t)
	if !c.ok {
		t.Errorf("ok %t\n%s", c.ok, c.text)
	}
	l := c.find(t, sectionLogs, statusWarn, "2 of the last 3 lines fit log_format main")
	if !strings.HasPrefix(l.Verbatim, "200 garbage\n    ^\nexpected ") {
		t.Errorf("caret\n%s", l.Verbatim)
	}
	c.find(t, sectionLogs, statusWarn, "is not there yet")
	c.find(t, sectionNginx, statusWarn, "no zone")
}

// TestCheckReportsProbesThatCannotRun: a module whose files are missing and a bad file of targets are named, and stop
// nothing.
func TestCheckReportsProbesThatCannotRun(t *testing.T) {
	h := newHost(t)
	h.write(t, filepath.Join(h.dir, "good.yml"), "- targets: ['"+h.node.URL+"/from/a/file']\n")
	h.write(t, filepath.Join(h.dir, "bad.yml"), "- targets: [")
	text, err := os.ReadFile(h.config)
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, h.config, strings.NewReplacer(
		"{alive: ", "{broken: {prober: http, http: {tls_config: {ca_file: /no/such/ca}}}, alive: ",
		"targets: [", "files: ['*.yml'], targets: [",
	).Replace(string(text)))
	c := h.check(t)
	c.find(t, sectionNodes, statusFail, "/no/such/ca")
	c.find(t, sectionNodes, statusFail, "bad.yml")
	c.find(t, sectionNodes, statusOK, "/from/a/file: alive in")
	if c.ok {
		t.Error("all good")
	}
}
