package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

type oldFlagCase struct {
	flag  string // its name
	args  []string
	env   []string // NAME=value, what says the same; nil where there is none
	works func(*commandLine) bool
}

// oldFlagCases have a row for each flag and variable of the old exporters: what it does here. A row without works is
// refused in one line.
var oldFlagCases = []oldFlagCase{
	{"nginx.scrape-uri", []string{"--nginx.scrape-uri=http://127.0.0.1:1/a", "--nginx.scrape-uri",
		"unix:/run/a.sock:/b"},
		[]string{"SCRAPE_URI=http://127.0.0.1:1/a\nunix:/run/a.sock:/b"}, func(c *commandLine) bool {
			return len(c.source.Status) == 2 && c.source.Status[1].URL == "unix:/run/a.sock:/b" &&
				c.source.Status[0].TLS.InsecureSkipVerify
		}},
	{"nginx.ssl-verify", []string{"--nginx.ssl-verify"}, []string{"SSL_VERIFY=true"}, func(c *commandLine) bool {
		return !c.source.Status[0].TLS.InsecureSkipVerify &&
			c.source.Status[0].URL == "http://127.0.0.1:8080/stub_status"
	}},
	{"nginx.ssl-ca-cert", []string{"--nginx.ssl-ca-cert=CERT"}, []string{"SSL_CA_CERT=CERT"},
		func(c *commandLine) bool { return c.source.Status[0].TLS.CAFile != "" }},
	{"nginx.ssl-client-cert", []string{"--nginx.ssl-client-cert=CERT", "--nginx.ssl-client-key=KEY"},
		[]string{"SSL_CLIENT_CERT=CERT", "SSL_CLIENT_KEY=KEY"},
		func(c *commandLine) bool { return c.source.Status[0].TLS.CertFile != "" }},
	{"nginx.ssl-client-key", []string{"--nginx.ssl-client-cert=CERT", "--nginx.ssl-client-key=KEY"},
		[]string{"SSL_CLIENT_CERT=CERT", "SSL_CLIENT_KEY=KEY"},
		func(c *commandLine) bool { return c.source.Status[0].TLS.KeyFile != "" }},
	{"nginx.timeout", []string{"--nginx.timeout=1500ms"}, []string{"TIMEOUT=1500ms"},
		func(c *commandLine) bool { return c.source.Status[0].Timeout == 1500*time.Millisecond }},
	{"nginx.proxy-protocol", []string{"--nginx.proxy-protocol"}, []string{"PROXY_PROTOCOL=true"},
		func(c *commandLine) bool { return c.source.Status[0].ProxyProtocol }},
	{"prometheus.const-label", []string{"--prometheus.const-label=env=prod", "--prometheus.const-label=zone=b"},
		[]string{"CONST_LABELS=env=prod\nzone=b"}, hasConstLabels},
	{"prometheus.const-labels", []string{"--prometheus.const-labels=env=prod,zone=b"},
		[]string{"CONST_LABELS=env=prod,zone=b"}, hasConstLabels},
	{"nginx.retries", []string{"--nginx.retries=10", "--nginx.plus=false"}, nil,
		func(c *commandLine) bool { return len(c.source.Status) == 1 }},
	{"nginx.retry-interval", []string{"--nginx.retry-interval=5s"}, nil,
		func(c *commandLine) bool { return len(c.source.Status) == 1 }},
	{"nginx.plus", []string{"--nginx.plus"}, []string{"NGINX_PLUS=true"}, nil},
	{"web.nginx-metrics-only", []string{"--web.nginx-metrics-only"}, nil, nil},
	{"web.secured-metrics", []string{"--web.secured-metrics"}, []string{"SECURED_METRICS=true"}, nil},
	{"web.ssl-server-cert", []string{"--web.ssl-server-cert=x"}, []string{"SSL_SERVER_CERT=x"}, nil},
	{"web.ssl-server-key", []string{"--web.ssl-server-key", "x"}, []string{"SSL_SERVER_KEY=x"}, nil},
	{"config.file", []string{"--config.file=blackbox.yml"}, nil, func(c *commandLine) bool {
		return c.source.ConfigFile == "blackbox.yml" && slices.Equal(*c.web.WebListenAddresses,
			[]string{":9113", ":9115"})
	}},
	{"config.check", []string{"--config.check"}, nil, func(c *commandLine) bool { return c.checkConfig }},
	{"config.enable-auto-reload", []string{"--config.enable-auto-reload"}, nil,
		func(c *commandLine) bool { return c.autoReload }},
	{"config.auto-reload-interval", []string{"--config.auto-reload-interval=30"}, nil,
		func(c *commandLine) bool { return c.reloadInterval == 30*time.Second }},
	{"history.limit", []string{"--history.limit=100"}, nil, func(c *commandLine) bool { return c.historyLimit == 100 }},
	{"log.prober", []string{"--log.prober=info"}, nil, func(c *commandLine) bool { return c.logProber == "info" }},
	{"web.external-url", []string{"--web.external-url=https://example.com/probes-of/"}, nil,
		func(c *commandLine) bool { return c.routePrefix == "/probes-of" }},
	{"web.route-prefix", []string{"--web.route-prefix=/"}, nil,
		func(c *commandLine) bool { return c.routePrefix == "" }},
}

