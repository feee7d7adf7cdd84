package logformat

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// worstLines make lines of about n bytes that a client may make who wants to be as much work as possible: what could
// end a value, or begin one, again and again, in each value that a client can write, with and without a proper end.
func worstLines(r *logtest.Reference) []func(n int) string {
	pieces := []string{" ", `\`, ", ", " : ", "a : ", "a, ", "0.001, ", "0.001 : ", "200 : ", "x HTTP/1.1 ",
		"GET / HTTP/1.1 200 ", "- ", "[", "1"}
	for _, p := range r.Parts {
		pieces = append(pieces, p.Literal, "a"+p.Literal, p.Literal+"0.001", p.Literal+"200", p.Literal+"a, b",
			p.Literal+"a : b")
	}
	var lines []func(int) string
	for _, piece := range pieces {
		if piece == "" || strings.Contains(piece, "\n") {
			continue
		}
		flood := func(n int) string { return strings.Repeat(piece, n/len(piece)) }
		lines = append(lines, func(n int) string { return r.Before + flood(n) }, func(n int) string {
			var b strings.Builder
			b.WriteString(r.Before)
			for i, p := range r.Parts {
				if i == 0 || p.Name == "remote_user" || strings.HasPrefix(p.Name, "http_") {
					b.WriteString(flood(n))
				}
				b.WriteString(p.Literal)
			}
			return b.String()
		})
	}
	return lines
}

// TestWorstLines counts the bytes that a second reading looks at: a line of eight times the length costs no more than
// about eight times as much, whatever is in it, and a bound holds for all.
func TestWorstLines(t *testing.T) {
	const small, large = 1 << 10, 8 << 10
	for _, f := range fieldFormats() {
		t.Run(f.escape+" "+f.format, func(t *testing.T) {
			t.Parallel()
			r := logtest.NewReference(f.format, f.escape)
			program, err := Compile(f.format, f.escape, Options{})
			if err != nil {
				t.Fatal(err)
			}
			p := NewParser(program)
			work := func(line string) int { return workOf(p, line) }
			for _, worst := range worstLines(r) {
				line, longer := worst(small), worst(large)
				few, many := work(line), work(longer)
				if many > 9*few+100*large/8 {
					t.Errorf("%.80q…: %d bytes are %d steps, %d bytes %d", line, len(line), few, len(longer), many)
				}
				if most := 200 * (len(longer) + 100); many > most {
					t.Errorf("%.80q…: %d bytes are %d steps, more than %d", line, len(longer), many, most)
				}
			}
		})
	}
}

// TestWorstLinesOfOneMiB reads the worst line of each of the worst formats, found at 2 KiB, at the length of 1 MiB, the
// longest that is read: the steps stay proportional, and nothing is allocated.
func TestWorstLinesOfOneMiB(t *testing.T) {
	const small, large, worst = 2 << 10, 1 << 20, 4
	type candidate struct {
		format struct{ format, escape string }
		line   func(n int) string
		work   int
	}
	var all []candidate
	for _, f := range fieldFormats() {
		p, most := compiled(t, f), candidate{format: f}
		for _, line := range worstLines(logtest.NewReference(f.format, f.escape)) {
			if n := workOf(p, line(small)); n > most.work {
				most.line, most.work = line, n
			}
		}
		all = append(all, most)
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Compare(b.work, a.work) })
	for _, c := range all[:worst] {
		p, r := compiled(t, c.format), NewRecord()
		line := c.line(large)
		line = line[:min(len(line), large)]
		b := bytes.Clone(p.Padded([]byte(line)))
		read := func() { p.Parse(b, 0, len(line), r) }
		p.second.work = 0
		read()
		steps := p.second.work
		t.Logf("%d bytes, %.1f steps a byte: %s", len(line), float64(steps)/float64(len(line)), c.format.format)
		if most := 9 * c.work * (large / small) / 8; steps > most || steps < large {
			t.Errorf("%s\n%.80q…: %d steps, want at most %d", c.format.format, line, steps, most)
		}
		if n := testing.AllocsPerRun(3, read); n > 0 { // in each: one of the runtime's own is no fault
			t.Errorf("%s\n%.80q…: %v allocations", c.format.format, line, n)
		}
	}
}

func compiled(t *testing.T, f struct{ format, escape string }) *Parser {
	t.Helper()
	program, err := Compile(f.format, f.escape, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return NewParser(program)
}

func workOf(p *Parser, line string) int {
	p.second.work = 0
	p.ParseLine([]byte(line), NewRecord())
	return p.second.work
}

// TestSecondReadingAllocatesNothing: once it has read a line of that length.
func TestSecondReadingAllocatesNothing(t *testing.T) {
	for _, c := range []struct{ format, line string }{
		{`$remote_addr - $remote_user [$time_local] "$request" $status`,
			`127.0.0.1 - x [1 [ [25/Nov/2026:19:44:19 +0000] "GET /hidden HTTP/1.1" 502`},
		{`$remote_user $upstream_addr $upstream_status "$http_x" $status`, `a b a:1, b:2 502 "502 : 200" 200`},
		{`$remote_user $upstream_addr $upstream_response_time $status`, `a : a : a : 0.001 a:1 : b:2 0.001, 0.002 200`},
	} {
		program, err := Compile(c.format, "default", Options{})
		if err != nil {
			t.Fatal(err)
		}
		p, r := NewParser(program), NewRecord()
		b := bytes.Clone(p.Padded([]byte(c.line)))
		read := func() { p.Parse(b, 0, len(c.line), r) }
		read()
		if n := testing.AllocsPerRun(100, read); n > 0 {
			t.Errorf("%q: %v allocations", c.line, n)
		}
	}
}
