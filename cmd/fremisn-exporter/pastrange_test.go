package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// older appends lines to the host's log that were written before nginx.conf got its log_format.
func (h *pastHost) older(t *testing.T, lines int) {
	t.Helper()
	text, err := os.ReadFile(h.log)
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, "access.log", strings.Repeat(
		`10.0.0.1 - - [24/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl"`+"\n", lines)+string(text))
}

// Where no line is in the time that is asked for, the answer is that, whatever else the log holds.
func TestPastOutsideTheTime(t *testing.T) {
	h := newPastHost(t)
	h.older(t, 41)
	since, until := []string{"--since", "2030-01-01T00:00:00Z"}, []string{"--until", "2031-01-01T00:00:00Z"}
	const both = `no line between 2030-01-01 00:00:00 UTC and 2031-01-01 00:00:00 UTC`
	for _, test := range []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{append(append([]string{"analyze"}, since...), until...), exitOK, `^` + both + `  41 malformed\n$`, ``},
		{append([]string{"explain"}, since...), exitOK, `^No line since 2030-01-01 00:00:00 UTC\.\n$`, ``},
		{[]string{"explain", "--until", "2000-01-01T00:00:00Z"}, exitOK,
			`^No line before 2000-01-01 00:00:00 UTC\.\n$`, ``},
		{append(append([]string{"whatif"}, since...), until...), exitFailed, `^$`, both + ` in .*access\.log\n`},
		{append(append([]string{"backfill", "-o", filepath.Join(h.dir, "out")}, since...), until...), exitFailed, `^$`,
			both + ` in .*access\.log\n`},
	} {
		code, stdout, stderr := h.run(t, test.args...)
		if code != test.code || !regexp.MustCompile(test.stdout).MatchString(stdout) ||
			!regexp.MustCompile(test.stderr).MatchString(stderr) || strings.Contains(stderr, "no line fits") {
			t.Errorf("%q: exit code %d\n%s%s", test.args, code, stdout, stderr)
		}
	}
	_, stdout, _ := h.run(t, append([]string{"analyze", "--output", "json"}, since...)...)
	var report struct{ Lines map[string]int }
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || report.Lines["malformed"] != 41 {
		t.Errorf("%v\n%s", err, stdout)
	}
}

// Each command says how many lines it left out because they are malformed, and how to have them read.
func TestPastSaysWhatIsMalformed(t *testing.T) {
	h := newPastHost(t)
	h.older(t, 41)
	for _, args := range [][]string{{"analyze"}, {"explain"}, {"whatif"},
		{"backfill", "-o", filepath.Join(h.dir, "out")}} {
		code, stdout, stderr := h.run(t, args...)
		const want = "fremisn-exporter: 41 lines are malformed and left out: they do not fit the log_format full; " +
			"if that has changed, give both: --format full --format combined\n"
		if code != exitOK || stderr != want {
			t.Errorf("%q: exit code %d\n%s%s", args, code, stdout, stderr)
		}
		_, stdout, stderr = h.run(t, append(args, "--format", "full", "--format", "combined")...)
		if stderr != "" {
			t.Errorf("%q with both formats\n%s%s", args, stdout, stderr)
		}
	}
}

// Without FILE explain reads the error log that nginx.conf names, if it can. With FILE it reads the named ones alone.
func TestExplainReadsTheKnownErrorLog(t *testing.T) {
	h := newPastHost(t)
	errorLog := filepath.Join(h.dir, "error.log")
	const entry = "2026/11/24 12:00:00 [notice] 1#1: start worker process 2\n"
	for _, test := range []struct {
		when, text string
		files      []string
		known      bool
	}{
		{"it is readable", entry, nil, true},
		{"files are named", entry, []string{h.log}, false},
		{"files and it are named", entry, []string{h.log, "--error-log", errorLog}, true},
		{"it is not a log", "BZh91AY", nil, false},
	} {
		h.write(t, "error.log", test.text)
		code, stdout, stderr := h.run(t, append([]string{"explain", "--output", "json"}, test.files...)...)
		if known := !strings.Contains(stdout, "no error log is given"); code != exitOK || known != test.known {
			t.Errorf("%s: exit code %d, it is read: %v\n%s%s", test.when, code, known, stdout, stderr)
		}
	}
}
