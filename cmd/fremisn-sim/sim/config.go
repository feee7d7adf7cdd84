package sim

import (
	"fmt"
	"strings"
	"time"
)

// ProbesConfig returns the sections of a config file that name the nodes and probe their health and the usage of their
// licences, at these intervals.
func ProbesConfig(nodes []*Node, timeout, health, licence time.Duration) string {
	var names, targets, quotas []string
	for _, node := range nodes {
		names = append(names, fmt.Sprintf("  - {name: %s, address: %q}", node.Name, node.Address))
		targets = append(targets, fmt.Sprintf("%q", "http://"+node.Address+"/v1/healthcheck"))
		quotas = append(quotas, fmt.Sprintf("%q", "http://"+node.Address+"/v1/get-limit-usage"))
	}
	return fmt.Sprintf(`nodes:
%s
modules:
  healthcheck: {prober: http, timeout: %s, http: {preferred_ip_protocol: ip4}}
  licence:
    prober: http
    timeout: %[2]s
    http:
      preferred_ip_protocol: ip4
      metrics:
        - {name: fremisn_license_used, path: current_enrollment, labels: {quota: enrollment}, help: Enrollments used.}
        - {name: fremisn_license_limit, path: maximum_enrollment, labels: {quota: enrollment}, help: Most allowed.}
probes:
  - {name: health, module: healthcheck, interval: %s, targets: [%s]}
  - {name: licence, module: licence, interval: %s, targets: [%s]}
`, strings.Join(names, "\n"), timeout, health, strings.Join(targets, ", "), licence, strings.Join(quotas, ", "))
}
