package collector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
)

var descTest = prometheus.NewDesc("test_value", "A value.", []string{"from"}, nil)

// gives is a collector of another package that answers once gate is closed, at once where it is nil.
func gives(name string, gate chan struct{}) *other {
	return newOther(Other{Name: name, Collect: func(_ context.Context, emit func(prometheus.Metric)) error {
		if gate != nil {
			<-gate
		}
		emit(prometheus.MustNewConstMetric(descTest, prometheus.GaugeValue, 1, name))
		return nil
	}})
}

// collected is which collectors gave their metric and which say success.
func collected(t *testing.T, r *reports, others ...*other) (given, success map[string]bool) {
	t.Helper()
	given, success = map[string]bool{}, map[string]bool{}
	descs := newDescs(false)
	var all []collection
	for _, o := range others {
		all = append(all, collection{o.name, o.collect})
	}
	r.run(t.Context(), all, emitter{descs, func(m prometheus.Metric) {
		var d dto.Metric
		if err := m.Write(&d); err != nil {
			t.Fatal(err)
		}
		switch label := d.GetLabel()[0].GetValue(); m.Desc() {
		case descTest:
			given[label] = true
		case descs.byID[metric.CollectorSuccess]:
			success[label] = d.GetGauge().GetValue() == 1
		}
	}}, false)
	return given, success
}

// TestHangingCollectorDelaysTheOthersOnce: it costs the first scrape its patience and each later one a tenth, and gives
// nothing of an earlier moment.
func TestHangingCollectorDelaysTheOthersOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, gate := newReports(log.NewNopLogger()), make(chan struct{})
		fast, hangs := gives("fast", nil), gives("hangs", gate)
		for _, want := range []time.Duration{otherPatience, otherPatience / 10, otherPatience / 10} {
			begin := time.Now()
			given, success := collected(t, r, fast, hangs)
			if !given["fast"] || !success["fast"] || given["hangs"] || success["hangs"] || time.Since(begin) != want {
				t.Errorf("given %v, success %v, took %s", given, success, time.Since(begin))
			}
		}
		close(gate)
		synctest.Wait()
		if given, success := collected(t, r, fast, hangs); !given["hangs"] || !success["hangs"] {
			t.Error("it does not count as a success again once it has ended")
		}
	})
}

// TestErrorIsLoggedOnce, and its end.
func TestErrorIsLoggedOnce(t *testing.T) {
	var logged bytes.Buffer
	r := newReports(log.NewLogfmtLogger(&logged))
	var err error
	fails := newOther(Other{Name: "fails", Collect: func(context.Context,
		func(prometheus.Metric)) error {
		return err
	}})
	for _, err = range []error{errors.New("no such page"), errors.New("no such page"), nil, nil} {
		collected(t, r, fails)
	}
	want := "level=warn msg=\"collector failed\" collector=fails err=\"no such page\"\nlevel=info msg=\"collector " +
		"works again\" collector=fails\n"
	if logged.String() != want {
		t.Errorf("logged\n%swant\n%s", logged.String(), want)
	}
}

// A disk that hangs under a thousand logs is named with a few of them.
func TestErrorsOfManyLogsAreFew(t *testing.T) {
	errs := make([]error, 1000)
	if joinFew(errs) != nil {
		t.Error("an error of logs that have none")
	}
	for i := range errs {
		errs[i] = fmt.Errorf("log %d", i)
	}
	text := joinFew(errs).Error()
	if n := strings.Count(text, "\n"); n != 10 || !strings.HasSuffix(text, "\nand 990 more") {
		t.Errorf("%d lines: %s", n, text)
	}
}
