// Package strictyaml decodes YAML into Go types strictly: an unknown or duplicate key, a value of the wrong kind or a
// duration without its unit is an error that names file, line, key and remedy. It reports all faults of a file at
// once, except those between values that are faulty themselves: that two probes have one name is reported once both
// are valid.
//
// Types may have SetDefaults(), called before their keys are read, and Validate() error, called after them, inner
// values first. A Validate error made by [Errorf] names the field below the value that it is about, such as
// "targets[2]".
//
// The package imports nothing of this program, so that all of it may use it.
package strictyaml

import (
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An Error is one fault in a file.
type Error struct {
	File string
	Line int    // 0: the whole file
	Path string // "probes[0].interval"; "" for the whole file
	Msg  string
	Err  error // the underlying error, nil for a fault of the file itself
}

// Unwrap returns the underlying error.
func (e *Error) Unwrap() error { return e.Err }

func (e *Error) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", e.File, e.Line)
	}
	if e.Path != "" {
		where += ": " + e.Path
	}
	return where + ": " + e.Msg
}

// A FieldError is a fault of one value. The check of the value returns it without knowing its place in the file.
type FieldError struct {
	Field string // below the checked value, such as "targets[2]"; "" for the value itself
	Msg   string
}

func (e *FieldError) Error() string { return e.Msg }

// Errorf returns a FieldError.
func Errorf(field, format string, args ...any) error {
	return &FieldError{field, fmt.Sprintf(format, args...)}
}

// maxFaults is how many faults of a file an error lists; a file that is not a config at all has thousands.
const maxFaults = 20

// Errors are all faults of a file, in the order of their lines.
type Errors []*Error

func (e Errors) Error() string {
	var lines []string
	for i, err := range e {
		if i == maxFaults && len(e) > maxFaults+1 {
			lines = append(lines, fmt.Sprintf("and %d more", len(e)-maxFaults))
			break
		}
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "\n")
}

// maxNodes limits the work that aliases of aliases can cause, maxDepth that of an alias of itself.
const (
	maxNodes = 1 << 20
	maxDepth = 100
)

// A Document is a parsed file: it knows the line of each key.
type Document struct {
	file  string
	lines map[string]int // path → line
	errs  Errors
	nodes int
	depth int
}

// Decode reads data, the content of the named file, into the struct that into points to.
// Its error is of type Errors. The document knows the lines of keys for later checks.
func Decode(file string, data []byte, into any) (*Document, error) {
	d := &Document{file: file, lines: map[string]int{}}
	root, err := d.parse(data)
	if err != nil {
		return d, Errors{err}
	}
	d.value(root, reflect.ValueOf(into).Elem(), "")
	sort.SliceStable(d.errs, func(i, j int) bool { return d.errs[i].Line < d.errs[j].Line })
	if len(d.errs) > 0 {
		return d, d.errs
	}
	return d, nil
}

// Fault returns an error about the key at path, with the line of the key or of the nearest one around it.
func (d *Document) Fault(path, msg string) *Error {
	return &Error{File: d.file, Line: d.line(path), Path: path, Msg: msg}
}

// Place adds the lines to the FieldErrors of the whole document, joined by errors.Join. Its error is of type Errors,
// unless err contains another error, which it returns unchanged.
func (d *Document) Place(err error) error {
	var placed Errors
	for _, err := range unjoin(err) {
		var about *FieldError
		if !errors.As(err, &about) {
			return err
		}
		placed = append(placed, d.Fault(about.Field, err.Error()))
	}
	return placed
}

// line returns the line of the key at path, or of the nearest one around it; 0 for none.
func (d *Document) line(path string) int {
	for path != "" {
		if line, ok := d.lines[path]; ok {
			return line
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			break
		}
		path = path[:cut]
	}
	return d.lines[""]
}

func (d *Document) fail(line int, path, format string, args ...any) {
	d.errs = append(d.errs, &Error{File: d.file, Line: line, Path: path, Msg: fmt.Sprintf(format, args...)})
}

