package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// Sizes of the disks that are filled, bytes.
const (
	stateDisk = 32 << 20
	smallDisk = 64 << 20
)

// A soakEvent happens at a part of the whole time.
type soakEvent struct {
	at   float64
	what string
	do   func(context.Context)
}

// Between these parts of the time the exporter is not killed, so that it can be seen whether it grows.
const calmFrom, calmTo = 0.3, 0.9

// timeline is what happens beside rotations and reloads.
func (s *soak) timeline() []soakEvent {
	var all []soakEvent
	step := float64(s.share(1.0/40, 2*time.Second, 90*time.Second)) / float64(s.length)
	for at := step; at < 1; at += step {
		if at > calmFrom && at < calmTo {
			continue
		}
		if len(all)%3 == 2 {
			all = append(all, soakEvent{at, "SIGTERM and start", func(ctx context.Context) {
				s.restart(ctx, syscall.SIGTERM)
			}})
		} else {
			all = append(all, soakEvent{at, "kill -9 and start", func(ctx context.Context) {
				s.restart(ctx, syscall.SIGKILL)
			}})
		}
	}
	full := float64(s.share(1.0/60, time.Second, 20*time.Second)) / float64(s.length)
	if s.mounted {
		for _, at := range []float64{0.1, 0.5} {
			all = append(all, soakEvent{at, "the state disk is full", s.fillState},
				soakEvent{at + full, "it is free again", s.freeState})
		}
		all = append(all, soakEvent{0.1 + full/2, "kill -9 and start while it is full",
			func(ctx context.Context) { s.restart(ctx, syscall.SIGKILL) }})
		for _, at := range []float64{0.2, 0.4, 0.6} {
			all = append(all, soakEvent{at, "the disk of the side log is full", s.fillSide},
				soakEvent{at + full, "it is free again", s.freeSide})
		}
	}
	all = append(all, soakEvent{0.45, "a node refuses", func(context.Context) { s.nodes[1].Refuse() }},
		soakEvent{0.48, "it answers again", func(context.Context) {
			if err := s.nodes[1].Listen(); err != nil {
				s.fault("%v", err)
			}
		}})
	all = append(all, soakEvent{0.8, "64 scrapers and 1,000 slow clients",
		func(ctx context.Context) { s.crowd(ctx, s.share(1.0/60, 2*time.Second, time.Minute)) }})
	if s.burst > 0 {
		all = append(all, soakEvent{0.7, fmt.Sprint("a burst of ", s.burst, " lines a second"),
			func(context.Context) { s.access.rate.Store(int64(s.burst)) }},
			soakEvent{0.7 + float64(s.burstFor)/float64(s.length), "the burst is over",
				func(context.Context) { s.access.rate.Store(int64(s.rate)) }})
	}
	slices.SortStableFunc(all, func(a, b soakEvent) int { return int((a.at - b.at) * 1e9) })
	return all
}

// happen lets the timeline happen, and reloads between.
func (s *soak) happen(ctx context.Context) {
	reload := time.NewTicker(s.share(1.0/360, time.Second, 10*time.Second))
	defer reload.Stop()
	for _, e := range append(s.timeline(), soakEvent{1, "all is written", func(context.Context) {}}) {
		due := time.After(time.Until(s.began.Add(time.Duration(e.at * float64(s.length)))))
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return
			case <-reload.C:
				s.reload()
			case <-due:
				waiting = false
			}
		}
		s.progress("%s; %d lines", e.what, s.access.written.lines.Load())
		e.do(ctx)
	}
}

// reload changes the config and sends SIGHUP.
func (s *soak) reload() {
	s.mu.Lock()
	e := s.running
	s.mu.Unlock()
	if e == nil {
		return
	}
	s.config++
	s.reloads++
	err := os.WriteFile(e.Config+".new", []byte(s.settings()), 0o644)
	if err = errors.Join(err, os.Rename(e.Config+".new", e.Config), e.Signal(syscall.SIGHUP)); err != nil {
		s.fault("reload: %v", err)
	}
}

