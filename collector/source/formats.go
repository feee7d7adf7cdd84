package source

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
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

// formatsOf returns the formats of a log of the config file. An error is the config file's; a log_format of nginx.conf that
// cannot be read is told, and left out.
func (s *Settings) formatsOf(c AccessLogConfig, path string) ([]Format, error) {
	names := c.Format
	if len(names) == 0 {
		names = formatsInUse(s.Conf, path)
	}
	var formats []Format
	for _, name := range names {
		if strings.Contains(name, "$") {
			format, err := literalFormat(name, c.Escape)
			if err != nil {
				return nil, err
			}
			formats = append(formats, format)
			continue
		}
		if err := knownFormat(name, s.Conf); err != nil {
			return nil, err
		}
		format, ok := combined(), true
		if s.Conf != nil {
			format, ok = s.usableFormat(name, s.Conf.LogFormats[name].Pos, path)
		}
		if ok && c.Escape != "" && c.Escape != format.Escape {
			return nil, fmt.Errorf("the log_format %q has escape=%s, not %s; remove escape, which belongs to a literal format", name, format.Escape, c.Escape)
		}
		if ok && !slices.Contains(formats, format) {
			formats = append(formats, format)
		}
	}
	return formats, nil
}

func combined() Format { return Format{Name: "combined", Text: CombinedFormat, Escape: "default"} }

func literalFormat(text, escape string) (Format, error) {
	if escape == "" {
		escape = "default"
	}
	_, err := logformat.Compile(text, escape, logformat.Options{Paths: true})
	return Format{Text: text, Escape: escape}, err
}

// knownFormat is an error where there is no log_format of that name.
func knownFormat(name string, conf *nginxconf.Config) error {
	if conf == nil {
		if name == "combined" {
			return nil
		}
		return fmt.Errorf("%q is the name of a log_format, and there is no nginx.config to find it in; give nginx.config, or the log_format itself", name)
	}
	if _, known := conf.LogFormats[name]; !known {
		return fmt.Errorf("%s has no log_format %q; it has %s", conf.Path, name, strings.Join(formatNames(conf), ", "))
	}
	return nil
}

// formatsInUse are the formats that nginx.conf writes the log in, or NGINX's default.
func formatsInUse(conf *nginxconf.Config, path string) []string {
	var names []string
	if conf != nil && path != "" {
		for _, log := range conf.AccessLogs {
			if log.Path == path {
				names = append(names, log.Format)
			}
		}
	}
	if names == nil {
		return []string{"combined"}
	}
	return names
}

func formatNames(conf *nginxconf.Config) []string {
	var names []string
	for name := range conf.LogFormats {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// FormatsIn are the formats that another reading of nginx.conf has for the log: those it is written in there, or those
// of the same names. Literal ones stay, and so do those that are there no more or cannot be read.
func (l LogSource) FormatsIn(conf *nginxconf.Config) []Format {
	var formats []Format
	add := func(f Format) {
		if _, err := logformat.Compile(f.Text, f.Escape, logformat.Options{Paths: true}); err == nil && !slices.Contains(formats, f) {
			formats = append(formats, f)
		}
	}
	if l.InUse {
		for _, log := range conf.AccessLogs {
			if f, known := conf.LogFormats[log.Format]; known && log.Path == l.Path {
				add(Format{Name: log.Format, Text: f.Format, Escape: f.Escape})
			}
		}
	}
	for _, f := range l.Formats {
		if now, known := conf.LogFormats[f.Name]; known && f.Name != "" && !l.InUse {
			add(Format{Name: f.Name, Text: now.Format, Escape: now.Escape})
		}
	}
	return l.withFormer(formats)
}

// maxFormats is how many formats of a log are tried: those it has, and of those that it had the last.
const maxFormats = 8

// withFormer puts the formats that the log has so far behind others.
func (l LogSource) withFormer(formats []Format) []Format {
	for _, f := range l.Formats {
		if len(formats) < maxFormats && !slices.Contains(formats, f) {
			formats = append(formats, f)
		}
	}
	return formats
}
