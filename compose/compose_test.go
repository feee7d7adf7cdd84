// Package compose tests the stack of this directory: that its files parse where they must, that real NGINX,
// Prometheus, ab and Chromium do with them what the README says, and that the scripts report it correctly.
package compose

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// What must be set for a file to be used at all.
var needed = map[string]map[string]string{
	"docker-compose.yml": {"GRAFANA_ADMIN_PASSWORD": "from-the-test"},
	"exporter-only.yml": {"FREMISN_COMPOSE": ".", "NGINX_CONF": "./nginx/nginx.conf",
		"BLACKBOX_YML": "./blackbox.yml"},
	"exporter-only.logs.yml":   {"FREMISN_COMPOSE": "."},
	"exporter-only.docker.yml": {"FREMISN_COMPOSE": "."},
	"testdata/old/compose.yml": {},
}

func load(t *testing.T, env map[string]string, files ...string) *types.Project {
	t.Helper()
	project, err := loadFiles(env, files...)
	if err != nil {
		t.Fatalf("%v: %v", files, err)
	}
	return project
}

func loadFiles(env map[string]string, files ...string) (*types.Project, error) {
	wd, err := filepath.Abs(filepath.Dir(files[0]))
	if err != nil {
		return nil, err
	}
	details := types.ConfigDetails{WorkingDir: wd, Environment: env}
	for _, file := range files {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: file})
	}
	return loader.LoadWithContext(context.Background(), details, func(o *loader.Options) {
		o.SetProjectName("fremisn", true)
		o.Profiles = []string{"*"}
	})
}

func environ(extra map[string]string) []string {
	env := os.Environ()
	for key, value := range extra {
		env = append(env, key+"="+value)
	}
	return env
}

func TestComposeFilesParseInBothComposes(t *testing.T) {
	t.Parallel()
	for _, files := range [][]string{
		{"docker-compose.yml"},
		{"exporter-only.yml"},
		{"testdata/old/compose.yml", "exporter-only.yml"},
		{"testdata/old/compose.yml", "exporter-only.yml", "exporter-only.logs.yml"},
		{"testdata/old/compose.yml", "exporter-only.yml", "exporter-only.docker.yml"},
	} {
		t.Run(strings.Join(files, " "), func(t *testing.T) {
			env := map[string]string{}
			args := []string{}
			for _, file := range files {
				args = append(args, "-f", file)
				for key, value := range needed[file] {
					env[key] = value
				}
			}
			if files[0] != "exporter-only.yml" && len(files) > 1 {
				env["FREMISN_COMPOSE"] = "../.."
			}
			for name, service := range load(t, env, files...).Services {
				published := map[string]bool{}
				for _, port := range service.Ports {
					if published[port.Published] {
						t.Errorf("%s publishes %s twice", name, port.Published)
					}
					published[port.Published] = true
				}
			}

			cmd := exec.Command("docker-compose", append(args, "config", "-q")...)
			cmd.Env = environ(env)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("docker-compose 1.29: %v\n%s", err, out)
			}
		})
	}
}

func TestStackHasTheTopology(t *testing.T) {
	project := load(t, needed["docker-compose.yml"], "docker-compose.yml")
	ports := map[string]string{}
	for name, service := range project.Services {
		var list []string
		for _, port := range service.Ports {
			list = append(list, fmt.Sprintf("%s:%s→%d", port.HostIP, port.Published, port.Target))
		}
		sort.Strings(list)
		ports[name] = strings.Join(list, " ")
		if _, ok := service.Networks["nf-visionaire"]; !ok || len(service.Networks) != 1 {
			t.Errorf("%s is on the networks %v, want only nf-visionaire", name, service.Networks)
		}
		if service.Restart != types.RestartPolicyUnlessStopped {
			t.Errorf("%s: restart is %q, want unless-stopped", name, service.Restart)
		}
	}
	for name, want := range map[string]string{
		"nginx-lb":         "0.0.0.0:8080→8080 0.0.0.0:8081→80",
		"fremisn-exporter": "0.0.0.0:9113→9113 0.0.0.0:9115→9115",
		"prometheus":       "127.0.0.1:9090→9090",
		"grafana":          "0.0.0.0:3000→3000",
		"alertmanager":     "127.0.0.1:9093→9093",
	} {
		if ports[name] != want {
			t.Errorf("%s publishes %q, want %q", name, ports[name], want)
		}
	}
	if len(project.Services) != 5 {
		t.Errorf("there are %d services, want 5: %v", len(project.Services), project.ServiceNames())
	}
	if got := project.Services["nginx-lb"].ContainerName; got != "fremisn-loadbalancer" {
		t.Errorf("the load balancer's container is %q, want fremisn-loadbalancer", got)
	}
	if got := project.Services["alertmanager"].Profiles; !slices.Equal(got, []string{"alerting"}) {
		t.Errorf("alertmanager is in the profiles %v, want alerting", got)
	}
	if !bool(project.Networks["nf-visionaire"].External) {
		t.Error("nf-visionaire must be external")
	}
}

