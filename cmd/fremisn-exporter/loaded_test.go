package main

import (
	"fmt"
	"net"
	"testing"
)

// What lies on the disk and what runs are told apart: nginx.conf that NGINX has not been told of is not loaded, and a
// worker of the former one shuts down until its last request has ended.
func TestWhatNGINXHasLoaded(t *testing.T) {
	const log = "access_log DIR/access.log main;"
	h := startChangingHost(t, firstFormat, log)
	shows := func(loaded, active, shuttingDown float64) func() bool {
		return func() bool {
			families := scrapeFamilies(t, h.exporter)
			return gauge(families, "nginx_config_loaded") == loaded &&
				gauge(families, "nginx_workers", "state", "active") == active &&
				gauge(families, "nginx_workers", "state", "shutting_down") == shuttingDown
		}
	}
	until(t, "NGINX runs what is on the disk", shows(1, 1, 0))
	h.change(secondFormat, log)
	until(t, "nginx.conf has changed, and NGINX has not been told", shows(0, 1, 0))

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
	until(t, "the old worker shuts down", shows(1, 1, 1))
	connection.Close()
	until(t, "the old worker has ended", shows(1, 1, 0))
}
