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
	// judgeInterval is how often to judge without requests, so that no incident is missed.
	judgeInterval = 5 * time.Second
	// judgeFresh is the maximum age of an answer to a request.
	judgeFresh = time.Second
	// judgeWait is how long status pages and logs may take to answer.
	judgeWait = 2500 * time.Millisecond
	// verdictRecord is the name under which the incidents are kept.
	verdictRecord = "verdict"
)

// A judge gathers the input, has the engine judge, and keeps the last answer. Only the goroutine that holds the token
// uses the engine.
type judge struct {
	logger   log.Logger
	gather   func(ctx context.Context) (verdict.Input, web.Overview) // an overview without its status
	remember func(name string, data []byte) error

	token  chan struct{}
	engine *verdict.Engine // of the holder of the token
	saved  []byte          // likewise

	mu        sync.Mutex // guards what follows
	last      web.Overview
	at        time.Time // of last; zero before the first
	incidents []verdict.Incident
}

// newJudge returns a judge that continues from the memory of an earlier one. It logs an unreadable memory and starts
// without it.
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

// overview returns the present verdict. If ctx ends first, it returns the last one.
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

// judge is called by the holder of the token.
func (j *judge) judge(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, judgeWait)
	defer cancel()
	in, overview := j.gather(asking)
	if ctx.Err() != nil {
		return // interrupted by the request: the gathered input may be incomplete
	}
	overview.Status = j.engine.Judge(in)
	incidents := j.engine.Incidents()
	j.mu.Lock()
	j.last, j.at, j.incidents = overview, time.Now(), incidents
	j.mu.Unlock()
	j.save()
}

// save saves the engine's memory if it has changed.
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