func hasConstLabels(c *commandLine) bool {
	labels := c.status.constLabels
	return len(labels) == 2 && labels["env"] == "prod" && labels["zone"] == "b"
}

// writeCertificate puts a certificate and its key into files.
func writeCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certificate, private := selfSigned(t)
	writeFile(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})))
	writeFile(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return cert, key
}

func TestOldFlags(t *testing.T) {
	cert, key := writeCertificate(t)
	put := strings.NewReplacer("CERT", cert, "KEY", key)
	for _, flag := range oldFlags {
		i := slices.IndexFunc(oldFlagCases, func(c oldFlagCase) bool { return c.flag == flag.name })
		if i < 0 || (flag.env != "") != (oldFlagCases[i].env != nil) && flag.name != "prometheus.const-labels" {
			t.Errorf("no row for --%s, or none for its variable", flag.name)
		}
	}
	for _, c := range oldFlagCases {
		var args, single []string
		for _, arg := range c.args {
			args = append(args, put.Replace(arg))
			single = append(single, put.Replace(strings.Replace(arg, "--", "-", 1)))
		}
		t.Run("--"+c.flag, func(t *testing.T) { c.check(t, args) })
		t.Run("-"+c.flag, func(t *testing.T) { c.check(t, single) })
		if c.env != nil {
			t.Run(c.env[0], func(t *testing.T) {
				if c.works == nil && c.flag != "nginx.plus" { // a name that others may have, too
					t.Setenv("SCRAPE_URI", "http://127.0.0.1:1/")
				}
				for _, variable := range c.env {
					name, value, _ := strings.Cut(variable, "=")
					t.Setenv(name, put.Replace(value))
				}
				c.check(t, nil)
			})
		}
	}
}

// check parses args: they work, or are refused in one line that says what takes their place.
func (c oldFlagCase) check(t *testing.T, args []string) {
	t.Helper()
	var stderr bytes.Buffer
	cli, code, done := parseCommandLine(args, io.Discard, &stderr)
	flag := oldFlags[slices.IndexFunc(oldFlags, func(f oldFlag) bool { return f.name == c.flag })]
	switch {
	case c.works == nil && (code != exitUsage || strings.Count(stderr.String(), "\n") != 1 ||
		!strings.Contains(stderr.String(), flag.instead) ||
		flag.instead == ""):
		t.Errorf("exit code %d: %s", code, &stderr)
	case c.works != nil && (done || !c.works(cli)):
		t.Errorf("it does not work: exit code %d: %s%+v", code, &stderr, cli)
	}
}

// A flag wins over its variable, and a config file over both.
func TestFlagsWinOverVariables(t *testing.T) {
	t.Setenv("SCRAPE_URI", "http://127.0.0.1:1/variable")
	t.Setenv("LISTEN_ADDRESS", "127.0.0.1:1")
	t.Setenv("TELEMETRY_PATH", "/variable")
	parse := func(args ...string) *commandLine {
		t.Helper()
		var stderr bytes.Buffer
		cli, _, done := parseCommandLine(args, io.Discard, &stderr)
		if done {
			t.Fatal(&stderr)
		}
		return cli
	}
	cli := parse()
	if cli.source.Status[0].URL != "http://127.0.0.1:1/variable" || (*cli.web.WebListenAddresses)[0] != "127.0.0.1:1" ||
		cli.telemetryPath != "/variable" {
		t.Errorf("variables: %+v", cli)
	}
	cli = parse("-nginx.scrape-uri=http://127.0.0.1:1/flag", "-web.listen-address=127.0.0.1:2",
		"-web.telemetry-path=/flag")
	if cli.source.Status[0].URL != "http://127.0.0.1:1/flag" || (*cli.web.WebListenAddresses)[0] != "127.0.0.1:2" ||
		cli.telemetryPath != "/flag" {
		t.Errorf("flags: %+v", cli)
	}
	if cli = parse("--config", "probes.yml"); cli.source.Status != nil || cli.source.ConfigFile != "probes.yml" {
		t.Errorf("a config file: %+v", cli.source)
	}
}

