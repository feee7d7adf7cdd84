package probe_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	gokit "github.com/go-kit/log"
	"github.com/prometheus/common/expfmt"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/strictyaml"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
	"github.com/fremisn/fremisn-exporter/probe"
)

// These tests use nothing but what the package shows to others.

// A prober is a service with the address of its /probe, and what it has logged.
type prober struct {
	*probe.Service
	url string
	log *testenv.Output
}

func parseConfig(t testing.TB, text string) probe.Config {
	t.Helper()
	var c probe.Config
	if _, err := strictyaml.Decode("probes.yml", []byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func newProber(t testing.TB, config string) prober {
	t.Helper()
	p := prober{log: new(testenv.Output)}
	p.Service = serviceOf(t, p.log, config)
	server := httptest.NewServer(p.Service)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func serviceOf(t testing.TB, log io.Writer, config string) *probe.Service {
	t.Helper()
	s, err := probe.New(probe.Options{Config: parseConfig(t, config), Logger: gokit.NewLogfmtLogger(log)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run probes on the clock until the test ends.
func (p prober) run(t testing.TB) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
}

// ask asks /probe, and returns the code and the body of its answer.
func (p prober) ask(t testing.TB, pairs ...string) (int, string) {
	t.Helper()
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	response, err := http.Get(p.url + "/probe?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// metrics returns what the service adds to /metrics.
func (p prober) metrics() string {
	var page strings.Builder
	for family := range p.Families() {
		expfmt.MetricFamilyToText(&page, family)
	}
	return page.String()
}

// within waits until something holds.
func within(t testing.TB, limit time.Duration, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// A witness is a web server that remembers what it was asked.
type witness struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
}

// newWitness redirects /to?URL to that URL with the status 302, and /keep?URL with 307; everything else is fine.
func newWitness(t testing.TB, start func(http.Handler) *httptest.Server) *witness {
	w := &witness{}
	w.Server = start(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.seen = append(w.seen, r)
		w.mu.Unlock()
		switch r.URL.Path {
		case "/to":
			out.Header().Add("Set-Cookie", "session=given; Path=/")
			http.Redirect(out, r, r.URL.RawQuery, http.StatusFound)
		case "/keep":
			http.Redirect(out, r, r.URL.RawQuery, http.StatusTemporaryRedirect)
		}
	}))
	t.Cleanup(w.Close)
	return w
}

// drain returns what was asked since it was last called.
func (w *witness) drain() []*http.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = nil
	return seen
}

func contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %s in\n%s", part, text)
		}
	}
}
