package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/check"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/web"
	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/probe"
	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// SIGTERM ends the program within 10 s: running scrapes get their time, then reading and committing gets the rest.
const (
	shutdownRequests = 2500 * time.Millisecond
	shutdownTotal    = 9 * time.Second
)

// An exporter is the serve command while it runs.
//
// The settings that run never change and are replaced as a whole, only by the goroutine of watch. So pages and scrapes
// read them without waiting, and nothing is locked across a disk, a lookup or another goroutine.
type exporter struct {
	cli       *commandLine
	logger    log.Logger
	collector *collector.Collector
	probes    *probe.Service
	scrapes   *web.Scrapes
	reloads   *reloads
	hangup    chan os.Signal
	ready     atomic.Bool
	settings  atomic.Pointer[settings.Settings]
	asked     chan chan error // for a reload
	last      lastCheck       // of watch
	judge     *judge
}

func serve(ctx context.Context, cli *commandLine, logger log.Logger, stderr io.Writer) int {
	// Before anything else: an unhandled SIGHUP ends the process.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	level.Info(logger).Log(append([]any{"msg", "starting " + programName}, runtimeInfo()...)...)
	cli.logOldFlags(logger)
	if file := *cli.web.WebConfigFile; file != "" {
		if err := check.ValidateWeb(file); err != nil {
			fmt.Fprintf(stderr, "--web.config.file %s: %s; correct it, or leave the flag out\n", file, err)
			return exitUsage
		}
	}
	s, err := settings.Load(ctx, cli.source)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	if os.Getenv("GOGC") == "" { // the start makes most of the garbage
		defer debug.SetGCPercent(debug.SetGCPercent(gcPercent(len(s.Observed.Logs()), 0)))
	}
	others := cli.statesOfOthers() // before the start makes a folder
	e, err := newExporter(cli, s, logger)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", programName, err)
		var usage usageError
		if errors.As(err, &usage) {
			return exitUsage
		}
		return exitFailed
	}
	if !s.StatusOnly() {
		cli.logOlderState(logger)
		cli.logStatesOfOthers(logger, others)
	}
	e.hangup = hangup
	if err := e.run(ctx); err != nil {
		level.Error(logger).Log("msg", "ended", "err", err)
		return exitFailed
	}
	level.Info(logger).Log("msg", "stopped cleanly")
	return exitOK
}

// A usageError is a fault in the config that only the part that acts on it could find.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func newExporter(cli *commandLine, s *settings.Settings, logger log.Logger) (*exporter, error) {
	e := &exporter{cli: cli, logger: logger, reloads: newReloads(), asked: make(chan chan error)}
	e.settings.Store(s)
	var err error
	if e.probes, err = probe.New(e.probeOptions(s)); err != nil {
		return nil, usageError{err}
	}
	e.logFoundTargets(s)
	if e.collector, err = e.newCollector(s); err != nil {
		return nil, err
	}
	e.judge = newJudge(e)
	return e, nil
}

// newCollector opens the storage path. A path that is not writable does not matter if there is nothing to store.
func (e *exporter) newCollector(s *settings.Settings) (*collector.Collector, error) {
	o := collector.Options{
		Settings: s.Observed, StoragePath: e.cli.storagePath, Mask: mask.URL, Logger: e.logger,
		Others:   []collector.Other{{Name: "probe", Check: e.probes.CheckClock}},
		Unhinted: e.cli.unhinted,
	}
	hasLogs := len(s.Observed.Logs()) > 0
	if s.StatusOnly() {
		o.StoragePath = "" // and never will have
	}
	c, err := collector.New(o)
	if err == nil || hasLogs || o.StoragePath == "" {
		return c, err
	}
	level.Warn(e.logger).Log("msg", "the storage path is not usable; no log is followed, so little is lost",
		"path", o.StoragePath, "err", err)
	o.StoragePath = ""
	return collector.New(o)
}

func (e *exporter) logFoundTargets(s *settings.Settings) {
	for _, schedule := range s.Probe.Probes {
		for _, target := range schedule.Targets {
			if at, found := s.Found[target]; found {
				level.Info(e.logger).Log("msg", "probing an upstream server", "target", mask.URL(target), "from", at)
			}
		}
	}
	for _, u := range s.Unprobed {
		level.Info(e.logger).Log("msg", "not probed", "server", u.Server, "why", u.Why, "from", u.Pos, "remedy",
			u.Remedy)
	}
}

