package strictyaml

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A hint says what to change where the YAML library says something.
type hint struct{ says, write string }

// hints returns what the library's errors most often mean. They are for people who do not know YAML's grammar.
func hints() []hint {
	return []hint{
		{"did not find expected '-' indicator", sameColumn}, {"did not find expected key", sameColumn},
		{"did not find expected <block end>", sameColumn},
		{"could not find expected ':'", "write KEY: VALUE, with a colon and a space"},
		{"did not find expected ',' or ']'", "end the list with ], and put commas between its elements"},
		{"did not find expected ',' or '}'", "end the mapping with }, and put commas between its keys"},
		{"did not find expected node content", "put a value that begins with : ] } or , in quotes"},
		{"found character that cannot start any token", "put a value that begins with % @ or ` in quotes"},
		{"found unexpected end of stream", "a quote that opens needs one that closes"},
		{"found unknown escape character", `write the value in single quotes, or each \ twice`},
		{"control characters are not allowed", "is this the right file, and a text?"},
		{"UTF-8", "save the file as UTF-8"},
		{"did not find expected <document start>", "remove it: a config is one mapping, and nothing follows its end"},
	}
}

const sameColumn = "begin the keys of one mapping, and the dashes of one list, in the same column"

var colonInValue = regexp.MustCompile(`^[-\s]*[\w.]+:\s+[^\s"'\[{|>].*:\s`)

// advice returns what to change in line number n, "" where that is not known.
func advice(says string, lines []string, n int) string {
	at := func(n int) string {
		if n < 1 || n > len(lines) {
			return ""
		}
		return lines[n-1]
	}
	if strings.HasPrefix(says, "mapping values are not allowed") {
		switch {
		case strings.ContainsRune(at(n)+at(n-1), '\u00a0'):
			return "it, or the line above, has a no-break space; write a plain one"
		case colonInValue.MatchString(at(n) + " "):
			return "put a value with a colon and a space in quotes"
		}
		return "the line above may lack a colon, or this one is indented too far"
	}
	for _, h := range hints() {
		if strings.Contains(says, h.says) {
			return h.write
		}
	}
	return ""
}

// maxSearch bounds the search for the line of a fault: each step reads the file from its beginning.
const (
	maxSearch      = 200
	maxSearchBytes = 64 << 10
)

// faultyLine returns the line of a fault of which the library names the beginning of the list or mapping around it: up
// to the line before, the file can be read.
func faultyLine(says string, lines []string, n int) int {
	expected, isExpected := strings.CutPrefix(says, "did not find expected ")
	if !isExpected || strings.HasPrefix(expected, "<") || n < 1 || len(strings.Join(lines, "\n")) > maxSearchBytes {
		return n
	}
	for i := n; i <= min(len(lines), n+maxSearch); i++ {
		var node yaml.Node
		if err := yaml.Unmarshal([]byte(strings.Join(lines[:i], "\n")), &node); err != nil && plain(err) == says {
			return i
		}
	}
	return n
}
