package check

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// acceptedByNGINX writes a configuration and has real NGINX test it.
func acceptedByNGINX(t *testing.T, dir, text string) (conf string) {
	t.Helper()
	conf = filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	binary, err := testenv.Find("nginx")
	if err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command(binary, "-t", "-p", dir, "-c", conf, "-g",
		"pid "+dir+"/pid;").CombinedOutput(); err != nil {
		t.Fatalf("NGINX refuses it: %s\n%s", said, text)
	}
	return conf
}

func settingsFor(t *testing.T, conf string) *settings.Settings {
	t.Helper()
	s, err := settings.Load(t.Context(), settings.Source{NginxConf: conf})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The log_format that is proposed has all fields of the user's own, is taken by NGINX where it says, and gives every
// metric.
func TestProposedFormatsWork(t *testing.T) {
	for name, format := range map[string]string{
		"plain":           `'$status'`,
		"the incumbent's": `'` + testenv.IncumbentFormat + `'`,
		"JSON":            `escape=json '{"t":"$time_iso8601","id":"$host","status":"$status"}'`,
		"JSON in rows":    "escape=json '{\\n'\n'\"status\":\"$status\",\\n'\n'\"uri\":\"$uri\"\\n'\n'}'",
		"pretty JSON":     "escape=json '{\n  \"status\": \"$status\",\n  \"uri\": \"$uri\"\n}'",
		"rows":            "'$remote_addr [$time_local]\n  \"$request\" $status\n$http_user_agent'",
		"a frame":         `'[BEGIN]\n$remote_addr\n$status $request_time\n[END]\n'`,
		"an array":        `escape=json '["$status","$uri"]'`,
		"quotes":          `'it\'s "$status" \\x41 $uri'`,
		"tabs":            `'$status\t$request_time'`,
		"a line break":    `'$status $request_time\n'`,
		"braces":          `'${status}ms $request'`,
		"no spaces":       `'[$time_local]"$request"$status,$body_bytes_sent,"$http_user_agent"'`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			text := fmt.Sprintf("error_log %[1]s/error.log;\nevents {}\nhttp {\nlog_format main %[2]s;\nserver "+
				"{\nlisten 127.0.0.1:8093;\naccess_log %[1]s/access.log main;\n}\n}\n", dir, format)
			s := settingsFor(t, acceptedByNGINX(t, dir, text))
			all := proposals(s)
			if len(all) != 1 {
				t.Fatalf("%d proposals", len(all))
			}
			at := fmt.Sprintf("nginx.conf:%d: ", s.Nginx.AccessLogs[0].Line)
			_, directive, found := strings.Cut(all[0].comment, "write at "+at)
			if !found {
				t.Fatalf("without a place: %s", all[0].comment)
			}
			var output bytes.Buffer
			PrintFormats(&output, s)
			// NGINX refuses a log_format that comes later.
			if !strings.Contains(all[0].comment, "above access_log") {
				t.Errorf("nothing says where in http { }: %s", all[0].comment)
			}
			text = strings.Replace(text, fmt.Sprintf("access_log %s/access.log main;", dir), directive, 1)
			text = strings.Replace(text, "server {\n", output.String()+"server {\n", 1)
			after := settingsFor(t, acceptedByNGINX(t, dir, text))
			if log := after.Observed.AccessLogs[0]; log.Formats[0].Text != all[0].format.Text {
				t.Errorf("NGINX reads %q, want %q", log.Formats[0].Text, all[0].format.Text)
			}
			if given, of := collector.MetricsGiven(after.Observed); of-given != 8 { // those of the status page
				t.Errorf("%d of %d metrics", given, of)
			}
			if left := proposals(after); len(left) > 0 {
				t.Errorf("something is proposed still: %s", left[0].directive())
			}
			if !strings.Contains(all[0].format.Text, "$msec") {
				t.Errorf("whatif has no time that is fine enough in %q", all[0].format.Text)
			}
			own := strings.Join(strings.Fields(strings.TrimRight(s.Observed.AccessLogs[0].Formats[0].Text, "}\n ")),
				" ")
			if proposed := strings.Join(strings.Fields(all[0].format.Text), " "); !strings.HasPrefix(proposed, own) {
				t.Errorf("%q does not begin with the user's own %q", proposed, own)
			}
		})
	}
}

// Several logs have a proposal for each format; combined cannot be redefined, and used names are avoided.
func TestProposalsForSeveralLogs(t *testing.T) {
	dir := t.TempDir()
	text := strings.ReplaceAll(`error_log DIR/error.log;
events {}
http {
  log_format main '$status';
  log_format fremisn_main '$status';
  server { listen 127.0.0.1:8093; access_log DIR/a.log main; }
  server { listen 127.0.0.1:8094; access_log DIR/b.log; }
  server { listen 127.0.0.1:8095; access_log DIR/c.log main; }
}
`, "DIR", dir)
	s := settingsFor(t, acceptedByNGINX(t, dir, text))
	var output bytes.Buffer
	PrintFormats(&output, s)
	acceptedByNGINX(t, dir, strings.Replace(text, "http {\n", "http {\n"+output.String(), 1))
	var names []string
	for _, match := range regexp.MustCompile(`(?m)^log_format (\w+)`).FindAllStringSubmatch(output.String(), -1) {
		names = append(names, match[1])
	}
	if got := strings.Join(names, " "); got != "fremisn_main_2 fremisn_combined" {
		t.Errorf("proposed are %s", got)
	}
}

