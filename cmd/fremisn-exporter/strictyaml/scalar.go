package strictyaml

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

func isDuration(t reflect.Type) bool {
	return t == reflect.TypeFor[time.Duration]() || t == reflect.TypeFor[model.Duration]()
}

// duration parses Prometheus' durations (5s, 1m30s, 1d), and Go's (1.5s).
func (d *Document) duration(node *yaml.Node, v reflect.Value, path string) {
	text := node.Value
	if node.Kind != yaml.ScalarNode {
		d.fail(node.Line, path, "got %s, want a duration such as 5s", describe(node))
		return
	}
	if number, err := strconv.ParseFloat(text, 64); err == nil {
		switch {
		case number < 0:
			d.fail(node.Line, path, "%q is negative and has no unit; write a time above zero such as 5s", text)
		case number == 0:
			v.SetInt(0)
		default:
			d.fail(node.Line, path, "%q has no unit; write %ss", text, text)
		}
		return
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		var days model.Duration
		if days, err = model.ParseDuration(text); err != nil {
			fault, remedy := "is not a duration", "write "+likelyDuration(text)
			if likelyDuration(text) == text {
				fault, remedy = "is too long", "the longest time is about 290 years"
			}
			d.fail(node.Line, path, "%q %s; %s", text, fault, remedy)
			return
		}
		parsed = time.Duration(days)
	}
	if parsed < 0 {
		d.fail(node.Line, path, "%q is negative; write a time above zero such as %s", text,
			strings.TrimPrefix(text, "-"))
		return
	}
	v.SetInt(int64(parsed))
}

var spokenDuration = regexp.MustCompile(
	`(?i)^([0-9.]+)(ms|msecs?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)$`)

// likelyDuration returns the duration that an invalid text most likely means, or examples.
func likelyDuration(text string) string {
	said := spokenDuration.FindStringSubmatch(strings.ReplaceAll(text, " ", ""))
	if said == nil {
		return "for example 500ms, 5s or 1m"
	}
	unit := strings.ToLower(said[2])
	if strings.HasPrefix(unit, "ms") || strings.HasPrefix(unit, "milli") {
		return said[1] + "ms"
	}
	return said[1] + unit[:1]
}

// hasUnmarshaler reports whether a type unmarshals itself. A struct that has the method only from a struct inlined in
// it would read only that one.
func hasUnmarshaler(v reflect.Value) bool {
	if isDuration(v.Type()) || v.Kind() == reflect.Struct && inlinesUnmarshaler(v) {
		return false
	}
	switch v.Addr().Interface().(type) {
	case yaml.Unmarshaler, interface{ UnmarshalYAML(func(any) error) error }:
		return true
	}
	return false
}

func inlinesUnmarshaler(v reflect.Value) bool {
	for _, inlined := range fieldsOf(v.Type()).inlined {
		if hasUnmarshaler(v.FieldByIndex(inlined)) {
			return true
		}
	}
	return false
}

func kindName(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, 0 or more"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "a text"
	}
	return ""
}

// isFraction reports whether a value that must be a whole number is another one, which yaml.v3 would cut off.
func isFraction(node *yaml.Node, v reflect.Value) bool {
	number, err := strconv.ParseFloat(node.Value, 64)
	return err == nil && number != math.Trunc(number) && (v.CanInt() || v.CanUint())
}

// example says how to write a value of a kind.
func example(node *yaml.Node, v reflect.Value) string {
	_, err := strconv.ParseFloat(node.Value, 64)
	isQuoted := node.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0
	switch v.Kind() {
	case reflect.Bool, reflect.String:
		return ""
	case reflect.Float32, reflect.Float64:
		if err == nil && isQuoted {
			return "; write " + node.Value + " without quotes"
		}
		return "; write only a number, such as 0.5"
	}
	if _, err := strconv.ParseInt(node.Value, 10, 64); err == nil && isQuoted {
		return "; write " + node.Value + " without quotes"
	}
	return "; write only digits, such as 100"
}

func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return strconv.Quote(node.Value)
}

func short(node *yaml.Node) string {
	if node.Kind == yaml.ScalarNode && len(node.Value) < 60 {
		return node.Value
	}
	return "…"
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

func resolve(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

func join(path, field string) string {
	switch {
	case path == "" || field == "":
		return path + field
	case field[0] == '[':
		return path + field
	}
	return path + "." + field
}

var unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)

// badByte returns the line with the first byte that YAML rejects, 0 for none; the library does not name it.
func badByte(data []byte) int {
	line := 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == '\n':
			line++
		case r == utf8.RuneError && size == 1, r < ' ' && r != '\t' && r != '\r', r == 0x7f:
			return line
		}
		data = data[size:]
	}
	return 0
}

var lineInYAMLError = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s*)?line (\d+): `)

// plain returns a YAML library's error without its preamble.
func plain(err error) string {
	var typed *yaml.TypeError
	if errors.As(err, &typed) && len(typed.Errors) > 0 {
		return lineInYAMLError.ReplaceAllString(typed.Errors[0], "")
	}
	return strings.TrimPrefix(lineInYAMLError.ReplaceAllString(err.Error(), ""), "yaml: ")
}

// parse reads the single document of the file.
func (d *Document) parse(data []byte) (*yaml.Node, *Error) {
	var document yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	err := decoder.Decode(&document)
	switch {
	case errors.Is(err, io.EOF), err == nil && isEmpty(&document):
		return nil, &Error{File: d.file, Msg: "the file is empty; it needs at least one of the sections nginx, " +
			"nodes, modules, probes"}
	case err != nil:
		return nil, d.syntax(data, err)
	}
	switch err := decoder.Decode(new(yaml.Node)); {
	case err == nil:
		return nil, &Error{File: d.file, Msg: "the file holds several documents; remove the line --- between them " +
			"and all but one"}
	case !errors.Is(err, io.EOF):
		return nil, d.syntax(data, err)
	}
	return document.Content[0], nil
}

func isEmpty(document *yaml.Node) bool {
	return len(document.Content) == 0 || isNull(document.Content[0]) || allNull(document.Content[0])
}

// allNull reports whether all keys of a file have no value.
func allNull(root *yaml.Node) bool {
	if root.Kind != yaml.MappingNode {
		return false
	}
	for i := 1; i < len(root.Content); i += 2 {
		if !isNull(root.Content[i]) {
			return false
		}
	}
	return true
}

// syntax makes a YAML syntax error point at the line to change. The library names the line before a forbidden tab, or
// none.
func (d *Document) syntax(data []byte, err error) *Error {
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		if indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]; strings.Contains(indent, "\t") &&
			strings.TrimSpace(line) != "" {
			return &Error{File: d.file, Line: i + 1, Msg: "a tab in the indentation; YAML allows only spaces"}
		}
	}
	line := badByte(data)
	if m := unknownAnchor.FindStringSubmatch(err.Error()); m != nil {
		line = 1 + strings.Count(string(data[:max(0, bytes.Index(data, []byte("*"+m[1])))]), "\n")
		// The message omits the name: it may be a password that begins with a star.
		return &Error{File: d.file, Line: line, Msg: "an alias (*…) without its anchor (&…) above it; put a value " +
			"that begins with * in quotes"}
	}
	if m := lineInYAMLError.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	says := plain(err)
	line = faultyLine(says, lines, max(line, 1)) // none: the first
	msg := "not YAML: " + says
	if write := advice(says, lines, line); write != "" {
		msg += "; " + write
	}
	return &Error{File: d.file, Line: line, Msg: msg}
}
