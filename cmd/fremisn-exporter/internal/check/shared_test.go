package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFileOfTwoLogs: one file under two entries that name it counts in both, and check warns; a glob leaves it out, and
// check says so. It reports nothing for two files.
func TestFileOfTwoLogs(t *testing.T) {
	for name, test := range map[string]struct {
		path, want string
		isGlob     bool
	}{
		"a link":       {"link.log", "link.log is read as one, too: its lines count in both", false},
		"a glob":       {"access*.log", "leaves out " + "DIR/access.log, which counts as one", true},
		"another file": {"error.log", "", false},
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
				if strings.Contains(c.text, "count in both") || strings.Contains(c.text, "leaves out") {
					t.Error(c.text)
				}
				return
			}
			if test.isGlob {
				c.find(t, sectionLogs, statusOK, strings.ReplaceAll(test.want, "DIR", h.dir))
				return
			}
			l := c.find(t, sectionLogs, statusWarn, test.want)
			if l.Subject != "two" || l.Remedy != "remove one of the two" {
				t.Errorf("%+v", l)
			}
		})
	}
}
