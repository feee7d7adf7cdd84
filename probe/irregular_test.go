package probe_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFilesThatNeverEnd: a pipe would be waited for, and a device read for ever, by every probe and at the start.
func TestFilesThatNeverEnd(t *testing.T) {
	dir := t.TempDir()
	pipe, device := filepath.Join(dir, "pipe"), filepath.Join(dir, "device")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", device); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"basic_auth: {username: a, password_file: FILE}", "bearer_token_file: FILE",
		"authorization: {credentials_file: FILE}", "http_headers: {X-A: {files: [FILE]}}",
		"body_file: FILE, method: POST", "tls_config: {ca_file: FILE}",
		"oauth2: {client_id: a, client_secret_file: FILE, token_url: 'http://127.0.0.1:1/'}",
	} {
		for _, file := range []string{pipe, device} {
			t.Run(fmt.Sprint(key, filepath.Base(file)), func(t *testing.T) {
				client := strings.ReplaceAll(key, "FILE", file)
				s := serviceOf(t, io.Discard, "modules: {m: {prober: http, timeout: 5s, http: {"+client+"}}}\n")
				if faults := s.Faults(); len(faults) != 1 || !strings.Contains(faults[0].Text, "not a regular file") {
					t.Errorf("%v", faults)
				}
			})
		}
	}
}
