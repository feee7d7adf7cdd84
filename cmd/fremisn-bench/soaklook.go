package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// A scraped is what /metrics said.
type scraped struct {
	all     map[string]float64 // by name and labels as they are written
	counter map[string]bool    // those that may not go down
}

// readText reads the text format.
func readText(body string) scraped {
	s := scraped{map[string]float64{}, map[string]bool{}}
	counts := false
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "# TYPE ") {
			counts = strings.HasSuffix(line, " counter") || strings.HasSuffix(line, " histogram")
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		if v, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			s.all[line[:at]] = v
			s.counter[line[:at]] = counts
		}
	}
	return s
}

// sum adds up the series that begin so.
func (s scraped) sum(prefix string) (sum float64) {
	for key, v := range s.all {
		if strings.HasPrefix(key, prefix) {
			sum += v
		}
	}
	return sum
}

// A counterWatch holds every counter against the scrape before.
type counterWatch struct {
	pid  int
	last scraped
}

// check returns a complaint about each counter that went down or vanished. Those of logs outlive the process.
func (w *counterWatch) check(now scraped, pid int) (complaints []string) {
	for key, before := range w.last.all {
		if !w.last.counter[key] || pid != w.pid && !ofLogs(key) {
			continue
		}
		after, found := now.all[key]
		switch {
		case !found && ofLogs(key):
			complaints = append(complaints, fmt.Sprintf("%s is gone; it was %v", key, before))
		case found && after < before:
			complaints = append(complaints, fmt.Sprintf("%s went down from %v to %v", key, before, after))
		}
	}
	w.pid, w.last = pid, now
	return complaints
}

func ofLogs(key string) bool {
	for _, prefix := range []string{"nginx_access_", "nginx_upstream_", "nginx_error_log_", "fremisn_exporter_log_"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// look scrapes again and again until the end.
func (s *soak) look(ctx context.Context) {
	tick := time.NewTicker(s.share(1.0/720, 500*time.Millisecond, 5*time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.checkScrape(ctx)
		}
	}
}

// open has the pages open, as browsers do that show them all the time.
func (s *soak) open(ctx context.Context) {
	tick := time.NewTicker(s.share(1.0/3600, 100*time.Millisecond, time.Second))
	defer tick.Stop()
	paths := []string{"/", "/api/v1/status", "/probes", "/incidents", "/api/v1/incidents", "/config", "/-/ready"}
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, took, _ := s.get(ctx, paths[i%len(paths)]); took > 0 {
			s.pages = append(s.pages, took)
		}
	}
}

// crowd has 64 scrapers ask at once, each second, while a thousand clients are slow to say what they want.
func (s *soak) crowd(ctx context.Context, span time.Duration) {
	over := time.After(span)
	for range 1000 {
		client, err := net.DialTimeout("tcp", s.address, 5*time.Second)
		if err != nil {
			s.fault("a slow client: %v", err)
			return
		}
		defer client.Close()
		io.WriteString(client, "GET /metrics HT")
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var scrapers sync.WaitGroup
		for range 64 {
			scrapers.Go(func() { s.get(ctx, "/metrics") })
		}
		scrapers.Wait()
		select {
		case <-ctx.Done():
			return
		case <-over:
			return
		case <-tick.C:
		}
	}
}

// get asks the exporter for a path. Whatever but 200 is a fault, unless the exporter was ended meanwhile; then and
// while it is down nothing is returned.
func (s *soak) get(ctx context.Context, path string) (body string, took time.Duration, e *testenv.Exporter) {
	e = s.current()
	if e == nil {
		return "", 0, nil
	}
	began := time.Now()
	body, err := fetch(ctx, e.URL+path)
	took = time.Since(began)
	if err == nil {
		return body, took, e
	}
	if ctx.Err() == nil && s.current() == e {
		s.fault("%s after %s: %v", path, took, err)
	}
	return "", 0, nil
}

func (s *soak) current() *testenv.Exporter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

func fetch(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", response.Status, body)
	}
	return string(body), err
}

// limit is the time after which a scrape shows what it has so far.
const limit = 3 * time.Second

