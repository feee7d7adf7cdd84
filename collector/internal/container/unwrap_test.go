package container

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"strings"
	"testing"
)

const stamp = "2026-11-25T10:00:00.123456789Z"

// docker wraps a line as Docker's json-file does, in parts of so many bytes; 0 is one part.
func docker(stream, line string, part int) string {
	var b strings.Builder
	line += "\n"
	for len(line) > 0 {
		n := len(line)
		if part > 0 {
			n = min(part, n)
		}
		quoted, _ := json.Marshal(line[:n])
		fmt.Fprintf(&b, `{"log":%s,"stream":%q,"time":%q}`+"\n", quoted, stream, stamp)
		line = line[n:]
	}
	return b.String()
}

// cri wraps a line as the CRI does.
func cri(stream, line string, part int) string {
	var b strings.Builder
	for part > 0 && len(line) > part {
		fmt.Fprintf(&b, "%s %s P %s\n", stamp, stream, line[:part])
		line = line[part:]
	}
	fmt.Fprintf(&b, "%s %s F %s\n", stamp, stream, line)
	return b.String()
}

// unwrap gives an Unwrapper text in pieces of so many bytes, as a Follower does.
func unwrap(u *Unwrapper, text string, piece int) (lines string, tooLong int) {
	var out strings.Builder
	kept := ""
	for len(text) > 0 {
		n := min(piece, len(text))
		kept += text[:n]
		text = text[n:]
		whole := u.Complete([]byte(kept))
		block, long := u.Lines([]byte(kept[:whole]))
		out.Write(block)
		tooLong += long
		kept = kept[whole:]
	}
	return out.String(), tooLong
}

func TestUnwrap(t *testing.T) {
	long := strings.Repeat("a line of 40 bytes, which is in parts. ", 1000)
	for _, c := range []struct {
		name     string
		wrapping Wrapping
		stream   string
		text     string
		want     string
	}{
		{"docker", Docker, "stdout", docker("stdout", `1 "GET / HTTP/1.1" \x22 é`+"\t", 0),
			`1 "GET / HTTP/1.1" \x22 é` + "\t\n"},
		{"docker, found", Auto, "stdout", docker("stdout", "1", 0) + docker("stdout", "2", 0), "1\n2\n"},
		{"docker, other stream", Docker, "stdout", docker("stderr", "1", 0) + docker("stdout", "2", 0), "2\n"},
		{"docker, stderr", Docker, "stderr", docker("stderr", "1", 0) + docker("stdout", "2", 0), "1\n"},
		{"docker, parts", Docker, "stdout", docker("stdout", long, 16<<10) + docker("stdout", "2", 0), long + "\n2\n"},
		{"docker, parts with another stream between", Docker, "stdout",
			strings.Join(strings.SplitAfter(docker("stdout", long, 16<<10), "\n"), docker("stderr", "no", 0)), long +
				"\n"},
		{"docker, attributes", Docker, "stdout", `{"log":"1\n","stream":"stdout","attrs":{"a":"b"},"time":"` + stamp +
			`"}` + "\n", "1\n"},
		{"docker, other order", Docker, "stdout", `{"stream": "stdout", "log": "1 \ud83d\ude00\n"}` + "\n",
			"1 \U0001F600\n"},
		{"docker, a terminal's", Docker, "stdout", docker("stdout", "1\r", 0), "1\n"},
		{"docker, damaged", Docker, "stdout", "\x00\x00{\n" + docker("stdout", "2", 0), "\x00\x00{\n2\n"},
		{"docker, not ended", Docker, "stdout", docker("stdout", "1", 0) + strings.Split(docker("stdout", long, 16<<10),
			"\n")[0] + "\n", "1\n"},
		{"cri", CRI, "stdout", cri("stdout", `1 "GET /" `, 0) + cri("stderr", "no", 0), "1 \"GET /\" \n"},
		{"cri, found", Auto, "stderr", cri("stdout", "no", 0) + cri("stderr", "1", 0), "1\n"},
		{"cri, parts", CRI, "stdout", cri("stdout", long, 16<<10) + cri("stdout", "", 0), long + "\n\n"},
		{"cri, tags", CRI, "stdout", stamp + " stdout P:x a\n" + stamp + " stdout F:x b\n", "ab\n"},
		{"none", Auto, "stdout", "1\n" + stamp + " 200 GET\n", "1\n" + stamp + " 200 GET\n"},
		{"json of NGINX", Auto, "stdout", `{"log":"main","status":"200"}` + "\n",
			`{"log":"main","status":"200"}` + "\n"},
		{"time first", Auto, "stdout", "2026-11-25T10:00:00+00:00 127.0.0.1 200\n",
			"2026-11-25T10:00:00+00:00 127.0.0.1 200\n"},
	} {
		if got, _ := unwrap(New(c.wrapping, c.stream), c.text, len(c.text)); got != c.want {
			t.Errorf("%s: %.200q, want %.200q", c.name, got, c.want)
		}
	}
}

