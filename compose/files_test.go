package compose

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// run fails the test unless a command succeeds, and returns what it printed.
func run(t *testing.T, env map[string]string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = environ(env)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The rules of hadolint that matter here, and what the README promises of the image.
func TestDockerfile(t *testing.T) {
	text := read(t, "Dockerfile")
	instructions := dockerfile(text)
	var froms, users, healthchecks, entrypoints []string
	for _, instruction := range instructions {
		word, rest, _ := strings.Cut(instruction, " ")
		switch word {
		case "FROM":
			froms = append(froms, rest)
		case "USER":
			users = append(users, rest)
		case "HEALTHCHECK":
			healthchecks = append(healthchecks, rest)
		case "ENTRYPOINT", "CMD":
			entrypoints = append(entrypoints, rest)
			if !strings.HasPrefix(rest, "[") {
				t.Errorf("%s is in shell form, but the image has no shell (DL3025)", instruction)
			}
		case "ADD":
			t.Errorf("%s: COPY does what is meant (DL3020)", instruction)
		case "WORKDIR":
			if !strings.HasPrefix(rest, "/") {
				t.Errorf("%s: not absolute (DL3000)", instruction)
			}
		case "RUN":
			if strings.Contains(rest, "sudo") || strings.Contains(rest, "cd /") {
				t.Errorf("%s: sudo or cd (DL3004, DL3003)", instruction)
			}
		case "ARG", "ENV":
			if regexp.MustCompile(`(?i)password|secret|token`).MatchString(rest) {
				t.Errorf("%s: a secret would stay in the image", instruction)
			}
		case "COPY", "LABEL", "EXPOSE", "VOLUME":
		default:
			t.Errorf("unexpected instruction %s", instruction)
		}
	}
	if len(froms) != 2 || froms[1] != "scratch" {
		t.Fatalf("stages %v, want a builder and scratch", froms)
	}
	// Without BuildKit nothing says which machine builds; "linux" is then that of the daemon.
	builder, here := strings.CutPrefix(froms[0], "--platform=${BUILDPLATFORM:-linux} ")
	if !here || !regexp.MustCompile(`^golang:\d+\.\d+\.\d+ AS build$`).MatchString(builder) {
		t.Errorf("the builder %q is not pinned (DL3006, DL3007), or is emulated", froms[0])
	}
	module := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))
	if !strings.HasPrefix(builder, "golang:"+module[1]+".") {
		t.Errorf("go.mod wants go %s, the builder is %s", module[1], froms[0])
	}
	if len(users) != 1 || users[0] != "65534:65534" {
		t.Errorf("users %v, want a number other than 0 (DL3002; a name needs a passwd file)", users)
	}
	if len(healthchecks) != 1 || !strings.HasSuffix(healthchecks[0], `CMD ["/fremisn-exporter", "healthcheck"]`) {
		t.Errorf("health checks %v, want one, by the binary itself", healthchecks)
	}
	if len(entrypoints) != 2 {
		t.Errorf("entry points %v, want ENTRYPOINT and CMD once each (DL4003, DL4004)", entrypoints)
	}
}

// dockerfile returns the instructions with their continuation lines joined and comments gone.
func dockerfile(text string) []string {
	var instructions []string
	var open string
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		open += strings.TrimSuffix(line, "\\")
		if !strings.HasSuffix(line, "\\") {
			instructions = append(instructions, open)
			open = ""
		}
	}
	return instructions
}

// make help lists every target.
func TestMakeHelp(t *testing.T) {
	help := run(t, nil, "make", "-C", "..", "--no-print-directory", "help")
	targets := regexp.MustCompile(`(?m)^\.PHONY: (\S+)$`).FindAllStringSubmatch(read(t, "../Makefile"), -1)
	if len(targets) < 10 {
		t.Errorf("only %d targets", len(targets))
	}
	for _, target := range targets {
		if !regexp.MustCompile(`(?m)^  ` + target[1] + ` +\S`).MatchString(help) {
			t.Errorf("make help does not list %s:\n%s", target[1], help)
		}
	}
}

