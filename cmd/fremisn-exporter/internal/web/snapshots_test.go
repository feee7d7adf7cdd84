package web

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/proto"
)

const plainText = expfmt.Format("text/plain; version=0.0.4; charset=utf-8")

func textOf(b *body) string {
	var text strings.Builder
	b.sendTo(&text)
	return text.String()
}

// oneGauge is a gathering that gives how many there have been.
func oneGauge(n int64) iter.Seq[*dto.MetricFamily] {
	gauge := &dto.Metric{Gauge: &dto.Gauge{Value: proto.Float64(float64(n))}}
	return slices.Values([]*dto.MetricFamily{family("gatherings", "h", dto.MetricType_GAUGE, gauge)})
}

// Scrapes that come while one is under way share the next, which begins after them: they are shown what was written
// before they came.
func TestScrapesShareAGathering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gatherings atomic.Int64
		s := newSnapshots(func(context.Context, bool) (iter.Seq[*dto.MetricFamily], error) {
			n := gatherings.Add(1)
			time.Sleep(100 * time.Millisecond)
			return oneGauge(n), nil
		}, false, func(error) {})
		of, as := snapshotKey{timeout: time.Second}, answerKey{format: plainText}
		var scrapes sync.WaitGroup
		scrape := func(want string) {
			a, err := s.get(t.Context(), of, as, nil)
			defer s.release(a)
			if err != nil {
				t.Error(err)
			} else if got := textOf(a.body); got != "# HELP gatherings h\n# TYPE gatherings gauge\ngatherings "+want+
				"\n" {
				t.Errorf("got %s", got)
			}
		}
		scrapes.Go(func() { scrape("1") })
		time.Sleep(50 * time.Millisecond)
		for range 200 {
			scrapes.Go(func() { scrape("2") })
		}
		scrapes.Wait()
		if n := gatherings.Load(); n != 2 || s.held != 0 {
			t.Errorf("%d gatherings, %d bytes held", n, s.held)
		}
	})
}

// One gathering that waits for something that hangs keeps no other from its numbers.
func TestGatheringThatHangsDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gatherings atomic.Int64
		s := newSnapshots(func(ctx context.Context, _ bool) (iter.Seq[*dto.MetricFamily], error) {
			n := gatherings.Add(1)
			if n == 1 {
				<-ctx.Done()
			}
			return oneGauge(n), nil
		}, false, func(error) {})
		of, as := snapshotKey{timeout: 2500 * time.Millisecond}, answerKey{format: plainText}
		var scrapes sync.WaitGroup
		for _, limit := range []time.Duration{2600 * time.Millisecond, fairTurn + time.Millisecond} {
			scrapes.Go(func() {
				began := time.Now()
				a, err := s.get(t.Context(), of, as, nil)
				defer s.release(a)
				if took := time.Since(began); err != nil || took > limit {
					t.Errorf("%v after %s", err, took)
				}
			})
			time.Sleep(time.Millisecond)
		}
		scrapes.Wait()
	})
}

// The first scrape of a thousand logs on a busy machine takes longer to be encoded than an answer's limit: who waits
// gets all of it, and no refusal.
func TestAnswerThatIsEncodedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewScrapes(MetricsOptions{
			Registry: prometheus.NewRegistry(), Limit: func() time.Duration { return AnswerLimit },
			Gatherer: func(ctx context.Context, _ bool) prometheus.Gatherer {
				return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
					<-ctx.Done()
					return nil, nil
				})
			},
			Probes: func() iter.Seq[*dto.MetricFamily] {
				return func(yield func(*dto.MetricFamily) bool) {
					time.Sleep(2 * time.Second)
					oneGauge(1)(yield)
				}
			},
		})
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
		if w.Code != 200 || !strings.Contains(w.Body.String(), "\ngatherings 1\n") {
			t.Errorf("status %d, %s", w.Code, w.Body)
		}
	})
}

