package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// A reported is what check says for machines.
type reported struct {
	OK    bool
	Lines []struct{ Section, Verdict, Subject, Text, Verbatim, Remedy, From string }
}

func report(t *testing.T, args ...string) (r reported) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	run(context.Background(), append(args, "check", "--output", "json"), &stdout, &stderr)
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	return r
}

// remedy is the remedy that has a text in it, "" for none.
func (r reported) remedy(text string) string {
	for _, l := range r.Lines {
		if strings.Contains(l.Remedy, text) {
			return l.Remedy
		}
	}
	return ""
}

func (r reported) String() string {
	var b strings.Builder
	for _, l := range r.Lines {
		fmt.Fprintf(&b, "%s %s %s: %s → %s\n", l.Section, l.Verdict, l.Subject, l.Text, l.Remedy)
	}
	return b.String()
}

// A place is a folder with an nginx.conf, a config and what they name.
type place struct {
	t         *testing.T
	dir, addr string
}

func newPlace(t *testing.T, nginx, config string) *place {
	t.Helper()
	p := &place{t, t.TempDir(), freeAddress(t)}
	p.write("nginx.conf", nginx)
	p.write("probes.yml", config)
	p.write("error.log", "2026/11/24 01:01:01 [error] 12#12: *1 connect() failed\n")
	return p
}

// fill puts the folder and a free address where a text has DIR and ADDRESS.
func (p *place) fill(text string) string {
	return strings.NewReplacer("DIR", p.dir, "ADDRESS", p.addr).Replace(text)
}

func (p *place) write(name, text string) { writeFile(p.t, filepath.Join(p.dir, name), p.fill(text)) }

