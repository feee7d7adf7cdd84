package source

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// A LabelConfig is one of the user's own labels on the metrics of an access log.
type LabelConfig struct {
	Name   string      `yaml:"name"`
	From   string      `yaml:"from"` // a variable of the log_format, such as $host
	Values LabelValues `yaml:"values"`
}

// LabelValues are the values that a label may have; any other is "other".
type LabelValues struct {
	ServerNames bool // those of nginx.conf's server_name
	List        []string
	Max         int // the first so many values
}

const valuesHint = "write server_names, a list such as [a, b], or {max: 50}"

// UnmarshalYAML accepts server_names, a list, or {max: N}.
func (v *LabelValues) UnmarshalYAML(node *yaml.Node) error {
	switch node.Kind {
	case yaml.ScalarNode:
		if node.Value != "server_names" {
			return fmt.Errorf("%q is not a valid set of values; %s", node.Value, valuesHint)
		}
		v.ServerNames = true
		return nil
	case yaml.SequenceNode:
		if err := node.Decode(&v.List); err != nil || len(v.List) == 0 {
			return fmt.Errorf("this is not a list of values; %s", valuesHint)
		}
		return nil
	}
	if len(node.Content) != 2 || node.Content[0].Value != "max" || node.Content[1].Decode(&v.Max) != nil {
		return fmt.Errorf("this is not a valid set of values; %s", valuesHint)
	}
	if v.Max < 1 || v.Max > maxLabelValues {
		return fmt.Errorf("max: %d is not from 1 to %d", v.Max, maxLabelValues)
	}
	return nil
}

const (
	maxLabels      = 4
	maxLabelValues = 10000
)

// validateLabels checks the labels of one log.
func validateLabels(labels []LabelConfig) error {
	if len(labels) > maxLabels {
		return faultf("labels", "there are %d labels, at most %d are allowed; remove %d", len(labels),
			maxLabels, len(labels)-maxLabels)
	}
	seen := map[string]bool{}
	for i, l := range labels {
		if fault := l.fault(seen); fault != nil {
			return faultf(fmt.Sprintf("labels[%d].%s", i, fault.field), "%s", fault.msg)
		}
		seen[l.Name] = true
	}
	return nil
}

type labelFault struct{ field, msg string }

func (l LabelConfig) fault(seen map[string]bool) *labelFault {
	switch {
	case !isLabelName(l.Name):
		return &labelFault{"name", fmt.Sprintf("%q is not a valid label name; write letters, digits and _, such as "+
			"host",
			l.Name)}
	case isTakenLabel(l.Name):
		return &labelFault{"name", fmt.Sprintf("the label %q exists already; choose another name", l.Name)}
	case seen[l.Name]:
		return &labelFault{"name", fmt.Sprintf("the label %q is given twice; keep one", l.Name)}
	case variableName(l.From) == "":
		return &labelFault{"from", fmt.Sprintf("%q is not a variable; write one of the log_format such as $host",
			l.From)}
	case !l.Values.ServerNames && len(l.Values.List) == 0 && l.Values.Max == 0:
		return &labelFault{"values", "the values are missing; " + valuesHint}
	case len(l.Values.List) > maxLabelValues:
		return &labelFault{"values", fmt.Sprintf("there are %d values, more than %d", len(l.Values.List),
			maxLabelValues)}
	}
	return nil
}
