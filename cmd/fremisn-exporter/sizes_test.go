//go:build lint

package main

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The limits of function lines in code other than tests, of file lines in all code, and of columns in all files. A tab
// is four columns.
const (
	mostMedian  = 10
	mostTenth   = 26 // nine of ten functions have no more
	mostLines   = 100
	mostOfFile  = 450
	mostColumns = 120
)

// TestLintSizes holds the code to the house's measures. make lint runs it, too.
func TestLintSizes(t *testing.T) {
	checkWidths(t)
	var functions []int
	for _, file := range sources(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		checkLines(t, file, string(text))
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range parsed.Decls {
			function, is := declared.(*ast.FuncDecl)
			if !is {
				continue
			}
			lines := set.Position(function.End()).Line - set.Position(function.Pos()).Line + 1
			functions = append(functions, lines)
			if lines > mostLines {
				t.Errorf("%s: %s has %d lines, the limit is %d", file, function.Name, lines, mostLines)
			}
		}
	}
	slices.Sort(functions)
	median, tenth := functions[len(functions)/2], functions[len(functions)*9/10]
	if len(functions) < 1000 || median > mostMedian || tenth > mostTenth {
		t.Errorf("%d functions: half of them have %d lines or more, a tenth %d or more; the limits are %d and %d",
			len(functions), median, tenth, mostMedian, mostTenth)
	}
}

// sources are the Go files of the whole repository.
func sources(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != ".." && path != "../..":
			return fs.SkipDir
		case strings.HasSuffix(path, ".go"):
			files = append(files, path)
		}
		return nil
	})
	if err != nil || len(files) < 100 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	return files
}

// checkLines counts the lines of a file of Go.
func checkLines(t *testing.T, file, text string) {
	t.Helper()
	if lines := strings.Count(text, "\n"); lines > mostOfFile {
		t.Errorf("%s has %d lines, the limit is %d", file, lines, mostOfFile)
	}
}

// notWritten are the tracked files that no person writes: recorded data, what tools generate, checksums and pictures.
var notWritten = regexp.MustCompile(
	`(^|/)testdata/|^dashboards/[^/]+\.json$|package-lock\.json$|prometheusrule\.yaml$|go\.sum$|\.(png|pgo)$`)

// checkWidths counts the columns of every line of every tracked file.
func checkWidths(t *testing.T) {
	t.Helper()
	list := exec.Command("git", "ls-files", "-z")
	list.Dir = "../.."
	tracked, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for file := range strings.SplitSeq(strings.TrimRight(string(tracked), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		if notWritten.MatchString(file) || errors.Is(err, fs.ErrNotExist) { // deleted, and not committed yet
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		checked++
		for i, line := range strings.Split(string(text), "\n") {
			if n := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    ")); n > mostColumns {
				t.Errorf("%s:%d: %d columns, the limit is %d", file, i+1, n, mostColumns)
			}
		}
	}
	if checked < 500 {
		t.Errorf("only %d files were checked", checked)
	}
}
