package watch_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fremisn/fremisn-exporter/collector/internal/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newWatcher(t *testing.T) *watch.Watcher {
	t.Helper()
	w := watch.New()
	t.Cleanup(w.Close)
	return w
}

func write(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// wantHint waits for a hint that must come.
func wantHint(t *testing.T, when string, l *watch.Log) {
	t.Helper()
	select {
	case <-l.C:
	case <-time.After(30 * time.Second):
		t.Errorf("%s: nothing is reported", when)
	}
}

func TestHints(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	w := newWatcher(t)
	l, other := w.Log(path), w.Log(filepath.Join(dir, "other.log"))
	defer other.Close()
	defer l.Close()
	if !l.Works() || !other.Works() {
		t.Fatal("a folder of this system cannot be watched")
	}
	write(t, path, "a\n")
	wantHint(t, "a new file", l)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	wantHint(t, "a rename", l)
	for len(l.C) > 0 {
		<-l.C
	}
	write(t, path+".1", "b\n")
	wantHint(t, "a late line in a rotated part", l)
	if len(other.C) > 0 {
		t.Error("another log gets the hint, too")
	}
}

// A log behind a link notices what happens to the file.
func TestLink(t *testing.T) {
	real, links := t.TempDir(), t.TempDir()
	write(t, filepath.Join(real, "access.log"), "a\n")
	link := filepath.Join(links, "www.log")
	if err := os.Symlink(filepath.Join(real, "access.log"), link); err != nil {
		t.Fatal(err)
	}
	l := newWatcher(t).Log(link)
	defer l.Close()
	if !l.Works() {
		t.Fatal("it is not watched")
	}
	write(t, filepath.Join(real, "access.log"), "b\n")
	wantHint(t, "a line", l)
}

// A folder in which too much happens is left alone: readers of its logs are woken once, and then poll.
func TestNoisyFolder(t *testing.T) {
	dir := t.TempDir()
	w := newWatcher(t)
	l := w.Log(filepath.Join(dir, "idle.log"))
	defer l.Close()
	if !l.Works() {
		t.Fatal("it is not watched")
	}
	deadline := time.Now().Add(30 * time.Second)
	for i := 0; l.Works(); i++ {
		write(t, filepath.Join(dir, fmt.Sprintf("busy-%d.log", i%2)), "a\n")
		if time.Now().After(deadline) {
			t.Fatal("it is still watched")
		}
	}
	wantHint(t, "the end of watching", l)
}

// A folder that is missing, or goes away, is not watched.
func TestFolderThatGoesAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	w := newWatcher(t)
	missing := w.Log(filepath.Join(dir, "access.log"))
	defer missing.Close()
	if missing.Works() {
		t.Error("a folder that is missing is watched")
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	v := newWatcher(t)
	l := v.Log(filepath.Join(dir, "access.log"))
	defer l.Close()
	if !l.Works() {
		t.Fatal("it is not watched")
	}
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	wantHint(t, "the folder is gone", l)
	if l.Works() {
		t.Error("a folder that is gone is watched")
	}
}

// Nothing is watched without a Watcher, and after its end.
func TestNoWatcher(t *testing.T) {
	var none *watch.Watcher
	l := none.Log("/var/log/access.log")
	if l.Works() {
		t.Error("it works")
	}
	l.Close()
	w := watch.New()
	after := w.Log(filepath.Join(t.TempDir(), "access.log"))
	w.Close()
	if after.Works() {
		t.Error("it works after the end")
	}
	after.Close()
}
