package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/fremisn/fremisn-exporter/collector"
)

// A host is what check looks at: a status page, a node, logs and a config, all in good order.
type host struct {
	dir, config  string
	access       string
	status, node *httptest.Server
}

func answering(t *testing.T, body string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }))
	t.Cleanup(server.Close)
	return server
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{dir: t.TempDir()}
	h.status = answering(t, "Active connections: 3 \nserver accepts handled requests\n 10 10 42 \nReading: 0 Writing: 1 Waiting: 2 \n")
	h.node = answering(t, "{}")
	h.access = filepath.Join(h.dir, "access.log")
	h.write(t, h.access, strings.Repeat("200 0.001\n", 1500))
	h.write(t, filepath.Join(h.dir, "error.log"), "2026/11/24 01:01:01 [error] 12#12: *1 connect() failed\n")
	h.write(t, filepath.Join(h.dir, "nginx.conf"), strings.ReplaceAll(nothingToFind, "LOGS", h.dir))
	h.config = filepath.Join(h.dir, "probes.yml")
	h.write(t, h.config, fmt.Sprintf(`nginx:
  config: nginx.conf
  status: [{url: %s}]
nodes: [{name: master, address: "%s"}]
modules: {alive: {prober: http, timeout: 5s}}
probes: [{name: health, module: alive, interval: 5s, targets: [%s]}]
`, h.status.URL, strings.TrimPrefix(h.node.URL, "http://"), h.node.URL))
	return h
}

func (h *host) write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

type checked struct {
	code  int
	text  string
	ok    bool
	lines []line
}

// check runs the command twice: for people and for machines.
func (h *host) check(t *testing.T) checked {
	t.Helper()
	args := []string{"check", "--config", h.config, "--storage.path", filepath.Join(h.dir, "data"), "--web.listen-address", freeAddress(t)}
	var text, stderr, machine bytes.Buffer
	code := run(context.Background(), args, &text, &stderr)
	if second := run(context.Background(), append(args, "--output", "json"), &machine, &stderr); second != code || stderr.Len() > 0 {
		t.Errorf("exit codes %d and %d, stderr %q", code, second, &stderr)
	}
	var report struct {
		OK    bool
		Lines []line
	}
	if err := json.Unmarshal(machine.Bytes(), &report); err != nil {
		t.Fatalf("%v in\n%s", err, &machine)
	}
	if _, err := os.Stat(filepath.Join(h.dir, "data")); err == nil {
		t.Error("check has made the state directory")
	}
	return checked{code, text.String(), report.OK, report.Lines}
}

// find is the only line of the section with that verdict and text.
func (c checked) find(t *testing.T, section string, v verdict, text string) line {
	t.Helper()
	for _, l := range c.lines {
		if l.Section == section && l.Verdict == v && strings.Contains(l.Text, text) {
			return l
		}
	}
	t.Fatalf("no line %s %s %q in\n%s", section, v, text, c.text)
	return line{}
}

