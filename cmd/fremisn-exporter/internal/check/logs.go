package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
	"github.com/fremisn/fremisn-exporter/probe/mask"
)

const (
	sampleLines = 1000
	sampleBytes = 4 << 20 // the maximum that is read of a log
)

func (r *Report) checkLogs(s *settings.Settings) {
	shown := map[string]bool{} // formats that have been reported
	for _, log := range s.Observed.AccessLogs {
		r.checkLog(log, elsewhere(s.Nginx, log), func(sample [][]byte, found *finding) {
			judgeAccess(log, sample, found)
		})
		if !shown[log.Formats[0].Text] {
			shown[log.Formats[0].Text] = true
			r.checkFormat(log)
		}
	}
	for _, log := range s.Observed.StreamLogs {
		r.checkLog(log, nil, func(sample [][]byte, found *finding) { judgeAccess(log, sample, found) })
		r.checkFormat(log)
	}
	for _, log := range s.Observed.ErrorLogs {
		r.checkLog(log, elsewhere(s.Nginx, log), judgeErrors)
	}
	r.checkShared(s)
	for _, found := range leftOut(s, "access_log", "error_log") {
		found.Section = sectionLogs
		r.add(found)
	}
	if len(s.Observed.AccessLogs) == 0 {
		none := finding{Section: sectionLogs, Status: statusWarn, Subject: "access_log",
			Text:   "none is followed: no nginx_access_…, nginx_upstream_…_duration_seconds",
			Remedy: "write access_log /var/log/nginx/access.log; in nginx.conf, or name the log in nginx.access_logs"}
		if len(leftOut(s, "access_log")) > 0 { // each has its own remedy
			none.Remedy = ""
		}
		r.add(none)
	}
}

// checkLog checks that a log can be read, and passes its last lines to judge.
func (r *Report) checkLog(log source.LogSource, elsewhere []string, judge func([][]byte, *finding)) {
	found := finding{Section: sectionLogs, Status: statusOK, Subject: log.Name, From: log.From}
	defer func() { r.add(found) }()
	if log.Syslog != "" {
		found.Text = fmt.Sprintf("received at %s: what NGINX sends is seen when the exporter runs", log.Syslog)
		return
	}
	path, err := newest(log)
	if err != nil {
		found.Status, found.Text = statusFail, err.Error()
		return
	}
	found.Text = path
	if log.Docker != "" {
		found.Text = "container " + log.Docker // the path has its long id twice
	}
	trouble, remedy := unreadable(path)
	if trouble != "" {
		found.Status, found.Text, found.Remedy = statusFail, found.Text+" "+trouble, remedy
		found.relative(elsewhere)
		return
	}
	sample, written, err := lastLines(path, log)
	defer func() {
		if idle := time.Since(written); err == nil && idle > time.Hour {
			found.Text += fmt.Sprintf("; last written %s ago", roughly(idle))
		}
	}()
	switch {
	case errors.Is(err, os.ErrNotExist):
		found.Status = statusWarn
		found.Text += " is not there yet; it is waited for and read from its beginning"
		found.Remedy = "nothing to do if NGINX has not run yet; else correct the path"
		found.relative(elsewhere)
	case err != nil:
		found.Status, found.Text = statusFail, found.Text+" cannot be read: "+err.Error()
	case len(sample) == 0:
		found.Text += " is empty"
	default:
		judge(sample, &found)
	}
}

// elsewhere returns where else a log may be that nginx.conf names by a relative path.
func elsewhere(conf *nginxconf.Config, log source.LogSource) []string {
	if conf == nil {
		return nil
	}
	for _, l := range conf.AccessLogs {
		if l.Path == log.Path {
			return l.Elsewhere
		}
	}
	for _, l := range conf.ErrorLogs {
		if l.Path == log.Path {
			return l.Elsewhere
		}
	}
	return nil
}

// relative adds to the finding about a missing log where else it may be.
func (found *finding) relative(elsewhere []string) {
	if len(elsewhere) == 0 {
		return
	}
	found.Text += "; nginx.conf names it relative to NGINX's prefix, which is unknown here: no nginx binary to ask"
	found.Remedy = "nginx -V on NGINX's host prints --prefix; write the full path in nginx.conf. It may be " +
		strings.Join(elsewhere, ", ")
	for _, path := range elsewhere {
		if _, err := os.Stat(path); err == nil {
			found.Remedy = "write the full path in nginx.conf: it may be " + path + ", which is there"
			return
		}
	}
}

// newest returns the last of a log's files, in the order of their names, or its path if it has none.
func newest(log source.LogSource) (string, error) {
	files, err := log.Files()
	if len(files) == 0 {
		return log.Path, err
	}
	return files[len(files)-1], err
}

// roughly returns a time of an hour or more in its largest unit.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	if d < 2*day {
		return count(int(d/time.Hour), "hour")
	}
	return count(int(d/day), "day")
}

