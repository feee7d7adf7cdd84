package compose

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The examples for many load balancers, on two real Prometheus: one beside the exporter that writes by
// remote-write.example.yml, and one in the centre that takes both that and what federation.example.yml asks for.
func TestScalingOutExamplesWork(t *testing.T) {
	t.Parallel()
	s := startStack(t, nil)
	s.startExporter(t)
	if _, _, err := get(s.lb + "/v1/healthcheck"); err != nil {
		t.Fatal(err)
	}
	edge, centre := freeAddress(t), freeAddress(t)
	write(t, filepath.Join(s.dir, "password"), "of the test")
	example := func(file string, edits ...string) string {
		return strings.NewReplacer(append(edits, "30s", "200ms")...).Replace(read(t, "prometheus/"+file))
	}
	start := func(name, addr, config string, args ...string) {
		file := filepath.Join(s.dir, name+".yml")
		write(t, file, config)
		run(t, nil, "promtool", "check", "config", file)
		startProcess(t, exec.Command("prometheus", append(args, "--config.file="+file,
			"--storage.tsdb.path="+filepath.Join(s.dir, name),
			"--web.listen-address="+addr, "--enable-feature=exemplar-storage")...), syscall.SIGTERM)
		waitFor(t, "http://"+addr+"/-/ready")
	}
	start("centre", centre, "global: {external_labels: {at: centre}}\n"+
		example("federation.example.yml", "lb-1.example.com:9090, lb-2.example.com:9090",
			edge), "--web.enable-remote-write-receiver")
	start("edge", edge, "global: {scrape_interval: 200ms, external_labels: {cluster: jakarta}}\n"+
		"scrape_configs: [{job_name: fremisn-exporter, static_configs: [{targets: ['"+strings.TrimPrefix(s.exporter,
		"http://")+"']}]}]\n"+
		example("remote-write.example.yml", "https://mimir.example.com/api/v1/push", "http://"+centre+"/api/v1/write",
			"/etc/fremisn/compose/prometheus/secrets/remote-write-password", filepath.Join(s.dir, "password")))

	holds := func(what, query string, want bool) {
		t.Helper()
		last := ""
		eventually(t, func() bool {
			_, text, err := get("http://" + centre + "/api/v1/query?query=" + query)
			last = text
			return err == nil && strings.Contains(text, `"value"`) == want
		}, func() string { return what + ": " + last })
	}
	holds("remote write brings the load balancer with its cluster",
		`nginx_up{cluster="jakarta",job="fremisn-exporter"}`, true)
	holds("and its histograms", `nginx_access_request_duration_seconds_bucket{cluster="jakarta"}`, true)
	holds("federation keeps job and cluster of the edge",
		`count(probe_success{cluster="jakarta",job="fremisn-exporter"})>=3`, true)
	holds("the federating scrape works", `up{job="federate-fremisn"}==1`, true)
}
