package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

const helpLatency = "How long the probes that succeed take."

var ownLabels = []string{"probe", "target", "node"}

var (
	descAttempts     = prometheus.NewDesc("probe_attempts_total", "Probes that have ended.", ownLabels, nil)
	descFailures     = prometheus.NewDesc("probe_failures_total", "Probes that failed, by reason.", append(ownLabels[:3:3], "reason"), nil)
	descMetricErrors = prometheus.NewDesc("probe_metric_errors_total", "Numbers that a body should have held and did not.", append(ownLabels[:3:3], "metric"), nil)
	descConsecutive  = prometheus.NewDesc("probe_consecutive_failures", "Probes that failed since the last success.", ownLabels, nil)
	descLastSuccess  = prometheus.NewDesc("probe_last_success_timestamp_seconds", "Unix time of the last success.", ownLabels, nil)
	descLatency      = prometheus.NewDesc("probe_latency_seconds", helpLatency, ownLabels, nil)
)

// CollectTo gives the gauges of each target's last probe, and what adds up. Its error says that the clock stands
// still somewhere.
func (s *Service) CollectTo(_ context.Context, emit func(prometheus.Metric)) error {
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	descs := map[string]*prometheus.Desc{}
	var errs []error
	for _, t := range targets {
		t.mu.Lock()
		if !t.begun.IsZero() && time.Since(t.begun) > 2*t.timeout() {
			errs = append(errs, fmt.Errorf("%s %s: %w", t.schedule.Name, t.masked, errStuck))
		}
		t.emit(descs, emit)
		t.mu.Unlock()
	}
	return errors.Join(errs...)
}

// emit is called with t locked.
func (t *target) emit(descs map[string]*prometheus.Desc, emit func(prometheus.Metric)) {
	own := []string{t.schedule.Name, t.masked, t.node}
	metric := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, more ...string) {
		emit(prometheus.MustNewConstMetric(d, kind, v, append(own[:3:3], more...)...))
	}
	c := &t.counts
	metric(descAttempts, prometheus.CounterValue, float64(c.attempts))
	for reason, n := range c.failures {
		metric(descFailures, prometheus.CounterValue, float64(n), reason)
	}
	for name, n := range c.metricErrors {
		metric(descMetricErrors, prometheus.CounterValue, float64(n), name)
	}
	metric(descConsecutive, prometheus.GaugeValue, float64(c.consecutive))
	if !c.lastSuccess.IsZero() {
		metric(descLastSuccess, prometheus.GaugeValue, float64(c.lastSuccess.UnixMilli())/1000)
	}
	emit(&labelled{descLatency, c.latency, own})
	if t.last == nil {
		return
	}
	for _, s := range t.last.Samples {
		names, values := append([]string{}, ownLabels...), append([]string{}, own...)
		for _, l := range s.Labels {
			names, values = append(names, l.Name), append(values, l.Value)
		}
		key := fmt.Sprint(s.Name, names)
		if descs[key] == nil {
			descs[key] = prometheus.NewDesc(s.Name, s.Help, names, nil)
		}
		metric := prometheus.MustNewConstMetric(descs[key], prometheus.GaugeValue, s.Value, values...)
		emit(metric)
	}
}

// A labelled is a histogram with the labels of its target, which it was not born with.
type labelled struct {
	desc   *prometheus.Desc
	of     prometheus.Histogram
	values []string
}

func (l *labelled) Desc() *prometheus.Desc { return l.desc }

func (l *labelled) Write(out *dto.Metric) error {
	if err := l.of.Write(out); err != nil {
		return err
	}
	out.Label = []*dto.LabelPair{
		{Name: proto.String("node"), Value: proto.String(l.values[2])},
		{Name: proto.String("probe"), Value: proto.String(l.values[0])},
		{Name: proto.String("target"), Value: proto.String(l.values[1])},
	}
	return nil
}
