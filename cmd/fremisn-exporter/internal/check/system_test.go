package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
)

// A log may be in the folder of files in memory, which is below /dev.
func TestLogInMemory(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "fremisn-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "access.log")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if trouble, remedy := unreadable(file); trouble != "" {
		t.Errorf("trouble %q, remedy %q", trouble, remedy)
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
		"readable": {0o755, 0o644, 0, "", ""},
		"closed folder": {0o700, 0o644, 0, "has no permission to enter the folder DIR",
			"sudo chmod o+x DIR"},
		"closed file": {0o755, 0o600, 0, "cannot be read by USER (-rw-------", "sudo chmod o+r FILE"},
		"a group may read": {0o755, 0o040, 4, "cannot be read by USER (----r-----",
			"sudo usermod -aG adm USER, then start the exporter again"},
		"a group that may not read": {0o755, 0o000, 4, "cannot be read by USER (----------",
			"sudo chmod g+r FILE && sudo usermod -aG adm USER"},
		"a group may enter": {0o010, 0o644, 4, "has no permission to enter the folder DIR (d-----x---",
			"sudo usermod -aG adm USER"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(top, strings.ReplaceAll(name, " ", "-"))
			file := filepath.Join(dir, "access.log")
			if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
				t.Fatal(err)
			}
			// the files are this user's own: for an owner, its own bits alone count
			if os.Geteuid() != 0 && test.trouble != "" {
				test.file &^= 0o700
				test.trouble, _, _ = strings.Cut(test.trouble, " (")
				if test.dir == 0o700 {
					test.dir = 0
				}
			}
			if os.Geteuid() == 0 {
				if err := errors.Join(os.Chown(file, 0, test.gid), os.Chown(dir, 0, test.gid)); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(os.Chmod(file, test.file), os.Chmod(dir, test.dir)); err != nil {
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
	if trouble, remedy := unreadable(filepath.Join(top, "none", "access.log")); !strings.Contains(trouble,
		"is missing") || !strings.Contains(remedy, "volumes:") {
		t.Errorf("missing folder: %q %q", trouble, remedy)
	}
}

func TestCheckOfClosedConfiguration(t *testing.T) {
	h := newHost(t)
	top := filepath.Dir(h.dir)
	closed := filepath.Join(h.dir, "closed.conf")
	h.write(t, filepath.Join(h.dir, "nginx.conf"), "events {}\ninclude closed.conf;\n")
	h.write(t, closed, "")
	if err := errors.Join(os.Chmod(top, 0o755), os.Chmod(h.dir, 0o755), os.Chmod(closed, 0)); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{closed, filepath.Join(h.dir, "nginx.conf")} {
		if err := os.Chmod(file, 0); err != nil {
			t.Fatal(err)
		}
		var r Report
		asNobody(t, func() {
			_, err := settings.Load(context.Background(), settings.Source{ConfigFile: h.config})
			r.configErrors(err)
		})
		if l := r.findings[0]; l.Status != statusFail || !strings.Contains(strings.ToLower(l.Text),
			"permission denied") || !strings.HasPrefix(l.Remedy, "sudo ") || !strings.Contains(l.Remedy, file) {
			t.Errorf("%s: %+v", file, l)
		}
	}
}

// The package's config is for root and the group adm alone.
func TestCheckOfClosedConfig(t *testing.T) {
	h := newHost(t)
	if err := errors.Join(os.Chmod(filepath.Dir(h.dir), 0o755), os.Chmod(h.dir, 0o755),
		os.Chmod(h.config, 0)); err != nil {
		t.Fatal(err)
	}
	var r *Report
	asNobody(t, func() { r = Run(t.Context(), Options{Source: settings.Source{ConfigFile: h.config}}) })
	if l := r.findings[0]; l.Status != statusFail || !strings.Contains(l.Text, h.config+": cannot be read") ||
		!strings.HasPrefix(l.Remedy, "run this by sudo") {
		t.Errorf("%+v", l)
	}
}

func TestStorageOfAnother(t *testing.T) {
	top := filepath.Dir(t.TempDir())
	closed := filepath.Join(top, "closed")
	if err := errors.Join(os.Chmod(top, 0o755), os.Mkdir(closed, 0o555)); err != nil {
		t.Fatal(err)
	}
	var l finding
	asNobody(t, func() { l = checkStorage(filepath.Join(closed, "data")) })
	if l.Status != statusFail || !strings.Contains(l.Text, closed+" cannot be written by") ||
		!strings.HasPrefix(l.Remedy, "sudo install -d -o ") {
		t.Errorf("%+v", l)
	}
	if l := checkStorage(""); l.Status != statusWarn {
		t.Errorf("no storage: %+v", l)
	}
	dir := t.TempDir()
	if l := checkStorage(dir); l.Status != statusOK || !strings.Contains(l.Text, "can be written") {
		t.Errorf("a good one: %+v", l)
	}
	for _, name := range []string{"lock", "verdict.json", "access.state"} {
		odd := t.TempDir()
		file := filepath.Join(odd, name)
		if err := syscall.Mkfifo(file, 0o600); err != nil {
			t.Fatal(err)
		}
		if l := checkStorage(odd); l.Status != statusFail || !strings.Contains(l.Text, file+" is not a regular file") {
			t.Errorf("a pipe in the place of a file: %+v", l)
		}
	}
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if l := checkStorage(dir); l.Status != statusOK || !strings.Contains(l.Text, "is in use by a running exporter") {
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
	for address, want := range map[string]status{
		stranger.Addr().String(): statusFail,
		":" + port:               statusFail,
		"127.0.0.99:" + port:     statusOK,
		strings.TrimPrefix(exporter.URL, "http://"): statusOK,
		freeAddress(t): statusOK,
		"9113":         statusFail,
		":0":           statusOK,
	} {
		if l := checkPort(context.Background(), address, listeners(), false); l.Status != want {
			t.Errorf("%s: %+v", address, l)
		}
	}
}

func TestPortOfExporterBehindTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "https://")
	for running, want := range map[bool]status{true: statusOK, false: statusFail} {
		if l := checkPort(context.Background(), address, listeners(), running); l.Status != want {
			t.Errorf("running %t: %+v", running, l)
		}
	}
}

func TestWebConfig(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "web.yml")
	if err := errors.Join(syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600),
		os.Symlink("/dev/zero", filepath.Join(dir, "device"))); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]status{
		"basic_auth_users: {}\n": statusOK, "tls_server: {}\n": statusFail,
		// These would be waited for, and read for ever.
		"tls_server_config: {cert_file: pipe, key_file: pipe}\n":       statusFail,
		"tls_server_config: {cert_file: web.yml, key_file: pipe}\n":    statusFail,
		"tls_server_config: {client_ca_file: " + dir + "/device}\n":    statusFail,
		"tls_server_config: {cert_file: device, client_ca_file: pipe}": statusFail,
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if l := checkWebConfig(file); l.Status != want {
			t.Errorf("%q: %+v", text, l)
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
