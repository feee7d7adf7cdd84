package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// silentNameServer has every lookup of this process wait for an answer that never comes.
func silentNameServer(t *testing.T) {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	undo := testenv.LookUpAt(server.LocalAddr().String())
	t.Cleanup(func() {
		undo()
		server.Close()
	})
}

// SIGTERM ends the program whatever a name server does, and however far a reload has come by then.
func TestEndsWhileNamesAreLookedUp(t *testing.T) {
	silentNameServer(t)
	surviveHangups(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"nginx.conf": "events {}\nhttp { access_log " + dir +
			"/access.log; upstream u { server node.example.test:80; } }\n",
		"access.log": "",
		"probes.yml": "nginx: {config: nginx.conf, error_logs: [], status: []}\nprobes: []\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, delay := range []time.Duration{0, time.Second} {
		p := startProgramOn(t, filepath.Join(dir, "probes.yml"))
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(delay) // a moment of the reload: no signal exists to wait for
		began := time.Now()
		p.stop()
		select {
		case code := <-p.code:
			p.code <- code // for the clean-up
			if code != exitOK {
				t.Errorf("%s after SIGHUP: exit code %d\n%s", delay, code, p.stderr)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s after SIGHUP: still there after %s", delay, time.Since(began))
		}
	}
}

// A log that does not end in time is reported by the exit code and in the log; a reload that does not has nothing to
// lose.
func TestEndsWhileADiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out testenv.Output
		e := &exporter{logger: log.NewLogfmtLogger(&out)}
		began := time.Now()
		deadline, cancel := context.WithTimeout(t.Context(), shutdownTotal)
		defer cancel()
		var others sync.WaitGroup
		if err := e.end(deadline, make(chan error), &others); err == nil || !strings.Contains(err.Error(),
			"not committed") {
			t.Errorf("a log that does not end: %v", err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var out testenv.Output
		e := &exporter{logger: log.NewLogfmtLogger(&out)}
		deadline, cancel := context.WithTimeout(t.Context(), shutdownTotal)
		defer cancel()
		var others sync.WaitGroup
		hangs := make(chan struct{})
		others.Go(func() { <-hangs })
		collected := make(chan error, 1)
		collected <- nil
		if err := e.end(deadline, collected, &others); err != nil || !strings.Contains(out.String(),
			"still under way") {
			t.Errorf("a reload that does not end: %v\n%s", err, &out)
		}
		close(hangs)
	})
}
