package tail

import (
	"os"
	"path/filepath"
	"testing"
)

// TestTargetInALinkedFolder: a link that leads upwards starts at the folder that it is in, not at the one by which it
// was reached. The file that it leads to may be missing.
func TestTargetInALinkedFolder(t *testing.T) {
	dir := realPath(t.TempDir())
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755),
		os.Symlink(filepath.Join("a", "b"), filepath.Join(dir, "linked")),
		os.Symlink(filepath.Join("..", "x", "access.log"), filepath.Join(dir, "a", "b", "log")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := filepath.Join(dir, "a", "x", "access.log")
	if got := Target(filepath.Join(dir, "linked", "log"), inRealFolder); got != want {
		t.Errorf("it leads to %s, want %s", got, want)
	}
}