// What cannot be meant is refused in one line that names it.
func TestOldFlagsRefuse(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--nginx.scrape-uri=ftp://h/"}, `has the scheme "ftp"`},
		{[]string{"--nginx.scrape-uri=http://h/", "--nginx.scrape-uri=http://h/"}, "is given twice"},
		{[]string{"--nginx.ssl-ca-cert=/no-such.pem"}, "/no-such.pem"},
		{[]string{"--nginx.timeout=soon"}, `"soon" is not a valid duration`},
		{[]string{"--prometheus.const-label=prod"}, `"prod" is not NAME=VALUE`},
		{[]string{"--prometheus.const-label=a=1", "--prometheus.const-label=a=2"}, `"a" is given twice`},
		{[]string{"--nginx.scrape-uri=http://h/1", "--nginx.scrape-uri=http://h/2", "--prometheus.const-label=addr=2"},
			"addr is the label"},
		{[]string{"--nginx.scrape-uri=http://h/1", "--nginx.config=/etc/nginx/nginx.conf"}, "give one of them"},
		{[]string{"--config=a", "--config.file=b"}, "give one of them"},
		{[]string{"--history.limit=0"}, "keeps nothing"},
		{[]string{"--timeout-offset=half"}, `"half" is not a valid duration`},
		{[]string{"--config.auto-reload-interval=0"}, "is not a valid duration"},
		{[]string{"--web.external-url=/exporter"}, "is not a URL"},
		{[]string{"--web.route-prefix=/a b"}, "is not a path"},
		{[]string{"--web.listen-address="}, "is not HOST:PORT"},
		{[]string{"--web.listen-address=localhost"}, "is not HOST:PORT"},
		{[]string{"--web.listen-address=127.0.0.1:99999"}, "is not HOST:PORT"},
		{[]string{"--web.telemetry-path="}, "is not a path"},
		{[]string{"--web.telemetry-path=/probe"}, "another page"},
		{[]string{"--web.telemetry-path=/config"}, "another page"},
		{[]string{"--web.telemetry-path=/-/healthy"}, "another page"},
		{[]string{"--web.telemetry-path=/api/v1/status"}, "another page"},
		{[]string{"--web.telemetry-path=/a b"}, "is not a path"},
		{[]string{"--web.telemetry-path=GET /m"}, "is not a path"},
		{[]string{"--web.telemetry-path=/{x}"}, "is not a path"},
		{[]string{"--web.telemetry-path=/a/../b"}, "is not a path"},
		{[]string{"--web.telemetry-path=/metrics/"}, "is not a path"},
	} {
		var stderr bytes.Buffer
		code := run(context.Background(), c.args, io.Discard, &stderr)
		if code != exitUsage || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(),
			c.want) {
			t.Errorf("%q: exit code %d, %s, want %s", c.args, code, &stderr, c.want)
		}
	}
}

// With nginx-prometheus-exporter's command line the program shows the status page, verifies no certificate, has its
// labels, and keeps no state: nothing is made in the folder that it was started in.
func TestNginxExporterCommandLine(t *testing.T) {
	page := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "Active connections: 3 \nserver accepts handled requests\n 10 9 20 \nReading: 0 Writing: "+
			"1 Waiting: 2 \n")
	}))
	t.Cleanup(page.Close)
	address := freeAddress(t)
	t.Setenv("LISTEN_ADDRESS", address)
	t.Chdir(t.TempDir())
	p := startProgramArgs(t, "http://"+address, "-nginx.scrape-uri", page.URL, "-prometheus.const-labels", "env=prod",
		"-web.telemetry-path=metrics")
	_, body, _ := p.get(t, "/metrics", "Accept: text/plain")
	for _, want := range []string{`nginx_up{env="prod"} 1`, `nginx_http_requests_total{env="prod"} 20`} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(body, "nginx_access_") || strings.Contains(body, "probe_success") {
		t.Error("logs or probes are shown")
	}
	if !strings.Contains(p.stderr.String(), "not verified") {
		t.Errorf("no warning:\n%s", p.stderr)
	}
	var report bytes.Buffer
	args := []string{"check", "-nginx.scrape-uri", page.URL, "--storage.path", ""}
	if code := run(context.Background(), args, &report, io.Discard); code != exitOK ||
		!strings.Contains(strings.Join(strings.Fields(report.String()), " "),
			"only status pages are read") {
		t.Errorf("check: exit code %d\n%s", code, &report)
	}
	if files, err := os.ReadDir("."); err != nil || len(files) > 0 {
		t.Errorf("made in the folder: %v %v", files, err)
	}
}

