package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
	"github.com/fremisn/fremisn-exporter/collector/past"
)

// Where log_subrequest is on, lines of length 0 are subrequests, also those whose server answers 400. What NGINX
// refuses before it has a whole request line has length 0 as well: no client can hide it among them.
func TestSubrequestsUnderNGINX(t *testing.T) {
	site, node := freeAddress(t), freeAddress(t)
	nginx, p := startBeside(t, testenv.Preamble()+"http {"+testenv.TempPaths+`
  log_subrequest on;
  log_format up '$remote_addr "$request" $status $request_length [$upstream_addr] [$upstream_status]';
  access_log DIR/up.log up;
  client_header_timeout 1s;
  large_client_header_buffers 2 1k;
  upstream nodes { server `+node+`; }
  server {
    listen `+site+`;
    location / { auth_request /_auth; mirror /_mirror; proxy_pass http://nodes; }
    location = /_auth { internal; proxy_pass http://nodes/auth; }
    location = /_mirror { internal; proxy_pass http://nodes/bad; }
  }
  server { listen `+node+`; access_log off; location / { return 204; } location /bad { return 400; } }
}
`, site)
	visit(t, site)
	for _, text := range []string{"GARBAGE\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET /" + strings.Repeat("a", 2000) +
		" HTTP/1.1\r\n\r\n", "GET / HTTP/1.1"} {
		say(t, site, text)
	}
	leaveAfter(t, site, "GET / HTTP/1.1")
	want := map[string]int{"204": 1, "400": 2, "408": 1, "414": 1, "505": 1}
	log := filepath.Join(nginx.Dir, "up.log")
	until(t, "all are counted", func() bool {
		families := familiesOf(t, p)
		attempts := counts(families, "nginx_upstream_attempts_total", "up", "code")
		return cmp.Equal(want, counts(families, "nginx_access_requests_total", "up", "code")) &&
			gauge(families, "nginx_access_subrequests_total") == 2 &&
			cmp.Equal(map[string]int{"204": 2, "400": 1}, attempts)
	})
	var out, problems bytes.Buffer
	if code := run(t.Context(), []string{"analyze", "--nginx.config", nginx.Conf, "--output", "json", log}, &out,
		&problems); code != exitOK {
		t.Fatalf("%d: %s", code, &problems)
	}
	var report past.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, r := range report.Requests {
		got[r.Code] += int(r.Count)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("analyze (want -, got +)\n%s", diff)
	}
}

// say sends text, and waits until the connection is closed.
func say(t *testing.T, address, text string) {
	t.Helper()
	conn := dialFor(t, address, text)
	defer conn.Close()
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Fatal(err)
	}
}

// leaveAfter sends text and closes the connection.
func leaveAfter(t *testing.T, address, text string) { dialFor(t, address, text).Close() }

func dialFor(t *testing.T, address, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}
