package probe

import (
	"slices"
	"sync"
	"time"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// A kept result is a finished one in the history. Ten thousand targets keep thirty thousand, and most have the same
// text as the previous one: they share it.
type kept struct {
	*words
	id       uint64
	when     time.Time
	duration time.Duration
	after    []tenths // of the lines of the log
	phases   []time.Duration
	body     []byte
}

// words are the text of a result. They are immutable.
type words struct {
	module, target   string
	timeout          time.Duration
	reason, sentence string
	lines, phases    []string
	secrets          mask.Secrets
}

// tenths of a millisecond, as a log shows them.
type tenths uint32

func tenthsOf(d time.Duration) tenths { return tenths(d / (100 * time.Microsecond)) }

func (n tenths) duration() time.Duration { return time.Duration(n) * 100 * time.Microsecond }

// keep converts a result for the history. It shares words with an earlier one.
func keep(r *Result, before []*kept) *kept {
	k := &kept{id: r.ID, when: r.When, duration: r.Duration, body: r.body}
	if r.Success {
		k.body = nil // nobody can use it
	}
	k.after = make([]tenths, len(r.lines))
	for i, l := range r.lines {
		k.after[i] = tenthsOf(l.after)
	}
	k.phases = make([]time.Duration, len(r.Phases))
	for i, p := range r.Phases {
		k.phases[i] = p.Duration
	}
	for _, b := range slices.Backward(before) {
		if b.says(r) {
			k.words = b.words
			return k
		}
	}
	k.words = &words{module: r.Module, target: r.Target, timeout: r.Timeout, reason: r.Reason, sentence: r.Sentence,
		secrets: r.secrets, lines: make([]string, len(r.lines)), phases: make([]string, len(r.Phases))}
	for i, l := range r.lines {
		k.words.lines[i] = l.text
	}
	for i, p := range r.Phases {
		k.words.phases[i] = p.Name
	}
	return k
}

// says reports whether a result says the same.
func (w *words) says(r *Result) bool {
	return w.module == r.Module && w.target == r.Target && w.timeout == r.Timeout && w.reason == r.Reason &&
		w.sentence == r.Sentence && w.secrets == r.secrets &&
		slices.EqualFunc(w.lines, r.lines, func(text string, l logLine) bool { return text == l.text }) &&
		slices.EqualFunc(w.phases, r.Phases, func(name string, p Phase) bool { return name == p.Name })
}

// maxCompared limits the earlier results whose words are compared: on a flapping target every other one is the same.
const maxCompared = 4

func (k *kept) success() bool { return k.reason == "" }

// brief returns the result without its phases and its log, which WithLog fills in.
func (k *kept) brief() Result {
	return Result{kept: k, ID: k.id, Module: k.module, Target: k.target, When: k.when, Duration: k.duration,
		Timeout: k.timeout, Success: k.success(), Reason: k.reason, Sentence: k.sentence}
}

// fill adds what brief leaves out.
func (k *kept) fill(r *Result) {
	r.body, r.secrets = k.body, k.secrets
	r.lines = make([]logLine, len(k.after))
	for i, after := range k.after {
		r.lines[i] = logLine{after.duration(), k.words.lines[i]}
	}
	r.Phases = make([]Phase, len(k.phases))
	for i, took := range k.phases {
		r.Phases[i] = Phase{k.words.phases[i], took}
	}
}

// A shape is the samples of a probe without their values. It is immutable: most probes of a module have the same one.
type shape struct {
	samples []Sample
	named   map[string][]int // indexes of those of each name
}

func shapeOf(samples []Sample) *shape {
	s := &shape{samples: slices.Clone(samples), named: make(map[string][]int, len(samples))}
	for i := range s.samples {
		s.samples[i].Value = 0
		s.named[samples[i].Name] = append(s.named[samples[i].Name], i)
	}
	return s
}

func (s *shape) is(samples []Sample) bool {
	return slices.EqualFunc(s.samples, samples, func(a, b Sample) bool {
		return a.Name == b.Name && a.Help == b.Help && slices.Equal(a.Labels, b.Labels)
	})
}

// maxShapes limits those that a module remembers: a target with its own shape keeps it anyway.
const maxShapes = 8

// shapes are those that the latest probes of a module had.
type shapes struct {
	mu   sync.Mutex
	list []*shape // the one that was used last first
}

// of returns the shape of samples, and before where it is that one.
func (s *shapes) of(samples []Sample, before *shape) *shape {
	if before != nil && before.is(samples) {
		return before
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.list, func(one *shape) bool { return one.is(samples) })
	if at < 0 {
		s.list = append(s.list[:min(len(s.list), maxShapes-1)], nil)
		at = len(s.list) - 1
		s.list[at] = shapeOf(samples)
	}
	found := s.list[at]
	copy(s.list[1:at+1], s.list[:at])
	s.list[0] = found
	return found
}

// measured is the samples of a target's last probe.
type measured struct {
	shape  *shape // nil before the first probe has ended
	values []float64
}

// set copies the samples. The caller may reuse them after that.
func (m *measured) set(samples []Sample, all *shapes) {
	m.shape = all.of(samples, m.shape)
	m.values = make([]float64, len(samples)) // a scrape may read the ones before
	for i := range samples {
		m.values[i] = samples[i].Value
	}
}

// sampleBuffers are room for samples, which most probes need only briefly.
type sampleBuffers struct{ pool sync.Pool } // of *[]Sample

func (b *sampleBuffers) get() []Sample {
	if buffer, ok := b.pool.Get().(*[]Sample); ok {
		return *buffer
	}
	return make([]Sample, 0, 32)
}

// put returns room that is no longer used.
func (b *sampleBuffers) put(samples []Sample) {
	clear(samples)
	samples = samples[:0]
	b.pool.Put(&samples)
}

// only returns the samples that have one of the names.
func (m *measured) only(names []string) (some []Sample) {
	if m.shape == nil {
		return nil
	}
	for _, name := range names {
		for _, i := range m.shape.named[name] {
			s := m.shape.samples[i]
			s.Value = m.values[i]
			some = append(some, s)
		}
	}
	return some
}