// restart ends the exporter by a signal, and starts it again.
func (s *soak) restart(ctx context.Context, by syscall.Signal) {
	s.stop(by)
	s.startExporter(ctx)
}

// stop ends the exporter: by SIGTERM within 10 s, with exit code 0 unless what it knows could not be saved.
func (s *soak) stop(by syscall.Signal) {
	s.mu.Lock()
	e := s.running
	s.running = nil
	s.downs = append(s.downs, down{from: time.Now()})
	s.mu.Unlock()
	if e == nil {
		return
	}
	if by == syscall.SIGKILL {
		s.kills++
		e.Kill()
	} else {
		s.terms++
		began := time.Now()
		if code := e.Stop(); code != 0 && !s.isFull() {
			s.fault("SIGTERM: exit code %d\n%s", code, e.Output())
		}
		if took := time.Since(began); took > 10*time.Second {
			s.fault("SIGTERM took %s", took)
		}
	}
	s.listen(e)
}

// listen notes what an exporter that has ended warned of.
func (s *soak) listen(e *testenv.Exporter) {
	for line := range strings.Lines(e.Output()) {
		if strings.Contains(line, "panic") || strings.Contains(line, "DATA RACE") {
			s.fault("%s", e.Output())
			return
		}
		if _, after, found := strings.Cut(line, " msg="); found && !strings.Contains(line, "level=info") {
			if quoted, is := strings.CutPrefix(after, `"`); is {
				after, _, _ = strings.Cut(quoted, `"`)
			} else {
				after, _, _ = strings.Cut(after, " ")
			}
			s.said[strings.TrimSpace(after)]++
		}
	}
}

// startExporter starts it on the state that it left.
func (s *soak) startExporter(ctx context.Context) {
	e, err := testenv.StartExporter(ctx, s.exporter, s.dir, s.settings(), s.address, "--log.level", "warn")
	if err != nil {
		if ctx.Err() == nil {
			s.fault("starting the exporter: %v", err)
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = e
	if n := len(s.downs); n > 0 {
		s.downs[n-1].to = time.Now()
	}
}

// mountDisks mounts the disks that are filled.
func (s *soak) mountDisks() error {
	for name, size := range map[string]int{"data": stateDisk, "side": smallDisk} {
		if err := os.Mkdir(s.path(name), 0o755); err != nil {
			return err
		}
		if !s.mounted {
			continue
		}
		if err := syscall.Mount("tmpfs", s.path(name), "tmpfs", 0, fmt.Sprint("mode=755,size=", size)); err != nil {
			return fmt.Errorf("mounting a small disk: %w", err)
		}
	}
	return nil
}

// fill writes a file until its disk is full.
func (s *soak) fill(name string) {
	file, err := os.Create(s.path(name))
	if err == nil {
		_, err = io.Copy(file, zeros{})
		file.Close()
	}
	if !errors.Is(err, syscall.ENOSPC) {
		s.fault("filling a disk: %v", err)
	}
}

// zeros is a file that has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func (s *soak) fillState(context.Context) {
	s.mu.Lock()
	s.freed = s.began.Add(s.length) // later than any scrape
	s.mu.Unlock()
	s.fill("data/ballast")
}

func (s *soak) freeState(context.Context) {
	if err := os.Remove(s.path("data/ballast")); err != nil {
		s.fault("%v", err)
	}
	s.mu.Lock()
	s.freed = time.Now()
	s.mu.Unlock()
}

// isFull reports whether the state disk is full, or was a moment ago: what is shown may be older then.
func (s *soak) isFull() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.freed) < 15*time.Second
}

func (s *soak) fillSide(context.Context) {
	s.side.full.Store(true)
	s.fill("side/ballast")
}

func (s *soak) freeSide(context.Context) {
	if err := os.Remove(s.path("side/ballast")); err != nil {
		s.fault("%v", err)
	}
	s.side.full.Store(false)
}
