package past

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/internal/accesslog"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/logtest"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// testSettings know the group of logtest, a node of it, and two routes.
func testSettings() *source.Settings {
	conf := &nginxconf.Config{Upstreams: []nginxconf.Upstream{{Name: logtest.Group}}, LimitReqStatus: 503,
		LimitConnStatus: 503}
	for _, address := range logtest.Servers() {
		conf.Upstreams[0].Servers = append(conf.Upstreams[0].Servers, nginxconf.Server{Address: address, MaxFails: 1,
			FailTimeout: 10 * time.Second})
	}
	return &source.Settings{
		Conf: conf, Nodes: []source.Node{{Name: "master", Address: logtest.Servers()[0]}},
		Routes: []source.Route{
			{Name: "monitor", Match: regexp.MustCompile("^/v1/get-limit-usage"), Ignore: true},
			{Name: "face", Match: regexp.MustCompile("^/v1/face/")},
		},
	}
}

// madeUp are lines of a format, some of them odd, some of them spoilt.
func madeUp(f logtest.Format, seed uint64, n int) []byte {
	w := logtest.NewWriter(f, seed)
	w.Odd = 0.1
	random := rand.New(rand.NewPCG(seed, 9))
	var text []byte
	for range n {
		line := w.Append(nil)
		if random.IntN(50) == 0 {
			line[random.IntN(len(line)-1)] = byte(random.IntN(8) + 1)
		}
		text = append(text, line...)
	}
	return text
}

