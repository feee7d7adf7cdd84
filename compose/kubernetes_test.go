package compose

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestSidecar: NGINX takes the example's nginx.conf, and the exporter finds all it needs in it. (alerts/mixin has the
// schemas.)
func TestSidecar(t *testing.T) {
	t.Parallel()
	one, two := &node{name: "one"}, &node{name: "two"}
	one.start(t, "127.0.0.18")
	two.start(t, "127.0.0.17")
	dir, lb := t.TempDir(), freeAddress(t)
	conf := filepath.Join(dir, "nginx.conf")
	replace := strings.NewReplacer("fremis-n-0.fremis-n:4005", one.addr, "fremis-n-1.fremis-n:4005", two.addr,
		"listen 80;", "listen "+lb+";", "127.0.0.1:8080", freeAddress(t), "/var/log/nginx", dir,
		"/etc/nginx/nginx.conf", conf, "worker_processes auto;", "pid "+filepath.Join(dir, "pid")+";")
	for _, document := range strings.Split(read(t, "kubernetes/sidecar.yaml"), "\n---\n") {
		var object struct{ Data map[string]string }
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		for name, text := range object.Data {
			write(t, filepath.Join(dir, name), replace.Replace(text))
		}
	}
	startProcess(t, exec.Command("nginx", "-c", conf, "-g", "daemon off;"), syscall.SIGQUIT)
	waitFor(t, "http://"+lb+"/v1/healthcheck")
	report := run(t, nil, binary(t), "check", "--config", filepath.Join(dir, "probes.yml"), "--storage.path",
		filepath.Join(dir, "data"), "--web.listen-address", freeAddress(t))
	for _, want := range []string{" 0 errors, ", "log_format fremisn, which gives every metric"} {
		if !strings.Contains(strings.Join(strings.Fields(report), " "), want) {
			t.Errorf("check does not say %s:\n%s", want, report)
		}
	}
}