// value decodes node into v. It is the only caller of SetDefaults and Validate.
func (d *Document) value(node *yaml.Node, v reflect.Value, path string) {
	if d.nodes++; d.nodes > maxNodes {
		if d.nodes == maxNodes+1 {
			d.fail(node.Line, path, "the file expands to more than a million values; use fewer aliases")
		}
		return
	}
	if d.depth++; d.depth > maxDepth {
		d.depth--
		d.fail(node.Line, path, "values nest more than %d deep", maxDepth)
		return
	}
	defer func() { d.depth-- }()
	node = resolve(node)
	if _, found := d.lines[path]; !found {
		d.lines[path] = node.Line
	}
	if v.Kind() == reflect.Pointer && !isNull(node) {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(node, v.Elem(), path)
		return
	}
	if defaulter, ok := v.Addr().Interface().(interface{ SetDefaults() }); ok {
		defaulter.SetDefaults()
	}
	before := len(d.errs)
	d.fill(node, v, path)
	if len(d.errs) == before {
		d.validate(v, path)
	}
}

func (d *Document) fill(node *yaml.Node, v reflect.Value, path string) {
	switch {
	case isNull(node):
		// A key without a value is ignored.
	case hasUnmarshaler(v):
		if node.Kind == yaml.MappingNode && v.Kind() == reflect.Struct {
			d.checkKeys(node, v.Type(), path, 0)
		}
		d.decode(node, v, path)
	case isDuration(v.Type()):
		d.duration(node, v, path)
	case v.Kind() == reflect.Struct:
		d.structure(node, v, path)
	case v.Kind() == reflect.Slice:
		d.list(node, v, path)
	case v.Kind() == reflect.Map:
		d.mapping(node, v, path)
	default:
		d.decode(node, v, path)
	}
}

func (d *Document) validate(v reflect.Value, path string) {
	validator, ok := v.Addr().Interface().(interface{ Validate() error })
	if !ok {
		return
	}
	err := validator.Validate()
	if err == nil {
		return
	}
	for _, err := range unjoin(err) {
		var about *FieldError
		at := path
		if errors.As(err, &about) {
			at = join(path, about.Field)
		}
		d.fail(d.line(at), at, "%s", err)
	}
}

// unjoin returns the errors that errors.Join has joined, recursively.
func unjoin(err error) []error {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, err := range several.Unwrap() {
		all = append(all, unjoin(err)...)
	}
	return all
}

func (d *Document) structure(node *yaml.Node, v reflect.Value, path string) {
	if !d.wants(node, yaml.MappingNode, path) {
		return
	}
	fields, before := fieldsOf(v.Type()), len(d.errs)
	d.eachKey(node, path, func(key, value *yaml.Node) {
		at := join(path, key.Value)
		if f, ok := fields.byName[key.Value]; ok {
			d.lines[at] = key.Line
			d.value(value, v.FieldByIndex(f), at)
			return
		}
		if fields.rest != nil {
			d.mapEntry(key, value, v.FieldByIndex(fields.rest), at)
			return
		}
		d.unknown(key, at, fields)
	})
	for _, inline := range fields.inlined {
		if len(d.errs) > before {
			return
		}
		d.validate(v.FieldByIndex(inline), path)
	}
}

// checkKeys reports unknown and duplicate keys of a struct that unmarshals itself.
func (d *Document) checkKeys(node *yaml.Node, t reflect.Type, path string, depth int) {
	if depth > maxDepth {
		d.fail(node.Line, path, "values nest more than %d deep", maxDepth)
		return
	}
	fields := fieldsOf(t)
	d.eachKey(node, path, func(key, value *yaml.Node) {
		at := join(path, key.Value)
		d.lines[at] = key.Line
		f, ok := fields.byName[key.Value]
		switch {
		case !ok && fields.rest == nil:
			d.unknown(key, at, fields)
		case ok:
			inner := t.FieldByIndex(f).Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if value = resolve(value); value.Kind == yaml.MappingNode && inner.Kind() == reflect.Struct {
				d.checkKeys(value, inner, at, depth+1)
			}
		}
	})
}

