package nginxconf

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A Running is an NGINX that runs on this host, as far as /proc shows.
type Running struct {
	Master       int      // its process id
	Prefix       string   // -p of its command line, or ""
	Active       []Worker // those that take requests
	ShuttingDown []Worker // those that finish what they have
}

// A Worker is one of NGINX's worker processes.
type Worker struct {
	PID     int
	Started time.Duration // since the host's start, in whole ticks
}

// FindRunning returns the NGINX that runs with the configuration of that path; ok is false if /proc shows none, for
// example from another container, or several.
func FindRunning(build Build, conf string) (running Running, ok bool) {
	return findRunning("/proc", build, conf)
}

// NGINX's process titles.
const (
	titleMaster   = "nginx: master process "
	titleWorker   = "nginx: worker process"
	titleShutting = "nginx: worker process is shutting down"
)

func findRunning(proc string, build Build, conf string) (running Running, ok bool) {
	processes := nginxProcesses(proc)
	for _, p := range processes {
		command, isMaster := strings.CutPrefix(p.title, titleMaster)
		if !isMaster || !runsWith(command, build, conf) {
			continue
		}
		if ok {
			return Running{}, false
		}
		running, ok = Running{Master: p.id, Prefix: option(command, "-p")}, true
	}
	for _, p := range processes {
		switch {
		case !ok || p.parent != running.Master:
		case p.title == titleShutting:
			running.ShuttingDown = append(running.ShuttingDown, Worker{p.id, p.started})
		case p.title == titleWorker:
			running.Active = append(running.Active, Worker{p.id, p.started})
		}
	}
	return running, ok
}

// runsWith reports whether the command line of a master names the configuration, or names none and the configuration
// is the default.
func runsWith(command string, build Build, conf string) bool {
	told := option(command, "-c")
	if told == "" {
		told = build.confPath()
	}
	if !filepath.IsAbs(told) {
		prefix := option(command, "-p")
		if prefix == "" {
			prefix = build.Prefix
		}
		told = filepath.Join(prefix, told)
	}
	return filepath.Clean(told) == conf
}

// option returns what follows a flag in a command line, or "".
func option(command, flag string) string {
	words := strings.Fields(command)
	for i, word := range words {
		if word == flag && i+1 < len(words) {
			return words[i+1]
		}
	}
	return ""
}

// A process is one of NGINX's.
type process struct {
	id, parent int
	title      string
	started    time.Duration // since the host's start
}

func nginxProcesses(proc string) []process {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil
	}
	var all []process
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if p, ok := nginxProcess(filepath.Join(proc, entry.Name())); ok {
			p.id = id
			all = append(all, p)
		}
	}
	return all
}

// nginxProcess reads a process's title, parent and start; ok is false if it is not one of NGINX's, or gone.
func nginxProcess(dir string) (p process, ok bool) {
	line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil || !bytes.HasPrefix(line, []byte("nginx: ")) {
		return p, false
	}
	p.title = strings.TrimRight(string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})), " ")
	if strings.HasPrefix(p.title, strings.TrimSpace(titleMaster)) {
		p.title += " "
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, false
	}
	// at least 22 fields; the second, the name in parentheses, may contain anything. See proc(5).
	const parentField, startField = 4 - 3, 22 - 3
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= startField {
		return p, false
	}
	ticks, err := strconv.ParseInt(string(fields[startField]), 10, 64)
	if err != nil {
		return p, false
	}
	p.parent, err = strconv.Atoi(string(fields[parentField]))
	p.started = time.Duration(ticks) * tick
	return p, err == nil
}

// tick is the kernel's unit of a process's start, 1/100 s on every system that Go runs on.
const tick = 10 * time.Millisecond

// BuildFor returns the installed build, with the prefix from the command line of the NGINX that runs with the
// configuration, if it has one.
func BuildFor(ctx context.Context, conf string) Build {
	build := Installed(ctx)
	absolute, err := filepath.Abs(conf)
	if err != nil {
		return build
	}
	running, ok := FindRunning(build, absolute)
	build.certain = ok
	if ok && filepath.IsAbs(running.Prefix) {
		build.Prefix = running.Prefix
		if build.conf == "" {
			build.accessLog, build.errorLog = "logs/access.log", "logs/error.log"
		}
	}
	return build
}
