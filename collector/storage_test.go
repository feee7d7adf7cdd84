package collector

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A storage path that hangs before anything is served is named in the log, and the start goes on once it answers. A
// pipe without a writer hangs as a disk does.
func TestStoragePathThatHangs(t *testing.T) {
	for name, file := range map[string]string{"the list of logs": "logs", "the notes": "notes.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			pipe := filepath.Join(dir, file)
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			named, made := make(chan string, 1), make(chan error, 1)
			logger := log.LoggerFunc(func(keyvals ...any) error {
				for _, v := range keyvals {
					if text, is := v.(string); is && strings.HasPrefix(text, "still opening the storage path") {
						named <- keyvals[len(keyvals)-1].(string)
					}
				}
				return nil
			})
			go func() {
				c, err := New(Options{Settings: &source.Settings{Conf: &nginxconf.Config{}}, StoragePath: dir,
					Logger: logger})
				if err == nil {
					err = c.closeState()
				}
				made <- err
			}()
			select {
			case path := <-named:
				if path != dir {
					t.Errorf("named %s, not %s", path, dir)
				}
			case err := <-made:
				t.Fatalf("it did not hang: %v", err)
			case <-time.After(time.Minute):
				t.Error("nothing is named")
			}
			writer, err := os.OpenFile(pipe, os.O_WRONLY, 0)
			if err == nil {
				err = writer.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := <-made; err != nil {
				t.Errorf("it did not go on: %v", err)
			}
		})
	}
}

// TestHasBegun: a start is over when each log shows its counts, or why it cannot.
func TestHasBegun(t *testing.T) {
	folder := t.TempDir()
	c := newCollector(t, Options{Settings: settingsOf(logFile(t, "good.log", 1), folder), StoragePath: t.TempDir()})
	if c.HasBegun() {
		t.Error("nothing is followed yet")
	}
	end := running(t, c)
	for !c.HasBegun() {
		scraped(t, c)
	}
	if n := scraped(t, c)["fremisn_exporter_log_lines_total good parsed"]; n != 1 {
		t.Errorf("%v lines", n)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}