// served returns the counters of serve for the same lines, as "metric labels" → value, without series at 0.
func served(t *testing.T, f logtest.Format, text []byte) map[string]uint64 {
	t.Helper()
	s := testSettings()
	c, err := accesslog.New(accesslog.Config{
		Source:  source.LogSource{Name: "x", Formats: []source.Format{{Text: f.Text, Escape: f.Escape}}},
		Routes:  s.Routes,
		Buckets: source.DefaultLatencyBuckets(), MaxSeries: 100_000, LimitReqStatus: 503, LimitConnStatus: 503,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Lines(text)
	lines, counts := c.Snapshot()
	all := map[string]uint64{"parsed": lines.Parsed, "malformed": lines.Malformed}
	for _, id := range []metric.ID{metric.Requests, metric.Attempts, metric.Retries, metric.NoLive, metric.SentBytes} {
		for _, counter := range counts.Counters(int(id)) {
			if counter.Value > 0 {
				all[fmt.Sprint(metric.Get(id).Name, counter.Labels)] = counter.Value
			}
		}
	}
	for _, id := range []metric.ID{metric.RequestDuration, metric.ResponseDuration, metric.HeaderDuration,
		metric.ConnectDuration} {
		for _, h := range counts.Histograms(int(id)) {
			all[fmt.Sprint(metric.Get(id).Name, h.Labels[:1], "count")] += h.Count()
			all[fmt.Sprint(metric.Get(id).Name, h.Labels[:1], "sum")] += h.SumMillis
		}
	}
	maps.DeleteFunc(all, func(_ string, n uint64) bool { return n == 0 })
	return all
}

// told returns the same of a report.
func told(r *Report) map[string]uint64 {
	all := map[string]uint64{"parsed": r.Lines.Parsed}
	if r.Lines.Malformed > 0 {
		all["malformed"] = r.Lines.Malformed
	}
	name := func(id metric.ID) string { return metric.Get(id).Name }
	put := func(key string, n uint64) {
		if n > 0 {
			all[key] += n
		}
	}
	times := func(id metric.ID, label string, q Quantiles) {
		put(fmt.Sprint(name(id), []string{label}, "count"), q.Count)
		put(fmt.Sprint(name(id), []string{label}, "sum"), uint64(q.Sum*1000+0.5))
	}
	for _, c := range r.Requests {
		put(fmt.Sprint(name(metric.Requests), []string{c.Route, c.Method, c.Code, c.Outcome}), c.Count)
	}
	for _, u := range r.Upstreams {
		put(fmt.Sprint(name(metric.NoLive), []string{u.Upstream}), u.NoLive)
	}
	for _, route := range r.Routes {
		put(fmt.Sprint(name(metric.SentBytes), []string{route.Route}), route.Sent)
		times(metric.RequestDuration, route.Route, route.Duration)
	}
	for _, s := range r.Servers {
		put(fmt.Sprint(name(metric.Retries), []string{s.Server}), s.Retries)
		times(metric.ResponseDuration, s.Server, s.Response)
		times(metric.HeaderDuration, s.Server, s.Header)
		times(metric.ConnectDuration, s.Server, s.Connect)
	}
	return all
}

// TestAnalyzeCountsAsServe has the same lines counted by serve's engine, and by analyze in files, parts and compressed
// files side by side, in every format.
func TestAnalyzeCountsAsServe(t *testing.T) {
	for i, f := range logtest.Formats() {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			text := madeUp(f, uint64(i+1), 20_000)
			dir := t.TempDir()
			cut := bytes.IndexByte(text[len(text)/2:], '\n') + len(text)/2 + 1
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			z.Write(text[:cut])
			z.Close()
			old, live := filepath.Join(dir, "access.log.1.gz"), filepath.Join(dir, "access.log")
			for path, content := range map[string][]byte{old: packed.Bytes(), live: text[cut:]} {
				if err := os.WriteFile(path, content, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			o := Options{Settings: testSettings(), Files: []string{old, live}, Formats: []source.Format{{Text: f.Text,
				Escape: f.Escape}}, Workers: 3}
			r, problems, err := Analyze(t.Context(), o)
			if err != nil || len(problems) != 1 { // malformed lines
				t.Fatal(err, problems)
			}
			want, got := served(t, f, text), told(r)
			for key := range want { // a report has codes and outcomes of attempts, but not which go together
				if strings.HasPrefix(key, metric.Get(metric.Attempts).Name) {
					delete(want, key)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			attempts(t, r, served(t, f, text))
		})
	}
}

// attempts holds codes and outcomes of servers against serve's counters.
func attempts(t *testing.T, r *Report, served map[string]uint64) {
	t.Helper()
	want, got := map[string]uint64{}, map[string]uint64{}
	for key, n := range served {
		if labels, ok := strings.CutPrefix(key, metric.Get(metric.Attempts).Name); ok {
			words := strings.Fields(strings.Trim(labels, "[]"))
			for _, of := range []string{words[0], words[0] + " code " + words[1], words[0] + " outcome " + words[2]} {
				want[of] += n
			}
		}
	}
	for _, s := range r.Servers {
		got[s.Server] = s.Attempts
		for code, n := range s.Codes {
			got[s.Server+" code "+code] = n
		}
		for outcome, n := range s.Outcomes {
			got[s.Server+" outcome "+outcome] = n
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// lines writes a log and analyzes it.
func analyzeLines(t *testing.T, text string, change func(*Options)) *Report {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	o := Options{Settings: testSettings(), Files: []string{path},
		Formats: []source.Format{{Text: `$msec "$request" $status $request_time $request_id "$upstream_addr" ` +
			`"$upstream_status" "$upstream_response_time"`}}}
	if change != nil {
		change(&o)
	}
	r, problems, err := Analyze(t.Context(), o)
	if err != nil || (len(problems) > 0) != (r.Lines.Malformed > 0) {
		t.Fatal(err, problems)
	}
	return r
}

const someLines = `1764000000.500 "GET /v1/face/a?k=1 HTTP/1.1" 200 0.100 aaaa "127.0.0.231:4005" "200" "0.099"
1764003600.000 "POST /v1/face/b HTTP/1.1" 502 7.500 bbbb "127.0.0.18:4008, fremisn_backend" "502, 502" "7.400, 0.000"
1764003601.250 "GET /stream HTTP/1.1" 101 900.000 cccc "127.0.0.231:4005" "101" "900.000"
1764010800.000 "GET /other HTTP/1.1" 504 60.001 dddd "127.0.0.18:4008" "504" "60.000"
`

// TestReport holds the fields of a report against a log worked out by hand.
func TestReport(t *testing.T) {
	r := analyzeLines(t, someLines, nil)
	if r.From.Format(time.RFC3339Nano) != "2025-11-24T16:00:00.5Z" ||
		r.To.Format(time.RFC3339Nano) != "2025-11-24T19:00:00Z" {
		t.Errorf("from %s to %s", r.From, r.To)
	}
	ids := ""
	for _, s := range r.Slowest {
		ids += s.RequestID + " "
	}
	if ids != "dddd bbbb aaaa " {
		t.Errorf("the slowest are %s", ids)
	}
	if s := r.Slowest[1]; s.Path != "/v1/face/b" || s.Code != "502" || s.Duration != 7.5 || len(s.Attempts) != 1 ||
		s.Attempts[0].Code != "502" || *s.Attempts[0].Duration != 7.4 {
		t.Errorf("%+v", s)
	}
	if s := r.Slowest[2]; s.Path != "/v1/face/a" || s.Method != "GET" {
		t.Errorf("%+v", s)
	}
	if len(r.Hours) != 3 || r.Hours[1].Requests != 2 || r.Hours[1].Errors != 1 || r.Hours[2].Errors != 1 ||
		*r.Hours[2].P95 < 58 || *r.Hours[2].P95 > 62 {
		t.Errorf("hours %+v", r.Hours)
	}
	if len(r.Servers) != 2 || r.Servers[1].Node != "master" || r.Servers[1].Upstream != logtest.Group ||
		r.Servers[1].Share != 0.5 || *r.Servers[1].Response.Max != 0.099 {
		t.Errorf("servers %+v", r.Servers)
	}
	if len(r.Upstreams) != 1 || r.Upstreams[0] != (UpstreamCount{logtest.Group, 1}) {
		t.Errorf("upstreams %+v", r.Upstreams)
	}
}

// TestSinceUntil counts what is in a time, and reports lines without one.
func TestSinceUntil(t *testing.T) {
	since := time.Unix(1764003600, 0)
	r := analyzeLines(t, someLines, func(o *Options) { o.Since, o.Until = since, since.Add(time.Hour) })
	if r.Lines.Parsed != 2 || r.From.Unix() != since.Unix() {
		t.Errorf("%+v from %s", r.Lines, r.From)
	}
	r = analyzeLines(t, "\"GET / HTTP/1.1\" 200\n", func(o *Options) {
		o.Since, o.Formats = since, []source.Format{{Text: `"$request" $status`}}
	})
	if r.Lines.Parsed != 0 || r.Lines.WithoutTime != 1 || r.From != nil {
		t.Errorf("%+v", r.Lines)
	}
}

// TestOutputs holds what is printed: JSON with the contract's keys, CSV with a head for each table, text without what a
// terminal would act on.
func TestOutputs(t *testing.T) {
	r := analyzeLines(t, someLines+"1764010800.000 \"GET /\x1b[31m HTTP/1.1\" 200 99.000 e\x1bee \"-\" \"-\" \"-\"\n",
		nil)
	var out bytes.Buffer
	if err := r.JSON(&out); err != nil {
		t.Fatal(err)
	}
	var decoded map[string]any
	if err := json.Unmarshal(out.Bytes(), &decoded); err != nil {
		t.Fatal(err)
	}
	keys := slices.Sorted(func(yield func(string) bool) {
		for key := range decoded {
			if !yield(key) {
				return
			}
		}
	})
	if diff := cmp.Diff([]string{"from", "hours", "lines", "requests", "routes", "servers", "slowest", "to",
		"upstreams"}, keys); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	if err := r.CSV(&out); err != nil {
		t.Fatal(err)
	}
	heads := 0
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "table,name,") {
			heads++
		}
	}
	if heads != 2 || !strings.Contains(out.String(), "\nservers,master,fremisn_backend,127.0.0.231:4005,master,2,") ||
		!strings.Contains(out.String(), "\nroutes,face,2,") {
		t.Errorf("CSV\n%s", out.String())
	}
	out.Reset()
	if err := r.Text(&out, 0); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsRune(out.String(), '\x1b') || !strings.Contains(out.String(),
		"fremisn_backend had no live server for 1 request:") {
		t.Errorf("text\n%s", out.String())
	}
}
