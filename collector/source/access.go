package source

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// A candidate is what nginx.conf writes requests to: a file, in one log_format.
type candidate struct {
	source LogSource // with that format alone
	at     nginxconf.Pos
	score  int  // how informative its format is
	whole  bool // no if= omits requests
}

func (c candidate) format() Format { return c.source.Formats[0] }

// fillLogs follows the access logs of nginx.conf, those of http or of stream{}. Of several logs of one server or
// location it follows one: each request is in all of them.
func (s *Settings) fillLogs(kind Kind, names map[string]bool) {
	followed := &s.AccessLogs
	if kind == Stream {
		followed = &s.StreamLogs
	}
	d := s.directives(kind)
	candidates := s.candidates(kind, d)
	c := cover(candidates, setsOfCandidates(candidates, d.sets))
	logs := map[string]int{} // the followed ones, by their paths
	for i, candidate := range candidates {
		at, ok := logs[candidate.source.Path]
		switch {
		case !c.followed[i]:
		case ok:
			log := &(*followed)[at]
			log.Formats = append(log.Formats, candidate.format())
			log.Subrequests = log.Subrequests || candidate.source.Subrequests
		default:
			logs[candidate.source.Path] = len(*followed)
			candidate.source.Name = freeName(names, candidate.source.Path)
			*followed = append(*followed, candidate.source)
		}
	}
	for i, candidate := range candidates {
		if c.followed[i] {
			continue
		}
		if at, ok := logs[candidate.source.Path]; ok {
			s.repeated(&(*followed)[at], candidate, candidates[c.instead[i]])
			continue
		}
		instead, has := candidates[c.instead[i]], "has"
		if !instead.whole { // each has its own if=
			has = "may have"
		}
		s.ignore(candidate.at, "access_log", "name it in nginx."+section(kind)+" of the config file to count its "+
			"requests as well",
			"%s %s the same requests as %s, which has more variables: not followed, since each request would count "+
				"twice",
			candidate.source.Path, has, instead.source.Path)
	}
	s.countedTwice(d, *followed, logs)
}

// section is where the config file names such logs.
func section(kind Kind) string { return [...]string{"access_logs", "error_logs", "stream_logs"}[kind] }

// repeated adds a format whose requests another format of the log, or another log, has as well. Its lines are
// recognized, and not counted.
func (s *Settings) repeated(log *LogSource, c, instead candidate) {
	f := c.format()
	f.Repeats = true
	log.Formats = append(log.Formats, f)
	other := "in log_format " + instead.format().Name
	if instead.source.Path != c.source.Path {
		other = "in " + instead.source.Path
	}
	s.ignore(c.at, "access_log", "nothing to do; to have fewer lines, remove this access_log",
		"lines of %s in log_format %s have the same requests as those %s: not counted, since each request would "+
			"count twice",
		c.source.Path, f.Name, other)
}

// candidates returns the access logs of nginx.conf that can be followed, and reports the others.
func (s *Settings) candidates(kind Kind, d directives) []candidate {
	var all []candidate
	index := map[[2]string]int{}
	for _, log := range d.logs {
		if log.Unwritten && d.isWritten(log.Path) {
			continue
		}
		text, remedy := s.unfollowable(kind, log)
		if text != "" {
			s.ignore(log.Pos, "access_log", remedy, "%s", text)
			continue
		}
		format, ok := s.usableFormat(log.Format, log.Pos, LogSource{Kind: kind, Path: log.Path, Programs: s.programs})
		if !ok {
			continue
		}
		key := [2]string{log.Path, log.Format}
		if i, found := index[key]; found {
			all[i].whole = all[i].whole || log.Condition == ""
			all[i].source.Subrequests = all[i].source.Subrequests || log.Subrequests
			continue
		}
		index[key] = len(all)
		l := LogSource{Kind: kind, Path: log.Path, InUse: true, Found: true, From: log.Pos.String(),
			Subrequests: log.Subrequests, Formats: []Format{format}, Programs: s.programs}
		all = append(all, candidate{source: l, at: log.Pos, whole: log.Condition == "", score: l.score(format)})
	}
	return all
}

// isWritten reports whether requests are written to a file, in whatever format.
func (d directives) isWritten(path string) bool {
	return slices.ContainsFunc(d.logs, func(l nginxconf.AccessLog) bool {
		return l.Path == path &&
			!l.Unwritten
	})
}

