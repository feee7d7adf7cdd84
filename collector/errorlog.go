package collector

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fremisn/fremisn-exporter/collector/internal/errlog"
)

// errorBookConfig says how an error log is counted.
type errorBookConfig struct {
	Log       string // the label log
	MaxSeries int
	Topology  *topology
}

// An errorBook is the book of an error log.
type errorBook struct {
	errorBookConfig
	results lineResults
	levels  map[string]uint64
	events  map[errorEvent]uint64
	dropped uint64
}

// lineResults counts lines by what came of them.
type lineResults struct{ parsed, malformed, tooLong uint64 }

func (r lineResults) append(dst []byte) []byte {
	for _, n := range []uint64{r.parsed, r.malformed, r.tooLong} {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func (r lineResults) emit(log string, emit func(prometheus.Metric)) {
	for _, of := range []struct {
		result string
		n      uint64
	}{{"parsed", r.parsed}, {"malformed", r.malformed}, {"too_long", r.tooLong}} {
		emit(prometheus.MustNewConstMetric(descLogLines, prometheus.CounterValue, float64(of.n), log, of.result))
	}
}

// An errorEvent is an event with what it happened to: a server's address, or a group's name that has no live server.
type errorEvent struct{ event, target string }

// overflowTarget stands for the servers that came after max_series.
const overflowTarget = "other"

func newErrorBook(cfg errorBookConfig) *errorBook {
	return &errorBook{errorBookConfig: cfg, levels: map[string]uint64{}, events: map[errorEvent]uint64{}}
}

// Lines counts a block of whole lines.
func (b *errorBook) Lines(block []byte) {
	for len(block) > 0 {
		end := bytes.IndexByte(block, '\n')
		if end < 0 {
			end = len(block)
		}
		b.line(block[:end])
		block = block[min(end+1, len(block)):]
	}
}

func (b *errorBook) line(line []byte) {
	entry, ok := errlog.Parse(line)
	if !ok {
		b.results.malformed++
		return
	}
	b.results.parsed++
	b.levels[entry.Level]++
	key := errorEvent{entry.Event, labelText(entry.Upstream)}
	if _, known := b.events[key]; !known && len(b.levels)+len(b.events) >= b.MaxSeries && key.target != "" {
		b.dropped++
		key.target = overflowTarget
	}
	b.events[key]++
}

// TooLong counts a line that no block can hold.
func (b *errorBook) TooLong() { b.results.tooLong++ }

// labelText makes a label's value of what stands in a log.
func labelText(raw []byte) string {
	const maxLabel = 256
	return strings.ToValidUTF8(string(raw[:min(len(raw), maxLabel)]), "\uFFFD")
}

var errErrorState = errors.New("the saved counts of the error log cannot be read")

// errorState is the first byte of an encoded errorBook: its version.
const errorState = 1

// AppendState appends the version, the results of lines, dropped, and the two maps.
func (b *errorBook) AppendState(dst []byte) []byte {
	dst = b.results.append(append(dst, errorState))
	dst = binary.AppendUvarint(dst, b.dropped)
	dst = binary.AppendUvarint(dst, uint64(len(b.levels)))
	for level, n := range b.levels {
		dst = binary.AppendUvarint(appendText(dst, level), n)
	}
	dst = binary.AppendUvarint(dst, uint64(len(b.events)))
	for event, n := range b.events {
		dst = binary.AppendUvarint(appendText(appendText(dst, event.event), event.target), n)
	}
	return dst
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// RestoreState is for AppendState's encoding, of this version and earlier ones.
func (b *errorBook) RestoreState(state []byte) error {
	if len(state) == 0 || state[0] != errorState {
		return errErrorState
	}
	d := textDecoder{rest: state[1:]}
	results := lineResults{d.number(), d.number(), d.number()}
	dropped := d.number()
	levels, events := map[string]uint64{}, map[errorEvent]uint64{}
	for n := d.number(); n > 0 && !d.failed; n-- {
		level := d.text()
		levels[level] = d.number()
	}
	for n := d.number(); n > 0 && !d.failed; n-- {
		event := errorEvent{d.text(), d.text()}
		events[event] = d.number()
	}
	if d.failed || len(d.rest) > 0 {
		return errErrorState
	}
	b.results, b.dropped, b.levels, b.events = results, dropped, levels, events
	return nil
}

// A textDecoder reads numbers and texts; once it has failed it gives nothing.
type textDecoder struct {
	rest   []byte
	failed bool
}

func (d *textDecoder) number() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.rest, d.failed = nil, true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *textDecoder) text() string {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.rest, d.failed = nil, true
		return ""
	}
	text := strings.ToValidUTF8(string(d.rest[:n]), "\uFFFD")
	d.rest = d.rest[n:]
	return text
}

// View copies the counts.
func (b *errorBook) View() view {
	v := &errorView{log: b.Log, topology: b.Topology, results: b.results, dropped: b.dropped, levels: map[string]uint64{}, events: map[errorEvent]uint64{}}
	for level, n := range b.levels {
		v.levels[level] = n
	}
	for event, n := range b.events {
		v.events[event] = n
	}
	return v
}

// An errorView is an errorBook's counts at one moment.
type errorView struct {
	log      string
	topology *topology
	results  lineResults
	dropped  uint64
	levels   map[string]uint64
	events   map[errorEvent]uint64
}

// Emit gives every metric of the log.
func (v *errorView) Emit(emit func(prometheus.Metric)) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		emit(prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append([]string{v.log}, labels...)...))
	}
	for level, n := range v.levels {
		counter(descErrorEntries, n, level)
	}
	for e, n := range v.events {
		upstream, server, node := v.place(e)
		counter(descErrorEvents, n, e.event, upstream, server, node)
	}
	v.results.emit(v.log, emit)
	counter(descLogSeriesDropped, v.dropped)
}

// place is the labels upstream, server and node of an event.
func (v *errorView) place(e errorEvent) (upstream, server, node string) {
	switch {
	case e.target == overflowTarget:
		return "other", "other", "other"
	case e.event == "no_live_upstreams" || v.topology.isGroup(e.target):
		return e.target, "", ""
	}
	return v.topology.upstream(e.target), e.target, v.topology.node(e.target)
}