// Each remedy of a finding in nginx.conf, put where it says, is taken by NGINX and ends the finding.
func TestRemediesOfFindings(t *testing.T) {
	for name, test := range map[string]struct {
		replace, by string // what has the finding made
		subject     string
		put         func(text, directives string) string
	}{
		"zone": {"zone nodes 64k;", "", "max_conns", inGroup},
		"max_fails": {" max_fails=3", "", "max_fails", func(text, _ string) string {
			return strings.ReplaceAll(text, "max_conns=10", "max_conns=10 max_fails=3")
		}},
		"tries": {" max_fails=3", "", "max_fails", func(text, _ string) string {
			return inLocation(text,
				"proxy_next_upstream_tries 1;")
		}},
		"burst": {"burst=20 nodelay", "burst=21 nodelay", "limit burst", func(text, _ string) string {
			return strings.Replace(text, "burst=21 nodelay", "burst=20 nodelay", 1)
		}},
		"delay": {"burst=20 nodelay", "burst=21 nodelay", "limit burst", func(text, _ string) string {
			return strings.Replace(text, "burst=21 nodelay", "burst=21 delay=20", 1)
		}},
		"limit_req_status":  {"limit_req_status 429;", "", "status 503", inHTTP},
		"limit_conn_status": {"limit_conn_status 429;", "", "status 503", inHTTP},
		"error_log": {"error_log LOGS/error.log warn;", "error_log LOGS/error.log;", "error_log",
			func(text, d string) string { return regexp.MustCompile(`error_log \S+;`).ReplaceAllString(text, d) }},
		"POSTs": {" non_idempotent", "", "retries", func(text, d string) string {
			return strings.Replace(text, "proxy_next_upstream error timeout;", d, 1)
		}},
		"keepalive": {keptAlive, "", "keepalive", inLocation},
		"keepalive beside headers": {keptAlive, "", "keepalive",
			func(text, d string) string {
				return strings.Replace(text, hostHeader, hostHeader+" "+d, 1)
			}},
		"keepalive of FastCGI": {passHTTP, "fastcgi_pass nodes;", "keepalive", inLocation},
		"keepalive of uwsgi": {passHTTP, "uwsgi_pass nodes;", "keepalive", func(text, _ string) string {
			return strings.Replace(text, "keepalive 8;", "", 1)
		}},
		"errors twice": {"error_log LOGS/error.log warn;", "error_log LOGS/error.log warn; error_log LOGS/error.log " +
			"error;",
			"error_log", func(text, _ string) string {
				return regexp.MustCompile(`error_log \S+ error;`).ReplaceAllString(text, "")
			}},
		"buffer": {"access.log main;", "access.log main buffer=32k;", "access_log", func(text, _ string) string {
			return strings.Replace(text, "buffer=32k", "buffer=32k flush=1s", 1)
		}},
		"no buffer": {"access.log main;", "access.log main buffer=32k flush=1m;", "access_log",
			func(text, _ string) string { return strings.Replace(text, " buffer=32k flush=1m", "", 1) }},
		"if=": {"access.log main;", "access.log main if=$host;", "access_log", func(text, _ string) string {
			return strings.Replace(text, " if=$host", "", 1)
		}},
		"off": {"proxy_next_upstream error", "access_log off; proxy_next_upstream error", "access_log",
			func(text, _ string) string { return strings.Replace(text, "access_log off; proxy", "proxy", 1) }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			text := strings.ReplaceAll(nothingToFind, test.replace, test.by)
			if name == "keepalive beside headers" {
				text = strings.Replace(text, "listen 8080;", "listen 8080;\n"+hostHeader, 1)
			}
			text = strings.ReplaceAll(strings.Replace(text, "listen 8080", "listen 127.0.0.1:8096", 1), "LOGS", dir)
			remedy := ""
			for _, f := range loadFindings(t, acceptedByNGINX(t, dir, text)) {
				if f.Subject == test.subject {
					remedy = f.Remedy
				}
			}
			if remedy == "" {
				t.Fatal("no such finding")
			}
			if name == "keepalive beside headers" && !strings.HasSuffix(remedy, "beside the proxy_set_header in line "+
				lineOf(text, hostHeader)+" of nginx.conf") {
				t.Errorf("the place is missing: %s", remedy)
			}
			directives := regexp.MustCompile(`[a-z_]+ [^;:]+;`).FindAllString(remedy, -1)
			mended := test.put(text, strings.Join(directives, " "))
			if mended == text {
				t.Fatalf("the remedy changes nothing: %s", remedy)
			}
			for _, f := range loadFindings(t, acceptedByNGINX(t, dir, mended)) {
				if f.Subject == test.subject {
					t.Errorf("with the remedy %q: %s", remedy, f.Text)
				}
			}
		})
	}
}