// Without Go, or with Debian 12's, make says what is needed.
func TestMakeWithoutGo(t *testing.T) {
	t.Parallel()
	without := pathWithout(t, func(name string) bool { return name == "go" })
	old := t.TempDir()
	write(t, filepath.Join(old, "go"), "#!/bin/sh\n"+
		"echo \"go: errors parsing go.mod: invalid go version '1.26.0'\" >&2\nexit 1\n")
	if err := os.Chmod(filepath.Join(old, "go"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, complaint := range map[string]string{without: "go: ", old + ":" + without: "errors parsing go.mod"} {
		for _, target := range []string{"build", "release"} {
			cmd := exec.Command("make", "-C", "..", target)
			cmd.Env = environ(map[string]string{"PATH": path})
			out, err := cmd.CombinedOutput()
			for _, want := range []string{complaint, "This needs Go 1.", "see README"} {
				if err == nil || !strings.Contains(string(out), want) {
					t.Errorf("make %s: %v, and does not say %s:\n%s", target, err, want, out)
				}
			}
		}
	}
}

func TestPrometheusConfig(t *testing.T) {
	for _, file := range []string{"prometheus.yml", "remote-write.example.yml", "federation.example.yml"} {
		run(t, nil, "promtool", "check", "config", filepath.Join("prometheus", file))
	}
	var config struct {
		Global struct {
			Interval string `yaml:"scrape_interval"`
		}
		RuleFiles []string `yaml:"rule_files"`
		Scrape    []struct {
			Job    string `yaml:"job_name"`
			Static []struct {
				Targets []string
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "prometheus/prometheus.yml")), &config); err != nil {
		t.Fatal(err)
	}
	if config.Global.Interval != "15s" {
		t.Errorf("scrape_interval is %s, want 15s", config.Global.Interval)
	}
	if config.Scrape[0].Job != "fremisn-exporter" || !slices.Equal(config.Scrape[0].Static[0].Targets,
		[]string{"fremisn-exporter:9113"}) {
		t.Errorf("the first job is %+v, want fremisn-exporter at fremisn-exporter:9113", config.Scrape[0])
	}
	// The rules lie where the config looks for them, seen from here and from the container.
	rules, err := filepath.Glob(filepath.Join("prometheus", config.RuleFiles[0]))
	if err != nil || len(rules) == 0 {
		t.Errorf("%s finds no rule file (%v)", config.RuleFiles[0], err)
	}
	prometheus := load(t, needed["docker-compose.yml"], "docker-compose.yml").Services["prometheus"]
	var dir string
	for _, arg := range prometheus.Command {
		if file, ok := strings.CutPrefix(arg, "--config.file="); ok {
			dir = filepath.Dir(file)
		}
	}
	targets := map[string]bool{}
	for _, volume := range prometheus.Volumes {
		targets[volume.Target] = true
	}
	if !targets[dir] || !targets[filepath.Dir(filepath.Join(dir, config.RuleFiles[0]))] {
		t.Errorf("the config in %s and its rules %s are not both among the mounts %v", dir, config.RuleFiles[0],
			targets)
	}
}

func TestGrafanaIsProvisioned(t *testing.T) {
	var sources struct {
		Datasources []struct {
			Type, URL string
			IsDefault bool           `yaml:"isDefault"`
			JSONData  map[string]any `yaml:"jsonData"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "grafana/provisioning/datasources/prometheus.yml")), &sources); err != nil {
		t.Fatal(err)
	}
	source := sources.Datasources[0]
	if source.Type != "prometheus" || source.URL != "http://prometheus:9090" || !source.IsDefault ||
		source.JSONData["timeInterval"] != "15s" {
		t.Errorf("data source %+v: want prometheus, default, with timeInterval 15s", source)
	}
	var dashboards struct {
		Providers []struct {
			Options struct{ Path string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "grafana/provisioning/dashboards/fremisn.yml")), &dashboards); err != nil {
		t.Fatal(err)
	}
	// Where the container finds the folder of the dashboards.
	mounted := ""
	folder, err := filepath.Abs("../dashboards")
	if err != nil {
		t.Fatal(err)
	}
	for _, volume := range load(t, needed["docker-compose.yml"], "docker-compose.yml").Services["grafana"].Volumes {
		if volume.Source == folder {
			mounted = volume.Target
		}
	}
	var provided, shipped []string
	for _, provider := range dashboards.Providers {
		provided = append(provided, provider.Options.Path)
	}
	files, err := filepath.Glob("../dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	uids := map[string]string{}
	for _, file := range files {
		shipped = append(shipped, mounted+"/"+filepath.Base(file))
		var board struct{ UID, Title string }
		if err := json.Unmarshal([]byte(read(t, file)), &board); err != nil || board.UID == "" || board.Title == "" {
			t.Errorf("%s: Grafana wants a title and a uid (%v)", file, err)
		}
		if other := uids[board.UID]; other != "" {
			t.Errorf("%s and %s have the same uid", file, other)
		}
		uids[board.UID] = file
	}
	slices.Sort(provided)
	slices.Sort(shipped)
	if mounted == "" || !slices.Equal(provided, shipped) {
		t.Errorf("provided are %q, shipped %q", provided, shipped)
	}
}

func TestShellScriptsAreClean(t *testing.T) {
	t.Parallel()
	var scripts []string
	for _, pattern := range []string{"scripts/*.sh", "nginx/*.sh", "package/*.sh", "*.sh"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, found...)
	}
	run(t, nil, "shellcheck", scripts...)
	for _, script := range scripts {
		text := read(t, script)
		// The packages' scripts and start.sh are for sh, which has no pipefail.
		if strings.HasPrefix(text, "#!/usr/bin/env bash") && !strings.Contains(text, "\nset -euo pipefail\n") {
			t.Errorf("%s: set -euo pipefail is missing", script)
		}
		if info, err := os.Stat(script); err != nil || strings.HasPrefix(text, "#!") != (info.Mode()&0o111 != 0) {
			t.Errorf("%s: a script is executable, a library is not (%v)", script, err)
		}
	}
}

func TestEveryScriptHasHelp(t *testing.T) {
	scripts, err := filepath.Glob("scripts/*.sh")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, script := range scripts {
		name := filepath.Base(script)
		if name == "lib.sh" {
			continue
		}
		names = append(names, name)
		if out := run(t, nil, script, "--help"); !strings.Contains(out, strings.TrimSuffix(name, ".sh")) ||
			strings.Count(out, "\n") < 4 {
			t.Errorf("%s --help says only %q", name, out)
		}
		for i, line := range strings.Split(run(t, nil, script, "--help"), "\n") {
			if n := len([]rune(line)); n > 90 {
				t.Errorf("%s --help: line %d has %d characters", name, i+1, n)
			}
		}
		want := 2
		if name == "health-check.sh" || name == "monitoring.sh" {
			want = 64 // their other codes are verdicts
		}
		out, err := exec.Command(script, "--no-such-option").CombinedOutput()
		if exit := exitCode(err); exit != want || !strings.Contains(string(out), "--help") {
			t.Errorf("%s --no-such-option: exit %d, %s; want %d and a hint", name, exit, out, want)
		}
	}
	want := []string{"backup.sh", "deploy.sh", "final-stress-test.sh", "health-check.sh", "monitoring.sh", "setup.sh",
		"simple-stress-test.sh", "stress-test.sh", "test-loadbalancer.sh", "test-request-logging.sh"}
	if !slices.Equal(names, want) {
		t.Errorf("scripts %v, want %v", names, want)
	}
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	}
	return -1
}

// The defaults are the operators' own numbers.
func TestStressScriptsSendWhatTheyAlwaysDid(t *testing.T) {
	for script, want := range map[string]string{
		"final-stress-test.sh":  "-t 30 -n 25000 -c 50 http://localhost:8081/health",
		"simple-stress-test.sh": "-n 20000 -c 20 http://localhost:8081/health",
		"stress-test.sh":        "-T application/json http://localhost:8081/v1/face/enrollment",
	} {
		if out := run(t, nil, "scripts/"+script, "--dry-run"); !strings.Contains(out, want) {
			t.Errorf("%s would run\n%swant …%s", script, out, want)
		}
	}
	if out := run(t, nil, "scripts/stress-test.sh", "--dry-run"); !strings.Contains(out, "-t 60 -n 1000 -c 10") {
		t.Errorf("stress-test.sh would run %s", out)
	}
}

func TestSystemdUnit(t *testing.T) {
	unit := read(t, "package/fremisn-exporter.service")
	for _, want := range []string{"DynamicUser=yes", "SupplementaryGroups=adm", "StateDirectory=fremisn-exporter",
		"NoNewPrivileges=yes",
		"ProtectSystem=strict", "CapabilityBoundingSet=\n", "SystemCallFilter=@system-service",
		"ExecReload=/bin/kill -HUP $MAINPID"} {
		if !strings.Contains(unit, "\n"+want) {
			t.Errorf("the unit has no %s", strings.TrimSpace(want))
		}
	}
	// A copy whose command exists: systemd looks for it, and the package is not installed here.
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "fremisn-exporter.service")
	if err := os.WriteFile(copied, []byte(strings.ReplaceAll(unit, "/usr/bin/fremisn-exporter", exe)),
		0o644); err != nil {
		t.Fatal(err)
	}
	if out := run(t, nil, "systemd-analyze", "verify", copied); out != "" {
		t.Errorf("systemd-analyze verify: %s", out)
	}
	out := run(t, nil, "systemd-analyze", "security", "--offline=true", "--threshold=15", copied)
	if !strings.Contains(out, "OK") {
		t.Errorf("systemd-analyze security: %s", out[strings.LastIndex(out, "→"):])
	}
}
