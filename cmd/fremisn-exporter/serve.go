package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
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

	"log/slog"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/web"
	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/probe"
	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// shutdownPatience is how long scrapes under way may take after SIGTERM.
const shutdownPatience = 5 * time.Second

// watchInterval is how often nginx.conf is looked at for a change.
const watchInterval = 15 * time.Second

// An exporter is the serve command while it runs.
type exporter struct {
	cli       *commandLine
	logger    log.Logger
	collector *collector.Collector
	probes    *probe.Service
	reloads   *reloads
	hangup    chan os.Signal
	ready     atomic.Bool

	mu       sync.Mutex // one reload at a time
	settings *settings.Settings
	broken   string // what is wrong with a changed nginx.conf, "" where nothing is
}

func serve(ctx context.Context, cli *commandLine, logger log.Logger, stderr io.Writer) int {
	// Registered before anything else: a SIGHUP that nobody waits for ends the process.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	level.Info(logger).Log(append([]any{"msg", "starting " + programName}, runtimeInfo()...)...)
	s, err := settings.Load(ctx, cli.source)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	e, err := newExporter(cli, s, logger)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %s\n", programName, err)
		var usage usageError
		if errors.As(err, &usage) {
			return exitUsage
		}
		return exitFailed
	}
	e.hangup = hangup
	if err := e.run(ctx); err != nil {
		level.Error(logger).Log("msg", "ended", "err", err)
		return exitFailed
	}
	level.Info(logger).Log("msg", "ended in good order")
	return exitOK
}

// A usageError is a fault in the config that only the part that acts on it could tell.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func newExporter(cli *commandLine, s *settings.Settings, logger log.Logger) (*exporter, error) {
	e := &exporter{cli: cli, logger: logger, settings: s, reloads: newReloads()}
	var err error
	if e.probes, err = probe.New(e.probeOptions(s)); err != nil {
		return nil, usageError{err}
	}
	for _, schedule := range s.Probe.Probes {
		for _, target := range schedule.Targets {
			if at, found := s.Found[target]; found {
				level.Info(logger).Log("msg", "probing an upstream server", "target", mask.URL(target), "from", at)
			}
		}
	}
	e.collector, err = collector.New(collector.Options{
		Plan: s.Plan, StoragePath: cli.storagePath, Mask: mask.URL, Logger: logger,
		Others: []collector.Other{{Name: "probe", Collect: e.probes.CollectTo}},
	})
	return e, err
}

func (e *exporter) probeOptions(s *settings.Settings) probe.Options {
	return probe.Options{Config: s.Probe, Nodes: s.NodeNames(), Logger: e.logger, TimeoutOffset: e.cli.timeoutOffset}
}

// run serves until ctx ends or a listener fails, then lets scrapes end, reads what is there and commits.
func (e *exporter) run(ctx context.Context) error {
	server, err := e.server()
	if err != nil {
		return err
	}
	background, stop := context.WithCancel(context.Background())
	defer stop()
	var running sync.WaitGroup
	var collectorErr error
	running.Go(func() { collectorErr = e.collector.Run(background) })
	running.Go(func() { e.probes.Run(background) })
	running.Go(func() { e.watch(background) })

	failed := make(chan error, 1)
	go func() {
		failed <- toolkit.ListenAndServe(server, e.cli.web, newSlog(e.logger))
	}()
	e.ready.Store(true)
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	e.ready.Store(false)
	patience, cancel := context.WithTimeout(context.Background(), shutdownPatience)
	defer cancel()
	if server.Shutdown(patience) != nil {
		server.Close()
	}
	stop()
	running.Wait()
	return errors.Join(err, collectorErr)
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
	options := web.Options{
		MetricsPath: e.cli.telemetryPath,
		Metrics: web.Metrics(web.MetricsOptions{
			Registry: registry, Gatherer: e.collector.Gatherer, Offset: e.cli.timeoutOffset, CreatedLines: e.cli.createdLines,
		}),
		Probe:    e.probes,
		Overview: e.overview,
		Targets:  e.targets,
		Config:   func() string { return e.running().Masked() },
		Ready:    e.ready.Load,
		Logger:   e.logger,
	}
	if e.cli.lifecycle {
		options.Reload = e.reload
	}
	handler, err := web.New(options)
	if err != nil {
		return nil, err
	}
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(newSlog(e.logger).Handler(), slog.LevelDebug),
	}, nil
}

// watch reloads on SIGHUP, and when nginx.conf has changed.
func (e *exporter) watch(ctx context.Context) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.hangup:
			e.reload()
		case <-tick.C:
			e.rereadNginxConf()
			e.resolveAgain(ctx)
		}
	}
}

// reload reads the config anew. A bad one is refused whole: what ran runs on.
func (e *exporter) reload() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, err := settings.Load(context.Background(), e.cli.source)
	if err == nil {
		err = e.change(s)
	}
	e.reloads.done(err)
	if err != nil {
		level.Error(e.logger).Log("msg", "the config was not reloaded, the old one runs on", "err", err)
		return err
	}
	e.broken = ""
	level.Info(e.logger).Log("msg", "config reloaded")
	return nil
}

// change makes s the running config.
func (e *exporter) change(s *settings.Settings) error {
	if err := e.probes.Reload(e.probeOptions(s)); err != nil {
		return err
	}
	if err := e.collector.Reload(context.Background(), s.Plan); err != nil {
		return errors.Join(err, e.probes.Reload(e.probeOptions(e.settings)))
	}
	e.settings = s
	return nil
}

// rereadNginxConf takes over a change of nginx.conf. A broken one keeps the last good reading, and is said to be broken
// until it is whole again, or as it was. The config file is not read again: somebody may be in the middle of changing it.
func (e *exporter) rereadNginxConf() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.settings.Nginx == nil {
		return
	}
	changed := e.settings.Nginx.Changed()
	if !changed && e.broken == "" {
		return
	}
	var err error
	if changed {
		var s *settings.Settings
		if s, err = e.settings.Reread(context.Background()); err == nil {
			err = e.change(s)
		}
	}
	e.collector.ConfigError(err)
	switch {
	case err != nil:
		e.reloads.done(err)
		if err.Error() != e.broken { // once, not at every look
			e.broken = err.Error()
			level.Error(e.logger).Log("msg", "nginx.conf has changed and cannot be taken over, its last good reading stands", "err", err)
		}
		return
	case !e.settings.ConfigFileChanged(): // else a reload has failed for another reason, which stands
		e.reloads.done(nil)
	}
	e.broken = ""
	level.Info(e.logger).Log("msg", "nginx.conf has changed and was read again", "file", e.settings.Nginx.Path)
}

// resolveAgain looks up servers and nodes that had no address when the config was read: in a stack that starts as a
// whole, names come with their containers.
func (e *exporter) resolveAgain(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.settings.Resolved(ctx)
	if s == nil {
		return
	}
	if err := e.change(s); err != nil {
		level.Error(e.logger).Log("msg", "servers that were found by name cannot be taken over", "err", err)
	}
}

// running returns the settings that run.
func (e *exporter) running() *settings.Settings {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.settings
}
