package past

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// TestTextFits: no line of a report is wider than the terminal, and a narrow one shows all that a wide one does.
func TestTextFits(t *testing.T) {
	f := logtest.Formats()[0]
	r := analyzeLines(t, string(madeUp(f, 7, 20_000)), func(o *Options) {
		o.Formats = []source.Format{{Text: f.Text, Escape: f.Escape}}
	})
	words := func(columns int) map[string]bool {
		var out bytes.Buffer
		if err := r.Text(&out, columns); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); columns > 0 && n > columns {
				t.Errorf("%d columns in a terminal of %d: %s", n, columns, line)
			}
			if line != strings.TrimRight(line, " \n")+"\n" {
				t.Errorf("a line ends in spaces: %q", line)
			}
		}
		set := map[string]bool{}
		for _, word := range strings.Fields(out.String()) {
			set[word] = true
		}
		return set
	}
	all := words(0)
	for _, columns := range []int{80, 100, 160, 400} {
		some := words(columns)
		for word := range all {
			if !some[word] {
				t.Errorf("%d columns do not have %q", columns, word)
			}
		}
	}
}

// TestManyServersInText shows the first of many, and says how many more there are.
func TestManyServersInText(t *testing.T) {
	r := &Report{Servers: make([]ServerReport, 10_000), Routes: make([]RouteReport, 100)}
	var out bytes.Buffer
	if err := r.Text(&out, 100); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"… and 9,960 more servers;", "… and 60 more routes;"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("not said: %s", want)
		}
	}
	if n := strings.Count(out.String(), "\n"); n > 200 {
		t.Errorf("%d lines", n)
	}
}

func TestWrapped(t *testing.T) {
	for _, test := range []struct {
		columns int
		text    string
		want    string
	}{
		{0, "", "  \n"},
		{0, "one  two", "  one two\n"},
		{40, strings.Repeat("12345678 ", 6), "  12345678 12345678 12345678 12345678\n  12345678 12345678\n"},
		{40, "p95 rose from 0.071 s to more than 2.815 s, 5 %",
			"  p95 rose from 0.071 s to more than\n  2.815 s, 5 %\n"},
		{40, strings.Repeat("x", 60) + " y", "  " + strings.Repeat("x", 60) + "\n  y\n"},
	} {
		if got := (prose{test.columns}).wrapped(test.text, "  "); got != test.want {
			t.Errorf("%q in %d columns is %q, want %q", test.text, test.columns, got, test.want)
		}
	}
}
