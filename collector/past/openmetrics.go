package past

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/confmetrics"
	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

func defaultBuckets() []float64 { return source.DefaultLatencyBuckets() }

// isOwnLabel reports whether a metric of an access log has the label.
func isOwnLabel(name string) bool {
	if name == "le" {
		return true
	}
	for i := range metric.Table() {
		m := metric.Get(metric.ID(i))
		if (m.IsOf(false) || m.Of == metric.NginxConf) && slices.Contains(m.Labels, name) {
			return true
		}
	}
	return false
}

// A day is the samples of a day: of each series how much it rose from step to step.
type day struct {
	number int64 // since 1970
	step   int64 // milliseconds
	first  int64 // Unix milliseconds of the first sample
	steps  int
	series [metric.Count][]*samples
	lines  [4]samples
	counts *ledger.Snapshot // the last: for labels
	buffer []uint64
}

// samples are those of a counter, or of all components of a histogram: its buckets, its count and its sum.
type samples struct {
	from   int // the step of the first
	last   []uint64
	deltas []byte
}

func newDay(number, step int64) *day { return &day{number: number, step: step} }

// sample adds a sample of everything, and returns how many that are.
func (d *day) sample(at int64, lines ledger.Lines, counts *ledger.Snapshot) uint64 {
	if d.steps == 0 {
		d.first = at
	}
	n := uint64(0)
	for id := range metric.Count {
		m := metric.Get(id)
		if !m.IsOf(false) {
			continue
		}
		for i, c := range counts.Counters(int(id)) {
			d.at(id, i).append(c.Value)
			n++
		}
		for i, h := range counts.Histograms(int(id)) {
			d.buffer = append(h.Cumulative(d.buffer[:0]), h.Count(), h.SumMillis)
			d.at(id, i).append(d.buffer...)
			n += uint64(len(d.buffer)) + 1
		}
	}
	for i, value := range []uint64{lines.Parsed, lines.Malformed, lines.TooLong, lines.Ignored} {
		d.lines[i].append(value)
		n++
	}
	d.counts = counts
	d.steps++
	return n
}

func (d *day) at(id metric.ID, i int) *samples {
	for len(d.series[id]) <= i {
		d.series[id] = append(d.series[id], &samples{from: d.steps})
	}
	return d.series[id][i]
}

func (s *samples) append(values ...uint64) {
	if s.last == nil {
		s.last = make([]uint64, len(values))
	}
	for i, v := range values {
		s.deltas = binary.AppendUvarint(s.deltas, v-s.last[i])
		s.last[i] = v
	}
}

// each gives the values of each step.
func (s *samples) each(yield func(step int, values []uint64)) {
	values := make([]uint64, len(s.last))
	rest := s.deltas
	for step := s.from; len(rest) > 0; step++ {
		for i := range values {
			delta, n := binary.Uvarint(rest)
			values[i] += delta
			rest = rest[n:]
		}
		yield(step, values)
	}
}

// A dayWriter writes days as OpenMetrics.
type dayWriter struct {
	dir, log, labels string
	topology         *source.Topology
	conf             *nginxconf.Config
	constant         []Gauge
}