// lastLines returns a log file's last whole lines without their newlines, and its modification time.
func lastLines(path string, log source.LogSource) ([][]byte, time.Time, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	from := max(0, info.Size()-sampleBytes)
	text, err := io.ReadAll(io.NewSectionReader(file, from, sampleBytes))
	if err != nil {
		return nil, time.Time{}, err
	}
	if from > 0 { // the first line is incomplete
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	text = log.Unwrap(text[:bytes.LastIndexByte(text, '\n')+1])
	if len(text) == 0 {
		return nil, info.ModTime(), nil
	}
	lines := bytes.Split(text[:len(text)-1], []byte{'\n'})
	return lines[max(0, len(lines)-sampleLines):], info.ModTime(), nil
}

// judgeAccess reports how many of the lines fit the format, and where the first that does not goes wrong.
func judgeAccess(log source.LogSource, sample [][]byte, found *finding) {
	format, err := collector.NewLogCheck(log)
	if err != nil {
		found.Status, found.Text = statusFail, fmt.Sprintf("%s: %s", formatName(log), err)
		return
	}
	fit := 0
	var first error
	var firstLine []byte
	for _, text := range sample {
		if err := format.Line(text); err == nil {
			fit++
		} else if first == nil {
			first, firstLine = err, text
		}
	}
	found.Text += ": " + share(fit, len(sample), "fits", "fit") + " " + formatName(log)
	if len(format.Missing()) == 0 {
		found.Text += ", which gives every metric"
	}
	var at *collector.LineError
	if !errors.As(first, &at) {
		return
	}
	found.Status = statusWarn
	if fit == 0 {
		found.Status = statusFail
	}
	found.Verbatim = PointAt(firstLine, at)
	found.Remedy = "such lines count as malformed. Older than a change of the log_format? Else give the one it is " +
		"written in"
}

// share returns how many of the last lines are valid, in words.
func share(fit, of int, one, many string) string {
	switch {
	case fit == 1 && of == 1:
		return "the only line " + one
	case fit == of:
		return fmt.Sprintf("all of the last %d lines %s", of, many)
	}
	return fmt.Sprintf("%d of the last %s %s", fit, count(of, "line"), many)
}

func formatName(log source.LogSource) string {
	if log.Formats[0].Name != "" {
		return "log_format " + log.Formats[0].Name
	}
	return "the format given"
}

// PointAt shows where a line goes wrong and what the format has there. What clients sent in queries is hidden.
func PointAt(text []byte, at *collector.LineError) string {
	pointed := caret([]byte(mask.Stars(string(text))), at.Offset)
	expected := "expected " + printable(at.Expected)
	if column := len(pointed) - strings.LastIndexByte(pointed, '\n'); column+len(expected) > caretWidth+6 {
		return pointed + "\n" + expected
	}
	return pointed + " " + expected
}

const caretWidth = 68

// caret returns the part of a line around an offset, and a caret below that points there.
func caret(text []byte, offset int) string {
	offset = max(0, min(offset, len(text)))
	from := max(0, offset-caretWidth*3/4)
	part := text[from:min(len(text), from+caretWidth)]
	shown := make([]rune, 0, len(part)+2)
	if from > 0 {
		shown = append(shown, '…')
	}
	for _, c := range part {
		if c < ' ' || c > '~' { // a byte, a column
			c = '.'
		}
		shown = append(shown, rune(c))
	}
	column := offset - from
	if from > 0 {
		column++
	}
	if from+len(part) < len(text) {
		shown = append(shown, '…')
	}
	return string(shown) + "\n" + strings.Repeat(" ", column) + "^"
}

var errorLine = regexp.MustCompile(`^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[[a-z]+\] \d+#\d+:`)

// judgeErrors reports how many lines begin like NGINX's entries: a few may not, since messages can contain newlines.
func judgeErrors(sample [][]byte, found *finding) {
	entries := 0
	for _, text := range sample {
		if errorLine.Match(text) {
			entries++
		}
	}
	found.Text += ": " + share(entries, len(sample), "begins as entries do", "begin as entries do")
	if entries == 0 {
		found.Status = statusFail
		found.Remedy = "is this an error_log of NGINX? an entry begins with 2026/01/31 23:59:59 [error] 123#123:"
	}
}

// checkFormat reports how many metrics a log_format lacks. Their names and missing variables are for machines: people
// find the variables in the proposed log_format.
func (r *Report) checkFormat(log source.LogSource) {
	format, err := collector.NewLogCheck(log)
	if err != nil {
		return // reported for the log
	}
	missing := format.Missing()
	if len(missing) == 0 {
		return // reported for the log
	}
	found := finding{Section: sectionLogs, Status: statusWarn, Subject: log.Name, Missing: map[string]string{}}
	absent := 0
	for _, m := range missing {
		found.Missing[m.Metric] = m.Variable
		if strings.HasPrefix(m.Metric, "nginx_") && !strings.Contains(m.Metric, "{") {
			absent++
		}
	}
	found.Text = fmt.Sprintf("%s lacks what %s: see the end", formatName(log), needs(absent))
	if absent == 0 {
		found.Text = fmt.Sprintf("%s gives all metrics, some of them coarser: see the end", formatName(log))
	}
	r.add(found)
}

func needs(metrics int) string {
	if metrics == 1 {
		return "1 metric needs"
	}
	return fmt.Sprintf("%d metrics need", metrics)
}