func TestCheckFindsAllGood(t *testing.T) {
	h := newHost(t)
	c := h.check(t)
	if c.code != exitOK || !c.ok {
		t.Errorf("exit code %d, ok %t\n%s", c.code, c.ok, c.text)
	}
	c.find(t, sectionConfig, good, h.config)
	c.find(t, sectionConfig, good, "nginx.conf: 1 file, 1 upstream, 2 log formats")
	if l := c.find(t, sectionStatus, good, "active connections: 3, requests: 42"); l.From != h.config {
		t.Errorf("status page from %s", l.From)
	}
	if l := c.find(t, sectionLogs, good, "all of the last 1000 lines fit log_format main"); !strings.HasSuffix(l.From, "nginx.conf:5") {
		t.Errorf("log from %s", l.From)
	}
	c.find(t, sectionLogs, good, "the only line begins as entries do")
	if l := c.find(t, sectionNodes, good, ": alive in "); l.Subject != "master" {
		t.Errorf("node %q", l.Subject)
	}
	c.find(t, sectionSystem, good, "will be made")
	c.find(t, sectionSystem, good, "free")
	l := c.find(t, sectionLogs, look, "log_format main cannot give")
	if !strings.Contains(l.Text, "nginx_upstream_attempts_total ($upstream_addr)") || !strings.HasPrefix(l.Verse, "log_format fremisn\n'") {
		t.Errorf("%+v", l)
	}
	if !strings.HasSuffix(c.text, "worth a look.\n") || strings.Contains(c.text, "\x1b") {
		t.Errorf("text\n%s", c.text)
	}
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		spoil   func(*testing.T, *host)
		section string
		text    string
		remedy  string
	}{
		"status page is HTML": {func(t *testing.T, h *host) {
			h.status.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>Welcome to nginx!</html>") })
		}, sectionStatus, "not a stub_status page", "curl -i http://"},
		"status page is forbidden": {func(t *testing.T, h *host) {
			h.status.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
		}, sectionStatus, "answered 403", "allow this host"},
		"status page is down": {func(t *testing.T, h *host) { h.status.Close() }, sectionStatus, "refused", "NGINX must run"},
		"node is down":        {func(t *testing.T, h *host) { h.node.Close() }, sectionNodes, "refused", "fremisn-exporter probe --config "},
		"log in another format": {func(t *testing.T, h *host) {
			h.write(t, h.access, `127.0.0.1 - - [x] "GET / HTTP/1.1" 200`+"\n")
		}, sectionLogs, "0 of the last 1 line fit", "malformed"},
		"log is a folder": {func(t *testing.T, h *host) {
			if err := errorsOf(os.Remove(h.access), os.Mkdir(h.access, 0o755)); err != nil {
				t.Fatal(err)
			}
		}, sectionLogs, "is a folder", "access-*.log"},
		"log links to stdout": {func(t *testing.T, h *host) {
			if err := errorsOf(os.Remove(h.access), os.Symlink("/dev/stdout", h.access)); err != nil {
				t.Fatal(err)
			}
		}, sectionLogs, "", "mount a volume on"},
		"log is a FIFO": {func(t *testing.T, h *host) {
			if err := errorsOf(os.Remove(h.access), syscall.Mkfifo(h.access, 0o644)); err != nil {
				t.Fatal(err)
			}
		}, sectionLogs, "is no regular file", "mount a volume on"},
		"no error log but text": {func(t *testing.T, h *host) {
			h.write(t, filepath.Join(h.dir, "error.log"), "hello\n")
		}, sectionLogs, "0 of the last 1 line begin as entries do", "error_log of NGINX"},
		"config": {func(t *testing.T, h *host) { h.write(t, h.config, "nodes: [{name: a, adress: x}]\n") }, sectionConfig, "probes.yml:1: nodes[0].adress", "before the config file is right"},
		"nginx.conf": {func(t *testing.T, h *host) {
			h.write(t, filepath.Join(h.dir, "nginx.conf"), "http {\n")
		}, sectionConfig, "nginx.conf:2: unexpected end of file, expecting \"}\"", "nginx -t tells the same"},
		"state directory is a file": {func(t *testing.T, h *host) {
			h.dir = filepath.Join(h.dir, "access.log")
		}, sectionSystem, "is no folder", "--storage.path"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			test.spoil(t, h)
			c := h.check(t)
			if c.code != exitFailed || c.ok {
				t.Errorf("exit code %d, ok %t", c.code, c.ok)
			}
			if l := c.find(t, test.section, wrong, test.text); !strings.Contains(l.Remedy, test.remedy) {
				t.Errorf("remedy %q", l.Remedy)
			}
		})
	}
}

func errorsOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// What can be told while nginx.conf is broken is told, for that is when it is asked for.
func TestCheckProbesWithoutNginxConf(t *testing.T) {
	h := newHost(t)
	h.write(t, filepath.Join(h.dir, "nginx.conf"), "http {\n")
	h.check(t).find(t, sectionNodes, good, h.node.URL+": alive in ")
	h.write(t, h.config, fmt.Sprintf("nginx: {config: nginx.conf}\nnodes: [{name: master, address: %q}]\n", strings.TrimPrefix(h.node.URL, "http://")))
	if l := h.check(t).find(t, sectionNodes, good, h.node.URL+"/: alive in "); l.Subject != "master" {
		t.Errorf("%+v", l)
	}
}

