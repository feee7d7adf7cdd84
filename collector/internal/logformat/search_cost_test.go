package logformat

import (
	"bytes"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// worstLines are lines of about n bytes that a client may make who wants to be as much work as possible: what could end
// a value, or begin one, again and again, in each value that he can write, with and without a proper end.
func worstLines(r *logtest.Reference, n int) []string {
	pieces := []string{" ", `\`, ", ", " : ", "a : ", "a, ", "0.001, ", "0.001 : ", "200 : ", "x HTTP/1.1 ",
		"GET / HTTP/1.1 200 ", "- ", "[", "1"}
	for _, p := range r.Parts {
		pieces = append(pieces, p.Literal, "a"+p.Literal, p.Literal+"0.001", p.Literal+"200", p.Literal+"a, b",
			p.Literal+"a : b")
	}
	var lines []string
	for _, piece := range pieces {
		if piece == "" || strings.Contains(piece, "\n") {
			continue
		}
		flood := strings.Repeat(piece, n/len(piece))
		lines = append(lines, r.Before+flood)
		var b strings.Builder
		b.WriteString(r.Before)
		for i, p := range r.Parts {
			if i == 0 || p.Name == "remote_user" || strings.HasPrefix(p.Name, "http_") {
				b.WriteString(flood)
			}
			b.WriteString(p.Literal)
		}
		lines = append(lines, b.String())
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
			work := func(line string) int {
				p.second.work = 0
				p.ParseLine([]byte(line), NewRecord())
				return p.second.work
			}
			longer := worstLines(r, large)
			for i, line := range worstLines(r, small) {
				few, many := work(line), work(longer[i])
				if many > 9*few+100*large/8 {
					t.Errorf("%.80q…: %d bytes are %d steps, %d bytes %d", line, len(line), few, len(longer[i]), many)
				}
				if most := 200 * (len(longer[i]) + 100); many > most {
					t.Errorf("%.80q…: %d bytes are %d steps, more than %d", line, len(longer[i]), many, most)
				}
			}
		})
	}
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
