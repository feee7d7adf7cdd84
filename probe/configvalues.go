package probe

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"go.yaml.in/yaml/v3"
)

// A Regexp is an expression that unmarshals itself from YAML.
type Regexp struct{ *regexp.Regexp }

// UnmarshalYAML compiles the expression.
func (r *Regexp) UnmarshalYAML(node *yaml.Node) error {
	compiled, err := compile(node, "%s")
	r.Regexp = compiled
	return err
}

// MarshalYAML returns the expression as it was written.
func (r Regexp) MarshalYAML() (any, error) {
	if r.Regexp == nil {
		return nil, nil
	}
	return r.String(), nil
}

// IsZero lets yaml omit an unset value.
func (r Regexp) IsZero() bool { return r.Regexp == nil }

func compile(node *yaml.Node, frame string) (*regexp.Regexp, error) {
	var text string
	if err := node.Decode(&text); err != nil {
		return nil, err
	}
	compiled, err := regexp.Compile(fmt.Sprintf(frame, text))
	if err != nil {
		return nil, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return compiled, nil
}

// A CEL is an expression of the Common Expression Language over a JSON body, named body.
type CEL struct {
	program cel.Program
	text    string
}

// UnmarshalYAML compiles the expression.
func (c *CEL) UnmarshalYAML(node *yaml.Node) error {
	if err := node.Decode(&c.text); err != nil {
		return err
	}
	env, err := cel.NewEnv(cel.Variable("body", cel.DynType))
	if err != nil {
		return err
	}
	ast, issues := env.Compile(c.text)
	if issues != nil && issues.Err() != nil {
		first, _, _ := strings.Cut(issues.Err().Error(), "\n")
		return fmt.Errorf("%q is not a valid CEL expression: %s", c.text, first)
	}
	// The check allows the probe's timeout to interrupt an expression.
	c.program, err = env.Program(ast, cel.InterruptCheckFrequency(100))
	return err
}

// MarshalYAML returns the expression as it was written.
func (c CEL) MarshalYAML() (any, error) { return c.text, nil }

// Bytes is a size such as 10MB, in powers of 1024 as blackbox_exporter reads it.
type Bytes int64

var byteUnits = map[string]float64{"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}

// UnmarshalYAML reads a number with its unit.
func (b *Bytes) UnmarshalYAML(node *yaml.Node) error {
	text := strings.TrimSpace(node.Value)
	digits := strings.TrimRight(text, "BKMGTbkmgti ")
	unit := strings.ToLower(strings.TrimSpace(text[len(digits):]))
	if len(unit) > 1 {
		unit = strings.TrimSuffix(strings.TrimSuffix(unit, "b"), "i")
	}
	n, err := strconv.ParseFloat(digits, 64)
	factor, ok := byteUnits[unit]
	if err != nil || !ok || n < 0 || n*factor > 1<<60 {
		return fmt.Errorf("%q is not a valid size; write for example 512KB or 10MB", node.Value)
	}
	*b = Bytes(n * factor)
	return nil
}

// Allow is configured, any, or a list of expressions.
type Allow struct {
	Any      bool
	Patterns []Regexp
}

// UnmarshalYAML takes a word or a list.
func (a *Allow) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.SequenceNode {
		for _, element := range node.Content {
			compiled, err := compile(element, "^(?:%s)$")
			if err != nil {
				return err
			}
			a.Patterns = append(a.Patterns, Regexp{compiled})
		}
		return nil
	}
	switch node.Value {
	case "configured":
	case "any":
		a.Any = true
	default:
		return fmt.Errorf("%q is neither configured nor any; write one of these, or a list of expressions such as "+
			"[\"http://10\\\\.0\\\\.0\\\\..*\"]", node.Value)
	}
	return nil
}
