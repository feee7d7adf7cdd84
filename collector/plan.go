package collector

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// A Plan is what to observe: the config file where it speaks, nginx.conf where it is silent.
type Plan struct {
	Status         []StatusPlan
	AccessLogs     []LogPlan
	ErrorLogs      []LogPlan
	Routes         []RouteConfig
	LatencyBuckets []float64
	MaxSeries      int
	Nodes          []Node
	Conf           *nginxconf.Config // nil without an nginx.conf
	Ignored        []Ignored
	Resolved       map[string][]string // servers and nodes given by name → their addresses, by Resolve
}

// An Ignored is what nginx.conf has and cannot be observed as it stands.
type Ignored struct {
	nginxconf.Pos
	Directive string // stub_status, access_log or error_log
	Text      string // what it is, and why it is left out
	Remedy    string // what would have it observed, "" where nothing would
}

func (i Ignored) String() string {
	text := i.Pos.String() + ": " + i.Text
	if i.Remedy != "" {
		text += "; " + i.Remedy
	}
	return text
}

// StatusPlan is a stub_status page to ask.
type StatusPlan struct {
	StatusConfig
	From string // where it is said: "nginx.conf:12", "probes.yml"
}

// LogPlan is a log to follow.
type LogPlan struct {
	Name       string
	Path       string // "" with Syslog
	Syslog     string
	FormatName string // "" for a literal; empty for error logs
	Format     string // the log_format itself
	Escape     string
	FromStart  bool
	From       string
}