func TestCheckTellsEveryFaultOfTheConfig(t *testing.T) {
	h := newHost(t)
	h.write(t, h.config, "nodes: [{name: a, adress: x}]\nprobe: []\n")
	c := h.check(t)
	c.find(t, sectionConfig, wrong, "probes.yml:1: nodes[0].adress: there is no such key; did you mean address?")
	if l := c.find(t, sectionConfig, wrong, "probes.yml:2: probe: there is no such key; did you mean probes?"); l.Remedy == "" {
		t.Error("without remedy")
	}
	if c.code != exitFailed || !strings.Contains(c.text, "2 wrong (config)") {
		t.Errorf("exit code %d\n%s", c.code, c.text)
	}
}

// A node that no probe names is asked once all the same.
func TestCheckProbesEveryNode(t *testing.T) {
	h := newHost(t)
	address := strings.TrimPrefix(h.node.URL, "http://")
	h.write(t, h.config, fmt.Sprintf("nginx: {config: nginx.conf, status: [{url: %s}]}\nprobes: []\nnodes: [{name: master, address: %q}, {name: slave, address: %q}]\n",
		h.status.URL, address, freeAddress(t)))
	c := h.check(t)
	c.find(t, sectionNodes, look, h.node.URL+"/: alive in ")
	c.find(t, sectionNodes, wrong, "refused (connect); no probe names it")
	if c.code != exitFailed {
		t.Errorf("exit code %d", c.code)
	}
}

// What nginx.conf has and cannot be observed is told with what would have it observed.
func TestCheckTellsWhatIsLeftOut(t *testing.T) {
	h := newHost(t)
	h.write(t, filepath.Join(h.dir, "nginx.conf"), `events {}
error_log stderr;
http {
  access_log syslog:server=127.0.0.1:5514,tag=x;
  server { location /status { stub_status; deny all; } }
}
`)
	h.write(t, h.config, "nginx: {config: nginx.conf}\n")
	c := h.check(t)
	if l := c.find(t, sectionStatus, look, "does not let this host in"); l.Remedy != "add allow 127.0.0.1;" || !strings.HasSuffix(l.From, "nginx.conf:5") {
		t.Errorf("%+v", l)
	}
	if l := c.find(t, sectionLogs, look, "what is sent to syslog"); l.Remedy != `to receive it, name it in nginx.access_logs: {syslog: "udp://127.0.0.1:5514", format: combined}` {
		t.Errorf("%+v", l)
	}
	c.find(t, sectionLogs, look, "stderr is no file")
	c.find(t, sectionLogs, look, "none is followed")
	if c.code != exitOK {
		t.Errorf("exit code %d\n%s", c.code, c.text)
	}
}

// What is only worth a look does not fail the check.
func TestCheckBearsOddities(t *testing.T) {
	h := newHost(t)
	h.write(t, h.access, "200 0.001\n200 garbage\n200 0.002\n")
	if err := os.Remove(filepath.Join(h.dir, "error.log")); err != nil {
		t.Fatal(err)
	}
	h.write(t, filepath.Join(h.dir, "nginx.conf"), strings.ReplaceAll(strings.Replace(nothingToFind, "zone nodes 64k;", "", 1), "LOGS", h.dir))
	c := h.check(t)
	if c.code != exitOK {
		t.Errorf("exit code %d\n%s", c.code, c.text)
	}
	l := c.find(t, sectionLogs, look, "2 of the last 3 lines fit log_format main")
	if !strings.HasPrefix(l.Verse, "200 garbage\n    ^\nexpected ") {
		t.Errorf("caret\n%s", l.Verse)
	}
	c.find(t, sectionLogs, look, "is not there yet")
	c.find(t, sectionFindings, look, "has no zone")
}

func TestReadyFormatIsTakenByNGINX(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf("pid %s/pid;\nerror_log %s/error.log;\nevents {}\nhttp {\n%s\naccess_log %s/access.log fremisn;\n}\n", dir, dir, readyFormat(), dir)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx"
	}
	if out, err := exec.Command(nginx, "-t", "-p", dir, "-c", conf).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	format, err := collector.NewFormatCheck(collector.FullLogFormat, "default")
	if err != nil {
		t.Fatal(err)
	}
	if missing := format.Missing(); len(missing) > 0 {
		t.Errorf("it lacks %v", missing)
	}
}

