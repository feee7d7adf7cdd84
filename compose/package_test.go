package compose

import (
	"debug/elf"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestDebianPackage(t *testing.T) {
	t.Parallel()
	dist := t.TempDir()
	run(t, map[string]string{"VERSION": "1.2.0"}, "package/build.sh", binary(t), dist)
	debs, err := filepath.Glob(filepath.Join(dist, "*.deb"))
	if err != nil || len(debs) != 1 {
		t.Fatalf("packages %v, %v", debs, err)
	}
	if got := strings.TrimSpace(run(t, nil, "dpkg-deb", "-f", debs[0], "Version")); got != "1.2.0" {
		t.Errorf("version %s, want 1.2.0", got)
	}
	inspect(t, debs[0])
	lintian(t, debs[0])
}

// lintian fails the test if Debian's checker finds an error in a package, or has a warning.
func lintian(t *testing.T, debs ...string) {
	t.Helper()
	run(t, nil, "lintian", append([]string{"--fail-on", "error,warning", "--tag-display-limit", "0"}, debs...)...)
}

// TestVersions makes commits after a release: their versions sort between it and the next.
func TestVersions(t *testing.T) {
	t.Parallel()
	checkout := t.TempDir()
	if err := os.MkdirAll(filepath.Join(checkout, "compose/package"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(checkout, "compose/package/version.sh")
	write(t, script, read(t, "package/version.sh"))
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	version := func() string { t.Helper(); return strings.TrimSpace(run(t, nil, script)) }
	git := func(args ...string) {
		t.Helper()
		run(t, nil, "git", append([]string{"-C", checkout, "-c", "user.name=n", "-c", "user.email=e@example.com"},
			args...)...)
	}
	write(t, filepath.Join(checkout, "VERSION"), "1.2.0-rc.1\n")
	without := version()
	var versions []string
	git("init", "-q")
	for _, step := range []struct{ file, text string }{{"VERSION", "1.2.0-rc.1\n"}, {"a", "1"}, {"VERSION", "1.2.0\n"},
		{"a", "2"}, {"a", "3"}, {"VERSION", "1.2.1\n"}} {
		write(t, filepath.Join(checkout, step.file), step.text)
		git("add", "-A")
		git("commit", "-q", "-m", step.file)
		versions = append(versions, version())
	}
	for i, want := range []string{`^1\.2\.0~rc\.1$`, `^1\.2\.0~rc\.1\+1\.g[0-9a-f]{9}$`, `^1\.2\.0$`,
		`^1\.2\.0\+1\.g[0-9a-f]{9}$`, `^1\.2\.0\+2\.g[0-9a-f]{9}$`, `^1\.2\.1$`} {
		if !regexp.MustCompile(want).MatchString(versions[i]) {
			t.Errorf("commit %d has version %s, want %s", i, versions[i], want)
		}
		if i > 0 {
			run(t, nil, "dpkg", "--compare-versions", versions[i-1], "lt", versions[i])
		}
	}
	if without != "1.2.0~rc.1" {
		t.Errorf("without git it is %s", without)
	}
	write(t, filepath.Join(checkout, "a"), "4")
	if got := version(); got != "1.2.1+dirty" {
		t.Errorf("with a change that is not committed it is %s", got)
	}
}

// TestReleaseTwice makes a release in two fresh clones, by users of other habits: the same files with the same bytes.
func TestReleaseTwice(t *testing.T) {
	t.Parallel()
	commit := strings.TrimSpace(run(t, nil, "git", "rev-parse", "HEAD")) // another may come meanwhile
	var sums []string
	for _, habits := range []string{"umask 022; export TZ=UTC LC_ALL=C",
		"umask 077; export TZ=Asia/Jakarta LC_ALL=C.UTF-8"} {
		checkout, env := clone(t, habits+"; git clone -q https://github.com/fremisn/fremisn-exporter && "+
			"git -C fremisn-exporter checkout -q "+commit)
		dist := filepath.Join(checkout, "dist")
		shell(t, checkout, env, habits+"; make release && cd dist && sha256sum --check --quiet SHA256SUMS")
		sums = append(sums, read(t, filepath.Join(dist, "SHA256SUMS")))
		if len(sums) == 1 {
			version := strings.TrimSpace(shell(t, checkout, env, "compose/package/version.sh"))
			inspectRelease(t, dist, version)
		}
	}
	if sums[0] != sums[1] {
		t.Errorf("two builds differ:\n%s\n%s", sums[0], sums[1])
	}
}

// inspectRelease looks at what a release has: all of it for each machine.
func inspectRelease(t *testing.T, dist, version string) {
	t.Helper()
	sums := read(t, filepath.Join(dist, "SHA256SUMS"))
	var debs, files []string
	for _, arch := range []string{"amd64", "arm64"} {
		name := "fremisn-exporter_" + version + "_" + arch + ".deb"
		if debs = append(debs, filepath.Join(dist, name)); !strings.Contains(sums, "  "+name+"\n") {
			t.Errorf("%s is missing:\n%s", name, sums)
		}
		files = append(files, run(t, nil, "sh", "-c", "dpkg-deb --fsys-tarfile "+debs[len(debs)-1]+" | tar -t"))
	}
	if files[0] != files[1] {
		t.Errorf("the packages differ in their files:\n%s\n%s", files[0], files[1])
	}
	lintian(t, debs...)
	for machine, want := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64,
		"armv7": elf.EM_ARM} {
		inspectArchive(t, dist, "fremisn-exporter-"+version+".linux-"+machine, want)
	}
	bill := read(t, filepath.Join(dist, "fremisn-exporter-"+version+".cdx.json"))
	for _, want := range []string{`"bomFormat": "CycloneDX"`, "github.com/prometheus/client_golang"} {
		if !strings.Contains(bill, want) {
			t.Errorf("the bill of materials has no %s", want)
		}
	}
}

// inspectArchive looks at the archive for one machine: a static binary, and everything beside it.
func inspectArchive(t *testing.T, dist, name string, machine elf.Machine) {
	t.Helper()
	into := t.TempDir()
	run(t, nil, "tar", "-xzf", filepath.Join(dist, name+".tar.gz"), "-C", into)
	for _, file := range []string{
		"README.md", "README.id.md", "LICENSE", "CHANGELOG.md", "probes.yml", "alerts/nodes.rules.yml",
		"alerts/runbooks/FremisnNodeDown.md", "dashboards/overview.json", "fremisn-exporter.1",
		"completions/fremisn-exporter.bash", "completions/_fremisn-exporter",
	} {
		if _, err := os.Stat(filepath.Join(into, name, file)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	binary, err := elf.Open(filepath.Join(into, name, "fremisn-exporter"))
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	libraries, err := binary.ImportedLibraries()
	if binary.Machine != machine || err != nil || len(libraries) > 0 {
		t.Errorf("%s: a binary for %s with the libraries %q (%v), want a static one for %s", name, binary.Machine,
			libraries, err, machine)
	}
}

func inspect(t *testing.T, deb string) {
	t.Helper()
	info, contents := run(t, nil, "dpkg-deb", "-I", deb), run(t, nil, "dpkg-deb", "-c", deb)
	for _, want := range []string{"Package: fremisn-exporter", "Maintainer: ", "Description: ", "Section: net",
		"conffiles", "postinst", "prerm", "postrm"} {
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
		`-rw-r--r-- root/root +\d+ .* \./usr/share/man/man1/fremisn-exporter.1.gz\n`,
		`-rw-r--r-- root/root +\d+ .* \./usr/share/bash-completion/completions/fremisn-exporter\n`,
		`-rw-r--r-- root/root +\d+ .* \./usr/share/zsh/vendor-completions/_fremisn-exporter\n`,
		`-rw-r--r-- root/root +\d+ .* \./usr/share/fremisn-exporter/alerts/nodes.rules.yml\n`,
		`-rw-r--r-- root/root +\d+ .* \./usr/share/fremisn-exporter/dashboards/overview.json\n`,
		`-rw-r--r-- root/root +\d+ .* \./usr/share/doc/fremisn-exporter/runbooks/FremisnNodeDown.md\n`,
	} {
		if !regexp.MustCompile(want).MatchString(contents) {
			t.Errorf("dpkg-deb -c does not show %s:\n%s", want, contents)
		}
	}
	into := t.TempDir()
	run(t, nil, "dpkg-deb", "-x", deb, into)
	run(t, nil, "dpkg-deb", "-e", deb, filepath.Join(into, "DEBIAN"))
	if got := read(t, filepath.Join(into,
		"DEBIAN/conffiles")); got != "/etc/default/fremisn-exporter\n/etc/fremisn-exporter/probes.yml\n" {
		t.Errorf("conffiles: %q", got)
	}
	run(t, nil, filepath.Join(into, "usr/bin/fremisn-exporter"), "--version")
	maintain(t, filepath.Join(into, "DEBIAN"))
	// What the unit starts is what the package brings.
	unit := read(t, filepath.Join(into, "lib/systemd/system/fremisn-exporter.service"))
	for _, path := range regexp.MustCompile(`(?m)^(?:ExecStart|EnvironmentFile)=-?(/\S+)`).FindAllStringSubmatch(unit,
		-1) {
		if _, err := os.Stat(filepath.Join(into, path[1])); err != nil {
			t.Error(err)
		}
	}
	if config := regexp.MustCompile(`--config=(\S+)`).FindStringSubmatch(unit); config == nil ||
		!strings.Contains(contents, "."+config[1]+"\n") {
		t.Errorf("the unit's config %v is not in the package", config)
	}
}

// maintain runs the package's scripts as dpkg does, and looks at what they ask of systemd. (make test-package has a
// real one.)
func maintain(t *testing.T, scripts string) {
	t.Helper()
	bin, asked := t.TempDir(), filepath.Join(t.TempDir(), "asked")
	if err := os.WriteFile(filepath.Join(bin, "systemctl"), []byte("#!/bin/sh\necho \"$@\" >>"+asked+"\n"),
		0o755); err != nil {
		t.Fatal(err)
	}
	system, state := t.TempDir(), "var/lib/private/fremisn-exporter"
	if err := os.MkdirAll(filepath.Join(system, state), 0o755); err != nil {
		t.Fatal(err)
	}
	dpkg := func(script string, args ...string) string {
		t.Helper()
		write(t, asked, "")
		run(t, map[string]string{"PATH": bin + ":" + os.Getenv("PATH"), "DPKG_ROOT": system},
			filepath.Join(scripts, script), args...)
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
			t.Errorf("%s %v without systemd, as in a container that is being built, asks for %q", step.script,
				step.args, got)
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

// TestCompletion presses Tab in bash, where the package's script is loaded.
func TestCompletion(t *testing.T) {
	t.Parallel()
	path := filepath.Dir(binary(t)) + ":" + os.Getenv("PATH")
	for typed, want := range map[string]string{
		"":                        "help serve check probe healthcheck analyze explain whatif backfill",
		"h":                       "help healthcheck",
		"check --output ":         "text json",
		"--web.tele":              "--web.telemetry-path",
		"serve --config.auto-rel": "--config.auto-reload --config.auto-reload-interval",
	} {
		got := run(t, map[string]string{"PATH": path}, "bash", "-c", `
eval "$(fremisn-exporter --completion-script-bash)"
IFS=' ' read -ra COMP_WORDS <<<"fremisn-exporter $1"
case $1 in '' | *' ') COMP_WORDS+=('') ;; esac
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
$(complete -p fremisn-exporter | sed 's/.* -F \([^ ]*\) .*/\1/')
echo "${COMPREPLY[*]}"`, "bash", typed)
		if got != want+"\n" {
			t.Errorf("fremisn-exporter %s<Tab> gives %swant %s", typed, got, want)
		}
	}
}
