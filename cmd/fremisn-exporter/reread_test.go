package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// A watchedFiles is an exporter without its HTTP server, under a clock that moves only while the test waits.
type watchedFiles struct {
	*exporter
	conf   string
	stderr *testenv.Output
}

// watchingNginxConf runs f beside an exporter that watches an nginx.conf in dir, and one that it includes.
func watchingNginxConf(t *testing.T, autoReload bool, f func(t *testing.T, w *watchedFiles)) {
	dir := t.TempDir()
	w := &watchedFiles{conf: filepath.Join(dir, "nginx.conf"), stderr: &testenv.Output{}}
	w.write(t, "nginx.conf", "events {}\nerror_log "+dir+"/error.log;\nhttp { access_log "+dir+
		"/access.log; include conf.d/*.conf; }\n")
	w.write(t, "conf.d/nodes.conf", "upstream nodes { server 127.0.0.1:1 weight=1; }\n")
	w.write(t, "access.log", "")
	w.write(t, "probes.yml", "nginx: {config: nginx.conf}\nprobes: []\n")
	synctest.Test(t, func(t *testing.T) {
		cli := &commandLine{autoReload: autoReload, reloadInterval: watchInterval, unhinted: true,
			source: settings.Source{ConfigFile: filepath.Join(dir, "probes.yml")}}
		l, err := settings.Load(context.Background(), cli.source)
		if err != nil {
			t.Fatal(err)
		}
		if w.exporter, err = newExporter(cli, l, log.NewLogfmtLogger(w.stderr)); err != nil {
			t.Fatal(err)
		}
		w.hangup = make(chan os.Signal)
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- w.collector.Run(ctx) }()
		go w.exporter.watch(ctx)
		synctest.Wait()
		f(t, w)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func (w *watchedFiles) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(filepath.Dir(w.conf), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// scrape is what /metrics shows of the reload, of nginx.conf and of its log.
func (w *watchedFiles) scrape(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(w.reloads)
	gathered, err := prometheus.Gatherers{registry, w.collector.Gatherer(context.Background(), false)}.Gather()
	if err != nil {
		t.Fatal(err)
	}
	families := map[string]*dto.MetricFamily{}
	for _, family := range gathered {
		families[family.GetName()] = family
	}
	return families
}

// expect waits the minute in which a change must be noticed and looks at what is scraped then. Whatever happens to
// nginx.conf, the one request that was logged stays counted.
func (w *watchedFiles) expect(t *testing.T, when string, weight, wellRead, reloaded float64) {
	t.Helper()
	time.Sleep(time.Minute + time.Second) // not at a look: files are written when this returns
	families := w.scrape(t)
	for _, c := range []struct {
		what      string
		got, want float64
	}{
		{"weight", gauge(families, "nginx_upstream_server_weight", "upstream", "nodes"), weight},
		{"success of the collector", gauge(families, "fremisn_exporter_collector_success", "collector", "nginx_conf"),
			wellRead},
		{"success of the last reload", gauge(families, "fremisn_exporter_config_last_reload_successful"), reloaded},
		{"requests", float64(sum(counts(families, "nginx_access_requests_total", "access"))), 1},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s is %g, want %g", when, c.what, c.got, c.want)
		}
	}
}

func (w *watchedFiles) told(t *testing.T, text string, times int) {
	t.Helper()
	if n := strings.Count(w.stderr.String(), text); n != times {
		t.Errorf("%q is logged %d times, want %d:\n%s", text, n, times, w.stderr)
	}
}

// A change of nginx.conf, or of what it includes, is noticed within a minute; a broken one keeps the last good reading
// and is told of; counters stay.
func TestNginxConfIsReread(t *testing.T) {
	watchingNginxConf(t, true, func(t *testing.T, w *watchedFiles) {
		w.write(t, "access.log", `127.0.0.1 - - [25/Nov/2026:02:00:00 +0000] "GET / HTTP/1.1" 200 2 "-" "-"`+"\n")
		w.expect(t, "at first", 1, 1, 1)

		w.write(t, "conf.d/nodes.conf", "upstream nodes { server 127.0.0.1:1 weight=20; }\n")
		w.expect(t, "an included file has changed", 20, 1, 1)
		w.told(t, "nginx.conf has changed; read it again", 1)

		w.write(t, "conf.d/more.conf", "upstream more { server 127.0.0.1:2 weight=7; }\n")
		w.expect(t, "a file has come", 20, 1, 1)
		if got := gauge(w.scrape(t), "nginx_upstream_server_weight", "upstream", "more"); got != 7 {
			t.Errorf("the weight in the file that has come is %g", got)
		}

		w.write(t, "conf.d/nodes.conf", "upstream nodes {\n  server 127.0.0.1:1 weight=300\n}\n")
		w.expect(t, "it is broken", 20, 0, 0)
		w.expect(t, "it is still broken", 20, 0, 0)
		w.told(t, `conf.d/nodes.conf:3: unexpected \"}\"`, 2) // by the watch, and by the first scrape

		w.write(t, "conf.d/nodes.conf", "upstream nodes { server 127.0.0.1:1 weight=4000; }\n")
		w.expect(t, "it is whole again", 4000, 1, 1)

		aside := w.conf + ".bak"
		if err := os.Rename(w.conf, aside); err != nil {
			t.Fatal(err)
		}
		w.expect(t, "it is gone", 4000, 0, 0)
		if err := os.Rename(aside, w.conf); err != nil {
			t.Fatal(err)
		}
		w.expect(t, "it is as it was", 4000, 1, 1)
	})
}

// Each of the two files can be bad for itself: that nginx.conf is good again does not make the other one good.
func TestRereadAndReload(t *testing.T) {
	watchingNginxConf(t, true, func(t *testing.T, w *watchedFiles) {
		w.write(t, "access.log", `127.0.0.1 - - [25/Nov/2026:02:00:00 +0000] "GET / HTTP/1.1" 200 2 "-" "-"`+"\n")
		w.write(t, "probes.yml", "nginx: {config: nginx.conf}\nprobe: []\n")
		w.hangup <- syscall.SIGHUP
		w.expect(t, "the config file is bad", 1, 1, 0)
		w.write(t, "conf.d/nodes.conf", "upstream nodes { server 127.0.0.1:1 weight=20; }\n")
		w.expect(t, "nginx.conf has changed meanwhile", 20, 1, 0)
		w.write(t, "probes.yml", "nginx: {config: nginx.conf}\nprobes: []\n")
		w.hangup <- syscall.SIGHUP
		w.expect(t, "the config file is good again", 20, 1, 1)

		w.write(t, "conf.d/nodes.conf", "upstream nodes { server; }\n")
		w.hangup <- syscall.SIGHUP
		w.expect(t, "nginx.conf is bad at a reload", 20, 0, 0)
		w.write(t, "conf.d/nodes.conf", "upstream nodes { server 127.0.0.1:1 weight=300; }\n")
		w.expect(t, "nginx.conf is good again without a reload", 300, 1, 1)
	})
}

// The config file is reloaded by itself when it has changed, but not while it is still changing. An invalid one is
// reported once, and the old one stays in use.
func TestConfigFileIsReloadedByItself(t *testing.T) {
	watchingNginxConf(t, true, func(t *testing.T, w *watchedFiles) {
		name := func() string { return w.running().Nodes[0].Name }
		write := func(node string) {
			t.Helper()
			w.write(t, "probes.yml", "nginx: {config: nginx.conf}\nprobes: []\nnodes: [{name: "+node+
				", address: \"127.0.0.1:1\"}]\n")
		}
		write("one")
		time.Sleep(time.Minute + time.Second)
		if got := name(); got != "one" {
			t.Fatalf("a minute after the change the node is %q", got)
		}
		for i := range 5 { // somebody writes and writes
			write(fmt.Sprintf("draft-%d", i))
			time.Sleep(watchInterval)
			if got := name(); got != "one" {
				t.Fatalf("a draft was taken: %q", got)
			}
		}
		w.write(t, "probes.yml", "nodes: [{nam: x}]\n")
		time.Sleep(5 * time.Minute)
		if got := name(); got != "draft-4" && got != "one" {
			t.Errorf("the bad one runs: %q", got)
		}
		w.told(t, "reload failed", 1)
		if got := gauge(w.scrape(t), "fremisn_exporter_config_reloads_total", "trigger", "file", "result",
			"failed"); got != 1 {
			t.Errorf("%g failed reloads are counted", got)
		}
		write("two")
		time.Sleep(time.Minute)
		if got := name(); got != "two" {
			t.Errorf("a minute after it was mended the node is %q", got)
		}
		if got := gauge(w.scrape(t), "fremisn_exporter_config_last_reload_successful"); got != 1 {
			t.Errorf("the last reload is reported as failed")
		}
	})
}

// A bad config file that is put back as it was is no longer reported, whatever found it bad; a bad nginx.conf still is.
func TestConfigFileIsPutBack(t *testing.T) {
	const (
		good = "nginx: {config: nginx.conf}\nprobes: []\n"
		bad  = "nginx: {config: nginx.conf}\nprobe: []\n"
	)
	for name, refuse := range map[string]func(w *watchedFiles){
		"by a signal":   func(w *watchedFiles) { w.hangup <- syscall.SIGHUP },
		"by the change": func(*watchedFiles) {},
	} {
		t.Run(name, func(t *testing.T) {
			watchingNginxConf(t, true, func(t *testing.T, w *watchedFiles) {
				w.write(t, "access.log",
					`127.0.0.1 - - [25/Nov/2026:02:00:00 +0000] "GET / HTTP/1.1" 200 2 "-" "-"`+"\n")
				w.write(t, "probes.yml", bad)
				refuse(w)
				w.expect(t, "the config file is bad", 1, 1, 0)
				w.write(t, "probes.yml", good)
				w.expect(t, "it is put back", 1, 1, 1)
				if problem := w.reloads.problem(); problem != "" {
					t.Errorf("the verdict still names %s", problem)
				}
				w.told(t, "config reloaded", 1)

				w.write(t, "probes.yml", bad)
				refuse(w)
				w.expect(t, "the config file is bad again", 1, 1, 0)
				w.write(t, "conf.d/nodes.conf", "upstream nodes { server; }\n")
				w.expect(t, "nginx.conf is bad as well", 1, 0, 0)
				w.write(t, "probes.yml", good)
				w.expect(t, "only nginx.conf is bad", 1, 0, 0)
				w.write(t, "conf.d/nodes.conf", "upstream nodes { server 127.0.0.1:1 weight=20; }\n")
				w.expect(t, "both are good", 20, 1, 1)
			})
		})
	}
}

// A changed config file is refused while a file that it names is bad: the running nginx.conf, or another. When that is
// fixed, the config is loaded without a further change. Until then one failure is told.
func TestConfigFileWaitsForWhatItNames(t *testing.T) {
	const (
		bad  = "http { upstream nodes { server; } }\n"
		good = "events {}\nhttp { upstream nodes { server 127.0.0.1:1 weight=20; } }\n"
	)
	for name, file := range map[string]string{"the running nginx.conf": "nginx.conf", "another": "other.conf"} {
		t.Run(name, func(t *testing.T) {
			watchingNginxConf(t, true, func(t *testing.T, w *watchedFiles) {
				w.write(t, file, bad)
				w.write(t, "probes.yml", "nginx: {config: "+file+
					"}\nnodes: [{name: one, address: \"127.0.0.1:1\"}]\n")
				time.Sleep(5 * time.Minute)
				if len(w.running().Nodes) > 0 {
					t.Error("it runs with a bad file")
				}
				w.told(t, "reload failed", 1)
				w.write(t, file, good)
				time.Sleep(time.Minute)
				if len(w.running().Nodes) != 1 || w.reloads.problem() != "" {
					t.Errorf("a minute after it was fixed: %v, %q\n%s", w.running().Nodes, w.reloads.problem(),
						w.stderr)
				}
				w.told(t, "reload failed", 1)
			})
		})
	}
}

// With --no-config.auto-reload the config file is read only on request.
func TestConfigFileIsNotReloadedByItself(t *testing.T) {
	watchingNginxConf(t, false, func(t *testing.T, w *watchedFiles) {
		w.write(t, "probes.yml", "nginx: {config: nginx.conf}\nprobes: []\nnodes: [{name: one, address: "+
			"\"127.0.0.1:1\"}]\n")
		time.Sleep(5 * time.Minute)
		if nodes := w.running().Nodes; len(nodes) > 0 {
			t.Errorf("the change was taken: %v", nodes)
		}
	})
}

// A broken nginx.conf is reported at once on a requested reload, and recovers without one: also where it is put back
// as it was, so that nothing has changed since it was read.
func TestBrokenNginxConfAtAReload(t *testing.T) {
	watchingNginxConf(t, true, func(t *testing.T, w *watchedFiles) {
		w.write(t, "access.log", `127.0.0.1 - - [25/Nov/2026:02:00:00 +0000] "GET / HTTP/1.1" 200 2 "-" "-"`+"\n")
		aside := w.conf + ".bak"
		if err := os.Rename(w.conf, aside); err != nil {
			t.Fatal(err)
		}
		w.write(t, "nginx.conf", "http {\n")
		w.hangup <- syscall.SIGHUP
		synctest.Wait()
		families := w.scrape(t)
		if got := gauge(families, "fremisn_exporter_collector_success", "collector", "nginx_conf"); got != 0 {
			t.Error("the collector reports success with a broken nginx.conf")
		}
		if got := gauge(families, "fremisn_exporter_config_last_reload_successful"); got != 0 {
			t.Error("the metrics say that the reload succeeded")
		}
		if err := os.Rename(aside, w.conf); err != nil {
			t.Fatal(err)
		}
		w.expect(t, "it is put back as it was", 1, 1, 1)
	})
}
