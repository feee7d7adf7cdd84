package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// writeHostileLog mixes good lines, all of which have the status 299 and are of 7 bytes, with whatever may come, and
// returns how many lines there are, how many of them are good, and how many are too long.
func writeHostileLog(t *testing.T, path string) (lines, good, tooLong int) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := bufio.NewWriterSize(file, 1<<20)
	random := rand.New(rand.NewPCG(1, 2))
	line := func(request, status, size, took, addresses, statuses, times string) {
		fmt.Fprintf(w, "127.0.0.1 \"%s\" %s %s %s ua=\"%s\" us=\"%s\" urt=\"%s\"\n", request, status, size, took,
			addresses, statuses, times)
		lines++
	}
	raw := func(b []byte) {
		w.Write(append(bytes.ReplaceAll(b, []byte("\n"), []byte{0}), '\n'))
		lines++
	}
	for i := range 20_000 {
		line("GET /good HTTP/1.1", "299", "7", "0.010", "127.0.0.231:4005", "299", "0.009")
		good++
		server := fmt.Sprintf("10.%d.%d.%d:80", i%7, i/256, i%256)
		line(fmt.Sprintf("M%d /%d/%x?q HTTP/1.1", i, i, random.Uint64()), "200", "1", "0.001", server, "200", "0.001")
		line("GET / HTTP/1.1", strconv.Itoa(100+i%900), "1", "0.001", fmt.Sprintf("host-%d.\xff\xfe:80, group-%d", i,
			i), "502, 502", "0.001, 0.000")
		switch i % 40 {
		case 0:
			noise := make([]byte, random.IntN(2000))
			for j := range noise {
				noise[j] = byte(random.Uint32())
			}
			raw(noise)
		case 1:
			raw(make([]byte, 5000))
		case 2:
			line("GET / HTTP/1.1", "200", "999999999999999999999", "0.001", "-", "-", "-")
			line("GET / HTTP/1.1", "200", "-1", "NaN", "-", "-", "-")
			line("GET / HTTP/1.1", "200", "1", "1e309", "-", "-", "-")
		case 3:
			line("GET / HTTP/1.1", "200", "1", "0.001", "127.0.0.17:4009"+strings.Repeat(", 127.0.0.17:4009", 999),
				"502"+strings.Repeat(", 502", 999), "0.001"+strings.Repeat(", 0.001", 999))
		}
		if i%5000 == 2500 {
			raw(bytes.Repeat([]byte(`"\x22`), (8+i/500)<<20/5))
			tooLong++
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return lines, good, tooLong
}

// TestHostileLog has the shipped binary read a log full of garbage: the good lines in it stay exact, series and memory
// are bounded, and all that is exposed is UTF-8.
func TestHostileLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	lines, good, tooLong := writeHostileLog(t, path)
	config := fmt.Sprintf(`nginx:
  access_logs:
    - path: %q
      name: access
      start: beginning
      format: '$remote_addr "$request" $status $bytes_sent $request_time
        ua="$upstream_addr" us="$upstream_status" urt="$upstream_response_time"'
  routes:
    - {name: good, match: "o{2}d$"}
probes: []
nodes: [{name: master, address: "127.0.0.231:4005"}]
`, path)
	e, err := testenv.StartExporter(context.Background(), buildExporter(t), dir, config, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Stop() })
	most := mostOwn(t, e.PID())
	var text string
	value := func(series string) int {
		_, after, found := strings.Cut(text, "\n"+series+" ")
		if !found {
			return 0
		}
		number, _, _ := strings.Cut(after, "\n")
		n, err := strconv.ParseFloat(number, 64)
		if err != nil {
			t.Fatal(err)
		}
		return int(n)
	}
	counted := func(result string) int {
		return value(`fremisn_exporter_log_lines_total{log="access",result="` + result + `"}`)
	}
	until(t, "all lines are read", func() bool {
		if text, err = e.Metrics(); err != nil {
			t.Fatal(err)
		}
		return counted("parsed")+counted("malformed")+counted("too_long") == lines
	})
	for series, want := range map[string]int{
		`fremisn_exporter_log_lines_total{log="access",result="too_long"}`:                            tooLong,
		`nginx_access_requests_total{code="299",log="access",method="GET",outcome="ok",route="good"}`: good,
		`nginx_access_request_duration_seconds_count{log="access",outcome="ok",route="good"}`:         good,
		`nginx_access_request_duration_seconds_sum{log="access",outcome="ok",route="good"}`:           good / 100,
		`nginx_access_sent_bytes_total{log="access",route="good"}`:                                    7 * good,
		`nginx_upstream_attempts_total{code="299",log="access",node="master",outcome="ok",server="127.0.0.231:4005",` +
			`upstream=""}`: good,
		`nginx_upstream_response_duration_seconds_count{log="access",node="master",outcome="ok",` +
			`server="127.0.0.231:4005",upstream=""}`: good,
		`nginx_upstream_response_duration_seconds_bucket{log="access",node="master",outcome="ok",` +
			`server="127.0.0.231:4005",upstream="",le="0.005"}`: 0,
		`nginx_upstream_response_duration_seconds_bucket{log="access",node="master",outcome="ok",` +
			`server="127.0.0.231:4005",upstream="",le="0.01"}`: good,
	} {
		if got := value(series); got != want {
			t.Errorf("%s is %d, want %d", series, got, want)
		}
	}
	if !utf8.ValidString(text) {
		t.Error("the exposition is not UTF-8")
	}
	series := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "nginx_") {
			series++
		}
	}
	if series > 10_000 || series < 5_000 || value(`fremisn_exporter_log_series_dropped_total{log="access"}`) == 0 {
		t.Errorf("%d series, want up to 10,000", series)
	}
	peak := most()
	t.Logf("%d lines, %d series; memory of its own was at most %d MiB", lines, series, peak>>20)
	if peak > 60<<20 {
		t.Errorf("memory of its own was at most %d KiB, want 60 MiB", peak>>10)
	}
	if code := e.Stop(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, e.Output())
	}
}