// TestSplitAtEveryByte gives a file in two pieces, cut at every byte.
func TestSplitAtEveryByte(t *testing.T) {
	for name, wrap := range map[Wrapping]func(stream, line string, part int) string{Docker: docker, CRI: cri} {
		text := wrap("stdout", "first", 0) + wrap("stderr", "no", 0) + wrap("stdout", "in parts", 3) + wrap("stdout",
			`"\"`, 0)
		for cut := 1; cut < len(text); cut++ {
			u := New(name, "stdout")
			whole := u.Complete([]byte(text[:cut]))
			block, _ := u.Lines([]byte(text[:whole]))
			got := string(block)
			whole += u.Complete([]byte(text[whole:]))
			block, _ = u.Lines(nil)
			if got += string(block); got != "first\nin parts\n\"\\\"\n" || whole != len(text) {
				t.Fatalf("%v, cut at %d: %q", name, cut, got)
			}
		}
	}
}

func TestTooLong(t *testing.T) {
	long := strings.Repeat("x", MaxLine+1)
	for name, wrap := range map[Wrapping]func(stream, line string, part int) string{Docker: docker, CRI: cri} {
		text := wrap("stdout", "1", 0) + wrap("stdout", long, 16<<10) + wrap("stdout", long[1:], 16<<10)
		got, tooLong := unwrap(New(name, "stdout"), text, len(text))
		if got != "1\n"+long[1:]+"\n" || tooLong != 1 {
			t.Errorf("%v: %d bytes, %d lines too long", name, len(got), tooLong)
		}
	}
}

// TestTooLongPlain passes lines without a wrapping, as nearly all logs have them.
func TestTooLongPlain(t *testing.T) {
	long := strings.Repeat("x", MaxLine+1)
	text := "1\n" + long + "\n" + long[1:] + "\n2\n"
	for _, wrapping := range []Wrapping{Auto, None} {
		got, tooLong := unwrap(New(wrapping, "stdout"), text, len(text))
		if got != "1\n"+long[1:]+"\n2\n" || tooLong != 1 {
			t.Errorf("%v: %d bytes, %d lines too long", wrapping, len(got), tooLong)
		}
	}
}

func TestSkip(t *testing.T) {
	for name, wrap := range map[Wrapping]func(stream, line string, part int) string{Docker: docker, CRI: cri} {
		rest := wrap("stderr", "no", 0) + wrap("stdout", "in parts", 3)
		u := New(name, "stdout")
		if n, ended := u.Skip([]byte(rest + wrap("stdout", "next", 0))); n != len(rest) || !ended {
			t.Errorf("%v: %d bytes (%v) of %d", name, n, ended, len(rest))
		}
		if n, ended := u.Skip([]byte(wrap("stderr", "no", 0))); ended || n == 0 {
			t.Errorf("%v: another stream's line ends it", name)
		}
	}
}

// FuzzUnwrap: what was wrapped comes out, whatever it is and however it is cut; whatever else comes does no harm.
func FuzzUnwrap(f *testing.F) {
	f.Add("127.0.0.1 - - \"GET / HTTP/1.1\" 200", "an error", 3, 7, int64(1))
	f.Add(`{"log":"x\n","stream":"stdout","time":""}`, "\\u00", 1, 1, int64(2))
	f.Add(stamp+" stdout P x", "", 16, 100, int64(3))
	f.Fuzz(func(t *testing.T, line, other string, part, piece int, seed int64) {
		for _, w := range []Wrapping{Auto, Docker, CRI} {
			unwrap(New(w, "stdout"), line+"\n"+other+"\n", max(1, piece%100))
		}
		line = strings.ToValidUTF8(strings.NewReplacer("\n", "", "\r", "").Replace(line), "?")
		random := rand.New(rand.NewSource(seed))
		for name, wrap := range map[Wrapping]func(stream, line string, part int) string{Docker: docker, CRI: cri} {
			n := 0
			if isASCII(line) { // Docker cuts between bytes, and replaces what is not a character then
				n = max(0, part%50)
			}
			var text, want strings.Builder
			for range 1 + random.Intn(4) {
				if random.Intn(2) == 0 {
					text.WriteString(wrap("stderr", strings.ReplaceAll(other, "\n", ""), 0))
				}
				text.WriteString(wrap("stdout", line, n))
				want.WriteString(line + "\n")
			}
			if got, _ := unwrap(New(name, "stdout"), text.String(), max(1, piece%1000)); got != want.String() {
				t.Fatalf("%v: %q, want %q, of %q", name, got, want.String(), text.String())
			}
		}
	})
}

func isASCII(s string) bool {
	return bytes.IndexFunc([]byte(s), func(r rune) bool { return r > 126 }) < 0
}
