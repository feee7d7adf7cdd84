package collector

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

const statusBody = "Active connections: 3 \nserver accepts handled requests\n 10 9 20 \nReading: 0 Writing: 1 " +
	"Waiting: 2 \n"

func same(s string) string { return s }

// statusNames is the metrics given, with the type that each has and the value of addr.
func statusNames(t *testing.T, s *statusPages, descs *descs, openMetrics bool) (map[string]string, error) {
	t.Helper()
	got := map[string]string{}
	found, err := s.collect(context.Background())
	g := &gathering{descs: descs}
	found(emitter{g}, openMetrics)
	for _, each := range g.loose {
		name, value := metric.Get(each.id).Name, ""
		switch v := each.value.(type) {
		case *dto.Gauge:
			value = fmt.Sprint("gauge ", v.GetValue())
		case *dto.Counter:
			value = fmt.Sprint("counter ", v.GetValue())
		case *dto.Untyped:
			value = fmt.Sprint("unknown ", v.GetValue())
		}
		for _, l := range each.labels {
			name += " " + l.GetValue()
		}
		got[name] = value
	}
	return got, err
}

func TestStatusPages(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter,
		_ *http.Request) {
		fmt.Fprint(w, statusBody)
	}))
	defer server.Close()
	free, err := testenv.FreeAddress("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + free

	page := func(url string) source.StatusPage {
		return source.StatusPage{StatusConfig: source.StatusConfig{URL: url, Timeout: time.Minute}}
	}
	one, err := newStatusPages([]source.StatusPage{page(server.URL)}, same)
	if err != nil {
		t.Fatal(err)
	}
	defer one.close()
	two, err := newStatusPages([]source.StatusPage{page(server.URL), page(gone)}, same)
	if err != nil {
		t.Fatal(err)
	}
	defer two.close()

	ofOne, ofTwo := newDescs(false), newDescs(true)
	for _, c := range []struct {
		name        string
		pages       *statusPages
		descs       *descs
		openMetrics bool
		wantError   bool
		want        map[string]string
	}{
		{"one page", one, ofOne, false, false, map[string]string{
			"nginx_up": "gauge 1", "nginx_connections_active": "gauge 3",
			"nginx_connections_reading":  "gauge 0",
			"nginx_connections_writing":  "gauge 1",
			"nginx_connections_waiting":  "gauge 2",
			"nginx_connections_accepted": "counter 10",
			"nginx_connections_handled":  "counter 9",
			"nginx_http_requests_total":  "counter 20",
		}},
		{"OpenMetrics keeps the names", one, ofOne, true, false, map[string]string{
			"nginx_up": "gauge 1", "nginx_connections_active": "gauge 3",
			"nginx_connections_reading":  "gauge 0",
			"nginx_connections_writing":  "gauge 1",
			"nginx_connections_waiting":  "gauge 2",
			"nginx_connections_accepted": "unknown 10",
			"nginx_connections_handled":  "unknown 9",
			"nginx_http_requests_total":  "counter 20",
		}},
		{"two pages, one gone", two, ofTwo, false, true, map[string]string{
			"nginx_up" + " " + server.URL: "gauge 1", "nginx_up" + " " + gone: "gauge 0",
			"nginx_connections_active" + " " +
				server.URL: "gauge 3", "nginx_connections_reading" + " " + server.URL: "gauge 0",
			"nginx_connections_writing" + " " +
				server.URL: "gauge 1", "nginx_connections_waiting" + " " + server.URL: "gauge 2",
			"nginx_connections_accepted" + " " +
				server.URL: "counter 10",
			"nginx_connections_handled" + " " + server.URL: "counter 9",
			"nginx_http_requests_total" + " " + server.URL: "counter 20",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := statusNames(t, c.pages, c.descs, c.openMetrics)
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
	const timeout = 3 * time.Second
	s, err := newStatusPages([]source.StatusPage{{StatusConfig: source.StatusConfig{URL: server.URL,
		Timeout: timeout}}}, same)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	page := s.pages[0]
	ask := func() error {
		_, err := page.stats.ask(context.Background())
		return err
	}
	hang.Store(true)
	begin := time.Now()
	if err := ask(); err == nil || time.Since(begin) < timeout {
		t.Fatalf("a page that hangs has answered: %v", err)
	}
	begin = time.Now()
	if err := ask(); err == nil || time.Since(begin) >= timeout {
		t.Fatalf("a hung page is waited for again: %v after %s", err, time.Since(begin))
	}
	hang.Store(false)
	for ask() != nil { // the fetch that hung ends at its own time limit
	}
	if err := ask(); err != nil {
		t.Error(err)
	}
}
