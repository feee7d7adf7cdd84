// Package terminal reports how wide a terminal is, and whether it supports colours.
package terminal

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	defaultWidth = 80
	minWidth     = 60
	maxWidth     = 140
)

// Width returns the number of columns of w, from 60 to 140, or 80 if it is not a terminal.
func Width(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return defaultWidth
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return defaultWidth
	}
	return max(minWidth, min(int(size.Col), maxWidth))
}

// Columns returns the number of columns of w, 0 if it is not a terminal or its width is not known.
func Columns(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// IsTerminal reports whether a person may be looking at w.
func IsTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// HasColours reports whether w is a terminal that supports colours, and whose user has not disabled them.
func HasColours(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && IsTerminal(w)
}
