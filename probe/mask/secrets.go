package mask

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Secrets hides, besides what [Text] does, its secrets wherever a server or an error repeats them. The zero value has
// none. Several goroutines may use it at once.
type Secrets struct {
	replacer *strings.Replacer
	files    *secretFiles      // nil if no secret is in a file
	target   *strings.Replacer // of one probe's target
	further  *strings.Replacer // of one probe's answers
}

// A File holds one secret; for a user, it is a password.
type File struct{ Path, User string }

// New returns a Secrets that hides values and the content of files.
func New(values []string, files []File) Secrets {
	s := Secrets{replacer: replacerOf(values)}
	if len(files) > 0 {
		s.files = &secretFiles{files: files}
		s.files.read()
	}
	return s
}

// Mask hides every secret in text, which becomes valid UTF-8.
func (s Secrets) Mask(text string) string {
	for _, replacer := range []*strings.Replacer{s.replacer, s.target, s.further} {
		if replacer != nil {
			text = replacer.Replace(text)
		}
	}
	if s.files != nil {
		text = s.files.mask(text)
	}
	return strings.ToValidUTF8(Text(text), "\uFFFD")
}

// WithTarget returns s with the secrets of a target added: servers repeat them without the words by which Text finds
// them.
func (s Secrets) WithTarget(target string) Secrets {
	s.target = replacerOf(InURL(target))
	return s
}

// WithValues returns s with further secrets, such as a token that was obtained meanwhile.
func (s Secrets) WithValues(values ...string) Secrets {
	s.further = replacerOf(values)
	return s
}

// ReadFiles rereads the files. Their earlier content stays hidden.
func (s Secrets) ReadFiles() {
	if s.files != nil {
		s.files.read()
	}
}

// shortestSecret is the minimum length of a secret to search for: shorter ones would hide half of any text.
const shortestSecret = 4

// replacerOf returns nil if there is nothing to replace. It finds secrets as they are, and in their quoted form.
func replacerOf(secrets []string) *strings.Replacer {
	var all []string
	for _, secret := range secrets {
		if len(secret) < shortestSecret {
			continue
		}
		all = append(all, secret)
		if quoted := strings.Trim(strconv.Quote(secret), `"`); quoted != secret {
			all = append(all, quoted)
		}
	}
	if all == nil {
		return nil
	}
	// The longest first: a secret that is the prefix of another must not leave the other's rest.
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, secret := range all {
		pairs = append(pairs, secret, Placeholder)
	}
	return strings.NewReplacer(pairs...)
}

// Limits of what is remembered of files that hold secrets.
const (
	maxFile     = 64 << 10 // bytes
	maxContents = 16
)

// secretFiles are files that hold secrets. They may change while the log of a probe that used the old content is still
// kept: what was read stays hidden.
type secretFiles struct {
	files []File

	mu       sync.Mutex
	contents []string
	replacer *strings.Replacer
}

// read reads the files. A file that cannot be read holds no secret, and fails the probe elsewhere.
func (f *secretFiles) read() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, file := range f.files {
		secret := readFile(file.Path)
		if secret == "" || slices.Contains(f.contents, secret) {
			continue
		}
		f.contents = append(f.contents, secret)
		if file.User != "" {
			f.contents = append(f.contents, Basic(file.User, secret))
		}
		f.contents = f.contents[max(0, len(f.contents)-maxContents):]
		f.replacer = replacerOf(f.contents)
	}
}

func (f *secretFiles) mask(text string) string {
	f.mu.Lock()
	replacer := f.replacer
	f.mu.Unlock()
	if replacer == nil {
		return text
	}
	return replacer.Replace(text)
}

func readFile(path string) string {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a pipe would wait for a writer
	if err != nil {
		return ""
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(content))
}
