package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// The place of the state without --storage.path: never below the folder that root happens to be in.
func TestDefaultStorage(t *testing.T) {
	const root, user = 0, 1000
	for _, test := range []struct {
		euid    int
		service string // of systemd
		args    []string
		want    string
	}{
		{user, "", nil, "data/"},
		{user, "", []string{"--config", "/srv/a/probes.yml"}, "data/"},
		{user, "/var/lib/lb", nil, "/var/lib/lb"},
		{user, "/var/lib/lb:/var/lib/other", nil, "/var/lib/lb"},
		{user, "/var/lib/lb", []string{"--storage.path", "x"}, "x"},
		{root, "", nil, "/var/lib/fremisn-exporter"},
		{root, "", []string{"--config", "/etc/fremisn-exporter/probes.yml"}, "/var/lib/fremisn-exporter"},
		{root, "", []string{"--config", "/srv/a/probes.yml"}, "/var/lib/fremisn-exporter/probes.yml-53cbb886"},
		{root, "", []string{"--config", "/srv/b/probes.yml"}, "/var/lib/fremisn-exporter/probes.yml-5f571eb5"},
		{root, "", []string{"--nginx.config", "/srv/nginx.conf"}, "/var/lib/fremisn-exporter/nginx.conf-9acff768"},
		{root, "", []string{"--storage.path", "x"}, "x"},
		{root, "", []string{"--storage.path", ""}, ""},
	} {
		t.Setenv("STATE_DIRECTORY", test.service)
		var out bytes.Buffer
		cli, code, done := parseCommandLine(test.args, &out, &out)
		if done {
			t.Fatal(code, out.String())
		}
		if !cli.isGiven("storage.path") { // for any user that runs the tests
			cli.storagePath = userStorage
		}
		if cli.completeStorage(test.euid); cli.storagePath != test.want {
			t.Errorf("user %d, $STATE_DIRECTORY %q, %q: %s, want %s", test.euid, test.service, test.args,
				cli.storagePath, test.want)
		}
	}
}

// asRoot starts the exporter as root with its own /var/lib, for any user that runs the tests; besideOther, where the
// state of a config with another name lies.
const (
	asRoot      = `mount -t tmpfs tmpfs /var/lib && cd "$1" && shift && exec "$@"`
	besideOther = `mount -t tmpfs tmpfs /var/lib && other=/var/lib/fremisn-exporter/old.yml-0a1b2c3d &&
		mkdir -p "$other" && : >"$other/a.state" && cd "$1" && shift && exec "$@"`
)

// startUnshared runs a script that mounts something and starts the exporter in a folder, and waits until that answers.
// What it mounts is below root.
func startUnshared(t *testing.T, script, folder string, args ...string) (cmd *exec.Cmd, url, root string,
	logged *testenv.Output) {
	t.Helper()
	address := freeAddress(t)
	cmd = exec.Command("unshare", append([]string{"--user", "--map-root-user", "--mount", "sh", "-c", script, "sh",
		folder, buildExporter(t), "--web.listen-address", address}, args...)...)
	logged = &testenv.Output{}
	cmd.Stderr = logged
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the exporter answers", func() bool {
		response, err := http.Get("http://" + address + "/metrics")
		if err == nil {
			response.Body.Close()
		}
		return err == nil
	})
	return cmd, "http://" + address, fmt.Sprintf("/proc/%d/root", cmd.Process.Pid), logged
}

// startAsRoot runs the exporter in a folder until it has read its logs and ends it. It returns what was logged and the
// folders that its records lie in.
func startAsRoot(t *testing.T, script, folder string, args ...string) (logged string, records []string) {
	t.Helper()
	cmd, _, root, stderr := startUnshared(t, script, folder, args...)
	files, err := filepath.Glob(root + systemStorage + "/*/" + stateFiles)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		records = append(records, strings.TrimPrefix(filepath.Dir(file), root))
	}
	if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	return stderr.String(), records
}

// onFullDisk starts the exporter with a full disk at the storage path.
const onFullDisk = `cd "$1" && shift && mkdir data && mount -t tmpfs -o size=256k tmpfs data && mkdir data/state &&
	! head -c 1M /dev/zero >data/fill 2>/dev/null && exec "$@"`

