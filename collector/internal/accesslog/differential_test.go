package accesslog

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// hostile changes a line in a way that clients, broken disks or wrong configurations might.
func hostile(r *rand.Rand, line []byte) []byte {
	line = bytes.Clone(line)
	at := r.IntN(len(line) + 1)
	pieces := []string{
		`"`, `\`, `\"`, " ", ", ", " : ", ",", "-", "\x00", "\xff\xfe", "999999999999999999999", "-1", "NaN", "1e9",
		"0.0001", ".", `" "`,
		"000", "unix:/run/a b.sock", "fremisn_backend", "[::1]:80", "é", "9223372036854775807", "REJECTED", "?",
		"1234567890.123",
	}
	piece := pieces[r.IntN(len(pieces))]
	switch r.IntN(5) {
	case 0:
		return line[:at]
	case 1:
		return append(line[:at], append([]byte(piece), line[at:]...)...)
	case 2:
		end := min(len(line), at+1+r.IntN(4))
		return append(line[:at], line[end:]...)
	case 3:
		end := min(len(line), at+len(piece))
		copy(line[at:end], piece)
		return line
	}
	for i := range line {
		if r.IntN(10) == 0 {
			line[i] = byte(r.IntN(256))
		}
	}
	return bytes.ReplaceAll(line, []byte("\n"), nil)
}

// TestDifferential reads the same lines in two ways: as the exporter does, and slowly. They agree on every series.
func TestDifferential(t *testing.T) {
	routes := []source.Route{
		{Name: "enrollment", Match: regexp.MustCompile(`^/v1/face/enrollment`)},
		{Name: "face", Match: regexp.MustCompile(`^/v1/face/`)},
		{Name: "short", Match: regexp.MustCompile(`^/.{0,3}$`)},
	}
	for i, f := range logtest.Formats() {
		for _, withRoutes := range []bool{i%2 == 1} {
			name := f.Name
			if withRoutes {
				name += "/routes"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var use []source.Route
				if withRoutes {
					use = routes
				}
				differential(t, f, uint64(i+1), slowLines, use)
			})
		}
	}
}

func differential(t *testing.T, f logtest.Format, seed uint64, lines int, routes []source.Route) {
	counter := testCounter(t, f, routes...)
	slow := newSlowReader(f, routes)
	check := lineCheck(t, f.Text, f.Escape)
	w := logtest.NewWriter(f, seed)
	w.Odd = 0.1
	r := rand.New(rand.NewPCG(seed, 2))
	var block, line []byte
	for range lines {
		line = bytes.TrimSuffix(w.Append(line[:0]), []byte{'\n'})
		if r.IntN(20) == 0 {
			line = hostile(r, line)
		}
		if fits, err := slow.line(string(line)), check(line); fits != (err == nil) {
			t.Errorf("%q: fits in the slow reading: %v; here: %v", line, fits, err)
		}
		block = append(append(block, line...), '\n')
		if len(block) > r.IntN(64<<10) {
			counter.Lines(block)
			block = block[:0]
		}
	}
	counter.Lines(block)
	slow.compare(t, counter)
}

// TestRealNginx reads what NGINX 1.22 wrote in each format for the same requests: retries, redirects to another group,
// groups without a server, timeouts, clients that go away, garbage. The slow reading agrees, every line fits.
func TestRealNginx(t *testing.T) {
	for _, f := range logtest.Formats() {
		t.Run(f.Name, func(t *testing.T) {
			log, err := os.ReadFile(filepath.Join("testdata", "nginx", f.Name+".log"))
			if err != nil {
				t.Fatal(err)
			}
			counter, slow := testCounter(t, f), newSlowReader(f, nil)
			counter.Lines(log)
			for line := range strings.Lines(string(log)) {
				slow.line(strings.TrimSuffix(line, "\n"))
			}
			slow.compare(t, counter)
			if counter.lines.Malformed > 0 || counter.lines.Parsed != 57 {
				t.Errorf("%d lines parsed, %d malformed; want all 57 parsed", counter.lines.Parsed,
					counter.lines.Malformed)
			}
		})
	}
}

// TestRealNginxByCount is what the requests behind testdata/nginx/full.log were, counted by hand.
func TestRealNginxByCount(t *testing.T) {
	log, err := os.ReadFile(filepath.Join("testdata", "nginx", "full.log"))
	if err != nil {
		t.Fatal(err)
	}
	counter := testCounter(t, logtest.Formats()[0])
	counter.Lines(log)
	has(t, counter,
		`nginx_upstream_no_live_total{log="access",upstream="disabled"} 3`,
		`nginx_access_requests_total{code="504",log="access",method="GET",outcome="timeout",route=""} 1`,
		`nginx_access_requests_total{code="499",log="access",method="GET",outcome="aborted",route=""} 1`,
		`nginx_access_requests_total{code="505",log="access",method="GET",outcome="error",route=""} 1`)
}
