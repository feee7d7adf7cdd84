package source

import (
	"fmt"
	"slices"
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// TestFormatIsCompiledOnce: 900 logs of one log_format share one Program, from nginx.conf or from the config file, and
// another reading of nginx.conf adds only what is new.
func TestFormatIsCompiledOnce(t *testing.T) {
	const logs = 900
	conf := &nginxconf.Config{Path: "nginx.conf",
		LogFormats: map[string]nginxconf.LogFormat{"main": {Format: `"$request" $status`, Escape: "default"}}}
	var literal Config
	for i := range logs {
		path := fmt.Sprintf("/var/log/nginx/host%d.log", i)
		conf.AccessLogs = append(conf.AccessLogs, nginxconf.AccessLog{Path: path, Format: "main"})
		literal.AccessLogs = append(literal.AccessLogs, AccessLogConfig{Path: path,
			Name: fmt.Sprint("host", i), Format: FormatNames{`$status "$request"`}})
	}
	for what, config := range map[string]Config{"nginx.conf": {}, "config file": literal} {
		s, err := New("probes.yml", config, nil, conf)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.AccessLogs) != logs {
			t.Fatalf("%s: %d logs, want %d: %v", what, len(s.AccessLogs), logs, s.Ignored)
		}
		var programs []*logformat.Program
		for _, log := range s.AccessLogs {
			program, err := log.Program(log.Formats[0])
			if err != nil {
				t.Fatal(err)
			}
			programs = append(programs, program)
			log.FormatsIn(conf)
		}
		if programs = slices.Compact(programs); len(programs) != 1 || s.programs.Count() != 1 {
			t.Errorf("%s: %d programs, %d compilations; want one", what, len(programs), s.programs.Count())
		}
	}
}
