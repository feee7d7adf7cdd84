package compose

import (
	"maps"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

// TestLogsOfTheContainer: exporter-only.docker.yml changes nothing but the exporter, and its config names the load
// balancer's container.
func TestLogsOfTheContainer(t *testing.T) {
	env := maps.Clone(needed["exporter-only.yml"])
	env["FREMISN_COMPOSE"] = "../.."
	old := []string{"testdata/old/compose.yml", "exporter-only.yml"}
	before, after := load(t, env, old...), load(t, env, append(old, "exporter-only.docker.yml")...)
	lb := after.Services["nginx-lb"]
	if len(lb.Volumes) != len(before.Services["nginx-lb"].Volumes) ||
		len(lb.Command) != len(before.Services["nginx-lb"].Command) {
		t.Error("the load balancer is changed")
	}
	mounts := map[string]types.ServiceVolumeConfig{}
	for _, volume := range after.Services["nginx-exporter"].Volumes {
		mounts[volume.Target] = volume
	}
	for _, target := range []string{"/etc/fremisn/probes.yml", "/var/lib/docker/containers"} {
		if !mounts[target].ReadOnly {
			t.Errorf("%s is not mounted read-only: %+v", target, mounts[target])
		}
	}
	var config struct {
		Nginx struct {
			AccessLogs []struct{ Docker string } `yaml:"access_logs"`
			ErrorLogs  []struct{ Docker string } `yaml:"error_logs"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "exporter-only/probes.docker.yml")), &config); err != nil {
		t.Fatal(err)
	}
	for _, log := range append(config.Nginx.AccessLogs, config.Nginx.ErrorLogs...) {
		if log.Docker != lb.ContainerName {
			t.Errorf("the config follows the container %q, and the load balancer is %q", log.Docker, lb.ContainerName)
		}
	}
}
