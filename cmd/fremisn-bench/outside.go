package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// How many work on the exporter from outside.
const (
	scrapers    = 64
	slowClients = 1000
)

// outside has 64 scrapers ask once a second each, while a thousand slow clients send and read a little a second.
func (b *bench) outside() error {
	s, err := b.manySeries()
	if err != nil {
		return err
	}
	defer s.Kill()
	body, err := s.scrape()
	if err != nil {
		return err
	}
	address := strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/metrics")
	rest, until := s.resident(), time.Now().Add(b.watch)
	var working sync.WaitGroup
	for i := range slowClients {
		working.Go(func() { slowClient(address, i, until) })
	}
	most := rest
	working.Go(func() {
		for time.Now().Before(until) {
			most = max(most, s.resident())
			time.Sleep(50 * time.Millisecond)
		}
	})
	took, failed, last := s.scrapeBy(scrapers, until)
	working.Wait()
	slices.Sort(took)
	why := ""
	if last != nil {
		why = "; " + last.Error()
	}
	b.row(fmt.Sprintf("scrapes of %d scrapers beside %d slow clients that failed", scrapers, slowClients),
		fmt.Sprintf("%d of %d", failed, len(took)+failed), "0",
		fmt.Sprintf("%d series, %s; median %.2f s, slowest %.2f s%s", strings.Count(body, "\n"), b.watch,
			took[len(took)/2].Seconds(), took[len(took)-1].Seconds(), why))
	b.row("  resident at most, more than at rest", mib(most-rest), "≤ 128 MiB",
		fmt.Sprintf("at rest %s, after it %s", mib(rest), mib(s.resident())))
	return nil
}

// scrapeBy has n scrapers ask once a second, each as Prometheus does. It returns how long each scrape took that did not
// fail, how many failed, and the error of one.
func (s *server) scrapeBy(n int, until time.Time) (took []time.Duration, failed int, last error) {
	var mu sync.Mutex
	var working sync.WaitGroup
	for range n {
		working.Go(func() {
			own := &server{Process: s.Process, url: s.url, accept: s.accept}
			for next := time.Now(); next.Before(until); next = next.Add(time.Second) {
				time.Sleep(time.Until(next))
				begun := time.Now()
				_, err := own.scrape()
				mu.Lock()
				if err != nil {
					failed++
					last = err
				} else {
					took = append(took, time.Since(begun))
				}
				mu.Unlock()
			}
		})
	}
	working.Wait()
	return took, failed, last
}

// slowClient connects again and again: by turns it sends a request byte by byte, or asks for metrics or the page and
// reads little.
func slowClient(address string, i int, until time.Time) {
	for time.Now().Before(until) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			time.Sleep(time.Second)
			continue
		}
		beSlow(conn.(*net.TCPConn), i, until)
		conn.Close()
		time.Sleep(100 * time.Millisecond)
	}
}

func beSlow(conn *net.TCPConn, i int, until time.Time) {
	conn.SetReadBuffer(2 << 10)
	conn.SetDeadline(until)
	request := "GET " + []string{"/metrics", "/metrics", "/"}[i%3] + " HTTP/1.1\r\nHost: x\r\n\r\n"
	sendsSlowly := i%3 == 0
	if !sendsSlowly {
		conn.Write([]byte(request))
	}
	for n := 0; time.Now().Before(until); n++ {
		var err error
		if sendsSlowly {
			_, err = conn.Write([]byte{request[n%len(request)]})
		} else {
			_, err = conn.Read(make([]byte, 1<<10))
		}
		if err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// manySeries starts the exporter on a log that gives 20,000 series.
func (b *bench) manySeries() (*server, error) {
	path := filepath.Join(b.dir, "many.log")
	var log, routes strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&log, "\"GET /r%d HTTP/1.1\" %d 1 10.0.%d.%d:80 0.010 200 0.010 0.005 0.001\n", i%200,
			[]int{200, 404, 502}[i%3], i%600/200, i%200)
	}
	for i := range 200 {
		fmt.Fprintf(&routes, "    - {name: r%d, match: ^/r%d$}\n", i, i)
	}
	if err := os.WriteFile(path, []byte(log.String()), 0o644); err != nil {
		return nil, err
	}
	s, err := b.start(fmt.Sprintf("nginx:\n  max_series: 20000\n  access_logs: [{path: %q, start: beginning, format: "+
		"'\"$request\" $status $request_length $upstream_addr $upstream_response_time $upstream_status $request_time "+
		"$upstream_header_time $upstream_connect_time'}]\n  routes:\n%sprobes: []\n", path, routes.String()))
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		body, err := s.scrape()
		switch {
		case err == nil && strings.Count(body, "\n") > 20_000:
			return s, nil
		case time.Now().After(deadline):
			s.Kill()
			return nil, fmt.Errorf("20,000 series are not shown: %w", err)
		}
	}
}
