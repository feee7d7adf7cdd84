package tail

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A pattern names the files of a log. One that has *, ? or [ is in the syntax of filepath.Match, where a backslash
// takes away their meaning; any other is the path of a file.

const wildcards = "*?["

// Literal returns the pattern that stands for one path, whatever is in it.
func Literal(path string) string {
	if !strings.ContainsAny(path, wildcards) {
		return path
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// Plain returns the only path that a pattern stands for; ok is false for a glob.
func Plain(pattern string) (path string, ok bool) {
	if !strings.ContainsAny(pattern, wildcards) {
		return pattern, true
	}
	var plain strings.Builder
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		if strings.IndexByte(wildcards, c) >= 0 {
			return "", false
		}
		if c == '\\' && i+1 < len(pattern) {
			i++
			c = pattern[i]
		}
		plain.WriteByte(c)
	}
	return plain.String(), true
}

// Files returns the files that a pattern stands for. A file whose name is the glob itself is among them: a[1].log may
// be meant as it is written.
func Files(pattern string) ([]string, error) {
	path, isPlain := Plain(pattern)
	if !isPlain {
		path = pattern
	}
	var files []string
	if _, err := os.Lstat(path); err == nil {
		files = []string{path}
	}
	if isPlain {
		return files, nil
	}
	matches, err := filepath.Glob(pattern)
	if len(files) == 0 || slices.Contains(matches, path) {
		return matches, err
	}
	return append(matches, path), nil
}
