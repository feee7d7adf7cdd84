package source

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// settingsOf reads an nginx.conf with that http block; DIR in it is the folder of the logs.
func settingsOf(t *testing.T, http string, c Config) (s *Settings, dir string) {
	t.Helper()
	dir = t.TempDir()
	path := filepath.Join(dir, "nginx.conf")
	text := "error_log DIR/error.log;\nevents {}\nhttp {\n" + http + "\n}\n"
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	conf, err := nginxconf.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = New("probes.yml", c, nil, conf); err != nil {
		t.Fatal(err)
	}
	return s, dir
}

// Which logs of nginx.conf are followed, in which formats, and why others are not.
func TestWhichAccessLogsAreFollowed(t *testing.T) {
	const formats = `log_format bytes '$body_bytes_sent'; log_format short '$status'; ` +
		`log_format timed '$status $request_time';
		log_format spaced '$remote_addr, $status, $upstream_addr, $request_time'; ` +
		`log_format upper '$upstream_addr $upstream_status'; `
	for name, test := range map[string]struct{ http, followed, ignored string }{
		"one": {"server { access_log DIR/a.log; }", "a=combined", ""},
		"a format that nobody can read stops no other (case 01)": {
			"server { access_log DIR/a.log short; } server { access_log DIR/b.log spaced; }", "a=short",
			`FAILED DIR/b.log cannot be followed: log_format spaced: ", " after $upstream_addr`,
		},
		"http's log that nobody inherits (case 05)": {
			"access_log DIR/access.log; server { access_log DIR/access.log timed; }", "access=timed", "",
		},
		"http's log that nobody inherits, in a file of its own": {
			"access_log DIR/outer.log; server { access_log DIR/access.log timed; }", "access=timed",
			"DIR/outer.log is never written: every server has an access_log of its own",
		},
		"a log of bytes beside the one of requests (case 07)": {
			"server { access_log DIR/s.log combined; access_log DIR/s.bytes bytes; }", "s=combined",
			"DIR/s.bytes has the same requests as DIR/s.log, which has more variables",
		},
		"the most informative one, whatever the order": {
			"server { access_log DIR/a.log short; access_log DIR/b.log timed; }", "b=timed",
			"DIR/a.log has the same requests as DIR/b.log",
		},
		"of equals the first": {
			"server { access_log DIR/a.log short; access_log DIR/b.log short; }", "a=short",
			"DIR/b.log has the same requests as DIR/a.log",
		},
		"with the status before upstreams without it": {
			"server { access_log DIR/a.log upper; access_log DIR/b.log short; }", "b=short",
			"DIR/a.log has the same requests as DIR/b.log",
		},
		"all requests before some of them": {
			"map $status $bad { ~^5 1; default 0; } server { access_log DIR/a.log timed if=$bad; access_log " +
				"DIR/b.log short; }", "b=short",
			"DIR/a.log has the same requests as DIR/b.log",
		},
		"some requests in each": {
			"map $status $bad { ~^5 1; default 0; } server { access_log DIR/a.log timed if=$bad; access_log " +
				"DIR/b.log short if=$host; }", "a=timed", "DIR/b.log may have the same requests as DIR/a.log",
		},
		"of a location alone": {
			"server { access_log DIR/a.log; location / { access_log DIR/b.log short; access_log DIR/c.log timed; } }",
			"a=combined c=timed",
			"DIR/b.log has the same requests as DIR/c.log",
		},
		"the only log of one server is in two of another": {
			"server { access_log DIR/a.log short; access_log DIR/b.log timed; } server { access_log " +
				"DIR/a.log short; }", "a=short",
			"DIR/b.log has the same requests as DIR/a.log",
		},
		"two logs of http": {
			"access_log DIR/a.log short; access_log DIR/b.log timed; server { listen 1; } server { access_log off; }",
			"b=timed",
			"DIR/a.log has the same requests as DIR/b.log",
		},
		"two formats in one file": {
			"server { access_log DIR/a.log short; } server { access_log DIR/a.log timed; }", "a=short,timed", "",
		},
		"two formats in one file at one level: two lines for each request": {
			"server { access_log DIR/a.log short; access_log DIR/a.log timed; }", "a=timed,-short",
			"lines of DIR/a.log in log_format short have the same requests as those in log_format timed: not counted",
		},
		"one file, of which a format alone is another server's only one": {
			"server { access_log DIR/a.log short; access_log DIR/a.log timed; } server { access_log DIR/a.log short; }",
			"a=short,-timed",
			"lines of DIR/a.log in log_format timed have the same requests as those in log_format short",
		},
		"lines in a followed file that repeat what another file has": {
			"server { access_log DIR/a.log short; access_log DIR/b.log timed; } server { access_log DIR/a.log bytes; }",
			"b=timed a=bytes,-short",
			"lines of DIR/a.log in log_format short have the same requests as those in DIR/b.log",
		},
		"one log_format twice in one file": {
			"server { access_log DIR/a.log short; access_log DIR/a.log short; }", "a=short",
			"TWICE DIR/a.log is named in line 5, too: NGINX writes each request twice, and it counts twice; remove one",
		},
		"two servers' only formats together in a third": {
			"server { access_log DIR/a.log short; } server { access_log DIR/a.log timed; } server { access_log " +
				"DIR/a.log " +
				"short; access_log DIR/a.log timed; }", "a=short,timed",
			"TWICE what is written to DIR/a.log in log_format short (line 5) is written to DIR/a.log in log_format " +
				"timed as well",
		},
		"one of two formats in a file cannot be read": {
			"server { access_log DIR/a.log spaced; } server { access_log DIR/a.log timed; }", "a=timed",
			"FAILED DIR/a.log cannot be followed: log_format spaced",
		},
		"variables in the path": {
			"server { access_log DIR/hosts/$host.log short; }", "",
			`DIR/hosts/$host.log has variables in its path; name the files in nginx.access_logs: {path: ` +
				`"DIR/hosts/*.log", name: hosts, format: short}`,
		},
		"variables in the path beside other logs (case 21)": {
			"server { access_log DIR/$host.log; } server { access_log DIR/access.log; }", "access=combined",
			`DIR/$host.log has variables in its path; DIR/*.log would match DIR/access.log, DIR/error.log, too: ` +
				`write these files to a separate folder ` +
				`(access_log DIR/hosts/$host.log combined;) and name them in nginx.access_logs: {path: ` +
				`"DIR/hosts/*.log", name: hosts, format: combined}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := settingsOf(t, formats+strings.ReplaceAll(test.http, "server {", "server { listen 1;"), Config{})
			var followed, ignored []string
			for _, log := range s.AccessLogs {
				var names []string
				for _, f := range log.Formats {
					if f.Repeats {
						f.Name = "-" + f.Name
					}
					names = append(names, f.Name)
				}
				followed = append(followed, fmt.Sprintf("%s=%s", log.Name, strings.Join(names, ",")))
			}
			for _, i := range s.Ignored {
				text := strings.TrimPrefix(i.String(), i.Pos.String()+": ")
				if i.Failed {
					text = "FAILED " + text
				}
				if i.Twice {
					text = "TWICE " + text
				}
				ignored = append(ignored, strings.ReplaceAll(text, dir, "DIR"))
			}
			if got := strings.Join(followed, " "); got != test.followed {
				t.Errorf("followed are %q, want %q", got, test.followed)
			}
			if got := strings.Join(ignored, "\n"); !strings.HasPrefix(got, test.ignored) || test.ignored == "" &&
				got != "" {
				t.Errorf("ignored\n%s\nwant\n%s", got, test.ignored)
			}
		})
	}
}

// A log with an ambiguous format is reported with the change to make, and with what it could still have.
func TestRemedyForAFormat(t *testing.T) {
	s, _ := settingsOf(t, "log_format spaced '$remote_addr, $status, $upstream_addr, $request_time'; server { "+
		"access_log DIR/b.log spaced; }", Config{})
	if len(s.Ignored) != 1 {
		t.Fatalf("%+v", s.Ignored)
	}
	remedy := s.Ignored[0].Remedy
	for _, want := range []string{`write "$upstream_addr"`, "would still give nginx_access_requests_total"} {
		if !strings.Contains(remedy, want) {
			t.Errorf("%q is not in %q", want, remedy)
		}
	}
	// Followed, the remedy works.
	mended, _ := settingsOf(t, `log_format spaced '$remote_addr, $status, "$upstream_addr", $request_time'; server `+
		`{ access_log DIR/b.log spaced; }`, Config{})
	if len(mended.AccessLogs) != 1 || len(mended.Ignored) != 0 {
		t.Errorf("with the remedy: %+v", mended.Ignored)
	}
}

// A log of the config file has several formats, by name or literal, or those that nginx.conf writes it in.
func TestFormatsOfTheConfigFile(t *testing.T) {
	const http = "log_format a '$status'; log_format b '$status $request_time'; log_format bad '$remote_addr, " +
		"$status, $upstream_addr, $request_time';" +
		"server { access_log DIR/both.log a; location / { access_log DIR/both.log b; } }"
	s, dir := settingsOf(t, http, Config{AccessLogs: []AccessLogConfig{
		{Name: "named", Path: "/x.log", Format: FormatNames{"a", "b"}},
		{Name: "mixed", Path: "/y.log", Format: FormatNames{"b", "$request_method $status"}},
		{Name: "partly", Path: "/z.log", Format: FormatNames{"bad", "a"}},
		{Name: "bad", Path: "/w.log", Format: FormatNames{"bad"}},
	}})
	got := map[string][]string{}
	for _, log := range s.AccessLogs {
		for _, f := range log.Formats {
			got[log.Name] = append(got[log.Name], f.Text)
		}
	}
	want := map[string][]string{
		"named": {"$status", "$status $request_time"}, "mixed": {"$status $request_time",
			"$request_method $status"}, "partly": {"$status"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(s.Ignored) != 2 || !s.Ignored[0].Failed || !s.Ignored[1].Failed {
		t.Errorf("ignored %+v", s.Ignored)
	}
	c := Config{AccessLogs: []AccessLogConfig{{Name: "both", Path: dir + "/both.log"}}}
	if s, err := New("probes.yml", c, nil, s.Conf); err != nil || len(s.AccessLogs[0].Formats) != 2 {
		t.Errorf("%v: in the formats that nginx.conf has it in: %+v", err, s.AccessLogs)
	}
	for _, wrong := range []AccessLogConfig{{Path: "/x", Format: FormatNames{"a", "nope"}}, {Path: "/x",
		Format: FormatNames{"$remote_addr, $status, $upstream_addr, $request_time"}}} {
		if _, err := New("probes.yml", Config{AccessLogs: []AccessLogConfig{wrong}}, nil, s.Conf); err == nil {
			t.Errorf("%v is taken", wrong.Format)
		}
	}
}

// A log of the config file without a format, and a container's stdout, have the formats of nginx.conf: a request that
// is written in two of them is counted in one, also after nginx.conf has changed.
func TestRepeatsOfTheConfigFile(t *testing.T) {
	const http = "log_format a '$status'; log_format b '$status $request_time'; server { access_log LOG a; " +
		"access_log " +
		"LOG b; } server { access_log DIR/other.log; }"
	for _, log := range []AccessLogConfig{
		{Name: "file", Path: "/var/log/nginx/access.log"}, {Name: "web", Docker: "web"},
	} {
		c := Config{AccessLogs: []AccessLogConfig{log}}
		s, _ := settingsOf(t, strings.ReplaceAll(http, "LOG", "/var/log/nginx/access.log"), c)
		want := []Format{{Name: "b", Text: "$status $request_time", Escape: "default"}, {Name: "a", Text: "$status",
			Escape: "default", Repeats: true}}
		if diff := cmp.Diff(want, s.AccessLogs[0].Formats); diff != "" {
			t.Errorf("%s: %s", log.Name, diff)
		}
		if diff := cmp.Diff(want, s.AccessLogs[0].FormatsIn(s.Conf)); diff != "" {
			t.Errorf("%s, read again: %s", log.Name, diff)
		}
	}
	s, _ := settingsOf(t, "} stream { log_format a '$status'; log_format b '$status $protocol'; server { listen 1; "+
		"return x; access_log /s.log a; access_log /s.log b; }", Config{StreamLogs: []AccessLogConfig{{Name: "s",
		Path: "/s.log"}}})
	if f := s.StreamLogs[0].Formats; len(f) != 2 || f[0].Repeats == f[1].Repeats {
		t.Errorf("of stream{}: %+v", f)
	}
}
