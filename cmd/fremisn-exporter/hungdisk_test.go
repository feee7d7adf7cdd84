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

// startOnHungDisk starts the exporter as it is shipped, on two logs. strace has the first call of one system call on
// one file of it hang for longer than the test takes, as a disk that has gone does. DIR in file is the exporter's
// folder.
func startOnHungDisk(t *testing.T, call, file string) (e *testenv.Exporter, exporter int) {
	t.Helper()
	dir := t.TempDir()
	for _, log := range []string{"access.log", "other.log"} {
		writeFile(t, filepath.Join(dir, log), "200\n200\n")
	}
	strace, err := testenv.Find("strace")
	if err != nil {
		t.Fatal(err)
	}
	wrapper := filepath.Join(dir, "exporter")
	script := fmt.Sprintf("#!/bin/sh\nexec %s -f -qq -o /dev/null -P %s -e trace=%s -e "+
		"inject=%s:delay_enter=60s:when=1 %s \"$@\"\n",
		strace, strings.ReplaceAll(file, "DIR", dir), call, call, buildExporter(t))
	syscall.ForkLock.RLock() // a process that is begun meanwhile would hold it open, and it could not be run
	err = os.WriteFile(wrapper, []byte(script), 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("nginx:\n  access_logs:\n    - {path: %s/access.log, start: beginning, format: $status}\n"+
		"    - {path: %s/other.log, start: beginning, format: $status}\nprobes: []\n", dir, dir)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if e, err = testenv.StartExporter(ctx, wrapper, dir, config, ""); err != nil {
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
		syscall.Kill(exporter, syscall.SIGKILL)
		e.Kill() // strace, which holds what hangs
	})
	return e, exporter
}

// A disk that hangs delays no answer, empties no other log's metrics, and does not keep the program from ending: what
// was not committed is reported by the log and by exit code 1.
func TestDiskThatHangs(t *testing.T) {
	for name, at := range map[string]struct{ call, file string }{
		"a log": {"pread64", "DIR/access.log"}, "the state": {"fsync", "DIR/data/access.state.new"},
		"a record at the start": {"openat", "DIR/data/access.state"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, exporter := startOnHungDisk(t, at.call, at.file)
			other := `fremisn_exporter_log_lines_total{log="other",result="parsed"} 2`
			// 3 s are promised; a busy machine has its time added. Without bounds it would be 10 s, and for ever for
			// pages.
			for _, path := range []string{"/metrics", "/metrics", "/", "/config", "/probes", "/api/v1/status",
				"/-/ready"} {
				began := time.Now()
				body := getWithin(t, e.URL+path, 8*time.Second)
				if took := time.Since(began); took > 7*time.Second {
					t.Errorf("%s took %s", path, took)
				}
				if path == "/metrics" && !strings.Contains(body, "\n"+other+"\n") {
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
