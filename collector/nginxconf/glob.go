package nginxconf

import (
	"os"
	"sort"
	"strings"
)

// isPattern reports whether NGINX treats the argument of an include as a pattern.
func isPattern(path string) bool { return strings.ContainsAny(path, "*?[") }

// glob returns the files that a pattern matches, in the order in which NGINX includes them. It is glob(3) of the C
// locale, which differs from filepath.Glob: only a dot matches a leading dot, [!a] means [^a], an unclosed bracket is
// literal, and the complete paths are sorted.
func glob(pattern string) []string {
	found := globIn(pattern)
	sort.Strings(found)
	return found
}

func globIn(pattern string) []string {
	slash := strings.LastIndexByte(pattern, '/') + 1
	dir, base := pattern[:slash], pattern[slash:]
	dirs := []string{dir}
	if isPattern(dir) {
		dirs = globIn(strings.TrimRight(dir, "/"))
		for i := range dirs {
			dirs[i] += "/"
		}
	}
	var found []string
	for _, dir := range dirs {
		if !isPattern(base) {
			path := dir + strings.ReplaceAll(base, `\`, "")
			if _, err := os.Lstat(path); err == nil {
				found = append(found, path)
			}
			continue
		}
		for _, name := range namesIn(dir) {
			if matches(base, name) {
				found = append(found, dir+name)
			}
		}
	}
	return found
}

// namesIn returns the names in a folder, none if it is unreadable.
func namesIn(dir string) []string {
	folder, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(-1)
	return append(names, ".", "..")
}

// matches reports whether a pattern matches a name in a folder. It backtracks only to the last star, so that no
// pattern costs more than the product of the lengths.
func matches(pattern, name string) bool {
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(pattern, ".") && !strings.HasPrefix(pattern, `\.`) {
		return false
	}
	star, from := -1, 0
	p, n := 0, 0
	for n < len(name) {
		if p < len(pattern) && pattern[p] == '*' {
			star, from = p, n
			p++
			continue
		}
		if size, fits := matchByte(pattern[p:], name[n]); fits {
			p, n = p+size, n+1
			continue
		}
		if star < 0 {
			return false
		}
		from++
		p, n = star+1, from
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matchByte matches the beginning of a pattern, other than a star, against a byte; size is its length in the pattern.
func matchByte(pattern string, c byte) (size int, fits bool) {
	if pattern == "" {
		return 0, false
	}
	switch pattern[0] {
	case '?':
		return 1, true
	case '[':
		if size, fits, closed := matchSet(pattern, c); closed {
			return size, fits
		}
	case '\\':
		if len(pattern) > 1 {
			return 2, pattern[1] == c
		}
	}
	return 1, pattern[0] == c
}

// matchSet matches a set such as [a-z] or [!0-9]; closed is false if no bracket closes it.
func matchSet(pattern string, c byte) (size int, fits, closed bool) {
	i := 1
	negated := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
	if negated {
		i++
	}
	for first := i; i < len(pattern); i++ {
		if pattern[i] == ']' && i > first {
			return i + 1, fits != negated, true
		}
		low := pattern[i]
		if low == '\\' && i+1 < len(pattern) {
			i++
			low = pattern[i]
		}
		high := low
		if i+2 < len(pattern) && pattern[i+1] == '-' && pattern[i+2] != ']' {
			high = pattern[i+2]
			i += 2
		}
		fits = fits || low <= c && c <= high
	}
	return 0, false, false
}