func TestEveryServiceIsHardened(t *testing.T) {
	project := load(t, needed["docker-compose.yml"], "docker-compose.yml")
	for name, service := range project.Services {
		if !service.ReadOnly {
			t.Errorf("%s: its root is writable", name)
		}
		if !slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: no-new-privileges is missing", name)
		}
		if !slices.Equal(service.CapDrop, []string{"ALL"}) {
			t.Errorf("%s: cap_drop is %v, want ALL", name, service.CapDrop)
		}
		if service.MemLimit == 0 || service.CPUS == 0 || service.PidsLimit == 0 {
			t.Errorf("%s: a limit is missing (memory %d, cpus %v, pids %d)", name, service.MemLimit, service.CPUS,
				service.PidsLimit)
		}
		if service.HealthCheck == nil || len(service.HealthCheck.Test) == 0 {
			t.Errorf("%s: no health check", name)
		}
		// NGINX's master must be root to bind, to reopen its logs and to drop its workers' rights; nobody else is.
		if root := service.User == "" || strings.HasPrefix(service.User, "0"); root != (name == "nginx-lb") {
			t.Errorf("%s: user %q", name, service.User)
		}
		if service.Privileged {
			t.Errorf("%s: privileged", name)
		}
	}
	for service, volume := range map[string]string{"nginx-lb": "/var/cache/nginx", "prometheus": "/prometheus",
		"grafana": "/var/lib/grafana", "fremisn-exporter": "/data", "alertmanager": "/alertmanager"} {
		if !slices.ContainsFunc(project.Services[service].Volumes, func(v types.ServiceVolumeConfig) bool {
			return v.Target == volume && v.Type == types.VolumeTypeVolume && v.Source != ""
		}) {
			t.Errorf("%s: no named volume at %s", service, volume)
		}
	}
}

// A version that can change is not a version.
func TestImagesArePinned(t *testing.T) {
	for _, file := range []string{"docker-compose.yml", "exporter-only.yml"} {
		for name, service := range load(t, needed[file], file).Services {
			if strings.HasPrefix(service.Image, "fremisn-exporter:") {
				continue // built here
			}
			if !regexp.MustCompile(`^[a-z/]+:v?\d+\.\d+\.\d+$`).MatchString(service.Image) {
				t.Errorf("%s: %s: image %q is not pinned to a version", file, name, service.Image)
			}
		}
	}
}

func TestUpRefusesWithoutGrafanaPassword(t *testing.T) {
	t.Parallel()
	for _, env := range []map[string]string{{}, {"GRAFANA_ADMIN_PASSWORD": ""}} {
		if _, err := loadFiles(env, "docker-compose.yml"); err == nil || !strings.Contains(err.Error(),
			"set GRAFANA_ADMIN_PASSWORD in compose/.env") {
			t.Errorf("Compose v2 with %v: %v, want an error that says what to set", env, err)
		}
		cmd := exec.Command("docker-compose", "-f", "docker-compose.yml", "config", "-q")
		cmd.Env = environ(map[string]string{"GRAFANA_ADMIN_PASSWORD": ""})
		if out, err := cmd.CombinedOutput(); err == nil || !bytes.Contains(out,
			[]byte("set GRAFANA_ADMIN_PASSWORD in compose/.env")) {
			t.Errorf("docker-compose 1.29: %v %s", err, out)
		}
	}
}

// .env.example is the list of all knobs, and no file holds a password.
func TestEnvExampleNamesEveryKnobAndNoPassword(t *testing.T) {
	example := read(t, ".env.example")
	var files []string
	for _, pattern := range []string{"*.yml", "scripts/*.sh"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	knob := regexp.MustCompile(`\$\{([A-Z][A-Z0-9_]+)[:?}-]`)
	overlay := []string{"FREMISN_COMPOSE", "NGINX_CONF", "BLACKBOX_YML"} // of the overlay, explained in it
	script := []string{"BASH_SOURCE", "BASH_REMATCH", "ENV_FILE", "GET_TIMEOUT", "HEALTH_PATH", "SETTLE_SECONDS"}
	for _, file := range files {
		for _, match := range knob.FindAllStringSubmatch(read(t, file), -1) {
			name := match[1]
			if slices.Contains(overlay, name) || slices.Contains(script, name) {
				continue
			}
			if !regexp.MustCompile(`(?m)^#?` + name + `=`).MatchString(example) {
				t.Errorf("%s uses %s, and .env.example does not name it", file, name)
			}
		}
	}
	if !strings.Contains(example, "\nGRAFANA_ADMIN_PASSWORD=\n") {
		t.Error(".env.example must leave the password empty")
	}
	secret := regexp.MustCompile(`(?im)^[ \t#-]*["']?[a-z_]*(password|passwd|secret|token|api_?key)[a-z_]*["']?[ ` +
		`\t]*[:=][ \t]*["']?([^\s"'$]+)`)
	for _, pattern := range []string{"*.yml", "*/*.yml", "*/*/*/*.yml", ".env.example", "Dockerfile", "nginx/*",
		"package/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			if info, err := os.Stat(file); err != nil || info.IsDir() {
				continue
			}
			for _, match := range secret.FindAllStringSubmatch(read(t, file), -1) {
				if !strings.HasPrefix(match[2], "/") { // a file that holds it
					t.Errorf("%s seems to hold a secret: %s", file, match[0])
				}
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