func (e *exporter) probeOptions(s *settings.Settings) probe.Options {
	return probe.Options{
		Config: s.Probe, Nodes: s.NodeNames(), Logger: e.logger, TimeoutOffset: e.cli.timeoutOffset,
		KeepResults: e.cli.historyLimit, ProbeLogger: slogHandler{logger: e.logger}.atLevel(e.cli.logProber),
	}
}

// run serves until ctx ends or a listener fails, then lets scrapes finish, reads the rest and commits.
func (e *exporter) run(ctx context.Context) error {
	server, err := e.server()
	if err != nil {
		return err
	}
	background, stop := context.WithCancel(context.Background())
	defer stop()
	collected := make(chan error, 1)
	go func() { collected <- e.collector.Run(background) }()
	var others sync.WaitGroup
	others.Go(func() { e.probes.Run(background) })
	others.Go(func() { e.watch(background) })
	others.Go(func() { e.boundMemory(background) })
	others.Go(func() { e.trimMemory(background) })
	others.Go(func() { e.judge.run(background) })

	failed := make(chan error, 1)
	go func() { failed <- toolkit.ListenAndServe(server, e.cli.web, newSlog(e.logger)) }()
	e.ready.Store(true)
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	e.ready.Store(false)
	deadline, cancel := context.WithTimeout(context.Background(), shutdownTotal)
	defer cancel()
	shutdown(deadline, server)
	stop()
	return errors.Join(err, e.end(deadline, collected, &others))
}

// shutdown lets requests finish, for a while.
func shutdown(ctx context.Context, server *http.Server) {
	ctx, cancel := context.WithTimeout(ctx, shutdownRequests)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		server.Close()
	}
}

// end waits until everything has ended, at most until ctx ends: a disk or a name server may hang. It returns an error
// if something was not committed. Probes and reloads have nothing to commit.
func (e *exporter) end(ctx context.Context, collected <-chan error, others *sync.WaitGroup) error {
	var err error
	select {
	case err = <-collected:
	case <-ctx.Done():
		return errors.New("a disk does not answer: the last lines read are not committed and will be read again")
	}
	ended := make(chan struct{})
	go func() { others.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		level.Warn(e.logger).Log("msg", "stopped while a reload or a probe was still under way")
	}
	return err
}

func (e *exporter) server() (*http.Server, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		newProcessStats(),
		versioncollector.NewCollector("fremisn_exporter"),
		e.reloads,
		objectives{e.running},
	)
	e.scrapes = web.NewScrapes(web.MetricsOptions{
		Registry: registry, Gatherer: e.gatherer(), Limit: e.answerLimit,
		Probes: e.probes.Families,
		Offset: e.cli.timeoutOffset, CreatedLines: e.cli.createdLines,
	})
	options := web.Options{
		MetricsPath: e.cli.telemetryPath,
		Prefix:      e.cli.routePrefix,
		Metrics:     e.scrapes,
		Probe:       e.probes,
		Overview:    e.judge.overview,
		Incidents:   e.judge.incidentList,
		Targets:     e.targets,
		Config:      func() string { return e.running().Masked() },
		Ready:       e.ready.Load,
		Logger:      e.logger,
	}
	if e.cli.lifecycle {
		options.Reload = e.askForReload
	}
	handler, err := web.New(options)
	if err != nil {
		return nil, err
	}
	server := web.NewServer(handler)
	server.ErrorLog = slog.NewLogLogger(newSlog(e.logger).Handler(), slog.LevelDebug)
	return server, nil
}

// running returns the running settings.
func (e *exporter) running() *settings.Settings { return e.settings.Load() }

// answerLimit returns the maximum time of an answer: the time limit of the status pages and a second, at most
// web.AnswerLimit.
func (e *exporter) answerLimit() time.Duration {
	limit := time.Duration(0)
	for _, page := range e.running().Observed.Status {
		limit = max(limit, page.Timeout+time.Second)
	}
	if limit == 0 {
		return web.AnswerLimit
	}
	return min(limit, web.AnswerLimit)
}
