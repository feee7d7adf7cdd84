package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
)

var (
	descAvailability = prometheus.NewDesc("fremisn_objective_availability",
		"Target ratio of requests that succeed, by route; the empty route is all requests.", []string{"route"}, nil)
	descLatency = prometheus.NewDesc("fremisn_objective_latency_seconds",
		"Target response time, by route; the empty route is all requests.", []string{"route"}, nil)
	descLatencyRatio = prometheus.NewDesc("fremisn_objective_latency_ratio",
		"Share of requests that are to be answered within fremisn_objective_latency_seconds, by route; the empty "+
			"route is all of them.",
		[]string{"route"}, nil)
)

// objectives exports the service objectives of the running settings.
type objectives struct{ running func() *settings.Settings }

// Describe implements prometheus.Collector.
func (o objectives) Describe(descs chan<- *prometheus.Desc) {
	descs <- descAvailability
	descs <- descLatency
	descs <- descLatencyRatio
}

// Collect implements prometheus.Collector.
func (o objectives) Collect(metrics chan<- prometheus.Metric) {
	for route, objective := range o.running().Objectives {
		gauge := func(desc *prometheus.Desc, value float64) {
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, route)
		}
		gauge(descAvailability, objective.Availability)
		gauge(descLatency, objective.Within.Seconds())
		gauge(descLatencyRatio, objective.Ratio)
	}
}
