package source

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// FormatNames are names of log_formats, or log_formats themselves: one word in the config file, or a list.
type FormatNames []string

// UnmarshalYAML takes a word or a list.
func (f *FormatNames) UnmarshalYAML(node *yaml.Node) error {
	list := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		list = node.Content
	}
	for _, element := range list {
		if element.Kind != yaml.ScalarNode {
			return errors.New("a format is the name of a log_format, or a log_format itself")
		}
		if element.Value != "" || node.Kind == yaml.SequenceNode {
			*f = append(*f, element.Value)
		}
	}
	return nil
}

// formatsOf returns the formats of a log of the config file. An error is the config file's; an unreadable log_format
// of nginx.conf is reported, and left out.
func (s *Settings) formatsOf(c AccessLogConfig, l LogSource) ([]Format, error) {
	names, d := c.Format, s.directives(l.Kind)
	if len(names) == 0 {
		names = d.formatsInUse(l)
	}
	var formats []Format
	for _, name := range names {
		if strings.Contains(name, "$") {
			format, err := l.literalFormat(name, c.Escape)
			if err != nil {
				return nil, err
			}
			formats = append(formats, format)
			continue
		}
		if err := d.checkFormat(name); err != nil {
			return nil, err
		}
		format, ok := combined(), true
		if s.Conf != nil {
			format, ok = s.usableFormat(name, d.formats[name].Pos, l)
		}
		if ok && c.Escape != "" && c.Escape != format.Escape {
			return nil, fmt.Errorf("the log_format %q has escape=%s, not %s; remove escape, which belongs to a "+
				"literal format", name, format.Escape, c.Escape)
		}
		if ok && !slices.Contains(formats, format) {
			formats = append(formats, format)
		}
	}
	if len(c.Format) == 0 {
		formats = d.withRepeats(formats, l.isNamedBy, l.score)
	}
	return formats, nil
}

func combined() Format {
	return Format{Name: "combined", Text: nginxconf.CombinedFormat, Escape: "default"}
}

func (l LogSource) literalFormat(text, escape string) (Format, error) {
	if escape == "" {
		escape = "default"
	}
	f := Format{Text: text, Escape: escape}
	_, err := l.Program(f)
	return f, err
}

// Program returns one of the Formats compiled, as the log needs it.
func (l LogSource) Program(f Format) (*logformat.Program, error) {
	return l.Programs.Compile(f.Text, f.Escape, logformat.Options{Capture: l.Captured()})
}

// Captured returns the variables whose values are read verbatim: those of the user's own labels, or, for a log of
// stream{}, those that access logs do not have.
func (l LogSource) Captured() []string {
	if l.Kind == Stream {
		return metric.SessionVariables()
	}
	var variables []string
	for _, label := range l.Labels {
		if !slices.Contains(variables, label.Variable) {
			variables = append(variables, label.Variable)
		}
	}
	return variables
}

// directives are those of nginx.conf for one kind of logs.
type directives struct {
	conf    *nginxconf.Config // nil without an nginx.conf
	formats map[string]nginxconf.LogFormat
	logs    []nginxconf.AccessLog
	sets    []nginxconf.LogSet
}

func (s *Settings) directives(kind Kind) directives {
	switch {
	case s.Conf == nil && kind == Access:
		return directives{formats: map[string]nginxconf.LogFormat{"combined": {}}}
	case s.Conf == nil:
		return directives{}
	case kind == Stream:
		return directives{s.Conf, s.Conf.Stream.LogFormats, s.Conf.Stream.AccessLogs, s.Conf.Stream.LogSets}
	}
	return directives{s.Conf, s.Conf.LogFormats, s.Conf.AccessLogs, s.Conf.LogSets}
}

