// Package source says what to observe: the config file takes precedence over nginx.conf. A LogSource goes from either
// of them all the way to the pipeline that follows the log; a Topology maps a server's address to its group and its
// node, including the names of servers.
package source

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// Settings are what to observe. They are immutable once made, except for Resolve.
type Settings struct {
	Status         []StatusPage
	AccessLogs     []LogSource
	ErrorLogs      []LogSource
	StreamLogs     []LogSource
	Routes         []Route
	LatencyBuckets []float64 // upper bounds, seconds
	MaxSeries      int       // for each log
	Nodes          []Node
	Conf           *nginxconf.Config // nil without an nginx.conf
	Ignored        []Ignored
	Resolved       map[string][]string // servers and nodes given by name → their addresses, by Resolve
	Former         map[string][]string // … → their former addresses
	Known          []string            // logs that nginx.conf had before, of a Memory

	programs *logformat.Programs // of all logs
}

// An Ignored is something in nginx.conf that cannot be observed as it is.
type Ignored struct {
	nginxconf.Pos
	Directive string // stub_status, access_log or error_log
	Text      string // what it is, and why it is ignored
	Remedy    string // what would make it observable, "" for nothing
	Failed    bool   // it should be observed but cannot be
	Twice     bool   // it is observed, and counts twice
}

func (i Ignored) String() string {
	text := i.Pos.String() + ": " + i.Text
	if i.Remedy != "" {
		text += "; " + i.Remedy
	}
	return text
}

// A StatusPage is a stub_status page to read.
type StatusPage struct {
	StatusConfig
	From string // where it is named: "nginx.conf:12", "probes.yml"
}

// A Kind is a kind of log.
type Kind uint8

const (
	Access Kind = iota
	Error
	Stream
)

// A LogSource is a log to follow. It is immutable.
type LogSource struct {
	Kind      Kind
	Name      string    // the label log
	Path      string    // a file or a glob; "" with Syslog
	Syslog    string    // where NGINX sends it: udp://ADDRESS:PORT or unix:/path
	Docker    string    // the container whose json-file log it is, by name or id
	Formats   []Format  // of an access log: a line is read in the first that it fits
	InUse     bool      // Formats are those in which nginx.conf writes the log, otherwise those of the config file
	Labels    []Label   // the user's own, of an access log
	FromStart bool      // read from the beginning if there is no saved position
	From      string    // where it is named
	Found     bool      // only nginx.conf names it
	Lost      time.Time // since when nginx.conf no longer names it; zero if it does

	DockerRoot string // Docker's folder, with Docker
	Wrapping   string // the wrapping of a container runtime: auto, none, docker or cri; "" is auto

	// Subrequests says that NGINX logs subrequests here (log_subrequest).
	Subrequests bool

	// Programs are the compiled Formats, shared by all logs of the settings; nil: each is compiled when needed.
	Programs *logformat.Programs
}

// Where returns the path or the address that the log is read from.
func (l LogSource) Where() string {
	if l.Docker != "" {
		return "docker:" + l.Docker
	}
	return l.Path + l.Syslog
}

// Same reports whether another LogSource is the same log, perhaps with other settings.
func (l LogSource) Same(other LogSource) bool {
	return l.Kind == other.Kind && l.Name == other.Name && l.Pattern() == other.Pattern() && l.Syslog == other.Syslog &&
		l.Docker == other.Docker && l.DockerRoot == other.DockerRoot && l.Wrapping == other.Wrapping
}

// A Format is a log_format.
type Format struct {
	Name   string // "" for a literal one
	Text   string
	Escape string // default, json or none

	// Repeats says that lines in it are of requests that also have a line in another format of the log: they are not
	// counted.
	Repeats bool `json:",omitempty"`
}

// A Route names the requests whose path matches.
type Route struct {
	Name   string
	Match  *regexp.Regexp
	Ignore bool // its requests are not counted
}

