package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// A changingHost is NGINX whose nginx.conf changes, and an exporter that has only its path.
type changingHost struct {
	t        *testing.T
	dir      string
	address  string
	nginx    *testenv.Nginx
	exporter *testenv.Exporter
	port     string
}

// server is a server block of the host; logs are its directives.
func (h *changingHost) conf(formats, logs string) string {
	return testenv.Preamble() + "http {" + testenv.TempPaths + formats +
		"\nserver { listen " + h.address + "; " + logs + " location /b { " +
		"return 204; } location / { return 200; } }\n}\n"
}

func startChangingHost(t *testing.T, formats, logs string) *changingHost {
	t.Helper()
	h := &changingHost{t: t, dir: t.TempDir(), address: freeAddress(t), port: freeAddress(t)}
	var err error
	if h.nginx, err = testenv.StartNginx(context.Background(), h.dir, h.conf(formats, logs), h.address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.nginx.Stop() })
	h.start()
	t.Cleanup(func() { h.exporter.Stop() })
	return h
}

// start runs the exporter in a process of its own, with the state of the one before.
func (h *changingHost) start() {
	h.t.Helper()
	var err error
	config := "nginx: {config: " + h.nginx.Conf + "}\nprobes: []\n"
	h.exporter, err = testenv.StartExporter(context.Background(), buildExporter(h.t), h.dir, config, h.port)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.exporter.Metrics(); err != nil { // from here on the logs are followed
		h.t.Fatal(err)
	}
}

// change writes another nginx.conf, without reloading NGINX.
func (h *changingHost) change(formats, logs string) {
	h.t.Helper()
	if err := h.nginx.Write(h.conf(formats, logs)); err != nil {
		h.t.Fatal(err)
	}
}

// reload has NGINX take nginx.conf, and waits until a request is answered by a worker that has it: the log of that name
// has the text, which no request before has written.
func (h *changingHost) reload(log, text string) (requests int) {
	h.t.Helper()
	if err := h.nginx.Reload(); err != nil {
		h.t.Fatal(err)
	}
	until(h.t, "NGINX works with the new nginx.conf", func() bool {
		h.get("/")
		requests++
		written, err := os.ReadFile(filepath.Join(h.dir, log))
		return err == nil && strings.Contains(string(written), text)
	})
	return requests
}

func (h *changingHost) get(path string) {
	h.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + h.address + path)
	if err != nil {
		h.t.Fatal(err)
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
}

// visit requests a path so many times, and returns how many.
func (h *changingHost) visit(path string, times int) (requests int) {
	h.t.Helper()
	for range times {
		h.get(path)
	}
	return times
}

// expect holds what a scrape shows of a log against the requests that were made.
func (h *changingHost) expect(when, log string, requests int) {
	h.t.Helper()
	// A worker writes its line after the answer: the line of the last request may still come.
	got := 0
	until(h.t, when+": every request is logged", func() bool {
		got = sum(counts(scrapeFamilies(h.t, h.exporter), "nginx_access_requests_total", log))
		return got >= requests
	})
	families := scrapeFamilies(h.t, h.exporter)
	malformed := gauge(families, "fremisn_exporter_log_lines_total", "log", log, "result", "malformed")
	if got != requests || malformed != 0 {
		h.t.Errorf("%s: %d requests of log %s and %g malformed lines, want %d and none", when, got, log, malformed,
			requests)
	}
}

// analyzed is how many requests analyze counts in the logs of nginx.conf.
func (h *changingHost) analyzed() (total int) {
	h.t.Helper()
	var stdout, stderr bytes.Buffer
	args := []string{"--nginx.config", h.nginx.Conf, "analyze", "--output", "json"}
	if code := run(context.Background(), args, &stdout, &stderr); code != exitOK {
		h.t.Fatalf("exit code %d: %s", code, &stderr)
	}
	var past struct{ Requests []struct{ Count int } }
	if err := json.Unmarshal(stdout.Bytes(), &past); err != nil {
		h.t.Fatal(err)
	}
	for _, r := range past.Requests {
		total += r.Count
	}
	return total
}

