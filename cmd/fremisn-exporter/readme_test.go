package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fenced is the fenced block of a language that begins with a text.
func fenced(t *testing.T, language, begin string) string {
	t.Helper()
	return fencedIn(t, "README.md", language, begin)
}

// fencedIn is fenced for another document of the repository.
func fencedIn(t *testing.T, document, language, begin string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", document))
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), "```"+language+"\n"+begin)
	if !found {
		t.Fatalf("%s has no %s that begins with %q", document, language, begin)
	}
	block, _, _ = strings.Cut(block, "\n```")
	return begin + block + "\n"
}

// TestReadmeConfig: what the README shows as a config is one.
func TestReadmeConfig(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	text := "events {}\nhttp {\n" + fenced(t, "nginx", "log_format fremisn ") + "}\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer("/etc/nginx/nginx.conf", conf, "/etc/fremisn/token",
		token).Replace(fenced(t, "yaml", "nginx:\n  config:"))
	file := filepath.Join(dir, "probes.yml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := settings.Load(context.Background(), settings.Source{ConfigFile: file})
	if err != nil {
		t.Fatal(err)
	}
	for _, log := range l.Observed.AccessLogs {
		if !strings.Contains(log.Formats[0].Text, "$upstream_bytes_received") {
			t.Errorf("log %s has the format %s", log.Name, log.Formats[0].Text)
		}
	}
	if len(l.Observed.AccessLogs) != 2 || len(l.Observed.ErrorLogs) != 1 || len(l.Probe.Probes) != 2 ||
		len(l.Nodes) != 3 {
		t.Errorf("%d access logs, %d error logs, %d probes, %d nodes", len(l.Observed.AccessLogs),
			len(l.Observed.ErrorLogs),
			len(l.Probe.Probes), len(l.Nodes))
	}
}

// TestReadmeFormat: NGINX takes what the README adds to nginx.conf, and check misses nothing then: every metric of an
// access log, the status page, and which servers are taken out, though the error log of the main block has another
// level.
func TestReadmeFormat(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	added := strings.NewReplacer("/var/log/nginx/", dir+"/", "127.0.0.1:8080", freeAddress(t)).Replace(
		fenced(t, "nginx", "log_format fremisn "))
	text := "pid " + dir + "/pid;\nerror_log " + dir + "/error.log;\nevents {}\nhttp {\n" + added +
		"access_log " + dir + "/access.log fremisn;\nupstream app { server 127.0.0.1:1; server 127.0.0.1:2; }\n" +
		"server { listen " + freeAddress(t) + "; location / { proxy_pass http://app; } }\n}\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx"
	}
	if output, err := exec.Command(nginx, "-t", "-c", conf).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	p := startProgram(t, "nginx:\n  config: "+conf+"\n  status: []\nprobes: []\n")
	p.get(t, "/metrics")
	if strings.Contains(p.stderr.String(), "lacks a variable") {
		t.Errorf("the README's log_format does not give all:\n%s", p.stderr)
	}
	var report, stderr bytes.Buffer
	run(t.Context(), []string{"check", "--nginx.config", conf, "--storage.path", ""}, &report, &stderr)
	if !strings.Contains(report.String(), "nothing listens there") { // NGINX does not run, and its page is known
		t.Errorf("check does not find the README's status page:\n%s%s", &report, &stderr)
	}
	for _, missing := range []string{" hides ", "named in line", "use log_format"} {
		if strings.Contains(report.String(), missing) {
			t.Errorf("check still says %q:\n%s", missing, &report)
		}
	}
}

// TestReadmeFlags: the README names every flag, and none that is not there.
func TestReadmeFlags(t *testing.T) {
	var help, stderr bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &help, &stderr); code != exitOK {
		t.Fatal(code, stderr.String())
	}
	flag := regexp.MustCompile(`--(?:\[no-\])?([a-z]+(?:[.-][a-z]+)*)`)
	const own = "--help --help-long --help-man --version --output" // described elsewhere, or self-explanatory
	names := func(text string) map[string]bool {
		found := map[string]bool{}
		for _, match := range flag.FindAllStringSubmatch(text, -1) {
			found[match[1]] = true
		}
		return found
	}
	told := names(readme(t))
	for name := range names(help.String()) {
		if !told[name] && !strings.Contains(own, "--"+name) {
			t.Errorf("the README does not name --%s", name)
		}
	}
	_, table, _ := strings.Cut(readme(t), "| flag | default | meaning |")
	table, _, _ = strings.Cut(table, "\n\n")
	for name := range names(table) {
		if !names(help.String())[name] {
			t.Errorf("the README names --%s, which does not exist", name)
		}
	}
}

