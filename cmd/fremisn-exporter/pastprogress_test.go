package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a new terminal of a hundred columns.
func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("/dev/pts", strconv.Itoa(number))
	if terminal, err = os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 100, Row: 50}); err != nil {
		t.Fatal(err)
	}
	return master, terminal
}

// TestPastProgressAndInterrupt runs each command of the past as a process on a pipe that never ends. On a terminal it
// draws a bar, elsewhere nothing; an interrupt ends it at once with one sentence, exit code 1 and nothing left behind.
func TestPastProgressAndInterrupt(t *testing.T) {
	h := newPastHost(t)
	exporter := buildExporter(t)
	lines, err := os.ReadFile(h.log)
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"analyze": nil, "explain": nil, "whatif": nil, "backfill": {"-o", filepath.Join(h.dir, "out")},
	} {
		t.Run(name, func(t *testing.T) {
			master, terminal := openTerminal(t)
			temporary := t.TempDir()
			command := exec.Command(exporter, append([]string{name, "--nginx.config", h.conf, "-"}, args...)...)
			command.Env = append(os.Environ(), "TMPDIR="+temporary)
			var stdout bytes.Buffer
			command.Stdout, command.Stderr = &stdout, terminal
			stdin, err := command.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			defer command.Process.Kill()
			if _, err := stdin.Write(lines); err != nil {
				t.Fatal(err)
			}
			said := bufio.NewReader(master)
			if bar, err := said.ReadString('K'); err != nil || !strings.Contains(bar, "kB read") {
				t.Errorf("no bar: %q, %v", bar, err)
			}
			interrupted := time.Now()
			if err := command.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			rest := make(chan string, 1)
			go func() {
				for {
					line, err := said.ReadString('\n')
					if strings.Contains(line, "interrupted") || err != nil {
						rest <- line
						return
					}
				}
			}()
			command.Wait()
			if took := time.Since(interrupted); took > 5*time.Second {
				t.Errorf("it went on for %s", took)
			}
			if code := command.ProcessState.ExitCode(); code != exitFailed || stdout.Len() > 0 {
				t.Errorf("exit code %d, said %q", code, stdout.String())
			}
			if line := <-rest; !strings.HasSuffix(strings.TrimSpace(line), "fremisn-exporter: interrupted") {
				t.Errorf("said %q", line)
			}
			for _, dir := range []string{temporary, filepath.Join(h.dir, "out")} {
				if left, err := os.ReadDir(dir); err == nil && len(left) > 0 {
					t.Errorf("left in %s: %v", dir, left)
				}
			}
		})
	}
}

// TestPastProgressIsForTerminals: what is not a terminal gets no bar, however long it takes.
func TestPastProgressIsForTerminals(t *testing.T) {
	h := newPastHost(t)
	lines, err := os.ReadFile(h.log)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(buildExporter(t), "analyze", "--nginx.config", h.conf, "-")
	var stderr bytes.Buffer
	command.Stdout, command.Stderr = io.Discard, &stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	for range 5 { // longer than it takes on a terminal until the bar is drawn
		if _, err := stdin.Write(lines); err != nil {
			t.Fatal(err)
		}
		<-time.After(100 * time.Millisecond)
	}
	stdin.Close()
	if err := command.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("%v, said %q", err, stderr.String())
	}
}
