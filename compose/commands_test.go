package compose

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A runner runs the commands of a document's console block as a reader would, with other addresses and folders. Where
// script is set, it is that script that runs it, on a Debian with systemd or under Docker, and not this test.
type runner struct {
	run    func(t *testing.T, commands string)
	script string
}

const (
	newcomer = "package/test-newcomer.sh" // make test-newcomer
	docker   = "test-compose.sh"          // make test-compose
)

// runners name who runs each block, by its document and first command.
func runners() map[string]runner {
	const readme, stack = "README.md: ", "compose/README.md: "
	return map[string]runner{
		readme + "sudo apt install ./dist/fremisn-exporter_*_amd64.deb":                         {script: newcomer},
		readme + "git clone https://github.com/fremisn/fremisn-exporter && cd fremisn-exporter": {run: fromSource},
		readme + "make demo": {run: demo},
		readme + "sudo ./fremisn-exporter check     # changes nothing; says what works, what is missing and what " +
			"to do": {run: firstRun},
		stack + "compose/scripts/setup.sh --generate-password   # shows Grafana's password":   {script: docker},
		stack + "mkdir -p /tmp/try/{prometheus,grafana,exporter}":                             {run: tryRestore},
		stack + "git clone https://github.com/fremisn/fremisn-exporter /opt/fremisn-exporter": {script: docker},
		stack + "sudo apt install ./dist/fremisn-exporter_*_amd64.deb":                        {script: newcomer},
		stack + "fremisn-exporter backfill -o past --label job=fremisn-exporter --label " +
			"instance=lb:9113": {run: backfill},
	}
}

// TestEveryCommandBlock: every command block that a reader may copy has been run by a test.
func TestEveryCommandBlock(t *testing.T) {
	all, done := runners(), map[string]bool{} // README.id.md has the blocks of README.md
	for _, document := range []string{"README.md", "README.id.md", "compose/README.md"} {
		for _, commands := range commandBlocks(t, document) {
			first, _, _ := strings.Cut(commands, "\n")
			if got := run(t, nil, "../.ci/block", "../"+document, first); got != commands {
				t.Errorf("%s: .ci/block finds\n%swant\n%s", document, got, commands)
			}
			if done[commands] {
				continue
			}
			done[commands] = true
			name := document + ": " + first
			runner, ok := all[name]
			delete(all, name)
			switch {
			case !ok:
				t.Errorf("nothing runs the block %s", name)
			case runner.script != "":
				scriptRuns(t, runner.script, document, first)
			default:
				t.Run(first, func(t *testing.T) { t.Parallel(); runner.run(t, commands) })
			}
		}
	}
	for name := range all {
		t.Errorf("the documents have no block %s", name)
	}
}

// commandBlocks returns the commands of every block of a document that a shell would run, without the prompts.
func commandBlocks(t *testing.T, document string) []string {
	t.Helper()
	var all []string
	for _, block := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(read(t,
		"../"+document),
		-1) {
		switch language, text := block[1], block[2]; {
		case language == "console":
			all = append(all, strings.ReplaceAll(strings.TrimPrefix(text, "$ "), "\n$ ", "\n"))
		case language != "" && language != "yaml" && language != "nginx" && language != "promql",
			strings.HasPrefix(text, "$ "), strings.Contains(text, "\n$ "):
			t.Errorf("%s: a block of commands is a console block:\n%s", document, block[0])
		}
	}
	if len(all) < 4 {
		t.Errorf("only %d command blocks in %s", len(all), document)
	}
	return all
}

// scriptRuns fails the test unless a script gets a block from .ci/block, which prints it unchanged or fails.
func scriptRuns(t *testing.T, script, document, first string) {
	t.Helper()
	call := `block ` + document + ` '` + strings.ReplaceAll(first, "'", `'\''`) + `'`
	if !strings.Contains(read(t, script), call) {
		t.Errorf("%s: %s does not run the block; want in it: %s", document, script, call)
	}
}

// shell runs commands in a folder, as a reader's shell does, and fails the test unless the last one succeeds.
func shell(t *testing.T, dir string, env map[string]string, commands string) string {
	t.Helper()
	cmd := exec.Command("bash", "-c", "set -euo pipefail\n"+commands)
	cmd.Dir, cmd.Env = dir, environ(env)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", commands, err, out)
	}
	return string(out)
}

// clone is a clone of this checkout by the documents' own URL, and a replacement for the network.
func clone(t *testing.T, commands string) (checkout string, env map[string]string) {
	t.Helper()
	dir, root := t.TempDir(), repository(t)
	config := filepath.Join(dir, "gitconfig")
	write(t, config, "[url \"file://"+root+"\"]\n\tinsteadOf = https://github.com/fremisn/fremisn-exporter\n"+
		"[safe]\n\tdirectory = *\n")
	env = map[string]string{"GIT_CONFIG_GLOBAL": config}
	shell(t, dir, env, commands)
	return filepath.Join(dir, "fremisn-exporter"), env
}

func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// fromSource: the clone builds, and knows its version.
func fromSource(t *testing.T, commands string) {
	checkout, env := clone(t, commands)
	want := strings.TrimSpace(shell(t, checkout, env, "compose/package/version.sh"))
	if got := shell(t, checkout, env, "./fremisn-exporter --version"); !strings.Contains(got, "version "+want+" ") {
		t.Errorf("it says %s, want %s", got, want)
	}
}