// TestReadmePrometheus: promtool takes what the README shows for Prometheus.
func TestReadmePrometheus(t *testing.T) {
	dir := t.TempDir()
	for name, block := range map[string]string{
		"scrape.yml": fenced(t, "yaml", "# prometheus.yml\n"),
		"write.yml":  fencedIn(t, "compose/README.md", "yaml", "global:\n  external_labels"),
	} {
		path := filepath.Join(dir, name)
		text := strings.Replace(block, "/etc/prometheus/", dir+"/", 1)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "remote-write-password"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if output, err := exec.Command("promtool", "check", "config", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, output)
		}
	}
}

// TestReadmeQueries: Prometheus takes the queries that the documents begin with.
func TestReadmeQueries(t *testing.T) {
	rules := "groups:\n- name: readme\n  rules:\n"
	queries := 0
	block := strings.ReplaceAll(fencedIn(t, "compose/README.md", "promql", "# p95 of each node"), "\n  ", " ")
	for line := range strings.Lines(block) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			queries++
			rules += fmt.Sprintf("  - record: readme:query:%d\n    expr: |\n      %s\n", queries, line)
		}
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules), 0o644); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command("promtool", "check", "rules", file).CombinedOutput(); err != nil || queries < 3 {
		t.Errorf("%d queries: %v\n%s", queries, err, output)
	}
}

// TestDependenciesHaveReasons: CONTRIBUTING has a reason for every direct dependency, and names no other.
func TestDependenciesHaveReasons(t *testing.T) {
	root := filepath.Join("..", "..")
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	direct := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(read("go.mod"), -1) {
		direct[match[1]] = true
	}
	reasons := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^\| (\S+/\S+) \| \S+`).FindAllStringSubmatch(read("CONTRIBUTING.md"),
		-1) {
		reasons[match[1]] = true
	}
	for module := range direct {
		if !reasons[module] {
			t.Errorf("%s has no reason", module)
		}
	}
	for module := range reasons {
		if !direct[module] {
			t.Errorf("%s is not a direct dependency", module)
		}
	}
	if len(direct) < 10 {
		t.Errorf("only %d direct dependencies were found", len(direct))
	}
}

// TestReadmeFitsANewcomer: longer parts are under their own headings elsewhere.
func TestReadmeFitsANewcomer(t *testing.T) {
	if lines := strings.Count(readme(t), "\n"); lines > 300 {
		t.Errorf("the README has %d lines, more than 300", lines)
	}
}

// TestLanguagesInStep: the README in Indonesian has the sections, commands, alerts and metrics of the English one, and
// every runbook is there in both languages, with the same queries and commands.
func TestLanguagesInStep(t *testing.T) {
	root := filepath.Join("..", "..")
	inStep(t, filepath.Join(root, "README.md"), filepath.Join(root, "README.id.md"))
	runbooks, err := filepath.Glob(filepath.Join(root, "alerts", "runbooks", "*.md"))
	if err != nil || len(runbooks) < 30 {
		t.Fatalf("%d runbooks, %v", len(runbooks), err)
	}
	for _, runbook := range runbooks {
		inStep(t, runbook, filepath.Join(filepath.Dir(runbook), "id", filepath.Base(runbook)))
	}
}

var (
	headings   = regexp.MustCompile(`(?m)^#+ `)
	codeBlocks = regexp.MustCompile("(?ms)^```.*?^```$")
	alertNames = regexp.MustCompile(`\bFremisn[A-Z]\w+`)
)

// inStep compares two documents: how many headings of each level, the code blocks byte for byte, the alerts named.
func inStep(t *testing.T, english, indonesian string) {
	t.Helper()
	a, err := os.ReadFile(english)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(indonesian)
	if err != nil {
		t.Error(err)
		return
	}
	for what, find := range map[string]*regexp.Regexp{"headings": headings, "code blocks": codeBlocks,
		"alerts": alertNames} {
		in, on := find.FindAllString(string(a), -1), find.FindAllString(string(b), -1)
		if what == "alerts" {
			slices.Sort(in)
			slices.Sort(on)
		}
		if diff := cmp.Diff(in, on); diff != "" {
			t.Errorf("%s of %s and %s differ:\n%s", what, english, indonesian, diff)
		}
	}
	if string(a) == string(b) {
		t.Errorf("%s is %s, not translated", indonesian, english)
	}
}
