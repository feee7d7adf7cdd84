package accesslog

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// TestHostile mixes well-formed lines with whatever clients, nodes and disks may send. The well-formed ones stay exact,
// the rest is bounded: series, memory, UTF-8.
func TestHostile(t *testing.T) {
	f := logtest.Formats()[0]
	routes := []source.Route{{Name: "any", Match: regexp.MustCompile("/v1/.*face")}}
	b := testCounter(t, f, routes...)
	slow := newSlowReader(f, routes)
	w, random := logtest.NewWriter(f, 11), rand.New(rand.NewPCG(5, 6))
	lists := regexp.MustCompile(`ua="[^"]*" us="[^"]*" uct="[^"]*" uht="[^"]*" urt="[^"]*"`)
	good := func(line []byte) {
		slow.line(strings.TrimSuffix(string(line), "\n"))
		b.Lines(line)
	}
	bad := func(line []byte) {
		line = bytes.ReplaceAll(line, []byte("\n"), []byte{0})
		slow.line(string(line))
		b.Lines(append(line, '\n'))
	}
	var line []byte
	w.Odd = 0.3
	for i := range 10_000 { // what comes first stays
		if line = w.Append(line[:0]); i%5 == 0 {
			line = bytes.Replace(line, []byte(`"`), []byte(`"M`), 1)
		}
		good(line)
	}
	w.Odd = 0.02
	for i := range 20_000 {
		line = w.Append(line[:0])
		good(line)
		text := string(line)
		switch i % 10 {
		case 0: // another server, which is many series
			good([]byte(lists.ReplaceAllLiteralString(text,
				fmt.Sprintf(`ua="10.1.%d.%d:80" us="200" uct="0.001" uht="0.001" urt="0.001"`, i/2560, i/10%256))))
		case 1: // another path and method
			good([]byte(strings.Replace(text, ` /`, fmt.Sprintf(` /%d/%x`, i, random.Uint64()), 1)))
			good([]byte(strings.Replace(text, `"`, fmt.Sprintf(`"M%d`, i), 1)))
		case 2: // random bytes
			noise := make([]byte, random.IntN(300))
			for j := range noise {
				noise[j] = byte(random.Uint32())
			}
			bad(noise)
		}
		if i%5000 == 0 {
			elements := random.IntN(2000)
			good([]byte(lists.ReplaceAllLiteralString(text, fmt.Sprintf(`ua="%s" us="%s" uct="%s" uht="%s" urt="%s"`,
				"127.0.0.18:4008"+strings.Repeat(", 127.0.0.17:4009", elements), "502"+strings.Repeat(", 200",
					elements),
				"-"+strings.Repeat(", -", elements), "-"+strings.Repeat(", 0.001",
					elements), "0.001"+strings.Repeat(" : 60.001", elements)))))
			bad(bytes.Repeat([]byte{0}, 1<<20-1))
			bad(bytes.Repeat([]byte(`"`), 1<<19))
			bad(bytes.Repeat([]byte(`127.0.0.1:80, `), 1<<16))
		}
	}
	lines, series := exposed(t, b), 0
	for _, line := range lines {
		if !utf8.ValidString(line) {
			t.Errorf("%q is not UTF-8", line)
		}
		series++
	}
	if series > 10_000+10 {
		t.Errorf("%d series", series)
	}
	if state := b.AppendState(nil); len(state) > 2<<20 {
		t.Errorf("a state of %d bytes", len(state))
	}
	// What was not pushed under "other" is exact.
	for key, want := range slow.counts {
		name := seriesName(key, "")
		if strings.HasPrefix(name, "nginx_upstream_attempts_total") && !strings.Contains(name, `server="10.1.`) ||
			strings.HasPrefix(name, "nginx_access_requests_total") ||
			strings.HasPrefix(name, "fremisn_exporter_log_lines_total") {
			if line := fmt.Sprintf("%s %v", name, want); !slices.Contains(lines, line) {
				t.Errorf("missing: %s", line)
			}
		}
	}
	if b.ledger.Dropped() == 0 {
		t.Error("nothing was dropped")
	}
}

// TestMemoryIsBounded counts what a counter keeps of 20 thousand servers, paths and methods; the exporter as a whole
// may have 60 MiB.
func TestMemoryIsBounded(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b := testCounter(t, logtest.Format{Text: `"$request" $status $request_time $upstream_addr $upstream_status ` +
		`$upstream_response_time $request_id`},
		source.Route{Name: "any", Match: regexp.MustCompile("/v1/.*face")})
	var line []byte
	for i := range 20_000 {
		line = fmt.Appendf(line[:0], "\"M%d /%d%s HTTP/1.1\" %03d 1.%03d 10.0.%d.%d:80, host%d:80, group%d 502, "+
			"%03d, 502 0.000, 7.000, - %032d\n",
			i, i, strings.Repeat("x", i%200), i%1000, i%1000, i/256, i%256, i, i, i%1000, i)
		b.Lines(line)
	}
	if b.lines.Malformed > 0 {
		t.Fatalf("%d malformed", b.lines.Malformed)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 20<<20 {
		t.Errorf("the counter keeps %d KiB", kept>>10)
	}
	runtime.KeepAlive(b)
}
