package collector

import (
	"regexp"
	"slices"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// NewLogCheck is NewFormatCheck for all formats of a log.
func NewLogCheck(log source.LogSource) (*FormatCheck, error) {
	var programs []*logformat.Program
	for _, f := range log.Formats {
		program, err := log.Program(f)
		if err != nil {
			return nil, err
		}
		programs = append(programs, program)
	}
	parser := logformat.NewParser(programs[0], programs[1:]...)
	return &FormatCheck{parser, logformat.NewRecord(), log.Kind == source.Stream}, nil
}

// Extended returns a log_format that has all that another has, and behind it what that lacks to give every metric. One
// that is written over several lines becomes one line: of several only one is read. Extended returns the same where
// nothing is lacking or where none can be made of it.
func Extended(f source.Format, kind source.Kind) source.Format {
	checkOf := func(f source.Format) (*FormatCheck, error) {
		return NewLogCheck(source.LogSource{Kind: kind, Formats: []source.Format{f}})
	}
	if check, err := checkOf(f); err != nil || len(check.Missing()) == 0 {
		return f
	}
	extended := f
	extended.Text = inOneLine(f.Text)
	for range 3 { // what is missing beside a variable becomes visible once that is there
		check, err := checkOf(extended)
		if err != nil {
			return f
		}
		missing := check.Missing()
		if len(missing) == 0 {
			return extended
		}
		variables := variablesOf(missing)
		if !check.parser.Program.Has(logformat.Msec) && kind == source.Access { // only whatif needs it, no metric
			variables = append(variables, "$msec")
		}
		extended.Text = extend(extended, variables)
	}
	return f
}

// inOneLine joins the lines of a log_format; a line break at its end stays.
func inOneLine(format string) string {
	text := strings.TrimRight(format, "\n")
	end := format[len(text):]
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) < 2 {
		return format
	}
	return strings.Join(lines, " ") + end
}

func variablesOf(missing []MissingMetric) []string {
	var variables []string
	for _, m := range missing {
		for _, v := range strings.Split(m.Variable, ", ") {
			if !slices.Contains(variables, v) {
				variables = append(variables, v)
			}
		}
	}
	return variables
}

// shortNames are the names before the variables in FullLogFormat.
func shortNames() map[string]string {
	names := map[string]string{}
	for _, match := range regexp.MustCompile(`(\w+)="?(\$\w+)`).FindAllStringSubmatch(FullLogFormat, -1) {
		names[match[2]] = match[1]
	}
	return names
}

// extend adds variables behind a format's own text.
func extend(f source.Format, variables []string) string {
	var b strings.Builder
	text := strings.TrimRight(f.Text, "\n ")
	end := f.Text[len(text):]
	inner, isJSON := strings.CutSuffix(text, "}")
	if isJSON = isJSON && strings.HasPrefix(strings.TrimSpace(text), "{"); isJSON {
		text, end = strings.TrimRight(inner, " \n"), "}"+end
	}
	b.WriteString(text)
	short := shortNames()
	for _, v := range variables {
		name := short[v]
		if isJSON || name == "" { // JSON may already have a short one
			name = strings.TrimPrefix(v, "$")
		}
		switch {
		case isJSON:
			b.WriteString(`,"` + name + `":"` + v + `"`)
		case v == "$request" || strings.HasPrefix(v, "$upstream_") && v != "$upstream_cache_status": // may have spaces
			b.WriteString(" " + name + `="` + v + `"`)
		default:
			b.WriteString(" " + name + "=" + v)
		}
	}
	return b.String() + end
}

// MetricsGiven returns which metrics of status pages and logs the settings provide, of all that exist.
func MetricsGiven(s *source.Settings) (given, all int) {
	checks, streams := checksOf(s.AccessLogs), checksOf(s.StreamLogs)
	for _, m := range metric.Table() {
		isGiven := false
		switch {
		case m.Of == metric.StatusPage:
			isGiven = len(s.Status) > 0
		case m.IsOf(false):
			isGiven = slices.ContainsFunc(checks, func(c *FormatCheck) bool { return m.GivenBy(c.parser) })
		case m.Of == metric.StreamLog && len(streams) > 0:
			isGiven = slices.ContainsFunc(streams, func(c *FormatCheck) bool { return c.gives(m.Name) })
		case m.Of == metric.ErrorLog:
			isGiven = len(s.ErrorLogs) > 0
		default:
			continue
		}
		all++
		if isGiven {
			given++
		}
	}
	return given, all
}

func checksOf(logs []source.LogSource) []*FormatCheck {
	var checks []*FormatCheck
	for _, log := range logs {
		if check, err := NewLogCheck(log.Counted()); err == nil {
			checks = append(checks, check)
		}
	}
	return checks
}

// gives reports whether nothing that a metric needs is missing.
func (c *FormatCheck) gives(name string) bool {
	return !slices.ContainsFunc(c.Missing(), func(m MissingMetric) bool { return m.Metric == name })
}
