package web

import (
	"bytes"
	"io"
	"iter"
	"math"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// An exposition is the body of a scrape. It writes text and OpenMetrics as expfmt does, byte for byte, at a fraction of
// its cost: the labels of a histogram once and not for each of its buckets, and all of it by way of one buffer. What is
// rare is left to expfmt.
type exposition struct {
	out         io.Writer
	text        []byte // still to be written
	format      expfmt.Format
	options     []expfmt.EncoderOption
	openMetrics bool

	labels []byte // of the present metric
	bounds []bound
}

// A bound is the upper bound of a bucket, and its text.
type bound struct {
	value float64
	text  []byte
}

// flushSize is how much text is written at a time.
const flushSize = 16 << 10

// reset begins another body, which is written to out.
func (e *exposition) reset(out io.Writer, format expfmt.Format, created bool) {
	e.out, e.text = out, e.text[:0]
	e.format, e.options, e.bounds = format, nil, e.bounds[:0]
	e.openMetrics = format.FormatType() == expfmt.TypeOpenMetrics
	if created {
		e.options = []expfmt.EncoderOption{expfmt.WithCreatedLines()}
	}
}

// write writes all families. It continues after an error, and returns the first.
func (e *exposition) write(families iter.Seq[*dto.MetricFamily]) error {
	usualFormat := e.format.FormatType() == expfmt.TypeTextPlain ||
		e.openMetrics && e.options == nil && !strings.Contains(string(e.format), "version=2")
	encoder := expfmt.NewEncoder(e.out, e.format, e.options...)
	var first error
	for f := range families {
		if usualFormat && e.isUsual(f) {
			e.family(f)
			continue
		}
		e.flush()
		if err := encoder.Encode(f); err != nil && first == nil {
			first = err
		}
	}
	e.flush()
	if closer, ok := encoder.(expfmt.Closer); ok {
		if err := closer.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// flush writes the text. The writers are in memory, and give no error.
func (e *exposition) flush() {
	e.out.Write(e.text)
	e.text = e.text[:0]
}

// isUsual reports whether a family is of a kind that family can write.
func (e *exposition) isUsual(f *dto.MetricFamily) bool {
	if f.Unit != nil || f.Help == nil || !model.LegacyValidation.IsValidMetricName(f.GetName()) {
		return false
	}
	for _, m := range f.Metric {
		if m.TimestampMs != nil {
			return false
		}
		for _, l := range m.Label {
			if !isPlainName(l.GetName()) {
				return false
			}
		}
		ok := false
		switch f.GetType() {
		case dto.MetricType_COUNTER:
			ok = m.Counter != nil && m.Counter.Exemplar == nil
		case dto.MetricType_GAUGE:
			ok = m.Gauge != nil
		case dto.MetricType_UNTYPED:
			ok = m.Untyped != nil
		case dto.MetricType_HISTOGRAM:
			ok = m.Histogram != nil && m.Histogram.SampleCountFloat == nil && haveCounts(m.Histogram.Bucket)
		}
		if !ok {
			return false
		}
	}
	return true
}

func haveCounts(buckets []*dto.Bucket) bool {
	for _, b := range buckets {
		if b.CumulativeCountFloat != nil {
			return false
		}
		e := b.Exemplar
		if e != nil && (len(e.Label) != 1 || !isPlainName(e.Label[0].GetName()) || e.Timestamp != nil &&
			!e.Timestamp.IsValid()) {
			return false
		}
	}
	return true
}

func isPlainName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9' || i == 0) {
			return false
		}
	}
	return name != ""
}

// typeName returns a family's type in text, and in OpenMetrics.
func typeName(t dto.MetricType, openMetrics bool) string {
	switch t {
	case dto.MetricType_COUNTER:
		return "counter"
	case dto.MetricType_GAUGE:
		return "gauge"
	case dto.MetricType_HISTOGRAM:
		return "histogram"
	}
	if openMetrics {
		return "unknown"
	}
	return "untyped"
}

func (e *exposition) family(f *dto.MetricFamily) {
	name, kind, b := f.GetName(), typeName(f.GetType(), e.openMetrics), e.text
	described := name
	if e.openMetrics && f.GetType() == dto.MetricType_COUNTER {
		var isTotal bool
		if described, isTotal = strings.CutSuffix(name, "_total"); !isTotal {
			kind = "unknown"
		}
	}
	b = append(append(append(b, "# HELP "...), described...), ' ')
	b = appendEscaped(b, f.GetHelp(), e.openMetrics)
	b = append(append(append(append(append(b, "\n# TYPE "...), described...), ' '), kind...), '\n')
	for _, m := range f.Metric {
		e.setLabels(m.Label)
		switch f.GetType() {
		case dto.MetricType_COUNTER:
			b = e.sample(b, name, m.Counter.GetValue())
		case dto.MetricType_GAUGE:
			b = e.sample(b, name, m.Gauge.GetValue())
		case dto.MetricType_UNTYPED:
			b = e.sample(b, name, m.Untyped.GetValue())
		case dto.MetricType_HISTOGRAM:
			b = e.histogram(b, name, m.Histogram)
		}
		if e.text = b; len(b) >= flushSize {
			e.flush()
			b = e.text
		}
	}
	e.text = b
}

