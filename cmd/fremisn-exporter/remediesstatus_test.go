package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// A status page that lets nobody in is opened as check says; the command that it gives shows what the page answers.
func TestRemediesOfStatusPages(t *testing.T) {
	p := newPlace(t, "", onlyNginx)
	conf := func(rules string) string {
		return testenv.Preamble() + "http {" + testenv.TempPaths + "access_log off; server { listen ADDRESS; " +
			"location /status { stub_status; " + rules + " } } }\n"
	}
	p.write("nginx.conf", conf("deny all;"))
	denied := p.report().remedy("add allow 127.0.0.1;")
	if denied == "" {
		t.Fatalf("no remedy\n%s", p.report())
	}
	opened := strings.TrimPrefix(denied, "add ")
	p.write("nginx.conf", conf(opened+" deny all;"))
	if r := p.report(); r.remedy("is NGINX running, and with this configuration?") == "" {
		t.Errorf("NGINX does not run\n%s", r)
	}
	nginx, err := testenv.StartNginx(context.Background(), p.dir, p.fill(conf("deny all;")), p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	p.write("probes.yml", "nginx: {config: nginx.conf, status: [{url: 'http://ADDRESS/status'}]}\nprobes: []\n")
	command := after(t, p.report().remedy("see for yourself: "), "see for yourself: ")
	if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil || !strings.Contains(string(out),
		"403 Forbidden") {
		t.Errorf("%s: %v: %s", command, err, out)
	}
	if err := nginx.Write(p.fill(conf(opened + " deny all;"))); err != nil {
		t.Fatal(err)
	}
	if err := nginx.Reload(); err != nil {
		t.Fatal(err)
	}
	until(t, "the page answers", func() bool {
		out, err := exec.Command("sh", "-c", command).CombinedOutput()
		return err == nil && strings.Contains(string(out), "Active connections:")
	})
	p.write("probes.yml", onlyNginx)
	until(t, "check finds the page, which the old worker may have closed once more", func() bool {
		return strings.Contains(p.report().String(), "good stub_status")
	})
}

// The command that shows the owner of the port names the process; the suggested flags work.
func TestRemediesOfThisHost(t *testing.T) {
	p := newPlace(t, site("access_log DIR/site.log full;"), onlyNginx)
	p.write("site.log", "")
	config := []string{"--config", filepath.Join(p.dir, "probes.yml")}
	with := func(args ...string) reported { return report(t, append(config, args...)...) }

	taken := strings.TrimPrefix(answering(t, "no exporter").URL, "http://")
	remedy := with("--storage.path", p.dir+"/data", "--web.listen-address", taken).remedy("ss -ltnp")
	command, rest, _ := strings.Cut(strings.TrimPrefix(remedy, "sudo "), " shows which")
	out, err := exec.Command("sh", "-c", command).CombinedOutput()
	if err != nil || !strings.Contains(string(out), fmt.Sprintf("pid=%d,", os.Getpid())) {
		t.Errorf("%s: %v: %s", command, err, out)
	}
	flag := regexp.MustCompile(`--[a-z.-]+[a-z]`).FindString(rest)
	if r := with("--storage.path", p.dir+"/data", flag, freeAddress(t)); r.remedy("ss -ltnp") != "" || !r.OK {
		t.Errorf("with %s\n%s", flag, r)
	}
	for _, row := range []struct {
		before []string
		says   string
		mended func(remedy string) []string
	}{
		{[]string{"--storage.path", p.dir + "/data", "--web.listen-address", "9113"},
			"write --web.listen-address=:9113", func(remedy string) []string {
				port := strings.TrimPrefix(freeAddress(t), "127.0.0.1:")
				flag := strings.Replace(strings.TrimPrefix(remedy, "write "), "9113", port, 1)
				return []string{"--storage.path", p.dir + "/data", flag}
			}},
		{[]string{"--storage.path=", "--web.listen-address", freeAddress(t)}, "give --storage.path a folder",
			func(string) []string {
				return []string{"--storage.path", p.dir + "/data", "--web.listen-address", freeAddress(t)}
			}},
		{[]string{"--storage.path", p.dir + "/site.log", "--web.listen-address", freeAddress(t)},
			"choose another with --storage.path", func(string) []string {
				return []string{"--storage.path", p.dir + "/data", "--web.listen-address", freeAddress(t)}
			}},
		{[]string{"--storage.path", p.dir + "/data", "--web.listen-address", freeAddress(t), "--web.config.file",
			p.dir + "/none.yml"}, "correct it, or leave out --web.config.file", func(string) []string {
			return []string{"--storage.path", p.dir + "/data", "--web.listen-address", freeAddress(t)}
		}},
	} {
		remedy := with(row.before...).remedy(row.says)
		if remedy == "" {
			t.Errorf("%q: nothing says %q\n%s", row.before, row.says, with(row.before...))
			continue
		}
		if r := with(row.mended(remedy)...); r.remedy(row.says) != "" || !r.OK {
			t.Errorf("%q does not help\n%s", remedy, r)
		}
	}
}