// What should stand there follows the caret where there is room, and stands under it where there is none.
func TestExpectation(t *testing.T) {
	if got := pointAt([]byte("200 x"), &collector.LineError{Offset: 4, Expected: "$request_time"}); got != "200 x\n    ^ expected $request_time" {
		t.Errorf("%q", got)
	}
	long := bytes.Repeat([]byte("x"), 60)
	if got := pointAt(long, &collector.LineError{Offset: 58, Expected: "$request_time"}); !strings.HasSuffix(got, " ^\nexpected $request_time") {
		t.Errorf("%q", got)
	}
}

// asNobody runs f in a thread without root's rights; the thread ends with it.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is not used again
		if os.Geteuid() == 0 {
			const nobody, keep = 65534, ^uintptr(0)
			_, _, e1 := syscall.RawSyscall(syscall.SYS_SETGROUPS, 0, 0, 0)
			_, _, e2 := syscall.RawSyscall(syscall.SYS_SETRESGID, keep, nobody, keep)
			_, _, e3 := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, nobody, keep)
			if e1|e2|e3 != 0 {
				done <- fmt.Errorf("becoming nobody: %v %v %v", e1, e2, e3)
				return
			}
		}
		f()
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestUnreadable(t *testing.T) {
	top := filepath.Dir(t.TempDir()) // go's own folder for the test is closed to others
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		dir, file       os.FileMode
		gid             int // of both, where the test is root's
		trouble, remedy string
	}{
		"readable":                  {0o755, 0o644, 0, "", ""},
		"closed folder":             {0o700, 0o644, 0, "may not enter the folder DIR", "sudo chmod o+x DIR"},
		"closed file":               {0o755, 0o600, 0, "cannot be read by USER (-rw-------", "sudo chmod o+r FILE"},
		"a group may read":          {0o755, 0o040, 4, "cannot be read by USER (----r-----", "sudo usermod -aG adm USER, then start the exporter again"},
		"a group that may not read": {0o755, 0o000, 4, "cannot be read by USER (----------", "sudo chmod g+r FILE && sudo usermod -aG adm USER"},
		"a group may enter":         {0o010, 0o644, 4, "may not enter the folder DIR (d-----x---", "sudo usermod -aG adm USER"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(top, strings.ReplaceAll(name, " ", "-"))
			file := filepath.Join(dir, "access.log")
			if err := errorsOf(os.Mkdir(dir, 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
				t.Fatal(err)
			}
			if os.Geteuid() != 0 && test.trouble != "" { // the files are this user's own: for an owner, its own bits alone count
				test.file &^= 0o700
				test.trouble, _, _ = strings.Cut(test.trouble, " (")
				if test.dir == 0o700 {
					test.dir = 0
				}
			}
			if os.Geteuid() == 0 {
				if err := errorsOf(os.Chown(file, 0, test.gid), os.Chown(dir, 0, test.gid)); err != nil {
					t.Fatal(err)
				}
			}
			if err := errorsOf(os.Chmod(file, test.file), os.Chmod(dir, test.dir)); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Chmod(dir, 0o755) })
			var trouble, remedy, user string
			asNobody(t, func() {
				trouble, remedy = unreadable(file)
				user = userName()
			})
			fill := strings.NewReplacer("DIR", dir, "FILE", file, "USER", user).Replace
			if !strings.Contains(trouble, fill(test.trouble)) || (test.trouble == "") != (trouble == "") {
				t.Errorf("trouble %q, want %q", trouble, fill(test.trouble))
			}
			if os.Geteuid() == 0 && !strings.HasPrefix(remedy, fill(test.remedy)) {
				t.Errorf("remedy %q, want %q", remedy, fill(test.remedy))
			}
		})
	}
	if trouble, remedy := unreadable(filepath.Join(top, "none", "access.log")); !strings.Contains(trouble, "no folder") || !strings.Contains(remedy, "volumes:") {
		t.Errorf("missing folder: %q %q", trouble, remedy)
	}
}

func TestStorageOfAnother(t *testing.T) {
	top := filepath.Dir(t.TempDir())
	closed := filepath.Join(top, "closed")
	if err := errorsOf(os.Chmod(top, 0o755), os.Mkdir(closed, 0o555)); err != nil {
		t.Fatal(err)
	}
	var l line
	asNobody(t, func() { l = checkStorage(filepath.Join(closed, "data")) })
	if l.Verdict != wrong || !strings.Contains(l.Text, closed+" cannot be written by") || !strings.HasPrefix(l.Remedy, "sudo install -d -o ") {
		t.Errorf("%+v", l)
	}
	if l := checkStorage(""); l.Verdict != look {
		t.Errorf("no storage: %+v", l)
	}
	dir := t.TempDir()
	if l := checkStorage(dir); l.Verdict != good || !strings.Contains(l.Text, "can be written") {
		t.Errorf("a good one: %+v", l)
	}
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if l := checkStorage(dir); l.Verdict != good || !strings.Contains(l.Text, "is in use by an exporter that runs") {
		t.Errorf("one that an exporter holds: %+v", l)
	}
}

