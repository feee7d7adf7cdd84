package logformat

import (
	"errors"
	"fmt"
	"strings"
)

// A part is a variable and the literal that follows it. The first part of a format has no variable.
type part struct {
	name    string
	literal string
}

// maxFormat limits a log_format; NGINX rejects parameters of more than 4096 bytes.
const maxFormat = 1 << 15

// checkFormat rejects a format that no log line can have.
func checkFormat(format, escape string) error {
	switch escape {
	case "", "default", "json", "none":
	default:
		return fmt.Errorf("%q is not a valid escape; write default, json or none", escape)
	}
	if strings.TrimSpace(format) == "" {
		return errors.New("the log_format is empty; write variables such as $status and $request_time")
	}
	if i := strings.IndexByte(format, 0); i >= 0 {
		return fmt.Errorf("the log_format has a NUL at byte %d", i)
	}
	if len(format) > maxFormat {
		return fmt.Errorf("the log_format has %d bytes, more than %d", len(format), maxFormat)
	}
	return nil
}

// split splits one line of a log_format into parts.
func split(format string) ([]part, error) {
	parts := []part{{}}
	for rest := format; rest != ""; {
		i := strings.IndexByte(rest, '$')
		if i < 0 {
			i = len(rest)
		}
		parts[len(parts)-1].literal += rest[:i]
		if rest = rest[i:]; rest == "" {
			break
		}
		name, n, err := variableName(rest)
		if err != nil {
			return nil, fmt.Errorf("at byte %d of the log_format: %w", len(format)-len(rest), err)
		}
		parts = append(parts, part{name: name})
		rest = rest[n:]
	}
	return parts, nil
}

// variableName returns the name after the dollar that s begins with, and the length of the name with its dollar and
// braces.
func variableName(s string) (name string, n int, err error) {
	braced := strings.HasPrefix(s, "${")
	start := 1
	if braced {
		start = 2
	}
	end := start
	for end < len(s) && isNameByte(s[end]) {
		end++
	}
	switch {
	case braced && (end == len(s) || s[end] != '}'):
		return "", 0, fmt.Errorf("the variable %q is not closed; write ${%s}", s[:end], s[start:end])
	case end == start:
		return "", 0, errors.New("a $ without a variable's name; write for example $status")
	}
	name = s[start:end]
	if braced {
		end++
	}
	return name, end, nil
}

func isNameByte(c byte) bool {
	return c == '_' || c-'0' < 10 || c|0x20-'a' < 26
}
