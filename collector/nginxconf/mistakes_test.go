package nginxconf

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

var endOfDirective = regexp.MustCompile(`(?m);[ \t]*(#.*)?$`)

// A forgotten semicolon makes one directive of two. NGINX refuses it, but for a few that take any words, and does not
// load the file: so must it be here, or a server or a log is missing without a word.
func TestForgottenSemicolons(t *testing.T) {
	for _, name := range []string{"mission", "official-image", "debian-stock", "facts"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conf := copyTree(t, filepath.Join("testdata/good", name))
			text, err := os.ReadFile(conf)
			if err != nil {
				t.Fatal(err)
			}
			refused := 0
			for _, at := range endOfDirective.FindAllIndex(text, -1) {
				mistake := string(text[:at[0]]) + string(text[at[0]+1:])
				if err := os.WriteFile(conf, []byte(mistake), 0o644); err != nil {
					t.Fatal(err)
				}
				_, stderr, nginx := askNGINX(t, conf, "-t")
				_, err := Load(conf)
				if fault := new(Error); (nginx == nil) != (err == nil) || err != nil && !errors.As(err, &fault) {
					t.Errorf("without the semicolon after %q: %v, but NGINX: %s", lastWords(text[:at[0]]), err, stderr)
				}
				if nginx != nil {
					refused++
				}
			}
			if refused < 3 {
				t.Errorf("NGINX refused only %d of them", refused)
			}
		})
	}
}

// lastWords returns the end of a text, enough to find it again.
func lastWords(text []byte) string { return string(text[max(0, len(text)-40):]) }
