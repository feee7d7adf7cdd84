package main

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

// The exporter distinguishes the file on disk from the running configuration: an nginx.conf that NGINX has not reloaded
// is not loaded, and a worker of the former one shuts down until its last request has ended. The clocks of files and
// processes may differ: what the exporter has seen decides.
func TestWhatNGINXHasLoaded(t *testing.T) {
	const log = "access_log DIR/access.log main;"
	h := startChangingHost(t, firstFormat, log)
	expect := func(when string, loaded, active, shuttingDown float64) {
		t.Helper()
		var got [3]float64
		defer func() {
			if t.Failed() {
				t.Logf("loaded, active and shutting down are %v; NGINX: %s", got, h.nginx.Output())
			}
		}()
		until(t, when, func() bool {
			families := scrapeFamilies(t, h.exporter)
			workers := func(state string) float64 { return gauge(families, "nginx_workers", "state", state) }
			got = [3]float64{gauge(families, "nginx_config_loaded"), workers("active"), workers("shutting_down")}
			return got == [3]float64{loaded, active, shuttingDown}
		})
	}
	expect("NGINX runs what is on the disk", 1, 1, 0)
	h.change(secondFormat, log)
	before := time.Now().Add(-time.Hour)
	if err := os.Chtimes(h.nginx.Conf, before, before); err != nil {
		t.Fatal(err)
	}
	expect("nginx.conf has changed, and NGINX has not been told", 0, 1, 0)

	// A request that has not ended keeps its worker. It is taken once the answer to another on the same connection
	// is there.
	connection, err := net.Dial("tcp", h.address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprint(connection, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := connection.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(connection, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
	h.reload("access.log", "two ")
	expect("the old worker shuts down", 1, 1, 1)
	connection.Close()
	expect("the old worker has ended", 1, 1, 0)
}
