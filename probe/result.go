package probe

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"
)

// A Result is one probe that has ended.
type Result struct {
	ID       uint64
	Module   string
	Target   string // masked
	When     time.Time
	Duration time.Duration
	Success  bool
	Reason   string // why it failed: dns, connect, tls, timeout, status, body, header, license, other; "" for success
	Sentence string
	Phases   []Phase
	Samples  []Sample
	Log      string
}

// A Phase is a part of a probe's time.
type Phase struct {
	Name     string
	Duration time.Duration
}

// A Sample is a gauge that a probe gives.
type Sample struct {
	Name, Help string
	Labels     []Label
	Value      float64
}

// A Label is a name with its value.
type Label struct{ Name, Value string }

// A failure is why a probe did not succeed.
type failure struct{ reason, sentence string }

func (f *failure) Error() string { return f.sentence }

func failf(reason, format string, args ...any) *failure {
	return &failure{reason, fmt.Sprintf(format, args...)}
}

// A trace collects what a probe finds while it runs. It belongs to one goroutine.
type trace struct {
	began   time.Time
	phase   string // what it is about, to tell where time ran out
	phases  []Phase
	samples []Sample
	log     strings.Builder
	mask    func(string) string
}

const maxTraceLog = 16 << 10

func newTrace() *trace { return &trace{began: time.Now(), phase: "connect"} }

func (t *trace) gauge(name, help string, value float64, labels ...Label) {
	t.samples = append(t.samples, Sample{name, help, labels, value})
}

func (t *trace) logf(format string, args ...any) {
	if t.log.Len() < maxTraceLog {
		fmt.Fprintf(&t.log, "%8.1f ms  %s\n", float64(time.Since(t.began).Microseconds())/1000, Mask(fmt.Sprintf(format, args...)))
	}
}

func (t *trace) took(phase string, d time.Duration) {
	for i := range t.phases {
		if t.phases[i].Name == phase {
			t.phases[i].Duration += d
			return
		}
	}
	t.phases = append(t.phases, Phase{phase, d})
}

// A prober asks a target as a module says.
type prober func(ctx context.Context, target string, m *prepared, t *trace) *failure

// probers are all there are.
var probers = map[string]prober{
	"http": probeHTTP,
	"tcp":  probeTCP,
}

func proberNames() []string {
	names := make([]string, 0, len(probers))
	for name := range probers {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// once runs one probe.
func once(ctx context.Context, m *prepared, target string) Result {
	if m.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, m.Timeout)
		defer cancel()
	}
	t := newTrace()
	t.logf("probing %s with module %s", target, m.name)
	failed := m.prober(ctx, target, m, t)
	r := Result{Module: m.name, Target: MaskURL(target), When: t.began, Duration: time.Since(t.began), Success: failed == nil, Phases: t.phases, Samples: t.samples}
	success := 1.0
	if failed != nil {
		success = 0
		r.Reason, r.Sentence = failed.reason, Mask(failed.sentence)
		t.logf("failed (%s): %s", failed.reason, failed.sentence)
	} else {
		t.logf("success")
	}
	r.Log = t.log.String()
	r.Samples = append(r.Samples,
		Sample{"probe_duration_seconds", "Returns how long the probe took to complete in seconds", nil, r.Duration.Seconds()},
		Sample{"probe_success", "Displays whether or not the probe was a success", nil, success})
	return r
}
