package statefile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"testing"
)

func begin(t testing.TB, d *Dir, log, position string) {
	t.Helper()
	if err := d.Begin(log, []byte(position)); err != nil {
		t.Fatal(err)
	}
}

func wantStart(t *testing.T, d *Dir, log, want string) {
	t.Helper()
	peeked, err := d.Position(log)
	if err != nil || string(peeked) != want {
		t.Errorf("the position of %s is %q (%v), want %q", log, peeked, err, want)
	}
	if r, err := d.Load(log); err != nil || string(r.Position) != want || r.Counts != nil {
		t.Errorf("the record of %s is %q (%v), want %q alone", log, r, err, want)
	}
}

func reopen(t *testing.T, d *Dir) *Dir {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, d.Path())
}

// A log has a position alone until it has a record, and never again.
func TestBegin(t *testing.T) {
	d := open(t, t.TempDir())
	begin(t, d, "access.log", `{"at":1}`)
	begin(t, d, longNames[3], `{"at":2}`)
	begin(t, d, "access.log", `{"at":3}`)
	for range 2 {
		wantStart(t, d, "access.log", `{"at":3}`)
		wantStart(t, d, longNames[3], `{"at":2}`)
		if _, err := d.Load("starts.positions"); !errors.Is(err, ErrNone) {
			t.Errorf("a log with the file's name: %v", err)
		}
		if logs, err := d.Logs(); err != nil || !slices.Equal(logs, []string{NameOf(longNames[3]), "access.log"}) {
			t.Errorf("%q, %v", logs, err)
		}
		d = reopen(t, d)
	}
	commit(t, d, "access.log", example)
	begin(t, d, "error.log", `{"at":4}`)
	for range 2 {
		wantRecord(t, d, "access.log", example)
		wantStart(t, d, "error.log", `{"at":4}`)
		d = reopen(t, d)
	}
	if err := os.Remove(d.file("access.log")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := d.Load("access.log"); !errors.Is(err, ErrLost) {
			t.Errorf("a removed record: %v", err)
		}
		if logs, err := d.Logs(); err != nil || slices.Contains(logs, "access.log") {
			t.Errorf("%q, %v", logs, err)
		}
		d = reopen(t, d)
	}
}

// A kill behind a log's first record, before it is listed, leaves its start behind: the record holds.
func TestRecordBeforeTheStart(t *testing.T) {
	d := open(t, t.TempDir())
	begin(t, d, "access", `{"at":1}`)
	if err := d.replace(d.file("access"), encode(example)); err != nil {
		t.Fatal(err)
	}
	d = reopen(t, d)
	wantRecord(t, d, "access", example)
	if position, err := d.Position("access"); err != nil || !bytes.Equal(position, example.Position) {
		t.Errorf("%s, %v", position, err)
	}
	if logs, err := d.Logs(); err != nil || !slices.Equal(logs, []string{"access"}) {
		t.Errorf("%q, %v", logs, err)
	}
}

// Logs that may have been in a file that was removed or damaged are told, at each start until one of them has a record;
// those that have one go on.
func TestStartsThatAreLost(t *testing.T) {
	isLost := func(err error) bool { return errors.Is(err, ErrLost) }
	isCorrupt := func(err error) bool {
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			return false
		}
		_, err = os.Stat(corrupt.Aside)
		return err == nil
	}
	for _, c := range []struct {
		name  string
		harm  func(file string) error
		first func(error) bool
	}{
		{"removed", os.Remove, isLost},
		{"damaged", func(file string) error { return os.WriteFile(file, []byte("torn"), 0o640) }, isCorrupt},
		{"no positions", func(file string) error {
			return os.WriteFile(file, encode(Record{Position: []byte("[]")}), 0o640)
		}, isCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t, t.TempDir())
			begin(t, d, "access", `{"at":1}`)
			begin(t, d, "error", `{"at":2}`)
			commit(t, d, "old", example)
			if err := c.harm(d.startsFile()); err != nil {
				t.Fatal(err)
			}
			for _, isTold := range []func(error) bool{c.first, isLost} {
				d = reopen(t, d)
				wantRecord(t, d, "old", example)
				for _, log := range []string{"access", "error"} {
					if _, err := d.Load(log); !isTold(err) {
						t.Errorf("%s: %v", log, err)
					}
				}
			}
			commit(t, d, "access", example)
			begin(t, d, "new", `{"at":3}`)
			d = reopen(t, d)
			wantRecord(t, d, "access", example)
			wantStart(t, d, "new", `{"at":3}`)
			if _, err := d.Load("another"); !errors.Is(err, ErrNone) {
				t.Errorf("another: %v", err)
			}
		})
	}
}

// The file is written once for all logs that wait for it.
func TestStartsAreWrittenForAllWhoWait(t *testing.T) {
	d := open(t, t.TempDir())
	logs := []string{"one", "two", "three"}
	d.beginning.Lock()
	done := make(chan error)
	for _, log := range logs {
		go func() { done <- d.Begin(log, []byte(`{}`)) }()
	}
	for waiting := 0; waiting < len(logs); runtime.Gosched() {
		d.mu.Lock()
		waiting = len(d.starting)
		d.mu.Unlock()
	}
	if err := d.writeStarts(); err != nil {
		t.Fatal(err)
	}
	first, err := os.Stat(d.startsFile())
	d.beginning.Unlock()
	for range logs {
		err = errors.Join(err, <-done)
	}
	if err != nil {
		t.Fatal(err)
	}
	if last, err := os.Stat(d.startsFile()); err != nil || !os.SameFile(first, last) {
		t.Errorf("it was written again: %v", err)
	}
}

// A file that cannot be written fails the start, and the next attempt writes it.
func TestStartThatCannotBeWritten(t *testing.T) {
	d := open(t, t.TempDir())
	if err := os.Mkdir(d.startsFile(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := d.Begin("access", []byte(`{}`)); err == nil {
		t.Error("no error")
	}
	if _, err := d.Load("access"); !errors.Is(err, ErrNone) {
		t.Errorf("what is not on disk: %v", err)
	}
	if err := os.Remove(d.startsFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	begin(t, d, "access", `{}`)
	wantStart(t, reopen(t, d), "access", `{}`)
}
