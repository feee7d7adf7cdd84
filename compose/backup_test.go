package compose

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A site is what backup.sh saves: Prometheus at work, and directories in place of the other volumes. Its paths
// have a space.
type site struct {
	*stack
	config, prometheus, grafana, state, backups string
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a site")
	s := &site{stack: &stack{dir: dir}, config: filepath.Join(dir, "prometheus.yml"),
		prometheus: filepath.Join(dir, "prometheus"),
		grafana:    filepath.Join(dir, "grafana"), state: filepath.Join(dir, "state"), backups: filepath.Join(dir,
			"backups")}
	for _, made := range []string{s.grafana, s.state} {
		if err := os.MkdirAll(made, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(s.grafana, "grafana.db"), "a database")
	write(t, filepath.Join(s.state, "state"), "positions")
	s.env = map[string]string{"ENV_FILE": "/nonexistent", "BACKUP_DIR": s.backups, "BACKUP_KEEP": "2",
		"PROMETHEUS_STORE": s.prometheus, "GRAFANA_STORE": s.grafana, "EXPORTER_STORE": s.state}
	return s
}

// startPrometheus starts it on the site's data, for as long as the test runs, scraping itself.
func (s *site) startPrometheus(t *testing.T, scrapes bool) {
	t.Helper()
	addr := freeAddress(t)
	s.env["PROMETHEUS_URL"] = "http://" + addr
	config := ""
	if scrapes {
		config = "global: {scrape_interval: 100ms}\nscrape_configs: [{job_name: self, static_configs: [{targets: ['" +
			addr + "']}]}]\n"
	}
	write(t, s.config, config)
	startProcess(t, exec.Command("prometheus", "--config.file="+s.config, "--storage.tsdb.path="+s.prometheus,
		"--web.listen-address="+addr,
		"--web.enable-admin-api"), syscall.SIGTERM)
	waitFor(t, "http://"+addr+"/-/ready")
	if scrapes {
		eventually(t, func() bool { return s.samples(t) }, func() string { return "Prometheus scrapes nothing" })
	}
}

// samples reports whether Prometheus has more than five scrapes of itself.
func (s *site) samples(t *testing.T) bool {
	t.Helper()
	_, text, err := get(s.env["PROMETHEUS_URL"] + "/api/v1/query?query=count_over_time(up[1h])>5")
	return err == nil && strings.Contains(text, `"job":"self"`)
}

func (s *site) must(t *testing.T, args ...string) string {
	t.Helper()
	out, exit := s.script(t, "backup.sh", args...)
	if exit != 0 {
		t.Fatalf("backup.sh %v: exit %d", args, exit)
	}
	return out
}

func (s *site) archives(t *testing.T) []string {
	t.Helper()
	return strings.Split(strings.TrimSpace(s.must(t, "list")), "\n")
}

// clean fails the test when a run left something behind: an unfinished archive, or a snapshot in Prometheus' data.
func (s *site) clean(t *testing.T, archives int) {
	t.Helper()
	entries, err := os.ReadDir(s.backups)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if len(entries) != archives {
		t.Errorf("in the directory of the backups are %v, want %d archives and nothing else", entries, archives)
	}
	if left, err := os.ReadDir(filepath.Join(s.prometheus, "snapshots")); err == nil && len(left) > 0 {
		t.Errorf("%d snapshots are left in Prometheus' directory", len(left))
	}
}

func TestBackupIsVerifiedKeptAndRestored(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	t.Run("made", func(t *testing.T) {
		s.startPrometheus(t, true)
		s.must(t, "--dry-run")
		if _, err := os.Stat(s.backups); !os.IsNotExist(err) {
			t.Error("--dry-run made the directory")
		}
		var made []string
		for range 3 {
			s.must(t)
			list := s.archives(t)
			made = append(made, list[len(list)-1])
		}
		if got := s.archives(t); !slices.Equal(got, made[1:]) {
			t.Errorf("archives %v, want the newest two of %v", got, made)
		}
		s.clean(t, 2)
	})
	archive := s.archives(t)[1]
	if info, err := os.Stat(archive); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the archive may be read by others: %v %v", info.Mode(), err)
	}
	s.must(t, "verify", archive)

	// Everything is lost, and comes back.
	write(t, filepath.Join(s.grafana, "grafana.db"), "garbage")
	write(t, filepath.Join(s.state, "state"), "garbage")
	write(t, filepath.Join(s.state, "more"), "garbage")
	if err := os.RemoveAll(s.prometheus); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.prometheus, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, exit := s.script(t, "backup.sh", "restore", archive); exit != 2 ||
		strings.Count(out, ": would be replaced in ") != 3 || strings.Contains(out, ": replaced") {
		t.Errorf("restore without --yes: exit %d, want 2 and what would be replaced", exit)
	}
	s.must(t, "restore", archive, "--dry-run")
	if read(t, filepath.Join(s.grafana, "grafana.db")) != "garbage" {
		t.Error("a restore without --yes changed something")
	}
	if out, exit := s.script(t, "backup.sh", "restore", archive, "--yes"); exit != 0 ||
		strings.Count(out, ": replaced in ") != 3 || strings.Contains(out, "would be") {
		t.Errorf("restore --yes: exit %d, want 0 and what was replaced", exit)
	}
	if read(t, filepath.Join(s.grafana, "grafana.db")) != "a database" || read(t,
		filepath.Join(s.state, "state")) != "positions" {
		t.Error("Grafana or the state did not come back")
	}
	if left, err := os.ReadDir(s.state); err != nil || len(left) != 1 {
		t.Errorf("the restored state holds %v (%v), want what was saved and nothing else", left, err)
	}
	s.startPrometheus(t, false)
	if !s.samples(t) {
		t.Error("Prometheus does not know its past")
	}
}

func TestDamagedBackupIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.env["PROMETHEUS_URL"] = "" // there is none
	s.must(t)
	archive := s.archives(t)[0]
	whole := []byte(read(t, archive))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 0x10
	for name, data := range map[string][]byte{"half": whole[:len(whole)/2], "one bit": flipped, "empty": nil,
		"something else": []byte("not a tar")} {
		damaged := filepath.Join(s.dir, name+".tar.gz")
		write(t, damaged, string(data))
		for _, args := range [][]string{{"verify", damaged}, {"restore", damaged, "--yes"}} {
			if out, exit := s.script(t, "backup.sh", args...); exit != 1 || !strings.Contains(out, "backup.sh: ") {
				t.Errorf("%s of %s: exit %d, want 1 and a reason\n%s", args[0], name, exit, out)
			}
		}
	}
	if read(t, filepath.Join(s.grafana, "grafana.db")) != "a database" {
		t.Error("a damaged backup was restored")
	}
	if out, exit := s.script(t, "backup.sh", "verify", filepath.Join(s.dir, "none")); exit != 2 ||
		!strings.Contains(out, "cannot read") {
		t.Errorf("a backup that is not there: exit %d, want 2", exit)
	}
}

func TestFailedBackupLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.startPrometheus(t, true)
	s.must(t)

	// A limit on the size of files ends tar as a full disk does.
	cmd := exec.Command("bash", "-c", "ulimit -f 4 && exec scripts/backup.sh")
	cmd.Env = environ(s.env)
	if out, err := cmd.CombinedOutput(); exitCode(err) != 1 || !strings.Contains(string(out),
		"prometheus could not be saved") {
		t.Errorf("without room: exit %d, want 1 and a word on what failed\n%s", exitCode(err), out)
	}
	s.clean(t, 1)
	file := filepath.Join(s.dir, "a file")
	write(t, file, "")
	if out, exit := s.script(t, "backup.sh", "--dir", filepath.Join(file, "below")); exit != 2 ||
		!strings.Contains(out, "cannot write to") {
		t.Errorf("no directory: exit %d, want 2", exit)
	}
	// A restore that finds no room leaves what was there.
	write(t, filepath.Join(s.grafana, "grafana.db"), strings.Repeat("a bigger database ", 1000))
	s.must(t)
	write(t, filepath.Join(s.grafana, "grafana.db"), "what was there")
	s.env["PROMETHEUS_STORE"], s.env["EXPORTER_STORE"] = "", ""
	cmd = exec.Command("bash", "-c", `ulimit -f 8 && exec scripts/backup.sh restore "$1" --yes`, "bash",
		s.archives(t)[1])
	cmd.Env = environ(s.env)
	if out, err := cmd.CombinedOutput(); exitCode(err) != 1 || !strings.Contains(string(out),
		"what was there is kept") {
		t.Errorf("restore without room: exit %d, want 1\n%s", exitCode(err), out)
	}
	if left, err := os.ReadDir(s.grafana); err != nil || len(left) != 1 || read(t,
		filepath.Join(s.grafana, "grafana.db")) != "what was there" {
		t.Errorf("after a restore without room there is %v (%v)", left, err)
	}
}

func TestInterruptedBackupLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	asked := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	defer silent.Close()
	s.env["PROMETHEUS_URL"] = silent.URL
	run := s.startScript(t, "backup.sh")
	<-asked
	run.end(t, syscall.SIGINT, 130)
	s.clean(t, 0)

	s.env["PROMETHEUS_URL"] = "http://" + freeAddress(t)
	if out, exit := s.script(t, "backup.sh"); exit != 3 || !strings.Contains(out, "made no snapshot") {
		t.Errorf("without Prometheus: exit %d, want 3\n%s", exit, out)
	}
	s.clean(t, 0)
}
