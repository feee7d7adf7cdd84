package compose

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// The overlay's two exporters on the files of an old stack, unchanged except for addresses: what its prometheus.yml
// asks for is there.
func TestOverlayServesTheOldPrometheusConfig(t *testing.T) {
	t.Parallel()
	s := startStack(t, nil)
	s.place(t, "testdata/old/nginx/nginx.conf", "old.conf")

	// nginx-exporter's place: the old nginx.conf, and no log yet.
	config := s.replace.Replace(read(t, "exporter-only/probes.yml"))
	config = strings.ReplaceAll(config, filepath.Join(s.dir, "nginx.conf"), filepath.Join(s.dir, "old.conf"))
	write(t, filepath.Join(s.dir, "first.yml"), config)
	nginx := freeAddress(t)
	startProcess(t, exec.Command(binary(t), "serve", "--config", filepath.Join(s.dir, "first.yml"),
		"--storage.path", filepath.Join(s.dir, "data"), "--web.listen-address", nginx), syscall.SIGTERM)
	waitFor(t, "http://"+nginx+"/-/ready")
	_, text, err := get("http://" + nginx + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`nginx_up 1`, `nginx_connections_active \d+`, `nginx_http_requests_total \d+`,
		`nginx_upstream_server_info\{node="master",server="` + regexp.QuoteMeta(s.nodes[0].addr) +
			`",state="active",upstream="fremisn_backend"\} 1`} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(text) {
			t.Errorf("/metrics has no %s", want)
		}
	}

	// blackbox-exporter's place: the old blackbox.yml and what the one-shot container appends.
	write(t, filepath.Join(s.dir, "second.yml"), read(t, "testdata/old/blackbox/blackbox.yml")+read(t,
		"exporter-only/on-demand.yml"))
	blackbox := freeAddress(t)
	startProcess(t, exec.Command(binary(t), "serve", "--config", filepath.Join(s.dir, "second.yml"), "--storage.path=",
		"--web.listen-address", blackbox), syscall.SIGTERM)
	waitFor(t, "http://"+blackbox+"/-/ready")
	for _, n := range s.nodes {
		status, text, err := get("http://" + blackbox + "/probe?module=fremisn_check&target=http://" + n.addr)
		if err != nil || status != http.StatusOK || !strings.Contains(text, "\nprobe_success 1\n") {
			t.Errorf("probe of %s: %d %v, want success\n%s", n.name, status, err, text)
		}
	}
	for _, target := range []string{"192.168.100.18:22", "nginx-lb:80", "http://172.31.1.1/x"} {
		if !regexp.MustCompile(allowed(t)).MatchString(target) {
			t.Errorf("%s is private, and would be refused", target)
		}
	}
	for _, target := range []string{"http://203.0.113.1/", "http://172.32.0.1/", "https://example.com/",
		"http://10.0.0.1.example.com/"} {
		if status, _, err := get("http://" + blackbox + "/probe?module=fremisn_check&target=" + target); err != nil ||
			status != http.StatusForbidden {
			t.Errorf("probe of %s: %d %v, want 403", target, status, err)
		}
	}
}

// allowed is the overlay's list of targets as one anchored expression.
func allowed(t *testing.T) string {
	t.Helper()
	var parts []string
	for _, match := range regexp.MustCompile(`(?m)^    - '(.*)'$`).FindAllStringSubmatch(read(t,
		"exporter-only/on-demand.yml"), -1) {
		parts = append(parts, match[1])
	}
	if len(parts) == 0 {
		t.Fatal("on-demand.yml allows nothing")
	}
	return `^(?:` + strings.Join(parts, "|") + `)$`
}

// The one-shot container joins two files with cat: what it joins must be one YAML document with no key twice.
func TestOverlayUsesBlackboxYMLUnchanged(t *testing.T) {
	service := load(t, needed["exporter-only.yml"], "exporter-only.yml").Services["blackbox-modules"]
	if len(service.Command) != 1 || service.Command[0] != "cat /in/blackbox.yml /in/on-demand.yml >/out/probes.yml" {
		t.Errorf("command %q", service.Command)
	}
	if strings.Contains(read(t, "exporter-only/on-demand.yml"), "modules:") {
		t.Error("on-demand.yml has modules of its own; blackbox.yml has that key")
	}
}
