package testenv

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// A thread ends with the goroutine that has locked it, as in AsNobody. What it started goes on.
func TestProcessOutlivesTheThreadThatStartsIt(t *testing.T) {
	var p *Process
	thread := os.Getpid()
	for thread == os.Getpid() { // the first thread of a process never ends
		ran := make(chan error)
		go func() {
			runtime.LockOSThread()
			thread = syscall.Gettid()
			var err error
			p, err = start("sleep", "sleep", "60")
			ran <- err
		}()
		if err := <-ran; err != nil {
			t.Fatal(err)
		}
		defer p.Kill()
	}
	task := fmt.Sprintf("/proc/self/task/%d", thread)
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(task); errors.Is(err, fs.ErrNotExist) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the thread does not end")
		}
	}
	p.Stop()
	if status := p.command.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM {
		t.Errorf("it was ended by another: %s", p.command.ProcessState)
	}
}

func TestFreeAddressRemainsFree(t *testing.T) {
	given := map[string]bool{}
	for range 100 {
		address, err := FreeAddress("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		if given[address] {
			t.Errorf("%s is given twice", address)
		}
		given[address] = true
		_, text, _ := net.SplitHostPort(address)
		port, err := strconv.Atoi(text)
		if err != nil || port >= firstEphemeralPort() {
			t.Errorf("%s is one that the kernel gives", address)
		}
		if again, err := reserve(port); again || err != nil {
			t.Errorf("%s is given to another process, too: %v", address, err)
		}
	}
}
