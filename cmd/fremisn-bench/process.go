package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// A server is a process that is scraped.
type server struct {
	*testenv.Process
	url    string // of /metrics
	client http.Client
	accept string // the format to request
}

// launch starts a command whose arguments have "%s" for the address, and waits until it answers.
func launch(path, name string, args ...string) (*server, error) {
	return launchOn(0, path, name, args...)
}

// launchOn is launch with so many cores for Go's scheduler; 0 is all of them.
func launchOn(cores int, path, name string, args ...string) (*server, error) {
	address, err := testenv.FreeAddress("127.0.0.1")
	if err != nil {
		return nil, err
	}
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "%s", address)
	}
	command := exec.Command(name, args...)
	if cores > 0 {
		command.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(cores))
	}
	process, err := testenv.Start(context.Background(), address, command)
	if err != nil {
		return nil, err
	}
	return &server{Process: process, url: "http://" + address + path, accept: exposition[0].accept}, nil
}

// start runs the exporter with a config.
func (b *bench) start(config string) (*server, error) {
	path := filepath.Join(b.dir, "probes.yml")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return nil, err
	}
	return launchOn(b.cores, "/metrics", b.exporter, "--config", path, "--storage.path",
		filepath.Join(b.dir, "data-"+strconv.FormatInt(time.Now().UnixNano(),
			36)), "--web.listen-address", "%s", "--log.level", "error")
}

// scrape reads /metrics as Prometheus does.
func (s *server) scrape() (string, error) {
	request, err := http.NewRequest(http.MethodGet, s.url, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Accept", s.accept)
	request.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "100")
	response, err := s.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %s", s.url, response.Status)
	}
	return string(body), err
}

// value returns the sample whose line begins with prefix.
func (s *server) value(prefix string) (float64, error) {
	body, err := s.scrape()
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(body, "\n"+prefix)
	if !found {
		return 0, nil
	}
	text, _, _ := strings.Cut(rest, "\n")
	return strconv.ParseFloat(text, 64)
}

// sum adds up the samples whose lines begin with prefix.
func (s *server) sum(prefix string) (float64, error) {
	body, err := s.scrape()
	if err != nil {
		return 0, err
	}
	total := 0.0
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, prefix) {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// end stops the process cleanly, and returns its total CPU time.
func (s *server) end() (time.Duration, error) {
	if code := s.Stop(); code != 0 {
		return 0, fmt.Errorf("exit code %d\n%s", code, s.Output())
	}
	return s.CPUTime(), nil
}

// cpu returns the process' CPU time so far, to a tick of the kernel's (10 ms), or finer if schedstat has it.
func (s *server) cpu() time.Duration {
	var sum time.Duration
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.PID()))
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue
		}
		ns, _ := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		sum += time.Duration(ns)
	}
	return sum
}

// resident returns the process' resident memory, bytes; 0 of one that has ended, for which the kernel has no VmRSS.
func (s *server) resident() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		return 0
	}
	_, rest, ok := strings.Cut(string(text), "VmRSS:")
	if !ok {
		return 0
	}
	kib, _ := strconv.Atoi(strings.Fields(rest)[0])
	return kib << 10
}

