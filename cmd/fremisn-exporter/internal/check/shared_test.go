package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFileOfTwoLogs: one file under two entries counts in both: check names both, and reports nothing for two files.
func TestFileOfTwoLogs(t *testing.T) {
	for name, test := range map[string]struct{ path, want string }{
		"a link":       {"link.log", "link.log is read as one, too: its lines count in both"},
		"a glob":       {"access*.log", "access.log is read as one, too: its lines count in both"},
		"another file": {"error.log", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			for _, link := range []string{"link.log", "access2.log"} { // of several names the first is told
				if err := os.Symlink("access.log", filepath.Join(h.dir, link)); err != nil {
					t.Fatal(err)
				}
			}
			entry := "{path: %s, name: %s, format: '$status $request_time'}"
			h.write(t, h.config, "nginx:\n  access_logs: ["+fmt.Sprintf(entry, h.access, "one")+", "+
				fmt.Sprintf(entry, filepath.Join(h.dir, test.path), "two")+"]\n")
			c := h.check(t)
			if test.want == "" {
				if strings.Contains(c.text, "count in both") {
					t.Error(c.text)
				}
				return
			}
			if l := c.find(t, sectionLogs, statusWarn, test.want); l.Subject != "two" ||
				!strings.Contains(l.Remedy, "narrow the glob") {
				t.Errorf("%+v", l)
			}
		})
	}
}
