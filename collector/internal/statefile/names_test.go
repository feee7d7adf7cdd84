package statefile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Names that are too long for a file, and such as share a beginning with them. The first has the longest file of its
// own.
var longNames = []string{
	strings.Repeat("é", 40) + "abcde",
	strings.Repeat("é", 40) + "abcdef",
	strings.Repeat("é", 80),
	strings.Repeat("é", 80) + "1",
	"a" + strings.Repeat("é", 80),
	"ab" + strings.Repeat("é", 80),
	strings.Repeat("x", 5000),
	strings.Repeat("x", 5001),
	strings.Repeat("\xff", 300),
}

func TestLongNames(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	if short := filepath.Base(d.file(longNames[0])); len(short) != 245+len(".state") {
		t.Fatalf("%d bytes: %s", len(short), short)
	}
	for _, name := range longNames {
		if !d.Claim(name, "a") || d.Claim(NameOf(name), "b") {
			t.Errorf("the claim of %q is not unique", name)
		}
		if _, err := d.Load(name); !errors.Is(err, ErrNone) {
			t.Errorf("%q before its first commit: %v", name, err)
		}
		commit(t, d, name, Record{Position: []byte(name)})
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, path)
	listed, err := d.Logs()
	if err != nil || len(listed) != len(longNames) {
		t.Fatalf("%q, %v", listed, err)
	}
	for _, name := range longNames {
		wantRecord(t, d, name, Record{Position: []byte(name)})
		wantRecord(t, d, NameOf(name), Record{Position: []byte(name)})
		if !slices.Contains(listed, NameOf(name)) {
			t.Errorf("%q is not listed", name)
		}
	}
	if err := os.Remove(d.file(longNames[2])); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Load(longNames[2]); !errors.Is(err, ErrLost) {
		t.Errorf("a removed record: %v", err)
	}
}

// The file of an unusable record has a longer name than the record's.
func TestUnusableOfALongNameIsMovedAside(t *testing.T) {
	for _, name := range longNames {
		d := open(t, t.TempDir())
		if err := os.WriteFile(d.file(name), []byte("torn"), 0o640); err != nil {
			t.Fatal(err)
		}
		_, err := d.Load(name)
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			t.Fatalf("%q: %v", name, err)
		}
		if kept, err := os.ReadFile(corrupt.Aside); err != nil || !bytes.Equal(kept, []byte("torn")) {
			t.Errorf("%q: what was moved aside is %q (%v)", name, kept, err)
		}
	}
}

// An earlier version wrote this record under the whole escaped name, the longest that it could.
func TestRecordOfTheLongestNameOfEarlierVersions(t *testing.T) {
	d := open(t, t.TempDir())
	old := filepath.Join(d.Path(), strings.Repeat("%C3%A9", 40)+"abcde.state")
	if err := os.WriteFile(old, encode(example), 0o640); err != nil {
		t.Fatal(err)
	}
	wantRecord(t, d, longNames[0], example)
}
