package nginxconf

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A loadTest is a configuration that changes, with workers that are made up.
type loadTest struct {
	t      *testing.T
	dir    string
	conf   *Config
	loads  LoadWatch
	worker int
	run    Running
}

func newLoadTest(t *testing.T) *loadTest {
	l := &loadTest{t: t, dir: t.TempDir()}
	l.write("nginx.conf", "include *.part;")
	l.write("a.part", "# a")
	l.write("b.part", "# b")
	l.start()
	l.read()
	return l
}

// start replaces the worker by one that starts now: in ticks, as /proc/PID/stat shows.
func (l *loadTest) start() {
	l.worker++
	l.run.Active = []Worker{{l.worker, sinceBoot().Truncate(tick)}}
}

func (l *loadTest) read() {
	l.t.Helper()
	var err error
	if l.conf, err = Load(filepath.Join(l.dir, "nginx.conf")); err != nil {
		l.t.Fatal(err)
	}
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (l *loadTest) write(name, text string) {
	l.t.Helper()
	writeText(l.t, filepath.Join(l.dir, name), text)
}

// setTime sets a file's time as if the clock, or that of another host, had been wrong by so much.
func (l *loadTest) setTime(name string, wrong time.Duration) {
	l.t.Helper()
	at := time.Now().Add(wrong)
	if err := os.Chtimes(filepath.Join(l.dir, name), at, at); err != nil {
		l.t.Fatal(err)
	}
}

func (l *loadTest) expect(when string, want bool) {
	l.t.Helper()
	if got := l.loads.HasLoaded(l.conf, l.run); got != want {
		l.t.Errorf("%s: loaded is %t", when, got)
	}
}

// What a change looks like that nobody has told NGINX of. A reload is over in an instant: it is seen, however close.
func TestEveryChangeIsSeen(t *testing.T) {
	for name, change := range map[string]func(l *loadTest){
		"written":                  func(l *loadTest) { l.write("nginx.conf", "include *.part; # other") },
		"an included file written": func(l *loadTest) { l.write("a.part", "# other") },
		"an included file more":    func(l *loadTest) { l.write("c.part", "# c") },
		"an included file less":    func(l *loadTest) { os.Remove(filepath.Join(l.dir, "b.part")) },
		"written, then the clock is on": func(l *loadTest) {
			l.write("a.part", "# other")
			l.setTime("a.part", -time.Hour)
		},
		"written by a clock to come": func(l *loadTest) {
			l.write("a.part", "# other")
			l.setTime("a.part", time.Hour)
		},
		"an old file moved here": func(l *loadTest) {
			l.write("old", "# old")
			l.setTime("old", -24*time.Hour)
			os.Rename(filepath.Join(l.dir, "old"), filepath.Join(l.dir, "a.part"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoadTest(t)
			l.expect("at first", true)
			change(l)
			l.expect("changed", false)
			l.expect("looked at again", false)
			l.read()
			l.expect("read again", false)
			l.start()
			l.expect("reloaded", true)
			l.read()
			l.expect("reloaded and read again", true)
			change(l)
			l.start()
			l.read()
			if name != "written by a clock to come" { // indistinguishable from a change after the reload
				l.expect("changed and reloaded between two looks", true)
			}
		})
	}
}

// Before the first look, and between two looks, the files' times decide.
func TestUnseenChanges(t *testing.T) {
	l := newLoadTest(t)
	l.setTime("a.part", -time.Minute)
	l.setTime("b.part", -time.Minute)
	l.setTime("nginx.conf", -time.Minute)
	l.expect("changed before the worker's start", true)
	l.loads = LoadWatch{}
	l.setTime("a.part", time.Second)
	l.run.Active[0].Started -= time.Minute
	l.expect("changed after the worker's start", false)

	l = newLoadTest(t)
	l.expect("at first", true)
	l.start()
	l.run.Active[0].Started += time.Minute
	l.write("a.part", "# other")
	l.expect("changed before the new worker's start", true)
}

// A file that is put back with its time is the one that the workers have loaded; new workers have loaded another.
func TestRestoredFile(t *testing.T) {
	l := newLoadTest(t)
	l.write("nginx.conf", "include *.part;")
	l.setTime("nginx.conf", -time.Hour)
	l.expect("at first", true)
	conf, backup := filepath.Join(l.dir, "nginx.conf"), filepath.Join(l.dir, "backup")
	for _, reloaded := range []bool{false, true} {
		if err := os.Rename(conf, backup); err != nil {
			t.Fatal(err)
		}
		l.write("nginx.conf", "include *.part; # other")
		l.expect("changed", false)
		if reloaded {
			l.start()
			l.expect("reloaded", true)
		}
		if err := os.Rename(backup, conf); err != nil {
			t.Fatal(err)
		}
		l.expect(fmt.Sprintf("put back, reloaded meanwhile: %t", reloaded), !reloaded)
	}
}

// Of several workers one is enough that has not loaded the files, and those that shut down do not matter.
func TestLoadedByAll(t *testing.T) {
	l := newLoadTest(t)
	old := l.run.Active[0]
	l.expect("at first", true)
	l.write("a.part", "# other")
	l.expect("changed", false)
	l.start()
	l.run.Active = append(l.run.Active, old)
	l.expect("one of two is old", false)
	l.run.Active, l.run.ShuttingDown = l.run.Active[:1], l.run.Active[1:]
	l.expect("the old one shuts down", true)
}

// Real NGINX, whose file changes right before and right after a reload: what was seen decides, not the fraction of a
// second.
func TestChangeBesideReload(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "nginx.conf")
	changes := 0
	change := func() {
		changes++
		writeText(t, path, fmt.Sprintf("%s\nerror_log stderr; events {} http { access_log off; server { listen "+
			"unix:%s/s; } }\n", strings.Repeat("#", changes), dir))
	}
	change()
	nginx := startNGINX(t, dir)
	build := Installed(t.Context())
	var running Running
	var worker Worker
	isNew := func() bool {
		var ok bool
		running, ok = FindRunning(build, path)
		return ok && len(running.Active) == 1 && running.Active[0] != worker
	}
	until(t, "a worker runs", isNew)
	conf, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var loads LoadWatch
	for i := range 20 {
		if !loads.HasLoaded(conf, running) {
			t.Fatalf("%d: not loaded, but the worker is new", i)
		}
		worker = running.Active[0]
		change()
		if i%2 == 0 && loads.HasLoaded(conf, running) {
			t.Fatalf("%d: loaded, but NGINX has not been told", i)
		}
		if err := nginx.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		until(t, "a worker is new", isNew)
	}
}
