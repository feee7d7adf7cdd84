package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector"
)

// printMetrics prints the collector's table of metrics, one per line: tests compare documentation, rules and
// dashboards with it.
func printMetrics(stdout io.Writer) int {
	for _, m := range collector.Metrics() {
		fmt.Fprintf(stdout, "%s\t%s\t%s\t%s\n", m.Name, m.Type, strings.Join(m.Labels, ","), m.Help)
	}
	return exitOK
}