const (
	firstFormat  = `log_format main 'one $status "$request" $request_time';`
	secondFormat = `log_format main 'two $request_time $status $request_method $request_id';`
)

// A log_format is changed on disk; NGINX still writes the old one until it is reloaded, and the exporter may or may
// not have noticed by then. Every request is counted.
func TestFormatChangesUnderNGINX(t *testing.T) {
	const log = "access_log DIR/access.log main;"
	h := startChangingHost(t, firstFormat, log)
	n := h.visit("/", 5)
	h.expect("at first", "access", n)
	h.change(secondFormat, log)
	n += h.visit("/", 5)
	h.expect("changed on disk alone", "access", n)
	n += h.reload("access.log", "two ")
	n += h.visit("/", 5)
	h.expect("right after the reload, before the exporter looks", "access", n)

	// Changed back while the exporter is down, and it starts before NGINX is reloaded.
	h.exporter.Kill()
	h.change(firstFormat, log)
	n += h.visit("/", 3)
	h.start()
	n += h.visit("/", 3)
	h.expect("the exporter is new, and NGINX has not been told", "access", n)
	written, err := os.ReadFile(filepath.Join(h.dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "before"), written, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := h.nginx.Reload(); err != nil {
		t.Fatal(err)
	}
	until(t, "NGINX writes the first format again", func() bool {
		n += h.visit("/", 1)
		now, err := os.ReadFile(filepath.Join(h.dir, "access.log"))
		return err == nil && strings.Contains(string(now[len(written):]), "\none ")
	})
	n += h.visit("/", 3)
	h.expect("told at last", "access", n)
}

// A log that nginx.conf gains is read from its beginning: when the exporter is killed before it has noticed, and when
// it notices by itself. One that it loses is read to its end.
func TestLogsComeAndGoUnderNGINX(t *testing.T) {
	const first, second, third = "access_log DIR/access.log main;", "access_log DIR/access.log main; location /b { " +
		"access_log DIR/b.log main; return 204; }",
		"access_log DIR/c.log main;"
	h := startChangingHost(t, firstFormat, first)
	a := h.visit("/", 4)
	h.expect("at first", "access", a)

	conf := func(logs string) string {
		return strings.Replace(h.conf(firstFormat, logs), " location /b { return 204; }", "", 1)
	}
	if err := h.nginx.Write(conf(second)); err != nil {
		t.Fatal(err)
	}
	b := 0
	if err := h.nginx.Reload(); err != nil {
		t.Fatal(err)
	}
	until(t, "NGINX has the second log", func() bool {
		_,
			err := os.Stat(filepath.Join(h.dir, "b.log"))
		return err == nil
	})
	before := 0
	until(t, "NGINX writes the second log", func() bool {
		h.get("/b")
		before++
		text, err := os.ReadFile(filepath.Join(h.dir, "b.log"))
		b = strings.Count(string(text), "\n")
		return err == nil && b > 0
	})
	before += h.visit("/b", 5)
	h.exporter.Kill()                                 // it has not looked yet
	until(t, "every request is logged", func() bool { // old workers have written theirs to the first log
		text, _ := os.ReadFile(filepath.Join(h.dir, "b.log"))
		all, _ := os.ReadFile(filepath.Join(h.dir, "access.log"))
		b, a = strings.Count(string(text), "\n"), strings.Count(string(all), "\n")
		return a+b == before+4
	})
	h.start()
	h.expect("killed before it noticed", "b", b)
	h.expect("and the first log", "access", a)

	// The log moves. Whoever asks for a reload does not wait for the next look.
	if err := h.nginx.Write(conf(third)); err != nil {
		t.Fatal(err)
	}
	if err := h.nginx.Reload(); err != nil {
		t.Fatal(err)
	}
	made := 0
	lines := func(name string) int {
		text, _ := os.ReadFile(filepath.Join(h.dir, name))
		return strings.Count(string(text), "\n")
	}
	until(t, "NGINX writes the third log", func() bool { h.get("/"); made++; return lines("c.log") > 0 })
	made += h.visit("/", 5)
	if err := h.exporter.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "every request is logged", func() bool { return lines("access.log")+lines("c.log") == a+made })
	until(t, "the exporter follows the third log", func() bool {
		return sum(counts(scrapeFamilies(t, h.exporter), "nginx_access_requests_total", "c")) > 0
	})
	h.expect("gained while it ran", "c", lines("c.log"))
	h.expect("lost, with what old workers wrote to it", "access", lines("access.log"))
	h.expect("lost", "b", b)
}

