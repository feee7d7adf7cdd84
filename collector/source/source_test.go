package source

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

func TestSettingsFromNginxConf(t *testing.T) {
	at := func(line int) nginxconf.Pos { return nginxconf.Pos{File: "nginx.conf", Line: line} }
	conf := &nginxconf.Config{
		Path: "nginx.conf",
		LogFormats: map[string]nginxconf.LogFormat{"main": {Format: "$status", Escape: "json"},
			"combined": {Format: nginxconf.CombinedFormat, Escape: "default"}},
		StatusPages: []nginxconf.StatusPage{
			{Pos: at(1), URL: "http://127.0.0.1:81/s", Denied: "does not let this host in; add allow 127.0.0.1;"},
			{Pos: at(2), URL: "http://127.0.0.1:8080/s", Host: "status.example"},
			{Pos: at(3), URL: "http://127.0.0.1:8080/t"},
		},
		AccessLogs: []nginxconf.AccessLog{
			{Pos: at(4), Path: "/var/log/nginx/access.log", Format: "main"},
			{Pos: at(5), Path: "/var/log/nginx/access.log", Format: "main"},
			{Pos: at(6), Path: "/srv/site/access.log", Format: "combined"},
			{Pos: at(6), Path: "/srv/site/access.log", Format: "main"},
			{Pos: at(7), Path: "/var/log/$host.log", Format: "main"},
			{Pos: at(8), Syslog: "server=127.0.0.1,tag=x", Format: "main"},
			{Pos: at(8), Path: "/var/log/x.gz", Gzip: true, Format: "main"},
			{Pos: at(8), Path: "/dev/null", Format: "main"},
		},
		ErrorLogs: []nginxconf.ErrorLog{{Pos: at(9), Path: "/var/log/nginx/error.log"}, {Pos: at(10), Path: "stderr"},
			{Pos: at(11), Path: "/dev/null"}, {Pos: at(12), Syslog: "server=unix:/dev/log"}},
	}
	p, err := New("probes.yml", Config{}, nil, conf)
	if err != nil {
		t.Fatal(err)
	}
	wantAccess := []LogSource{
		{Name: "access", Path: "/var/log/nginx/access.log",
			Formats: []Format{{Name: "main", Text: "$status",
				Escape: "json"}}, InUse: true, Found: true, From: "nginx.conf:4"},
		{Name: "site-access", Path: "/srv/site/access.log", Formats: []Format{
			{Name: "combined", Text: nginxconf.CombinedFormat, Escape: "default"}, {Name: "main", Text: "$status",
				Escape: "json"},
		}, InUse: true, Found: true, From: "nginx.conf:6"},
	}
	if diff := cmp.Diff(wantAccess, p.AccessLogs, cmpopts.IgnoreFields(LogSource{}, "Programs")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]LogSource{{Kind: Error, Name: "error", Path: "/var/log/nginx/error.log", Found: true,
		From: "nginx.conf:9"}}, p.ErrorLogs); diff != "" {
		t.Error(diff)
	}
	if len(p.Status) != 1 || p.Status[0].URL != "http://127.0.0.1:8080/s" || p.Status[0].Host != "status.example" {
		t.Errorf("status pages %+v, want the first that lets us in", p.Status)
	}
	var ignored []string
	for _, i := range p.Ignored {
		ignored = append(ignored, i.Directive+" "+i.String())
	}
	wantIgnored := []string{
		"stub_status nginx.conf:1: the page http://127.0.0.1:81/s does not let this host in; add allow 127.0.0.1;",
		`access_log nginx.conf:7: /var/log/$host.log has variables in its path; name the files in ` +
			`nginx.access_logs: {path: "/var/log/*.log", name: log, format: main}`,
		`access_log nginx.conf:8: what is sent to syslog (server=127.0.0.1,tag=x) is not available to this ` +
			`exporter; to receive it, name it in nginx.access_logs: {syslog: "udp://127.0.0.1:514", format: main}`,
		"access_log nginx.conf:8: /var/log/x.gz is compressed and cannot be followed; write it without " +
			"gzip, and let logrotate compress it",
		"access_log nginx.conf:8: it goes to /dev/null",
		"error_log nginx.conf:10: stderr is not a file that can be followed; write it to a file",
		"error_log nginx.conf:11: /dev/null is not a file that can be followed; write it to a file",
		`error_log nginx.conf:12: what is sent to syslog (server=unix:/dev/log) is not available to this exporter; ` +
			`to receive it, name it in nginx.error_logs: {syslog: "unix:/dev/log"}`,
	}
	if diff := cmp.Diff(wantIgnored, ignored); diff != "" {
		t.Error(diff)
	}
}

