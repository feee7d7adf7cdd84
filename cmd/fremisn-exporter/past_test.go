package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// A pastHost is a folder with an nginx.conf and its log, and other files.
type pastHost struct{ dir, conf, log string }

const pastLines = 2000

func newPastHost(t *testing.T) *pastHost {
	t.Helper()
	dir := t.TempDir()
	h := &pastHost{dir, filepath.Join(dir, "nginx.conf"), filepath.Join(dir, "access.log")}
	var log bytes.Buffer
	if err := logtest.NewWriter(logtest.Format{Escape: "default", Text: logtest.Full}, 4).Write(&log,
		pastLines); err != nil {
		t.Fatal(err)
	}
	h.write(t, "access.log", log.String())
	h.write(t, "nginx.conf", fmt.Sprintf(`events {} error_log %s/error.log warn; # not the host's own
http {
    log_format full '%s';
    log_format other '$status only $request_time';
    upstream %s { server %s max_conns=1; server %s max_conns=1; server %s max_conns=1; }
    server {
        listen 127.0.0.1:80;
        access_log %s full;
        location / { proxy_pass http://%s; }
    }
}
`, dir, logtest.Full, logtest.Group, logtest.Servers()[0], logtest.Servers()[1], logtest.Servers()[2], h.log,
		logtest.Group))
	return h
}

func (h *pastHost) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs the program on the host's nginx.conf.
func (h *pastHost) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errors bytes.Buffer
	code = run(t.Context(), append(args, "--nginx.config", h.conf), &out, &errors)
	return code, out.String(), errors.String()
}

// TestPastWithoutFiles reads the logs that nginx.conf names with their rotated parts.
func TestPastWithoutFiles(t *testing.T) {
	h := newPastHost(t)
	text, err := os.ReadFile(h.log)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(text)
	z.Close()
	h.write(t, "access.log.1", string(text))
	h.write(t, "access.log.2.gz", packed.String())
	h.write(t, "access-20261124.log", string(text))
	h.write(t, "access.log.bak", "not a part of the log\n")
	h.write(t, "other-access.log", "nor is this\n")
	code, stdout, stderr := h.run(t, "analyze", "--output", "json")
	var report struct{ Lines map[string]int }
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err, stderr)
	}
	if code != exitOK || report.Lines["parsed"] != 4*pastLines || report.Lines["malformed"] != 0 {
		t.Errorf("exit code %d, lines %v, %s", code, report.Lines, stderr)
	}
}

// TestPastStdin reads standard input where - is named.
func TestPastStdin(t *testing.T) {
	h := newPastHost(t)
	stdin := os.Stdin
	t.Cleanup(func() { os.Stdin = stdin })
	for _, args := range [][]string{{"analyze", "-", "--output", "json"}, {"analyze", "--output", "json", "--", "-"}} {
		var err error
		if os.Stdin, err = os.Open(h.log); err != nil {
			t.Fatal(err)
		}
		var out, problems bytes.Buffer
		code := run(t.Context(), append([]string{"--nginx.config", h.conf}, args...), &out, &problems)
		stdout, stderr := out.String(), problems.String()
		os.Stdin.Close()
		var report struct{ Lines map[string]int }
		if err := json.Unmarshal([]byte(stdout), &report); err != nil {
			t.Fatal(err, stderr)
		}
		if code != exitOK || report.Lines["parsed"] != pastLines {
			t.Errorf("%q: exit code %d, lines %v, %s", args, code, report.Lines, stderr)
		}
	}
	if code, _, stderr := h.run(t, "analyze", ""); code != exitFailed || !strings.Contains(stderr, "no such file") {
		t.Errorf("no name: exit code %d, %s", code, stderr)
	}
}

