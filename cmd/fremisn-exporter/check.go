package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/probe"
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
	l, err := load(cli.configFile)
	if err != nil {
		r.add(line{Section: sectionConfig, Verdict: wrong, Subject: "config", Text: err.Error(), Remedy: "nothing else can be checked before this is right"})
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

func (r *report) checkConfig(l *loaded) {
	if l.file == "" {
		r.add(line{Section: sectionConfig, Verdict: good, Subject: "config file", Text: "none given: all is taken from nginx.conf"})
	} else {
		r.add(line{Section: sectionConfig, Verdict: good, Subject: "config file", Text: fmt.Sprintf("%s: %s, %s",
			l.file, count(len(l.nodes), "node"), count(len(l.probe.Probes), "probe"))})
	}
	if l.conf == nil {
		r.add(line{Section: sectionConfig, Verdict: look, Subject: "nginx.conf", Text: "not read, so upstreams and log formats have no names",
			Remedy: "give nginx.config: " + defaultNginxConf})
		return
	}
	text := fmt.Sprintf("%s: %s read, %s, %s", l.conf.Path, count(len(l.conf.Files), "file"),
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
	if len(l.plan.Status) == 0 {
		r.add(line{Section: sectionStatus, Verdict: look, Subject: "stub_status", Text: "no page is named or found: nginx_up and nginx_connections_… will be absent",
			Remedy: "add to nginx.conf: server { listen 127.0.0.1:8080; location = /nginx_status { stub_status; access_log off; allow 127.0.0.1; deny all; } }"})
	}
	for _, page := range l.plan.Status {
		found := line{Section: sectionStatus, Verdict: good, Subject: "stub_status", From: page.From}
		url := probe.MaskURL(page.URL)
		text, err := collector.CheckStatus(ctx, page.StatusConfig)
		found.Text = url + ": " + text
		if err != nil {
			found.Verdict, found.Text = wrong, url+": "+err.Error()
			found.Remedy = "ask it yourself: curl -i " + curlOf(url) + "; NGINX must run, and the location must hold stub_status and allow this host"
		}
		r.add(found)
	}
}

// curlOf is a page's address as curl takes it.
func curlOf(url string) string {
	rest, isSocket := strings.CutPrefix(url, "unix:")
	if !isSocket {
		return url
	}
	socket, path, _ := strings.Cut(rest, ":")
	return "--unix-socket " + socket + " http://localhost" + path
}

// checkNodes probes every target once.
func (r *report) checkNodes(ctx context.Context, cli *commandLine, l *loaded) {
	service, err := probe.New(probe.Options{Config: l.probe, Nodes: l.nodeNames(), Logger: log.NewNopLogger(), TimeoutOffset: cli.timeoutOffset})
	if err != nil {
		r.add(line{Section: sectionNodes, Verdict: wrong, Subject: "probes", Text: err.Error(), Remedy: "correct modules: and probes: in the config file"})
		return
	}
	from := l.file
	if from == "" && l.conf != nil {
		from = l.conf.Path
	}
	var lines []*line
	var running sync.WaitGroup
	slots := make(chan struct{}, checkAtOnce)
	probed := map[string]bool{}
	for _, schedule := range l.probe.Probes {
		for _, target := range schedule.Targets {
			node := l.nodeNames()[probe.Address(target)]
			probed[probe.Address(target)] = true
			found := &line{Section: sectionNodes, Subject: node, From: from}
			if node == "" {
				found.Subject = schedule.Name
			}
			lines = append(lines, found)
			running.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				found.probe(ctx, service, schedule.Module, target)
			})
		}
	}
	running.Wait()
	for _, found := range lines {
		r.add(*found)
	}
	for _, n := range l.nodes {
		if !probed[n.Address] {
			r.add(line{Section: sectionNodes, Verdict: look, Subject: n.Name, Text: n.Address + " is probed by nothing", Remedy: "name it among the targets of a probe", From: from})
		}
	}
	if len(lines) == 0 && len(l.nodes) == 0 {
		r.add(line{Section: sectionNodes, Verdict: look, Subject: "probes", Text: "nothing is probed: there are no probes: and no upstream in nginx.conf", Remedy: "give probes: in the config file, as in compose/probes.yml"})
	}
}

func (found *line) probe(ctx context.Context, service *probe.Service, module, target string) {
	shown := probe.MaskURL(target)
	result, err := service.Once(ctx, module, target)
	switch {
	case err != nil:
		found.Verdict, found.Text = wrong, shown+": "+err.Error()
	case !result.Success:
		found.Verdict, found.Text = wrong, fmt.Sprintf("%s: %s (%s)", shown, result.Sentence, result.Reason)
		found.Remedy = fmt.Sprintf("see every phase: %s probe %s %s", programName, module, shown)
	default:
		found.Verdict, found.Text = good, fmt.Sprintf("%s: answered the probe %s in %s", shown, module, inMilliseconds(result.Duration))
	}
}
