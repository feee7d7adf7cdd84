package compose

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// row finds what a script printed about a node: its name, its address, and numbers.
func row(t *testing.T, out string, n *node) []int {
	t.Helper()
	match := regexp.MustCompile(`(?m)^` + n.name + ` +` + regexp.QuoteMeta(n.addr) +
		`((?: +\d+)+)`).FindStringSubmatch(out)
	if match == nil {
		t.Fatalf("nothing about %s in\n%s", n.name, out)
	}
	var numbers []int
	for _, field := range strings.Fields(match[1]) {
		number, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, number)
	}
	return numbers
}

// What the stress scripts say of each node is what the node itself counted.
func TestStressScriptsAgreeWithClientAndNodes(t *testing.T) {
	t.Parallel()
	s := startStack(t, nil)
	s.startExporter(t)

	out, exit := s.script(t, "stress-test.sh", "--users", "3", "--requests", "12", "--min-success", "0")
	if exit != 0 || !strings.Contains(out, "client and exporter agree") {
		t.Errorf("stress-test.sh: exit %d, want 0 and agreement", exit)
	}
	if !regexp.MustCompile(`answered requests +36 +36 +same`).MatchString(out) {
		t.Error("stress-test.sh does not count 36 requests on both sides")
	}
	var posts int64
	for _, n := range s.nodes {
		numbers := row(t, out, n)
		if attempts, good := int64(numbers[0]), int64(numbers[1]); attempts != n.posts.Load() ||
			good != n.posts.Load() {
			t.Errorf("%s: the script says %d attempts, %d good; the node served %d", n.name, attempts, good,
				n.posts.Load())
		}
		posts += n.posts.Load()
	}
	if posts == 0 {
		t.Error("no POST reached a node")
	}

	// /health is NGINX's own: no node is asked, every user is answered, and the log still has each one.
	for script, args := range map[string][]string{
		"simple-stress-test.sh": {"--users", "5", "--requests", "40"},
		"final-stress-test.sh":  {"--users", "10", "--requests", "20", "--seconds", "30"},
	} {
		out, exit := s.script(t, script, args...)
		if exit != 0 || !regexp.MustCompile(`answered 2xx +200 +200 +same`).MatchString(out) {
			t.Errorf("%s: exit %d, want 0 and 200 answers on both sides", script, exit)
		}
	}

	// Cut off by the time limit: only NGINX counts what was under way, one request for each user at most.
	if out, exit := s.script(t, "final-stress-test.sh", "--users", "5", "--requests", "200000", "--seconds",
		"1"); exit != 0 || !regexp.MustCompile(`allowed difference +5:`).MatchString(out) {
		t.Errorf("final-stress-test.sh, cut off: exit %d, want 0 and at most 5 more requests counted than answered",
			exit)
	}

	// Requests that never pass the load balancer's log are found out.
	elsewhere := http.Server{Addr: freeAddress(t), Handler: http.NotFoundHandler(), ReadHeaderTimeout: patience}
	go elsewhere.ListenAndServe()
	defer elsewhere.Close()
	waitForAny(t, "http://"+elsewhere.Addr)
	s.env["SETTLE_SECONDS"] = "1" // for requests that will not come
	out, exit = s.script(t, "simple-stress-test.sh", "--users", "2", "--requests", "5", "--url",
		"http://"+elsewhere.Addr)
	delete(s.env, "SETTLE_SECONDS")
	if exit != 1 || !strings.Contains(out, "DIFFERENT") {
		t.Errorf("ten requests past the load balancer: exit %d, want 1 and DIFFERENT", exit)
	}
	// So are requests of others, unless they are expected.
	others := func(args ...string) (string, int) {
		stop := make(chan struct{})
		ended := make(chan struct{})
		started := make(chan struct{})
		go func() {
			defer close(ended)
			for first := true; ; first = false {
				if _, _, err := get(s.lb + "/health?other"); err != nil {
					t.Error(err)
				}
				if first {
					close(started)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		}()
		<-started
		defer func() { close(stop); <-ended }()
		return s.script(t, "simple-stress-test.sh", append(args, "--users", "2", "--requests", "500")...)
	}
	if _, exit := others(); exit != 1 {
		t.Errorf("with other clients: exit %d, want 1", exit)
	}
	if _, exit := others("--others"); exit != 0 {
		t.Errorf("with other clients and --others: exit %d, want 0", exit)
	}
}

// Rejections are counted correctly, and are not a success: the limiter lets 21 of 100 through at once, and few later.
func TestStressScriptsJudgeTheService(t *testing.T) {
	t.Parallel()
	s := startStack(t, nil, "rate=10r/s", "rate=1r/m", "max_conns=1", "max_conns=0")
	s.startExporter(t)
	out, exit := s.script(t, "stress-test.sh", "--users", "2", "--requests", "50")
	for _, want := range []string{"counting: client and exporter agree", `served +21 of 100 requests \(21.0 %\)`,
		`p95 of the served +within [\d.]+ s`, `goodput +[\d.]+ served requests/s`, `refused or failed +limited 79`,
		`service: only 21.0 % were served, less than 95 %`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("stress-test.sh does not say %s", want)
		}
	}
	if exit != 1 {
		t.Errorf("79 of 100 requests refused: exit %d, want 1", exit)
	}
	if _, exit := s.script(t, "stress-test.sh", "--users", "1", "--requests", "1", "--min-success",
		"0"); exit != 0 {
		t.Errorf("--min-success 0: exit %d, want 0", exit)
	}
	out, exit = s.script(t, "simple-stress-test.sh", "--users", "2", "--requests", "20")
	if exit != 0 || !regexp.MustCompile(`service: good, 100.0 %`).MatchString(out) ||
		!regexp.MustCompile(`p95 of the served +\d+ ms\n`).MatchString(out) ||
		!regexp.MustCompile(`refused or failed +none`).MatchString(out) {
		t.Errorf("all of 40 requests served: exit %d, want 0 and a good service", exit)
	}
	if _, exit := s.script(t, "simple-stress-test.sh", "--min-success", "101"); exit != 2 {
		t.Errorf("--min-success 101: exit %d, want 2", exit)
	}
}

func waitForAny(t *testing.T, url string) {
	t.Helper()
	eventually(t, func() bool { _, _, err := get(url); return err == nil },
		func() string { return url + " does not answer" })
}

func TestStressScriptsNameWhatIsMissing(t *testing.T) {
	nowhere := "http://" + freeAddress(t)
	for _, script := range []string{"final-stress-test.sh", "simple-stress-test.sh", "stress-test.sh", "monitoring.sh",
		"test-loadbalancer.sh", "test-request-logging.sh"} {
		cmd := exec.Command("scripts/" + script)
		cmd.Env = environ(map[string]string{"EXPORTER_URL": nowhere, "LB_URL": nowhere, "ENV_FILE": "/nonexistent"})
		out, err := cmd.CombinedOutput()
		if exitCode(err) != 3 || !strings.Contains(string(out), "does not answer") {
			t.Errorf("%s without an exporter: exit %d, want 3\n%s", script, exitCode(err), out)
		}
	}
	cmd := exec.Command("scripts/stress-test.sh", "--users", "0")
	if out, err := cmd.CombinedOutput(); exitCode(err) != 2 {
		t.Errorf("--users 0: %v, want exit 2\n%s", err, out)
	}
}

func TestLoadBalancerAndLoggingScripts(t *testing.T) {
	t.Parallel()
	s := startStack(t, nil, "interval: 5s", "interval: 200ms")
	s.startExporter(t)
	before := map[string]int64{}
	for _, n := range s.nodes {
		before[n.name] = n.served.Load()
	}
	out, exit := s.script(t, "test-loadbalancer.sh", "--requests", "9", "--pause", "0.11")
	if exit != 0 || !strings.Contains(out, "9 answered, 0 failed") || !strings.Contains(out, "balanced: every node") {
		t.Errorf("test-loadbalancer.sh: exit %d", exit)
	}
	for _, n := range s.nodes {
		if got := row(t, out, n)[0]; got != 3 {
			t.Errorf("%s: %d of 9 requests, want 3", n.name, got)
		}
	}

	out, exit = s.script(t, "test-request-logging.sh", "--log", filepath.Join(s.dir, "access.log"))
	if exit != 0 || !regexp.MustCompile(`requests +6 +6 +same`).MatchString(out) ||
		!regexp.MustCompile(`lines in access.log +6 +6 +same`).MatchString(out) {
		t.Errorf("test-request-logging.sh: exit %d, want 0 and 6 requests everywhere", exit)
	}
	// A log that is written elsewhere is noticed.
	if out, exit := s.script(t, "test-request-logging.sh", "--log", filepath.Join(s.dir, "error.log")); exit != 1 ||
		!strings.Contains(out, "DIFFERENT") {
		t.Errorf("with the wrong log: exit %d, want 1", exit)
	}

	out, exit = s.script(t, "monitoring.sh", "--once", "--interval", "1")
	if exit != 0 {
		t.Errorf("monitoring.sh: exit %d", exit)
	}
	for _, n := range s.nodes {
		if !regexp.MustCompile(n.name + ` +` + regexp.QuoteMeta(n.addr) + ` +up .* \d+\.\d\d/1\n`).MatchString(out) {
			t.Errorf("monitoring.sh does not show %s as up with one slot", n.name)
		}
	}

	// A node that fails every request is named; the client's view alone would not show which one it was.
	s.nodes[1].server.Close()
	eventually(t, func() bool {
		_, text, err := get(s.exporter + "/metrics")
		return err == nil && regexp.MustCompile(`(?m)^probe_success\{.*`+regexp.QuoteMeta(s.nodes[1].addr)+
			`.* 0$`).MatchString(text)
	}, func() string { return "the exporter does not see that slave-1 is down" })
	if out, exit := s.script(t, "test-loadbalancer.sh", "--requests", "6", "--pause", "0.11"); exit != 0 {
		t.Errorf("one node down, the others serve: exit %d, want 0\n%s", exit, out)
	}
}

// What access_log off keeps from the log is named at once, not after 15 s of waiting for it.
func TestLoggingScriptWithPathsThatAreNotLogged(t *testing.T) {
	t.Parallel()
	s := startStack(t, nil, "location /health {", "location /health { access_log off;")
	s.startExporter(t)
	start := time.Now()
	out, exit := s.script(t, "test-request-logging.sh")
	if exit != 1 || !strings.Contains(out, "2 of 6 requests are not in the log") ||
		!strings.Contains(out, "access_log off for /health or /v1/healthcheck? --path") {
		t.Errorf("with access_log off for /health: exit %d, want 1 and what is off", exit)
	}
	s.env["SETTLE_SECONDS"] = "3600" // never over: only the log's order can end the wait
	if _, exit := s.script(t, "test-request-logging.sh"); exit != 1 {
		t.Errorf("again, with an hour to wait: exit %d, want 1 at once", exit)
	}
	if took := time.Since(start); took > patience {
		t.Errorf("both took %s", took)
	}
	delete(s.env, "SETTLE_SECONDS")
	if _, exit := s.script(t, "test-request-logging.sh", "--path", "/v1/healthcheck"); exit != 0 {
		t.Errorf("with --path of what is logged: exit %d, want 0", exit)
	}
}

// Nodes that hang are named, and are not a load balancer that does not answer.
func TestLoadBalancerScriptWithNodesThatHang(t *testing.T) {
	t.Parallel()
	s := startStack(t, nil)
	s.startExporter(t)
	s.env["GET_TIMEOUT"] = "4" // those that do not hang need less, on a busy machine, too
	names := func(n *node) string { return n.name + " (" + n.addr + ")" }
	hangs := func(want string) {
		t.Helper()
		out, exit := s.script(t, "test-loadbalancer.sh", "--requests", "3", "--pause", "0.11")
		if exit != 1 || strings.Contains(out, "load balancer at") || !strings.Contains(out, want+"\n") {
			t.Errorf("with nodes that hang: exit %d, want 1 and %s", exit, want)
		}
	}
	s.nodes[1].hangs.Store(true)
	hangs("1 of 3 requests had no answer within 4 s: NGINX takes them, but these nodes hang: " + names(s.nodes[1]))
	s.nodes[0].hangs.Store(true)
	s.nodes[2].hangs.Store(true)
	hangs("3 of 3 requests had no answer within 4 s: NGINX takes them, but these nodes hang: " + names(s.nodes[0]) +
		" " + names(s.nodes[1]) + " " + names(s.nodes[2]))
}

// A script's --help says what its exit codes mean.
func TestHelpNamesExitCodes(t *testing.T) {
	scripts, err := filepath.Glob("scripts/*.sh")
	if err != nil || len(scripts) < 10 {
		t.Fatalf("%v: %v", scripts, err)
	}
	for _, script := range scripts {
		if script == "scripts/lib.sh" { // is only sourced
			continue
		}
		help := run(t, nil, script, "--help")
		_, codes, found := strings.Cut(help, "Exit codes")
		if !found {
			t.Errorf("%s --help names no exit codes:\n%s", script, help)
		}
		for code := range exitCodes(t, script) {
			if !regexp.MustCompile(`(?m)(^|[\s(])` + code + `\b`).MatchString(codes) {
				t.Errorf("%s ends with %s, and --help does not say what that means:\n%s", script, code, help)
			}
		}
		for _, line := range strings.Split(help, "\n") {
			if len([]rune(line)) > 90 {
				t.Errorf("%s --help has a line of %d characters: %s", script, len([]rune(line)), line)
			}
		}
	}
}

// exitCodes are those that a script names where it ends, or that the shared part gives it.
func exitCodes(t *testing.T, script string) map[string]bool {
	t.Helper()
	text, codes := read(t, script), map[string]bool{"0": true}
	misuse := "2"
	if strings.Contains(text, "\nmisuse=64\n") {
		misuse = "64"
	}
	codes[misuse] = true // wrong_use and need
	for _, match := range regexp.MustCompile(`\b(?:exit|die|return|lacks) (\d+)`).FindAllStringSubmatch(text, -1) {
		codes[match[1]] = true
	}
	if strings.Contains(text, "verdict_code") {
		codes["1"], codes["2"], codes["3"] = true, true, true
	}
	if strings.Contains(text, "\nstress ") {
		codes["1"], codes["3"] = true, true
	}
	return codes
}

// The exporter's own check finds nothing wrong with this stack: formats, logs, status page and nodes fit together.
func TestCheckFindsTheStackGood(t *testing.T) {
	t.Parallel()
	s := startStack(t, nil)
	s.place(t, "probes.yml", "probes.yml")
	if status, _, err := get(s.lb + "/v1/healthcheck"); err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
	// As JSON it names all that is well, however long the folder's name is.
	out := run(t, nil, binary(t), "check", "--config", filepath.Join(s.dir, "probes.yml"), "--storage.path",
		filepath.Join(s.dir, "data"), "--web.listen-address", freeAddress(t), "--output", "json")
	if !strings.Contains(out, `"ok": true`) || !strings.Contains(out, s.nodes[2].addr) {
		t.Errorf("check says\n%s", out)
	}
}

// TestHealthCheckShowsTheVerdict goes through fine, degraded, down and no answer, as the exporter says it.
// monitoring.sh says the same.
func TestHealthCheckShowsTheVerdict(t *testing.T) {
	t.Parallel()
	s := startStack(t, nil, "interval: 5s", "interval: 200ms")
	s.startExporter(t)
	verdict := func(word string, code int, part string, args ...string) {
		t.Helper()
		var out string
		var exit int
		eventually(t, func() bool {
			out, exit = s.script(t, "health-check.sh", args...)
			return exit == code && strings.Contains(out, part)
		}, func() string {
			return fmt.Sprintf("health-check.sh: exit %d, want %d and %s\n%s", exit, code, part, out)
		})
		if !strings.HasPrefix(out, word) || len(args) == 0 && strings.Count(out, "\n") != 1 {
			t.Errorf("the verdict is %q, want one line of %s", out, word)
		}
	}
	monitoring := func(code int, parts ...string) {
		t.Helper()
		out, exit := s.script(t, "monitoring.sh", "--once", "--interval", "1")
		for _, part := range parts {
			if !strings.Contains(strings.Join(strings.Fields(out), " "), part) || exit != code {
				t.Errorf("monitoring.sh --once: exit %d, want %d and %s", exit, code, part)
			}
		}
	}
	verdict("fine since ", 0, "3 of 3 nodes are up")
	monitoring(0, "fine since ", "3 of 3 nodes are up")
	if out, exit := s.script(t, "health-check.sh", "--quiet"); exit != 0 || out != "" {
		t.Errorf("--quiet: exit %d, %q", exit, out)
	}
	s.nodes[2].server.Close()
	verdict("degraded since ", 1, "slave-2 is down")
	verdict("degraded since ", 1, "\n  node_down (warning), since ", "--verbose")
	monitoring(1, "degraded since ", "node_down (warning), since ")
	s.nodes[0].server.Close()
	s.nodes[1].server.Close()
	verdict("down since ", 2, "is down")
	monitoring(2, "down since ", "node_down (")
	s.env["EXPORTER_URL"] = "http://" + freeAddress(t)
	verdict("unknown: ", 3, "does not answer")
	monitoring(3, "does not answer")
}

// TestUnknownWithoutAVerdict: another program at the exporter's address and a machine without a place for temporary
// files are exit 3, not 1, which would be a verdict.
func TestUnknownWithoutAVerdict(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "hello")
	}))
	t.Cleanup(other.Close)
	missing := filepath.Join(t.TempDir(), "missing")
	for _, test := range []struct{ name, tmp, want string }{
		{"another program", t.TempDir(), "has no verdict"},
		{"no temporary files", missing, missing},
	} {
		s := &stack{env: map[string]string{"EXPORTER_URL": other.URL, "ENV_FILE": "/nonexistent", "TMPDIR": test.tmp}}
		for _, script := range [][]string{{"health-check.sh"}, {"monitoring.sh", "--once", "--interval", "1"}} {
			if out, exit := s.script(t, script[0], script[1:]...); exit != 3 || !strings.Contains(out, test.want) {
				t.Errorf("%s, %v: exit %d, want 3 and %q", test.name, script, exit, test.want)
			}
		}
	}
}

// TestUnknownIsAnExitCode: an exporter that has seen nothing yet has no opinion.
func TestUnknownIsAnExitCode(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), freeAddress(t)
	write(t, filepath.Join(dir, "probes.yml"), "nginx: {status: []}\nprobes: []\n")
	startProcess(t, exec.Command(binary(t), "--config", filepath.Join(dir, "probes.yml"), "--storage.path", "",
		"--web.listen-address", addr), syscall.SIGTERM)
	waitFor(t, "http://"+addr+"/-/ready")
	s := &stack{dir: dir, env: map[string]string{"EXPORTER_URL": "http://" + addr, "ENV_FILE": "/nonexistent"}}
	for _, script := range [][]string{{"health-check.sh"}, {"monitoring.sh", "--once", "--interval", "1"}} {
		if out, exit := s.script(t, script[0], script[1:]...); exit != 3 || !strings.Contains(out, "unknown since ") {
			t.Errorf("%v: exit %d, want 3 and the verdict", script, exit)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
