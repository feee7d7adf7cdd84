package nginxconf

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Patterns of include as glob(3) reads them, which is what NGINX asks.
func TestPatternsAreThoseOfNGINX(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"a.conf", "b.conf", "A.conf", ".hidden.conf", ".live.swp", "[.conf", "]x", "!x", "-", "a-b", "x*y", "Z", "10",
		"9", "d.e/a.conf", "d/a.conf", ".dot/a.conf",
	} {
		path := filepath.Join(dir, "in", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(dir, "nginx.conf")
	for _, pattern := range []string{
		"in/*.conf", "in/*", "in/.*.conf", "in/?", "in/?.conf", "in/[ab].conf", "in/[a-c].conf", "in/[!a].conf",
		"in/[^a].conf",
		"in/[", "in/[a", "in/[].conf",
		"in/[[].conf", "in/[]]x", "in/[!]]x", "in/x\\\\*y", "in/x[*]y", "in/*/a.conf", "in/*/*",
		"in/d*/*.conf", "in/.*/a.conf", "in/nothing*", "*/a.conf",
		"in/[a-]-b", "in/*-*", "in/**", "in/[0-9]*", "in/[.]hidden.conf", "in/*[!f]",
	} {
		text := "error_log stderr; events {} http { access_log off; include \"" + pattern + "\"; }"
		if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		dump, stderr, err := askNGINX(t, conf, "-T")
		c, ownErr := Load(conf)
		if err == nil != (ownErr == nil) {
			t.Errorf("%s: %v, NGINX: %s", pattern, ownErr, stderr)
		}
		if err != nil || ownErr != nil {
			continue
		}
		var want []string
		for _, match := range dumpedFile.FindAllStringSubmatch(dump, -1) {
			want = append(want, match[1])
		}
		if diff := cmp.Diff(want, c.Files); diff != "" {
			t.Errorf("%s: %s", pattern, diff)
		}
	}
}

// A pattern costs no more than its length times the name's.
func TestPatternOfManyStars(t *testing.T) {
	if matches(strings.Repeat("*a", 2000)+"b", strings.Repeat("a", 4000)) {
		t.Error("matches without its last letter")
	}
}

// What nginx -T prints is read as the files themselves are.
func TestDumpIsReadAsTheFiles(t *testing.T) {
	for _, tree := range trees(t, "testdata/good/*") {
		t.Run(filepath.Base(tree), func(t *testing.T) {
			t.Parallel()
			conf := copyTree(t, tree)
			dumped, said, err := askNGINX(t, conf, "-T")
			if err != nil {
				t.Fatal(said)
			}
			want, err := Load(conf)
			if err != nil {
				t.Fatal(err)
			}
			// As with 2>&1, which puts what NGINX says of itself before the first file.
			file := filepath.Join(t.TempDir(), "dump.txt")
			said = strings.ReplaceAll(said, "\nnginx: [warn]", "\nnginx: ")
			if err := os.WriteFile(file, []byte(said+dumped), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := Load(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Config{}, "Path", "Files"),
				cmpopts.IgnoreUnexported(Config{}, Build{}),
				cmp.Transformer("Pos", func(p Pos) string {
					return strings.Replace(p.String(), file, conf,
						1)
				})); diff != "" {
				t.Errorf("the files and the dump of them differ:\n%s", diff)
			}
			if got.Changed() {
				t.Error("changed when it has just been read")
			}
		})
	}
}

// A missing included file is reported at the include, and is not the nginx.conf itself.
func TestMissingInclude(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"nginx.conf": "events {}\n\nhttp { include mime.types; }\n",
		"dump": "# configuration file " + dir + "/nginx.conf:\nevents {}\n\nhttp { include mime.types; }\n\n" +
			"# configuration file " + dir + "/other:\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		want := dir + `/nginx.conf:3: open() "` + dir + `/mime.types" failed (2: No such file or directory)`
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
		if IsMissing(err) {
			t.Errorf("%s itself is reported as missing", name)
		}
	}
	_, err := Load(filepath.Join(dir, "nowhere.conf"))
	if !IsMissing(err) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
