package tail

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestFilesOfAPattern: a path is taken literally once it is escaped, and a file of a glob's own name is one of its
// files.
func TestFilesOfAPattern(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a[1].log", "a1.log", `b\[1].log`, "b[1].log", "*.txt", "c.txt", "d["} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for pattern, want := range map[string][]string{
		"a[1].log":             {"a1.log", "a[1].log"},
		"b[1].log":             {"b[1].log"},
		"*.txt":                {"*.txt", "c.txt"},
		"d[":                   {"d["},
		"e[1].log":             nil,
		"e.log":                nil,
		"c.txt":                {"c.txt"},
		Literal("a[1].log"):    {"a[1].log"},
		Literal("*.txt"):       {"*.txt"},
		Literal(`b\[1].log`):   {`b\[1].log`},
		Literal("d["):          {"d["},
		Literal("e?.log"):      nil,
		Literal("c.txt"):       {"c.txt"},
		Literal(`no\such.log`): nil,
	} {
		got, err := Files(filepath.Join(dir, pattern))
		if err != nil {
			t.Errorf("%s: %s", pattern, err)
		}
		for i := range got {
			got[i] = filepath.Base(got[i])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", pattern, got, want)
		}
	}
	if _, err := Files(filepath.Join(dir, "f[")); err == nil {
		t.Error("a pattern that cannot be parsed gives no error")
	}
}

func TestPlain(t *testing.T) {
	for _, path := range []string{"/a/access.log", "a[1].log", `a\b.log`, `a\[1].log`, `\`, "a*?.log", `[\`, ""} {
		if got, ok := Plain(Literal(path)); !ok || got != path {
			t.Errorf("%q as a pattern stands for %q, %t", path, got, ok)
		}
	}
	for _, glob := range []string{"*.log", `\[a*`, "a?", `a\\[1]`} {
		if path, ok := Plain(glob); ok {
			t.Errorf("the glob %q stands only for %q", glob, path)
		}
	}
}
