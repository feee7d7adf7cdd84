package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/past"
)

const zonesFormat = `[$time_local] "$request" $status $request_time "$upstream_addr" "$upstream_status" ` +
	`"$upstream_response_time"`

// writeZoned writes five hours of a log across a change of a zone's clocks, a line every 30 s, and its error log. In
// the minute from broken on one node refuses every connection.
func writeZoned(t *testing.T, dir string, zone *time.Location, from, broken time.Time) {
	t.Helper()
	var log, errors strings.Builder
	failed := 0
	line := func(at time.Time, addresses, statuses, times string) {
		fmt.Fprintf(&log, "[%s] \"GET /v1/face/match HTTP/1.1\" 200 0.050 \"%s\" \"%s\" \"%s\"\n",
			at.In(zone).Format("02/Jan/2006:15:04:05 -0700"), addresses, statuses, times)
	}
	for n := range 600 {
		at := from.Add(time.Duration(n) * 30 * time.Second)
		line(at, fmt.Sprintf("127.0.0.%d:4005", 1+n%2), "200", "0.050")
		for ; at.Equal(broken) && failed < 60; failed++ {
			at := broken.Add(time.Duration(failed) * time.Second / 4)
			line(at, "127.0.0.2:4005, 127.0.0.1:4005", "502, 200", "0.000, 0.050")
			fmt.Fprintf(&errors, "%s [error] 7#7: *%d connect() failed (111: Connection refused) while connecting to "+
				"upstream, client: 10.0.0.1, server: , request: \"GET /v1/face/match HTTP/1.1\", upstream: "+
				"\"http://127.0.0.2:4005/v1/face/match\", host: \"h\"\n",
				at.In(zone).Format("2006/01/02 15:04:05"), n)
		}
	}
	writeFile(t, filepath.Join(dir, "access.log"), log.String())
	writeFile(t, filepath.Join(dir, "error.log"), errors.String())
	writeFile(t, filepath.Join(dir, "nginx.conf"), `events {}
http {
  log_format zoned '`+zonesFormat+`';
  upstream nodes { server 127.0.0.1:4005; server 127.0.0.2:4005; }
  server { listen 127.0.0.1:80; access_log `+dir+`/access.log zoned; location / { proxy_pass http://nodes; } }
}
`)
}

// Where clocks go back or forward, no hour of the past is lost and none is another: local times of the log, of the
// error log, which has no zone, and of --since and --until.
func TestPastWhereClocksChange(t *testing.T) {
	binary := buildExporter(t)
	for _, c := range []struct {
		zone, from, broken string
		since, until       string // local times
		lines              uint64 // of these
	}{
		{"Europe/Berlin", "2026-10-24T23:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25 02:30", "2026-10-25 02:30", 120},
		{"Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T01:30:00Z", "2026-03-29 02:30", "2026-03-29 03:30", 60},
		{"America/New_York", "2026-11-01T04:00:00Z", "2026-11-01T05:30:00Z", "2026-11-01 01:00", "2026-11-01 02:00",
			300},
		{"America/New_York", "2026-03-08T05:00:00Z", "2026-03-08T07:30:00Z", "2026-03-08 02:00", "2026-03-08 03:30",
			60},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		from, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		broken, err := time.Parse(time.RFC3339, c.broken)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(c.zone+c.from, func(t *testing.T) {
			dir := t.TempDir()
			writeZoned(t, dir, zone, from, broken)
			command := func(into any, args ...string) {
				t.Helper()
				args = append(args, "--nginx.config", dir+"/nginx.conf", "--output", "json")
				run := exec.CommandContext(t.Context(), binary, args...)
				run.Env = append(os.Environ(), "TZ="+c.zone)
				out, err := run.Output()
				if err == nil {
					err = json.Unmarshal(out, into)
				}
				if err != nil {
					t.Fatal(args, err)
				}
			}
			var all, some past.Report
			command(&all, "analyze")
			var hours []uint64
			for _, h := range all.Hours {
				hours = append(hours, h.Requests)
			}
			want := []uint64{120, 120, 120, 120, 120}
			want[int(broken.Sub(from)/time.Hour)] += 60
			if diff := cmp.Diff(want, hours); diff != "" || !all.From.Equal(from) {
				t.Errorf("from %s (want -, got +)\n%s", all.From, diff)
			}
			command(&some, "analyze", "--since", c.since, "--until", c.until)
			if some.Lines.Parsed != c.lines {
				t.Errorf("%d lines since %s until %s, want %d", some.Lines.Parsed, c.since, c.until, c.lines)
			}
			var e past.Explanation
			command(&e, "explain", "--error-log", dir+"/error.log")
			if len(e.Incidents) != 1 || e.Incidents[0].From.Sub(broken).Abs() > time.Second ||
				!strings.Contains(e.Incidents[0].Sentence, "60 × connect_refused") {
				t.Errorf("%+v", e.Incidents)
			}
		})
	}
}