// Answers that nobody reads are bounded: then new scrapes are refused in their time, and served when there is room
// again.
func TestAnswersThatAreNotReadAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		big := make([]byte, 1<<20)
		for i := range big {
			big[i] = 'x'
		}
		families := []*dto.MetricFamily{family("big", string(big), dto.MetricType_GAUGE)}
		s := newSnapshots(func(context.Context, bool) (iter.Seq[*dto.MetricFamily], error) {
			return slices.Values(families), nil
		}, false, func(error) {})
		of := snapshotKey{timeout: 2500 * time.Millisecond}
		var held []*answer
		var err error
		for i := 0; err == nil; i++ {
			if i > 100 {
				t.Fatal("100 answers are held")
			}
			ctx, cancel := context.WithTimeout(t.Context(), AnswerLimit)
			var a *answer
			a, err = s.get(ctx, of, answerKey{format: plainText, names: fmt.Sprint(i)}, nil)
			cancel()
			if err == nil {
				held = append(held, a)
			} else {
				s.release(a)
			}
		}
		most := maxHeld / held[0].body.held()
		if !errors.Is(err, errBusy) || len(held) != most+1 && len(held) != most {
			t.Errorf("%v after %d answers of 1 MiB", err, len(held))
		}
		for _, a := range held {
			s.release(a)
		}
		synctest.Wait() // what was refused is put together still, and let go then
		a, err := s.get(t.Context(), of, answerKey{format: plainText}, nil)
		if err != nil {
			t.Errorf("when all were read: %v", err)
		}
		s.release(a)
		synctest.Wait()
		if s.held != 0 || len(s.waiting) != 0 {
			t.Errorf("%d bytes and %d gatherings are left", s.held, len(s.waiting))
		}
	})
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "deflate, gzip;q=1.0, *;q=0.5": true, "gzip;q=0": false, "br": false,
		"gzip; q=0.0": false,
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Accept-Encoding", header)
		if acceptsGzip(r) != want {
			t.Errorf("%q: %v", header, !want)
		}
	}
}

// A body gives what was written to it, however it was split, and its memory goes back.
func TestBodyInPieces(t *testing.T) {
	var taken, gone int
	pool := sync.Pool{New: func() any { taken++; return new(piece) }}
	for _, size := range []int{0, 1, pieceSize - 1, pieceSize, pieceSize + 1, 3*pieceSize + 5} {
		b := body{pool: &pool}
		var want strings.Builder
		for at := 0; want.Len() < size; at++ {
			part := strings.Repeat(string(rune('a'+at%26)), min(1+at*7, size-want.Len()))
			want.WriteString(part)
			if n, err := b.Write([]byte(part)); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if textOf(&b) != want.String() || b.size != size || b.held() != (size+pieceSize-1)/pieceSize*pieceSize {
			t.Errorf("%d bytes: it has %d and holds %d", size, b.size, b.held())
		}
		gone += len(b.pieces)
		if b.free(); b.held() != 0 {
			t.Error("it holds memory that it gave back")
		}
	}
	if gone == 0 || taken > gone {
		t.Errorf("%d pieces were used and %d made", gone, taken)
	}
}

// Families of two sources come sorted, and a reader may stop anywhere.
func TestMergedFamilies(t *testing.T) {
	some, more := []*dto.MetricFamily{}, []*dto.MetricFamily{}
	for _, name := range []string{"a", "b", "d", "g"} {
		some = append(some, family(name, "h", dto.MetricType_GAUGE))
	}
	for _, name := range []string{"c", "e", "f"} {
		more = append(more, family(name, "h", dto.MetricType_GAUGE))
	}
	for stop := range 8 {
		got := ""
		for f := range merged(some, slices.Values(more)) {
			if len(got) == stop {
				break
			}
			got += f.GetName()
		}
		if got != "abcdefg"[:stop] {
			t.Errorf("got %s", got)
		}
	}
	got := ""
	for f := range only(merged(some, slices.Values(more)), []string{"e", "a", "z"}) {
		got += f.GetName()
	}
	if got != "ae" {
		t.Errorf("got %s", got)
	}
}

// Clients that do not read make room for others: no scrape is refused because of them.
func TestSlowReadersGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		big := family("big", strings.Repeat("x", 1<<20), dto.MetricType_GAUGE)
		s := newSnapshots(func(context.Context, bool) (iter.Seq[*dto.MetricFamily], error) {
			return slices.Values([]*dto.MetricFamily{big}), nil
		}, false, func(error) {})
		of := snapshotKey{timeout: 2500 * time.Millisecond}
		var slow sync.WaitGroup
		var cut atomic.Int64
		for i := range 3 * maxHeld >> 20 {
			ctx, cancel := context.WithTimeout(t.Context(), AnswerLimit)
			a, err := s.get(ctx, of, answerKey{format: plainText, names: fmt.Sprint(i)}, nil)
			cancel()
			if err != nil {
				t.Fatalf("scrape %d: %v", i, err)
			}
			stop := make(chan struct{})
			done := s.reading(a, func() { close(stop) })
			slow.Go(func() {
				defer s.release(a)
				defer done()
				select {
				case <-stop:
					cut.Add(1)
				case <-time.After(writeLimit):
				}
			})
			time.Sleep(50 * time.Millisecond)
		}
		slow.Wait()
		if n := cut.Load(); n < maxHeld>>20 || s.held != 0 || s.readers.Len() != 0 {
			t.Errorf("%d gave way; %d bytes are held for %d readers", n, s.held, s.readers.Len())
		}
	})
}
