// Package dashboards contains the Grafana dashboards of the exporter. gen writes the JSON files; the tests here
// compare them with the metrics of the exporter and of the recording rules, and run every query on a real Prometheus.
package dashboards
