package compose

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A scriptRun is a script that is interrupted before it is done.
type scriptRun struct {
	cmd *exec.Cmd
	out bytes.Buffer
	tmp string
}

// startScript starts a script in a process group of its own, as a terminal does.
func (s *stack) startScript(t *testing.T, name string, args ...string) *scriptRun {
	t.Helper()
	run := &scriptRun{cmd: exec.Command(filepath.Join("scripts", name), args...), tmp: t.TempDir()}
	run.cmd.Env = append(environ(s.env), "TMPDIR="+run.tmp)
	run.cmd.Stdout, run.cmd.Stderr = &run.out, &run.out
	run.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := run.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-run.cmd.Process.Pid, syscall.SIGKILL) })
	return run
}

// end sends SIGINT to the whole group, as Ctrl-C does, or another signal to the script alone, and looks for what is
// left.
func (run *scriptRun) end(t *testing.T, signal syscall.Signal, want int) {
	t.Helper()
	group := -run.cmd.Process.Pid
	to := -group
	if signal == syscall.SIGINT {
		to = group
	}
	if err := syscall.Kill(to, signal); err != nil {
		t.Fatal(err)
	}
	if exit := exitCode(run.cmd.Wait()); exit != want {
		t.Errorf("%s after %v: exit %d, want %d\n%s", run.cmd.Path, signal, exit, want, run.out.String())
	}
	eventually(t, func() bool { return syscall.Kill(group, 0) == syscall.ESRCH }, func() string {
		return run.cmd.Path + " left a process behind"
	})
	if left, err := os.ReadDir(run.tmp); err != nil || len(left) > 0 {
		t.Errorf("%s left %v behind (%v)", run.cmd.Path, left, err)
	}
}

func TestInterruptedScriptsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	s := startStack(t, nil)
	s.startExporter(t)
	log := filepath.Join(s.dir, "access.log")
	for _, interrupted := range []struct {
		args   []string
		signal syscall.Signal
		want   int
	}{
		{[]string{"simple-stress-test.sh", "--users", "1", "--requests", "10000000"}, syscall.SIGINT, 130},
		{[]string{"simple-stress-test.sh", "--users", "1", "--requests", "10000000"}, syscall.SIGTERM, 143},
		{[]string{"test-loadbalancer.sh", "--requests", "100000"}, syscall.SIGINT, 130},
	} {
		before := strings.Count(read(t, log), "\n")
		run := s.startScript(t, interrupted.args[0], interrupted.args[1:]...)
		eventually(t, func() bool { return strings.Count(read(t, log), "\n") > before }, func() string {
			return interrupted.args[0] + " has sent nothing"
		})
		run.end(t, interrupted.signal, interrupted.want)
	}
	run := s.startScript(t, "monitoring.sh", "--interval", "1000")
	eventually(t, func() bool {
		saved, err := filepath.Glob(filepath.Join(run.tmp, "*", "before"))
		return err == nil && len(saved) == 1
	}, func() string { return "monitoring.sh has not looked" })
	run.end(t, syscall.SIGTERM, 143)
}

// TestSignalBetweenTwoCommands: what a script has just begun ends with it, whenever the signal comes.
func TestSignalBetweenTwoCommands(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("bash", "-c", "set -euo pipefail; . scripts/lib.sh; sleep 1000 & kill -TERM $$; wait")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group := -cmd.Process.Pid
	t.Cleanup(func() { _ = syscall.Kill(group, syscall.SIGKILL) })
	if exit := exitCode(cmd.Wait()); exit != 143 {
		t.Errorf("exit %d, want 143", exit)
	}
	eventually(t, func() bool { return syscall.Kill(group, 0) == syscall.ESRCH }, func() string {
		return "it left a process behind"
	})
}