// TestStartOnAFullDisk: a full disk does not keep the program from serving. It goes on when there is room.
func TestStartOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.log"), "200\n200\n")
	writeFile(t, filepath.Join(dir, "c.yml"), "nginx:\n  access_logs: [{path: "+filepath.Join(dir, "a.log")+
		", format: $status, start: beginning}]\nprobes: []\n")
	cmd, url, root, logged := startUnshared(t, onFullDisk, dir, "--config=c.yml", "--storage.path=data/state")
	const shown = `fremisn_exporter_log_lines_total{log="a",result="parsed"} 2`
	if strings.Contains(getWithin(t, url+"/metrics", patience), shown) {
		t.Error("what cannot be saved is shown")
	}
	if err := os.Remove(root + filepath.Join(dir, "data/fill")); err != nil {
		t.Fatal(err)
	}
	until(t, "the log is shown", func() bool {
		return strings.Contains(getWithin(t, url+"/metrics", patience), shown)
	})
	if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
		t.Errorf("%v\n%s", err, logged)
	}
}

// TestRootLeavesNoStateInTheCurrentFolder: root's state is below /var/lib, and a start that leaves an older one behind,
// and check before it, says so with both paths and what to do.
func TestRootLeavesNoStateInTheCurrentFolder(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "probes.yml")
	text := "nginx:\n  status: []\n  access_logs: [{path: " + filepath.Join(dir, "a.log") +
		", format: combined}]\nprobes: []\n"
	if err := errors.Join(os.WriteFile(config, []byte(text), 0o644),
		os.WriteFile(filepath.Join(dir, "a.log"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	want := rootStorage(settings.Source{ConfigFile: config})
	logged, records := startAsRoot(t, asRoot, dir, "--config", "probes.yml")
	if !slices.Equal(records, []string{want}) || strings.Contains(logged, "left behind") {
		t.Errorf("records in %q, want in %s:\n%s", records, want, logged)
	}
	older := filepath.Join(dir, "data")
	if _, err := os.Stat(older); !os.IsNotExist(err) {
		t.Errorf("root made %s: %v", older, err)
	}

	startAsRoot(t, asRoot, dir, "--config", config, "--storage.path", "data/") // as versions before did it
	logged, _ = startAsRoot(t, asRoot, dir, "--config", config)
	remedy := "to go on with it, stop, and start with --storage.path=" + older + " or move its files to " + want
	for _, part := range []string{"is left behind", "old=" + older + " ", "path=" + want + " ", remedy} {
		if got := strings.Count(logged, part); got != 1 {
			t.Errorf("%d times, not once: %s\n%s", got, part, logged)
		}
	}
	t.Chdir(dir)
	for _, given := range []struct {
		args []string
		says bool
	}{
		{[]string{"--storage.path", t.TempDir()}, true},
		{[]string{"--storage.path", older}, false},
		{[]string{"--storage.path", "data"}, false},
		{[]string{"--storage.path", ""}, false},
	} {
		var stdout, stderr bytes.Buffer
		run(t.Context(), append([]string{"check", "--config", config}, given.args...), &stdout, &stderr)
		report := strings.Join(strings.Fields(stdout.String()), " ")
		if says := strings.Contains(report, older+" holds the state of earlier starts"); says != given.says {
			t.Errorf("check %q: says so: %v\n%s%s", given.args, says, &stdout, &stderr)
		}
	}
}

// TestStateOfAnotherConfig: a config that has no state where others have may be one that got another name. The first
// start names their folders; one whose folder is given does not.
func TestStateOfAnotherConfig(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.log"), "")
	writeFile(t, filepath.Join(dir, "new.yml"), "nginx:\n  access_logs: [{path: "+filepath.Join(dir, "a.log")+
		", format: combined}]\nprobes: []\n")
	for _, c := range []struct {
		script string
		args   []string
		says   bool
	}{
		{besideOther, []string{"--config=new.yml"}, true},
		{besideOther, []string{"--config=new.yml", "--storage.path=/var/lib/mine"}, false},
		{asRoot, []string{"--config=new.yml"}, false},
	} {
		logged, _ := startAsRoot(t, c.script, dir, c.args...)
		if says := strings.Contains(logged, " others=/var/lib/fremisn-exporter/old.yml-0a1b2c3d "); says != c.says {
			t.Errorf("%q names the other's state: %v, want %v\n%s", c.args, says, c.says, logged)
		}
	}
}