// With blackbox_exporter's the config is checked, and probes of /probe are logged at the level that is asked for.
func TestBlackboxExporterCommandLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "blackbox.yml")
	writeFile(t, file, "modules: {http_2xx: {prober: http}}\n")
	var out, stderr bytes.Buffer
	if code := run(context.Background(), []string{"--config.file=" + file, "--config.check"}, &out,
		&stderr); code != exitOK || out.Len() == 0 {
		t.Errorf("a good config: exit code %d: %s%s", code, &out, &stderr)
	}
	bad := filepath.Join(t.TempDir(), "bad.yml")
	writeFile(t, bad, "modules: {http_2xx: {prober: htpp}}\n")
	if code := run(context.Background(), []string{"--config.file=" + bad, "--config.check"}, &out,
		&stderr); code != exitUsage {
		t.Errorf("a bad config: exit code %d: %s", code, &stderr)
	}
	writeFile(t, file, "modules: {http_2xx: {prober: http}}\non_demand: {allow: any}\n")
	p := startProgramWith(t, "--config.file="+file, "--log.prober=warn", "--timeout-offset=0.5")
	target := answering(t, "{}").URL
	if status, body, _ := p.get(t, "/probe?target="+target); status != http.StatusOK ||
		!strings.Contains(body, "probe_success 1") {
		t.Errorf("%d %s", status, body)
	}
	if !strings.Contains(p.stderr.String(), `msg="probe of /probe" module=http_2xx target=`+target) {
		t.Errorf("the probe is not logged:\n%s", p.stderr)
	}
}

// Behind a prefix everything is below it, and every link of every page leads somewhere.
func TestRoutePrefix(t *testing.T) {
	p := startProgram(t, "probes: []\n", "--web.external-url=https://example.com/exporter/", "--web.enable-lifecycle")
	for _, page := range []string{"/exporter/", "/exporter/probes", "/exporter/incidents", "/exporter/config",
		"/exporter"} {
		status, body, _ := p.get(t, page, "Accept: text/html")
		if status != http.StatusOK {
			t.Errorf("%s: %d", page, status)
		}
		for _, link := range links(body) {
			at := "/exporter/" + strings.TrimPrefix(link, "./")
			if status, _, _ := p.get(t, at); strings.HasPrefix(link, "/") || status != http.StatusOK {
				t.Errorf("%s links to %q: %d", page, link, status)
			}
		}
	}
	for path, want := range map[string]int{
		"/exporter/metrics": 200, "/exporter/-/ready": 200, "/-/healthy": 200, "/": 200, "/metrics": 404,
		"/exporter/probe?target=x": 400,
	} {
		if status, _, _ := p.get(t, path); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	if status, body, _ := p.ask(t, "POST", "/exporter/-/reload"); status != http.StatusOK {
		t.Errorf("reload: %d %s", status, body)
	}
}

// links are those of a page that lead to another.
func links(body string) (all []string) {
	for _, part := range strings.Split(body, `<a href="`)[1:] {
		link, _, _ := strings.Cut(part, `"`)
		if !strings.HasPrefix(link, "#") {
			all = append(all, link)
		}
	}
	return all
}

// Metrics can be at /, as nginx-prometheus-exporter has it; the overview is at another place then.
func TestMetricsAtTheRoot(t *testing.T) {
	p := startProgram(t, "probes: []\n", "--web.telemetry-path=/")
	if _, body, _ := p.get(t, "/"); !strings.Contains(body, "fremisn_exporter_build_info") {
		t.Errorf("no metrics at /:\n%.200s", body)
	}
	if _, body, _ := p.get(t, "/overview"); !strings.Contains(body, `<a href="./">Metrics</a>`) ||
		!strings.Contains(body, `<a href="overview"`) {
		t.Errorf("no overview:\n%.2000s", body)
	}
}

// A storage path that cannot be used stops nobody who has nothing to store, and everybody else.
func TestStorageThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "file"), "")
	storage := filepath.Join(dir, "file", "data")
	config := filepath.Join(dir, "probes.yml")
	writeFile(t, config, "probes: []\n")
	address := freeAddress(t)
	p := startProgramArgs(t, "http://"+address, "--config", config, "--storage.path", storage, "--web.listen-address",
		address)
	if !strings.Contains(p.stderr.String(), "the storage path is not usable") {
		t.Errorf("no warning:\n%s", p.stderr)
	}
	writeFile(t, config, "nginx: {access_logs: [{path: "+dir+"/access.log, format: combined}]}\nprobes: []\n")
	var stderr testenv.Output
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	code := run(ctx, []string{"--config", config, "--storage.path", storage, "--web.listen-address", freeAddress(t)},
		io.Discard, &stderr)
	if code != exitFailed || !strings.Contains(stderr.String(), "not a directory") {
		t.Errorf("with a log: exit code %d:\n%s", code, &stderr)
	}
}
