package check

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// The logs of stream{} are read like those of http, those that nginx.conf names and those of the config file.
func TestCheckReadsStreamLogs(t *testing.T) {
	h := newHost(t)
	h.write(t, filepath.Join(h.dir, "stream.log"), "TCP 200 1.500\n")
	nginxConf := strings.ReplaceAll(nothingToFind, "LOGS", h.dir) + "\nstream { log_format proxy '$protocol $status " +
		"$session_time'; server { listen 9; return x; access_log " + h.dir + "/stream.log proxy; } }\n"
	h.write(t, filepath.Join(h.dir, "nginx.conf"), nginxConf)
	const named = "nginx: {config: nginx.conf, stream_logs: [{path: stream.log}, {path: none.log, format: proxy}]}\n"
	for _, config := range []string{"nginx: {config: nginx.conf}\n", named} {
		h.write(t, h.config, config)
		c := h.check(t)
		c.find(t, sectionLogs, statusOK, "stream.log: the only line fits log_format proxy")
		l := c.find(t, sectionLogs, statusWarn, "log_format proxy lacks what 9 metrics need: see the end")
		if got := l.Missing["nginx_stream_received_bytes_total"]; got != "$bytes_received" {
			t.Errorf("missing are %v", l.Missing)
		}
		isForStream := func(f finding) bool { return strings.HasPrefix(f.Remedy, "into stream { }") }
		if !slices.ContainsFunc(c.findings, isForStream) {
			t.Errorf("the report does not say what to do\n%s", c.text)
		}
		if strings.Contains(config, "none.log") {
			c.find(t, sectionLogs, statusWarn, "none.log is not there yet")
		}
	}
}

// The log_format that is proposed for a log of stream{} is one that NGINX takes, keeps the user's own fields and gives
// every metric; it is not among those that are printed for http.
func TestProposedStreamFormatWorks(t *testing.T) {
	for _, format := range []string{"'$remote_addr $status'", "escape=json '{\"s\":\"$status\"}'",
		"'$protocol\n$status'"} {
		dir := t.TempDir()
		text := fmt.Sprintf(testenv.StreamModule+"error_log %[1]s/error.log;\nevents {}\nstream {\nlog_format own "+
			"%[2]s;\nserver {\nlisten 127.0.0.1:8093;\nreturn x;\naccess_log %[1]s/stream.log own;\n}\n}\n",
			dir, format)
		s := settingsFor(t, acceptedByNGINX(t, dir, text))
		all := proposals(s)
		if len(all) != 1 {
			t.Fatalf("%d proposals", len(all))
		}
		at := fmt.Sprintf("into stream { } above access_log; write at nginx.conf:%d: ",
			s.Nginx.Stream.AccessLogs[0].Line)
		directive, found := strings.CutPrefix(all[0].comment, at)
		if !found {
			t.Fatalf("without a place: %s", all[0].comment)
		}
		text = strings.Replace(text, "stream {\n", "stream {\n"+all[0].directive()+"\n", 1)
		text = strings.Replace(text, fmt.Sprintf("access_log %s/stream.log own;", dir), directive, 1)
		after := settingsFor(t, acceptedByNGINX(t, dir, text))
		if left := proposals(after); len(left) > 0 {
			t.Errorf("something is proposed still: %s", left[0].directive())
		}
		check, err := collector.NewLogCheck(after.Observed.StreamLogs[0])
		if err != nil || len(check.Missing()) > 0 {
			t.Errorf("%v: missing %v", err, check.Missing())
		}
		own := strings.Join(strings.Fields(strings.TrimRight(s.Observed.StreamLogs[0].Formats[0].Text, "}")), " ")
		if !strings.HasPrefix(all[0].format.Text, own) {
			t.Errorf("%q does not begin with the user's own %q", all[0].format.Text, own)
		}
		var output strings.Builder
		if PrintFormats(&output, s); strings.Contains(output.String(), "session_time") {
			t.Errorf("printed for http\n%s", &output)
		}
	}
	full := source.LogSource{Kind: source.Stream, Formats: []source.Format{{Text: collector.FullStreamFormat}}}
	if check, err := collector.NewLogCheck(full); err != nil || len(check.Missing()) > 0 {
		t.Errorf("%v: FullStreamFormat lacks %v", err, check.Missing())
	}
}
