package compose

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// freePorts gives every port of the stack a free number, for on a developer's machine the usual ones may be taken.
func freePorts(t *testing.T, env map[string]string) map[string]string {
	t.Helper()
	for _, name := range []string{"LB_PORT", "STATUS_PORT", "EXPORTER_PORT", "EXPORTER_PROBE_PORT", "PROMETHEUS_PORT",
		"GRAFANA_PORT"} {
		env[name] = strings.TrimPrefix(freeAddress(t), "127.0.0.1:")
	}
	return env
}

func TestSetupAndDeployDryRunsChangeNothing(t *testing.T) {
	env := filepath.Join(t.TempDir(), ".env")
	out := run(t, freePorts(t, map[string]string{"ENV_FILE": env, "GRAFANA_ADMIN_PASSWORD": ""}), "scripts/setup.sh",
		"--dry-run", "--generate-password")
	if !strings.Contains(out, "would run: install -m 600") || !strings.Contains(out, "nothing was changed") {
		t.Errorf("setup.sh --dry-run says\n%s", out)
	}
	if !strings.Contains(out, "would put a random GRAFANA_ADMIN_PASSWORD into") || strings.Contains(out, "making") {
		t.Errorf("setup.sh --dry-run --generate-password is not honest about what it would do:\n%s", out)
	}
	out = run(t, freePorts(t, map[string]string{"ENV_FILE": env, "GRAFANA_ADMIN_PASSWORD": ""}), "scripts/setup.sh",
		"--dry-run")
	if !strings.Contains(out, "\nnot ready") || !strings.Contains(out, "\n  GRAFANA_ADMIN_PASSWORD is not set") ||
		strings.Contains(out, "; next: ") {
		t.Errorf("setup.sh --dry-run without a password is not honest:\n%s", out)
	}
	if exec.Command("docker", "info").Run() != nil && !strings.Contains(out, "\n  the Docker daemon does not answer") {
		t.Errorf("setup.sh --dry-run without Docker is not honest:\n%s", out)
	}
	if _, err := os.Stat(env); !os.IsNotExist(err) {
		t.Errorf("setup.sh --dry-run made %s", env)
	}

	out = run(t, map[string]string{"ENV_FILE": env, "GRAFANA_ADMIN_PASSWORD": "x"}, "scripts/deploy.sh", "--dry-run",
		"--pull")
	for _, want := range []string{"compose pull", "compose build fremisn-exporter", "nginx -t",
		"promtool prometheus check config", "compose up -d", "nothing was changed",
		env + " is missing (scripts/setup.sh creates it)"} {
		if !strings.Contains(out, want) {
			t.Errorf("deploy.sh --dry-run does not say %q:\n%s", want, out)
		}
	}
	cmd := exec.Command("scripts/deploy.sh", "--dry-run")
	cmd.Env = environ(map[string]string{"ENV_FILE": env, "GRAFANA_ADMIN_PASSWORD": ""})
	if out, err := cmd.CombinedOutput(); exitCode(err) != 2 || !strings.Contains(string(out),
		"set GRAFANA_ADMIN_PASSWORD") || !strings.Contains(string(out), env+" is missing") {
		t.Errorf("deploy.sh without a password: %v, want exit 2\n%s", err, out)
	}
}

func TestSetupNamesPortsThatAreTaken(t *testing.T) {
	env := freePorts(t, map[string]string{"ENV_FILE": "/nonexistent", "GRAFANA_ADMIN_PASSWORD": "x"})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, env["EXPORTER_PORT"], _ = net.SplitHostPort(listener.Addr().String())
	cmd := exec.Command("scripts/setup.sh", "--dry-run")
	cmd.Env = environ(env)
	out, err := cmd.CombinedOutput()
	if exitCode(err) != 1 || !strings.Contains(string(out), "port "+env["EXPORTER_PORT"]+" is taken") ||
		strings.Count(string(out), "is taken") != 1 {
		t.Errorf("setup.sh with a taken port: exit %d, want 1 and its name\n%s", exitCode(err), out)
	}
}

// The whole directory may lie anywhere.
func TestScriptsRunFromAPathWithSpaces(t *testing.T) {
	root := filepath.Join(t.TempDir(), "the stack")
	if err := os.MkdirAll(filepath.Join(root, "compose"), 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, nil, "cp", "-r", "scripts", "nginx", "package", "prometheus", "docker-compose.yml", ".env.example",
		filepath.Join(root, "compose"))
	run(t, nil, "cp", "../VERSION", root) // of the image
	scripts := filepath.Join(root, "compose", "scripts")
	env := freePorts(t, map[string]string{"GRAFANA_ADMIN_PASSWORD": "x"})
	run(t, env, filepath.Join(scripts, "setup.sh"), "--dry-run")
	run(t, env, "install", "-m", "600", filepath.Join(root, "compose", ".env.example"),
		filepath.Join(root, "compose", ".env"))
	run(t, env, filepath.Join(scripts, "deploy.sh"), "--dry-run")
	run(t, env, filepath.Join(scripts, "simple-stress-test.sh"), "--dry-run")
	env["PROMETHEUS_URL"], env["GRAFANA_STORE"], env["EXPORTER_STORE"] = "", filepath.Join(root, "compose", "nginx"), ""
	env["BACKUP_DIR"] = filepath.Join(root, "back ups")
	run(t, env, filepath.Join(scripts, "backup.sh"))
	if made, err := filepath.Glob(filepath.Join(root, "back ups", "fremisn-backup-*.tar.gz")); err != nil ||
		len(made) != 1 {
		t.Errorf("backups %v (%v), want one", made, err)
	}
}

// pathWithout makes a folder of all tools but some.
func pathWithout(t *testing.T, some func(name string) bool) string {
	t.Helper()
	bin := t.TempDir()
	for _, dir := range []string{"/usr/local/bin", "/usr/bin", "/bin"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if name := entry.Name(); !some(name) {
				_ = os.Symlink(filepath.Join(dir, name), filepath.Join(bin, name)) // the first one of a name stays
			}
		}
	}
	return bin
}

func TestScriptsNameTheToolThatIsMissing(t *testing.T) {
	bin := pathWithout(t, func(name string) bool { return strings.HasPrefix(name, "docker") || name == "ab" })
	for script, tool := range map[string]string{"simple-stress-test.sh": "ab", "setup.sh": "docker",
		"deploy.sh": "docker", "backup.sh": "docker"} {
		cmd := exec.Command("scripts/" + script)
		cmd.Env = environ(map[string]string{"PATH": bin, "ENV_FILE": "/nonexistent", "GRAFANA_ADMIN_PASSWORD": "x",
			"BACKUP_DIR": filepath.Join(bin, "none")})
		if out, err := cmd.CombinedOutput(); exitCode(err) != 2 || !strings.Contains(string(out),
			tool+" is not installed") {
			t.Errorf("%s without %s: exit %d, want 2\n%s", script, tool, exitCode(err), out)
		}
	}
}
