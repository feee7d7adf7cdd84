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
	dto "github.com/prometheus/client_model/go"

	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
)

// gives is a part of another package that answers once gate is closed, at once where it is nil.
func gives(name string, gate chan struct{}) *other {
	return newOther(Other{Name: name, Check: func(context.Context) error {
		if gate != nil {
			<-gate
		}
		return nil
	}})
}

// succeeded returns which collectors say success.
func succeeded(r *reports, others ...*other) map[string]bool {
	var all []collection
	for _, o := range others {
		all = append(all, collection{o.name, o.collect})
	}
	g := &gathering{descs: newDescs(false)}
	r.run(context.Background(), all, emitter{g}, false)
	success := map[string]bool{}
	for _, s := range g.loose {
		if s.id == metric.CollectorSuccess && s.value.(*dto.Gauge).GetValue() == 1 {
			success[s.labels[0].GetValue()] = true
		}
	}
	return success
}

// TestHangingCollectorDelaysTheOthersOnce: it costs the first scrape its patience and each later one a tenth, and gives
// nothing of an earlier moment.
func TestHangingCollectorDelaysTheOthersOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, gate := newReports(log.NewNopLogger()), make(chan struct{})
		fast, hangs := gives("fast", nil), gives("hangs", gate)
		for _, want := range []time.Duration{otherPatience, otherPatience / 10, otherPatience / 10} {
			begin := time.Now()
			success := succeeded(r, fast, hangs)
			if !success["fast"] || success["hangs"] || time.Since(begin) != want {
				t.Errorf("success %v, took %s", success, time.Since(begin))
			}
		}
		close(gate)
		synctest.Wait()
		if !succeeded(r, fast, hangs)["hangs"] {
			t.Error("it does not count as a success again once it has ended")
		}
	})
}

// TestErrorIsLoggedOnce, and its end.
func TestErrorIsLoggedOnce(t *testing.T) {
	var logged bytes.Buffer
	r := newReports(log.NewLogfmtLogger(&logged))
	var err error
	fails := newOther(Other{Name: "fails", Check: func(context.Context) error { return err }})
	for _, err = range []error{errors.New("no such page"), errors.New("no such page"), nil, nil} {
		succeeded(r, fails)
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
