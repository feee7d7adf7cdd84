package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// hungDiskConfig follows two logs of a folder.
func hungDiskConfig(dir string) string {
	return fmt.Sprintf("nginx:\n  access_logs:\n    - {path: %s/access.log, start: beginning, format: $status}\n"+
		"    - {path: %s/other.log, start: beginning, format: $status}\nprobes: []\n", dir, dir)
}

// newHungDisk returns a folder with two logs of two lines each.
func newHungDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, log := range []string{"access.log", "other.log"} {
		writeFile(t, filepath.Join(dir, log), "200\n200\n")
	}
	return dir
}

// startOnHungDisk starts the exporter as it is shipped, on the logs of a folder. strace has the first call of one
// system call on one file of the folder hang for a while, as a disk that has gone does.
func startOnHungDisk(t *testing.T, dir, call, file, while string) (e *testenv.Exporter, exporter int) {
	t.Helper()
	strace, err := testenv.Find("strace")
	if err != nil {
		t.Fatal(err)
	}
	wrapper := filepath.Join(dir, "exporter")
	script := fmt.Sprintf("#!/bin/sh\nexec %s -f -qq -o /dev/null -P %s -e trace=%s -e "+
		"inject=%s:delay_enter=%s:when=1 %s \"$@\"\n",
		strace, filepath.Join(dir, file), call, call, while, buildExporter(t))
	syscall.ForkLock.RLock() // a process that is begun meanwhile would hold it open, and it could not be run
	err = os.WriteFile(wrapper, []byte(script), 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if e, err = testenv.StartExporter(ctx, wrapper, dir, hungDiskConfig(dir), ""); err != nil {
		t.Fatal(err)
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", e.PID(), e.PID()))
	if err == nil {
		exporter, err = strconv.Atoi(strings.TrimSpace(string(children)))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the exporter says:\n%s", e.Output())
		}
		syscall.Kill(exporter, syscall.SIGKILL)
		e.Kill() // strace, which holds what hangs
	})
	return e, exporter
}

// A disk that hangs delays no answer, empties no other log's metrics, and does not keep the program from ending: what
// was not committed is reported by the log and by exit code 1. All records are on one disk: each may say what has been
// counted of any log.
func TestDiskThatHangs(t *testing.T) {
	const shown = `fremisn_exporter_log_lines_total{log="other",result="parsed"} 2`
	for name, at := range map[string]struct{ call, file, other string }{
		"a log": {"pread64", "access.log", shown}, "a log's folder": {"newfstatat", "access.log", shown},
		"a log that may be a link": {"readlinkat", "access.log", shown},
		"the state":                {"fsync", "data/access.state.new", shown},
		"a record at the start":    {"openat", "data/access.state", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := newHungDisk(t)
			if at.call == "openat" { // without a record, none is opened
				if err := os.Mkdir(filepath.Join(dir, "data"), 0o755); err != nil {
					t.Fatal(err)
				}
				writeFile(t, filepath.Join(dir, at.file), "a record")
			}
			e, exporter := startOnHungDisk(t, dir, at.call, at.file, "60s") // longer than the test takes
			// 3 s are promised; a busy machine has its time added. Without bounds it would be 10 s, and for ever for
			// pages.
			for _, path := range []string{"/metrics", "/metrics", "/", "/config", "/probes", "/api/v1/status",
				"/-/ready"} {
				began := time.Now()
				body := getWithin(t, e.URL+path, 8*time.Second)
				if took := time.Since(began); took > 7*time.Second {
					t.Errorf("%s took %s", path, took)
				}
				if path == "/metrics" && !strings.Contains(body, at.other) {
					t.Errorf("the other log is not shown:\n%s", body)
				}
			}
			if err := syscall.Kill(exporter, syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			until(t, "the end is logged", func() bool {
				return strings.Contains(e.Output(), "level=error") &&
					strings.Contains(e.Output(), "msg=ended")
			})
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it ended after %s", took)
			}
			if strings.Contains(e.Output(), "stopped cleanly") {
				t.Errorf("it says that all is well:\n%s", e.Output())
			}
		})
	}
}

// TestDiskThatAnswersAgain: the disk of a log hangs at a start. The log goes on where it was when the disk answers.
func TestDiskThatAnswersAgain(t *testing.T) {
	t.Parallel()
	dir := newHungDisk(t)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	e, err := testenv.StartExporter(ctx, buildExporter(t), dir, hungDiskConfig(dir), "")
	if err != nil {
		t.Fatal(err)
	}
	parsed := func(log string, lines int) string {
		return fmt.Sprintf("fremisn_exporter_log_lines_total{log=%q,result=\"parsed\"} %d\n", log, lines)
	}
	shows := func(want string) bool { return strings.Contains(getWithin(t, e.URL+"/metrics", patience), want) }
	until(t, "both logs are read", func() bool { return shows(parsed("access", 2)) && shows(parsed("other", 2)) })
	if code := e.Stop(); code != 0 {
		t.Fatalf("it ended with %d", code)
	}
	for _, log := range []string{"access.log", "other.log"} {
		writeFile(t, filepath.Join(dir, log), "200\n200\n200\n")
	}
	e, _ = startOnHungDisk(t, dir, "newfstatat", "access.log", "10s")
	until(t, "the other log goes on", func() bool { return shows(parsed("other", 3)) })
	until(t, "the disk is reported", func() bool {
		return strings.Contains(e.Output(), filepath.Join(dir, "access.log")+" does not answer")
	})
	until(t, "the log goes on", func() bool { return shows(parsed("access", 3)) })
	for line := range strings.Lines(getWithin(t, e.URL+"/metrics", patience)) {
		if strings.HasPrefix(line, "fremisn_exporter_log_gaps_total{") && !strings.HasSuffix(line, " 0\n") {
			t.Errorf("a gap: %s", line)
		}
	}
}

// getWithin returns the body of an answer, which must be 200 and come in time.
func getWithin(t *testing.T, url string, limit time.Duration) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("%s: %s, %v", url, response.Status, err)
	}
	return string(body)
}
