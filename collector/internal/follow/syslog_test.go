package follow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
	"github.com/fremisn/fremisn-exporter/collector/internal/errorlog"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

func TestSyslogMessage(t *testing.T) {
	const line = `127.0.0.1 "GET / HTTP/1.1" 200`
	for _, c := range []struct{ datagram, want string }{
		{"<190>Nov 23 01:14:47 host nginx: " + line, line},
		{"<190>Nov 23 01:14:47 nginx: " + line, line},
		{"<190>Nov  3 01:14:47 host.example.org fremisn_1: " + line, line},
		{"<0>Nov 23 01:14:47 nginx: " + line, line},
		{"<190>Nov 23 01:14:47 nginx: " + line + "\n", line},
		{"<190>Nov 23 01:14:47 nginx: " + line + "\x00", line},
		{"<190>Nov 23 01:14:47 host nginx: ", ""},
		{"<190>Nov 23 01:14:47 nginx: two\nlines", "two lines"},
		{"<190>Nov 23 01:14:47 nginx: a: b: c", "a: b: c"},
		// What is not a syslog message is left as it is, and will not fit the log_format.
		{"", ""},
		{"<", "<"},
		{"<190>", "<190>"},
		{"<190>Nov 23 01:14:47 ", "<190>Nov 23 01:14:47 "},
		{"<190>Nov 23 01:14:47 host nginx " + line, "<190>Nov 23 01:14:47 host nginx " + line},
		{"<19000>Nov 23 01:14:47 nginx: x", "<19000>Nov 23 01:14:47 nginx: x"},
		{line, line},
	} {
		if got := string(syslogMessage([]byte(c.datagram))); got != c.want {
			t.Errorf("%q gives %q, want %q", c.datagram, got, c.want)
		}
	}
}

// FuzzSyslogMessage: whatever comes is one line, and no longer than it was.
func FuzzSyslogMessage(f *testing.F) {
	f.Add([]byte(`<190>Nov 23 01:14:47 host nginx: 127.0.0.1 "GET / HTTP/1.1" 200`))
	f.Add([]byte("<190>Nov 23 01:14:47 nginx: a\nb\n\x00"))
	f.Add([]byte("<9>Nov 23 01:14:47  : :"))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		before := bytes.Clone(datagram)
		got := syslogMessage(datagram)
		if bytes.IndexByte(got, '\n') >= 0 || len(got) > len(datagram) {
			t.Errorf("%q gives %q", datagram, got)
		}
		if !bytes.Equal(before, datagram) {
			t.Errorf("%q was changed to %q", before, datagram)
		}
	})
}

// listening is a pipeline that runs on a syslog address, with what it says.
func listening(t *testing.T, target string, c Counter) (*Pipeline, func()) {
	t.Helper()
	p := New(Config{Source: source.LogSource{Name: "syslog", Syslog: target}, Counter: c, Logger: log.NewNopLogger()})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	end := func() { stop(); <-done }
	t.Cleanup(end)
	if _, err := p.Scrape(context.Background()); err != nil {
		t.Fatal(err)
	}
	return p, end
}

