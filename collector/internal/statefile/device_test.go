package statefile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDevicesAreNotRead: /dev/zero has no end, and would take all memory.
func TestDevicesAreNotRead(t *testing.T) {
	zero := func(t *testing.T, path string) {
		if err := os.Symlink("/dev/zero", path); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"logs", startsName + suffix} {
		dir := t.TempDir()
		zero(t, filepath.Join(dir, name))
		d, err := Open(dir)
		if err == nil {
			d.Close()
		}
		if err == nil || !strings.Contains(err.Error(), name+" is a device") {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	zero(t, filepath.Join(dir, "access"+suffix))
	zero(t, filepath.Join(dir, "verdict.json"))
	zero(t, filepath.Join(dir, "notes.json"))
	var corrupt *CorruptError
	if _, err := d.Load("access"); !errors.As(err, &corrupt) || !strings.Contains(err.Error(), "is a device") {
		t.Errorf("a record: %v", err)
	}
	if _, err := d.ReadBeside("verdict"); err == nil {
		t.Error("incidents are read from a device")
	}
	if _, err := d.Notes(); err == nil {
		t.Error("notes are read from a device")
	}
}
