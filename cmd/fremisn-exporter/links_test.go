package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]*)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// TestLinks: every relative link of every document leads to a file, and every anchor to a heading in it.
func TestLinks(t *testing.T) {
	checked := 0
	for _, document := range documents(t) {
		for _, match := range link.FindAllStringSubmatch(prose(t, document), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			checked++
			path := document
			if target != "" {
				path = filepath.Join(filepath.Dir(document), target)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: broken link: %v", document, err)
			} else if anchor != "" && !slices.Contains(anchors(prose(t, path)), anchor) {
				t.Errorf("%s: %s has no heading for #%s", document, path, anchor)
			}
		}
	}
	if checked < 45 {
		t.Errorf("only %d links were found", checked)
	}
}

// TestAnchors: headings become anchors as on GitHub.
func TestAnchors(t *testing.T) {
	got := anchors("# The `past`, in dashboards\n## Further keys\n## Further keys\n")
	if want := []string{"the-past-in-dashboards", "further-keys", "further-keys-1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// anchors returns the anchors of a document's headings in GitHub's spelling.
func anchors(text string) (all []string) {
	seen := map[string]int{}
	for _, match := range heading.FindAllStringSubmatch(text, -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, match[1])
		if n := seen[anchor]; n > 0 {
			all = append(all, anchor+"-"+string(rune('0'+n)))
		} else {
			all = append(all, anchor)
		}
		seen[anchor]++
	}
	return all
}

// documents returns every Markdown file of the repository.
func documents(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules" || entry.Name() == "dist"):
			return fs.SkipDir
		case strings.HasSuffix(path, ".md"):
			all = append(all, path)
		}
		return nil
	})
	if err != nil || len(all) < 60 {
		t.Fatalf("%d documents: %v", len(all), err)
	}
	return all
}

// prose returns the text of a document without its code blocks.
func prose(t *testing.T, document string) string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return codeBlocks.ReplaceAllString(string(text), "")
}

// TestContributingPaths: every file that CONTRIBUTING.md names exists, relative to the root or to one of our folders.
func TestContributingPaths(t *testing.T) {
	root := filepath.Join("..", "..")
	text := prose(t, filepath.Join(root, "CONTRIBUTING.md"))
	checked := 0
	named := regexp.MustCompile("`([\\w./-]+\\.(?:go|md|yml|json|libsonnet))`")
	for _, match := range named.FindAllStringSubmatch(text, -1) {
		if strings.Contains(match[1], "NAME") || match[1] == "verdict.json" { // a placeholder; in the storage path
			continue
		}
		checked++
		found := false
		for _, base := range []string{"", "collector/internal", "cmd/fremisn-exporter",
			"cmd/fremisn-exporter/internal"} {
			_, err := os.Stat(filepath.Join(root, base, match[1]))
			found = found || err == nil
		}
		if !found {
			t.Errorf("CONTRIBUTING.md names %s, which does not exist", match[1])
		}
	}
	if checked < 12 {
		t.Errorf("only %d paths were found", checked)
	}
}

// TestProseWidth: lines of documents have at most 120 columns, those of tables and code blocks, too.
func TestProseWidth(t *testing.T) {
	for _, document := range documents(t) {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimRight(line, "\n")
			if n := utf8.RuneCountInString(line); n > 120 {
				t.Errorf("%s: %d columns: %s", document, n, line)
			}
		}
	}
}