// TestPastBadInput gives each kind of bad input a clear sentence and its exit code.
func TestPastBadInput(t *testing.T) {
	h := newPastHost(t)
	unfit := h.write(t, "unfit.log", "200 only 0.125\n404 only 0.001\n")
	garbage := h.write(t, "garbage.log", "nothing that fits\n")
	binary := h.write(t, "binary", "\x7fELF\x02\x01\x01\x00\x00")
	empty := h.write(t, "empty.log", "")
	unlined := h.write(t, "unlined.log", strings.Repeat("x", 3<<20))
	broken := h.write(t, "broken.log.gz", "\x1f\x8b\x08\x00\x00")
	combined := h.write(t, "combined.log",
		`10.0.0.1 - - [24/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl"`+"\n")
	for _, test := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"analyze", filepath.Join(h.dir, "none.log")}, 1, `none\.log: no such file`},
		{[]string{"explain", h.dir}, 1, `this is a folder; name the files in it, such as .*\*\.log`},
		{[]string{"analyze", binary}, 1, `binary: this is a binary file, not a log`},
		{[]string{"whatif", empty}, 1, `nothing could be read: no lines in .*empty\.log`},
		{[]string{"explain", unlined}, 1, `nothing could be read: every line in .*unlined\.log is longer than 1 MiB`},
		{[]string{"analyze", broken}, 1, `broken\.log\.gz: the compressed file ends in its middle`},
		{[]string{"analyze", "--format", "full", unfit}, 1,
			`unfit\.log: no line fits the log_format full; it fits the log_format other: give --format other\n200 ` +
				`only 0\.125\n *\^.*expected`},
		{[]string{"analyze", "--format", "full", garbage}, 1,
			`garbage\.log: no line fits the log_format full; name the right one.*\nnothing that fits\n *\^`},
		{[]string{"explain", garbage}, 1, `garbage\.log: no line fits any of \d+ log_formats`},
		{[]string{"whatif", "--format", "combined", combined}, 1,
			`the log has no answer: its log_format lacks \$upstream_addr, \$upstream_response_time, \$request_time`},
		{[]string{"analyze", "--since", "2026-11-25 14:00", "--until", "2026-11-25 13:00"}, 2,
			`--since .* is not before --until`},
		{[]string{"analyze", "--since", "yesterday"}, 2, `--since: "yesterday" is not a time; write one such as`},
		{[]string{"analyze", "--format", "main"}, 2,
			`--format "main": nginx.conf has no log_format of this name; it has combined, full, other`},
		{[]string{"analyze", "--format", "$request_time$bytes_sent"}, 2, `--format: .*cannot be separated`},
		{[]string{"whatif", "--try", "max_conn=2"}, 2, `unknown key "max_conn"; the keys are max_conns, servers`},
		{[]string{"whatif", "--try", "load=fast"}, 2, `load takes a factor, such as 1\.5, not "fast"`},
		{[]string{"whatif", "--try", "servers=0"}, 2, `servers takes how many servers`},
		{[]string{"backfill"}, 2, `output-dir`},
		{[]string{"backfill", "-o", h.dir, "--label", "server=x"}, 2, `label server of their own`},
		{[]string{"backfill", "-o", h.dir, "--step", "0s"}, 2, `--step 0s`},
		{[]string{"backfill", "-o", h.dir, "--step", "1ms"}, 2, `--step 1ms: write a time of a second or more`},
		{[]string{"analyze", "--output", "xml"}, 2, `must be one of text,json,csv`},
		{[]string{"explain", "--output", "csv"}, 2, `must be one of text,json`},
	} {
		code, stdout, stderr := h.run(t, test.args...)
		if code != test.code || !regexp.MustCompile(test.stderr).MatchString(stderr) || stdout != "" {
			t.Errorf("%q: exit code %d, want %d\n%s%swant %s", test.args, code, test.code, stdout, stderr, test.stderr)
		}
	}
}

