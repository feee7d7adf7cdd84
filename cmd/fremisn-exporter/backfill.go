package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/collector/past"
)

// runBackfill is the command backfill.
func runBackfill(ctx context.Context, cli *commandLine, stdout, stderr io.Writer) int {
	if err := past.CheckLabels(cli.past.labels); err != nil {
		return cli.usage(stderr, err)
	}
	if cli.past.step < time.Second { // a sample a nanosecond fills any disk
		return cli.usage(stderr, fmt.Errorf("--step %s: write a time of a second or more, such as 15s", cli.past.step))
	}
	to := past.BackfillOptions{Dir: cli.past.dir, Step: cli.past.step, Labels: cli.past.labels}
	return runPast(ctx, cli, stdout, stderr, func(o past.Options) (pastReport, []error, error) {
		var err error
		if to.Gauges, err = cli.past.gauges(); err != nil {
			return nil, nil, err
		}
		return past.Backfill(ctx, o, to)
	})
}

// gauges are what the exporter would have said of itself: recording rules look for it.
func (p *pastFlags) gauges() ([]past.Gauge, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(versioncollector.NewCollector("fremisn_exporter"))
	if p.loaded != nil {
		registry.MustRegister(objectives{func() *settings.Settings { return p.loaded }})
	}
	families, err := registry.Gather()
	if err != nil {
		return nil, err
	}
	var gauges []past.Gauge
	for _, family := range families {
		for _, m := range family.GetMetric() {
			g := past.Gauge{Name: family.GetName(), Help: family.GetHelp(), Value: m.GetGauge().GetValue()}
			for _, l := range m.GetLabel() {
				g.Labels = append(g.Labels, [2]string{l.GetName(), l.GetValue()})
			}
			gauges = append(gauges, g)
		}
	}
	return gauges, nil
}
