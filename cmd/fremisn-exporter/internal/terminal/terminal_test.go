package terminal

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Colour is for terminals: not for pipes and files, nor for /dev/null, which is a device, too.
func TestIsTerminal(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	if !HasColours(tty) || HasColours(null) || HasColours(&bytes.Buffer{}) {
		t.Errorf("a terminal %t, /dev/null %t, a buffer %t", HasColours(tty), HasColours(null),
			HasColours(&bytes.Buffer{}))
	}
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 100, Row: 50}); err != nil {
		t.Fatal(err)
	}
	if got := Width(tty); got != 100 {
		t.Errorf("width %d, want 100", got)
	}
	t.Setenv("NO_COLOR", "1")
	if HasColours(tty) {
		t.Error("NO_COLOR is not heeded")
	}
}

func TestColourIsForTerminals(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, c := range []struct {
		name          string
		out           io.Writer
		noColor, term string
		want          bool
	}{
		{"a terminal", terminal, "", "xterm", true},
		{"NO_COLOR", terminal, "1", "xterm", false},
		{"a terminal without colours", terminal, "", "dumb", false},
		{"no terminal", null, "", "xterm", false},
		{"no file", &bytes.Buffer{}, "", "xterm", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", c.noColor)
			t.Setenv("TERM", c.term)
			if HasColours(c.out) != c.want {
				t.Errorf("takes colours: %v", !c.want)
			}
		})
	}
}
