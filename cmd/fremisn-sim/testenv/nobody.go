package testenv

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// AsNobody runs f in a thread without root's rights, which ends with it. A user other than root remains the same.
func AsNobody(f func()) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is not used again
		if err := becomeNobody(); err != nil {
			done <- err
			return
		}
		if _, err := os.Stat(os.TempDir() + "/."); err != nil { // files of tests are below it
			done <- fmt.Errorf("set TMPDIR to a folder that all users may enter, as the user nobody: %w", err)
			return
		}
		f()
		done <- nil
	}()
	return <-done
}

// becomeNobody gives up root's rights in this thread only.
func becomeNobody() error {
	if os.Geteuid() != 0 {
		return nil
	}
	const nobody, keep = 65534, ^uintptr(0)
	_, _, e1 := syscall.RawSyscall(syscall.SYS_SETGROUPS, 0, 0, 0)
	_, _, e2 := syscall.RawSyscall(syscall.SYS_SETRESGID, keep, nobody, keep)
	_, _, e3 := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, nobody, keep)
	if e1|e2|e3 != 0 {
		return fmt.Errorf("becoming nobody: %v %v %v", e1, e2, e3)
	}
	return nil
}
