package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// stockLogrotate is Debian's configuration for NGINX, as it is installed.
const stockLogrotate = "/etc/logrotate.d/nginx"

// A rotatedHost is NGINX with several workers under load, and Debian's logrotate with its stock configuration for it.
type rotatedHost struct {
	t       *testing.T
	dir     string
	nginx   *testenv.Nginx
	address string
	conf    string // logrotate's
	sent    atomic.Int64
}

func startRotatedHost(t *testing.T) *rotatedHost {
	t.Helper()
	h := &rotatedHost{t: t, dir: t.TempDir(), address: freeAddress(t)}
	preamble := strings.Replace(testenv.Preamble(), "worker_processes 1;", "worker_processes 4;", 1)
	conf := preamble + "http {" + testenv.TempPaths + `
    log_format main '$request_id $status $request_time "$request"';
    access_log DIR/access.log main;
    server { listen ` + h.address + `; location / { return 204; } }
}
`
	var err error
	if h.nginx, err = testenv.StartNginx(context.Background(), h.dir, conf, h.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.nginx.Stop() })
	h.conf = filepath.Join(h.dir, "logrotate.conf")
	if err := os.WriteFile(h.conf, []byte(h.stockConf()), 0o644); err != nil {
		t.Fatal(err)
	}
	return h
}

// stockConf is the stock configuration with two things changed: whose logs, and which process reopens them (as
// Debian's init script does it: by its pid file).
func (h *rotatedHost) stockConf() string {
	h.t.Helper()
	text, err := os.ReadFile(stockLogrotate)
	if err != nil {
		h.t.Fatal(err)
	}
	conf := string(text)
	for _, change := range [][2]string{
		{"/var/log/nginx/*.log", h.dir + "/access.log"},
		{"invoke-rc.d nginx rotate", fmt.Sprintf("kill -USR1 $(cat %s/nginx.pid)", h.dir)},
	} {
		if !strings.Contains(conf, change[0]) {
			h.t.Fatalf("%s has no %q:\n%s", stockLogrotate, change[0], conf)
		}
		conf = strings.Replace(conf, change[0], change[1], 1)
	}
	if os.Getuid() != 0 { // only root may give files away
		conf = strings.Replace(conf, "create 0640 www-data adm", "create 0640", 1)
	}
	return conf
}

func (h *rotatedHost) logrotate() {
	h.t.Helper()
	binary, err := testenv.Find("logrotate")
	if err != nil {
		h.t.Fatal(err)
	}
	output, err := exec.Command(binary, "--force", "--state", filepath.Join(h.dir, "logrotate.state"),
		h.conf).CombinedOutput()
	if err != nil {
		h.t.Fatalf("logrotate: %v\n%s", err, output)
	}
}

// reopen is what `nginx -s reopen` does after a rename by hand.
func (h *rotatedHost) reopen(turn int) {
	h.t.Helper()
	log := filepath.Join(h.dir, "access.log")
	if err := os.Rename(log, fmt.Sprintf("%s-by-hand-%d", log, turn)); err != nil {
		h.t.Fatal(err)
	}
	nginx, err := testenv.Find("nginx")
	if err != nil {
		h.t.Fatal(err)
	}
	output, err := exec.Command(nginx, "-p", h.dir, "-c", h.nginx.Conf, "-e", filepath.Join(h.dir, "start.log"), "-s",
		"reopen").CombinedOutput()
	if err != nil {
		h.t.Fatalf("nginx -s reopen: %v\n%s", err, output)
	}
}

// load sends requests from several clients, each over its own connections, until done; it returns when all that were
// sent have been answered.
func (h *rotatedHost) load(done <-chan struct{}) {
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for n := 1; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				response, err := client.Get("http://" + h.address + "/")
				if err != nil {
					h.t.Error(err)
					return
				}
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
				h.sent.Add(1)
				if n%50 == 0 {
					client.CloseIdleConnections() // so that all workers get their share
				}
			}
		})
	}
	clients.Wait()
}

// TestRealRotation: NGINX's four workers write under load while Debian's logrotate, and an administrator by hand,
// turn the log over, with the exporter up, killed and ended in order. Every request is counted once.
func TestRealRotation(t *testing.T) {
	h := startRotatedHost(t)
	home, binary := t.TempDir(), buildExporter(t)
	config := fmt.Sprintf("nginx:\n  config: %s\n  access_logs: [{path: %s/access.log, format: main, start: "+
		"beginning}]\n  status: []\n", h.nginx.Conf, h.dir)
	start := func() *testenv.Exporter {
		t.Helper()
		e, err := testenv.StartExporter(context.Background(), binary, home, config, "", "--log.level", "warn")
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	done, loaded := make(chan struct{}), make(chan struct{})
	go func() { defer close(loaded); h.load(done) }()
	more := func() { // some requests later
		t.Helper()
		from := h.sent.Load()
		until(t, "requests are answered", func() bool { return h.sent.Load() > from+500 || t.Failed() })
	}
	last := map[string]float64{}
	e := start()
	for turn := range 9 {
		more()
		watch(t, e, last)
		switch turn % 3 {
		case 1:
			e.Kill()
		case 2:
			if code := e.Stop(); code != exitOK {
				t.Errorf("exit code %d\n%s", code, e.Output())
			}
		}
		more()
		if turn%2 == 0 {
			h.logrotate() // renames, compresses the one before
		} else {
			h.reopen(turn)
		}
		more()
		if turn%3 != 0 {
			e = start()
		}
	}
	close(done)
	<-loaded
	until(t, "every request is in the log that was sent", func() bool { // NGINX logs when it has answered
		watch(t, e, last)
		return last["nginx_access_requests_total"] >= float64(h.sent.Load()) || t.Failed()
	})
	watch(t, e, last)
	if got, want := last["nginx_access_requests_total"], float64(h.sent.Load()); got != want {
		t.Errorf("%.0f requests are counted of %.0f", got, want)
	}
	if last["gaps"] > 0 {
		t.Errorf("gaps were reported:\n%s", e.Output())
	}
	e.Stop()
	if files, err := filepath.Glob(filepath.Join(h.dir, "access.log*.gz")); err != nil || len(files) < 2 {
		t.Errorf("logrotate has compressed %v (%v)", files, err)
	}
}
