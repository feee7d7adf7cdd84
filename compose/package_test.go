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
	// The package's scripts do nothing where no systemd runs, as in a container being built.
	for _, script := range []string{"postinst configure", "prerm remove", "postrm remove"} {
		name, arg, _ := strings.Cut(script, " ")
		if _, err := os.Stat("/run/systemd/system"); os.IsNotExist(err) {
			run(t, nil, filepath.Join(into, "DEBIAN", name), arg, "")
		}
	}
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
