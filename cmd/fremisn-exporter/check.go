package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/strictyaml"
	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/probe"
	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// checkPatience bounds the whole of check: a page and a node that hang have their own, shorter times.
const checkPatience = time.Minute

// checkAtOnce is how many probes run side by side.
const checkAtOnce = 8

// check is the command check: it looks at all that serve would need, changes nothing and listens nowhere.
func check(ctx context.Context, cli *commandLine, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	r := runCheck(ctx, cli)
	if cli.output == "json" {
		if err := r.JSON(stdout); err != nil {
			fmt.Fprintf(stderr, "%s: writing the report: %s\n", programName, err)
			return exitFailed
		}
	} else {
		r.Text(stdout, terminalWidth(stdout), isTerminal(stdout))
	}
	return r.ExitCode()
}

func runCheck(ctx context.Context, cli *commandLine) *report {
	r := &report{}
	l, err := load(cli)
	if err != nil {
		r.configErrors(err)
		if l = withoutNginxConf(cli.configFile); l != nil { // what the config file names itself can still be probed
			r.checkNodes(ctx, cli, l)
		}
		r.checkSystem(ctx, cli)
		return r
	}
	r.checkConfig(l)
	r.checkStatus(ctx, l)
	r.checkLogs(l)
	r.checkNodes(ctx, cli, l)
	r.checkSystem(ctx, cli)
	if l.conf != nil {
		r.Folder = filepath.Dir(l.conf.Files[0]) + "/"
		for _, f := range findings(l.conf) {
			r.add(f)
		}
	}
	return r
}

// configErrors is a line for every fault of the config file, or one for that of nginx.conf.
func (r *report) configErrors(err error) {
	var faults strictyaml.Errors
	if !errors.As(err, &faults) {
		r.add(line{Section: sectionConfig, Verdict: wrong, Subject: "config", Text: err.Error(), Remedy: configRemedy(err)})
		return
	}
	for _, fault := range faults {
		r.add(line{Section: sectionConfig, Verdict: wrong, Subject: "config", Text: fault.Error()})
	}
	r.Lines[len(r.Lines)-1].Remedy = "nothing else can be checked before the config file is right"
}

func configRemedy(err error) string {
	var fault *nginxconf.Error
	switch {
	case !errors.As(err, &fault):
		return "nothing that depends on it can be checked before this is right"
	case fault.Unreadable == "":
		return "nginx -t tells the same; a forgotten ; is often on the line above. What nginx.conf names can be checked when this is right"
	}
	if _, remedy := unreadable(fault.Unreadable); remedy != "" {
		return remedy
	}
	return "correct the path; what nginx.conf names can be checked when this is right"
}

func (r *report) checkConfig(l *loaded) {
	if l.file == "" {
		r.add(line{Section: sectionConfig, Verdict: good, Subject: "config", Text: "no config file given: all is taken from nginx.conf"})
	} else {
		r.add(line{Section: sectionConfig, Verdict: good, Subject: "config", Text: fmt.Sprintf("%s: %s, %s",
			l.file, count(len(l.nodes), "node"), count(len(l.probe.Probes), "probe"))})
	}
	if l.conf == nil {
		r.add(line{Section: sectionConfig, Verdict: look, Subject: "nginx.conf", Text: "not read, so upstreams and log formats have no names",
			Remedy: "give nginx.config: " + defaultNginxConf})
		return
	}
	text := fmt.Sprintf("%s: %s, %s, %s", l.conf.Path, count(len(l.conf.Files), "file"),
		count(len(l.conf.Upstreams), "upstream"), count(len(l.conf.LogFormats), "log format"))
	r.add(line{Section: sectionConfig, Verdict: good, Subject: "nginx.conf", Text: text})
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (r *report) checkStatus(ctx context.Context, l *loaded) {
	left := leftOut(l, "stub_status")
	for _, found := range left {
		found.Section = sectionStatus
		r.add(found)
	}
	if len(l.plan.Status)+len(left) == 0 {
		r.add(line{Section: sectionStatus, Verdict: look, Subject: "stub_status", Text: "no page named or found: no nginx_up, nginx_connections_…",
			Remedy: "add to nginx.conf: server { listen 127.0.0.1:8080; location = /nginx_status { stub_status; access_log off; allow 127.0.0.1; deny all; } }"})
	}
	for _, page := range l.plan.Status {
		found := line{Section: sectionStatus, Verdict: good, Subject: "stub_status", From: page.From}
		url := mask.URL(page.URL)
		text, err := collector.CheckStatus(ctx, page.StatusConfig)
		found.Text = url + ": " + text
		if err != nil {
			found.Verdict, found.Text = wrong, url+": "+err.Error()
			found.Remedy = "the location must have stub_status and allow this host; see for yourself: curl -i " + curlOf(url, page.Host)
			if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist) {
				found.Text = url + ": nothing listens there"
				found.Remedy = "is NGINX running, and with this configuration? systemctl status nginx; nginx -t; from another host or container, name a URL in nginx.status"
			}
		}
		r.add(found)
	}
}