// checkScrape scrapes once: everything written before it began is counted, nothing that was not written, no counter
// went down, and there is no gap.
func (s *soak) checkScrape(ctx context.Context) {
	type bounds struct{ lines, sum float64 }
	logs := map[string]*soakLog{"access": s.access, "side": s.side, "error": s.mistakes}
	least, full := map[string]bounds{}, s.isFull()
	for name, log := range logs {
		least[name] = bounds{float64(log.written.lines.Load()), float64(log.written.sum.Load())}
	}
	body, took, e := s.get(ctx, "/metrics")
	if e == nil {
		return
	}
	now := readText(body)
	for name, log := range logs {
		lines, sum := now.sum(`fremisn_exporter_log_lines_total{log="`+name+`"`), 0.0
		if name != "error" {
			sum = now.sum(`nginx_access_received_bytes_total{log="` + name + `"`)
		}
		most, mostSum := float64(log.begun.lines.Load()), float64(log.begun.sum.Load())
		if lines > most || sum > mostSum && !log.isCut() {
			s.fault("log %s: %.0f lines of %.0f are counted, with a sum of %.0f of %.0f", name, lines, most, sum,
				mostSum)
		}
		switch {
		case lines >= least[name].lines && (sum >= least[name].sum || log.isCut()) || full || s.isFull():
		case took > limit-limit/10:
			s.late++
		default:
			s.fault("log %s: %.0f lines are counted of %.0f that were written, with a sum of %.0f of %.0f, "+
				"after %s\n%s", name, lines, least[name].lines, sum, least[name].sum, took,
				linesWith(e.Output(), "collector failed"))
		}
	}
	for _, complaint := range s.counters.check(now, e.PID()) {
		s.fault("%s", complaint)
	}
	s.checkSelf(now, e)
	s.record(now, took, e)
}

// isCut reports whether a full disk cut a line off, which the sum of the log does not include.
func (l *soakLog) isCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut > 0
}

// checkSelf checks what the exporter says of itself: no gaps, and no malformed lines but those that were cut off. Each
// gap is a fault once, with what the exporter logged of it.
func (s *soak) checkSelf(now scraped, e *testenv.Exporter) {
	if gaps := now.sum("fremisn_exporter_log_gaps_total"); gaps > s.gaps {
		s.gaps = gaps
		s.fault("%.0f gaps are reported, but there was none\n%s", gaps, linesWith(e.Output(), "lines were lost"))
	}
	for name, log := range map[string]*soakLog{"access": s.access, "side": s.side, "error": s.mistakes} {
		odd := now.sum(`fremisn_exporter_log_lines_total{log="`+name+`",result="malformed"`) +
			now.sum(`fremisn_exporter_log_lines_total{log="`+name+`",result="too_long"`)
		log.mu.Lock()
		cut := log.cut
		log.mu.Unlock()
		if odd > float64(cut) {
			s.fault("log %s: %.0f lines are malformed, %d were cut off", name, odd, cut)
		}
	}
}

// checkPrometheus asks Prometheus what it saw: no scrape failed but while the exporter was down, no counter of a log
// was reset, every rule was evaluated.
func (s *soak) checkPrometheus() {
	span := fmt.Sprintf("[%ds]", int(time.Since(s.began).Seconds())+60)
	var up struct {
		Data struct{ Result []struct{ Values [][2]any } }
	}
	query := url.QueryEscape(`up{job="fremisn-exporter"}` + span)
	if err := s.prometheus.Get("/api/v1/query?query="+query, &up); err != nil {
		s.fault("Prometheus: %v", err)
	}
	for _, series := range up.Data.Result {
		for _, v := range series.Values {
			seconds, _ := v[0].(float64)
			at := time.UnixMilli(int64(seconds * 1000))
			if v[1] == "0" && !s.wasDown(at) {
				s.fault("a scrape of Prometheus failed after %s", at.Sub(s.began))
			}
		}
	}
	for _, none := range []string{
		`sum(prometheus_rule_evaluation_failures_total)`,
		`sum(resets(nginx_access_requests_total` + span + `))`,
		`sum(resets(nginx_access_request_duration_seconds_bucket` + span + `))`,
		`sum(resets(nginx_upstream_attempts_total` + span + `))`,
		`sum(resets(nginx_error_log_events_total` + span + `))`,
		`sum(resets(fremisn_exporter_log_lines_total` + span + `))`,
	} {
		samples, err := s.prometheus.Query(none)
		if err != nil || len(samples) != 1 || samples[0].Value != 0 {
			s.fault("Prometheus: %s is %v (%v), not 0", none, samples, err)
		}
	}
}

// wasDown reports whether the exporter was down on purpose during a scrape of Prometheus that began then.
func (s *soak) wasDown(began time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.downs {
		if began.Before(d.to) && began.Add(5*time.Second).After(d.from) {
			return true
		}
	}
	return began.Before(s.began)
}

// record keeps figures of the exporter at this moment.
func (s *soak) record(now scraped, took time.Duration, e *testenv.Exporter) {
	server := server{Process: e.Process}
	descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", e.PID()))
	resident := server.resident()
	if err != nil || resident == 0 {
		return // it has just been ended
	}
	s.samples = append(s.samples, sample{
		at: time.Now(), pid: e.PID(), took: took, resident: resident, cpu: cpuSince(e.PID()),
		descriptors: len(descriptors), goroutines: int(now.all["go_goroutines"]),
		heap: int(now.all["go_memstats_heap_inuse_bytes"]), series: len(now.all),
	})
}

// cpuSince is what a process has used since it began, in the kernel's ticks of 10 ms, threads that have ended included.
func cpuSince(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// linesWith returns the lines of a text that contain a part.
func linesWith(text, part string) string {
	var found strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			found.WriteString(line)
		}
	}
	return found.String()
}