func TestPorts(t *testing.T) {
	exporter := answering(t, "healthy\n")
	stranger, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	go func() { // it takes connections and says nothing of health
		for conn, err := stranger.Accept(); err == nil; conn, err = stranger.Accept() {
			conn.Close()
		}
	}()
	_, port, err := net.SplitHostPort(stranger.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]verdict{
		stranger.Addr().String(): wrong,
		":" + port:               wrong,
		"127.0.0.99:" + port:     good,
		strings.TrimPrefix(exporter.URL, "http://"): good,
		freeAddress(t): good,
		"9113":         wrong,
		":0":           good,
	} {
		if l := checkPort(context.Background(), address, listeners()); l.Verdict != want {
			t.Errorf("%s: %+v", address, l)
		}
	}
}

func TestParseListeners(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue
   0: 0100007F:2399 00000000:0000 0A 00000000:00000000
   1: 0100007F:1234 0200007F:0050 01 00000000:00000000
   2: 00000000:0050 00000000:0000 0A 00000000:00000000
   3: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0
   4: zz:zz x 0A
`
	got := fmt.Sprint(parseListeners(strings.NewReader(table)))
	if want := "[127.0.0.1:9113 0.0.0.0:80 [::1]:8080]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if !collide(netip.MustParseAddrPort("[::]:80"), netip.MustParseAddrPort("127.0.0.1:80")) {
		t.Error("[::]:80 does not collide with 127.0.0.1:80")
	}
}

func TestTextFitsItsWidth(t *testing.T) {
	r := &report{Folder: "/etc/nginx/"}
	r.add(line{Section: sectionLogs, Verdict: good, Subject: "access", Text: strings.Repeat("word ", 40), From: "/etc/nginx/nginx.conf:12"})
	r.add(line{Section: sectionLogs, Verdict: wrong, Subject: "a name that is much too long", Text: "t\x1b[31mext \x9b \xff", Remedy: strings.Repeat("do this ", 30)})
	r.add(fact("max_conns", r12(), nginxDocs+"ngx_http_upstream_module.html#max_conns", strings.Repeat("remedy ", 20), "fact"))
	for _, width := range []int{80, 120} {
		var b bytes.Buffer
		r.Text(&b, width, false)
		for _, row := range strings.Split(b.String(), "\n") {
			if utf8.RuneCountInString(row) > width {
				t.Errorf("%d columns: %q", utf8.RuneCountInString(row), row)
			}
			if strings.ContainsAny(row, "\x1b\u009b") {
				t.Errorf("it steers the terminal: %q", row)
			}
		}
		for _, want := range []string{"✔ access ", "✖ a name that…", "[nginx.conf:12]", "(ngx_http_upstream_module#max_conns)", "1 wrong (a name that is much too long); 1 good, 1 worth a look."} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("without %q:\n%s", want, &b)
			}
		}
	}
	var coloured bytes.Buffer
	r.Text(&coloured, 80, true)
	if !strings.Contains(coloured.String(), "\x1b[31;1m✖\x1b[0m") {
		t.Error("no colour on a terminal")
	}
}

func TestCaret(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 300)
	for _, test := range []struct {
		text   string
		offset int
	}{{"short", 2}, {"", 0}, {string(long), 0}, {string(long), 150}, {string(long), 300}, {"a\tb\xffc", 3}, {"short", 99}} {
		rows := strings.Split(caret([]byte(test.text), test.offset), "\n")
		if len(rows) != 2 || len([]rune(rows[1])) > 76 || strings.TrimLeft(rows[1], " ") != "^" {
			t.Errorf("%q at %d: %q", test.text, test.offset, rows)
		}
	}
	if got := caret([]byte("a\tb\xffc"), 3); got != "a.b.c\n   ^" {
		t.Errorf("%q", got)
	}
}