// unfollowable returns why a log cannot be followed, whatever its format, and what to do; "" if it can.
func (s *Settings) unfollowable(kind Kind, log nginxconf.AccessLog) (text, remedy string) {
	switch {
	case log.Path == "":
		return fmt.Sprintf("what is sent to syslog (%s) is not available to this exporter", log.Syslog),
			syslogRemedy(section(kind), log.Syslog, ", format: "+log.Format)
	case log.Path == "/dev/null":
		return "it goes to /dev/null", ""
	case log.Unwritten:
		return log.Path + " is never written: every server has an access_log of its own", ""
	case strings.Contains(log.Path, "$"):
		return log.Path + " has variables in its path", s.globRemedy(kind, log)
	case log.Gzip:
		return log.Path + " is compressed and cannot be followed",
			"write it without gzip, and let logrotate compress it"
	}
	return "", ""
}

// usableFormat returns a log_format of nginx.conf; ok is false if no program can read it, which it reports.
func (s *Settings) usableFormat(name string, at nginxconf.Pos, l LogSource) (f Format, ok bool) {
	format, found := s.directives(l.Kind).formats[name]
	if !found {
		s.fail(at, "access_log", "", "%s has the unknown format %q", l.Path, name)
		return Format{}, false
	}
	f = Format{Name: name, Text: format.Format, Escape: format.Escape}
	_, err := l.Program(f)
	var unclear *logformat.FormatError
	if err == nil {
		return f, true
	}
	remedy := "change the log_format, or log in another format as well"
	if errors.As(err, &unclear) && len(unclear.Variables) > 0 {
		quoted := `"$` + strings.Join(unclear.Variables, `", "$`) + `"`
		remedy = "write " + quoted + " in the log_format, with the quotes" + without(unclear.Rest)
	}
	s.fail(at, "access_log", remedy, "%s cannot be followed: log_format %s: %s", l.Path, name, err)
	return Format{}, false
}

// without names what a format would still have without the variables that cannot be separated.
func without(rest *logformat.Program) string {
	if rest == nil {
		return ""
	}
	var names []string
	for i := range metric.Table() {
		if m := metric.Get(metric.ID(i)); m.IsOf(false) && m.GivenBy(rest) {
			names = append(names, m.Name)
		}
	}
	return "; without what cannot be separated it would still give " + strings.Join(names, ", ")
}

// score rates how much a format has: first whether it has the status, then the number of its metrics.
func (l LogSource) score(f Format) int {
	program, err := l.Program(f)
	if err != nil {
		return 0
	}
	n := 0
	for i := range metric.Table() {
		if m := metric.Get(metric.ID(i)); m.IsOf(l.Kind == Stream) && m.GivenBy(program) {
			n++
		}
	}
	for i := range metric.SessionVariables() {
		if l.Kind == Stream && program.Captures(i) {
			n++
		}
	}
	if program.Has(logformat.Status) {
		n += int(metric.Count)
	}
	return n
}

var variableInPath = regexp.MustCompile(`\$(?:\w+|\{\w+\})`)

// globRemedy returns what to write so that the files are followed that a path with variables names. A glob that also
// matches other logs of nginx.conf would count these twice, and read error logs as access logs.
func (s *Settings) globRemedy(kind Kind, log nginxconf.AccessLog) string {
	glob := variableInPath.ReplaceAllString(tail.Literal(log.Path), "*")
	entry := func(path string) string {
		return fmt.Sprintf("{path: %q, name: %s, format: %s}", path, logName(path), log.Format)
	}
	others := s.matching(glob)
	if len(others) == 0 {
		return "name the files in nginx." + section(kind) + ": " + entry(glob)
	}
	dir := filepath.Join(filepath.Dir(log.Path), "hosts")
	own := filepath.Join(dir, filepath.Base(log.Path))
	return fmt.Sprintf("%s would match %s, too: write these files to a separate folder (access_log %s %s;) and "+
		"name them in nginx.access_logs: %s",
		glob, strings.Join(others, ", "), own, log.Format, entry(variableInPath.ReplaceAllString(own, "*")))
}

// matching returns the logs with fixed names in nginx.conf that a glob matches.
func (s *Settings) matching(glob string) []string {
	var all []string
	add := func(path string) {
		if fits, err := filepath.Match(glob, path); err == nil && fits && !strings.Contains(path, "$") &&
			!slices.Contains(all, path) {
			all = append(all, path)
		}
	}
	for _, log := range s.Conf.AccessLogs {
		add(log.Path)
	}
	for _, log := range s.Conf.ErrorLogs {
		add(log.Path)
	}
	return all
}
