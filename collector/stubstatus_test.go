package collector

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

const statusBody = "Active connections: 3 \nserver accepts handled requests\n 10 9 20 \nReading: 0 Writing: 1 Waiting: 2 \n"

func same(s string) string { return s }

// statusNames is the metrics given, with the type that each has and the value of addr.
func statusNames(t *testing.T, s *statusPages, openMetrics bool) (map[string]string, error) {
	t.Helper()
	got := map[string]string{}
	err := s.collect(context.Background(), openMetrics, func(m prometheus.Metric) {
		var d dto.Metric
		if err := m.Write(&d); err != nil {
			t.Fatal(err)
		}
		value := fmt.Sprint("gauge ", d.GetGauge().GetValue())
		switch {
		case d.Counter != nil:
			value = fmt.Sprint("counter ", d.GetCounter().GetValue())
		case d.Untyped != nil:
			value = fmt.Sprint("unknown ", d.GetUntyped().GetValue())
		}
		name := m.Desc().String()
		for _, l := range d.GetLabel() {
			name += " " + l.GetValue()
		}
		got[name] = value
	})
	return got, err
}

func TestStatusPages(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, statusBody) }))
	defer server.Close()
	gone := httptest.NewServer(nil)
	gone.Close()

	page := func(url string) StatusPlan {
		return StatusPlan{StatusConfig: StatusConfig{URL: url, Timeout: time.Minute}}
	}
	one, err := newStatusPages([]StatusPlan{page(server.URL)}, same)
	if err != nil {
		t.Fatal(err)
	}
	defer one.close()
	two, err := newStatusPages([]StatusPlan{page(server.URL), page(gone.URL)}, same)
	if err != nil {
		t.Fatal(err)
	}
	defer two.close()

	for _, c := range []struct {
		name        string
		pages       *statusPages
		openMetrics bool
		wantError   bool
		want        map[string]string
	}{
		{"one page", one, false, false, map[string]string{
			one.descs.up.String(): "gauge 1", one.descs.active.String(): "gauge 3", one.descs.reading.String(): "gauge 0",
			one.descs.writing.String(): "gauge 1", one.descs.waiting.String(): "gauge 2", one.descs.accepted.String(): "counter 10",
			one.descs.handled.String(): "counter 9", one.descs.requests.String(): "counter 20",
		}},
		{"OpenMetrics keeps the names", one, true, false, map[string]string{
			one.descs.up.String(): "gauge 1", one.descs.active.String(): "gauge 3", one.descs.reading.String(): "gauge 0",
			one.descs.writing.String(): "gauge 1", one.descs.waiting.String(): "gauge 2", one.descs.accepted.String(): "unknown 10",
			one.descs.handled.String(): "unknown 9", one.descs.requests.String(): "counter 20",
		}},
		{"two pages, one gone", two, false, true, map[string]string{
			two.descs.up.String() + " " + server.URL: "gauge 1", two.descs.up.String() + " " + gone.URL: "gauge 0",
			two.descs.active.String() + " " + server.URL: "gauge 3", two.descs.reading.String() + " " + server.URL: "gauge 0",
			two.descs.writing.String() + " " + server.URL: "gauge 1", two.descs.waiting.String() + " " + server.URL: "gauge 2",
			two.descs.accepted.String() + " " + server.URL: "counter 10", two.descs.handled.String() + " " + server.URL: "counter 9",
			two.descs.requests.String() + " " + server.URL: "counter 20",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := statusNames(t, c.pages, c.openMetrics)
			if (err != nil) != c.wantError {
				t.Errorf("error %v", err)
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
		})
	}
}

// TestHangingPageIsWaitedForOnce asks a page that stops answering and comes back.
func TestHangingPageIsWaitedForOnce(t *testing.T) {
	var hang atomic.Bool
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hang.Load() {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
		fmt.Fprint(w, statusBody)
	}))
	defer server.Close()
	defer close(release)
	const timeout = 500 * time.Millisecond
	s, err := newStatusPages([]StatusPlan{{StatusConfig: StatusConfig{URL: server.URL, Timeout: timeout}}}, same)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	page := s.pages[0]
	state := func() (slow bool, inFlight chan struct{}) {
		page.mu.Lock()
		defer page.mu.Unlock()
		return page.slow, page.inFlight
	}

	hang.Store(true)
	if answer := page.ask(context.Background()); answer.err == nil {
		t.Fatal("a page that hangs has answered")
	}
	if slow, _ := state(); !slow {
		t.Fatal("a page that hung for its whole time is not taken for slow")
	}
	if answer := page.ask(context.Background()); answer.err == nil {
		t.Fatal("a page that hangs has answered")
	}
	hang.Store(false)
	if _, inFlight := state(); inFlight != nil {
		<-inFlight // the fetch that hung ends at its own time limit
	}
	for {
		if answer := page.ask(context.Background()); answer.err == nil {
			break
		}
	}
	if slow, _ := state(); slow {
		t.Error("a page that answers is still taken for slow")
	}
}

// TestSlowPagePatience shows in fake time how long a scrape waits for a page that does not answer.
func TestSlowPagePatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &statusPage{timeout: 2 * time.Second, inFlight: make(chan struct{})}
		begin := time.Now()
		p.ask(context.Background())
		if took := time.Since(begin); took != 2*time.Second+grace {
			t.Errorf("first waited %s", took)
		}
		p.slow = true
		begin = time.Now()
		p.ask(context.Background())
		if took := time.Since(begin); took != 200*time.Millisecond {
			t.Errorf("then waited %s", took)
		}
	})
}
