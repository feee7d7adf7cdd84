// Package check is the diagnosis: it examines everything that serve would need, changes nothing and listens nowhere,
// and names a remedy for everything that does not work.
package check

import (
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/strictyaml"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// timeLimit limits the whole of check: a page or a node that hangs has its own, shorter limit.
const timeLimit = time.Minute

// Options say what to check.
type Options struct {
	Source        settings.Source
	StoragePath   string              // where serve would keep its state; "" for none
	OlderState    string              // a folder with state that serve would leave behind; "" for none
	Web           *toolkit.FlagConfig // where serve would listen, and how
	TimeoutOffset time.Duration       // as serve would subtract it from the time of a probe
}

// Run checks everything. It takes at most a minute.
func Run(ctx context.Context, o Options) *Report {
	ctx, cancel := context.WithTimeout(ctx, timeLimit)
	defer cancel()
	r := &Report{}
	s, err := settings.Load(ctx, o.Source)
	if err != nil {
		r.configErrors(err)
		if s = settings.WithoutNginxConf(o.Source); s != nil { // what the config file itself names can still be probed
			r.checkNodes(ctx, s, o.TimeoutOffset)
		}
		r.checkSystem(ctx, o)
		return r
	}
	r.checkConfig(s)
	r.checkStatus(ctx, s)
	r.checkLogs(s)
	r.checkNodes(ctx, s, o.TimeoutOffset)
	r.checkSystem(ctx, o)
	if s.Nginx != nil {
		r.folder = filepath.Dir(s.Nginx.Files[0]) + "/"
		for _, f := range nginxFindings(s.Nginx) {
			if f.Subject != subjectStdout || !readsContainer(s.Observed) {
				r.add(f)
			}
		}
	}
	r.proposeFormats(s)
	r.countMetrics(s)
	return r
}

// configErrors returns a line for every fault of the config file, or one for that of nginx.conf.
func (r *Report) configErrors(err error) {
	var faults strictyaml.Errors
	if !errors.As(err, &faults) {
		r.add(finding{Section: sectionConfig, Status: statusFail, Subject: "config", Text: err.Error(),
			Remedy: configRemedy(err)})
		return
	}
	for _, fault := range faults {
		r.add(finding{Section: sectionConfig, Status: statusFail, Subject: "config", Text: fault.Error()})
	}
	r.findings[len(r.findings)-1].Remedy = "correct it first; the other checks depend on it"
}

func configRemedy(err error) string {
	var fault *nginxconf.Error
	switch {
	case !errors.As(err, &fault) && errors.Is(err, fs.ErrPermission):
		return "run this by sudo, or as a user that may read the file; nothing that depends on it can be checked before"
	case !errors.As(err, &fault):
		return "correct it first; the other checks depend on it"
	case fault.Unreadable == "" && fault.Line > 0:
		return "nginx -t says the same; a missing ; is often on the line above. The rest can be checked once " +
			"this is right"
	}
	if _, remedy := unreadable(fault.Unreadable); fault.Unreadable != "" && remedy != "" &&
		!errors.Is(err, fs.ErrNotExist) {
		return remedy
	}
	if fault.Line > 0 {
		return fmt.Sprintf("correct the include; in a container, mount all that nginx.conf includes: volumes: "+
			"[%[1]s:%[1]s:ro]", filepath.Dir(fault.Unreadable))
	}
	return "correct the path; the rest can be checked when this is right"
}

func (r *Report) checkConfig(s *settings.Settings) {
	text := "" // only nginx.conf, which the next line is about
	switch {
	case s.StatusOnly():
		text = "no config file, but flags or variables of nginx-prometheus-exporter: only status pages " +
			"are read"
	case s.Source.ConfigFile != "":
		text = fmt.Sprintf("%s: %s, %s", s.Source.ConfigFile, count(len(s.Nodes), "node"),
			count(len(s.Probe.Probes), "probe"))
	}
	if text != "" {
		r.add(finding{Section: sectionConfig, Status: statusOK, Subject: "config", Text: text})
	}
	if s.Nginx == nil {
		r.add(finding{Section: sectionConfig, Status: statusWarn, Subject: "nginx.conf",
			Text:   "not read, so upstreams and log formats have no names",
			Remedy: "give nginx.config: " + settings.DefaultNginxConf})
		return
	}
	text = fmt.Sprintf("%s: %s, %s, %s", s.Nginx.Path, count(len(s.Nginx.Files), "file"),
		count(len(s.Nginx.Upstreams), "upstream"), count(len(s.Nginx.LogFormats), "log format"))
	r.add(finding{Section: sectionConfig, Status: statusOK, Subject: "nginx.conf", Text: text})
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
