package collector

import (
	"bytes"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// viewCollector gives a view to a registry.
type viewCollector struct{ view view }

func (c viewCollector) Describe(chan<- *prometheus.Desc) {}
func (c viewCollector) Collect(ch chan<- prometheus.Metric) {
	c.view.Emit(func(m prometheus.Metric) { ch <- m })
}

// exposed is what a scrape of the book would show, without help and types.
func exposed(t testing.TB, b *accessBook) []string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(viewCollector{b.View()})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for line := range strings.Lines(text.String()) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}
