package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/sim"
)

// requestEvery is the pace of the light traffic: about four requests a second.
const requestEvery = 250 * time.Millisecond

// An incident is a temporary fault, so that there is something to see.
type incident struct {
	what  string
	begin func(*demo, context.Context)
	end   func(*demo)
}

// incidents happen in turn, each for a few seconds.
var incidents = []incident{
	{"slave-2 refuses connections: NGINX tries another node", func(d *demo, _ context.Context) { d.nodes[2].Refuse() },
		(*demo).restart},
	{"a burst of requests: the limiter rejects some, and the rest are more than the nodes have slots for",
		func(d *demo, ctx context.Context) { d.burst(ctx, 45) }, func(*demo) {}},
	{"slave-1 is slow", func(d *demo, _ context.Context) {
		d.nodes[1].Set(sim.Fault{Kind: "slow", Delay: 900 * time.Millisecond, Path: "/v1/face"})
	}, func(d *demo) { d.nodes[1].Clear() }},
	{"master answers 500", func(d *demo, _ context.Context) {
		d.nodes[0].Set(sim.Fault{Kind: "fail", Code: 500, Path: "/v1/face"})
	}, func(d *demo) { d.nodes[0].Clear() }},
	{"slave-2 has a licence fault: its health check says so", func(d *demo, _ context.Context) {
		d.nodes[2].Set(sim.Fault{Kind: "license", Path: "/v1/healthcheck"})
	}, func(d *demo) { d.nodes[2].Clear() }},
}

// restart makes slave-2 listen again.
func (d *demo) restart() {
	if err := d.nodes[2].Listen(); err != nil {
		fmt.Fprintf(d.out, "  %s cannot come back: %s\n", d.nodes[2].Name, err)
	}
}

// How long an incident lasts, and how long all is well before it.
const (
	incidentLasts = 6 * time.Second
	calmLasts     = 4 * time.Second
)

// traffic sends requests to the load balancer until ctx ends.
func (d *demo) traffic(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { d.incidents(ctx) })
	tick := time.NewTicker(requestEvery)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			running.Wait()
			return
		case <-tick.C:
			running.Go(func() { d.request(ctx, i) })
		}
	}
}

func (d *demo) incidents(ctx context.Context) {
	for i := 0; ; i++ {
		if !pause(ctx, calmLasts) {
			return
		}
		now := incidents[i%len(incidents)]
		fmt.Fprintf(d.out, "  %s  %s\n", time.Now().Format("15:04:05"), now.what)
		now.begin(d, ctx)
		goOn := pause(ctx, incidentLasts)
		now.end(d)
		if !goOn {
			return
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// burst sends n requests at once.
func (d *demo) burst(ctx context.Context, n int) {
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() { d.request(ctx, i) })
	}
	running.Wait()
}

var face = []byte(`{"image":"data:image/jpeg;base64,AAAA","keyspace":"demo"}`)

// request requests a recognition, most often, or an enrolment, or the health of the next node. The exporter shows the
// result.
func (d *demo) request(ctx context.Context, i int) {
	path := [...]string{"/v1/face/recognition", "/v1/face/recognition", "/v1/face/enrollment", "/v1/healthcheck"}[i%4]
	method, body := http.MethodPost, io.Reader(bytes.NewReader(face))
	if path == "/v1/healthcheck" {
		method, body = http.MethodGet, nil
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+d.balancer+path, body)
	if err != nil {
		return
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return // the demo ends
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
}
