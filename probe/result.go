package probe

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// A Result is one probe that has ended.
type Result struct {
	ID       uint64 // of a scheduled probe: unique, and rising while the program runs
	Module   string
	Target   string // without userinfo
	When     time.Time
	Duration time.Duration
	Timeout  time.Duration
	Success  bool
	Reason   string // the failure: dns, connect, tls, timeout, status, body, header, license, other; "" for success
	Sentence string // the reason in words; "" for success
	Phases   []Phase
	Samples  []Sample // the exposed metrics; History omits them
	Log      string   // without secrets; filled in by WithLog

	lines   []logLine // with secrets: most logs are never read, and masking takes its time
	body    []byte    // the beginning of what an http probe was answered, unpacked, with its secrets
	secrets mask.Secrets
	kept    *kept    // that the result comes from; nil for a fresh one
	missing []string // metrics of the module that the body did not have
}

// A logLine is what a probe did, and how long after it began.
type logLine struct {
	after time.Duration
	text  string
}

// A Phase is a part of a probe's time, in the order in which they were gone through.
type Phase struct {
	Name     string
	Duration time.Duration
}

// A Sample is a gauge of a probe.
type Sample struct {
	Name, Help string
	Labels     []Label
	Value      float64
}

// A Label is a name with its value.
type Label struct{ Name, Value string }

func (s Sample) String() string {
	var text strings.Builder
	text.WriteString(s.Name)
	for i, l := range s.Labels {
		text.WriteByte("{,"[min(i, 1)])
		text.WriteString(l.Name + "=" + strconv.Quote(l.Value))
	}
	if len(s.Labels) > 0 {
		text.WriteByte('}')
	}
	return text.String() + " " + strconv.FormatFloat(s.Value, 'g', -1, 64)
}

// A failure is the reason why a probe did not succeed.
type failure struct{ reason, sentence string }

func (f *failure) Error() string { return f.sentence }

func failf(reason, format string, args ...any) *failure {
	return &failure{reason, fmt.Sprintf(format, args...)}
}

// A trace collects the findings of a running probe. Callbacks of a connection may reach it after the probe has ended.
type trace struct {
	began   time.Time
	secrets mask.Secrets

	mu      sync.Mutex
	ended   bool
	phases  []phaseMark
	samples []Sample
	lines   []logLine
	missed  []string
	body    []byte
}

type phaseMark struct {
	name  string
	start time.Time
}

// Limits of what is kept of a probe, whatever a server sends.
const (
	maxLines   = 100
	maxLine    = 1000 // bytes of a log line, or of a sentence
	maxQuote   = 200  // bytes of a server's text in a quotation
	maxSamples = 1000

	maxShownBody = 4 << 10 // bytes of an answer's body
)

func newTrace(secrets mask.Secrets) *trace {
	return &trace{began: time.Now(), secrets: secrets, lines: make([]logLine, 0, 8)}
}

// enter begins a phase and ends the previous one.
func (t *trace) enter(phase string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.phases = append(t.phases, phaseMark{phase, time.Now()})
	}
}

// phase returns the present phase.
func (t *trace) phase() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.phases) == 0 {
		return ""
	}
	return t.phases[len(t.phases)-1].name
}

func (t *trace) logf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.write(time.Since(t.began), fmt.Sprintf(format, args...))
	}
}

// write is called with t locked.
func (t *trace) write(after time.Duration, text string) {
	if len(t.lines) < maxLines {
		t.lines = append(t.lines, logLine{after, clip(text)})
	}
}

// clip shortens a text. It cuts between words: half of a secret would not be recognized.
func clip(text string) string {
	if len(text) <= maxLine {
		return text
	}
	return text[:strings.LastIndexByte(text[:maxLine], ' ')+1] + "…"
}

