// Package testenv runs the real parts that tests and the demonstration need, each in a scratch folder and on loopback:
// NGINX, Prometheus, the exporter. What it starts dies with the process that started it, and is ended by its id.
package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// patience is how long a part may take to answer; CI machines are slow.
const patience = 30 * time.Second

// A Process is a running part.
type Process struct {
	name    string
	command *exec.Cmd
	output  *Output
	exited  chan struct{}
	err     error // once exited
}

// Output keeps the end of what a program writes, a megabyte of it, and may be read meanwhile.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

const maxOutput = 1 << 20

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.b.Len() > maxOutput {
		o.b.Next(o.b.Len() / 2)
	}
	return o.b.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func start(name, binary string, args ...string) (*Process, error) {
	return startAs(nil, name, binary, args...)
}

// startAs starts a process as another user; nil is the present one.
func startAs(user *syscall.Credential, name, binary string, args ...string) (*Process, error) {
	return startCommand(user, name, exec.Command(binary, args...))
}

// Start starts a command, and waits until it listens on address.
func Start(ctx context.Context, address string, command *exec.Cmd) (*Process, error) {
	p, err := startCommand(nil, filepath.Base(command.Path), command)
	if err != nil {
		return nil, err
	}
	return p, p.answers(ctx, address)
}

func startCommand(user *syscall.Credential, name string, command *exec.Cmd) (*Process, error) {
	p := &Process{name: name, command: command, output: &Output{}, exited: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = p.output, p.output
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true, Credential: user}
	started := make(chan error)
	go func() {
		// The signal comes when the thread ends that started the process: this one lasts as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.command.Start()
		started <- err
		if err == nil {
			p.err = p.command.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// PID returns the process' id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Output returns its output so far.
func (p *Process) Output() string { return p.output.String() }

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) error { return p.command.Process.Signal(s) }

// Stop ends the process with SIGTERM, or after a while with SIGKILL. It returns the exit code.
func (p *Process) Stop() int {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.Kill()
	}
	return p.command.ProcessState.ExitCode()
}

// CPUTime returns what the process has used, once it has ended.
func (p *Process) CPUTime() time.Duration {
	<-p.exited
	return p.command.ProcessState.UserTime() + p.command.ProcessState.SystemTime()
}

// Kill ends it at once.
func (p *Process) Kill() {
	p.command.Process.Kill()
	<-p.exited
}

// answers waits until something listens on address.
func (p *Process) answers(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s has ended: %s\n%s", p.name, p.command.ProcessState, p.Output())
		case <-ctx.Done():
			p.Kill()
			return fmt.Errorf("%s does not listen on %s:\n%s", p.name, address, p.Output())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ErrMissing reports that a program is not installed.
var ErrMissing = errors.New("is not installed")

// Find returns the path of a program; Debian keeps some outside an ordinary user's PATH.
func Find(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s %w", name, ErrMissing)
}
