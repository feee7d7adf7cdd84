package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// patience is how long anything here may take before a test gives up. Nothing waits that long when all is well.
const patience = 60 * time.Second

// A node answers as FREMIS-N does and counts what it was asked: the truth that scripts and exporter are held against.
type node struct {
	name    string
	planned string // its address in the stack's files
	addr    string // and here
	served  atomic.Int64
	posts   atomic.Int64
	hangs   atomic.Bool // takes requests and answers none
	server  *http.Server
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	n.served.Add(1)
	if n.hangs.Load() {
		<-r.Context().Done()
		return
	}
	switch {
	case r.URL.Path == "/v1/healthcheck":
		fmt.Fprint(w, "{}")
	case r.URL.Path == "/v1/get-limit-usage":
		fmt.Fprint(w, `{"current_enrollment": 500, "maximum_enrollment": 1000, "current_keyspace": 5, `+
			`"maximum_keyspace": 10,`+
			` "current_anonymous_enrollment": 50, "maximum_anonymous_enrollment": 100}`)
	case r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/v1/face/") && len(body) > 0:
		n.posts.Add(1)
		fmt.Fprint(w, `{"ok":true}`)
	default:
		http.NotFound(w, r)
	}
}

// A stack is the stack's own files at work: its nginx.conf in a real NGINX, its probes.yml in the exporter, its
// scripts on both.
type stack struct {
	dir      string
	nodes    []*node
	lb       string // URL of the load balancer
	status   string // URL of the status page
	exporter string // URL
	output   string // file of what start.sh and NGINX print
	replace  *strings.Replacer
	env      map[string]string
}

// startStack starts nodes and NGINX by the stack's own start.sh, with addresses and paths replaced and nothing else
// but edits.
func startStack(t *testing.T, env map[string]string, edits ...string) *stack {
	t.Helper()
	// Not t.TempDir: NGINX's workers run as nobody and must get there.
	dir, err := os.MkdirTemp("", "fremisn-stack-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	html := filepath.Join(dir, "html")
	if err := os.Mkdir(html, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"502.html", "50x.html"} {
		write(t, filepath.Join(html, page), read(t, "nginx/html/"+page))
	}
	s := &stack{dir: dir, nodes: []*node{
		{name: "master", planned: "192.168.100.231:4005"},
		{name: "slave-1", planned: "192.168.100.18:4008"},
		{name: "slave-2", planned: "192.168.100.17:4009"},
	}}
	pairs := []string{"/etc/nginx/html", html, "/etc/nginx/nginx.conf", filepath.Join(dir, "nginx.conf"),
		"/var/log/nginx", dir,
		"worker_processes 1;", "worker_processes 1; pid " + filepath.Join(dir, "nginx.pid") + ";"}
	for i, host := range []string{"127.0.0.231", "127.0.0.18", "127.0.0.17"} {
		s.nodes[i].start(t, host)
		pairs = append(pairs, s.nodes[i].planned, s.nodes[i].addr)
	}
	lb, status := freeAddress(t), freeAddress(t)
	s.lb, s.status = "http://"+lb, "http://"+status+"/nginx_status"
	pairs = append(pairs, "listen 80;", "listen "+lb+";", "listen 8080;", "listen "+status+";",
		"http://nginx-lb:8080/nginx_status", s.status)
	s.replace = strings.NewReplacer(append(pairs, edits...)...)
	s.place(t, "nginx/nginx.conf", "nginx.conf")

	conf := filepath.Join(dir, "nginx.conf")
	run(t, nil, "nginx", "-t", "-c", conf)
	nginx := exec.Command("nginx/start.sh", "-c", conf)
	nginx.Env = append(environ(env), "LOG_DIR="+dir)
	s.output = startProcess(t, nginx, syscall.SIGQUIT)
	eventually(t, func() bool {
		pid, err := os.ReadFile(filepath.Join(dir, "nginx.pid"))
		return err == nil && strings.TrimSpace(string(pid)) == strconv.Itoa(nginx.Process.Pid)
	}, func() string { return "start.sh has not become NGINX's master" })
	waitFor(t, s.lb+"/health")
	s.env = map[string]string{"LB_URL": s.lb, "PROMETHEUS_URL": "", "GRAFANA_URL": "",
		"ENV_FILE": filepath.Join(dir, ".env")}
	return s
}

// place writes one of the stack's files with everything replaced.
func (s *stack) place(t *testing.T, from, to string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, to), []byte(s.replace.Replace(read(t, from))), 0o644); err != nil {
		t.Fatal(err)
	}
}