// curlOf is a page's address as curl takes it.
func curlOf(url, host string) string {
	header := ""
	if host != "" {
		header = "-H 'Host: " + host + "' "
	}
	rest, isSocket := strings.CutPrefix(url, "unix:")
	if !isSocket {
		return header + url
	}
	socket, path, _ := strings.Cut(rest, ":")
	return header + "--unix-socket " + socket + " http://localhost" + path
}

// leftOut is a line for everything of one directive that nginx.conf has and that cannot be observed.
func leftOut(l *loaded, directives ...string) []line {
	var lines []line
	for _, i := range l.plan.Ignored {
		if slices.Contains(directives, i.Directive) {
			lines = append(lines, line{Verdict: look, Subject: i.Directive, Text: "not followed: " + i.Text, Remedy: i.Remedy, From: i.Pos.String()})
		}
	}
	return lines
}

// checkNodes probes every target once.
func (r *report) checkNodes(ctx context.Context, cli *commandLine, l *loaded) {
	service, err := probe.New(probe.Options{Config: l.probe, Nodes: l.nodeNames(), Logger: log.NewNopLogger(), TimeoutOffset: cli.timeoutOffset})
	if err != nil {
		r.add(line{Section: sectionNodes, Verdict: wrong, Subject: "probes", Text: err.Error(), Remedy: "correct modules: and probes: in the config file"})
		return
	}
	var lines []*line
	var running sync.WaitGroup
	slots := make(chan struct{}, checkAtOnce)
	probed := map[string]bool{}
	for _, schedule := range l.probe.Probes {
		for _, target := range schedule.Targets {
			node := l.nodeNames()[probe.Address(target)]
			probed[probe.Address(target)] = true
			found := &line{Section: sectionNodes, Subject: node, From: l.file}
			if at, fromNginx := l.found[target]; fromNginx {
				found.From = at.String()
			}
			if node == "" {
				found.Subject = schedule.Name
			}
			lines = append(lines, found)
			running.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				found.probe(ctx, service, schedule.Module, target, l.file)
			})
		}
	}
	for _, n := range l.nodes {
		if !probed[n.Address] {
			found := &line{Section: sectionNodes, Subject: n.Name, From: l.file}
			lines = append(lines, found)
			running.Go(func() { found.probeUnprobed(ctx, n.Address) })
		}
	}
	running.Wait()
	for _, found := range lines {
		r.add(*found)
	}
	if len(lines) == 0 && len(l.nodes) == 0 {
		r.add(line{Section: sectionNodes, Verdict: look, Subject: "probes", Text: "nothing is probed: there are no probes: and no upstream in nginx.conf", Remedy: "give probes: in the config file, as in compose/probes.yml"})
	}
}

// probeUnprobed asks a node that no probe names as one would be asked that nginx.conf names.
func (found *line) probeUnprobed(ctx context.Context, address string) {
	if strings.HasPrefix(address, "unix:") {
		found.Verdict, found.Text = look, address+" is a socket, which no HTTP probe reaches"
		return
	}
	service, err := probe.New(probe.Options{
		Config: probe.Config{Modules: map[string]probe.Module{upstreamModule: probe.DefaultModule()}}, Logger: log.NewNopLogger(),
	})
	if err != nil {
		found.Verdict, found.Text = wrong, err.Error()
		return
	}
	found.probe(ctx, service, upstreamModule, "http://"+address+"/", "")
	found.Text += "; no probe names it"
	found.Remedy = "name it among the targets of a probe"
	if found.Verdict == good {
		found.Verdict = look
	}
}

func (found *line) probe(ctx context.Context, service *probe.Service, module, target, file string) {
	shown := mask.URL(target)
	result, err := service.Once(ctx, module, target)
	switch {
	case err != nil:
		found.Verdict, found.Text = wrong, shown+": "+err.Error()
	case !result.Success:
		found.Verdict, found.Text = wrong, fmt.Sprintf("%s: %s (%s)", shown, result.Sentence, result.Reason)
		config := ""
		if file != "" {
			config = "--config " + file + " "
		}
		found.Remedy = fmt.Sprintf("see every phase: %s probe %s%s %s", programName, config, module, shown)
	default:
		found.Verdict, found.Text = good, fmt.Sprintf("%s: %s in %s", shown, module, inMilliseconds(result.Duration))
	}
}