// Of two access_log directives of one path NGINX writes two lines for each request: it is counted once, by serve and by
// analyze, also while the formats change on disk and under NGINX.
func TestTwoFormatsOfOneFileUnderNGINX(t *testing.T) {
	const logs = "access_log DIR/access.log main; access_log DIR/access.log more;"
	const more = `log_format more 'more $status "$request" $request_time $request_id';`
	h := startChangingHost(t, firstFormat+more, logs)
	n := h.visit("/", 7)
	h.expect("at first", "access", n)
	families := scrapeFamilies(t, h.exporter)
	if got := gauge(families, "fremisn_exporter_log_lines_total", "log", "access", "result", "ignored"); got != 7 {
		t.Errorf("%g lines are ignored, want the other 7", got)
	}
	h.change(secondFormat+more, logs)
	n += h.visit("/", 3)
	h.expect("changed on disk alone", "access", n)
	n += h.reload("access.log", "two ")
	n += h.visit("/", 3)
	h.expect("reloaded", "access", n)

	if total := h.analyzed(); total == 0 || total > n {
		t.Errorf("analyze counts %d requests, want at most %d: those in a format that is nginx.conf's by now", total, n)
	}
}

// NGINX takes the paths of logs literally: a[1].log is not a glob, and a1.log beside it is another log. It is rotated,
// followed over a restart, checked, and read as a whole.
func TestWildcardsInNamesOfLogs(t *testing.T) {
	const logs = `access_log "DIR/a[1].log" main; error_log "DIR/e*.log" notice;`
	h := startChangingHost(t, firstFormat, logs)
	stranger := strings.Repeat("one 200 \"GET / HTTP/1.1\" 0.001\n", 9)
	if err := os.WriteFile(filepath.Join(h.dir, "a1.log"), []byte(stranger), 0o644); err != nil {
		t.Fatal(err)
	}
	n := h.visit("/", 3)
	h.expect("at first", "a[1]", n)
	if gauge(scrapeFamilies(t, h.exporter), "fremisn_exporter_log_read_bytes_total", "log", "e*") < 0 {
		t.Error("the error log is not followed")
	}
	log := filepath.Join(h.dir, "a[1].log")
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	n += h.visit("/", 2)
	if err := h.nginx.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	until(t, "NGINX has opened its log again", func() bool { _, err := os.Stat(log); return err == nil })
	n += h.visit("/", 2)
	h.expect("rotated", "a[1]", n)
	h.exporter.Kill()
	n += h.visit("/", 4)
	h.start()
	n += h.visit("/", 1)
	h.expect("started again", "a[1]", n)

	var stdout, stderr bytes.Buffer
	run(context.Background(), []string{"--nginx.config", h.nginx.Conf, "check"}, &stdout, &stderr)
	if !strings.Contains(stdout.String(), log) || strings.Contains(stdout.String(), "not there") {
		t.Errorf("check says:\n%s%s", &stdout, &stderr)
	}
	if past := h.analyzed(); past != n {
		t.Errorf("analyze counts %d requests, want %d", past, n)
	}
}
