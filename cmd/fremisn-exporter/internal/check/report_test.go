package check

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fremisn/fremisn-exporter/collector"
)

func TestNGINXAcceptsTheReadyFormat(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf("pid %s/pid;\nerror_log %s/error.log;\nevents {}\nhttp {\n%s\naccess_log %s/access.log "+
		"fremisn;\n}\n", dir, dir, ReadyFormat(), dir)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx"
	}
	if out, err := exec.Command(nginx, "-t", "-p", dir, "-c", conf).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	format, err := collector.NewFormatCheck(collector.FullLogFormat, "default")
	if err != nil {
		t.Fatal(err)
	}
	if missing := format.Missing(); len(missing) > 0 {
		t.Errorf("it lacks %v", missing)
	}
}

func TestExpectation(t *testing.T) {
	if got := PointAt([]byte("200 x"), &collector.LineError{Offset: 4,
		Expected: "$request_time"}); got != "200 x\n    ^ expected $request_time" {
		t.Errorf("%q", got)
	}
	masked := PointAt([]byte("GET /?token=abc x"), &collector.LineError{Offset: 16, Expected: "$status"})
	if !strings.HasPrefix(masked, "GET /?token=*** x\n                ^ ") {
		t.Errorf("%q", masked)
	}
	long := bytes.Repeat([]byte("x"), 60)
	if got := PointAt(long, &collector.LineError{Offset: 58, Expected: "$request_time"}); !strings.HasSuffix(got,
		" ^\nexpected $request_time") {
		t.Errorf("%q", got)
	}
}

func TestTextFitsItsWidth(t *testing.T) {
	r := &Report{folder: "/etc/nginx/"}
	r.add(finding{Section: sectionLogs, Status: statusOK, Subject: "access", Text: strings.Repeat("word ", 40),
		From: "/etc/nginx/nginx.conf:12"})
	r.add(finding{Section: sectionLogs, Status: statusFail, Subject: "a name that is much too long",
		Text: "t\x1b[31mext \x9b \xff", Remedy: strings.Repeat("do this ", 30)})
	r.add(fact("max_conns", r12(), nginxDocs+"ngx_http_upstream_module.html#max_conns", strings.Repeat("remedy ", 20),
		"fact"))
	for _, width := range []int{80, 120} {
		var b bytes.Buffer
		r.text(&b, width, false)
		for _, row := range strings.Split(b.String(), "\n") {
			if utf8.RuneCountInString(row) > width {
				t.Errorf("%d columns: %q", utf8.RuneCountInString(row), row)
			}
			if strings.ContainsAny(row, "\x1b\u009b") {
				t.Errorf("it steers the terminal: %q", row)
			}
		}
		for _, want := range []string{"✔ access ", "✖ a name that…", "[nginx.conf:12]",
			"1 error (a name that is much too long), 1 warning, 1 OK."} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("without %q:\n%s", want, &b)
			}
		}
	}
	var coloured bytes.Buffer
	r.text(&coloured, 80, true)
	if !strings.Contains(coloured.String(), "\x1b[31;1m✖\x1b[0m") {
		t.Error("no colour on a terminal")
	}
}

func TestManyGoodLinesAreOne(t *testing.T) {
	r := &Report{}
	for i := range 60 {
		v := statusOK
		if i == 30 {
			v = statusFail
		}
		r.add(finding{Section: sectionNodes, Status: v, Subject: fmt.Sprintf("node-%d", i), Text: "text"})
	}
	r.add(finding{Section: sectionSystem, Status: statusOK, Subject: "port", Text: "free"})
	var b bytes.Buffer
	r.text(&b, 80, false)
	want := `Nodes
  ✔ 59 of them  are OK; --output json names each
  ✖ node-30     text
This host
  ✔ port        free
1 error (node-30), 0 warnings, 60 OK.
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", &b, want)
	}
}

func TestCaret(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 300)
	for _, test := range []struct {
		text   string
		offset int
	}{{"short", 2}, {"", 0}, {string(long), 0}, {string(long), 150}, {string(long), 300}, {"a\tb\xffc", 3}, {"short",
		99}} {
		rows := strings.Split(caret([]byte(test.text), test.offset), "\n")
		if len(rows) != 2 || len([]rune(rows[1])) > 76 || strings.TrimLeft(rows[1], " ") != "^" {
			t.Errorf("%q at %d: %q", test.text, test.offset, rows)
		}
	}
	if got := caret([]byte("a\tb\xffc"), 3); got != "a.b.c\n   ^" {
		t.Errorf("%q", got)
	}
}