// startExporter runs the exporter on the stack's probes.yml.
func (s *stack) startExporter(t *testing.T) {
	t.Helper()
	s.place(t, "probes.yml", "probes.yml")
	addr := freeAddress(t)
	s.exporter = "http://" + addr
	exporter := exec.Command(binary(t), "serve", "--config", filepath.Join(s.dir, "probes.yml"),
		"--storage.path", filepath.Join(s.dir, "data"), "--web.listen-address", addr)
	startProcess(t, exporter, syscall.SIGTERM)
	waitFor(t, s.exporter+"/-/healthy")
	waitFor(t, s.exporter+"/-/ready")
	// Each node has been probed once: until then nobody can know whether it is up.
	for _, n := range s.nodes {
		probed := regexp.MustCompile(`(?m)^probe_success\{.*probe="health".*` + regexp.QuoteMeta(n.addr) + `.* 1$`)
		eventually(t, func() bool {
			_, text, err := get(s.exporter + "/metrics")
			return err == nil && probed.MatchString(text)
		}, func() string { return "the exporter has not seen " + n.name + " up" })
	}
	s.env["EXPORTER_URL"] = s.exporter
}

// script runs one of the scripts against this stack and returns what it printed and its exit code.
func (s *stack) script(t *testing.T, name string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(filepath.Join("scripts", name), args...)
	cmd.Env = environ(s.env)
	out, err := cmd.CombinedOutput()
	t.Logf("%s %s: exit %d\n%s", name, strings.Join(args, " "), exitCode(err), out)
	for _, line := range strings.Split(string(out), "\n") {
		// A line with a path or a URL may be longer; complaints and the one line of health-check.sh are not tables.
		told := strings.Contains(line, "/") || strings.HasPrefix(line, name+": ") || name == "health-check.sh"
		if n := len([]rune(line)); n > 80 && !told {
			t.Errorf("%s: a line of %d characters in a terminal of 80: %s", name, n, line)
		}
	}
	return string(out), exitCode(err)
}

func (n *node) start(t *testing.T, host string) {
	t.Helper()
	listener, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	n.addr = listener.Addr().String()
	n.server = &http.Server{Handler: n, ReadHeaderTimeout: patience}
	go func() {
		if err := n.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("node %s: %v", n.name, err)
		}
	}()
	t.Cleanup(func() { n.server.Close() })
}

var builds struct {
	sync.Once
	path string
	err  error
}

// binary builds the exporter once for all tests.
func binary(t *testing.T) string {
	t.Helper()
	builds.Do(func() {
		dir, err := os.MkdirTemp("", "fremisn-build-")
		if err != nil {
			builds.err = err
			return
		}
		builds.path = filepath.Join(dir, "fremisn-exporter")
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", builds.path,
			"../cmd/fremisn-exporter")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			builds.err = fmt.Errorf("building the exporter: %w\n%s", err, out)
		}
	})
	if builds.err != nil {
		t.Fatal(builds.err)
	}
	return builds.path
}

func TestMain(m *testing.M) {
	if signal.Ignored(os.Interrupt) { // in the background of a shell; scripts would inherit it, and could not trap it
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
	code := m.Run()
	if builds.path != "" {
		os.RemoveAll(filepath.Dir(builds.path))
	}
	os.Exit(code)
}

// startProcess starts a program that is asked to end by a signal when the test is over, and kills it if it does not
// listen. What it prints is in the file that is returned.
func startProcess(t *testing.T, cmd *exec.Cmd, end os.Signal) string {
	t.Helper()
	output, err := os.CreateTemp(t.TempDir(), "output")
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		stop := context.AfterFunc(ctx, func() {
			if ctx.Err() == context.DeadlineExceeded {
				t.Errorf("%s did not end", cmd.Path)
				_ = cmd.Process.Kill()
			}
		})
		_ = cmd.Process.Signal(end)
		err := cmd.Wait()
		stop()
		if t.Failed() {
			text, _ := os.ReadFile(output.Name())
			t.Logf("%s ended: %v\n%s", cmd.Path, err, text)
		}
	})
	return output.Name()
}

func freeAddress(t *testing.T) string { t.Helper(); return testenv.LoopbackAddress(t) }

func waitFor(t *testing.T, url string) {
	t.Helper()
	var last error
	eventually(t, func() bool {
		status, _, err := get(url)
		if last = err; err == nil && status != http.StatusOK {
			last = fmt.Errorf("status %d", status)
		}
		return last == nil
	}, func() string { return fmt.Sprintf("%s does not answer: %v", url, last) })
}

func eventually(t *testing.T, done func() bool, complaint func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatal(complaint())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func get(url string) (int, string, error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}
