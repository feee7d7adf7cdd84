package past

import (
	"fmt"
	"strings"
)

// malformed says how many lines are left out because they fit no format, and what to do about it; m is one of them, nil
// if every line fits. Lines are not read in a format that nobody has named: they may be a client's text, and serve does
// not count them either.
func (r *reading) malformed(lines LineCounts, m *misfit) []error {
	if m == nil {
		return nil
	}
	count := numbered(int(lines.Malformed), "line") + " are malformed and left out: they do"
	if lines.Malformed == 1 {
		count = "1 line is malformed and left out: it does"
	}
	remedy := "give the one that it is written in by --format"
	if fits := r.fitting(m); fits != "" {
		remedy = "give both: " + strings.Join(append(m.formats.flags(), "--format "+fits), " ")
	}
	return []error{fmt.Errorf("%s not fit the log_format %s; if that has changed, %s", count, m.formats.name(), remedy)}
}

// flags returns the formats as they are given on a command line.
func (f *formats) flags() []string {
	var list []string
	for _, format := range f.list {
		name := format.Name
		if name == "" {
			name = "'" + format.Text + "'"
		}
		list = append(list, "--format "+name)
	}
	return list
}
