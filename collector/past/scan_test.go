package past

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// collected takes lines, of any worker.
type collected struct {
	mu      sync.Mutex
	lines   []string
	tooLong int
}

func (c *collected) Lines(block []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(block) == 0 || block[len(block)-1] != '\n' {
		panic("no whole lines")
	}
	for line := range bytes.Lines(block) {
		c.lines = append(c.lines, strings.TrimSuffix(string(line), "\n"))
	}
}

func (c *collected) TooLong() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tooLong++
}

func (c *collected) sorted() []string { return slices.Sorted(slices.Values(c.lines)) }

func scanFiles(t *testing.T, part int64, stdin io.Reader, paths ...string) (*collected, []error) {
	t.Helper()
	c := &collected{}
	s := &scan{workers: 4, part: part, stdin: stdin, progress: &progress{}, visitor: func(int,
		int) visitor {
		return c
	}}
	for _, path := range paths {
		s.files = append(s.files, File{Path: path})
	}
	problems, err := s.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c, problems
}

// TestPartsHaveEachLineOnce cuts files at every place: each line is in one part.
func TestPartsHaveEachLineOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	for round := range 20 {
		var want []string
		var text bytes.Buffer
		for i := range 1 + random.IntN(30) {
			line := fmt.Sprintf("%d %s", i, strings.Repeat("x", random.IntN(40)))
			want = append(want, line)
			text.WriteString(line + "\n")
		}
		if round%3 == 0 {
			text.Truncate(text.Len() - 1) // the last line has no line break
		}
		path := filepath.Join(dir, "log")
		if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		slices.Sort(want)
		for part := int64(1); part <= int64(text.Len())+1; part += 1 + int64(random.IntN(1+text.Len()/8)) {
			c, problems := scanFiles(t, part, nil, path)
			if got := c.sorted(); !slices.Equal(got, want) || len(problems) > 0 {
				t.Fatalf("parts of %d bytes of\n%q\nhave %q %v", part, text.String(), got, problems)
			}
		}
	}
}

// TestTooLongLines are reported and left out, wherever a part ends.
func TestTooLongLines(t *testing.T) {
	text := "one\n" + strings.Repeat("x", maxLine+maxLine/2) + "\ntwo\n" + strings.Repeat("y", maxLine+5) + "\nthree\n"
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, part := range []int64{1000, maxLine / 3, maxLine, 2 * maxLine, 10 * maxLine} {
		c, _ := scanFiles(t, part, nil, path)
		if got := c.sorted(); !slices.Equal(got, []string{"one", "three", "two"}) || c.tooLong != 2 {
			t.Errorf("parts of %d bytes have %.100q and %d too long", part, got, c.tooLong)
		}
	}
}

// TestStreams reads what can only be read from its beginning: standard input, in any pieces, and compressed files.
func TestStreams(t *testing.T) {
	text := "one\ntwo\nthree\n"
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	io.WriteString(w, text)
	w.Close()
	dir := t.TempDir()
	whole, half := filepath.Join(dir, "whole.gz"), filepath.Join(dir, "half.gz")
	for path, content := range map[string][]byte{whole: packed.Bytes(), half: packed.Bytes()[:packed.Len()-9]} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"one", "three", "two"}
	for name, stdin := range map[string]io.Reader{
		"plain": strings.NewReader(text), "bytewise": iotest.OneByteReader(strings.NewReader(text)),
		"compressed": bytes.NewReader(packed.Bytes()),
	} {
		if c, problems := scanFiles(t, 0, stdin, Stdin); !slices.Equal(c.sorted(), want) || len(problems) > 0 {
			t.Errorf("%s standard input: %q %v", name, c.lines, problems)
		}
	}
	if c, problems := scanFiles(t, 0, nil, whole); !slices.Equal(c.sorted(), want) || len(problems) > 0 {
		t.Errorf("compressed: %q %v", c.lines, problems)
	}
	c, problems := scanFiles(t, 0, nil, half)
	if len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), half+": the compressed file ends in its middle") {
		t.Errorf("truncated: %q %v", c.lines, problems)
	}
}