// New combines the config with nginx.conf; conf is nil without an nginx.conf. file is the config file's name: its
// folder is the base of relative paths. The errors are of type *strictyaml.FieldError, from the top of the file.
func New(file string, c Config, nodes []Node, conf *nginxconf.Config) (*Settings, error) {
	s := &Settings{LatencyBuckets: c.LatencyBuckets, MaxSeries: c.MaxSeries, Nodes: nodes, Conf: conf,
		programs: new(logformat.Programs)}
	if s.MaxSeries == 0 {
		s.MaxSeries = defaultMaxSeries
	}
	if s.LatencyBuckets == nil {
		s.LatencyBuckets = DefaultLatencyBuckets()
	}
	for _, r := range c.Routes { // Validate has checked that they compile
		s.Routes = append(s.Routes, Route{Name: r.Name, Match: regexp.MustCompile(r.Match), Ignore: r.Ignore})
	}
	for _, page := range c.Status {
		s.Status = append(s.Status, StatusPage{page, file})
	}
	if err := s.addConfigured(file, c); err != nil {
		return nil, err
	}
	if conf != nil {
		s.fill(c)
	}
	return s, nil
}

// addConfigured adds the logs of the config file.
func (s *Settings) addConfigured(file string, c Config) error {
	var faults []error
	add := func(logs *[]LogSource, section string, kind Kind, configs []AccessLogConfig) {
		for i, config := range configs {
			l, err := s.configured(file, kind, config)
			if err != nil {
				faults = append(faults, faultf(fmt.Sprintf("nginx.%s[%d].format", section, i), "%s", err))
			}
			if len(l.Formats) > 0 {
				*logs = append(*logs, l)
			}
		}
	}
	add(&s.AccessLogs, "access_logs", Access, c.AccessLogs)
	add(&s.StreamLogs, "stream_logs", Stream, c.StreamLogs)
	for _, log := range c.ErrorLogs {
		s.ErrorLogs = append(s.ErrorLogs, LogSource{
			Kind: Error, Name: log.Name, Path: fromFolder(file, log.Path), Syslog: log.Syslog,
			Docker: log.Docker, DockerRoot: dockerRoot(log.place()), Wrapping: log.Wrapping,
			FromStart: log.Start == "beginning", From: file,
		})
	}
	return errors.Join(faults...)
}

// IsWrittenBy reports whether an access_log directive writes the log, judging by its path or address.
func (l *LogSource) IsWrittenBy(log nginxconf.AccessLog) bool {
	switch {
	case l.Docker != "":
		return isStdout(log)
	case l.Syslog != "":
		return log.Syslog != "" && syslogTarget(log.Syslog) == l.Syslog
	case log.Path == "":
		return false
	}
	matches, err := filepath.Match(l.Pattern(), log.Path)
	return log.Path == l.Path || err == nil && matches
}

// configured returns an access log, or a log of stream{}, of the config file.
func (s *Settings) configured(file string, kind Kind, c AccessLogConfig) (LogSource, error) {
	l := LogSource{
		Kind: kind, Name: c.Name, Path: fromFolder(file, c.Path), Syslog: c.Syslog, Labels: newLabels(c.Labels, s.Conf),
		Docker: c.Docker, DockerRoot: dockerRoot(c.place()), Wrapping: c.Wrapping,
		InUse: len(c.Format) == 0, FromStart: c.Start == "beginning", From: file, Programs: s.programs,
	}
	l.Subrequests = slices.ContainsFunc(s.directives(kind).logs, func(log nginxconf.AccessLog) bool {
		return log.Subrequests && l.IsWrittenBy(log)
	})
	var err error
	l.Formats, err = s.formatsOf(c, l)
	return l, err
}

// Logs returns all logs to follow.
func (s *Settings) Logs() []LogSource { return slices.Concat(s.AccessLogs, s.StreamLogs, s.ErrorLogs) }

// fill takes from nginx.conf what the config file omits.
func (s *Settings) fill(c Config) {
	names := map[string]bool{}
	for _, log := range s.Logs() {
		names[log.Name] = true
	}
	if c.Status == nil {
		s.fillStatus()
	}
	if c.AccessLogs == nil {
		s.fillLogs(Access, names)
	}
	if c.StreamLogs == nil {
		s.fillLogs(Stream, names)
	}
	if c.ErrorLogs == nil {
		s.fillErrorLogs(names)
	}
}

// fillStatus uses the first page that allows this host: all pages of one NGINX have the same content.
func (s *Settings) fillStatus() {
	for _, page := range s.Conf.StatusPages {
		switch {
		case len(s.Status) > 0:
		case page.Denied == "":
			config := StatusConfig{URL: page.URL, Host: page.Host, Timeout: defaultStatusTimeout}
			s.Status = append(s.Status, StatusPage{config, page.Pos.String()})
		default:
			text, remedy, _ := strings.Cut(page.Denied, "; ")
			if remedy == "" {
				remedy = "name a URL in nginx.status"
			}
			s.ignore(page.Pos, "stub_status", remedy, "the page %s %s", page.URL, text)
		}
	}
}

