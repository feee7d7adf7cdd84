package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/sim"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// A soak runs the shipped binary for long, with everything on: logs that are written and rotated, a real NGINX and a
// real Prometheus with all rules, probes, open pages, reloads, kills, full disks. It holds what every scrape shows
// against what was written.
type soak struct {
	exporter string // the shipped binary
	rules    string // a glob of Prometheus' rules
	minutes  float64
	rate     int // lines a second
	burst    int // lines a second, for burstFor in the middle; 0: none
	burstFor time.Duration
	mounted  bool // in a mount namespace of its own, so that disks can be mounted and filled

	dir        string
	length     time.Duration
	began      time.Time
	nodes      []*sim.Node
	nginx      *testenv.Nginx
	prometheus *testenv.Prometheus
	access     *soakLog
	side       *soakLog // copied and truncated, on a small disk of its own
	mistakes   *soakLog // the error log
	address    string   // of the exporter

	mu       sync.Mutex
	running  *testenv.Exporter // nil while it is down
	config   int               // how often it was changed
	downs    []down
	faults   []string
	gaps     float64        // that were reported so far
	said     map[string]int // what the exporter warned of, and how often
	samples  []sample
	pages    []time.Duration // how long each took
	rotated  atomic.Int64
	reloads  int
	kills    int
	terms    int
	freed    time.Time // when the state disk is, or was, free again
	late     int       // scrapes that ran into the time limit and showed less than was written
	counters counterWatch
}

// A down is a time in which the exporter was down on purpose.
type down struct{ from, to time.Time }

// command adds the command and its flags.
func (s *soak) command(app *kingpin.Application) *kingpin.CmdClause {
	c := app.Command("soak", "Have the binary work for long, with everything on, and check that all is counted once.")
	c.Flag("exporter", "The binary.").Default("./fremisn-exporter").StringVar(&s.exporter)
	c.Flag("rules", "The rules that Prometheus evaluates, a glob.").Default("alerts/*.rules.yml").StringVar(&s.rules)
	c.Flag("minutes", "How long.").Default("60").Float64Var(&s.minutes)
	c.Flag("rate", "Lines of the access log a second.").Default("20000").IntVar(&s.rate)
	c.Flag("burst", "Lines a second in a burst; 0 is none.").Default("0").IntVar(&s.burst)
	c.Flag("burst-for", "How long the burst is.").Default("30s").DurationVar(&s.burstFor)
	c.Flag("own-mounts", "It runs in a mount namespace of its own.").Hidden().BoolVar(&s.mounted)
	return c
}

// start runs what the exporter looks at, the exporter, and Prometheus.
func (s *soak) start(ctx context.Context) error {
	if err := s.mountDisks(); err != nil {
		return err
	}
	for i, ip := range []string{"127.0.0.231", "127.0.0.18", "127.0.0.17"} {
		node, err := sim.Start(fmt.Sprint("node-", i), ip+":0", sim.Latency{Base: time.Millisecond})
		if err != nil {
			return err
		}
		s.nodes = append(s.nodes, node)
	}
	page, err := testenv.FreeAddress("127.0.0.1")
	if err != nil {
		return err
	}
	conf := testenv.Preamble() + "http {" + testenv.TempPaths + "access_log off;\nupstream " + logtest.Group + " {"
	for _, server := range logtest.Servers() {
		conf += " server " + server + ";"
	}
	conf += " }\nserver { listen " + page + "; location / { proxy_pass http://" + logtest.Group + "; }\n" +
		"location = /nginx_status { stub_status; } }\n}\n"
	if err := os.Mkdir(s.path("nginx"), 0o755); err != nil {
		return err
	}
	if s.nginx, err = testenv.StartNginx(ctx, s.path("nginx"), conf, page); err != nil {
		return err
	}
	if s.address, err = testenv.FreeAddress("127.0.0.1"); err != nil {
		return err
	}
	if err := s.openLogs(); err != nil {
		return err
	}
	if s.startExporter(ctx); len(s.faults) > 0 {
		return errors.New(s.faults[0])
	}
	return s.startPrometheus(ctx)
}

func (s *soak) path(name string) string { return filepath.Join(s.dir, name) }

// settings is the exporter's config; the interval of the probes is what reloads change.
func (s *soak) settings() string {
	var targets, nodes []string
	for i, node := range s.nodes {
		targets = append(targets, "'http://"+node.Address+"/v1/healthcheck'")
		nodes = append(nodes, fmt.Sprintf("{name: node-%d, address: %q}", i, logtest.Servers()[i]))
	}
	listen, _, _ := strings.Cut(strings.SplitAfter(s.nginxConf(), "listen ")[1], ";")
	return fmt.Sprintf(`nginx:
  config: %[1]s
  status: [{url: "http://%[2]s/nginx_status"}]
  access_logs:
    - {path: %[3]s, name: access, format: '%[4]s', start: beginning}
    - {path: %[5]s, name: side, format: '%[4]s', start: beginning}
  error_logs: [{path: %[6]s, name: error, start: beginning}]
  routes: [{name: enrollment, match: "^/v1/face/enrollment"}, {name: recognition, match: "^/v1/face/recognition"}]
nodes: [%[7]s]
modules: {alive: {prober: http, timeout: 2s, http: {preferred_ip_protocol: ip4}}}
probes: [{name: health, module: alive, interval: %[8]ds, targets: [%[9]s]}]
`, s.nginx.Conf, listen, s.access.path, logtest.Full, s.side.path, s.mistakes.path, strings.Join(nodes, ", "),
		1+s.config%2, strings.Join(targets, ", "))
}