func (p *place) read(name string) string {
	text, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// replace changes one text of a file into another.
func (p *place) replace(name, old, new string) {
	p.t.Helper()
	text, old := p.read(name), p.fill(old)
	if !strings.Contains(text, old) {
		p.t.Fatalf("%q is not in %s:\n%s", old, name, text)
	}
	p.write(name, strings.Replace(text, old, new, 1))
}

func (p *place) report() reported {
	return report(p.t, "--config", filepath.Join(p.dir, "probes.yml"), "--storage.path", "", "--web.listen-address",
		freeAddress(p.t))
}

// isTakenByNGINX has real NGINX test nginx.conf.
func (p *place) isTakenByNGINX() {
	p.t.Helper()
	if said, err := p.nginxTest(); err != nil {
		p.t.Fatalf("NGINX refuses it: %s\n%s", said, p.read("nginx.conf"))
	}
}

func (p *place) nginxTest() (said string, err error) {
	binary, err := testenv.Find("nginx")
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := exec.Command(binary, "-t", "-p", p.dir, "-c", filepath.Join(p.dir, "nginx.conf"), "-g",
		"pid "+p.dir+"/pid;").CombinedOutput()
	return string(out), err
}

// after is what follows a text in a remedy.
func after(t *testing.T, remedy, text string) string {
	t.Helper()
	_, rest, found := strings.Cut(remedy, text)
	if !found {
		t.Fatalf("%q is not in %q", text, remedy)
	}
	return rest
}

const onlyNginx = "nginx: {config: nginx.conf}\nprobes: []\n"

// site is an nginx.conf whose server has those directives.
func site(directives string) string {
	return "error_log DIR/error.log warn;\nevents {}\nhttp {\nlog_format full '$status $request_time';\nserver " +
		"{\nlisten " +
		"ADDRESS;\n" + directives + "\n}\n}\n"
}

// A remedyRow has a text of a remedy, what makes check give it, and mend, which does what it says.
type remedyRow struct {
	says          string
	nginx, config string
	mend          func(p *place, remedy string)
	notByNGINX    bool // nginx.conf is not one that NGINX takes, before or after
}

// What check says to do is done, and the finding is gone. Each row has the text of one remedy.
func TestRemediesOfLogs(t *testing.T) {
	for name, row := range map[string]remedyRow{
		"no log": {says: "write access_log ", nginx: site("access_log off;"), config: onlyNginx,
			mend: func(p *place, remedy string) {
				directive := regexp.MustCompile(`access_log \S+;`).FindString(remedy)
				p.replace("nginx.conf", "access_log off;", strings.Replace(directive, "/var/log/nginx", p.dir, 1))
			}},
		"not there yet": {says: "nothing to do if NGINX has not run yet", nginx: site("access_log DIR/site.log full;"),
			config: onlyNginx, mend: func(p *place, _ string) { p.isTakenByNGINX() }}, // it opens its logs
		"another format": {says: "Else give the one it is written in", nginx: site("access_log DIR/site.log full;"),
			config: "nginx: {config: nginx.conf, access_logs: [{path: other.log, format: full}]}\nprobes: []\n",
			mend: func(p *place, _ string) {
				p.replace("probes.yml", "format: full", "format: '$request_time $status'")
			}},
		"no error log": {says: "is this an error_log of NGINX?", nginx: site("access_log DIR/site.log;"),
			config: "nginx: {config: nginx.conf, error_logs: [{path: other.log}]}\nprobes: []\n",
			mend:   func(p *place, _ string) { p.replace("probes.yml", "other.log", "error.log") }},
		"a folder": {says: "or a glob such as ", nginx: site("access_log DIR/site.log;"),
			config: "nginx: {config: nginx.conf, access_logs: [{path: logs, format: full}]}\nprobes: []\n",
			mend: func(p *place, remedy string) {
				p.replace("probes.yml", "path: logs", "path: "+after(p.t, remedy, "or a glob such as "))
			}},
		"a folder that is a file": {says: "correct the path: ", nginx: site("access_log DIR/site.log;"),
			config: "nginx: {config: nginx.conf, access_logs: [{path: other.log/access.log, format: " +
				"full}]}\nprobes: []\n",
			mend: func(p *place, _ string) { p.replace("probes.yml", "other.log/access.log", "logs/access-1.log") }},
		"a loop of links": {says: "ls -ld ", nginx: site("access_log DIR/site.log;"),
			config: "nginx: {config: nginx.conf, access_logs: [{path: loop/a.log, format: full}]}\nprobes: []\n",
			mend: func(p *place, remedy string) {
				out, err := exec.Command("sh", "-c", strings.Split(remedy, " shows")[0]).CombinedOutput()
				if err != nil || !strings.Contains(string(out), "loop -> loop") {
					p.t.Errorf("%v: %s", err, out)
				}
				p.replace("probes.yml", "loop/a.log", "logs/access-1.log")
			}},
		"duplicate": {says: "to count its requests as well",
			nginx: site("access_log DIR/site.log; access_log DIR/b.log full;"), config: onlyNginx,
			mend: func(p *place, remedy string) {
				section := regexp.MustCompile(`nginx\.(\w+)`).FindStringSubmatch(remedy)[1]
				p.write("probes.yml", "nginx: {config: nginx.conf, "+section+": [{path: site.log}, {path: b.log}]}\n"+
					"probes: []\n")
			}},
		"two formats of one file": {says: "remove this access_log",
			nginx: site("access_log DIR/site.log; access_log DIR/site.log full;"), config: onlyNginx,
			mend: func(p *place, _ string) { p.replace("nginx.conf", "access_log DIR/site.log;", "") }},
		"one file twice": {says: "remove one of the two",
			nginx: site("access_log DIR/site.log full; access_log DIR/site.log full;"), config: onlyNginx,
			mend: func(p *place, _ string) { p.replace("nginx.conf", "access_log DIR/site.log full;", "") }},
		"gzip": {says: "write it without gzip", nginx: site("access_log DIR/site.log full gzip;"), config: onlyNginx,
			mend: func(p *place, _ string) { p.replace("nginx.conf", " gzip", "") }},
		"quotes": {says: " in the log_format, with the quotes", config: onlyNginx,
			nginx: strings.Replace(site("access_log DIR/b.log spaced;"), "log_format full '", "log_format spaced "+
				"'$remote_addr, $status, $upstream_addr, $request_time';\nlog_format full '", 1),
			mend: func(p *place, remedy string) {
				for _, quoted := range regexp.MustCompile(`"\$\w+"`).FindAllString(remedy, -1) {
					text := p.read("nginx.conf")
					plain := strings.Trim(quoted, `"`)
					p.write("nginx.conf", strings.Replace(text, plain, quoted, 1))
				}
			}},
		"a broken format": {says: "or log in another format as well", config: onlyNginx,
			nginx: strings.Replace(site("access_log DIR/site.log none;"), "log_format full '", "log_format none "+
				"'text';\nlog_format full '", 1),
			mend: func(p *place, _ string) {
				p.replace("nginx.conf", "site.log none;", "site.log none; access_log DIR/b.log full;")
				if !strings.Contains(p.report().String(), "b.log") {
					p.t.Error("the other log is not followed")
				}
				p.replace("nginx.conf", "'text'", "'$status'")
			}},
		"stderr": {says: "write it to a file", nginx: strings.Replace(site("access_log DIR/site.log;"),
			"error_log DIR/error.log warn", "error_log stderr warn", 1), config: onlyNginx,
			mend: func(p *place, _ string) { p.replace("nginx.conf", "error_log stderr", "error_log DIR/error.log") }},
		"variables in the path": {says: "name the files in nginx.access_logs: ", config: onlyNginx,
			nginx: site("access_log DIR/hosts/$host.log full;"),
			mend:  func(p *place, remedy string) { p.nameLog(after(p.t, remedy, "access_logs: ")) }},
		"variables in the path beside others": {says: "write these files to a separate folder", config: onlyNginx,
			nginx: site("access_log DIR/$host.log full; location /x { access_log DIR/site.log; }"),
			mend: func(p *place, remedy string) {
				p.replace("nginx.conf", "access_log DIR/$host.log full;", strings.Trim(
					regexp.MustCompile(`\(access_log [^)]+\)`).FindString(remedy), "()"))
				p.nameLog(after(p.t, remedy, "access_logs: ") + ", {path: site.log}")
			}},
		"to stdout": {says: "delete the link", nginx: site("access_log DIR/stdout.log full;"), config: onlyNginx,
			mend: func(p *place, _ string) {
				if err := os.Remove(filepath.Join(p.dir, "stdout.log")); err != nil {
					p.t.Fatal(err)
				}
				p.isTakenByNGINX() // NGINX makes a file of it
			}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, row.nginx, row.config)
			p.write("other.log", "0.010 200\n")
			for _, dir := range []string{"logs", "hosts"} {
				if err := os.Mkdir(filepath.Join(p.dir, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			p.write("logs/access-1.log", "200 0.010\n")
			for from, to := range map[string]string{"stdout.log": "/dev/stdout", "loop": "loop"} {
				if err := os.Symlink(to, filepath.Join(p.dir, from)); err != nil {
					t.Fatal(err)
				}
			}
			if name != "not there yet" {
				p.write("site.log", "")
				p.isTakenByNGINX()
			}
			p.expectMended(row)
			p.isTakenByNGINX()
		})
	}
}

// nameLog names a log in the config file.
func (p *place) nameLog(entry string) {
	p.write("probes.yml", "nginx: {config: nginx.conf, access_logs: ["+entry+"]}\nprobes: []\n")
}

// expectMended does what a remedy says, and expects it to be gone.
func (p *place) expectMended(row remedyRow) {
	p.t.Helper()
	before := p.report()
	remedy := before.remedy(row.says)
	if remedy == "" {
		p.t.Fatalf("nothing has the remedy %q\n%s", row.says, before)
	}
	row.mend(p, remedy)
	if again := p.report(); again.remedy(row.says) != "" {
		p.t.Errorf("%q does not help\n%s", remedy, again)
	}
}

// The same for nodes, the config file and nginx.conf.
func TestRemediesOfNodes(t *testing.T) {
	node := strings.TrimPrefix(answering(t, "{}").URL, "http://")
	pass := site("access_log DIR/site.log; location / { proxy_pass http://app; }")
	withGroup := func(servers string) string {
		return strings.Replace(pass, "server {\n", "upstream app { "+servers+" }\nserver {\n", 1)
	}
	probed := "probes: [{name: health, module: web, interval: 5s, targets: ['http://" + node + "/']}]\nmodules: " +
		"{web: " +
		"{prober: http}}\n"
	for name, row := range map[string]remedyRow{
		"Lua": {says: "name them in probes:", notByNGINX: true, config: "nginx: {config: nginx.conf}\n",
			nginx: withGroup("server 0.0.0.1; balancer_by_lua_block { }"),
			mend:  func(p *place, _ string) { p.write("probes.yml", "nginx: {config: nginx.conf}\n"+probed) }},
		"a relative socket": {says: "write its whole path in nginx.conf", config: "nginx: {config: nginx.conf}\n",
			nginx: withGroup("server unix:a.sock;"),
			mend: func(p *place, _ string) {
				socket, err := net.Listen("unix", filepath.Join(p.dir, "a.sock"))
				if err != nil {
					p.t.Fatal(err)
				}
				p.t.Cleanup(func() { socket.Close() })
				p.replace("nginx.conf", "unix:a.sock", "unix:DIR/a.sock")
				if r := p.report(); !strings.Contains(r.String(), "Nodes good upstream: unix:"+p.dir+"/a.sock") {
					p.t.Errorf("it is not probed\n%s", r)
				}
			}},
		"nothing is probed": {says: "name the servers to probe in probes:", config: "nginx: {config: nginx.conf}\n",
			nginx: withGroup("server " + node + " down;"),
			mend:  func(p *place, _ string) { p.write("probes.yml", "nginx: {config: nginx.conf}\n"+probed) }},
		"a node without a probe": {says: "name it among the targets of a probe", nginx: pass, notByNGINX: true,
			config: onlyNginx + "nodes: [{name: a, address: '" + node + "'}]\n",
			mend: func(p *place, _ string) {
				p.write("probes.yml", "nginx: {config: nginx.conf}\nnodes: [{name: a, address: '"+node+"'}]\n"+probed)
			}},
		"no nginx.conf": {says: "give nginx.config: ", nginx: pass, notByNGINX: true, config: "probes: []\n",
			mend: func(p *place, remedy string) {
				path := strings.Replace(after(p.t, remedy, "give nginx.config: "), "/etc/nginx", p.dir, 1)
				p.write("probes.yml", "nginx: {config: "+path+"}\nprobes: []\n")
			}},
		"a wrong path": {says: "correct the path; the rest can be checked when this is right", nginx: pass,
			notByNGINX: true, config: "nginx: {config: nginks.conf}\nprobes: []\n",
			mend: func(p *place, _ string) { p.replace("probes.yml", "nginks", "nginx") }},
		"a wrong key": {says: "correct it first", nginx: pass, notByNGINX: true,
			config: "nginx: {confg: nginx.conf}\nprobes: []\n",
			mend:   func(p *place, _ string) { p.replace("probes.yml", "confg", "config") }},
		"a broken nginx.conf": {says: "nginx -t says the same", nginx: "events {}\nhttp {\nserver_names_hash 3\n}\n",
			config: onlyNginx, notByNGINX: true, mend: func(p *place, _ string) {
				ours := p.report().Lines[0].Text
				place, what, _ := strings.Cut(strings.TrimPrefix(ours, p.dir+"/probes.yml:1: nginx.config: "), ": ")
				if said, err := p.nginxTest(); err == nil || !strings.Contains(said, what+" in "+place) {
					p.t.Errorf("NGINX says %q, check says %q", said, ours)
				}
				p.replace("nginx.conf", "server_names_hash 3", "server { listen ADDRESS; }")
			}},
		"another build's": {says: "nothing to do if your NGINX knows it", notByNGINX: true, config: onlyNginx,
			nginx: withGroup("server " + node + "; check interval=3000;"),
			mend:  func(p *place, _ string) { p.replace("nginx.conf", "check interval=3000;", "") }},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, row.nginx, row.config)
			p.write("site.log", "")
			if !row.notByNGINX {
				p.isTakenByNGINX()
			}
			p.expectMended(row)
		})
	}
}