// checkFormat returns an error if no log_format has that name.
func (d directives) checkFormat(name string) error {
	_, ok := d.formats[name]
	switch {
	case ok:
		return nil
	case d.conf == nil:
		return fmt.Errorf("%q is the name of a log_format, but no nginx.conf is read; give nginx.config, or "+
			"the log_format itself", name)
	}
	return fmt.Errorf("%s has no log_format %q; it has %s", d.conf.Path, name,
		strings.Join(slices.Sorted(maps.Keys(d.formats)), ", "))
}

// isStdout reports whether a directive writes a container's stdout: the official image links access.log there.
func isStdout(log nginxconf.AccessLog) bool {
	return log.Path == "/var/log/nginx/access.log" || log.Path == "/dev/stdout"
}

// isNamedBy reports whether an access_log directive names the log itself.
func (l LogSource) isNamedBy(log nginxconf.AccessLog) bool {
	if l.Docker != "" {
		return isStdout(log)
	}
	return l.Path != "" && log.Path == l.Path
}

// formatsInUse returns the formats in which nginx.conf writes the log, or NGINX's default.
func (d directives) formatsInUse(l LogSource) []string {
	var names []string
	for _, log := range d.logs {
		if l.isNamedBy(log) && !slices.Contains(names, log.Format) {
			names = append(names, log.Format)
		}
	}
	if names == nil {
		return []string{"combined"}
	}
	return names
}

// FormatsIn returns the formats of the log in another reading of nginx.conf: those in which it is written there, or
// those of the same names. Literal ones stay, and so do those that are gone or unreadable.
func (l LogSource) FormatsIn(conf *nginxconf.Config) []Format {
	var formats []Format
	add := func(f Format) {
		if _, err := l.Program(f); err == nil && !slices.Contains(formats, f) {
			formats = append(formats, f)
		}
	}
	s := &Settings{Conf: conf}
	d := s.directives(l.Kind)
	if l.InUse {
		for _, log := range d.logs {
			if f, ok := d.formats[log.Format]; ok && l.isNamedBy(log) {
				add(Format{Name: log.Format, Text: f.Format, Escape: f.Escape})
			}
		}
		formats = d.withRepeats(formats, l.isNamedBy, l.score)
	}
	if l.Found && conf != nil { // what is counted of it depends on the other logs of its servers
		s.fillLogs(l.Kind, map[string]bool{})
		for _, found := range s.Logs() {
			if found.Path == l.Path {
				formats = found.Formats
			}
		}
	}
	for _, f := range l.Formats {
		if f.Name == "" {
			add(f)
		}
		if now, ok := d.formats[f.Name]; ok && f.Name != "" && !l.InUse {
			add(Format{Name: f.Name, Text: now.Format, Escape: now.Escape})
		}
	}
	return l.withFormer(formats)
}

// Reformat returns a function that returns the log's present formats in nginx.conf, or nil while it has not changed.
// Reformat returns nil if no format comes from nginx.conf.
func (l LogSource) Reformat(conf *nginxconf.Config) func() []Format {
	named := slices.ContainsFunc(l.Formats, func(f Format) bool { return f.Name != "" })
	if conf == nil || !named && !l.InUse {
		return nil
	}
	watch, log := nginxconf.NewWatch(conf), l
	return func() []Format {
		next := watch.Next()
		if next == nil {
			return nil
		}
		log.Formats = log.FormatsIn(next)
		return log.Formats
	}
}

// maxFormerFormats is how many former formats of a log are tried after its present ones.
const maxFormerFormats = 3

// withFormer appends the formats of nginx.conf that the log has had so far to others.
func (l LogSource) withFormer(formats []Format) []Format {
	most := len(formats) + maxFormerFormats
	for _, f := range l.Formats {
		if len(formats) < most && f.Name != "" && !slices.ContainsFunc(formats, f.isLike) {
			formats = append(formats, f)
		}
	}
	return formats
}

// isLike reports whether lines in two formats of one name look alike.
func (f Format) isLike(other Format) bool {
	other.Repeats = f.Repeats
	return f == other
}
