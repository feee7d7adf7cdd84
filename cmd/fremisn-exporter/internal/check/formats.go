package check

import (
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A proposal is a log_format that has every metric and all fields of a log's present format.
type proposal struct {
	name    string
	of      source.Format
	format  source.Format
	log     source.LogSource // the first with that format
	comment string           // where to put it
}

// directive returns the log_format ready to paste into nginx.conf.
func (p proposal) directive() string {
	escape := ""
	if p.format.Escape != "" && p.format.Escape != "default" {
		escape = " escape=" + p.format.Escape
	}
	return "log_format " + p.name + escape + "\n" + quotedRows(p.format.Text) + ";"
}

// proposals returns one for each format of a followed log that lacks metrics.
func proposals(s *settings.Settings) []proposal {
	var all []proposal
	for _, log := range slices.Concat(s.Observed.AccessLogs, s.Observed.StreamLogs) {
		of := log.Formats[0]
		if slices.ContainsFunc(all, func(p proposal) bool { return p.of == of && p.log.Kind == log.Kind }) {
			continue
		}
		check, err := collector.NewLogCheck(log)
		if err != nil || len(check.Missing()) == 0 {
			continue
		}
		p := proposal{of: of, format: collector.Extended(of, log.Kind), log: log}
		if p.format == of { // none can be made of it
			p.format = source.Format{Text: fullFormat(log.Kind), Escape: "default"}
		}
		all = append(all, p)
	}
	nameProposals(s, all)
	return all
}

// fullFormat is the log_format to use in place of one that cannot be extended.
func fullFormat(kind source.Kind) string {
	if kind == source.Stream {
		return collector.FullStreamFormat
	}
	return collector.FullLogFormat
}

// nameProposals gives each a name that is free, in http and in stream{}, and says where to put it.
func nameProposals(s *settings.Settings, all []proposal) {
	taken := map[string]bool{}
	if s.Nginx != nil {
		for name := range s.Nginx.LogFormats {
			taken[name] = true
		}
		for name := range s.Nginx.Stream.LogFormats {
			taken[name] = true
		}
	}
	for i := range all {
		all[i].name = freeName(taken, all[i].of.Name, len(all) == 1)
		all[i].comment = whereTo(s, all[i])
	}
}

// freeName returns fremisn, or, if there are several, fremisn_ and the name of the replaced format.
func freeName(taken map[string]bool, of string, only bool) string {
	name := "fremisn"
	if !only && of != "" {
		name += "_" + of
	}
	base := name
	for i := 2; taken[name]; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	taken[name] = true
	return name
}

// whereTo says where the log_format belongs, and what to change in the access_log directive.
func whereTo(s *settings.Settings, p proposal) string {
	put := "into http { } above access_log" // NGINX reads from top to bottom
	if p.log.Kind == source.Stream {
		put = "into stream { } above access_log"
	}
	if s.Nginx != nil {
		folder, logs := filepath.Dir(s.Nginx.Path)+"/", s.Nginx.AccessLogs
		if p.log.Kind == source.Stream {
			logs = s.Nginx.Stream.AccessLogs
		}
		for _, log := range logs {
			if p.log.IsWrittenBy(log) && log.Format == p.of.Name && log.Line > 0 && !log.Unwritten {
				return fmt.Sprintf("%s; write at %s: access_log %s %s%s;", put,
					strings.TrimPrefix(log.Pos.String(), folder), targetOfLog(log), p.name, parametersOf(log))
			}
		}
	}
	if p.log.Path == "" || p.log.IsGlob() {
		return fmt.Sprintf("%s; write %s as the format in the access_log of %s", put, p.name, p.log.Name)
	}
	return fmt.Sprintf("%s, with access_log %s %s;", put, nginxWord(p.log.Path), p.name)
}

// targetOfLog is where an access_log directive writes, as it can be written again.
func targetOfLog(log nginxconf.AccessLog) string {
	if log.Path == "" {
		return "syslog:" + log.Syslog
	}
	return nginxWord(log.Path)
}

var plainNginxWord = regexp.MustCompile(`^[\w./:@%+=,$~-]+$`)

// nginxWord is a word as NGINX takes it.
func nginxWord(word string) string {
	if plainNginxWord.MatchString(word) {
		return word
	}
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(word) + "'"
}

// parametersOf returns the unchanged parameters of an access_log directive.
func parametersOf(log nginxconf.AccessLog) string {
	parameters := ""
	for _, parameter := range log.Parameters {
		parameters += " " + parameter
	}
	return parameters
}

// rowBreak matches where a row of a log_format may end: no variable is split.
var rowBreak = regexp.MustCompile(`[^ ,]*[ ,]*`)

// quotedRows returns a log_format's text in NGINX's syntax, in rows that fit a terminal.
func quotedRows(text string) string {
	const width = 71 // with quotes and the report's margin it fits a terminal of 80
	escape := strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\t", `\t`, "\r", `\r`)
	var rows []string
	row := ""
	for _, word := range rowBreak.FindAllString(text, -1) {
		word = escape.Replace(word)
		if row != "" && len(row)+len(word) > width {
			rows, row = append(rows, "'"+row+"'"), ""
		}
		row += word
	}
	return strings.Join(append(rows, "'"+row+"'"), "\n")
}

// proposeFormats ends the report with the proposed log_formats.
func (r *Report) proposeFormats(s *settings.Settings) {
	for _, p := range proposals(s) {
		r.formats = append(r.formats, p.name)
		text := "" // the heading is enough
		if strings.Contains(strings.TrimRight(p.of.Text, "\n"), "\n") {
			text = "in one line: of a request's several lines only one can be read"
		}
		if p.format.Text == fullFormat(p.log.Kind) && p.of.Text != nginxconf.CombinedFormat {
			text = "instead of " + formatName(p.log) + ", which cannot be extended: its fields are not in it"
		}
		r.add(finding{Section: sectionFormats, Status: statusNote, Subject: p.name, Text: text, Verbatim: p.directive(),
			Remedy: p.comment})
	}
}

// PrintFormats writes only the log_formats that have every metric, ready to paste into http { } of nginx.conf: one for
// each format of the followed logs that lacks metrics, or the one that this program recommends.
func PrintFormats(w io.Writer, s *settings.Settings) {
	all := slices.DeleteFunc(proposals(s), func(p proposal) bool { return p.log.Kind == source.Stream })
	for _, p := range all {
		fmt.Fprintln(w, p.directive())
	}
	if len(all) == 0 {
		fmt.Fprintln(w, ReadyFormat())
	}
}

// ReadyFormat returns the log_format that has every metric, ready to paste into nginx.conf.
func ReadyFormat() string {
	return proposal{name: "fremisn", format: source.Format{Text: collector.FullLogFormat}}.directive()
}
