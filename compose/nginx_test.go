package compose

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The topology is a promise: this was taken from the operators' list, not from nginx.conf.
func TestNginxConfIsTheTopologyToTheLetter(t *testing.T) {
	conf := regexp.MustCompile(`(?m)#.*$`).ReplaceAllString(read(t, "nginx/nginx.conf"), "")
	conf = regexp.MustCompile(`\s+`).ReplaceAllString(conf, " ")
	for _, want := range []string{
		"upstream fremisn_backend { server 192.168.100.231:4005 max_conns=1; server 192.168.100.18:4008 max_conns=1; " +
			"server 192.168.100.17:4009 max_conns=1; keepalive 32; }",
		"limit_req_zone $binary_remote_addr zone=api:10m rate=10r/s;",
		"limit_req zone=api burst=20 nodelay;",
		"proxy_connect_timeout 5s;", "proxy_send_timeout 60s;", "proxy_read_timeout 60s;",
		"proxy_buffering on;", "proxy_buffers 8 4k;",
		"error_log /var/log/nginx/error.log warn;",
		"error_page 502 /502.html; error_page 500 501 502 503 504 /50x.html;",
		"listen 8080;", "location /nginx_status { stub_status;",
	} {
		if !strings.Contains(conf, want) {
			t.Errorf("nginx.conf does not say %q", want)
		}
	}
	for _, variable := range []string{"request_id", "request_time", "request_length", "bytes_sent", "limit_req_status",
		"limit_conn_status",
		"upstream_addr", "upstream_status", "upstream_connect_time", "upstream_header_time", "upstream_response_time",
		"upstream_response_length", "upstream_bytes_sent", "upstream_bytes_received", "upstream_cache_status"} {
		if !regexp.MustCompile(`\$` + variable + `\b`).MatchString(conf[strings.Index(conf,
			"log_format"):strings.Index(conf, "access_log")]) {
			t.Errorf("the log_format has no $%s", variable)
		}
	}
}

// The logs are rotated by size while NGINX still writes; not a line is lost, and so many files are kept.
func TestLogsAreRotated(t *testing.T) {
	t.Parallel()
	s := startStack(t, map[string]string{"LOG_MAX_BYTES": "4000", "LOG_CHECK_SECONDS": "0.1", "LOG_KEEP": "100"})
	log := filepath.Join(s.dir, "access.log")
	sent := 0
	rotated := func() int {
		files, err := filepath.Glob(log + ".*")
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	for rotated() < 4 {
		if status, _, err := get(fmt.Sprintf("%s/health?n=%d", s.lb, sent)); err != nil || status != http.StatusOK {
			t.Fatal(status, err)
		}
		sent++
		if sent > 20000 {
			t.Fatalf("no rotation after %d requests", sent)
		}
	}
	count := func() int {
		lines := 0
		files, err := filepath.Glob(log + "*")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			lines += strings.Count(content(t, file), "GET /health?n=")
		}
		return lines
	}
	last := -1
	eventually(t, func() bool { last = count(); return last == sent }, func() string {
		return fmt.Sprintf("%d lines in all files, %d requests sent", last, sent)
	})
	// Compressed from the second on, and the newest is not: workers may still write to it.
	eventually(t, func() bool {
		for _, want := range []string{".1", ".2.gz", ".3.gz", ".4.gz"} {
			if _, err := os.Stat(log + want); err != nil {
				return false
			}
		}
		return true
	}, func() string {
		return fmt.Sprintf("%d rotated files, and not .1, .2.gz, .3.gz and .4.gz among them", rotated())
	})
}

// content reads a file, compressed or not; one that was just renamed away is empty.
func content(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var reader io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if reader, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRotationKeepsTheConfiguredNumber(t *testing.T) {
	t.Parallel()
	s := startStack(t, map[string]string{"LOG_MAX_BYTES": "500", "LOG_CHECK_SECONDS": "0.1", "LOG_KEEP": "3"})
	log := filepath.Join(s.dir, "access.log")
	turns, last := 0, ""
	for turns < 6 {
		if _, _, err := get(s.lb + "/health"); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(log + ".1"); err == nil {
			if id := fmt.Sprint(info.ModTime(), info.Size()); id != last {
				turns, last = turns+1, id
			}
		}
	}
	files, err := filepath.Glob(log + ".*[0-9z]")
	if err != nil || len(files) > 3 {
		t.Errorf("%d rotated files (%v, %v), want at most 3", len(files), files, err)
	}
}

// A full disk, or whatever else keeps a log from being compressed, stops the rotation and takes no log away.
func TestRotationThatFailsLosesNothing(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "gzip"), []byte("#!/bin/sh\nprintf half\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := startStack(t, map[string]string{"LOG_MAX_BYTES": "500", "LOG_CHECK_SECONDS": "0.1", "LOG_KEEP": "3",
		"PATH": bin + ":" + os.Getenv("PATH")})
	log := filepath.Join(s.dir, "access.log")
	size := func(path string) int64 {
		info, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	for size(log+".1") == 0 {
		if _, _, err := get(s.lb + "/health"); err != nil {
			t.Fatal(err)
		}
	}
	first := read(t, log+".1")
	write(t, log+".2.gz", "older")
	write(t, log+".3.gz", "oldest")
	// The second turn would compress the first one's file, and says that it cannot.
	eventually(t, func() bool {
		if _, _, err := get(s.lb + "/health"); err != nil {
			t.Fatal(err)
		}
		return size(log) > 5000 && strings.Contains(read(t, s.output), "cannot rotate "+log)
	}, func() string { return "no turn has failed" })
	if !strings.HasPrefix(read(t, log+".1"), first) {
		t.Error("the file that could not be compressed was written over")
	}
	if read(t, log+".2.gz") != "older" || read(t, log+".3.gz") != "oldest" {
		t.Error("older files were moved or removed")
	}
	// Each turn tries again, and while it does there is half a file: what no turn may do is leave it.
	eventually(t, func() bool {
		_, err := os.Stat(log + ".2.gz.part")
		return os.IsNotExist(err)
	}, func() string { return "half a file is left" })
}
