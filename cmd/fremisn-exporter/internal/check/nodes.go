package check

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/probe"
	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// probesAtOnce is the number of concurrent probes.
const probesAtOnce = 8

// checkNodes probes every target once.
func (r *Report) checkNodes(ctx context.Context, s *settings.Settings, offset time.Duration) {
	service, err := probe.New(probe.Options{Config: s.Probe, Nodes: s.NodeNames(), Logger: log.NewNopLogger(),
		TimeoutOffset: offset})
	if err != nil {
		r.add(finding{Section: sectionNodes, Status: statusFail, Subject: "probes", Text: err.Error(),
			Remedy: "correct modules: and probes: in the config file"})
		return
	}
	var lines []*finding
	var running sync.WaitGroup
	slots := make(chan struct{}, probesAtOnce)
	probed := map[string]bool{}
	for _, fault := range service.Faults() {
		r.add(finding{Section: sectionNodes, Status: statusFail, Subject: fault.Subject, Text: fault.Text,
			From: s.Source.ConfigFile})
	}
	for _, t := range service.Targets() {
		probed[t.Address] = true
		found := &finding{Section: sectionNodes, Subject: s.NodeNames()[t.Address], From: s.Source.ConfigFile}
		if at, fromNginx := s.Found[t.Target]; fromNginx {
			found.From = at.String()
		}
		if found.Subject == "" {
			found.Subject = t.Probe
		}
		lines = append(lines, found)
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			found.probe(ctx, service, t.Module, t.Target, s.Source)
		})
	}
	for _, n := range s.Nodes {
		if !probed[n.Address] {
			found := &finding{Section: sectionNodes, Subject: n.Name, From: s.Source.ConfigFile}
			lines = append(lines, found)
			running.Go(func() { found.probeUnprobed(ctx, n.Address) })
		}
	}
	running.Wait()
	for _, found := range lines {
		r.add(*found)
	}
	for _, u := range s.Unprobed {
		r.add(finding{Section: sectionNodes, Status: statusWarn, Subject: "not probed", Text: u.Server + " " + u.Why,
			From: u.Pos.String(), Remedy: u.Remedy})
	}
	if len(lines)+len(s.Nodes)+len(s.Unprobed) == 0 {
		r.add(nothingProbed(s))
	}
}

// nothingProbed returns the reason why no server is probed.
func nothingProbed(s *settings.Settings) finding {
	found := finding{Section: sectionNodes, Status: statusWarn, Subject: "probes",
		Remedy: "name the servers to probe in probes: of the config file"}
	switch {
	case s.Probe.Probes != nil:
		found.Status, found.Text, found.Remedy = statusOK, "none: the config file has probes: []", ""
	case s.Nginx == nil:
		found.Text = "nothing is probed: the config file has no probes:, and no nginx.conf is read"
	case len(s.Nginx.Upstreams) > 0:
		found.Text = "nothing is probed: every server in nginx.conf is down"
	default:
		found.Text = "nothing is probed: nginx.conf passes requests to no server that it names"
	}
	return found
}

// probeUnprobed probes a node that no probe names, in the way of a server from nginx.conf.
func (found *finding) probeUnprobed(ctx context.Context, address string) {
	if strings.HasPrefix(address, "unix:") {
		found.Status, found.Text = statusWarn, address+" is a socket, which no HTTP probe reaches"
		return
	}
	service, err := probe.New(probe.Options{
		Config: probe.Config{Modules: map[string]probe.Module{settings.UpstreamModule: probe.DefaultModule()}},
		Logger: log.NewNopLogger(),
	})
	if err != nil {
		found.Status, found.Text = statusFail, err.Error()
		return
	}
	found.probe(ctx, service, settings.UpstreamModule, "http://"+address+"/", settings.Source{})
	found.Text += "; no probe names it"
	found.Remedy = "name it among the targets of a probe"
	if found.Status == statusOK {
		found.Status = statusWarn
	}
}

func (found *finding) probe(ctx context.Context, service *probe.Service, module, target string, from settings.Source) {
	shown := mask.Target(target)
	result, err := service.Once(ctx, module, target)
	switch {
	case err != nil:
		found.Status, found.Text = statusFail, shown+": "+err.Error()
	case !result.Success:
		found.Status, found.Text = statusFail, fmt.Sprintf("%s: %s (%s)", shown, result.Sentence, result.Reason)
		found.Remedy = fmt.Sprintf("see every phase: fremisn-exporter %sprobe %s %s", flagsOf(from), quoted(module),
			quoted(shown))
	default:
		found.Status, found.Text = statusOK, fmt.Sprintf("%s: %s in %s", shown, module, inMilliseconds(result.Duration))
	}
}

// flagsOf returns the flags with which another command reads the same settings.
func flagsOf(from settings.Source) string {
	switch {
	case from.ConfigFile != "":
		return "--config " + quoted(from.ConfigFile) + " "
	case from.NginxConf != "" && from.NginxConf != settings.DefaultNginxConf:
		return "--nginx.config " + quoted(from.NginxConf) + " "
	}
	return ""
}

var plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

// quoted returns a word in the shell's syntax.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func inMilliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}