// gauge adds a sample. Labels may have a server's own text: it is made valid, and a second sample replaces an earlier
// one with the same labels.
func (t *trace) gauge(name, help string, value float64, labels ...Label) {
	for i := range labels {
		labels[i].Value = strings.ToValidUTF8(labels[i].Value, "\uFFFD")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	for i := range t.samples {
		if s := &t.samples[i]; s.Name == name && slices.Equal(s.Labels, labels) {
			s.Value = value
			return
		}
	}
	if len(t.samples) < maxSamples {
		t.samples = append(t.samples, Sample{name, help, labels, value})
	}
}

// keepBody keeps the beginning of an answer's body.
func (t *trace) keepBody(body []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.body = bytes.Clone(body[:min(len(body), maxShownBody)])
}

// hide adds a value that must never be shown and was obtained during the probe, such as a token.
func (t *trace) hide(secret string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.secrets = t.secrets.WithValues(secret)
}

// missing records a metric that the body did not have.
func (t *trace) missing(metric string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.missed = append(t.missed, metric)
}

// finish closes the trace and returns the result.
func (t *trace) finish(r Result, failed *failure) Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	end := time.Now()
	t.ended = true
	r.When, r.Duration, r.Success, r.secrets = t.began, end.Sub(t.began), failed == nil, t.secrets
	r.Phases = t.durations(end)
	success, last := 1.0, "success"
	if failed != nil {
		success = 0
		r.Reason, r.Sentence = failed.reason, t.secrets.Mask(clip(failed.sentence))
		last = "failed (" + failed.reason + "): " + failed.sentence
	}
	t.lines = t.lines[:min(len(t.lines), maxLines-1)] // there is always room for the last
	t.write(r.Duration, last)
	r.lines, r.missing, r.body = t.lines, t.missed, t.body
	r.Samples = append(t.samples,
		Sample{"probe_timeout_seconds", "Returns how long the probe timeout is in seconds", nil, r.Timeout.Seconds()},
		Sample{"probe_duration_seconds", "Returns how long the probe took to complete in seconds", nil,
			r.Duration.Seconds()},
		Sample{"probe_success", "Displays whether or not the probe was a success", nil, success})
	return r
}

// durations sums the phases by name: redirects repeat them.
func (t *trace) durations(end time.Time) []Phase {
	var phases []Phase
	for i, mark := range t.phases {
		until := end
		if i+1 < len(t.phases) {
			until = t.phases[i+1].start
		}
		at := slices.IndexFunc(phases, func(p Phase) bool { return p.Name == mark.name })
		if at < 0 {
			at = len(phases)
			phases = append(phases, Phase{Name: mark.name})
		}
		phases[at].Duration += until.Sub(mark.start)
	}
	return phases
}

// WithLog adds the log, without secrets.
func (r Result) WithLog() Result {
	if r.kept != nil {
		r.kept.fill(&r)
	}
	var log strings.Builder
	for _, l := range r.lines {
		fmt.Fprintf(&log, "%8.1f ms  %s\n", float64(l.after.Microseconds())/1000, l.text)
	}
	r.Log = r.secrets.Mask(log.String())
	if len(r.body) > 0 {
		r.Log += "\nThe body of the answer:\n" + r.secrets.Mask(readable(r.body)) + "\n"
	}
	return r
}

// readable returns a body that can be shown. A truncated one ends with a whole word: half of a secret would not be
// recognized.
func readable(body []byte) string {
	text := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f {
			return r
		}
		return '\uFFFD'
	}, strings.ToValidUTF8(string(body), "\uFFFD"))
	if len(body) < maxShownBody {
		return text
	}
	return text[:strings.LastIndexAny(text, " \n\t\",;&<>")+1] + "…"
}

// quote returns the beginning of a server's text, ready to be shown. Secrets are removed first: a cut through one
// would leave a half that nobody recognizes.
func (t *trace) quote(text []byte) string {
	return quote(t.secrets.Mask(clip(string(text))))
}

func quote(text string) string {
	return strconv.Quote(strings.ToValidUTF8(text[:min(len(text), maxQuote)], "\uFFFD"))
}

// A prober probes a target as a module says.
type prober func(ctx context.Context, target string, m *prepared, t *trace) *failure

// probers are all probers.
var probers = map[string]prober{
	"dns":  probeDNS,
	"grpc": probeGRPC,
	"http": probeHTTP,
	"icmp": probeICMP,
	"tcp":  probeTCP,
	"unix": probeUnix,

	"websocket": probeWebsocket,
}

func proberNames() []string { return sortedKeys(probers) }

// An asked target is one with what is the same for all probes of it.
type asked struct {
	address string
	masked  string
	secrets mask.Secrets // of its module, and its own
}

func (m *prepared) ask(address string) asked {
	return asked{address, mask.Target(address), m.secrets.WithTarget(address)}
}

// once runs one probe. The module's time limit holds where it is shorter than the one given.
func once(ctx context.Context, m *prepared, target asked, limit time.Duration) Result {
	if m.Timeout > 0 {
		limit = min(limit, m.Timeout)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	m.secrets.ReadFiles()
	t := newTrace(target.secrets)
	t.samples = m.buffers.get()
	r := Result{Module: m.name, Target: target.masked, Timeout: limit}
	t.logf("probing %s with module %s, prober %s, in %s at most", r.Target, m.name, m.Prober,
		r.Timeout.Round(time.Millisecond))
	return t.finish(r, m.prober(ctx, target.address, m, t))
}
