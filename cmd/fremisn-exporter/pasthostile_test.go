package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// pastCommandLines are all commands that read complete logs.
var pastCommandLines = [][]string{{"analyze"}, {"explain"}, {"whatif", "--try", "max_conns=2"},
	{"backfill", "-o", "DIR"}}

// Whatever file is named, each command ends, and says in one or two lines which file it could not read, and why.
func TestPastHostileFiles(t *testing.T) {
	h := newPastHost(t)
	log, err := os.ReadFile(h.log)
	if err != nil {
		t.Fatal(err)
	}
	sparse := h.write(t, "sparse.log", "")
	if err := os.Truncate(sparse, 1<<30); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(h.dir, "loop.log")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(log)
	w.Close()
	text := packed.String()
	for file, want := range map[string]string{
		h.write(t, "empty.log", ""):                   "nothing could be read: no lines in FILE",
		h.write(t, "utf16.log", "\xff\xfe1\x000\x00"): "FILE: this is a binary file, not a log",
		h.write(t, "zeros.gz", zeros(t, 64<<20)):      "every line in FILE is longer than 1 MiB",
		h.write(t, "cut.gz", text[:40]):               "FILE: the compressed file ends in its middle",
		h.write(t, "bad.gz", text[:40]+text[:400]):    "FILE: ",
		h.write(t, "zip.log", "PK\x03\x04x\n"):        "FILE: no line fits any of ",
		h.write(t, "crlf.log", "200\r\n200\r\n"):      "FILE: no line fits any of ",

		sparse:                       "FILE: this is a binary file, not a log",
		loop:                         "FILE: cannot be read: too many levels of symbolic links",
		h.dir:                        "FILE: this is a folder; name the files in it",
		filepath.Join(h.dir, "none"): "FILE: no such file",
		"/dev/zero":                  "FILE: this is a binary file, not a log",
		"/dev/null":                  "nothing could be read: no lines in FILE",
		"/proc/self/mem":             "FILE: cannot be read: input/output error",
	} {
		for _, command := range pastCommandLines {
			args := append(slices.Clone(command), file)
			if i := slices.Index(args, "DIR"); i >= 0 {
				args[i] = t.TempDir()
			}
			code, stdout, stderr := h.run(t, args...)
			want := strings.ReplaceAll(want, "FILE", file)
			if code != exitFailed || !strings.Contains(stderr, want) || stdout != "" ||
				strings.Count(stderr, "\n") > 3 {
				t.Errorf("%s %s: exit code %d, %s\n%swant %s", command[0], file, code, stdout, stderr, want)
			}
		}
	}
}

// zeros are so many bytes of 0, compressed.
func zeros(t *testing.T, n int) string {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return packed.String()
}

// A hole in a log, which a power failure leaves, is one line that is too long; the lines on both sides count.
func TestPastLogWithAHole(t *testing.T) {
	h := newPastHost(t)
	file, err := os.OpenFile(h.log, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err = file.WriteAt([]byte("\n200 only 0.125\n"), 1<<30); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := h.run(t, "analyze", "--format", "full", "--format", "other", h.log)
	if code != exitOK || !strings.Contains(stdout, "2,001 lines  1 too long") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
}

// A log that may not be read is named, with what to do.
func TestPastLogThatMayNotBeRead(t *testing.T) {
	binary := buildExporter(t)
	h := newPastHost(t)
	if err := errors.Join(os.Chmod(h.log, 0o600), os.Chmod(filepath.Dir(h.dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	openFor(t, h.dir)
	openFor(t, filepath.Dir(binary))
	for _, command := range pastCommandLines {
		args := append(slices.Clone(command), "--nginx.config", h.conf, h.log)
		run := exec.CommandContext(t.Context(), binary, args...)
		run.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		run.Dir = "/"
		said, err := run.CombinedOutput()
		if run.ProcessState.ExitCode() != exitFailed || !strings.Contains(string(said),
			h.log+": permission denied; run this as a user that may read it") && command[0] != "backfill" {
			t.Errorf("%s: %v\n%s", command[0], err, said)
		}
	}
}
