package tail

import (
	"fmt"
	"strings"
	"testing"
)

const (
	healthCheck = "10.0.0.1 - [25/Nov/2026:19:00:00 +0000] \"GET /health HTTP/1.1\" 200\n"
	hourBefore  = "10.0.0.1 - [25/Nov/2026:18:00:00 +0000] \"GET /health HTTP/1.1\" 200\n"
)

// monitored are lines without times of a monitor that requests the same pages again and again.
func monitored(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "10.0.0.1 \"GET /page/number/%d HTTP/1.1\" 200\n", i%40)
	}
	return b.String()
}

// TestLinesThatComeAgain: files of one log may hold the same lines, such as those of a health check in one second. A
// file that was rotated is found by its inode; the next one is not a copy of it. Of as many lines it is in doubt.
func TestLinesThatComeAgain(t *testing.T) {
	health := func(n int) string { return strings.Repeat(healthCheck, n) }
	for name, linesOf := range map[string]func(n int) string{"in one second": health, "without times": monitored} {
		for _, counts := range [][]int{{200, 300}, {300, 200}, {200, 200}, {200, 300, 50}, {200, 200, 200}} {
			for _, down := range []bool{false, true} {
				t.Run(fmt.Sprint(name, counts, down), func(t *testing.T) {
					comeAgain(t, linesOf, counts, down)
				})
			}
		}
	}
}

func comeAgain(t *testing.T, linesOf func(n int) string, counts []int, down bool) {
	l := newLog(t)
	l.write("access.log.1", hourBefore)
	l.write("", linesOf(counts[0]))
	l.follow(true)
	l.read()
	want := counts[0]
	rotate := func() {
		for _, n := range counts[1:] {
			l.rotateOnce()
			l.write("", linesOf(n))
			want += n
		}
	}
	if down {
		l.whileDown(rotate)
	} else {
		rotate()
	}
	l.reads()
	isDoubtful := len(counts) == 3 && counts[1] == counts[0]
	got := strings.Count(l.got.lines.String(), "\n")
	if got > want || got < want && len(l.got.gaps) == 0 || !isDoubtful && (got < want || len(l.got.gaps) > 0) {
		t.Errorf("%d lines of %d; gaps %v %v", got, want, l.got.gaps, l.got.causes)
	}
}

// TestLineBeforeMoreOfTheSame: one line with a time does not identify a file that repeats it.
func TestLineBeforeMoreOfTheSame(t *testing.T) {
	l := newLog(t)
	l.write("access.log.1", hourBefore)
	l.write("", strings.Repeat(healthCheck, 15))
	l.follow(true)
	l.read()
	l.rotateOnce()
	l.gzip("access.log.1")
	l.write("", healthCheck)
	l.reads()
	l.restart()
	l.reads()
	l.copyOver("", healthCheck)
	l.reads()
	l.want(strings.Repeat(healthCheck, 16))
	l.wantGaps()
}

func TestVariety(t *testing.T) {
	const id, other = "0123456789abcdef0123456789abcdef", "123456789abcdef0123456789abcdef0"
	day := func(seconds ...int) (text string) {
		for i, second := range seconds {
			text += fmt.Sprintf("10.0.0.1 [25/Nov/2026:19:00:%02d +0000] \"GET /%d HTTP/1.1\" 200\n", second, i%2)
		}
		return text
	}
	for name, test := range map[string]struct {
		text string
		rich bool
	}{
		"nothing":                      {"", false},
		"one line":                     {day(0), false},
		"two lines of a second":        {day(0, 0), true},
		"lines that come again":        {day(0, 0, 0, 0), false},
		"two seconds":                  {day(0, 0, 0, 1), true},
		"a second with many lines":     {strings.Repeat(day(0), 5000) + day(1), true},
		"ids":                          {"a " + id + "\nb " + other + "\n", true},
		"files with hashes in a name":  {strings.Repeat("GET /"+id+".js\nGET /"+other+".css\n", 9), false},
		"a line that is not whole":     {day(0)[:30], false},
		"pages that come again":        {monitored(200), false},
		"different lines":              {monitored(40), true},
		"different lines, and a check": {monitored(40) + strings.Repeat("GET /health 200\n", 90), true},
		"a long line":                  {strings.Repeat("x", 2*maxTimed) + "\n" + day(0, 1), false},
	} {
		if got := varietyOf(strings.NewReader(test.text)).isRich(); got != test.rich {
			t.Errorf("%s: %v, want %v", name, got, test.rich)
		}
	}
}

// TestFewShortLinesInTheirPlace: two short lines with times identify a rotated part that was compressed.
func TestFewShortLinesInTheirPlace(t *testing.T) {
	l := newLog(t)
	l.write("", "1764683873.494 200 0.855\n1764683874.494 200 0.387\n")
	l.follow(true)
	l.read()
	l.whileDown(func() {
		l.rotateOnce()
		l.gzip("access.log.1")
		l.write("", "1764683875.494 200 0.855\n")
	})
	l.reads()
	l.want("1764683873.494 200 0.855\n1764683874.494 200 0.387\n1764683875.494 200 0.855\n")
	l.wantGaps()
}
