package main

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	descReloadOK = prometheus.NewDesc("fremisn_exporter_config_last_reload_successful",
		"Whether the last attempt to load the config succeeded.", nil, nil)
	descReloadTime = prometheus.NewDesc("fremisn_exporter_config_last_reload_success_timestamp_seconds",
		"Unix time of the last config that was loaded.", nil, nil)
)

// reloads tells of the last loads of the config.
type reloads struct {
	mu     sync.Mutex
	ok     bool
	lastOK time.Time
}

func newReloads() *reloads { return &reloads{ok: true, lastOK: time.Now()} }

func (r *reloads) done(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ok = err == nil; r.ok {
		r.lastOK = time.Now()
	}
}

// Describe and Collect make it a prometheus.Collector.
func (r *reloads) Describe(descs chan<- *prometheus.Desc) {
	descs <- descReloadOK
	descs <- descReloadTime
}

func (r *reloads) Collect(metrics chan<- prometheus.Metric) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ok := 0.0
	if r.ok {
		ok = 1
	}
	metrics <- prometheus.MustNewConstMetric(descReloadOK, prometheus.GaugeValue, ok)
	metrics <- prometheus.MustNewConstMetric(descReloadTime, prometheus.GaugeValue, float64(r.lastOK.UnixMilli())/1000)
}
