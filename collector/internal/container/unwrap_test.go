package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func dockerLine(log, stream string) string {
	text, err := json.Marshal(map[string]string{"log": log, "stream": stream, "time": "2026-11-25T10:00:00.123456789Z"})
	if err != nil {
		panic(err)
	}
	return string(text) + "\n"
}

func criLine(text, stream, tag string) string {
	return "2026-11-25T10:00:00.123456789+01:00 " + stream + " " + tag + " " + text + "\n"
}

// TestUnwrap has what runtimes write, cut into blocks at every line, with what is taken out of it.
func TestUnwrap(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, c := range []struct {
		name     string
		wrapping Wrapping
		stream   string
		raw      []string
		want     string
		tooLong  int
	}{
		{"docker", Auto, Stdout, []string{dockerLine("a \"b\" <c> \\x22 é\n", Stdout), dockerLine("error\n", Stderr),
			dockerLine("two\n", Stdout)}, "a \"b\" <c> \\x22 é\ntwo\n", 0},
		{"docker, the other stream", Auto, Stderr, []string{dockerLine("a\n", Stdout), dockerLine("error\n", Stderr)},
			"error\n", 0},
		{"docker, parts", Docker, Stdout, []string{dockerLine("one ", Stdout), dockerLine("e", Stderr),
			dockerLine("two ", Stdout), dockerLine("three\n", Stdout), dockerLine("rror\n",
				Stderr)}, "one two three\n", 0},
		{"docker, attrs", Auto, Stdout, []string{`{"log":"a\n","stream":"stdout","attrs":{"tag":"x"},"time":"2026-11-25T10:00:00Z"}` + "\n"}, "a\n", 0},
		{"docker, an empty line", Docker, Stdout, []string{dockerLine("\n", Stdout), dockerLine("a\n", Stdout)},
			"\na\n", 0},
		{"docker, torn", Docker, Stdout, []string{`{"log":"a` + "\n", dockerLine("b\n", Stdout)}, "{\"log\":\"a\nb\n", 0},
		{"docker, too long", Docker, Stdout, []string{dockerLine(long, Stdout), dockerLine(long, Stdout), dockerLine("end\n", Stdout), dockerLine("b\n", Stdout)}, "b\n", 1},
		{"cri", Auto, Stdout, []string{criLine("a b", Stdout, "F"), criLine("e", Stderr, "F"), criLine("c", Stdout,
			"F")}, "a b\nc\n", 0},
		{"cri, parts", CRI, Stdout, []string{criLine("one ", Stdout, "P"), criLine("e", Stderr, "P"), criLine("two",
			Stdout, "F")}, "one two\n", 0},
		{"cri, an empty line", Auto, Stdout, []string{criLine("", Stdout, "F"), "2026-11-25T10:00:00Z stdout F\n"},
			"\n\n", 0},
		{"neither", Auto, Stdout, []string{"127.0.0.1 - - GET\n", dockerLine("a\n", Stdout)}, "127.0.0.1 - - GET\n" +
			dockerLine("a\n", Stdout), 0},
		{"JSON of NGINX's own", Auto, Stdout, []string{`{"log":"x","status":200}` + "\n"}, `{"log":"x","status":200}` + "\n", 0},
		{"none", None, Stdout, []string{dockerLine("a\n", Stdout)}, dockerLine("a\n", Stdout), 0},
	} {
		for cut := range len(c.raw) + 1 {
			t.Run(fmt.Sprint(c.name, " cut at ", cut), func(t *testing.T) {
				u := New(c.wrapping, c.stream, 150)
				var got []byte
				tooLong := 0
				for _, block := range []string{strings.Join(c.raw[:cut], ""), strings.Join(c.raw[cut:], "")} {
					if block == "" {
						continue
					}
					lines, n := u.Lines([]byte(block))
					got = append(got, lines...)
					tooLong += n
					if cut > 0 { // a restart in between
						unfinished, wrapping := u.Unfinished(), u.wrapping
						u = New(wrapping, c.stream, 150)
						u.Resume(unfinished)
					}
				}
				if string(got) != c.want || tooLong != c.tooLong {
					t.Errorf("got %q and %d too long, want %q and %d", got, tooLong, c.want, c.tooLong)
				}
			})
		}
	}
}

// TestLogOf finds a container's log as Docker keeps it, and says what to do where it cannot.
func TestLogOf(t *testing.T) {
	root := t.TempDir()
	add := func(id, name, logPath, state string) {
		t.Helper()
		folder := filepath.Join(root, "containers", id)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf(`{"ID":%q,"Name":%q,"LogPath":%q,"Created":"2026-11-2%sT10:00:00Z","State":{"Running":%v}}`, id, name, logPath, state[:1], state[1:] == "running")
		if err := os.WriteFile(filepath.Join(folder, "config.v2.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := func(container, path string, err string) {
		t.Helper()
		got, gotErr := LogOf(root, container)
		if path != "" && got != filepath.Join(root, "containers", path) || err == "" != (gotErr == nil) || gotErr != nil && !strings.Contains(gotErr.Error(), err) {
			t.Errorf("%s: %s, %v; want %s, %s", container, got, gotErr, path, err)
		}
	}
	want("lb", "", "name its folder as docker_root")
	add("aaaaaaaaaaaaaaaa", "/lb", "/var/lib/docker/containers/aaaaaaaaaaaaaaaa/aaaaaaaaaaaaaaaa-json.log", "1exited")
	want("lb", "aaaaaaaaaaaaaaaa/aaaaaaaaaaaaaaaa-json.log", "")
	want("/lb", "aaaaaaaaaaaaaaaa/aaaaaaaaaaaaaaaa-json.log", "")
	want("aaaaaaaaaaaa", "aaaaaaaaaaaaaaaa/aaaaaaaaaaaaaaaa-json.log", "")
	want("l", "", "there is no such container")
	if _, err := LogOf(root, "l"); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	add("bbbbbbbbbbbbbbbb", "/lb", "/x/bbbbbbbbbbbbbbbb-json.log", "2exited")
	want("lb", "bbbbbbbbbbbbbbbb/bbbbbbbbbbbbbbbb-json.log", "")
	add("aaaaaaaaaaaaaaaa", "/lb", "/x/aaaaaaaaaaaaaaaa-json.log", "1running")
	want("lb", "aaaaaaaaaaaaaaaa/aaaaaaaaaaaaaaaa-json.log", "")
	add("cccccccccccccccc", "/journal", "", "1running")
	want("journal", "", "--log-driver json-file")
}

// FuzzUnwrap reads any bytes: nothing is longer than it was, and what comes out is whole lines.
func FuzzUnwrap(f *testing.F) {
	f.Add([]byte(dockerLine("one ", Stdout)+dockerLine("two\n", Stdout)), uint8(Docker))
	f.Add([]byte(criLine("one ", Stdout, "P")+criLine("two", Stdout, "F")), uint8(CRI))
	f.Add([]byte(criLine("x", Stderr, "F")), uint8(Auto))
	f.Fuzz(func(t *testing.T, block []byte, wrapping uint8) {
		if len(block) == 0 || block[len(block)-1] != '\n' {
			block = append(block, '\n')
		}
		u := New(Wrapping(wrapping%4), Stdout, 100)
		lines, _ := u.Lines(block)
		if len(lines) > 0 && lines[len(lines)-1] != '\n' || len(u.Unfinished().Text) > 100 {
			t.Errorf("%q gives %q, and %q goes on", block, lines, u.Unfinished().Text)
		}
	})
}