const combinedFormat = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`

// NewPlan lays the config over what nginx.conf says; conf is nil without an nginx.conf. file is the config file's
// name, its folder is where relative paths begin. The errors are of type *strictyaml.FieldError, from the top of the file.
func NewPlan(file string, c Config, nodes []Node, conf *nginxconf.Config) (*Plan, error) {
	p := &Plan{
		Routes: c.Routes, LatencyBuckets: c.LatencyBuckets, MaxSeries: c.MaxSeries, Nodes: nodes, Conf: conf,
	}
	if p.MaxSeries == 0 {
		p.MaxSeries = defaultMaxSeries
	}
	if p.LatencyBuckets == nil {
		p.LatencyBuckets = DefaultLatencyBuckets()
	}
	for _, page := range c.Status {
		p.Status = append(p.Status, StatusPlan{page, file})
	}
	var faults []error
	for i, log := range c.AccessLogs {
		planned, err := planAccessLog(file, log, conf)
		if err != nil {
			faults = append(faults, faultf(fmt.Sprintf("nginx.access_logs[%d].format", i), "%s", err))
		}
		p.AccessLogs = append(p.AccessLogs, planned)
	}
	for _, log := range c.ErrorLogs {
		p.ErrorLogs = append(p.ErrorLogs, LogPlan{
			Name: log.Name, Path: fromFolder(file, log.Path), Syslog: log.Syslog, FromStart: log.Start == "beginning", From: file,
		})
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if conf != nil {
		p.fill(c)
	}
	return p, nil
}

// fill takes from nginx.conf what the config file does not say.
func (p *Plan) fill(c Config) {
	names := map[string]bool{}
	for _, log := range append(append([]LogPlan{}, p.AccessLogs...), p.ErrorLogs...) {
		names[log.Name] = true
	}
	if c.Status == nil {
		p.fillStatus()
	}
	if c.AccessLogs == nil {
		p.fillAccessLogs(names)
	}
	if c.ErrorLogs == nil {
		p.fillErrorLogs(names)
	}
}

// fillStatus takes the first page that lets this host in: all pages of one NGINX say the same.
func (p *Plan) fillStatus() {
	for _, page := range p.Conf.StatusPages {
		switch {
		case len(p.Status) > 0:
		case page.Denied == "":
			p.Status = append(p.Status, StatusPlan{StatusConfig{URL: page.URL, Host: page.Host, Timeout: defaultStatusTimeout}, page.Pos.String()})
		default:
			text, remedy, _ := strings.Cut(page.Denied, "; ")
			if remedy == "" {
				remedy = "name a URL in nginx.status"
			}
			p.ignore(page.Pos, "stub_status", remedy, "the page %s %s", page.URL, text)
		}
	}
}

func (p *Plan) fillAccessLogs(names map[string]bool) {
	formats := map[string]string{} // path → format
	for _, log := range p.Conf.AccessLogs {
		format, known := p.Conf.LogFormats[log.Format]
		ignore := func(remedy, text string, args ...any) { p.ignore(log.Pos, "access_log", remedy, text, args...) }
		switch {
		case log.Path == "":
			ignore(syslogRemedy("access_logs", log.Syslog, ", format: "+log.Format), "what is sent to syslog (%s) is not taken from whoever receives it", log.Syslog)
		case log.Path == "/dev/null":
			ignore("", "it goes to /dev/null")
		case strings.Contains(log.Path, "$"):
			ignore(fmt.Sprintf("name the files in nginx.access_logs, such as {path: %q, format: %s}", globOf(log.Path), log.Format),
				"%s has variables in its path", log.Path)
		case log.Gzip:
			ignore("write it without gzip, and let logrotate compress it", "%s is written compressed and cannot be followed", log.Path)
		case !known:
			ignore("", "%s has the unknown format %q", log.Path, log.Format)
		case formats[log.Path] == log.Format:
			// Several servers write it, which is one log.
		case formats[log.Path] != "":
			ignore("give each format a file of its own", "%s is written in log_format %s, too: those lines are counted as malformed", log.Path, log.Format)
		default:
			formats[log.Path] = log.Format
			p.AccessLogs = append(p.AccessLogs, LogPlan{
				Name: freeName(names, log.Path), Path: log.Path,
				FormatName: log.Format, Format: format.Format, Escape: format.Escape, From: log.Pos.String(),
			})
		}
	}
}

// quietErrorLogs are the followed error logs that NGINX writes nothing to but what is critical.
func (p *Plan) quietErrorLogs() []nginxconf.ErrorLog {
	var quiet []nginxconf.ErrorLog
	if p.Conf == nil {
		return nil
	}
	for _, log := range p.Conf.ErrorLogs {
		isFollowed := slices.ContainsFunc(p.ErrorLogs, func(f LogPlan) bool { return f.Path == log.Path })
		if isFollowed && slices.Contains([]string{"crit", "alert", "emerg"}, log.Level) {
			quiet = append(quiet, log)
		}
	}
	return quiet
}

func (p *Plan) fillErrorLogs(names map[string]bool) {
	paths := map[string]bool{}
	for _, log := range p.Conf.ErrorLogs {
		ignore := func(remedy, text string, args ...any) { p.ignore(log.Pos, "error_log", remedy, text, args...) }
		switch {
		case log.Path == "":
			ignore(syslogRemedy("error_logs", log.Syslog, ""), "what is sent to syslog (%s) is not taken from whoever receives it", log.Syslog)
		case log.Path == "stderr" || strings.HasPrefix(log.Path, "memory:") || log.Path == "/dev/null":
			ignore("write it to a file", "%s is no file that can be followed", log.Path)
		case paths[log.Path]:
		default:
			paths[log.Path] = true
			p.ErrorLogs = append(p.ErrorLogs, LogPlan{Name: freeName(names, log.Path), Path: log.Path, From: log.Pos.String()})
		}
	}
}

func (p *Plan) ignore(at nginxconf.Pos, directive, remedy, text string, args ...any) {
	p.Ignored = append(p.Ignored, Ignored{Pos: at, Directive: directive, Text: fmt.Sprintf(text, args...), Remedy: remedy})
}

// syslogRemedy is what to write to have the exporter receive what NGINX sends. It is not done unasked: to listen there
// would take the lines from the log host that has them now.
func syslogRemedy(section, parameters, format string) string {
	server := "127.0.0.1:514"
	for _, parameter := range strings.Split(parameters, ",") {
		if value, ok := strings.CutPrefix(parameter, "server="); ok {
			server = value
		}
	}
	target := "udp://" + withSyslogPort(server)
	if strings.HasPrefix(server, "unix:") {
		target = server
	}
	return fmt.Sprintf("to receive it, name it in nginx.%s: {syslog: %q%s}", section, target, format)
}

// withSyslogPort adds the port that NGINX sends to where none is given.
func withSyslogPort(server string) string {
	if i := strings.LastIndexByte(server, ':'); i < 0 || strings.HasSuffix(server, "]") {
		return server + ":514"
	}
	return server
}

var variable = regexp.MustCompile(`\$(?:\w+|\{\w+\})`)

// globOf fits the files that a path with variables names.
func globOf(path string) string { return variable.ReplaceAllString(path, "*") }

// freeName is the log's base name, with its folder before it or a number after it where the name is taken.
func freeName(taken map[string]bool, path string) string {
	name := logName(path)
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

func planAccessLog(file string, c AccessLogConfig, conf *nginxconf.Config) (LogPlan, error) {
	log := LogPlan{
		Name: c.Name, Path: fromFolder(file, c.Path), Syslog: c.Syslog, FromStart: c.Start == "beginning", From: file,
	}
	if strings.Contains(c.Format, "$") {
		log.Format, log.Escape = c.Format, c.Escape
		if log.Escape == "" {
			log.Escape = "default"
		}
		_, err := NewFormatCheck(log.Format, log.Escape)
		return log, err
	}
	if err := log.takeNamedFormat(c.Format, conf); err != nil {
		return log, err
	}
	if c.Escape != "" && c.Escape != log.Escape {
		return log, fmt.Errorf("the log_format %q has escape=%s, not %s; remove escape, which belongs to a literal format", log.FormatName, log.Escape, c.Escape)
	}
	return log, nil
}

// takeNamedFormat finds a log_format by its name; "" is the one that nginx.conf writes the log in.
func (log *LogPlan) takeNamedFormat(name string, conf *nginxconf.Config) error {
	log.FormatName = name
	if name == "" {
		log.FormatName = formatInUse(conf, log.Path)
	}
	if conf == nil {
		if log.FormatName != "combined" {
			return fmt.Errorf("%q is the name of a log_format, and there is no nginx.config to find it in; give nginx.config, or the log_format itself", name)
		}
		log.Format, log.Escape = combinedFormat, "default"
		return nil
	}
	format, known := conf.LogFormats[log.FormatName]
	if !known {
		return fmt.Errorf("%s has no log_format %q; it has %s", conf.Path, log.FormatName, strings.Join(formatNames(conf), ", "))
	}
	log.Format, log.Escape = format.Format, format.Escape
	return nil
}

// formatInUse is the format that nginx.conf writes the log in, or NGINX's default.
func formatInUse(conf *nginxconf.Config, path string) string {
	if conf != nil {
		for _, log := range conf.AccessLogs {
			if log.Path == path {
				return log.Format
			}
		}
	}
	return "combined"
}

func formatNames(conf *nginxconf.Config) []string {
	var names []string
	for name := range conf.LogFormats {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// fromFolder makes a relative path begin at the config file's folder.
func fromFolder(file, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

// routes compiles what Validate has checked.
func (p *Plan) routes() []route {
	compiled := make([]route, len(p.Routes))
	for i, r := range p.Routes {
		compiled[i] = route{Name: r.Name, Match: regexp.MustCompile(r.Match)}
	}
	return compiled
}
