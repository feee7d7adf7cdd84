package source

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// A Label is one of the user's own labels on the metrics of an access log.
type Label struct {
	Name     string
	Variable string // whose value it has, without its dollar
	// Every value except these is "other": the listed ones, the names that the wildcards match, and the first Max
	// others.
	Values    []string
	Wildcards []Wildcard
	Max       int
}

// A Wildcard is a server_name that matches several hosts: *.example.com, .example.com or www.example.*.
type Wildcard struct {
	Name           string
	prefix, suffix string
}

// newWildcard returns a name that matches several hosts; ok is false for a plain name.
func newWildcard(name string) (w Wildcard, ok bool) {
	switch {
	case strings.HasPrefix(name, "*."):
		return Wildcard{Name: name, suffix: name[1:]}, true
	case strings.HasPrefix(name, "."):
		return Wildcard{Name: name, suffix: name}, true
	case strings.HasSuffix(name, ".*"):
		return Wildcard{Name: name, prefix: name[:len(name)-1]}, true
	}
	return Wildcard{}, false
}

// Fits reports whether the name matches a host.
func (w Wildcard) Fits(host []byte) bool {
	if strings.HasPrefix(w.Name, ".") && string(host) == w.Name[1:] {
		return true
	}
	return len(host) > len(w.prefix)+len(w.suffix) && bytes.HasPrefix(host, []byte(w.prefix)) &&
		bytes.HasSuffix(host, []byte(w.suffix))
}

// newLabels returns the labels that a log of the config file has.
func newLabels(configs []LabelConfig, conf *nginxconf.Config) []Label {
	var labels []Label
	for _, c := range configs {
		l := Label{Name: c.Name, Variable: variableName(c.From), Values: c.Values.List, Max: c.Values.Max}
		if c.Values.ServerNames && conf != nil {
			l.takeServerNames(conf.ServerNames)
		}
		labels = append(labels, l)
	}
	return labels
}

// takeServerNames adds server names to the values, except regular expressions.
func (l *Label) takeServerNames(names []nginxconf.ServerName) {
	for _, n := range names {
		if w, ok := newWildcard(n.Name); ok {
			l.Wildcards = append(l.Wildcards, w)
		} else if n.Name != "" && n.Name != "_" && !strings.HasPrefix(n.Name, "~") {
			l.Values = append(l.Values, n.Name)
		}
	}
}

// variableName returns the name in "$host" or "${host}", or "".
func variableName(text string) string {
	found := regexp.MustCompile(`^\$(?:([A-Za-z0-9_]+)|\{([A-Za-z0-9_]+)\})$`).FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return found[1] + found[2]
}

func isLabelName(name string) bool {
	return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name) && !strings.HasPrefix(name, "__")
}

// isTakenLabel reports whether a metric of access logs has the label, or Prometheus adds it.
func isTakenLabel(name string) bool {
	if slices.Contains([]string{"le", "quantile", "job", "instance"}, name) {
		return true
	}
	for _, m := range metric.Table() {
		if m.Of == metric.AccessLog && slices.Contains(m.Labels, name) {
			return true
		}
	}
	return false
}
