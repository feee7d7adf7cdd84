package statefile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// irregular are what may be in the place of a file, by how an error calls it: to open a pipe would wait for another
// process, and /dev/zero has no end.
var irregular = map[string]func(path string) error{
	"a device":      func(path string) error { return os.Symlink("/dev/zero", path) },
	"a pipe (FIFO)": func(path string) error { return syscall.Mkfifo(path, 0o600) },
	"a folder":      func(path string) error { return os.Mkdir(path, 0o755) },
}

// TestIrregularFilesAreRefused: only regular files are read; the error names any other, with a remedy.
func TestIrregularFilesAreRefused(t *testing.T) {
	for what, put := range irregular {
		t.Run(what, func(t *testing.T) {
			wantRefused := func(path string, err error) {
				t.Helper()
				if err == nil || !strings.Contains(err.Error(), path+" is "+what) {
					t.Errorf("%s: %v", path, err)
				}
			}
			for _, name := range []string{"lock", "logs", startsName + suffix} {
				dir := t.TempDir()
				path := filepath.Join(dir, name)
				if err := put(path); err != nil {
					t.Fatal(err)
				}
				d, err := Open(dir)
				if err == nil {
					d.Close()
				}
				wantRefused(path, err)
			}
			dir := t.TempDir()
			d := open(t, dir)
			for _, name := range []string{"access" + suffix, "other" + suffix + ".new", "verdict.json", "notes.json"} {
				if err := put(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			_, err := d.Position("access")
			wantRefused(filepath.Join(dir, "access"+suffix), err)
			var corrupt *CorruptError
			if _, err = d.Load("access"); !errors.As(err, &corrupt) {
				t.Errorf("a record: %v", err)
			}
			wantRefused(filepath.Join(dir, "access"+suffix), err)
			wantRefused(filepath.Join(dir, "other"+suffix+".new"), d.Commit("other", Record{Position: []byte("{}")}))
			_, err = d.ReadBeside("verdict")
			wantRefused(filepath.Join(dir, "verdict.json"), err)
			_, err = d.Notes()
			wantRefused(filepath.Join(dir, "notes.json"), err)
		})
	}
}

// TestStateOfAnotherUser: a record that this user may not read refuses the start, and says what to do: as if it had
// never been written, its log would begin anew.
func TestStateOfAnotherUser(t *testing.T) {
	top := filepath.Dir(t.TempDir())
	dir := filepath.Join(top, "data")
	d := open(t, dir)
	commit(t, d, "access", Record{Position: []byte("{}")})
	record := filepath.Join(dir, "access"+suffix)
	if err := errors.Join(d.Close(), os.Chmod(top, 0o755), os.Chmod(dir, 0o777), os.Chmod(d.listFile(), 0o644),
		os.Chmod(filepath.Join(dir, "lock"), 0o666), os.Chmod(record, 0)); err != nil {
		t.Fatal(err)
	}
	try := func() (err error) {
		if asNobody := testenv.AsNobody(func() {
			if d, err = Open(dir); err == nil {
				d.Close()
			}
		}); asNobody != nil {
			t.Fatal(asNobody)
		}
		return err
	}
	if err := try(); err == nil || !strings.Contains(err.Error(), record+" cannot be read; give it to the user") {
		t.Errorf("%v", err)
	}
	if err := os.Chmod(record, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := try(); err != nil {
		t.Errorf("a readable one: %v", err)
	}
}
