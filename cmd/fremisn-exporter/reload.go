package main

import (
	"context"
	"errors"
	"time"

	"github.com/go-kit/log/level"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// watchInterval is how often nginx.conf is checked for a change, and unresolved names are looked up.
const watchInterval = 15 * time.Second

// The triggers of a reload.
const (
	triggerSignal = "signal"
	triggerHTTP   = "http"
	triggerFile   = "file"       // the config file has changed
	triggerNginx  = "nginx_conf" // nginx.conf has changed
)

// lastCheck is what the goroutine of watch remembers from one check of the files to the next.
type lastCheck struct {
	broken  string    // the fault of a changed nginx.conf, "" if there is none
	seen    string    // the config file's text at the last check
	refused string    // why the config file could not be loaded, "" if it could
	lookups time.Time // when names of servers were looked up last
}

// watch is the goroutine that reloads: on SIGHUP, on request, and when the config file or nginx.conf has changed.
// Nothing else replaces the running settings.
func (e *exporter) watch(ctx context.Context) {
	tick, files := time.NewTicker(watchInterval), time.NewTicker(e.cli.reloadInterval)
	defer tick.Stop()
	defer files.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.hangup:
			e.reload(ctx, triggerSignal)
		case done := <-e.asked:
			done <- e.reload(ctx, triggerHTTP)
		case <-files.C:
			if e.cli.autoReload {
				e.checkConfigFile(ctx)
			}
		case <-tick.C:
			e.checkNginxConf(ctx)
			e.resolveAgain(ctx)
		}
	}
}

// askForReload makes watch reload, and returns the result. If ctx ends first, the reload continues.
func (e *exporter) askForReload(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case e.asked <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reload reads the config again. An invalid one is rejected completely: the old settings stay.
func (e *exporter) reload(ctx context.Context, trigger string) error {
	s, err := settings.Load(ctx, e.cli.source)
	if err == nil {
		err = e.change(ctx, s)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		e.refuse(trigger, err)
		return err
	}
	e.reloads.done(trigger, nil)
	e.last = lastCheck{lookups: time.Now()}
	level.Info(e.logger).Log("msg", "config reloaded", "trigger", trigger)
	return nil
}

// refuse counts and logs why the config could not be loaded, once while only the watch tries it again. A broken
// nginx.conf of the running settings is reported as such until it is fixed, which later checks will see.
func (e *exporter) refuse(trigger string, err error) {
	if trigger == triggerFile && err.Error() == e.last.refused {
		e.reloads.failedAgain(err)
		return
	}
	e.reloads.done(trigger, err)
	level.Error(e.logger).Log("msg", "reload failed; the old config stays in use", "err", err)
	e.last.refused = err.Error()
	var broken *nginxconf.Error
	if running := e.running().Nginx; errors.As(err, &broken) && running != nil && running.Changed() {
		e.collector.ConfigError(err)
		e.last.broken = err.Error()
	}
}

// change makes s the running settings.
func (e *exporter) change(ctx context.Context, s *settings.Settings) error {
	if err := e.probes.Reload(e.probeOptions(s)); err != nil {
		return err
	}
	if err := e.collector.Reload(ctx, s.Observed); err != nil {
		return errors.Join(err, e.probes.Reload(e.probeOptions(e.running())))
	}
	e.settings.Store(s)
	return nil
}

// checkConfigFile reloads the config file when it has changed and stayed the same for two checks: at the first,
// somebody may be writing it. A rejected text is tried again, in silence while its fault is the same: the fault may be
// in a file that it names, and be fixed there. Where the running text is put back after a failed reload, it is loaded
// again, unless nginx.conf is what is wrong: checkNginxConf sees when that is fixed.
func (e *exporter) checkConfigFile(ctx context.Context) {
	text, changed := e.running().ChangedText()
	before := e.last.seen
	e.last.seen = text
	putBack := !changed && e.reloads.problem() != "" && e.last.broken == ""
	if (changed || putBack) && text == before {
		e.reload(ctx, triggerFile)
	}
}

// checkNginxConf applies a change of nginx.conf. While it is broken, the last valid version stays in use, and it is
// reported as broken until it is valid again or unchanged.
func (e *exporter) checkNginxConf(ctx context.Context) {
	running := e.running()
	if running.Nginx == nil {
		return
	}
	changed := running.Nginx.Changed()
	if !changed && e.last.broken == "" {
		return
	}
	var err error
	if changed {
		err = e.reread(ctx, running)
	}
	if ctx.Err() != nil {
		return
	}
	e.collector.ConfigError(err)
	if err != nil {
		e.nginxConfBroken(err)
		return
	}
	if _, changed := running.ChangedText(); !changed { // otherwise the problem of another failed reload remains
		e.reloads.done(triggerNginx, nil)
	}
	e.last.broken = ""
	level.Info(e.logger).Log("msg", "nginx.conf has changed; read it again", "file", running.Nginx.Path)
}

func (e *exporter) reread(ctx context.Context, running *settings.Settings) error {
	s, err := running.Reread(ctx)
	if err != nil {
		return err
	}
	return e.change(ctx, s)
}

// nginxConfBroken logs the fault of nginx.conf, once instead of at every check.
func (e *exporter) nginxConfBroken(err error) {
	e.reloads.done(triggerNginx, err)
	if err.Error() == e.last.broken {
		return
	}
	e.last.broken = err.Error()
	level.Error(e.logger).Log("msg", "nginx.conf has changed but cannot be loaded; its last good version stays in use",
		"err", err)
}

// lookupInterval is how often the names of servers are looked up. Unresolved ones are looked up at every check: in a
// stack that starts as a whole, names come with their containers.
const lookupInterval = time.Minute

// resolveAgain looks up the names of servers and nodes: a re-created container has another address.
func (e *exporter) resolveAgain(ctx context.Context) {
	if time.Since(e.last.lookups) < lookupInterval && !e.running().Unresolved() {
		return
	}
	e.last.lookups = time.Now()
	s := e.running().Resolved(ctx)
	if s == nil || ctx.Err() != nil {
		return
	}
	if err := e.change(ctx, s); err != nil && ctx.Err() == nil {
		level.Error(e.logger).Log("msg", "applying the looked-up addresses of servers failed", "err", err)
	}
}
