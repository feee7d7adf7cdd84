package compose

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestDebianPackage(t *testing.T) {
	t.Parallel()
	dist := t.TempDir()
	for version, want := range map[string]string{
		"v1.2.0":              "1.2.0",
		"v1.2.0-3-gabcdef1":   "1.2.0+3.gabcdef1",
		"v1.2.0-rc.1":         "1.2.0~rc.1",
		"abcdef1-dirty":       "0.0.0~abcdef1+dirty",
		"v1.2.0-3-gabc-dirty": "1.2.0+3.gabc+dirty",
	} {
		program := "package/build.sh" // for a version any file will do, and a small one is quickly packed
		if version == "v1.2.0" {
			program = binary(t)
		}
		run(t, map[string]string{"VERSION": version}, "package/build.sh", program, dist)
		debs, err := filepath.Glob(filepath.Join(dist, "*.deb"))
		if err != nil || len(debs) != 1 {
			t.Fatalf("%s: packages %v, %v", version, debs, err)
		}
		if got := strings.TrimSpace(run(t, nil, "dpkg-deb", "-f", debs[0], "Version")); got != want {
			t.Errorf("%s becomes version %s, want %s", version, got, want)
		}
		if version != "v1.2.0" {
			if err := os.Remove(debs[0]); err != nil {
				t.Fatal(err)
			}
			continue
		}
		inspect(t, debs[0])
		if err := os.Remove(debs[0]); err != nil {
			t.Fatal(err)
		}
	}
	// As Debian sorts them, each is older than the next.
	for _, pair := range [][2]string{{"0.0.0~abcdef1", "1.2.0~rc.1"}, {"1.2.0~rc.1", "1.2.0"}, {"1.2.0", "1.2.0+3.gabcdef1"}, {"1.2.0+3.gabcdef1", "1.2.1"}} {
		run(t, nil, "dpkg", "--compare-versions", pair[0], "lt", pair[1])
	}
}

func inspect(t *testing.T, deb string) {
	t.Helper()
	info, contents := run(t, nil, "dpkg-deb", "-I", deb), run(t, nil, "dpkg-deb", "-c", deb)
	for _, want := range []string{"Package: fremisn-exporter", "Maintainer: ", "Description: ", "Section: net", "conffiles", "postinst", "prerm", "postrm"} {
		if !strings.Contains(info, want) {
			t.Errorf("dpkg-deb -I says nothing of %s:\n%s", want, info)
		}
	}
	for _, want := range []string{
		`-rwxr-xr-x root/root +\d+ .* \./usr/bin/fremisn-exporter\n`,
		`-rw-r--r-- root/root +\d+ .* \./lib/systemd/system/fremisn-exporter.service\n`,
		`-rw-r----- root/adm +\d+ .* \./etc/fremisn-exporter/probes.yml\n`,
		`-rw-r--r-- root/root +\d+ .* \./etc/default/fremisn-exporter\n`,
		`-rw-r--r-- root/root +\d+ .* \./usr/share/doc/fremisn-exporter/copyright\n`,
	} {
		if !regexp.MustCompile(want).MatchString(contents) {
			t.Errorf("dpkg-deb -c does not show %s:\n%s", want, contents)
		}
	}
	into := t.TempDir()
	run(t, nil, "dpkg-deb", "-x", deb, into)
	run(t, nil, "dpkg-deb", "-e", deb, filepath.Join(into, "DEBIAN"))
	if got := read(t, filepath.Join(into, "DEBIAN/conffiles")); got != "/etc/default/fremisn-exporter\n/etc/fremisn-exporter/probes.yml\n" {
		t.Errorf("conffiles: %q", got)
	}
	run(t, nil, filepath.Join(into, "usr/bin/fremisn-exporter"), "--version")
	maintain(t, filepath.Join(into, "DEBIAN"))
	// What the unit starts is what the package brings.
	unit := read(t, filepath.Join(into, "lib/systemd/system/fremisn-exporter.service"))
	for _, path := range regexp.MustCompile(`(?m)^(?:ExecStart|EnvironmentFile)=-?(/\S+)`).FindAllStringSubmatch(unit, -1) {
		if _, err := os.Stat(filepath.Join(into, path[1])); err != nil {
			t.Error(err)
		}
	}
	if config := regexp.MustCompile(`--config=(\S+)`).FindStringSubmatch(unit); config == nil || !strings.Contains(contents, "."+config[1]+"\n") {
		t.Errorf("the unit's config %v is not in the package", config)
	}
}

// maintain runs the package's scripts as dpkg does, and looks at what they ask of systemd. (make test-package has a real one.)
func maintain(t *testing.T, scripts string) {
	t.Helper()
	bin, asked := t.TempDir(), filepath.Join(t.TempDir(), "asked")
	if err := os.WriteFile(filepath.Join(bin, "systemctl"), []byte("#!/bin/sh\necho \"$@\" >>"+asked+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	system, state := t.TempDir(), "var/lib/private/fremisn-exporter"
	if err := os.MkdirAll(filepath.Join(system, state), 0o755); err != nil {
		t.Fatal(err)
	}
	dpkg := func(script string, args ...string) string {
		t.Helper()
		write(t, asked, "")
		run(t, map[string]string{"PATH": bin + ":" + os.Getenv("PATH"), "DPKG_ROOT": system}, filepath.Join(scripts, script), args...)
		return read(t, asked)
	}
	steps := []struct {
		script string
		args   []string
		asks   string
	}{
		{"postinst", []string{"configure", ""}, "daemon-reload\n"},
		{"prerm", []string{"upgrade", "1.3.0"}, ""},
		{"postrm", []string{"upgrade", "1.3.0"}, "daemon-reload\n"},
		{"postinst", []string{"configure", "1.2.0"}, "daemon-reload\ntry-restart fremisn-exporter.service\n"},
		{"prerm", []string{"remove"}, "disable --now fremisn-exporter.service\n"},
		{"postrm", []string{"remove"}, "daemon-reload\n"},
	}
	for _, step := range steps {
		if got := dpkg(step.script, step.args...); got != "" {
			t.Errorf("%s %v without systemd, as in a container that is being built, asks for %q", step.script, step.args, got)
		}
	}
	if err := os.MkdirAll(filepath.Join(system, "run/systemd/system"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if got := dpkg(step.script, step.args...); got != step.asks {
			t.Errorf("%s %v asks systemd for %q, want %q", step.script, step.args, got, step.asks)
		}
	}
	if _, err := os.Stat(filepath.Join(system, state)); err != nil {
		t.Errorf("the state must outlive upgrades and removal: %v", err)
	}
	dpkg("postrm", "purge")
	if _, err := os.Stat(filepath.Join(system, state)); !os.IsNotExist(err) {
		t.Errorf("purge leaves the state: %v", err)
	}
}