func (d *Document) unknown(key *yaml.Node, path string, fields fieldSet) {
	if strings.ContainsRune(key.Value, '\u00a0') {
		d.fail(key.Line, strings.ReplaceAll(path, "\u00a0", ""), "a no-break space before the key; write plain ones")
		return
	}
	if near := nearest(key.Value, fields.names); near != "" {
		d.fail(key.Line, path, "unknown key; did you mean %s?", near)
		return
	}
	d.fail(key.Line, path, "unknown key; the keys here are: %s", strings.Join(fields.names, ", "))
}

// eachKey calls do for every key of a mapping, those merged by "<<" after its own.
func (d *Document) eachKey(node *yaml.Node, path string, do func(key, value *yaml.Node)) {
	seen := map[string]int{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Tag == "!!merge" {
			merged = append(merged, value)
			continue
		}
		if first, twice := seen[key.Value]; twice {
			d.fail(key.Line, join(path, key.Value), "duplicate key, first in line %d; keep one", first)
			continue
		}
		seen[key.Value] = key.Line
		do(key, value)
	}
	for len(merged) > 0 && d.nodes <= maxNodes {
		from := resolve(merged[0])
		merged = merged[1:]
		if from.Kind == yaml.SequenceNode {
			merged = append(merged, from.Content...)
			continue
		}
		if from.Kind != yaml.MappingNode {
			d.fail(from.Line, join(path, "<<"), "got %s, want an alias of a mapping, such as "+
				"*defaults", describe(from))
			continue
		}
		for i := 0; i+1 < len(from.Content); i += 2 {
			d.nodes++
			key, value := from.Content[i], from.Content[i+1]
			if key.Tag == "!!merge" {
				merged = append(merged, value)
				continue
			}
			if _, own := seen[key.Value]; !own {
				seen[key.Value] = key.Line
				do(key, value)
			}
		}
	}
}

func (d *Document) list(node *yaml.Node, v reflect.Value, path string) {
	if !d.wants(node, yaml.SequenceNode, path) {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content)))
	for i, element := range node.Content {
		d.value(element, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

func (d *Document) mapping(node *yaml.Node, v reflect.Value, path string) {
	if !d.wants(node, yaml.MappingNode, path) {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	d.eachKey(node, path, func(key, value *yaml.Node) {
		d.mapEntry(key, value, v, join(path, key.Value))
	})
}

func (d *Document) mapEntry(key, value *yaml.Node, into reflect.Value, path string) {
	if into.IsNil() {
		into.Set(reflect.MakeMap(into.Type()))
	}
	d.lines[path] = key.Line
	k := reflect.New(into.Type().Key()).Elem()
	if err := key.Decode(k.Addr().Interface()); err != nil {
		d.fail(key.Line, path, "%s", plain(err))
		return
	}
	element := reflect.New(into.Type().Elem()).Elem()
	d.value(value, element, path)
	into.SetMapIndex(k, element)
}

func (d *Document) wants(node *yaml.Node, kind yaml.Kind, path string) bool {
	if node.Kind == kind {
		return true
	}
	switch {
	case kind == yaml.MappingNode && path == "" && node.Kind == yaml.SequenceNode:
		d.fail(node.Line, path, "got a list, want sections such as nginx: and probes:; remove the dashes before them")
	case kind == yaml.MappingNode:
		d.fail(node.Line, path, "got %s, want a mapping (keys with values)", describe(node))
	case node.Kind == yaml.MappingNode:
		d.fail(node.Line, path, "got %s, want a list; begin each element with a dash", describe(node))
	default:
		d.fail(node.Line, path, "got %s, want a list; write [%s]", describe(node), short(node))
	}
	return false
}

var errFraction = errors.New("not a whole number")

func (d *Document) decode(node *yaml.Node, v reflect.Value, path string) {
	if want := kindName(v); node.Kind != yaml.ScalarNode && want != "" && !hasUnmarshaler(v) {
		d.fail(node.Line, path, "got %s, want %s", describe(node), want)
		return
	}
	err := node.Decode(v.Addr().Interface())
	if err == nil && isFraction(node, v) {
		err = errFraction
	}
	if err != nil {
		if want := kindName(v); want != "" && node.Kind == yaml.ScalarNode && !hasUnmarshaler(v) {
			d.fail(node.Line, path, "%q is not %s%s", node.Value, want, example(node, v))
			return
		}
		d.fail(node.Line, path, "%s", plain(err))
	}
}
