package probe

import (
	"reflect"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// A result comes out of the history as it went in, except for what History leaves out; a log is to a tenth of a
// millisecond.
func TestKeptResultIsTheResult(t *testing.T) {
	secrets := mask.New([]string{"hunter2"}, nil)
	r := Result{ID: 7, Module: "m", Target: "http://x/", When: time.Unix(5, 6), Duration: time.Second,
		Timeout: 2 * time.Second, Reason: "status", Sentence: "answered 500", body: []byte("oops"), secrets: secrets,
		Phases: []Phase{{"resolve", time.Millisecond}, {"connect", 3}},
		lines:  []logLine{{100 * time.Microsecond, "GET /hunter2"}, {time.Second, "failed"}}}
	h := history{most: 3}
	k := h.add(&r)
	got, want := k.brief().WithLog(), r.WithLog()
	if got.kept = nil; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nbecame\n%+v", want, got)
	}
	if again := h.add(&r); again.words != k.words {
		t.Error("words are kept twice")
	}
	good := r
	good.Success, good.Reason, good.Sentence = true, "", ""
	if well := h.add(&good); well.body != nil || !well.success() || well.words == k.words {
		t.Errorf("a success is kept as %+v", well)
	}
	if flapped := h.add(&r); flapped.words != k.words {
		t.Error("words of a target that flaps are kept twice")
	}
	for name, change := range map[string]func(*Result){
		"module":   func(r *Result) { r.Module = "n" },
		"target":   func(r *Result) { r.Target = "http://y/" },
		"timeout":  func(r *Result) { r.Timeout = 1 },
		"reason":   func(r *Result) { r.Reason = "body" },
		"sentence": func(r *Result) { r.Sentence = "no" },
		"secrets":  func(r *Result) { r.secrets = mask.Secrets{} },
		"a line":   func(r *Result) { r.lines = []logLine{{1, "GET /hunter2"}, {2, "other"}} },
		"lines":    func(r *Result) { r.lines = r.lines[:1] },
		"phases":   func(r *Result) { r.Phases = r.Phases[:1] },
	} {
		other := r
		change(&other)
		if k.words.says(&other) {
			t.Errorf("another %s is taken for the same", name)
		}
	}
}

// Probes of a module share what they have in common of their samples, and no value of one appears in another.
func TestShapesAreShared(t *testing.T) {
	var all shapes
	samples := func(value float64, names ...string) (all []Sample) {
		for _, name := range names {
			all = append(all, Sample{name, "help", []Label{{"a", "b"}}, value})
		}
		return all
	}
	var one, two measured
	one.set(samples(1, "x", "y"), &all)
	two.set(samples(2, "x", "y"), &all)
	if one.shape != two.shape {
		t.Error("the same names are two shapes")
	}
	if got := one.only([]string{"y", "z"}); len(got) != 1 || got[0].String() != `y{a="b"} 1` {
		t.Errorf("got %v", got)
	}
	before := two.values
	two.set(samples(3, "y"), &all)
	if two.shape == one.shape || before[0] != 2 || two.values[0] != 3 {
		t.Errorf("got %v, before %v", two, before)
	}
	for i := range 3 * maxShapes {
		two.set(samples(3, "y", string(rune('a'+i))), &all)
	}
	if len(all.list) != maxShapes {
		t.Errorf("%d shapes are known", len(all.list))
	}
	if one.set(samples(4, "x", "y"), &all); one.only([]string{"x"})[0].Value != 4 {
		t.Errorf("got %v", one)
	}
}