func scraped(t *testing.T, p *Pipeline) []string {
	t.Helper()
	v, err := p.Scrape(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return exposed(v)
}

func wants(t *testing.T, lines []string, want ...string) {
	t.Helper()
	for _, line := range want {
		if !slices.Contains(lines, line) {
			t.Errorf("missing: %s", line)
		}
	}
	if t.Failed() {
		t.Logf("exposed:\n%s", strings.Join(lines, "\n"))
	}
}

// TestSyslogOfRealNginx has NGINX send its logs over UDP and to a socket, with its host's name and without.
func TestSyslogOfRealNginx(t *testing.T) {
	dir := t.TempDir()
	balancer, refuses := freeAddress(t), freeAddress(t)
	format := `$remote_addr "$request" $status $request_time "$upstream_addr" "$upstream_status" $request_id`
	pipelines := map[string]*Pipeline{}
	access := func(target string) string {
		pipelines[target], _ = listening(t, target, counterOf(t, format))
		return target
	}
	udp := access("udp://" + freeAddress(t))
	udpNoHost := access("udp://" + freeAddress(t))
	socket := access("unix:" + filepath.Join(dir, "access.sock"))
	socketNoHost := access("unix:" + filepath.Join(dir, "nohost.sock"))
	errorTarget := "udp://" + freeAddress(t)
	errorPipeline, _ := listening(t, errorTarget, errorlog.New(errorlog.Config{MaxSeries: 100}))
	server := func(target string) string { return strings.TrimPrefix(target, "udp://") }
	conf := strings.Replace(testenv.Preamble(), "events {",
		"error_log syslog:server="+server(errorTarget)+",nohostname error;\nevents {",
		1) + "http {" + testenv.TempPaths + `
    log_format told '` + format + `';
    server {
        listen ` + balancer + `;
        access_log syslog:server=` + server(udp) + ` told;
        access_log syslog:server=` + server(udpNoHost) + `,nohostname told;
        access_log syslog:server=` + server(socket) + `,tag=fremisn,facility=local3,severity=notice told;
        access_log syslog:server=` + server(socketNoHost) + `,nohostname told;
        location / { proxy_pass http://` + refuses + `; }
        location /ok { return 200; }
    }
}
`
	nginx, err := testenv.StartNginx(context.Background(), dir, conf, balancer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	for range 20 {
		for _, path := range []string{"/ok", "/%22nginx:%20x", "/?a: b"} {
			response, err := http.Get("http://" + balancer + strings.ReplaceAll(path, " ", "%20"))
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
		}
	}
	if code := nginx.Stop(); code != 0 {
		t.Fatalf("nginx ends with %d", code)
	}
	for target, p := range pipelines {
		t.Run(target[:4], func(t *testing.T) {
			wants(t, scraped(t, p),
				`nginx_access_requests_total{code="200",log="access",method="GET",outcome="ok",route=""} 20`,
				`nginx_access_requests_total{code="502",log="access",method="GET",outcome="error",route=""} 40`,
				`nginx_upstream_attempts_total{code="502",log="access",node="",outcome="error",server="`+refuses+
					`",upstream=""} 40`,
				`fremisn_exporter_log_lines_total{log="access",result="parsed"} 60`,
				`fremisn_exporter_log_lines_total{log="access",result="malformed"} 0`)
			if n := p.Last().Totals.Gaps[gapDropped]; n != 0 {
				t.Errorf("%d gaps", n)
			}
		})
	}
	wants(t, scraped(t, errorPipeline),
		`nginx_error_log_events_total{event="connect_refused",log="access",node="",server="`+refuses+
			`",upstream=""} 40`,
		`fremisn_exporter_log_lines_total{log="access",result="malformed"} 0`)
}

// TestSyslogOverflow sends more than the kernel keeps while nobody takes it: what is lost is a gap, and the count of
// the rest is exact.
func TestSyslogOverflow(t *testing.T) {
	address := freeAddress(t)
	b := counterOf(t, "$status")
	var said bytes.Buffer
	p := New(Config{Source: source.LogSource{Name: "syslog", Syslog: "udp://" + address}, Counter: b,
		Logger: log.NewLogfmtLogger(&said)})
	defer p.reader.Close()
	if p.read(); p.readErr != nil {
		t.Fatal(p.readErr)
	}
	conn, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	source := p.reader.(*syslogReader)
	sent := 0
	send := func(n int) {
		for range n {
			if _, err := conn.Write([]byte("<190>Nov 23 01:14:47 nginx: 200")); err != nil {
				t.Fatal(err)
			}
			sent++
		}
	}
	source.mu.Lock()
	send(100_000) // some 80 MB as the kernel counts them
	source.mu.Unlock()
	p.read()
	lost := sent - int(parsed(p))
	if lost < 1 || int(parsed(p)) < 1 || p.snapshot().Lines.Malformed > 0 {
		t.Fatalf("%d of %d datagrams were taken, %d malformed", parsed(p), sent, p.snapshot().Lines.Malformed)
	}
	if n := p.snapshot().Totals.Gaps[gapDropped]; n != 1 {
		t.Errorf("%d gaps", n)
	}
	if want := fmt.Sprintf("%d datagrams were dropped", lost); !strings.Contains(said.String(), want) {
		t.Errorf("%d were lost; the log says %s", lost, &said)
	}
	before := len(said.String())
	send(1)
	if p.read(); len(said.String()) != before || int(parsed(p)) != sent-lost {
		t.Errorf("a loss is reported twice, or there is another: %s", said.String()[before:])
	}
}

// TestSyslogSocketFile: a socket that is left over is replaced, one in use, or anything else than a socket, is not,
// and none stays.
func TestSyslogSocketFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.sock")
	stale, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	stale.Close() // its file stays
	b := counterOf(t, "$status")
	p, end := listening(t, "unix:"+path, b)
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "<190>Nov 23 01:14:47 host nginx: 200")
	wants(t, scraped(t, p), `fremisn_exporter_log_lines_total{log="access",result="parsed"} 1`)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("the socket is %v, %v; NGINX's workers must be let in", info, err)
	}

	refused := func(target, want string) {
		t.Helper()
		other := New(Config{Source: source.LogSource{Name: "other", Syslog: target}, Counter: counterOf(t, "$status"),
			Logger: log.NewNopLogger()})
		other.read()
		other.reader.Close()
		if other.readErr == nil || !strings.Contains(other.readErr.Error(), want) {
			t.Errorf("%s: %v, want %s", target, other.readErr, want)
		}
	}
	refused("unix:"+path, path+" is in use by another process")
	fmt.Fprint(conn, "<190>Nov 23 01:14:47 host nginx: 200")
	wants(t, scraped(t, p), `fremisn_exporter_log_lines_total{log="access",result="parsed"} 2`)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	refused("unix:"+file, file+" exists and is not a socket")
	refused("unix:"+filepath.Join(file, "x"), "listening on unix:"+filepath.Join(file, "x")+" failed")
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	refused("udp://"+taken.LocalAddr().String(), "address already in use")

	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	end()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestSyslogSocketRemoved: the socket is created again and reported; senders connected to the old one are still heard.
func TestSyslogSocketRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.sock")
	p, end := listening(t, "unix:"+path, counterOf(t, "$status"))
	defer end()
	scraped(t, p)
	send := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("unixgram", path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "<190>Nov 23 01:14:47 host nginx: 200")
		return conn
	}
	old := send()
	defer old.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	scraped(t, p)
	defer send().Close()
	fmt.Fprint(old, "<190>Nov 23 01:14:47 host nginx: 200")
	wants(t, scraped(t, p), `fremisn_exporter_log_lines_total{log="access",result="parsed"} 3`)
	if gaps := p.Last().Totals.Gaps[gapDropped]; gaps != 1 {
		t.Errorf("%d gaps are reported", gaps)
	}
}

// TestSyslogAddressComesFree: an address that is taken at the start is tried again, and taken once it can be.
func TestSyslogAddressComesFree(t *testing.T) {
	taken, err := net.ListenPacket("udp", freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	b := counterOf(t, "$status")
	p := New(Config{Source: source.LogSource{Name: "syslog", Syslog: "udp://" + taken.LocalAddr().String()}, Counter: b,
		Logger: log.NewNopLogger()})
	defer p.reader.Close()
	now := time.Unix(1700000000, 0)
	p.now = func() time.Time { return now }
	if p.read(); !errors.Is(p.readErr, syscall.EADDRINUSE) {
		t.Fatalf("got %v", p.readErr)
	}
	taken.Close()
	if p.read(); p.readErr == nil {
		t.Error("tried again at once")
	}
	now = now.Add(listenAgain + time.Second)
	if p.read(); p.readErr != nil {
		t.Errorf("not taken: %v", p.readErr)
	}
}

func parsed(p *Pipeline) uint64 { return p.snapshot().Lines.Parsed }

func freeAddress(t *testing.T) string { t.Helper(); return testenv.LoopbackAddress(t) }
