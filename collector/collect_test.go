package collector

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
)

var (
	descTest  = prometheus.NewDesc("test_value", "A value.", []string{"from"}, nil)
	descsTest = newDescs(false)
)

func emitTo(metrics *[]prometheus.Metric) emitter {
	return emitter{descsTest, func(m prometheus.Metric) { *metrics = append(*metrics, m) }}
}

func gives(name string) task {
	return task{name, func(_ context.Context, emit func(prometheus.Metric)) error {
		emit(prometheus.MustNewConstMetric(descTest, prometheus.GaugeValue, 1, name))
		return nil
	}}
}

// collected is which collectors gave their metric and which say success.
func collected(t *testing.T, metrics []prometheus.Metric) (given, success map[string]bool) {
	given, success = map[string]bool{}, map[string]bool{}
	for _, m := range metrics {
		var d dto.Metric
		if err := m.Write(&d); err != nil {
			t.Fatal(err)
		}
		switch label := d.GetLabel()[0].GetValue(); m.Desc() {
		case descTest:
			given[label] = true
		case descsTest[metric.CollectorSuccess]:
			success[label] = d.GetGauge().GetValue() == 1
		}
	}
	return given, success
}

func TestHangingCollectorDelaysTheOthersOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRunner(log.NewNopLogger())
		release := make(chan struct{})
		hangs := task{"hangs", func(context.Context, func(prometheus.Metric)) error { <-release; return nil }}
		scrape := func() (given, success map[string]bool, took time.Duration) {
			begin := time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			var metrics []prometheus.Metric
			r.run(ctx, []task{gives("quick"), hangs}, emitTo(&metrics))
			given, success = collected(t, metrics)
			return given, success, time.Since(begin)
		}
		given, success, took := scrape()
		if !given["quick"] || !success["quick"] || success["hangs"] || took != 10*time.Second+grace {
			t.Errorf("first scrape: given %v, success %v, took %s", given, success, took)
		}
		given, success, took = scrape()
		if !given["quick"] || success["hangs"] || took != 0 {
			t.Errorf("while it still hangs: given %v, success %v, took %s", given, success, took)
		}
		close(release)
		synctest.Wait()
		if _, success, _ = scrape(); !success["hangs"] {
			t.Error("it does not count as a success again once it has ended")
		}
	})
}

func TestTwoScrapesAtOnce(t *testing.T) {
	r := newRunner(log.NewNopLogger())
	both := make(chan struct{}, 2)
	proceed := make(chan struct{})
	meets := task{"meets", func(context.Context, func(prometheus.Metric)) error {
		both <- struct{}{}
		<-proceed
		return nil
	}}
	results := make(chan bool, 2)
	for range 2 {
		go func() {
			var metrics []prometheus.Metric
			r.run(context.Background(), []task{meets}, emitTo(&metrics))
			_, success := collected(t, metrics)
			results <- success["meets"]
		}()
	}
	<-both
	<-both
	close(proceed)
	for range 2 {
		if !<-results {
			t.Error("one of two scrapes at the same time was turned away")
		}
	}
}

func TestErrorIsToldOnce(t *testing.T) {
	var logged bytes.Buffer
	r := newRunner(log.NewLogfmtLogger(&logged))
	var err error
	fails := task{"fails", func(context.Context, func(prometheus.Metric)) error { return err }}
	for _, err = range []error{errors.New("no such page"), errors.New("no such page"), nil, nil} {
		r.run(context.Background(), []task{fails}, emitter{descsTest, func(prometheus.Metric) {}})
	}
	want := "level=warn msg=\"collector failed\" collector=fails err=\"no such page\"\nlevel=info msg=\"collector works again\" collector=fails\n"
	if logged.String() != want {
		t.Errorf("logged\n%swant\n%s", logged.String(), want)
	}
	if strings.Count(logged.String(), "fails") != 2 {
		t.Error("an error was told at every scrape")
	}
}
