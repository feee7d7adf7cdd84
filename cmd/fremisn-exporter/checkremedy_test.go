package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checkOf runs the command check for machines on an nginx.conf in a folder whose name a shell would take apart.
func checkOf(t *testing.T, conf string, args ...string) (code int, remedies []string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"--nginx.config", conf, "--storage.path", "", "--web.listen-address", freeAddress(t),
		"check", "--output", "json"}, args...)
	code = run(context.Background(), args, &stdout, &stderr)
	var report struct {
		Lines []struct{ Remedy string }
	}
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	for _, l := range report.Lines {
		remedies = append(remedies, l.Remedy)
	}
	return code, remedies
}

// The command that check gives for a node that does not answer probes that node, with the settings that check had.
func TestRemedyOfANodeIsACommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's here")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	conf, node := filepath.Join(dir, "nginx.conf"), freeAddress(t)
	writeFile(t, conf, "events {}\nhttp { access_log '"+strings.ReplaceAll(dir, "'",
		`\'`)+"/access.log'; server { location / { proxy_pass http://"+node+"; } } }\n")
	code, remedies := checkOf(t, conf)
	if code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	for _, remedy := range remedies {
		command, found := strings.CutPrefix(remedy, "see every phase: fremisn-exporter ")
		if !found {
			continue
		}
		quotedConf := "'" + strings.ReplaceAll(conf, "'", `'\''`) + "'"
		if want := "--nginx.config " + quotedConf + " probe alive http://" + node + "/"; command != want {
			t.Fatalf("the command is %q, want %q", command, want)
		}
		var stdout, stderr bytes.Buffer
		words := append([]string{"--nginx.config", conf}, strings.Fields(strings.TrimPrefix(command,
			"--nginx.config "+quotedConf))...)
		if code := run(context.Background(), words, &stdout, &stderr); code != exitFailed ||
			!strings.Contains(stdout.String(), "failed (connect)") {
			t.Errorf("exit code %d\n%s%s", code, &stdout, &stderr)
		}
		return
	}
	t.Errorf("no remedy is a command: %q", remedies)
}

// check --print-format prints only the directive.
func TestPrintFormat(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "nginx.conf")
	writeFile(t, conf, "events {}\nhttp { log_format main '$status'; server { listen 1; access_log /tmp/x.log "+
		"main; } }\n")
	var stdout, stderr bytes.Buffer
	if code := run(context.Background(), []string{"--nginx.config", conf, "check", "--print-format"}, &stdout,
		&stderr); code != exitOK || stderr.Len() > 0 {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
	if text := stdout.String(); !strings.HasPrefix(text, "log_format fremisn\n'$status ") || !strings.HasSuffix(text,
		"';\n") || strings.Count(text, ";") != 1 {
		t.Errorf("printed\n%s", text)
	}
}
