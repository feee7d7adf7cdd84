package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// mostUnderFlood is how much more memory than at rest a flood from any client may cost.
const mostUnderFlood = 128 << 20

// startWithManySeries starts the exporter as it is shipped on a log that gives 20,000 series.
func startWithManySeries(t *testing.T) *testenv.Exporter {
	t.Helper()
	dir := t.TempDir()
	var log strings.Builder
	for i := range 30000 {
		server := i % 600
		fmt.Fprintf(&log, "\"GET /r%d HTTP/1.1\" %d 1 10.0.%d.%d:80 0.010 200 0.010 0.005 0.001\n",
			i%200, []int{200, 404, 502}[i%3], server/200, server%200)
	}
	if err := os.WriteFile(filepath.Join(dir, "access.log"), []byte(log.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	var config strings.Builder
	fmt.Fprintf(&config, `nginx:
  max_series: 20000
  access_logs:
    - path: %s/access.log
      start: beginning
      format: '"$request" $status $request_length $upstream_addr $upstream_response_time $upstream_status
        $request_time $upstream_header_time $upstream_connect_time'
  routes:
`, dir)
	for i := range 200 {
		fmt.Fprintf(&config, "    - {name: r%d, match: ^/r%d$}\n", i, i)
	}
	config.WriteString("probes: []\n")
	binary := buildExporter(t) // which may take its time
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	e, err := testenv.StartExporter(ctx, binary, dir, config.String(), "", "--web.enable-lifecycle")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Stop() })
	until(t, "20,000 series are shown", func() bool {
		text, err := e.Metrics()
		return err == nil && strings.Count(text, "\n") > 20000
	})
	return e
}

// ownBytes is what a process has in memory, in bytes, without the pages of files: the kernel may bring and drop those
// of the binary at any time.
func ownBytes(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	var size, resident, ofFiles int64
	if _, err := fmt.Sscan(string(text), &size, &resident, &ofFiles); err != nil {
		t.Fatal(err)
	}
	return (resident - ofFiles) * int64(os.Getpagesize())
}

// mostOwn watches a process until stop is called, which returns the most that it had in memory of its own.
func mostOwn(t *testing.T, pid int) (stop func() int64) {
	t.Helper()
	var most atomic.Int64
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			most.Store(max(most.Load(), ownBytes(t, pid)))
			select {
			case <-tick.C:
			case <-ended:
				return
			}
		}
	}()
	stop = sync.OnceValue(func() int64 { close(ended); <-done; return most.Load() })
	t.Cleanup(func() { stop() }) // before the process ends
	return stop
}

// Whoever reaches the port cannot have the program killed for its memory, nor keep it from answering for long.
func TestFloods(t *testing.T) {
	e := startWithManySeries(t)
	rest := ownBytes(t, e.PID())
	for _, flood := range []struct {
		name string
		run  func(*testing.T, *testenv.Exporter)
	}{
		{"200 scrapes at once", floodOfScrapes},
		{"1,500 connections that never read", func(t *testing.T, e *testenv.Exporter) {
			floodOfConnections(t, e, strings.Repeat("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 20), "")
		}},
		{"400 readers that read nothing, beside scrapes", floodOfSlowReaders},
		{"1,500 bodies that never end", func(t *testing.T, e *testenv.Exporter) {
			floodOfConnections(t, e, "POST /-/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
				"5\r\nxxxxx\r\n")
			floodOfConnections(t, e, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n", "xxxxx")
		}},
	} {
		stop := mostOwn(t, e.PID())
		flood.run(t, e)
		ended := time.Now()
		until(t, "it answers 200 again", func() bool { _, err := e.Metrics(); return err == nil })
		if took := time.Since(ended); took > 10*time.Second {
			t.Errorf("%s: it answers 200 again after %s", flood.name, took)
		}
		more := stop() - rest
		t.Logf("%s: %d MiB more than %d MiB at rest", flood.name, more>>20, rest>>20)
		if more > mostUnderFlood {
			t.Errorf("%s: %d MiB more than at rest", flood.name, more>>20)
		}
	}
}

func floodOfScrapes(t *testing.T, e *testenv.Exporter) {
	accepts := []string{"", "text/plain", "application/openmetrics-text;version=1.0.0",
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"}
	var scrapes sync.WaitGroup
	var served atomic.Int64
	for i := range 200 {
		scrapes.Go(func() {
			request, err := http.NewRequest(http.MethodGet, e.URL+"/metrics", nil)
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Accept", accepts[i%len(accepts)])
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			if _, err := io.Copy(io.Discard, response.Body); err != nil {
				t.Error(err)
			}
			switch response.StatusCode {
			case http.StatusOK:
				served.Add(1)
			case http.StatusServiceUnavailable:
			default:
				t.Errorf("answered %s", response.Status)
			}
		})
	}
	scrapes.Wait()
	if served.Load() == 0 {
		t.Error("none of 200 scrapes was served")
	}
}

// floodOfSlowReaders has more readers than scrapes may wait at one time ask for all series and read nothing. Whoever
// scrapes meanwhile is served.
func floodOfSlowReaders(t *testing.T, e *testenv.Exporter) {
	for i := range 400 {
		conn, err := net.Dial("tcp", e.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.(*net.TCPConn).SetReadBuffer(2048)
		fmt.Fprintf(conn, "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n")
		if i%40 == 39 {
			if _, err := e.Metrics(); err != nil {
				t.Errorf("a scrape beside %d readers that read nothing: %v", i+1, err)
			}
		}
	}
}

// floodOfConnections opens 1,500 connections, sends text on each and then more of it, and reads nothing.
func floodOfConnections(t *testing.T, e *testenv.Exporter, text, more string) {
	var conns []*net.TCPConn
	for range 1500 {
		conn, err := net.Dial("tcp", e.Address)
		if err != nil {
			t.Fatal(err)
		}
		tcp := conn.(*net.TCPConn)
		tcp.SetReadBuffer(2048)
		tcp.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		tcp.Write([]byte(text)) // as much of it as is taken
		conns = append(conns, tcp)
	}
	for range 5 { // nobody receives what is sent to a closed connection
		for _, conn := range conns {
			conn.SetWriteDeadline(time.Now().Add(time.Millisecond))
			conn.Write([]byte(more))
		}
		response, err := http.Get(e.URL + "/-/healthy")
		if err != nil {
			t.Fatalf("/-/healthy during the flood: %v", err)
		}
		response.Body.Close()
	}
	for _, conn := range conns {
		conn.Close()
	}
}

// An answer is compressed for clients that accept it, and is otherwise the same.
func TestMetricsAreCompressed(t *testing.T) {
	p := startProgram(t, "probes: []\n")
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\nAccept-Encoding: gzip\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := response.Header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("Content-Encoding %q", got)
	}
	unpacked, err := gzip.NewReader(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(unpacked)
	if err != nil || !strings.Contains(string(body), "\nfremisn_exporter_config_last_reload_successful 1\n") {
		t.Errorf("%v:\n%s", err, body)
	}
	if response.ContentLength*3 > int64(len(body)) {
		t.Errorf("%d bytes became %d", len(body), response.ContentLength)
	}
}
