package tail

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestNamesAreThoseOfNow: what is in a folder is remembered, and whatever is made, renamed or removed is in the next
// listing.
func TestNamesAreThoseOfNow(t *testing.T) {
	dir, names := t.TempDir(), &Names{}
	first, second := filepath.Join(dir, "access.log"), filepath.Join(dir, "access.log.1")
	create := func() error { return os.WriteFile(first, nil, 0o644) }
	isLog := func(name string) bool { return name != "lock" }
	for i, change := range []func() error{
		create, func() error { return os.Rename(first, second) }, create, func() error { return os.Remove(second) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		names.wantAsIs(t, dir, isLog)
		for deadline := time.Now().Add(time.Minute); names.folders[dir].names == nil; { // until its time is past
			if names.in(dir, isLog); time.Now().After(deadline) {
				t.Fatal("the folder is never remembered")
			}
		}
		names.wantAsIs(t, dir, isLog)
		if err := os.WriteFile(filepath.Join(dir, "lock"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		names.wantAsIs(t, dir, isLog)
		names.wantAsIs(t, dir, func(string) bool { return true })
		if err := os.Remove(filepath.Join(dir, "lock")); err != nil {
			t.Fatal(err)
		}
		names.wantAsIs(t, dir, func(string) bool { return true })
		delete(names.folders, dir)
		if i == 3 && len(names.in(dir, isLog)) != 1 {
			t.Error("access.log is not there alone")
		}
	}
}

func (n *Names) wantAsIs(t *testing.T, dir string, wanted func(string) bool) {
	t.Helper()
	if got, want := n.in(dir, wanted), namesIn(dir, wanted); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
