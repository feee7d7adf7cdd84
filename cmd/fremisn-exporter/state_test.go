package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReloadKeepsCounters: a log that stays keeps its counts and its place; changed routes hold from the next line.
func TestReloadKeepsCounters(t *testing.T) {
	dir := t.TempDir()
	log, file := filepath.Join(dir, "access.log"), filepath.Join(dir, "probes.yml")
	config := func(format, routes string) {
		t.Helper()
		text := "nginx:\n  access_logs: [{path: " + log + ", start: beginning, format: '" + format +
			"'}]\n  routes: [" + routes + "]\n"
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	line := func(text string) {
		t.Helper()
		f, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text + "\n"); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	config(`"$request" $status $request_time`, "")
	line(`"GET /a HTTP/1.1" 200 0.001`)
	p := startProgramOn(t, file, "--web.enable-lifecycle")
	reload := func() {
		t.Helper()
		if status, body, _ := p.ask(t, "POST", "/-/reload"); status != 200 {
			t.Fatal(body)
		}
	}
	want := func(lines ...string) {
		t.Helper()
		_, body, _ := p.get(t, "/metrics", "Accept: text/plain")
		for _, l := range lines {
			if !strings.Contains(body, "\n"+l+"\n") {
				t.Errorf("missing: %s", l)
			}
		}
	}
	old := `nginx_access_requests_total{code="200",log="access",method="GET",outcome="ok",route=""}`
	want(old + " 1")
	line(`"GET /a HTTP/1.1" 200 0.001`) // before the reload: of the old config
	config(`"$request" $status $request_time`, `{name: a, match: "^/a"}`)
	reload()
	line(`"GET /a HTTP/1.1" 200 0.001`)
	routed := `nginx_access_requests_total{code="200",log="access",method="GET",outcome="ok",route="a"}`
	want(old+" 2", routed+" 1", `nginx_access_request_duration_seconds_count{log="access",outcome="ok",route=""} 2`)
	config(`$status "$request" $request_time`, `{name: a, match: "^/a"}`)
	reload()
	line(`200 "GET /a HTTP/1.1" 0.001`)
	want(old+" 2", routed+" 2", `fremisn_exporter_log_lines_total{log="access",result="parsed"} 4`,
		`fremisn_exporter_log_lines_total{log="access",result="malformed"} 0`)
}

// A refusingHost is an exporter whose state can no longer be written, after it was.
type refusingHost struct {
	*program
	log, obstacle string
}

func startRefusing(t *testing.T) refusingHost {
	t.Helper()
	dir := t.TempDir()
	h := refusingHost{log: filepath.Join(dir, "access.log")}
	file := filepath.Join(dir, "probes.yml")
	writeFile(t, file, "nginx: {access_logs: [{path: "+h.log+", start: beginning, format: $status}]}\n")
	writeFile(t, h.log, "200\n")
	h.program = startProgramOn(t, file)
	h.get(t, "/metrics")
	// Not by permissions, which root ignores: a folder has the name of the new record.
	h.obstacle = filepath.Join(h.data, "access.state.new")
	if err := os.MkdirAll(filepath.Join(h.obstacle, "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, h.log, "200\n200\n200\n")
	return h
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDiskThatRefuses: if the state cannot be written, the counters stay at the last saved values, which is reported,
// and it heals by itself.
func TestDiskThatRefuses(t *testing.T) {
	p := startRefusing(t)
	expect := func(lines ...string) {
		t.Helper()
		_, body, _ := p.get(t, "/metrics", "Accept: text/plain")
		for _, want := range lines {
			if !strings.Contains(body, "\n"+want+"\n") {
				t.Errorf("missing: %s", want)
			}
		}
	}
	expect(`fremisn_exporter_log_lines_total{log="access",result="parsed"} 1`,
		`fremisn_exporter_state_commits_total{result="failed"} 1`,
		`fremisn_exporter_collector_success{collector="access_log"} 0`)
	if err := os.RemoveAll(p.obstacle); err != nil {
		t.Fatal(err)
	}
	expect(`fremisn_exporter_log_lines_total{log="access",result="parsed"} 3`,
		`fremisn_exporter_state_commits_total{result="failed"} 1`,
		`fremisn_exporter_collector_success{collector="access_log"} 1`)
	if !strings.Contains(p.stderr.String(), "saving state works again") {
		t.Errorf("not healed:\n%s", p.stderr)
	}
}

// What could not be committed at the end is reported by the exit code and the log.
func TestLastCommitFails(t *testing.T) {
	p := startRefusing(t)
	p.stop()
	if code := <-p.code; code != exitFailed || !strings.Contains(p.stderr.String(), `level=error`) ||
		strings.Contains(p.stderr.String(), "stopped cleanly") {
		t.Errorf("exit code %d:\n%s", code, p.stderr)
	}
	p.code <- exitOK // for the clean-up
}
