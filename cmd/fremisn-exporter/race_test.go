package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Reloads by signal, by request and of nginx.conf go on while pages and scrapes are asked for and lines are written,
// and SIGTERM comes in the middle: nothing races, nothing waits for ever, and it ends stopped cleanly.
func TestReloadsRaceWithEverything(t *testing.T) {
	dir, status := t.TempDir(), statusServer(t)
	config, log := filepath.Join(dir, "probes.yml"), filepath.Join(dir, "access.log")
	node := answering(t, "{}").URL
	change := func(i int) {
		writeFile(t, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(
			"events {}\nhttp { access_log %s; upstream u { server 127.0.0.1:1 weight=%d; } }\n", log, i%7+1))
		writeFile(t, config, fmt.Sprintf("nginx: {config: nginx.conf, status: [{url: %q}], routes: [{name: r%d, "+
			"match: ^/a}]}\n"+
			"nodes: [{name: n%d, address: \"127.0.0.1:1\"}]\nmodules: {m: {prober: http}}\n"+
			"probes: [{name: p%d, module: m, interval: 1s, targets: [%q]}]\n", status, i%3, i%5, i%2, node))
	}
	change(0)
	writeFile(t, log, "")
	surviveHangups(t)
	p := startProgramOn(t, config, "--web.enable-lifecycle")
	ending := make(chan struct{})
	var busy sync.WaitGroup
	forever := func(what func(i int)) {
		busy.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-ending:
					return
				default:
					what(i)
				}
			}
		})
	}
	for _, path := range []string{"/", "/metrics", "/probes", "/config", "/incidents", "/api/v1/status",
		"/probe?module=m&target=" + node} {
		forever(func(int) { p.try(http.MethodGet, path) })
	}
	forever(func(i int) { change(i); p.try(http.MethodPost, "/-/reload") })
	forever(func(int) { syscall.Kill(os.Getpid(), syscall.SIGHUP); time.Sleep(10 * time.Millisecond) })
	forever(func(int) {
		file, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			t.Error(err)
			return
		}
		defer file.Close()
		io.WriteString(file, `127.0.0.1 - - [25/Nov/2026:02:00:00 +0000] "GET /a HTTP/1.1" 200 2 "-" "-"`+"\n")
		time.Sleep(time.Millisecond)
	})
	time.Sleep(2 * time.Second) // of all of it at once
	began := time.Now()
	p.stop()
	code := <-p.code
	p.code <- code
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it ended after %s", took)
	}
	close(ending)
	busy.Wait()
}

// surviveHangups keeps a SIGHUP to this process from ending the tests where it comes when no exporter waits for one any
// more.
func surviveHangups(t *testing.T) {
	t.Helper()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
}

// try asks for a path, whatever comes of it.
func (p *program) try(method, path string) {
	request, err := http.NewRequest(method, p.url+path, nil)
	if err != nil {
		return
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
}

// A status page that hangs delays no answer beyond its time limit and a second, 3 s where the machine is busy, and
// empties none.
func TestNothingWaitsForAStatusPage(t *testing.T) {
	released := make(chan struct{})
	page := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-released }))
	t.Cleanup(func() { close(released); page.Close() })
	p := startProgram(t, fmt.Sprintf("nginx: {status: [{url: %q, timeout: 500ms}]}\nprobes: []\n", page.URL))
	for _, path := range []string{"/metrics", "/metrics", "/", "/probes", "/config", "/incidents", "/api/v1/status",
		"/-/ready"} {
		began := time.Now()
		status, body, _ := p.get(t, path)
		if took := time.Since(began); took > 3*time.Second || status != http.StatusOK || body == "" {
			t.Errorf("%s: %d after %s", path, status, took)
		}
	}
}