// setLabels writes the labels of the present metric: a="b",c="d".
func (e *exposition) setLabels(pairs []*dto.LabelPair) {
	e.labels = e.labels[:0]
	for i, l := range pairs {
		if i > 0 {
			e.labels = append(e.labels, ',')
		}
		e.labels = append(append(e.labels, l.GetName()...), `="`...)
		e.labels = append(appendEscaped(e.labels, l.GetValue(), true), '"')
	}
}

// begin writes name and labels of a sample, up to its value.
func (e *exposition) begin(b []byte, name, suffix string) []byte {
	b = append(append(b, name...), suffix...)
	if len(e.labels) > 0 {
		b = append(append(append(b, '{'), e.labels...), '}')
	}
	return append(b, ' ')
}

func (e *exposition) sample(b []byte, name string, value float64) []byte {
	return append(e.float(e.begin(b, name, ""), value), '\n')
}

func (e *exposition) histogram(b []byte, name string, h *dto.Histogram) []byte {
	hasInf := false
	for i, bucket := range h.Bucket {
		b = e.bucket(b, name, i, bucket.GetUpperBound(), bucket.GetCumulativeCount(), bucket.Exemplar)
		hasInf = hasInf || math.IsInf(bucket.GetUpperBound(), 1)
	}
	if !hasInf {
		b = e.bucket(b, name, len(h.Bucket), math.Inf(1), h.GetSampleCount(), nil)
	}
	b = append(e.float(e.begin(b, name, "_sum"), h.GetSampleSum()), '\n')
	return append(e.count(e.begin(b, name, "_count"), h.GetSampleCount()), '\n')
}

func (e *exposition) bucket(b []byte, name string, i int, upper float64, count uint64, exemplar *dto.Exemplar) []byte {
	b = append(append(append(b, name...), "_bucket{"...), e.labels...)
	if len(e.labels) > 0 {
		b = append(b, ',')
	}
	b = append(append(append(b, `le="`...), e.bound(i, upper)...), `"} `...)
	b = e.count(b, count)
	if exemplar != nil && e.openMetrics {
		l := exemplar.Label[0]
		b = append(append(append(b, " # {"...), l.GetName()...), `="`...)
		b = append(appendEscaped(b, l.GetValue(), true), `"} `...)
		b = e.float(b, exemplar.GetValue())
		if exemplar.Timestamp != nil {
			b = e.float(append(b, ' '), float64(exemplar.Timestamp.AsTime().UnixNano())/1e9)
		}
	}
	return append(b, '\n')
}

// bound returns the text of a bucket's bound. Histograms repeat the same bounds.
func (e *exposition) bound(i int, upper float64) []byte {
	for i >= len(e.bounds) {
		e.bounds = append(e.bounds, bound{value: math.NaN()})
	}
	if k := &e.bounds[i]; k.value != upper {
		k.value, k.text = upper, e.float(nil, upper)
	}
	return e.bounds[i].text
}

// count writes a whole number: the text format has only floats.
func (e *exposition) count(b []byte, n uint64) []byte {
	if e.openMetrics {
		return strconv.AppendUint(b, n, 10)
	}
	return e.float(b, float64(n))
}

// float writes as strconv does; in OpenMetrics it appends ".0" to what looks like a whole number.
func (e *exposition) float(b []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(b, "NaN"...)
	case math.IsInf(v, 1):
		return append(b, "+Inf"...)
	case math.IsInf(v, -1):
		return append(b, "-Inf"...)
	}
	begin := len(b)
	if whole := int64(v); float64(whole) == v && whole > -1e6 && whole < 1e6 {
		b = strconv.AppendInt(b, whole, 10) // -0 as 0
	} else {
		b = strconv.AppendFloat(b, v, 'g', -1, 64)
	}
	if e.openMetrics && bytes.IndexByte(b[begin:], '.') < 0 && bytes.IndexByte(b[begin:], 'e') < 0 {
		b = append(b, ".0"...)
	}
	return b
}

// appendEscaped escapes what a label's value or a help text must not contain.
func appendEscaped(b []byte, s string, quotes bool) []byte {
	for {
		i := strings.IndexAny(s, "\\\n\"")
		if i < 0 {
			return append(b, s...)
		}
		b = append(b, s[:i]...)
		switch {
		case s[i] == '\n':
			b = append(b, `\n`...)
		case s[i] == '"' && !quotes:
			b = append(b, '"')
		default:
			b = append(b, '\\', s[i])
		}
		s = s[i+1:]
	}
}