const (
	keptAlive  = "proxy_http_version 1.1;\n      proxy_set_header Connection \"\";"
	hostHeader = "proxy_set_header Host $host;"
	passHTTP   = "proxy_pass http://nodes;"
)

// lineOf is the number of the line that has a text.
func lineOf(text, part string) string {
	before, _, _ := strings.Cut(text, part)
	return strconv.Itoa(strings.Count(before, "\n") + 1)
}

func loadFindings(t *testing.T, conf string) []finding {
	t.Helper()
	c, err := nginxconf.Load(conf)
	if err != nil {
		t.Fatal(err)
	}
	return nginxFindings(c)
}

func inHTTP(text, directives string) string {
	return strings.Replace(text, "http {\n", "http {\n"+directives+"\n", 1)
}

func inGroup(text, directives string) string {
	return strings.Replace(text, "upstream nodes {\n", "upstream nodes {\n"+directives+"\n", 1)
}

func inLocation(text, directives string) string {
	return strings.Replace(text, "location / {\n", "location / {\n"+directives+"\n", 1)
}

// The server for a status page, pasted, gives one that this program finds and may ask.
func TestStatusServerWorks(t *testing.T) {
	dir := t.TempDir()
	text := strings.ReplaceAll(strings.Replace(nothingToFind,
		"location = /nginx_status { stub_status; access_log off; }", "", 1), "LOGS", dir)
	text = strings.Replace(text, "listen 8080", "listen 127.0.0.1:8097", 1)
	if s := settingsFor(t, acceptedByNGINX(t, dir, text)); len(s.Observed.Status) != 0 {
		t.Fatalf("there is a page already: %+v", s.Observed.Status)
	}
	s := settingsFor(t, acceptedByNGINX(t, dir, inHTTP(text, statusServer)))
	if len(s.Observed.Status) != 1 || s.Observed.Status[0].URL != "http://127.0.0.1:8080/nginx_status" {
		t.Errorf("found are %+v", s.Observed.Status)
	}
}

// What the user has disabled is reported as such, and what cannot be probed with its reason.
func TestSentencesAreTrue(t *testing.T) {
	h := newHost(t)
	h.write(t, h.config, "nginx: {config: nginx.conf, status: []}\nprobes: []\n")
	c := h.check(t)
	c.find(t, sectionNodes, statusOK, "none: the config file has probes: []")
	c.find(t, sectionStatus, statusOK, "none: the config file has status: []")

	h.write(t, filepath.Join(h.dir, "nginx.conf"), "events {}\nhttp { access_log "+h.access+
		"; upstream app { server unix:a.sock; server unix:/nowhere/b.sock; } server { location / { proxy_pass "+
		"http://app; } } }\n")
	h.write(t, h.config, "nginx: {config: nginx.conf}\n")
	c = h.check(t)
	c.find(t, sectionNodes, statusWarn, "unix:a.sock is a socket without a folder")
	c.find(t, sectionNodes, statusFail, "unix:/nowhere/b.sock: ")
	if strings.Contains(c.text, "nothing is probed") {
		t.Errorf("text\n%s", c.text)
	}
	h.write(t, filepath.Join(h.dir, "nginx.conf"),
		"events {}\nhttp { access_log "+h.access+"; server { return 204; } }\n")
	h.check(t).find(t, sectionNodes, statusWarn, "nginx.conf passes requests to no server that it names")
}

// A missing include is reported at its line, with the remedy for containers that mount only nginx.conf.
func TestMissingIncludeIsReported(t *testing.T) {
	h := newHost(t)
	h.write(t, filepath.Join(h.dir, "nginx.conf"), "events {}\nhttp {\n  include mime.types;\n}\n")
	c := h.check(t)
	want := fmt.Sprintf("nginx.conf:3: open() %q failed (2: No such file or directory)", h.dir+"/mime.types")
	if l := c.find(t, sectionConfig, statusFail, want); !strings.Contains(l.Remedy+c.text,
		"mount all that nginx.conf includes") || strings.Contains(l.Text, "no such file") {
		t.Errorf("%+v", l)
	}
}

// A log whose path depends on an absent build is reported with the places where it may be.
func TestRelativeLogIsReported(t *testing.T) {
	found := finding{}
	there := filepath.Join(t.TempDir(), "site.log")
	found.relative([]string{"/nowhere/site.log", "/elsewhere/site.log"})
	if !strings.Contains(found.Remedy, "nginx -V") || !strings.Contains(found.Remedy,
		"/nowhere/site.log, /elsewhere/site.log") {
		t.Errorf("%+v", found)
	}
	if err := os.WriteFile(there, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	found.relative([]string{"/nowhere/site.log", there})
	if !strings.Contains(found.Remedy, "it may be "+there+", which is there") {
		t.Errorf("%+v", found)
	}
}
