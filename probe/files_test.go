package probe_test

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	// As tools write them: beside it, then renamed.
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func targetsOf(p prober) string {
	var all []string
	for _, h := range p.History() {
		all = append(all, h.Probe+" "+h.Target)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// TestFilesOfTargets changes files of targets under a running service: what is in them 30 s later is probed.
func TestFilesOfTargets(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a.yml", "- targets: ['http://127.0.0.1:1/', 'http://127.0.0.1:2/']\n")
	synctest.Test(t, func(t *testing.T) {
		p := prober{log: new(testenv.Output)}
		p.Service = serviceOf(t, p.log, `
modules: {m: {prober: http, timeout: 1s}}
probes:
  - {name: p, module: m, interval: 1h, targets: ["http://127.0.0.1:2"], files: ["`+dir+`/*.yml", "`+dir+`/*.json",
	"`+dir+`/none/*"]}
  - {name: q, module: m, interval: 1h, files: ["`+dir+`/b.json"]}
`)
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { p.Run(ctx) })
		defer running.Wait()
		defer stop()
		for _, step := range []struct{ name, file, text, want, log string }{
			{"at the start", "", "", "p http://127.0.0.1:1/, p http://127.0.0.1:2, p http://127.0.0.1:2/", ""},
			{"JSON, for two entries", "b.json", `[{"targets": ["http://127.0.0.1:3/"], "labels": {"rack": "7"}}]`,
				"p http://127.0.0.1:1/, p http://127.0.0.1:2, p http://127.0.0.1:2/, p http://127.0.0.1:3/, " +
					"q http://127.0.0.1:3/", ""},
			{"one taken out", "a.yml", "- {targets: ['http://127.0.0.1:1/']}\n",
				"p http://127.0.0.1:1/, p http://127.0.0.1:2, p http://127.0.0.1:3/, q http://127.0.0.1:3/", ""},
			{"no YAML", "a.yml", "- targets: [",
				"p http://127.0.0.1:1/, p http://127.0.0.1:2, p http://127.0.0.1:3/, q http://127.0.0.1:3/", "a.yml"},
			{"an unknown key", "a.yml", "- {targets: ['http://127.0.0.1:9/'], lables: {}}",
				"p http://127.0.0.1:1/, p http://127.0.0.1:2, p http://127.0.0.1:3/, q http://127.0.0.1:3/", "lables"},
			{"no target", "a.yml", "- {targets: ['ftp://127.0.0.1:9/?key=hunter2']}",
				"p http://127.0.0.1:1/, p http://127.0.0.1:2, p http://127.0.0.1:3/, q http://127.0.0.1:3/",
				"has the scheme"},
			{"good again", "a.yml", "- {targets: ['http://127.0.0.1:4/']}",
				"p http://127.0.0.1:2, p http://127.0.0.1:3/, p http://127.0.0.1:4/, q http://127.0.0.1:3/",
				"is usable again"},
			{"empty", "a.yml", "", "p http://127.0.0.1:2, p http://127.0.0.1:3/, q http://127.0.0.1:3/", ""},
		} {
			before := len(p.log.String())
			if step.file != "" {
				write(t, filepath.Join(dir, step.file), step.text)
				time.Sleep(30 * time.Second)
				synctest.Wait()
			}
			if got := targetsOf(p); got != step.want {
				t.Errorf("%s:\n%s\nwant\n%s", step.name, got, step.want)
			}
			if added := p.log.String()[before:]; !strings.Contains(added, step.log) ||
				strings.Contains(added, "hunter2") ||
				step.log != "" && strings.Count(added, step.log) != 1 {
				t.Errorf("%s: the log says\n%s\nwant %q once", step.name, added, step.log)
			}
		}
		if err := os.Remove(dir + "/b.json"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if got := targetsOf(p); got != "p http://127.0.0.1:2" {
			t.Errorf("without the file: %s", got)
		}
	})
}

// TestLabelsOfProbes wants a user's labels on every metric of a probe, and the exporter's own labels not overridden.
func TestLabelsOfProbes(t *testing.T) {
	web := newWitness(t, httptest.NewServer)
	dir := t.TempDir()
	write(t, dir+"/a.yml",
		"- targets: ['"+web.URL+"/file']\n  labels: {rack: '7', project: file, probe: x, target: x, node: x, "+
			"__address__: x, reason: mine}\n")
	p := newProber(t, `
modules: {m: {prober: http, timeout: 30s, http: {valid_status_codes: [200]}}}
probes: [{name: p, module: m, interval: 1h, targets: ["`+web.URL+`/static"], files: ["`+dir+`/*.yml"],
	labels: {project: faces}}]
`)
	p.run(t)
	within(t, 30*time.Second, func() bool { return strings.Count(p.metrics(), "\nprobe_success{") == 2 })
	for line := range strings.SplitSeq(p.metrics(), "\n") {
		switch {
		case !strings.Contains(line, `target="`):
		case strings.Contains(line, "/static"):
			contains(t, line, `node="",`, `probe="p"`, `project="faces"`)
		default:
			contains(t, line, `exported_reason="mine"`, `node="",`, `probe="p"`, `project="file"`, `rack="7"`)
			if strings.Contains(line, "__address__") {
				t.Error(line)
			}
		}
	}
	contains(t, p.metrics(),
		`probe_failures_total{exported_reason="mine",node="",probe="p",project="file",rack="7",reason="dns",`+
			`target="`+web.URL+`/file"} 0`,
		`probe_timeout_seconds{node="",probe="p",project="faces",target="`+web.URL+`/static"} 30`)
	if code, text := p.ask(t, "module", "m", "target", web.URL+"/file"); code != 200 {
		t.Errorf("a target of a file is not configured for /probe: %s", text)
	}
}

// TestHostnameOfProbes has a scheduled probe ask for another name than its target has.
func TestHostnameOfProbes(t *testing.T) {
	web := newWitness(t, httptest.NewServer)
	p := newProber(t, `
modules: {m: {prober: http, timeout: 30s}}
probes: [{name: p, module: m, interval: 1h, targets: ["`+web.URL+`"], hostname: api.example.com}]
`)
	p.run(t)
	within(t, 30*time.Second, func() bool { return strings.Contains(p.metrics(), "\nprobe_success{") })
	if seen := web.drain(); len(seen) != 1 || seen[0].Host != "api.example.com" {
		t.Errorf("%d requests", len(seen))
	}
}
