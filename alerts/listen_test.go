package alerts

import (
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// listen adds what the alerts that fire now say.
func listen(t *testing.T, prometheus *testenv.Prometheus, said map[string]map[string]string) {
	t.Helper()
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels, Annotations map[string]string
				State               string
			}
		}
	}
	if err := prometheus.Get("/api/v1/alerts", &answer); err != nil {
		t.Fatal(err)
	}
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" {
			instance := a.Labels["instance"]
			if said[instance] == nil {
				said[instance] = map[string]string{}
			}
			said[instance][a.Labels["alertname"]] += a.Annotations["description"] + "\n"
		}
	}
}