// rest watches the exporter, and Debian's two old ones beside it, with only scrapes and probes to do.
func (b *bench) rest() error {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }))
	defer node.Close()
	status := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "Active connections: 3 \nserver accepts handled requests\n 10 10 20 \nReading: 0 Writing: 1 "+
			"Waiting: 2 \n")
	}))
	defer status.Close()
	log := filepath.Join(b.dir, "rest.log")
	if _, err := writeLog(log, mixed(logtest.Full), 50_000); err != nil {
		return err
	}
	ours, err := b.start(fmt.Sprintf(`
nginx:
  status: [{url: %q}]
  access_logs: [{path: %q, name: bench, start: beginning, format: %q}]
modules: {alive: {prober: http}}
probes: [{name: health, module: alive, interval: 15s, targets: [%q, %q, %q]}]
`, status.URL, log, logtest.Full, node.URL+"/1", node.URL+"/2", node.URL+"/3"))
	if err != nil {
		return err
	}
	defer ours.Kill()
	blackboxConfig := filepath.Join(b.dir, "blackbox.yml")
	if err := os.WriteFile(blackboxConfig, []byte("modules: {alive: {prober: http}}\n"), 0o644); err != nil {
		return err
	}
	old, err := launch("/metrics", "prometheus-nginx-exporter", "-web.listen-address=%s",
		"-nginx.scrape-uri="+status.URL)
	if err != nil {
		return err
	}
	defer old.Kill()
	blackbox, err := launch("/probe?module=alive&target="+node.URL, "prometheus-blackbox-exporter",
		"--web.listen-address=%s", "--config.file="+blackboxConfig)
	if err != nil {
		return err
	}
	defer blackbox.Kill()
	all := func() error {
		for _, s := range []*server{ours, old, blackbox, blackbox, blackbox} {
			if _, err := s.scrape(); err != nil {
				return err
			}
		}
		return nil
	}
	if err := all(); err != nil {
		return err
	}
	oursBefore, oldBefore := ours.cpu(), old.cpu()+blackbox.cpu()
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	for range max(1, int(b.watch/(15*time.Second))) {
		<-tick.C
		if err := all(); err != nil {
			return err
		}
	}
	spent, oldSpent := ours.cpu()-oursBefore, old.cpu()+blackbox.cpu()-oldBefore
	b.row("resident memory", mib(ours.resident()), "≤ 26 MiB, aim 24",
		fmt.Sprintf("nginx's and blackbox exporter, which read no log: %s", mib(old.resident()+blackbox.resident())))
	b.row(fmt.Sprintf("CPU in %s", b.watch), fmt.Sprintf("%d ms", spent.Milliseconds()), "≤ 60 ms",
		fmt.Sprintf("the two old exporters: %d ms", oldSpent.Milliseconds()))
	return nil
}

func mib(bytes int) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// The formats that Prometheus may request.
var exposition = []struct{ name, accept string }{
	{"text", "text/plain;version=0.0.4"},
	{"OpenMetrics", "application/openmetrics-text;version=1.0.0"},
	{"protobuf", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"},
}

// scrape measures scrapes of about a thousand series, and of ten thousand.
func (b *bench) scrape() error {
	for _, size := range []struct {
		servers, scrapes int
		target           string
	}{{9, 100, "≤ 0.5 ms CPU, aim 0.3"}, {100, 20, "≤ 5 ms CPU, aim 3"}} {
		if err := b.scrapesOf(size.servers, size.scrapes, size.target); err != nil {
			return err
		}
	}
	return nil
}

// scrapesOf requests /metrics repeatedly on one connection, in each format alternately.
func (b *bench) scrapesOf(servers, scrapes int, target string) error {
	const rounds = 5
	log := filepath.Join(b.dir, "series.log")
	if err := series(log, servers); err != nil {
		return err
	}
	s, err := b.start(fmt.Sprintf("nginx:\n  access_logs: [{path: %q, name: bench, start: beginning, format: %q}]\n",
		log, logtest.Full))
	if err != nil {
		return err
	}
	defer s.Kill()
	body, err := s.scrape()
	if err != nil {
		return err
	}
	count := strings.Count("\n"+body, "\n") - strings.Count(body, "# ") - 1
	spent := make([]time.Duration, len(exposition))
	for round := range rounds + 1 {
		for i, e := range exposition {
			s.accept = e.accept
			before := s.cpu()
			for range scrapes {
				if _, err := s.scrape(); err != nil {
					return err
				}
			}
			if round > 0 { // the first only warms up
				spent[i] += s.cpu() - before
			}
		}
	}
	for i, e := range exposition {
		each := spent[i] / time.Duration(scrapes*rounds)
		b.row(fmt.Sprintf("a scrape of %d series, %s", count, e.name), fmt.Sprintf("%.2f ms CPU",
			float64(each.Microseconds())/1000), target, "")
	}
	return nil
}
