package main

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/web"
)

const (
	// judgeInterval is how often it is judged while nobody asks, so that no incident is missed.
	judgeInterval = 5 * time.Second
	// judgeFresh is how old an answer may be that somebody who asks is given.
	judgeFresh = time.Second
	// judgeWait is how long status pages and logs may take to answer.
	judgeWait = 2500 * time.Millisecond
	// verdictRecord is the name under which the incidents are kept.
	verdictRecord = "verdict"
)

// A judge asks everybody, has the engine judge, and keeps the last answer. One goroutine at a time uses the engine: who
// holds the token.
type judge struct {
	logger   log.Logger
	gather   func(ctx context.Context) (verdict.Input, web.Overview) // an overview without its status
	remember func(name string, data []byte) error

	token  chan struct{}
	engine *verdict.Engine // of who holds the token
	saved  []byte          // likewise

	mu        sync.Mutex // guards what follows
	last      web.Overview
	at        time.Time // of last; zero before the first
	incidents []verdict.Incident
}

// newJudge returns a judge that goes on with what an earlier one remembered. What cannot be read is logged and left.
func newJudge(e *exporter) *judge {
	j := &judge{
		logger: e.logger, gather: e.gather, remember: e.collector.Remember, token: make(chan struct{},
			1), engine: verdict.New(),
		last: web.Overview{Status: verdict.New().Judge(verdict.Input{Now: time.Now()})},
	}
	j.token <- struct{}{}
	saved, err := e.collector.Recall(verdictRecord)
	if err == nil && saved != nil {
		err = j.engine.Load(saved)
	}
	if err != nil {
		level.Warn(e.logger).Log("msg", "reading past incidents failed; only new ones are kept",
			"err", err)
	}
	j.saved, j.incidents = saved, j.engine.Incidents()
	return j
}

// run judges on a clock until ctx ends.
func (j *judge) run(ctx context.Context) {
	tick := time.NewTicker(judgeInterval)
	defer tick.Stop()
	for {
		j.overview(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// overview returns the verdict of now. When ctx ends first, it is the last one.
func (j *judge) overview(ctx context.Context) web.Overview {
	select {
	case <-j.token:
		if j.age() >= judgeFresh {
			j.judge(ctx)
		}
		j.token <- struct{}{}
	case <-ctx.Done():
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

func (j *judge) age() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	return time.Since(j.at)
}

// judge is called by who holds the token.
func (j *judge) judge(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, judgeWait)
	defer cancel()
	in, overview := j.gather(asking)
	if ctx.Err() != nil {
		return // cut short by who asked: what was gathered may be half of it
	}
	overview.Status = j.engine.Judge(in)
	incidents := j.engine.Incidents()
	j.mu.Lock()
	j.last, j.at, j.incidents = overview, time.Now(), incidents
	j.mu.Unlock()
	j.save()
}

// save keeps what the engine remembers when it has changed.
func (j *judge) save() {
	saved, err := j.engine.Save()
	if err == nil && !bytes.Equal(saved, j.saved) {
		if err = j.remember(verdictRecord, saved); err == nil {
			j.saved = saved
		}
	}
	if err != nil {
		level.Debug(j.logger).Log("msg", "saving incidents failed", "err", err)
	}
}

func (j *judge) incidentList() []verdict.Incident {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.incidents
}
