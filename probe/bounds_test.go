package probe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestHostileAnswers has servers send what would fill the memory if it were kept.
func TestHostileAnswers(t *testing.T) {
	long := strings.Repeat("word ", 100_000)
	one := strings.Repeat("x", 500_000)
	answer := func(text string) string {
		return raw(t, func(conn net.Conn) { io.WriteString(conn, text); bufio.NewReader(conn).Discard(1) })
	}
	lines := serveConns(t, listen(t), says(strings.Repeat("noise "+one[:1000]+"\n", 10_000)))
	s := newService(t, `
modules:
  http: {prober: http, timeout: 30s, http: {fail_if_header_not_matches: [{header: X-State, regexp: good}]}}
  short: {prober: http, timeout: 1s}
  lines: {prober: tcp, timeout: 30s, tcp: {query_response: [{expect: never}]}}
  bytes: {prober: tcp, timeout: 30s, tcp: {query_response: [{expect_bytes: "never"}]}}
`)
	for _, c := range []struct{ module, target string }{
		{"http", answer("HTTP/1.1 200 " + long + "\r\nContent-Length: 0\r\n\r\n")},
		{"http", answer("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/" + one + "\r\nContent-Length: 0\r\n\r\n")},
		{"http", answer("HTTP/1.1 302 Found\r\nLocation: http://%zz/ " + long + "\r\nContent-Length: 0\r\n\r\n")},
		{"http", answer(long + "\r\n\r\n")},
		{"http", answer("HTTP/1.1 " + one + "\r\n\r\n")},
		{"http", answer("HTTP/1.1 200 OK\r\nX-State: " + one + "\r\nContent-Length: 0\r\n\r\n")},
		{"lines", lines},
		{"bytes", lines},
		{"http", "http://" + one[:5000] + "/"},
		{"http", "http://127.0.0.1:1/" + one[:100_000]},
	} {
		r, err := s.Once(context.Background(), c.module, c.target)
		if err != nil {
			t.Fatal(err)
		}
		size := len(r.Log) + len(r.Sentence)
		for _, l := range r.lines {
			size += len(l.text)
		}
		for _, sample := range r.Samples {
			size += len(sample.String())
		}
		if r.Success || r.Sentence == "" || size > 100_000 {
			t.Errorf("%s %.60s: %d bytes kept, %.300s", c.module, c.target, size, r.Sentence)
		}
	}
}

// TestMemoryOfHistories fills the histories of many targets: each has its bound, however long it goes on.
func TestMemoryOfHistories(t *testing.T) {
	const targets = 50
	var config strings.Builder
	config.WriteString("modules: {m: {prober: http, timeout: 30s}}\nprobes:\n  - name: p\n    module: m\n    " +
		"interval: 1s\n    targets:\n")
	for i := range targets {
		fmt.Fprintf(&config, "      - http://node-%d.example/a/path/that/is/not/short/at/all\n", i)
	}
	s := newService(t, config.String())
	sentence := strings.Repeat("a long sentence ", 20)
	fill := func(times int) uint64 {
		for i := range times {
			for _, target := range s.targets {
				trace := newTrace(target.module.secrets)
				for range 12 {
					trace.enter("processing")
					trace.logf("answered %s", sentence)
					trace.gauge("probe_x", "X.", float64(i))
				}
				var failed *failure
				if i%2 == 0 {
					failed = failf("status", "%s", sentence)
				}
				target.record(trace.finish(Result{Module: "m", Target: target.masked}, failed))
			}
		}
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		return memory.HeapAlloc
	}
	empty := fill(0)
	full := fill(keepRecent + 2*keepFailed)
	more := fill(2 * keepRecent)
	if each := (int64(full) - int64(empty)) / targets; each > 400<<10 {
		t.Errorf("%d bytes for each target", each)
	}
	if int64(more)-int64(full) > int64(full)/10 {
		t.Errorf("%d bytes, and later %d", full, more)
	}
	runtime.KeepAlive(s)
}

func TestPhasesAreSummedOverRedirects(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(1000, int64(ms)*1e6) }
	times := httpTimes{begun: true, lookups: []time.Duration{2 * time.Millisecond, 3 * time.Millisecond},
		exchanges: []*exchange{
			{start: at(0), connectDone: at(10), connected: at(11), answer: at(31)},
			{tls: true, start: at(100), connectDone: at(120), tlsStart: at(121), tlsDone: at(161), connected: at(162),
				answer: at(172), done: at(177)},
			{start: at(200)}, // never connected
		}}
	want := "resolve=5ms connect=31ms tls=40ms processing=30ms transfer=5ms"
	var got []string
	for _, p := range times.phases() {
		got = append(got, fmt.Sprintf("%s=%s", p.Name, p.Duration))
	}
	if text := strings.Join(got, " "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestClip(t *testing.T) {
	for text, want := range map[string]string{
		"short":                      "short",
		strings.Repeat("a", maxLine): strings.Repeat("a", maxLine),
		"begin " + strings.Repeat("secret", maxLine): "begin …",
		strings.Repeat("secret", maxLine):            "…",
	} {
		if got := clip(text); got != want {
			t.Errorf("%.20s becomes %.20s", text, got)
		}
	}
}
