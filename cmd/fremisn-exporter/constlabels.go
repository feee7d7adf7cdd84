package main

import (
	"context"
	"slices"
	"strings"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/proto"
)

// gatherer returns the gatherer of NGINX's metrics, with the labels of --prometheus.const-label.
func (e *exporter) gatherer() func(context.Context, bool) prometheus.Gatherer {
	labels := e.cli.status.constLabels
	if len(labels) == 0 {
		return e.collector.Gatherer
	}
	return func(ctx context.Context, openMetrics bool) prometheus.Gatherer {
		inner := e.collector.Gatherer(ctx, openMetrics)
		return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			families, err := inner.Gather()
			addLabels(families, labels)
			return families, err
		})
	}
}

// addLabels adds labels to the metrics of NGINX.
func addLabels(families []*dto.MetricFamily, labels model.LabelSet) {
	var pairs []*dto.LabelPair
	for name, value := range labels {
		pairs = append(pairs, &dto.LabelPair{Name: proto.String(string(name)), Value: proto.String(string(value))})
	}
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "nginx_") {
			continue
		}
		for _, m := range family.Metric {
			m.Label = append(slices.Clone(m.Label), pairs...)
			slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
		}
	}
}

// logOldFlags logs the effect of an old exporter's command line.
func (cli *commandLine) logOldFlags(logger log.Logger) {
	if len(cli.statusOnly) == 0 {
		return
	}
	given := strings.Join(cli.statusOnly, " ")
	if cli.source.Status == nil {
		level.Warn(logger).Log("msg", "the config file wins over what "+nginxExporter+" has for status pages", "given",
			given)
		return
	}
	level.Info(logger).Log("msg", "as "+nginxExporter+" does, status pages are read and nothing else", "given", given)
	for _, page := range cli.source.Status {
		if strings.HasPrefix(page.URL, "https:") && !cli.status.verify {
			level.Warn(logger).Log("msg", "the certificates of status pages are not verified, as "+nginxExporter+
				" does not; to verify them, give --nginx.ssl-verify")
			return
		}
	}
}