func TestSettingsConfigWins(t *testing.T) {
	conf := &nginxconf.Config{
		Path:       "nginx.conf",
		LogFormats: map[string]nginxconf.LogFormat{"main": {Format: "$status $request"}},
		AccessLogs: []nginxconf.AccessLog{{Path: "/a/access.log", Format: "main"}},
		ErrorLogs:  []nginxconf.ErrorLog{{Path: "/a/error.log"}},
	}
	p, err := New("/etc/fremisn/probes.yml", Config{
		Status: []StatusConfig{},
		AccessLogs: []AccessLogConfig{{Path: "/a/access.log", Name: "mine"},
			{Path: "logs/b.log", Name: "b", Format: FormatNames{"$status"}, Start: "beginning"}},
		ErrorLogs: []ErrorLogConfig{},
	}, nil, conf)
	if err != nil {
		t.Fatal(err)
	}
	want := []LogSource{
		{Name: "mine", Path: "/a/access.log", Formats: []Format{{Name: "main", Text: "$status $request"}},
			InUse: true, From: "/etc/fremisn/probes.yml"},
		{Name: "b", Path: "/etc/fremisn/logs/b.log", Formats: []Format{{Text: "$status", Escape: "default"}},
			FromStart: true, From: "/etc/fremisn/probes.yml"},
	}
	if diff := cmp.Diff(want, p.AccessLogs, cmpopts.IgnoreFields(LogSource{}, "Programs")); diff != "" {
		t.Error(diff)
	}
	if len(p.ErrorLogs)+len(p.Status) != 0 {
		t.Error("an empty list in the config does not replace what nginx.conf has")
	}
}

func TestLogName(t *testing.T) {
	for path, want := range map[string]string{
		"/var/log/nginx/access.log":        "access",
		"/var/log/nginx/access-*.log":      "access",
		"/var/log/nginx/site.access.log":   "site.access",
		"/var/log/nginx/access_[0-9]*.log": "access",
		"/var/log/nginx/access":            "access",
		"/var/log/nginx/*.log":             "nginx",
		"/var/log/nginx/*/*.log":           "nginx",
		"/var/log/nginx/*-access.log":      "access",
		"/var/log/nginx/a_*_b.log":         "a-b",
		"/var/log/nginx/[0-9]?-*.log":      "nginx",
		"*.log":                            "log",
		`/var/log/nginx/a\[1].log`:         "a[1]",
		"":                                 "syslog",
	} {
		if got := logName(path); got != want {
			t.Errorf("logName(%q) = %q, want %q", path, got, want)
		}
	}
}

// TestQuietErrorLogs: a log at level crit is followed, with a warning that it has little.
func TestQuietErrorLogs(t *testing.T) {
	conf := &nginxconf.Config{ErrorLogs: []nginxconf.ErrorLog{
		{Path: "/a/error.log", Level: "error"}, {Path: "/a/crit.log", Level: "crit"}, {Path: "/dev/null",
			Level: "crit"}, {Path: "/a/emerg.log", Level: "emerg"},
	}}
	p, err := New("probes.yml", Config{}, nil, conf)
	if err != nil {
		t.Fatal(err)
	}
	var quiet []string
	for _, log := range p.QuietErrorLogs() {
		quiet = append(quiet, log.Path)
	}
	if diff := cmp.Diff([]string{"/a/crit.log", "/a/emerg.log"}, quiet); diff != "" || len(p.ErrorLogs) != 3 ||
		len(p.Ignored) != 1 {
		t.Errorf("%d followed, %d ignored; quiet (want -, got +)\n%s", len(p.ErrorLogs), len(p.Ignored), diff)
	}
}

// TestSubrequestsOfConfiguredLogs: nginx.conf says whether a log has lines of subrequests, however the config file
// names it.
func TestSubrequestsOfConfiguredLogs(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	combined := nginxconf.LogFormat{Format: nginxconf.CombinedFormat}
	conf := &nginxconf.Config{LogFormats: map[string]nginxconf.LogFormat{"combined": combined}}
	for _, path := range []string{filepath.Join(dir, "access.log"), filepath.Join(dir, "sites", "$host.log"),
		"/var/log/nginx/access.log"} {
		conf.AccessLogs = append(conf.AccessLogs, nginxconf.AccessLog{Path: path, Format: "combined",
			Subrequests: true})
	}
	for _, c := range []struct {
		log  AccessLogConfig
		want bool
	}{
		{AccessLogConfig{Path: "access.log"}, true},
		{AccessLogConfig{Path: filepath.Join(dir, "access.log")}, true},
		{AccessLogConfig{Path: "sites/*.log"}, true},
		{AccessLogConfig{Path: "other.log"}, false},
		{AccessLogConfig{Docker: "lb", DockerRoot: "/var/lib/docker"}, true},
	} {
		c.log.Name, c.log.Format = "access", FormatNames{"combined"}
		s, err := New("p.yml", Config{AccessLogs: []AccessLogConfig{c.log}}, nil, conf)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.AccessLogs[0].Subrequests; got != c.want {
			t.Errorf("%+v: %t", c.log, got)
		}
	}
}
