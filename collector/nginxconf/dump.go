package nginxconf

import (
	"bytes"
	"io/fs"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
)

// A dump is the output of nginx -T: every file that NGINX reads, each after a line with its name.
type dump struct {
	main  string
	files map[string][]byte
}

const dumpHeader = "# configuration file "

// readDump splits a dump into its files; it returns nil if the text is not a dump. Before the first file there may be
// output of NGINX's standard error.
func readDump(text []byte) *dump {
	for {
		if _, _, isHeader := cutHeader(text); isHeader {
			break
		}
		line, rest, more := bytes.Cut(text, []byte{'\n'})
		if !more || !bytes.HasPrefix(line, []byte("nginx: ")) {
			return nil
		}
		text = rest
	}
	d := &dump{files: map[string][]byte{}}
	for len(text) > 0 {
		name, rest, _ := cutHeader(text)
		name = filepath.Clean(name)
		end := nextHeader(rest)
		if d.main == "" {
			d.main = name
		}
		d.files[name] = rest[:end]
		text = rest[end:]
	}
	return d
}

// cutHeader cuts off the line that names a file.
func cutHeader(text []byte) (name string, rest []byte, ok bool) {
	line, rest, _ := bytes.Cut(text, []byte{'\n'})
	name, ok = strings.CutPrefix(strings.TrimSuffix(string(line), "\r"), dumpHeader)
	if !ok || !strings.HasSuffix(name, ":") || !filepath.IsAbs(name) {
		return "", text, false
	}
	return strings.TrimSuffix(name, ":"), rest, true
}

// nextHeader returns the offset of the next line that names a file, or of the end.
func nextHeader(text []byte) int {
	for at := 0; at < len(text); {
		if _, _, isHeader := cutHeader(text[at:]); isHeader {
			return at
		}
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			break
		}
		at += end + 1
	}
	return len(text)
}

func (d *dump) read(path string) ([]byte, error) {
	if text, ok := d.files[path]; ok {
		return text, nil
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOENT}
}

// glob returns the files of the dump that a pattern of an include matches.
func (d *dump) glob(pattern string) []string {
	var found []string
	for path := range d.files {
		if matchesPath(pattern, path) {
			found = append(found, path)
		}
	}
	sort.Strings(found)
	return found
}

func matchesPath(pattern, path string) bool {
	patterns, parts := strings.Split(filepath.Clean(pattern), "/"), strings.Split(filepath.Clean(path), "/")
	if len(patterns) != len(parts) {
		return false
	}
	for i, part := range parts {
		if !matches(patterns[i], part) {
			return false
		}
	}
	return true
}