// demo: it prints what to open and a line for each node, and changes nothing in the checkout.
func demo(t *testing.T, commands string) {
	checkout, env := clone(t, "git clone -q https://github.com/fremisn/fremisn-exporter")
	env["DEMO_SECONDS"] = "10"
	out := shell(t, checkout, env, commands)
	for _, want := range []string{`(?m)^Open$`, `http://127\.0\.0\.1:\d+/metrics`,
		`(?m)^ +slave-2 +127\.0\.0\.17:\d+ +\d+`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("the demo does not print %s:\n%s", want, out)
		}
	}
	if changed := shell(t, checkout, env, "git status --short"); changed != "" {
		t.Errorf("the demo has changed %s", changed)
	}
}

// firstRun: check finds all of NGINX, and the metrics are those of the requests.
func firstRun(t *testing.T, commands string) {
	s := startStack(t, nil)
	addr, dir := freeAddress(t), t.TempDir()
	program := "'" + binary(t) + "' --nginx.config '" + filepath.Join(s.dir, "nginx.conf") + "' --storage.path '" +
		filepath.Join(dir, "data") + "' --web.listen-address " + addr
	lines := strings.Split(strings.NewReplacer("sudo ./fremisn-exporter", program, "localhost:9113", addr).
		Replace(commands), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	if report := shell(t, dir, nil, lines[0]); !strings.Contains(report, "All works: 0 errors") {
		t.Errorf("check says\n%s", report)
	}
	serves := exec.Command("bash", "-c", "exec "+lines[1])
	serves.Dir = dir
	startProcess(t, serves, syscall.SIGINT)
	waitFor(t, "http://"+addr+"/-/ready")
	if status, _, err := get(s.lb + "/v1/healthcheck"); err != nil || status != 200 {
		t.Fatal(status, err)
	}
	metrics := shell(t, dir, nil, lines[2])
	if !regexp.MustCompile(`nginx_access_outcomes_total\{.*outcome="ok".*\} [1-9]`).MatchString(metrics) {
		t.Errorf("the first run shows\n%s", metrics)
	}
}

// tryRestore restores a backup into folders of its own.
func tryRestore(t *testing.T, commands string) {
	s := newSite(t)
	t.Run("made", func(t *testing.T) {
		s.startPrometheus(t, true)
		s.must(t)
	})
	dir := t.TempDir()
	shell(t, repository(t), map[string]string{"ENV_FILE": "/nonexistent"},
		strings.NewReplacer("/tmp/try", dir+"/try", " FILE ", " '"+s.archives(t)[0]+"' ").Replace(commands))
	for _, file := range []string{"grafana/grafana.db", "exporter/state"} {
		if _, err := os.Stat(filepath.Join(dir, "try", file)); err != nil {
			t.Error(err)
		}
	}
	if blocks, err := filepath.Glob(filepath.Join(dir, "try/prometheus/*/meta.json")); err != nil || len(blocks) == 0 {
		t.Errorf("blocks of Prometheus: %q, %v", blocks, err)
	}
}

// backfill: old logs get into Prometheus. (TestBackfilledOverview of the exporter: what the dashboards make of it.)
func backfill(t *testing.T, commands string) {
	dir, addr := t.TempDir(), freeAddress(t)
	tsdb := filepath.Join(dir, "tsdb")
	conf := oldLog(t, dir, time.Now().Add(-5*time.Hour).Truncate(time.Minute), 600)
	if err := os.Symlink(filepath.Join(repository(t), "alerts"), filepath.Join(dir, "alerts")); err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("fremisn-exporter backfill", "'"+binary(t)+"' backfill --nginx.config "+conf,
		"/var/lib/prometheus", tsdb, "create-blocks-from rules", "create-blocks-from rules --url http://"+addr,
		"sleep ", ": ")
	lines := strings.SplitN(here.Replace(commands), "\n", 3)
	times := regexp.MustCompile(`--start \S+ --end \S+`)
	span := times.FindString(shell(t, dir, nil, lines[0]))
	if span == "" {
		t.Fatal("backfill does not print the times of the log")
	}
	shell(t, dir, nil, lines[1])
	config := filepath.Join(dir, "prometheus.yml")
	write(t, config, "")
	startProcess(t, exec.Command("prometheus", "--config.file="+config, "--storage.tsdb.path="+tsdb,
		"--web.listen-address="+addr), syscall.SIGTERM)
	waitFor(t, "http://"+addr+"/-/ready")
	shell(t, dir, nil, times.ReplaceAllLiteralString(lines[2], span))
	dump := run(t, nil, "promtool", "tsdb", "dump",
		`--match=nginx_access_requests_total{job="fremisn-exporter",instance="lb:9113"}`, tsdb)
	if strings.Count(dump, "\n") < 30 {
		t.Errorf("in Prometheus are %q", dump)
	}
}

// oldLog writes an nginx.conf with a log of so many requests, one a second, and returns its path.
func oldLog(t *testing.T, dir string, begin time.Time, requests int) string {
	t.Helper()
	var log strings.Builder
	for i := range requests {
		fmt.Fprintf(&log, "%d.000 \"GET /v1/face/match HTTP/1.1\" 200 rt=0.100 ua=127.0.0.1:3000 us=200 urt=0.100\n",
			begin.Unix()+int64(i))
	}
	write(t, filepath.Join(dir, "access.log"), log.String())
	conf := filepath.Join(dir, "nginx.conf")
	write(t, conf, `events {}
http {
  log_format old '$msec "$request" $status rt=$request_time ua=$upstream_addr us=$upstream_status '
                 'urt=$upstream_response_time';
  access_log `+dir+`/access.log old;
  upstream app { server 127.0.0.1:3000; }
  server { listen 8081; location / { proxy_pass http://app; } }
}
`)
	return conf
}
