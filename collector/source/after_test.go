package source

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// readAgain reads the nginx.conf of other settings with another http block.
func readAgain(t *testing.T, before *Settings, dir, http string) *Settings {
	t.Helper()
	text := "error_log DIR/error.log;\nevents {}\nhttp {\n" + http + "\n}\n"
	if err := os.WriteFile(before.Conf.Path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	conf, err := nginxconf.Load(before.Conf.Path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New("probes.yml", Config{}, nil, conf)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// told returns the logs of settings: name, path, formats, from where they are read, whether they are lost.
func told(s *Settings, dir string) string {
	var all []string
	for _, l := range s.Logs() {
		var formats []string
		for _, f := range l.Formats {
			formats = append(formats, f.Text)
		}
		text := fmt.Sprintf("%s %s [%s]", l.Name, strings.TrimPrefix(l.Path, dir+"/"), strings.Join(formats, "|"))
		if l.FromStart {
			text += " from its beginning"
		}
		if l.IsLost() {
			text += " lost"
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

const oneLog = "log_format a '$status'; server { listen 1; access_log DIR/access.log a; }"

func TestAfter(t *testing.T) {
	for name, test := range map[string]struct{ then, want string }{
		"nothing has changed": {oneLog, "access access.log [$status]\nerror error.log []"},
		"a log is gained": {oneLog + "server { listen 2; access_log DIR/new.log a; }",
			"access access.log [$status]\nerror error.log []\nnew new.log [$status] from its beginning"},
		"one of the same name comes before it": {"log_format a '$status'; server { listen 2; access_log " +
			"DIR/x/access.log a; }" + "server { listen 1; access_log DIR/access.log a; }",
			"access access.log [$status]\nerror error.log []\nx-access x/access.log [$status] from its beginning"},
		"a log is lost": {"log_format a '$status'; server { listen 1; access_log off; }",
			"access access.log [$status] lost\nerror error.log []"},
		"a log has moved": {"log_format a '$status'; server { listen 1; access_log DIR/x/access.log a; }",
			"access access.log [$status] lost\nerror error.log []\nx-access x/access.log [$status] from its beginning"},
		"its format has changed": {"log_format a '$status $request_time'; server { listen 1; access_log " +
			"DIR/access.log a; }",
			"access access.log [$status $request_time|$status]\nerror error.log []"},
		"it is written in another": {"log_format a '$status'; log_format b '$request_method $status'; server { " +
			"listen 1; access_log DIR/access.log b; }",
			"access access.log [$request_method $status|$status]\nerror error.log []"},
		"an error log is gained": {oneLog + "error_log DIR/web.log;",
			"access access.log [$status]\nerror error.log []\nweb web.log [] from its beginning"},
	} {
		t.Run(name, func(t *testing.T) {
			before, dir := settingsOf(t, oneLog, Config{})
			next := readAgain(t, before, dir, test.then)
			if got := told(next.After(before), dir); got != test.want {
				t.Errorf("in one run:\n%s\nwant\n%s", got, test.want)
			}
			// The same through a restart: what is lost meanwhile may hold lines that have not been read.
			text, err := json.Marshal(before.Memory())
			if err != nil {
				t.Fatal(err)
			}
			var memory Memory
			if err := json.Unmarshal(text, &memory); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, told(next.Resume(&memory), dir)); diff != "" {
				t.Errorf("through a restart: %s", diff)
			}
		})
	}
}

// What was gained or lost stays so from one reading to the next, and what is given back continues.
func TestAfterSeveralReadings(t *testing.T) {
	first, dir := settingsOf(t, oneLog, Config{})
	gained := readAgain(t, first, dir, oneLog+"server { listen 2; access_log DIR/new.log a; }").After(first)
	again := readAgain(t, gained, dir, oneLog+"server { listen 2; access_log DIR/new.log a; } server { listen 3; "+
		"access_log off; }").After(gained)
	if l := again.AccessLogs[1]; l.Name != "new" || !l.FromStart {
		t.Errorf("read once more it is %+v: a crash before its first commit would lose its beginning", l)
	}
	lost := readAgain(t, again, dir, "log_format a '$status'; server { listen 1; access_log DIR/new.log a; "+
		"}").After(again)
	i := slices.IndexFunc(lost.AccessLogs, LogSource.IsLost)
	if i < 0 || lost.AccessLogs[i].Name != "access" {
		t.Fatalf("lost is not one of %s", told(lost, dir))
	}
	since := lost.AccessLogs[i].Lost
	still := readAgain(t, lost, dir, "log_format a '$status'; server { listen 9; access_log DIR/new.log a; "+
		"}").After(lost)
	if j := slices.IndexFunc(still.AccessLogs, LogSource.IsLost); j < 0 || !still.AccessLogs[j].Lost.Equal(since) {
		t.Errorf("at the next reading: %s", told(still, dir))
	}
	back := readAgain(t, still, dir, oneLog).After(still)
	if got := told(back, dir); !strings.HasPrefix(got, "access access.log [$status]\nerror") {
		t.Errorf("given back: %s", got)
	}
	no, yes := func() bool { return false }, func() bool { return true }
	l, late := lost.AccessLogs[i], since.Add(time.Hour)
	if early := late.Add(-time.Minute); l.IsOver(early, no) || !l.IsOver(late, no) || !l.IsOver(early, yes) {
		t.Error("it is not read for an hour, or until no worker writes it")
	}
	if back.AccessLogs[0].IsOver(late, yes) {
		t.Error("nginx.conf names it, and it is over")
	}
	// However often the format changes, few former ones are tried.
	s := first
	for i := range 20 {
		s = readAgain(t, s, dir, fmt.Sprintf("log_format a '%d $status'; server { listen 1; access_log "+
			"DIR/access.log a; }", i)).After(s)
	}
	if n := len(s.AccessLogs[0].Formats); n != 1+maxFormerFormats {
		t.Errorf("%d formats", n)
	}
}

// What the config file names is its own affair: it begins where start: says, has the name it is given, and ends at
// once.
func TestAfterOfTheConfigFile(t *testing.T) {
	before, dir := settingsOf(t, oneLog, Config{AccessLogs: []AccessLogConfig{{Name: "mine", Path: "/old.log",
		Format: FormatNames{"$status"}}}})
	next, err := New("probes.yml", Config{AccessLogs: []AccessLogConfig{{Name: "error", Path: "/new.log",
		Format: FormatNames{"a"}}}}, nil, before.Conf)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := told(next.After(before),
		dir), "-error error.log []\nerror /new.log [$status]"; strings.ReplaceAll(got, filepath.Base(dir), "") != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Logs of stream{} that nginx.conf names come, go and are remembered as those of http.
func TestAfterOfStreamLogs(t *testing.T) {
	const log = "} stream { log_format p '$status'; server { listen 1; return x; access_log /s.log p; }"
	with, _ := settingsOf(t, log, Config{})
	without, _ := settingsOf(t, "", Config{})
	gained := with.After(without)
	if len(gained.StreamLogs) != 1 || !gained.StreamLogs[0].FromStart || gained.StreamLogs[0].Kind != Stream {
		t.Errorf("gained: %+v", gained.StreamLogs)
	}
	lost := without.After(gained)
	if len(lost.StreamLogs) != 1 || !lost.StreamLogs[0].IsLost() {
		t.Errorf("lost: %+v", lost.StreamLogs)
	}
	resumed := with.Resume(gained.Memory())
	if len(resumed.StreamLogs) != 1 || resumed.StreamLogs[0].Name != "s" || !resumed.StreamLogs[0].FromStart ||
		len(resumed.AccessLogs) != 0 {
		t.Errorf("after a restart: %+v, %+v", resumed.StreamLogs, resumed.AccessLogs)
	}
	if left := without.Resume(gained.Memory()); len(left.StreamLogs) != 1 || !left.StreamLogs[0].IsLost() {
		t.Errorf("lost meanwhile: %+v", left.StreamLogs)
	}
	memory := lost.Memory()
	if left := without.Resume(memory); len(left.StreamLogs) != 1 || left.StreamLogs[0].Lost.IsZero() {
		t.Errorf("lost before: %+v", left.StreamLogs)
	}
	memory.Logs[0].Lost = time.Now().Add(-lostFor)
	if left := without.Resume(memory); len(left.StreamLogs) != 0 {
		t.Errorf("lost an hour ago: %+v", left.StreamLogs)
	}
}
