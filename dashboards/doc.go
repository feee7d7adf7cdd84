// Package dashboards holds what Grafana shows of the exporter. The JSON files are made by gen, from Go; the tests here
// hold them against what the exporter and the recording rules give, and run every query on a real Prometheus.
package dashboards
