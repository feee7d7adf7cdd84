package statefile

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/record-v1.state anew")

var example = Record{Position: []byte(`{"cursors":[]}`), Counts: []byte{0, 1, 2, 255, 10, 13}}

func open(t testing.TB, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func commit(t testing.TB, d *Dir, log string, r Record) {
	t.Helper()
	if err := d.Commit(log, r); err != nil {
		t.Fatal(err)
	}
}

func wantRecord(t *testing.T, d *Dir, log string, want Record) {
	t.Helper()
	got, err := d.Load(log)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Position, want.Position) || !bytes.Equal(got.Counts, want.Counts) {
		t.Errorf("%q and %q, want %q and %q", got.Position, got.Counts, want.Position, want.Counts)
	}
}

func TestCommitAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "here")
	d := open(t, path)
	names := []string{"access", "", ".", "..", "../access", "a/b", "a.state", "error log", "zugriffe-ä", "a%2Fb",
		"x\ny"}
	for i, name := range names {
		if _, err := d.Load(name); !errors.Is(err, ErrNone) {
			t.Errorf("%q before its first commit: %v", name, err)
		}
		commit(t, d, name, Record{})
		commit(t, d, name, Record{Position: []byte(name), Counts: []byte(strconv.Itoa(i))})
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, path)
	for i, name := range names {
		wantRecord(t, d, name, Record{Position: []byte(name), Counts: []byte(strconv.Itoa(i))})
	}
	outside, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(outside) != 1 {
		t.Errorf("a name has led out of the folder: %v %v", outside, err)
	}
}

// TestRecordOfVersion1 reads what the first version wrote: every later one must.
func TestRecordOfVersion1(t *testing.T) {
	golden := filepath.Join("testdata", "record-v1.state")
	if *update {
		if err := os.WriteFile(golden, encode(example), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, t.TempDir())
	if err := os.WriteFile(d.file("access"), raw, 0o640); err != nil {
		t.Fatal(err)
	}
	wantRecord(t, d, "access", example)
}

func TestUnusableIsMovedAside(t *testing.T) {
	good := encode(example)
	future := bytes.Clone(good)
	future[len(magic)] = 99
	for _, c := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"empty", nil, "truncated"},
		{"cut short", good[:len(good)-1], "checksum mismatch"},
		{"of another program", []byte("SQLite format 3\x00 and so on"), "not a record of this program"},
		{"longer than its length field", append(bytes.Clone(good), 0), "checksum mismatch"},
		{"a bit flipped", flip(good, len(good)/2), "checksum mismatch"},
		{"of a later version", checked(future), "it has version 99, and this program knows version 1; a newer " +
			"program has written it"},
		{"with wrong lengths", checked(flip(good, len(magic)+4)), "invalid lengths"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t, t.TempDir())
			if err := os.WriteFile(d.file("access"), c.raw, 0o640); err != nil {
				t.Fatal(err)
			}
			_, err := d.Load("access")
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %s", err, c.want)
			}
			kept, err := os.ReadFile(corrupt.Aside)
			if err != nil || !bytes.Equal(kept, c.raw) {
				t.Errorf("what was moved aside is %q (%v)", kept, err)
			}
			commit(t, d, "access", example)
			wantRecord(t, d, "access", example)
			if again, err := os.ReadFile(corrupt.Aside); err != nil || !bytes.Equal(again, c.raw) {
				t.Errorf("what was moved aside has changed: %q (%v)", again, err)
			}
		})
	}
}

func flip(raw []byte, at int) []byte {
	raw = bytes.Clone(raw)
	raw[at] ^= 4
	return raw
}

// checked gives raw the checksum that fits it.
func checked(raw []byte) []byte { return appendChecksum(raw[:len(raw)-checksumLen]) }

// TestRemovedRecordIsLost: a record that somebody removed is not the same as one that never was.
func TestRemovedRecordIsLost(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	commit(t, d, "access", example)
	if err := os.Remove(d.file("access")); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, path)
	if _, err := d.Load("access"); !errors.Is(err, ErrLost) {
		t.Errorf("a removed record: %v", err)
	}
	if _, err := d.Load("error"); !errors.Is(err, ErrNone) {
		t.Errorf("a record that never was: %v", err)
	}
}

func TestFolderInUse(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	_, err := Open(path)
	want := "storage path " + path + " is in use by another exporter (process " + strconv.Itoa(os.Getpid()) + ")"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestFolderThatCannotBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "--storage.path") {
		t.Errorf("%v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(example))
	f.Add(encode(Record{}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := decode(raw)
		if err == nil && !bytes.Equal(encode(r), raw) {
			t.Fatalf("%q was read, and would be written as %q", raw, encode(r))
		}
	})
}

// BenchmarkCommit writes 100 KB, what 1,000 series are at most, with all syncs.
func BenchmarkCommit(b *testing.B) {
	d := open(b, b.TempDir())
	r := Record{Position: make([]byte, 1000), Counts: make([]byte, 99_000)}
	before := processorTime(b)
	for b.Loop() {
		commit(b, d, "access", r)
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// processorTime is what this process has used of the processors: most of a commit is waiting for the disk.
func processorTime(b *testing.B) int64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
