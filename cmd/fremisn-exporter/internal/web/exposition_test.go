package web

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func labelPair(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: proto.String(name), Value: proto.String(value)}
}

func family(name, help string, kind dto.MetricType, metrics ...*dto.Metric) *dto.MetricFamily {
	return &dto.MetricFamily{Name: proto.String(name), Help: proto.String(help), Type: kind.Enum(), Metric: metrics}
}

// oddHistogram has exemplars on some of its buckets, and the bucket +Inf or not.
func oddHistogram(i int, text string, v float64) *dto.Histogram {
	h := &dto.Histogram{SampleCount: proto.Uint64(uint64(i) * 1e6), SampleSum: proto.Float64(v),
		CreatedTimestamp: timestamppb.Now()}
	for k, upper := range []float64{0.005, 1, float64(i), 1e7, math.Inf(1)}[:2+i%4] {
		bucket := &dto.Bucket{UpperBound: proto.Float64(upper), CumulativeCount: proto.Uint64(uint64(k) * 1234567)}
		if k%2 == 0 {
			bucket.Exemplar = &dto.Exemplar{Label: []*dto.LabelPair{labelPair("request_id", text)},
				Value: proto.Float64(v)}
			if i != 4 {
				bucket.Exemplar.Timestamp = timestamppb.New(time.Unix(1700000000, int64(i)*1e8))
			}
		}
		h.Bucket = append(h.Bucket, bucket)
	}
	return h
}

// oddFamilies have what is usual and what is not.
func oddFamilies(t *testing.T) []*dto.MetricFamily {
	random := rand.New(rand.NewPCG(1, 2))
	values := []float64{
		0, math.Copysign(0, -1), 1, -1, 0.5, 12345, 999999, 1e6, 1234567, -1e6, 1e21, 1e-7, 1732492800.123,
		math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64,
	}
	for range 30 {
		values = append(values, random.NormFloat64()*math.Pow(10, float64(random.IntN(20)-5)))
	}
	texts := []string{"", "plain", `a"b`, `a\b`, "a\nb", "é\uFFFD", `"`, `\`, "\n\n"}
	var families []*dto.MetricFamily
	for i, text := range texts {
		labels := []*dto.LabelPair{labelPair("a", text), labelPair("_b9", texts[(i+1)%len(texts)])}[:i%3]
		for _, v := range values {
			gauge := &dto.Gauge{Value: proto.Float64(v)}
			counter := &dto.Counter{Value: proto.Float64(v), CreatedTimestamp: timestamppb.Now()}
			histogram := &dto.Metric{Label: labels, Histogram: oddHistogram(i, text, v)}
			families = append(families,
				family("g", text, dto.MetricType_GAUGE, &dto.Metric{Label: labels, Gauge: gauge}),
				family("c_total", "h", dto.MetricType_COUNTER, &dto.Metric{Label: labels, Counter: counter}),
				family("c", "h", dto.MetricType_COUNTER, &dto.Metric{Label: labels, Counter: counter}),
				family("u", "h", dto.MetricType_UNTYPED, &dto.Metric{Label: labels,
					Untyped: &dto.Untyped{Value: proto.Float64(v)}}),
				family("é", "h", dto.MetricType_GAUGE, &dto.Metric{Label: labels, Gauge: gauge}),
				family("t", "h", dto.MetricType_GAUGE, &dto.Metric{Label: labels, TimestampMs: proto.Int64(5),
					Gauge: gauge}),
				family("h", "h", dto.MetricType_HISTOGRAM, histogram, histogram))
		}
	}
	withExemplar := &dto.Counter{Value: proto.Float64(1),
		Exemplar: &dto.Exemplar{Label: []*dto.LabelPair{labelPair("a", "b")}, Value: proto.Float64(1)}}
	helpless := family("helpless", "", dto.MetricType_GAUGE, &dto.Metric{Gauge: &dto.Gauge{Value: proto.Float64(1)}})
	helpless.Help = nil
	families = append(families, helpless,
		family("floats", "h", dto.MetricType_HISTOGRAM,
			&dto.Metric{Histogram: &dto.Histogram{SampleCountFloat: proto.Float64(1.5), SampleSum: proto.Float64(1)}}),
		family("with_exemplar_total", "h", dto.MetricType_COUNTER, &dto.Metric{Counter: withExemplar}),
		family("odd_label", "h", dto.MetricType_GAUGE, &dto.Metric{Label: []*dto.LabelPair{labelPair("é", "x")},
			Gauge: &dto.Gauge{Value: proto.Float64(1)}}))
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector())
	own, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return append(families, own...)
}

// TestExpositionIsThatOfExpfmt wants the same bytes as expfmt writes, in every format.
func TestExpositionIsThatOfExpfmt(t *testing.T) {
	formats := expfmt.DefaultOpenMetricsAcceptedFormats()
	if len(formats) < 4 {
		t.Errorf("only %d formats", len(formats))
	}
	families := oddFamilies(t)
	var got exposition
	var body bytes.Buffer
	for _, created := range []bool{false, true} {
		var options []expfmt.EncoderOption
		if created {
			options = append(options, expfmt.WithCreatedLines())
		}
		for _, format := range formats {
			for _, f := range families {
				var want bytes.Buffer
				encoder := expfmt.NewEncoder(&want, format, options...)
				wantErr := encoder.Encode(f)
				if err := encoder.(expfmt.Closer).Close(); err != nil {
					t.Fatal(err)
				}
				body.Reset()
				got.reset(&body, format, created)
				if err := got.write(slices.Values([]*dto.MetricFamily{f})); (err == nil) != (wantErr == nil) {
					t.Errorf("%s: error %v, expfmt's %v", format, err, wantErr)
				}
				if body.String() != want.String() {
					t.Fatalf("%s, created lines %v:\n%s\nexpfmt writes\n%s", format, created, body.String(),
						want.String())
				}
			}
		}
	}
}

// BenchmarkExposition writes 60 histograms of 13 buckets, here and as expfmt does, by turns: "ratio" is the time of
// expfmt by ours.
func BenchmarkExposition(b *testing.B) {
	h := &dto.Histogram{SampleCount: proto.Uint64(1234), SampleSum: proto.Float64(56.789)}
	for i, upper := range []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60} {
		h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: proto.Float64(upper),
			CumulativeCount: proto.Uint64(uint64(100 * i))})
	}
	f := family("nginx_upstream_response_duration_seconds", "h", dto.MetricType_HISTOGRAM)
	for i := range 60 {
		f.Metric = append(f.Metric, &dto.Metric{Histogram: h, Label: []*dto.LabelPair{
			labelPair("log", "access"), labelPair("node", "slave-1"), labelPair("outcome", "ok"), labelPair("server",
				fmt.Sprintf("192.168.100.%d:4005", i)), labelPair("upstream", "fremisn_backend"),
		}})
	}
	for _, format := range expfmt.DefaultOpenMetricsAcceptedFormats() {
		b.Run(fmt.Sprint(format.FormatType(), format[len(format)-20:]), func(b *testing.B) {
			var ours, theirs time.Duration
			var e exposition
			var body bytes.Buffer
			for b.Loop() {
				began := time.Now()
				body.Reset()
				e.reset(&body, format, false)
				if err := e.write(slices.Values([]*dto.MetricFamily{f})); err != nil {
					b.Fatal(err)
				}
				ours += time.Since(began)
				began = time.Now()
				if err := expfmt.NewEncoder(io.Discard, format).Encode(f); err != nil {
					b.Fatal(err)
				}
				theirs += time.Since(began)
			}
			b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
			b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N)/16/60, "ns/line")
		})
	}
}