// TestWhatIfWithoutUpgraded: the life of a WebSocket is the latency of no answer, neither in the log nor in the model.
func TestWhatIfWithoutUpgraded(t *testing.T) {
	h := newPastHost(t)
	var log strings.Builder
	for i := range 40 {
		line := "200 0.010 %s 0.010 200 %d.000 GET / HTTP/1.1\n"
		if i%4 == 0 {
			line = "101 600.000 %s 600.000 101 %d.000 GET / HTTP/1.1\n"
		}
		fmt.Fprintf(&log, line, logtest.Servers()[i%3], 1795650000+1000*i)
	}
	file := h.write(t, "upgraded.log", log.String())
	code, stdout, stderr := h.run(t, "whatif", "--output", "json", "--try", "max_conns=9", "--format",
		"$status $request_time $upstream_addr $upstream_response_time $upstream_status $msec $request", file)
	var report struct {
		Observed, Model struct{ P50, P99 float64 }
		Scenarios       []struct{ P50, P99 float64 }
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != exitOK {
		t.Fatal(err, code, stderr)
	}
	if report.Observed.P99 != 0.01 || report.Model.P99 != 0.01 || report.Scenarios[0].P99 != 0.01 {
		t.Errorf("%+v", report)
	}
}

// TestPastPartlyBad reads what can be read, and says what cannot.
func TestPastPartlyBad(t *testing.T) {
	h := newPastHost(t)
	code, stdout, stderr := h.run(t, "analyze", "--output", "json", h.log, filepath.Join(h.dir, "none.log"))
	if code != exitOK || !strings.Contains(stdout, fmt.Sprintf(`"parsed": %d`, pastLines)) ||
		!strings.Contains(stderr, "none.log: no such file") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// TestPastNamedTwice counts a file once that is named twice, by whatever name, and says so.
func TestPastNamedTwice(t *testing.T) {
	h := newPastHost(t)
	link := filepath.Join(h.dir, "link.log")
	if err := os.Symlink(h.log, link); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := h.run(t, "analyze", "--output", "json", h.log, h.log, link)
	if code != exitOK || !strings.Contains(stdout, fmt.Sprintf(`"parsed": %d`, pastLines)) ||
		!strings.Contains(stderr, "access.log: named twice, read once") ||
		!strings.Contains(stderr, "link.log: named twice, read once") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// TestPastInAnyOrder says the same of rotated parts in whatever order they are named, compressed ones among them.
func TestPastInAnyOrder(t *testing.T) {
	h := newPastHost(t)
	text, err := os.ReadFile(h.log)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(bytes.Join(lines[:700], nil))
	z.Close()
	oldest := h.write(t, "access.log.2.gz", packed.String())
	older := h.write(t, "access.log.1", string(bytes.Join(lines[700:1500], nil)))
	h.write(t, "access.log", string(bytes.Join(lines[1500:], nil)))
	orders := [][]string{{oldest, older, h.log}, {h.log, older, oldest}, {older, h.log, oldest}, nil}
	for _, command := range []string{"analyze", "explain", "whatif", "backfill"} {
		var first string
		for i, files := range orders {
			args := []string{command, "--output", "json"}
			if command == "backfill" {
				args = append(args, "-o", filepath.Join(h.dir, "out"))
			}
			code, stdout, stderr := h.run(t, append(args, files...)...)
			if code != exitOK {
				t.Fatal(stderr)
			}
			if i == 0 {
				first = stdout
			}
			if command == "backfill" {
				content, err := os.ReadFile(filepath.Join(h.dir, "out", "access-2026-11-24.om"))
				if err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					first = string(content)
				}
				stdout = string(content)
			}
			if stdout != first {
				t.Errorf("%s of %q says something else than of %q\n%s", command, files, orders[0],
					cmp.Diff(first, stdout))
			}
		}
	}
}

// TestInterruptible returns when Ctrl-C comes while something is computed that knows nothing of it.
func TestInterruptible(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	_, _, err := interruptible(ctx, func() (pastReport, []error, error) {
		interrupt()
		<-release
		return nil, nil, nil
	})
	if err != context.Canceled {
		t.Errorf("returned %v", err)
	}
}

// TestPastWithoutNginxConf reads named files without an nginx.conf, in the given formats.
func TestPastWithoutNginxConf(t *testing.T) {
	h := newPastHost(t)
	var out, errors bytes.Buffer
	if _, err := os.Stat("/etc/nginx/nginx.conf"); err == nil {
		h.conf = filepath.Join(h.dir, "missing.conf")
	}
	args := []string{"analyze", "--output", "json", "--format", logtest.Full, h.log}
	if code := run(t.Context(), args, &out, &errors); code != exitOK || !strings.Contains(out.String(),
		fmt.Sprintf(`"parsed": %d`, pastLines)) {
		t.Errorf("exit code %d\n%s", code, errors.String())
	}
	if code, _, stderr := h.run(t, "explain", "--format", logtest.Full, h.log); code != exitUsage &&
		h.conf != filepath.Join(h.dir, "nginx.conf") {
		t.Errorf("an nginx.conf that is named and missing: exit code %d\n%s", code, stderr)
	}
}

// TestPastCommands runs each command as a user would, in both forms.
func TestPastCommands(t *testing.T) {
	h := newPastHost(t)
	for _, test := range []struct {
		args []string
		text string
		keys []string
	}{
		{[]string{"analyze"}, `(?m)^SERVER +SHARE +ATTEMPTS`, []string{"from", "to", "lines", "requests", "servers",
			"routes", "upstreams", "slowest", "hours"}},
		{[]string{"explain"}, `2,000 requests`, []string{"from", "to", "requests", "failed", "incidents"}},
		{[]string{"whatif", "--try", "max_conns=2", "--try", "servers=4,load=1.5"},
			`(?m)^FREMISN_BACKEND +LOG +MODEL +OFF BY +max_conns=2 +servers=4,load=1\.5`,
			[]string{"observed", "model", "error", "trusted", "scenarios", "assumptions"}},
		{[]string{"whatif", "--try", "limit_req.burst=5"}, `- limit_req\.burst=5 limits nothing: NGINX has no`,
			nil},
		{[]string{"backfill", "-o", filepath.Join(h.dir, "out")}, `promtool tsdb create-blocks-from openmetrics`,
			[]string{"files", "samples"}},
	} {
		code, stdout, stderr := h.run(t, test.args...)
		if code != exitOK || !regexp.MustCompile(test.text).MatchString(stdout) || stderr != "" {
			t.Errorf("%q: exit code %d\n%s%s", test.args, code, stdout, stderr)
		}
		code, stdout, _ = h.run(t, append(test.args, "--output", "json")...)
		var decoded map[string]any
		if err := json.Unmarshal([]byte(stdout), &decoded); err != nil || code != exitOK {
			t.Errorf("%q as JSON: exit code %d, %v", test.args, code, err)
		}
		for _, key := range test.keys {
			if _, there := decoded[key]; !there {
				t.Errorf("%q: no %s in %v", test.args, key, decoded)
			}
		}
	}
}

// TestPastInterrupted ends at once when Ctrl-C comes, and prints no report.
func TestPastInterrupted(t *testing.T) {
	h := newPastHost(t)
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var out, errors bytes.Buffer
	code := run(ctx, []string{"analyze", "--nginx.config", h.conf}, &out, &errors)
	if code != exitFailed || out.Len() > 0 || errors.String() != "fremisn-exporter: interrupted\n" {
		t.Errorf("exit code %d, said %q, %q", code, out.String(), errors.String())
	}
}

// FuzzPast runs the commands on files of any content: they end, with an exit code of the contract and a sentence where
// there is no report.
func FuzzPast(f *testing.F) {
	var log bytes.Buffer
	if err := logtest.NewWriter(logtest.Format{Escape: "default", Text: logtest.Full}, 4).Write(&log, 20); err != nil {
		f.Fatal(err)
	}
	f.Add(log.Bytes(), uint8(0))
	f.Add([]byte("\x1f\x8b\x08\x00"), uint8(1))
	f.Add([]byte("\n\n\n"), uint8(2))
	f.Add([]byte(`10.0.0.1 - - [24/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl"`), uint8(3))
	dir := f.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf,
		[]byte("events {}\nhttp { log_format full '"+logtest.Full+
			"'; upstream fremisn_backend { server 127.0.0.231:4005 max_conns=1; server 127.0.0.18:4008; } }\n"),
		0o644); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content []byte, command uint8) {
		path := filepath.Join(t.TempDir(), "access")
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		args := [][]string{{"analyze"}, {"explain"}, {"whatif", "--try", "max_conns=2,load=2"}, {"backfill", "-o",
			filepath.Join(t.TempDir(), "out")}}[command%4]
		var out, errors bytes.Buffer
		code := run(t.Context(), append(args, "--nginx.config", conf, path), &out, &errors)
		if code != exitOK && code != exitFailed || code == exitOK && out.Len() == 0 || code == exitFailed &&
			errors.Len() == 0 {
			t.Errorf("exit code %d\n%s%s", code, out.String(), errors.String())
		}
	})
}