// QuietErrorLogs returns the followed error logs to which NGINX writes only critical entries.
func (s *Settings) QuietErrorLogs() []nginxconf.ErrorLog {
	var quiet []nginxconf.ErrorLog
	if s.Conf == nil {
		return nil
	}
	for _, log := range s.Conf.ErrorLogs {
		isFollowed := slices.ContainsFunc(s.ErrorLogs, func(f LogSource) bool { return f.Path == log.Path })
		if isFollowed && slices.Contains([]string{"crit", "alert", "emerg"}, log.Level) {
			quiet = append(quiet, log)
		}
	}
	return quiet
}

func (s *Settings) fillErrorLogs(names map[string]bool) {
	paths := map[string]bool{}
	for _, log := range s.Conf.ErrorLogs {
		ignore := func(remedy, text string, args ...any) { s.ignore(log.Pos, "error_log", remedy, text, args...) }
		switch {
		case log.Path == "":
			ignore(syslogRemedy("error_logs", log.Syslog, ""),
				"what is sent to syslog (%s) is not available to this exporter", log.Syslog)
		case log.Path == "stderr" || strings.HasPrefix(log.Path, "memory:") || log.Path == "/dev/null":
			ignore("write it to a file", "%s is not a file that can be followed", log.Path)
		case paths[log.Path]:
		default:
			paths[log.Path] = true
			s.ErrorLogs = append(s.ErrorLogs, LogSource{
				Kind: Error, Name: freeName(names, log.Path), Path: log.Path, From: log.Pos.String(), Found: true,
			})
		}
	}
}

func (s *Settings) ignore(at nginxconf.Pos, directive, remedy, text string, args ...any) {
	s.Ignored = append(s.Ignored, Ignored{Pos: at, Directive: directive, Text: fmt.Sprintf(text, args...),
		Remedy: remedy})
}

// Unreadable returns why access logs that nginx.conf writes cannot be followed, or nil.
func (s *Settings) Unreadable() error {
	var errs []error
	for _, i := range s.Ignored {
		if i.Failed {
			errs = append(errs, errors.New(i.String()))
		}
	}
	return errors.Join(errs...)
}

// fail is ignore for what should be observed but cannot be.
func (s *Settings) fail(at nginxconf.Pos, directive, remedy, text string, args ...any) {
	s.ignore(at, directive, remedy, text, args...)
	s.Ignored[len(s.Ignored)-1].Failed = true
}

// syslogRemedy returns the config with which the exporter receives what NGINX sends. It is not the default: listening
// there would take the lines from the log host that receives them now.
func syslogRemedy(section, parameters, format string) string {
	return fmt.Sprintf("to receive it, name it in nginx.%s: {syslog: %q%s}", section, syslogTarget(parameters), format)
}

// syslogTarget returns where NGINX sends a log with those parameters, as the config file names it.
func syslogTarget(parameters string) string {
	server := "127.0.0.1:514"
	for _, parameter := range strings.Split(parameters, ",") {
		if value, ok := strings.CutPrefix(parameter, "server="); ok {
			server = value
		}
	}
	if strings.HasPrefix(server, "unix:") {
		return server
	}
	return "udp://" + withSyslogPort(server)
}

// withSyslogPort adds the port that NGINX sends to if none is given.
func withSyslogPort(server string) string {
	if i := strings.LastIndexByte(server, ':'); i < 0 || strings.HasSuffix(server, "]") {
		return server + ":514"
	}
	return server
}

// freeName returns the log's base name, preceded by its folder or followed by a number if the name is in use.
func freeName(taken map[string]bool, path string) string {
	name := logName(tail.Literal(path))
	if taken[name] {
		name = strings.ToValidUTF8(filepath.Base(filepath.Dir(path)), "\uFFFD") + "-" + name
	}
	base := name
	for i := 2; taken[name]; i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	taken[name] = true
	return name
}

// fromFolder makes a relative path relative to the config file's folder. The result is absolute, as nginx.conf's paths
// are, so that the log is found there.
func fromFolder(file, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	path = filepath.Join(filepath.Dir(file), path)
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}
