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
		"Unix time of the last successful load of the config.", nil, nil)
	descReloads = prometheus.NewDesc("fremisn_exporter_config_reloads_total",
		"Reloads of the config, by trigger: a signal, a request, or a change of the config "+
			"file or of nginx.conf.",
		[]string{"trigger", "result"}, nil)
)

// reloads counts the attempts to load the config.
type reloads struct {
	mu     sync.Mutex
	ok     bool
	lastOK time.Time
	reason string // why the last attempt failed
	counts map[reloadKind]float64
}

type reloadKind struct{ trigger, result string }

func newReloads() *reloads {
	r := &reloads{ok: true, lastOK: time.Now(), counts: map[reloadKind]float64{}}
	for _, trigger := range []string{triggerSignal, triggerHTTP, triggerFile, triggerNginx} {
		for _, result := range []string{"ok", "failed"} {
			r.counts[reloadKind{trigger, result}] = 0
		}
	}
	return r
}

func (r *reloads) done(trigger string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	result := "failed"
	if r.ok = err == nil; r.ok {
		r.lastOK, result, r.reason = time.Now(), "ok", ""
	} else {
		r.reason = err.Error()
	}
	r.counts[reloadKind{trigger, result}]++
}

// failedAgain sets why the config cannot be loaded, without counting the attempt: it has been counted for that reason.
func (r *reloads) failedAgain(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ok, r.reason = false, err.Error()
}

// problem returns why the last attempt failed, "" if it succeeded.
func (r *reloads) problem() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reason
}

// Describe implements prometheus.Collector.
func (r *reloads) Describe(descs chan<- *prometheus.Desc) {
	descs <- descReloadOK
	descs <- descReloadTime
	descs <- descReloads
}

// Collect implements prometheus.Collector.
func (r *reloads) Collect(metrics chan<- prometheus.Metric) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ok := 0.0
	if r.ok {
		ok = 1
	}
	lastOK := float64(r.lastOK.UnixMilli()) / 1000
	metrics <- prometheus.MustNewConstMetric(descReloadOK, prometheus.GaugeValue, ok)
	metrics <- prometheus.MustNewConstMetric(descReloadTime, prometheus.GaugeValue, lastOK)
	for kind, n := range r.counts {
		metrics <- prometheus.MustNewConstMetric(descReloads, prometheus.CounterValue, n, kind.trigger, kind.result)
	}
}
