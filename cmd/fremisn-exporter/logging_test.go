package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/go-kit/log/level"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// Every line of the log has one shape, whichever library has it logged: the time once, the level, the message.
func TestLogLinesHaveOneShape(t *testing.T) {
	for format, shape := range map[string]string{
		"logfmt": `^level=[a-z]+ ts=\S+Z msg=("[^"]+"|\S+)( [a-z]\S*=("([^"\\]|\\.)*"|\S*))*$`,
		"json":   `^\{.*"level":"[a-z]+".*"msg":"[^"]+".*"ts":"[^"]+Z".*\}$`,
	} {
		t.Run(format, func(t *testing.T) {
			p := startProgram(t, "probes: []\n", "--log.format", format)
			until(t, "it says where it listens", func() bool {
				return strings.Contains(p.stderr.String(), "Listening on")
			})
			shaped := regexp.MustCompile(shape)
			for _, line := range strings.Split(strings.TrimSpace(p.stderr.String()), "\n") {
				if !shaped.MatchString(line) || strings.Contains(line, "time=") || strings.Contains(line, `"time"`) {
					t.Errorf("another shape: %s", line)
				}
			}
		})
	}
}

// The attributes of a slog message stay with it.
func TestSlog(t *testing.T) {
	var out testenv.Output
	logger, err := newLogger(&out, "info", "logfmt")
	if err != nil {
		t.Fatal(err)
	}
	newSlog(logger).With("a", 1).WithGroup("g").Warn("said", "b", 2)
	newSlog(logger).Debug("below the level")
	level.Warn(logger).Log("msg", "said", "a", 1, "g.b", 2)
	lines := strings.Split(out.String(), "\n")
	shaped := regexp.MustCompile(`^level=warn ts=\S+Z msg=said a=1 g\.b=2$`)
	if len(lines) != 3 || !shaped.MatchString(lines[0]) || !shaped.MatchString(lines[1]) {
		t.Errorf("not of one shape:\n%s", &out)
	}
}
