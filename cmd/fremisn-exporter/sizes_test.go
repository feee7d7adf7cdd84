//go:build lint

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The limits of function lines in code other than tests, and of file lines and columns in all code. A tab is four
// columns.
const (
	mostMedian  = 10
	mostTenth   = 26 // nine of ten functions have no more
	mostLines   = 100
	mostOfFile  = 450
	mostColumns = 120
)

// measured is a function that is kept whole because it is measured: fastSteps reads each line of an access log in one
// loop that calls nothing, so that all it works with stays in registers. Cut in two it makes BenchmarkCount of
// accesslog 2 to 5 % slower.
const measured = "../../collector/internal/logformat/fast_steps.go: fastSteps"

// TestLintSizes holds the code to the house's measures. make lint runs it, too.
func TestLintSizes(t *testing.T) {
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
			if lines > mostLines && file+": "+function.Name.Name != measured {
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

// checkLines counts the lines of a file and the columns of each. Only text that cannot be broken may be longer: a raw
// string in back quotes, and an address that fills half a line by itself.
func checkLines(t *testing.T, file, text string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) > mostOfFile {
		t.Errorf("%s has %d lines, the limit is %d", file, len(lines), mostOfFile)
	}
	inRaw := false
	for i, line := range lines {
		raw := inRaw || strings.Contains(line, "`")
		if strings.Count(line, "`")%2 == 1 {
			inRaw = !inRaw
		}
		columns := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    "))
		if columns > mostColumns && !raw && !hasLongAddress(line) {
			t.Errorf("%s:%d: %d columns, the limit is %d", file, i+1, columns, mostColumns)
		}
	}
}

// hasLongAddress reports whether a line has a URL, or a path of one such as "/d/…", that fills half a line.
func hasLongAddress(line string) bool {
	return slices.ContainsFunc(strings.Fields(line), func(word string) bool {
		return utf8.RuneCountInString(word) > mostColumns/2 &&
			(strings.Contains(word, "://") || strings.HasPrefix(strings.TrimLeft(word, `"(`), "/"))
	})
}