// TestContainers takes the lines of stdout out of what container runtimes write, parts joined, wherever a part ends.
func TestContainers(t *testing.T) {
	dir := t.TempDir()
	docker := `{"log":"one\n","stream":"stdout","time":"2026-11-25T10:00:00.1Z"}
{"log":"an error\n","stream":"stderr","time":"2026-11-25T10:00:00.1Z"}
{"log":"tw","stream":"stdout","time":"2026-11-25T10:00:00.1Z"}
{"log":"o\n","stream":"stdout","time":"2026-11-25T10:00:00.1Z"}
`
	cri := `2026-11-25T10:00:00.123456789Z stdout F one
2026-11-25T10:00:00.123456789Z stderr F an error
2026-11-25T10:00:00.123456789Z stdout P tw
2026-11-25T10:00:00.123456789Z stdout F o
`
	for name, text := range map[string]string{"docker": docker, "cri": cri} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, part := range []int64{1, 50, 1000} {
			if c, problems := scanFiles(t, part, nil, path); len(problems) > 0 ||
				!slices.Equal(c.sorted(), []string{"one", "two"}) {
				t.Errorf("%s: %q %v", name, c.lines, problems)
			}
		}
	}
}

// TestBadFiles gives each a sentence.
func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"):             "no such file",
		dir:                                    "this is a folder; name the files in it",
		write("binary", "\x7fELF\x02\x01\x00"): "this is a binary file, not a log",
		write("a.bz2", "BZh91AY"):              "decompress it: bzip2 -dc",
		"/dev/zero":                            "/dev/zero: this is a binary file, not a log",
		write("a.gz", "\x1f\x8b\x08"):          "the compressed file ends in its middle",
	} {
		c, problems := scanFiles(t, 0, nil, path)
		if len(problems) != 1 || !strings.Contains(problems[0].Error(), want) || !strings.HasPrefix(problems[0].Error(),
			path) {
			t.Errorf("%s: %v, want %q", path, problems, want)
		}
		if len(c.lines) > 0 {
			t.Errorf("%s: has lines %q", path, c.lines)
		}
	}
}

// TestCancel ends a scan of a pipe that gives nothing.
func TestCancel(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	s := &scan{workers: 2, stdin: r, progress: &progress{}, files: []File{{Path: Stdin}}, visitor: func(int,
		int) visitor {
		return &collected{}
	}}
	cancel()
	if _, err := s.run(ctx); err != context.Canceled {
		t.Errorf("run returned %v", err)
	}
}

// TestUnlinedFile: of a file that is one long line only the part in which it begins is read to the end of the line, so
// that many parts do not read it over and over.
func TestUnlinedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 8*maxLine), 0o644); err != nil {
		t.Fatal(err)
	}
	c := &collected{}
	s := &scan{workers: 4, part: 10_000, files: []File{{Path: path}}, progress: &progress{},
		visitor: func(int, int) visitor { return c }}
	if problems, err := s.run(t.Context()); err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	if read := s.progress.done.Load(); read > 40*maxLine || c.tooLong != 1 || len(c.lines) > 0 {
		t.Errorf("%d bytes read of %d, %d lines too long, lines %d", read, 8*maxLine, c.tooLong, len(c.lines))
	}
}

// TestGrowingFile: what is appended while a file is read is not of this reading, in no part of it.
func TestGrowingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(strings.Repeat("line\n", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	c := &collected{}
	s := &scan{workers: 1, part: 100, files: []File{{Path: path}}, progress: &progress{},
		visitor: func(int, int) visitor {
			file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
				return c
			}
			defer file.Close()
			io.WriteString(file, "more\n")
			return c
		}}
	if problems, err := s.run(t.Context()); err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	if len(c.lines) != 1000 || slices.Contains(c.lines, "more") {
		t.Errorf("%d lines of 1000", len(c.lines))
	}
}