// write writes a day's file whole, or not at all, and returns its path.
func (w *dayWriter) write(d *day) (path string, err error) {
	name := strings.Map(func(r rune) rune {
		if r == '/' || r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, w.log)
	path = filepath.Join(w.dir, fmt.Sprintf("%s-%s.om", name,
		time.UnixMilli(d.number*dayMillis).UTC().Format(time.DateOnly)))
	file, err := os.CreateTemp(w.dir, ".backfill-*")
	if err != nil {
		return "", fmt.Errorf("writing the samples: %w", err)
	}
	defer os.Remove(file.Name())
	out := &dayOutput{Writer: bufio.NewWriterSize(file, 1<<20), dayWriter: w, day: d}
	out.all()
	if err = out.Flush(); err == nil {
		err = file.Chmod(0o644)
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return "", fmt.Errorf("writing the samples: %w", err)
	}
	return path, nil
}

// A dayOutput is a file that is being written. Flush reports a failed write.
type dayOutput struct {
	*bufio.Writer
	*dayWriter
	day *day
}

func (o *dayOutput) all() {
	for id := range metric.Count {
		if len(o.day.series[id]) == 0 {
			continue
		}
		m := metric.Get(id)
		o.head(m)
		names := o.day.counts.Labels(int(id))
		if m.Type == metric.Histogram {
			for i, h := range o.day.counts.Histograms(int(id)) {
				o.histogram(m, o.render(names, h.Labels), h.Classic(), o.day.series[id][i])
			}
			continue
		}
		for i, c := range o.day.counts.Counters(int(id)) {
			o.counter(m.Name, o.render(names, c.Labels), o.day.series[id][i])
		}
	}
	m := metric.Get(metric.LogLines)
	o.head(m)
	for i, result := range []string{"parsed", "malformed", "too_long", "ignored"} {
		o.counter(m.Name, o.with(`log="`+escapeLabel(o.log)+`"`, `result="`+result+`"`), &o.day.lines[i])
	}
	o.gauges()
	o.WriteString("# EOF\n")
}

func (o *dayOutput) head(m *metric.Metric) {
	name := m.Name
	if m.Type == metric.Counter {
		name = strings.TrimSuffix(name, "_total")
	}
	fmt.Fprintf(o, "# HELP %s %s\n# TYPE %s %s\n", name, strings.NewReplacer("\\", `\\`, "\n", `\n`, `"`,
		`\"`).Replace(m.Help), name, m.Type)
}

// render writes the labels of a series.
func (o *dayOutput) render(names, values []string) string {
	parts := []string{`log="` + escapeLabel(o.log) + `"`}
	for i, name := range names {
		if name != "server" {
			parts = append(parts, name+`="`+escapeLabel(values[i])+`"`)
			continue
		}
		upstream, server, node := o.place(values[i])
		parts = append(parts, `upstream="`+escapeLabel(upstream)+`"`, `server="`+escapeLabel(server)+`"`,
			`node="`+escapeLabel(node)+`"`)
	}
	return o.with(parts...)
}

func (o *dayOutput) with(parts ...string) string {
	if o.labels != "" {
		parts = append(parts, o.labels)
	}
	return strings.Join(parts, ",")
}

// place is the labels upstream, server and node of a server.
func (o *dayOutput) place(name string) (upstream, server, node string) {
	if name == ledger.Other {
		return name, name, name
	}
	return o.topology.Upstream(name), name, o.topology.Node(name)
}

func (o *dayOutput) counter(name, labels string, s *samples) {
	s.each(func(step int, values []uint64) {
		o.line(name, labels, strconv.FormatUint(values[0], 10), step)
	})
}

func (o *dayOutput) histogram(m *metric.Metric, labels string, bounds []float64, s *samples) {
	s.each(func(step int, values []uint64) {
		for i, bound := range bounds {
			o.line(m.Name+"_bucket", labels+`,le="`+canonical(bound)+`"`, strconv.FormatUint(values[i], 10), step)
		}
		count := strconv.FormatUint(values[len(bounds)], 10)
		o.line(m.Name+"_bucket", labels+`,le="+Inf"`, count, step)
		o.line(m.Name+"_count", labels, count, step)
		o.line(m.Name+"_sum", labels, strconv.FormatFloat(float64(values[len(bounds)+1])/1000, 'g', -1, 64), step)
	})
}

// canonical is a bound as OpenMetrics wants it: 1.0, 0.25.
func canonical(bound float64) string {
	text := strconv.FormatFloat(bound, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return text
}

// gauges are the constant series of the whole time: that there was an exporter, what it would have said besides, and
// what nginx.conf says today.
func (o *dayOutput) gauges() {
	byName := map[string][]Gauge{}
	add := func(g Gauge) { byName[g.Name] = append(byName[g.Name], g) }
	add(Gauge{Name: "up", Help: "Whether the exporter was there: it is for the time of a backfilled log.", Value: 1})
	for _, g := range o.constant {
		add(g)
	}
	if o.conf != nil {
		confmetrics.Each(o.conf, o.topology.Node, func(id metric.ID, value float64, labels ...string) {
			m := metric.Get(id)
			g := Gauge{Name: m.Name, Help: m.Help, Value: value}
			for i, name := range m.Labels {
				g.Labels = append(g.Labels, [2]string{name, labels[i]})
			}
			add(g)
		})
	}
	for _, name := range sortedKeys(byName) {
		o.head(&metric.Metric{Name: name, Help: byName[name][0].Help, Type: metric.Gauge})
		for _, g := range byName[name] {
			var parts []string
			for _, l := range g.Labels {
				parts = append(parts, l[0]+`="`+escapeLabel(l[1])+`"`)
			}
			labels, value := o.with(parts...), strconv.FormatFloat(g.Value, 'g', -1, 64)
			for step := range o.day.steps {
				o.line(name, labels, value, step)
			}
		}
	}
}

func (o *dayOutput) line(name, labels, value string, step int) {
	at := o.day.first + int64(step)*o.day.step
	o.WriteString(name)
	o.WriteByte('{')
	o.WriteString(labels)
	o.WriteString("} ")
	o.WriteString(value)
	o.WriteByte(' ')
	o.WriteString(strconv.FormatFloat(float64(at)/1000, 'f', -1, 64))
	o.WriteByte('\n')
}

func escapeLabel(value string) string {
	return strings.NewReplacer("\\", `\\`, "\n", `\n`, `"`, `\"`).Replace(value)
}