func (s *soak) nginxConf() string {
	text, err := os.ReadFile(s.nginx.Conf)
	if err != nil {
		return ""
	}
	return string(text)
}

func (s *soak) startPrometheus(ctx context.Context) error {
	rules, err := filepath.Abs(s.rules)
	if err != nil {
		return err
	}
	every := s.share(1.0/600, 3*time.Second, 5*time.Second) // also the time limit of a scrape
	config := fmt.Sprintf("global: {scrape_interval: %dms, scrape_timeout: %dms, evaluation_interval: %dms}\n"+
		"rule_files: ['%s']\nscrape_configs:\n"+
		"  - {job_name: fremisn-exporter, static_configs: [{targets: ['%s']}]}\n"+
		"  - {job_name: prometheus, static_configs: [{targets: ['PROMETHEUS']}]}\n",
		every.Milliseconds(), every.Milliseconds(), (3 * every).Milliseconds(), rules, s.address)
	address, err := testenv.FreeAddress("127.0.0.1")
	if err != nil {
		return err
	}
	if err := os.Mkdir(s.path("prometheus"), 0o755); err != nil {
		return err
	}
	s.prometheus, err = testenv.StartPrometheus(ctx, s.path("prometheus"),
		strings.ReplaceAll(config, "PROMETHEUS", address), address)
	return err
}

// share is a part of the whole length, within limits.
func (s *soak) share(part float64, least, most time.Duration) time.Duration {
	return min(max(time.Duration(part*float64(s.length)), least), most)
}

// fault records what must not happen, and continues.
func (s *soak) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) < 1000 {
		s.faults = append(s.faults, text)
	}
	fmt.Fprintf(os.Stderr, "  %s FAULT: %s\n", time.Since(s.began).Round(time.Second), text)
}

func (s *soak) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "  %s %s\n", time.Since(s.began).Round(time.Second), fmt.Sprintf(format, args...))
}

// run is the whole of it.
func (s *soak) run() error {
	if !s.mounted {
		if ran, err := s.runMounted(); ran {
			return err
		}
	}
	// What is started here dies with this thread, which must not become that of a goroutine that ends.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if s.dir, err = os.MkdirTemp("", "fremisn-soak-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	s.length, s.began = time.Duration(s.minutes*float64(time.Minute)), time.Now()
	s.said = map[string]int{}
	defer s.end()
	if err := s.start(ctx); err != nil {
		return err
	}
	s.began = time.Now()
	s.soak(ctx)
	s.finish(ctx)
	s.report(os.Stdout)
	if len(s.faults) > 0 {
		return fmt.Errorf("%d faults, the first: %s", len(s.faults), s.faults[0])
	}
	return nil
}

// soak writes, looks, and lets everything happen, until the time is over.
func (s *soak) soak(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var busy sync.WaitGroup
	for _, log := range []*soakLog{s.access, s.side, s.mistakes} {
		busy.Go(func() { log.write(ctx) })
		busy.Go(func() { s.rotate(ctx, log) })
	}
	busy.Go(func() { s.look(ctx) })
	busy.Go(func() { s.open(ctx) })
	s.happen(ctx)
	cancel()
	busy.Wait()
}

// finish looks once more when all is written, stops the exporter cleanly, and starts it again: it must show the same.
func (s *soak) finish(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	s.checkScrape(ctx)
	s.checkPrometheus()
	s.stop(syscall.SIGTERM)
	s.startExporter(ctx)
	s.checkScrape(ctx)
	s.stop(syscall.SIGTERM)
}

// end ends all that was started.
func (s *soak) end() {
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if running != nil {
		running.Kill()
	}
	if s.prometheus != nil {
		s.prometheus.Stop()
	}
	if s.nginx != nil {
		s.nginx.Stop()
	}
	for _, node := range s.nodes {
		node.Close()
	}
}

// runMounted runs the same command in a mount namespace of its own, whose disks are gone with it. It reports whether
// that was possible.
func (s *soak) runMounted() (bool, error) {
	command := exec.Command("/proc/self/exe", append(os.Args[1:], "--own-mounts")...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGTERM}
	if id := os.Getuid(); id != 0 {
		command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}}
		command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := command.Start(); err != nil {
		s.progress("no disk can be filled, for none can be mounted here: %v", err)
		return false, nil
	}
	go func() {
		for signal := range signals {
			command.Process.Signal(signal)
		}
	}()
	err := command.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return true, fmt.Errorf("the soak ended with %d", exit.ExitCode())
	}
	return true, err
}
